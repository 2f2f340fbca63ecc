#!/bin/sh
# Checks the class's calendar, puts it in force and shows it; another file is checked before it takes its place, and the former one
# is kept beside it. Usage: calendar.sh CONFIG [FILE]
set -eu
config=$1 file=$2
here=$(dirname "$0")
root=
[ "$(id -u)" = 0 ] || root=sudo

if [ -n "$file" ]; then
  [ -r "$file" ] || { echo "$file cannot be read. Check the path: make calendar FILE=calendar.yml." >&2; exit 2; }
  "$here/compose.sh" "$config" exec -T api python -m course.calendar check - < "$file"
  calendar=$("$here/../.venv/bin/python" -m config.settings get state --config "$config")/course/calendar.yml
  $root cp "$file" "$calendar.new"
  if $root test -e "$calendar"; then
    $root chown --reference="$calendar" "$calendar.new" # whoever may edit it still may
    $root cp -p "$calendar" "$calendar.former"
  fi
  $root chmod 0644 "$calendar.new"
  $root mv "$calendar.new" "$calendar"
fi
exec "$here/compose.sh" "$config" exec -T api python -m course.calendar show
