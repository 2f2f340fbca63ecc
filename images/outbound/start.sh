#!/bin/sh
# tinyproxy, told by the environment whom it serves and where it may go. Usage: start [--try HOSTS]
set -eu
hosts=/srv/outbound/hosts
[ "${1:-}" != --try ] || hosts=$2
{
  cat << END
Port 3128
Listen $TT_OUTBOUND_IP
Allow $TT_STUDENTS_SUBNET
MaxClients 300
Timeout 600
LogLevel Warning
DisableViaHeader Yes
END
  if [ "$TT_INTERNET" = packages ]; then
    sed 's/:[0-9]*$//' "$hosts" | sort -u > /tmp/allowed
    printf 'Filter "/tmp/allowed"\nFilterType fnmatch\nFilterDefaultDeny Yes\n'
    sed 's/.*:/ConnectPort /' "$hosts" | sort -u
  else
    echo 'ConnectPort 443'
  fi
} > /tmp/tinyproxy.conf
[ "${1:-}" = --try ] || exec tinyproxy -d -c /tmp/tinyproxy.conf

tinyproxy -d -c /tmp/tinyproxy.conf &
sleep 1
kill "$!"
wait "$!"
