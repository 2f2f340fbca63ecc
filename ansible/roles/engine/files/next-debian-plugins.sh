#!/bin/sh
# Puts compose v2 and buildx of the next Debian release into a client plugin folder, without touching the machine's package sources.
# Usage: next-debian-plugins.sh WORK SUITE FOLDER
set -eu
work=$1 suite=$2 folder=$3

# The machine's own mirror: the first address of its Debian sources, in either notation.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
  sed -nE 's#^(deb +(\[[^]]*\] +)?|URIs: *)([a-z+]+://[^ ]*/debian)/?( .*)?$#\3#p' | head -n 1)
[ -n "$mirror" ] || { echo "No Debian mirror in /etc/apt/sources.list or sources.list.d: add one, or install docker compose v2 and buildx by hand." >&2; exit 1; }

mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$work/sources.list"
chmod -R a+rX "$work"
apt() {
  apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::Lists="$work/lists" \
    -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
apt update
cd "$work"
apt download docker-compose docker-buildx
for package in ./*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done
mkdir -p "$folder"
install -m 0755 "$work"/unpacked/usr/libexec/docker/cli-plugins/docker-* "$folder/"
