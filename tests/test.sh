#!/bin/sh
# Everything, end to end, on a real classroom of its own. Leaves the machine as it found it.
set -eu
cd "$(dirname "$0")/.."
root=
[ "$(id -u)" = 0 ] || root=sudo

if ! command -v chromium > /dev/null && ! command -v chromium-browser > /dev/null; then
  echo "Installing Chromium for the browser tests ..."
  $root apt-get -qq update > /dev/null 2>&1 || true
  $root apt-get -qq install --yes --no-install-recommends chromium > /dev/null 2>&1 ||
    { echo "Chromium could not be installed: apt-get install chromium says why." >&2; exit 1; }
fi

if ! ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then
  echo "Installing PostgreSQL for the tests on it ..."
  # The programs only: no server of the machine's own is made and started.
  $root mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' | $root tee /etc/postgresql-common/createcluster.conf > /dev/null
  $root apt-get -qq update > /dev/null 2>&1 || true
  $root apt-get -qq install --yes --no-install-recommends -o Dpkg::Options::=--force-confold postgresql > /dev/null 2>&1 ||
    { echo "PostgreSQL could not be installed: apt-get install postgresql says why." >&2; exit 1; }
fi

# An engine that was there before stays when the test's classroom goes.
if docker version > /dev/null 2>&1; then
  export TT_TEST_ENGINE=found
fi
exec $root env PATH="$PATH" TT_TEST_ENGINE="${TT_TEST_ENGINE:-}" "$(command -v pytest)" tests "$@"
