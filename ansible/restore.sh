#!/bin/sh
# Reads backups with the image that holds restic. Usage: restore.sh COMMAND CONFIG, where COMMAND is one of
#   ask      is everything there that a restore needs? (before anything is changed)
#   ready    is the image that reads backups here?
#   list     the backups that there are
#   student  one student's home or a file of it: $TT_USER, $TT_FILE
#   all      the whole classroom into its state folder, which `make deploy` then goes on with
# What it reads besides, from the environment: TT_FROM (folder), TT_KEY (file that holds the key), TT_BACKUP_PASSWORD (the key),
# TT_AT (a backup's id), TT_REPLACE (yes: what is there may be set aside).
# shellcheck disable=SC2086  # options are many words, none of which holds a space: the settings' paths cannot
set -eu
command=$1 config=$2
here=$(dirname "$0")/..
root=
[ "$(id -u)" = 0 ] || root=sudo

fail() {
  echo "$*" >&2
  exit 1
}
setting() { "$here/.venv/bin/python" -m config.settings get "$1" --config "$config"; }
stated() { # NAME FILE: a variable's value in an environment file of the deploy's
  $root sed -n "s/^$1='\{0,1\}\([^']*\)'\{0,1\}\$/\1/p" "$2" 2> /dev/null || true
}

state=$(setting state)
name=$(setting classroom.name)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/pyproject.toml")

from=${TT_FROM:-$(stated TT_BACKUP_TO "$state/classroom.env")}
[ -n "$from" ] || fail "Which backups? There is no classroom here that could tell: make restore FROM=FOLDER."
$root test -d "$from" || fail "There is no folder $from. Mount the disk, or name another: FROM=FOLDER."
from=$($root realpath "$from")
$root test -f "$from/config" || fail "$from holds no backup. Name the folder that \`make backup\` wrote to: FROM=FOLDER."
case $from in *,*) fail "$from cannot be used: a path with a comma. Name another: FROM=FOLDER." ;; esac

if [ -n "${TT_KEY:-}" ]; then
  key=$($root cat "$TT_KEY" 2> /dev/null) || fail "$TT_KEY cannot be read. KEY= names a file that holds the key of the backups."
elif [ -n "${TT_BACKUP_PASSWORD:-}" ]; then
  key=$TT_BACKUP_PASSWORD
elif $root test -f "$state/secrets/secrets.env"; then
  key=$(stated TT_BACKUP_PASSWORD "$state/secrets/secrets.env")
elif [ -t 0 ]; then
  printf 'Key of the backups in %s: ' "$from" >&2
  stty -echo
  read -r key
  stty echo
  echo >&2
else
  key=
fi
[ -n "$key" ] || fail "The backups are encrypted. Give their key, which \`make backup-key\` had shown, in a file: KEY=FILE."
case $command in
  ask) exit 0 ;;
  ready) $root docker image inspect "$name/backup:$version" > /dev/null 2>&1; exit ;;
esac

# By stdin: a key among the arguments or variables of a container could be read with the engine's help.
backup() { # DOCKER-OPTION... -- ARGUMENT...
  options=
  while [ "$1" != -- ]; do
    options="$options $1"
    shift
  done
  shift
  printf '%s\n' "$key" | $root docker run --rm --interactive --init --network none --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges --label "tinytorch.classroom=$name" --env "TT_BACKUP_TO=$from" \
    --mount "type=bind,source=$from,target=/srv/repository,readonly" $options "$name/backup:$version" \
    python3 -m backup --key-from-stdin "$@"
}
reading="--cap-add DAC_OVERRIDE"
# To give everything back to whose it was.
giving="--cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER"
at=${TT_AT:-latest}

case $command in
  list)
    backup $reading -- list
    ;;
  student)
    $root test -f "$state/classroom.env" || fail "$state holds no classroom. Run \`make deploy\` first."
    backup $giving --volume "$state:/srv/state:ro" --volume "$state/homes:/srv/state/homes" -- \
      student --at "$at" --user "$TT_USER" --file "${TT_FILE:-}"
    ;;
  all)
    replace=
    [ "${TT_REPLACE:-}" != yes ] || replace=--replace
    # A settings file that says something is this machine's own: another address, another disk. One that says nothing is a clone's.
    if ! $root test -f "$state/classroom.env" && ! grep -qvE '^ *(#|$|[a-z_]+: *$)' "$config"; then
      backup $reading -- settings --at "$at" > "$config.restored"
      mv "$config.restored" "$config"
      state=$(setting state)
      echo "Settings: those of the backup are now in $config."
    fi
    $root mkdir -p -m 0700 "$state"
    backup $giving --volume "$state:/srv/state" -- fetch --at "$at" $replace
    if $root test -f "$state/classroom.env"; then
      $root sh "$here/ansible/stop.sh" "$name" > /dev/null
    fi
    backup $giving --volume "$state:/srv/state" -- settle $replace
    ;;
esac
