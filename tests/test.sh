#!/bin/sh
# Everything, end to end, on a real classroom of its own. Leaves the machine as it found it.
set -eu
cd "$(dirname "$0")/.."
root=
[ "$(id -u)" = 0 ] || root=sudo

install() { # PACKAGE [OPTION...]
  echo "Installing $1 for the tests ..."
  $root apt-get -qq update > /dev/null 2>&1 || true
  $root apt-get -qq install --yes --no-install-recommends "$@" > /dev/null 2>&1 ||
    { echo "$1 could not be installed: apt-get install $1 says why." >&2; exit 1; }
}

command -v chromium > /dev/null || command -v chromium-browser > /dev/null || install chromium
command -v npm > /dev/null || install npm
if ! ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then
  # The programs only: no server of the machine's own is made and started.
  $root mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' | $root tee /etc/postgresql-common/createcluster.conf > /dev/null
  install postgresql -o Dpkg::Options::=--force-confold
fi

# An engine that was there before stays when the test's classroom goes.
if docker version > /dev/null 2>&1; then
  export TT_TEST_ENGINE=found
fi
exec $root env PATH="$PATH" TT_TEST_ENGINE="${TT_TEST_ENGINE:-}" "$(command -v pytest)" tests -n 2 --dist loadscope --durations 15 "$@"
