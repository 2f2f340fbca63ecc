#!/bin/sh
# Writes every lock file anew. dev.txt first: what the images hold is constrained to the versions that the tests ran with.
# The index is the host's own: uv does not read pip's configuration, so its index is handed on. Usage: lock.sh [--upgrade]
set -eu
cd "$(dirname "$0")/.."
index=$(python -m pip config get global.index-url 2> /dev/null || true)
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"

lock() { # NAME PYTHON OPTION...
  name=$1 version=$2
  shift 2
  uv pip compile --quiet --universal --python-version "$version" --generate-hashes --no-header \
    --override requirements/overrides.txt "$@" "requirements/$name.in" -o "requirements/$name.txt"
}

lock dev 3.11 "$@"
for name in hub gate student grader formgrader sandbox proxy; do
  lock "$name" 3.11 --constraint requirements/dev.txt "$@"
done
# Not in dev: nothing of it is imported here, and it is gigabytes. Its numpy is the student image's own.
lock student-gpu 3.11 --constraint requirements/dev.txt --no-emit-package numpy "$@"
lock deploy 3.10 "$@"
