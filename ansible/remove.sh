#!/bin/sh
# Removes one classroom's images, cgroups and units, and ends the engine if the deploy started it and nobody else uses it; says what it did.
# Usage: remove.sh NAME PIDFILE
set -eu
name=$1 pidfile=$2

if docker version > /dev/null 2>&1; then
  images=$(docker image ls --quiet --filter "reference=$name/*")
  # shellcheck disable=SC2086  # ids are many words
  [ -z "$images" ] || { docker image ls --format '{{.Repository}}:{{.Tag}}' --filter "reference=$name/*" | xargs docker image rm > /dev/null && echo "Removed: the images $name/*."; }
  if [ -f "$pidfile" ] && [ "$(cat "/proc/$(cat "$pidfile")/comm" 2>/dev/null)" = dockerd ]; then
    if [ -n "$(docker ps --quiet)" ]; then
      echo "Kept: the Docker engine, since other containers run on it."
    else
      engine=$(cat "$pidfile")
      kill "$engine"
      while kill -0 "$engine" 2> /dev/null; do sleep 0.2; done
      echo "Ended: the Docker engine that the deploy had started."
    fi
  fi
fi

for unit in "$name-isolation.service" "$name-students.slice" "$name.slice"; do
  [ -f "/etc/systemd/system/$unit" ] || continue
  systemctl disable --now "$unit" > /dev/null 2>&1 || systemctl stop "$unit"
  rm "/etc/systemd/system/$unit"
  systemctl daemon-reload
done

# Empty groups only: rmdir refuses one that still has processes.
for group in /sys/fs/cgroup/*/"$name" /sys/fs/cgroup/"$name"; do
  [ -d "$group" ] && find "$group" -depth -type d -exec rmdir {} + 2> /dev/null
done
exit 0
