#!/bin/sh
# Makes a backup now, in the folder that the settings name or another. Usage: backup.sh CONFIG [FOLDER]
set -eu
config=$1 to=$2
compose=$(dirname "$0")/compose.sh
if [ -z "$to" ]; then
  exec "$compose" "$config" run --rm --no-TTY backup python3 -m backup now
fi
[ -d "$to" ] || { echo "There is no folder $to. Make it, or mount the disk: make backup TO=FOLDER." >&2; exit 2; }
to=$(cd "$to" && pwd -P)
case $to in *[:\']*) echo "$to cannot be used: a path with a colon or quote. Name another: make backup TO=FOLDER." >&2; exit 2 ;; esac
other=$(mktemp)
trap 'rm -f "$other"' EXIT
echo "TT_BACKUP_TO='$to'" > "$other"
"$compose" "$config" --env-file "$other" run --rm --no-TTY backup python3 -m backup now --elsewhere
