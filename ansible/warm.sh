#!/bin/sh
# Starts students' servers ahead of a class; at a terminal with a bar, and Ctrl-C stops it. Usage: warm.sh CONFIG [SECTION]
set -eu
config=$1 section=$2
terminal=--no-TTY
if [ -t 0 ] && [ -t 1 ]; then terminal=; fi
# shellcheck disable=SC2086  # one word or none
exec "$(dirname "$0")/compose.sh" "$config" exec $terminal hub python -m hub.warm --section "$section"
