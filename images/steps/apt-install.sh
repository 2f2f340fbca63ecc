#!/bin/sh
# Installs Debian packages in a build, by the host's mirror (secrets `apt`, `sources`, `ca`), and leaves no lists, caches or logs.
set -eu
export DEBIAN_FRONTEND=noninteractive APT_CONFIG=/run/secrets/apt
[ -e "$APT_CONFIG" ] || unset APT_CONFIG
apt-get update -q
apt-get install -q -y --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
