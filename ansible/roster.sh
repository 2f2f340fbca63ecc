#!/bin/sh
# Makes the class from a CSV; new accounts' one-time passwords go into a file of root's. Usage: roster.sh CONFIG CSV [--whole]
set -eu
config=$1 csv=$2
shift 2
here=$(dirname "$0")
state=$("$here/../.venv/bin/python" -m config.settings get state --config "$config")
"$here/compose.sh" "$config" exec -T hub python -m hub.roster apply - --passwords "/srv/hub/passwords-$(date +%Y%m%d-%H%M%S).csv" "$@" < "$csv"
echo "One-time passwords of new accounts, if any: $state/hub/passwords-*.csv (readable by root)."
