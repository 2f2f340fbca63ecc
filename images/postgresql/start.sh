#!/bin/sh
# Makes the server's data and the two databases the first time, sets the passwords, and runs the server;
# `start --prepare` does all but the last.
set -eu
: "${TT_POSTGRESQL_PASSWORD:?postgresql: TT_POSTGRESQL_PASSWORD is not set. The deploy generates it.}"
: "${TT_GRADEBOOK_PASSWORD:?postgresql: TT_GRADEBOOK_PASSWORD is not set. The deploy generates it.}"
case $TT_POSTGRESQL_PASSWORD$TT_GRADEBOOK_PASSWORD in
  *[!0-9A-Za-z]*) echo "postgresql: a password has other characters than letters and digits." >&2; exit 1 ;;
esac

cd /srv/postgresql
bin=$(echo /usr/lib/postgresql/*/bin)
version=$(basename "$(dirname "$bin")")
for other in [0-9]*; do
  if [ -d "$other" ] && [ "$other" != "$version" ] && [ ! -d "$version" ]; then
    echo "postgresql: the data is of version $other, this is $version. docs/how-to/postgresql.md says how to move it." >&2
    exit 1
  fi
done

# Without a server, so that nobody else is there yet; a statement a line.
alone() { "$bin/postgres" --single -D "$1" -c config_file=/etc/postgresql/postgresql.conf -c log_min_messages=error postgres > /dev/null; }

if [ ! -d "$version" ]; then
  rm -rf new
  "$bin/initdb" --pgdata new --username postgres --encoding UTF8 --locale C.UTF-8 --data-checksums \
    --auth-local peer --auth-host reject > /dev/null
  alone new << 'EOF'
CREATE ROLE grading LOGIN
CREATE ROLE gradebook LOGIN
CREATE DATABASE grading OWNER grading
CREATE DATABASE gradebook OWNER gradebook
EOF
  if [ -d restore ]; then
    # What a backup had dumped (backup/databases.py), before anybody else can connect.
    "$bin/pg_ctl" --pgdata new --silent --wait --log /tmp/restore.log \
      --options "-c config_file=/etc/postgresql/postgresql.conf -c unix_socket_directories=/tmp" start
    for name in grading gradebook; do
      "$bin/psql" --no-psqlrc --quiet --output /dev/null --host /tmp --username postgres --dbname "$name" --single-transaction \
        --set ON_ERROR_STOP=1 --file "restore/$name.sql"
    done
    "$bin/pg_ctl" --pgdata new --silent --wait --mode fast stop
  fi
  mv new "$version" # there whole or not at all
  rm -rf restore
fi
rm -f "$version/postmaster.pid" # of a container that was killed: nobody else has this folder
alone "$version" << EOF
ALTER ROLE grading PASSWORD '$TT_POSTGRESQL_PASSWORD'
ALTER ROLE gradebook PASSWORD '$TT_GRADEBOOK_PASSWORD'
EOF
unset TT_POSTGRESQL_PASSWORD TT_GRADEBOOK_PASSWORD
[ "${1:-}" != --prepare ] || exit 0
exec "$bin/postgres" -D "$version" -c config_file=/etc/postgresql/postgresql.conf
