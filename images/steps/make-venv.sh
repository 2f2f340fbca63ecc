#!/bin/sh
# Makes /opt/venv from a locked requirements file, by the host's package index (secrets `pip`, `ca`): hashes checked,
# nothing resolved anew, no pip inside. /opt/venv/site-packages is a name for its packages without Python's version.
set -eu
PIP_CONFIG_FILE=/run/secrets/pip
[ -e "$PIP_CONFIG_FILE" ] || PIP_CONFIG_FILE=/dev/null
export PIP_CONFIG_FILE
python3 -m venv --without-pip /opt/venv
/opt/pip/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --only-binary :all: \
    --require-hashes --no-deps --quiet -r "$1"
ln -s "$(cd /opt/venv && echo lib/python3.*/site-packages)" /opt/venv/site-packages
# What packages bring to test themselves is of no use here.
find /opt/venv/lib -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
