#!/bin/sh
# Stops and removes every container and network of one classroom, services first so that nothing starts anew; prints what it removed.
# Usage: stop.sh NAME
set -eu
name=$1
docker version > /dev/null 2>&1 || exit 0 # no engine, nothing runs

stop() {
  containers=$(docker ps --all --quiet "$@")
  # shellcheck disable=SC2086  # ids are many words
  [ -z "$containers" ] || { docker stop --time 20 $containers > /dev/null && docker rm --force --volumes $containers; }
}

stop --filter "label=com.docker.compose.project=$name"
stop --filter "label=tinytorch.classroom=$name"
docker network ls --quiet --filter "label=tinytorch.classroom=$name" | while read -r network; do docker network rm "$network"; done
