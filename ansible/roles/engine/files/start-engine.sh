#!/bin/sh
# Starts dockerd as a plain daemon, in a session of its own so that it outlives the deploy. Usage: start-engine.sh PIDFILE LOG
set -eu
pidfile=$1 log=$2

# After a power cut the pid files of engine and containerd may name processes that are something else by now; both would then wait for a stranger.
for file in "$pidfile" /var/run/docker/containerd/containerd.pid; do
  [ -f "$file" ] || continue
  program=$(cat "/proc/$(cat "$file")/comm" 2>/dev/null || true)
  case $program in dockerd | containerd) ;; *) rm -f "$file" ;; esac
done

setsid --fork dockerd --pidfile "$pidfile" >> "$log" 2>&1 < /dev/null
