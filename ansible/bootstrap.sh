#!/bin/sh
# Makes .venv from a lock file, whatever the machine has: needs Python >= 3.10, and root or sudo where Debian's venv package is missing.
# Usage: bootstrap.sh LOCK   (requirements/deploy.txt or requirements/dev.txt)
set -eu
lock=$1
python=${PYTHON:-python3}

fail() {
  echo "$*" >&2
  exit 1
}

command -v "$python" > /dev/null || fail "No $python on this machine. Install Python 3.10 or later (apt-get install python3), or name one: make PYTHON=/path/to/python3."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "$python is $("$python" --version 2>&1), but 3.10 or later is needed. Name another one: make PYTHON=/path/to/python3."

if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
  # Debian and Ubuntu keep these in a package of their own.
  version=$("$python" -c 'import sys; print("{}.{}".format(*sys.version_info))')
  echo "Installing python$version-venv ..."
  root=
  [ "$(id -u)" = 0 ] || root=sudo
  $root apt-get -qq update || true
  $root apt-get -qq install --yes --no-install-recommends "python$version-venv" > /dev/null ||
    fail "python$version-venv could not be installed. Install it, then run this again."
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "Installing $(grep -c '==' "$lock") locked packages into .venv (a minute or two the first time) ..."
# A find-links or extra index of the host's pip configuration that is not there is only a warning to pip, and noise to a person.
.venv/bin/python -m pip --disable-pip-version-check --quiet --quiet install --require-hashes --no-deps --requirement "$lock"
.venv/bin/python -m pip --disable-pip-version-check --quiet --quiet install --no-deps --no-build-isolation --no-index --editable .
