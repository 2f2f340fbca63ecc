#!/bin/sh
# docker compose, as the deployed classroom of a settings file knows it. Usage: compose.sh CONFIG ARGUMENT...
set -eu
config=$1
shift
here=$(dirname "$0")/..
state=$("$here/.venv/bin/python" -m config.settings get state --config "$config")
name=$("$here/.venv/bin/python" -m config.settings get classroom.name --config "$config")
root=
[ "$(id -u)" = 0 ] || root=sudo

$root test -f "$state/classroom.env" || { echo "$state holds no classroom. Run \`make deploy\` first." >&2; exit 1; }
$root docker version > /dev/null 2>&1 || { echo "The Docker engine does not answer. \`make up\` starts it, and the classroom with it." >&2; exit 1; }
tls=
if $root grep -Eq "^TT_TLS='(acme|files|internal)'" "$state/classroom.env"; then tls="--file $here/docker-compose.tls.yml --profile tls"; fi
# shellcheck disable=SC2086  # several words or none
exec $root docker compose --project-name "$name" --file "$here/docker-compose.yml" $tls --env-file "$state/classroom.env" \
  --env-file "$state/secrets/secrets.env" --profile monitoring --profile postgresql --profile internet "$@"
