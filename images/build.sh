#!/usr/bin/env bash
# Builds the classroom's images, in order:  images/build.sh PREFIX VERSION [NAME...]
#
# Prints one line per image: changed|unchanged NAME SIZE SECONDS. A second run is all cache.
# How this host reaches its package mirrors (pip, apt, npm, proxies, private CAs) goes into the builds as secrets
# and predefined proxy arguments only: nothing of it stays in an image.
#
#   TT_BASE_IMAGE  what `base` starts from (default debian:bookworm-slim); used as it is when the engine has it,
#                  pulled where a registry answers, otherwise its Debian release is made here with debootstrap
#   TT_DATABASE    what grading keeps its rows in; the image of postgresql is made where it is that
#   TT_TLS         where the certificate comes from (config/classroom.yml); the image of edge is made unless it is none
#   TT_INTERNET    what students' servers reach outside; the image of outbound is made unless it is none
#   TT_GPUS        GPUs of the settings' profiles; the image of student-gpu is made where it is more than 0
#   TT_TRACK       whose notebooks the student and grader images hold (default discovery): build/course/TRACK
set -euo pipefail

# Made only when asked for: `plain`, which benchmarks/spawn.py compares with, `postgresql`, `edge`, `outbound`, `student-gpu`, and
# `nginx`, which tests/test_tls.py puts in front.
ALL=(base build hub gate proxy student grader formgrader sandbox prometheus backup)
EXTRA=(plain postgresql edge outbound student-gpu nginx)
BASE_IMAGE=${TT_BASE_IMAGE:-debian:bookworm-slim}
TRACK=${TT_TRACK:-discovery}
REGISTRY_SECONDS=20 # a registry behind a firewall that drops packets must not hold up a deploy for minutes

fail() {
    printf 'images/build.sh: %s\n' "$*" >&2
    exit 1
}

[ $# -ge 2 ] || fail "usage: images/build.sh PREFIX VERSION [NAME...] (names: ${ALL[*]})"
PREFIX=$1 VERSION=$2
shift 2
WANTED=("${@:-${ALL[@]}}")
[ $# -gt 0 ] || [ "${TT_DATABASE:-}" != postgresql ] || WANTED+=(postgresql)
[ $# -gt 0 ] || [ "${TT_TLS:-none}" = none ] || WANTED+=(edge)
[ $# -gt 0 ] || [ "${TT_INTERNET:-none}" = none ] || WANTED+=(outbound)
[ $# -gt 0 ] || [ "${TT_GPUS:-0}" = 0 ] || WANTED+=(student-gpu)
for name in "${WANTED[@]}"; do
    [[ " ${ALL[*]} ${EXTRA[*]} " == *" $name "* ]] || fail "no image is called '$name'. There are: ${ALL[*]}"
done
cd "$(dirname "$0")/.."
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    fail "the container engine does not answer. Start it ('make up' does), or see 'docker version' for why."

secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
chmod 700 "$secrets"

# --- how this host reaches packages -> files in $secrets ----------------------------------------------------------

host_certificates() {
    local file
    for file in "$(pip_setting cert)" "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt; do
        if [ -n "$file" ] && [ -s "$file" ]; then
            cat "$file"
            return
        fi
    done
}

pip_setting() { # strongest first, as pip itself reads them
    local scope value
    for scope in ':env:' install global; do
        value=$(sed -n "s/^$scope\.$1='\(.*\)'\$/\1/p" <<<"$pip_list")
        if [ -n "$value" ]; then
            printf '%s' "${value//\\n/ }"
            return
        fi
    done
}

host_pip() {
    local key value words
    echo '[global]'
    echo 'disable-pip-version-check = true'
    for key in index-url extra-index-url find-links trusted-host proxy timeout default-timeout; do
        value=$(pip_setting "$key")
        if [[ $key == *-url || $key == find-links ]]; then # a folder of this host is not there in a build
            words=$(tr ' ' '\n' <<<"$value" | grep -E '^https?://' || true)
            value=${words//$'\n'/ }
        fi
        [ -z "$value" ] || printf '%s = %s\n' "${key/default-timeout/timeout}" "$value"
    done
    [ ! -s "$secrets/ca" ] || echo 'cert = /run/secrets/ca'
}

host_apt() {
    apt-config dump 2>/dev/null |
        grep -E '^Acquire::(https?::|Check-|Retries|ForceIPv)' | grep -Ev 'Auto-?Detect|CaInfo|SslCert|SslKey' || true
    [ ! -s "$secrets/ca" ] || echo 'Acquire::https::CAInfo "/run/secrets/ca";'
    if [ -s "$secrets/sources" ]; then
        echo 'Dir::Etc::SourceList "/run/secrets/sources";'
        echo 'Dir::Etc::SourceParts "-";'
    fi
}

host_mirror() { # this host's own mirror of Debian (first argument: main or security); nothing on other systems
    # shellcheck source=/dev/null
    [ "$(. /etc/os-release && echo "$ID")" = debian ] || return 0
    local pattern='.'
    [ "$1" = main ] || pattern='-security$'
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -v pattern="$pattern" -v main="$1" \
            '$1 ~ pattern && !(main == "main" && $1 ~ /-/) && $2 ~ /^https?:/ {sub("/$", "", $2); print $2; exit}'
}

host_sources() {
    local mirror security
    mirror=$(host_mirror main)
    [ -n "$mirror" ] || return 0
    security=$(host_mirror security)
    printf 'deb %s %s main\ndeb %s %s-updates main\n' "$mirror" "$RELEASE" "$mirror" "$RELEASE"
    [ -z "$security" ] || printf 'deb %s %s-security main\n' "$security" "$RELEASE"
}

host_npm() {
    local registry=${NPM_CONFIG_REGISTRY:-}
    if [ -z "$registry" ] && command -v npm >/dev/null; then
        registry=$(npm config get registry 2>/dev/null || true)
    fi
    # Registries, their tokens and proxies; the rest of a person's npm settings does not concern a build.
    if [ -r ~/.npmrc ]; then
        grep -E '^(//|@[^:]+:registry|(https?-)?proxy|noproxy|strict-ssl)' ~/.npmrc || true
    fi
    [ -z "$registry" ] || echo "registry=$registry"
    [ ! -s "$secrets/ca" ] || echo 'cafile=/run/secrets/ca'
}

RELEASE=bookworm
[[ $BASE_IMAGE != *trixie* ]] || RELEASE=trixie
pip_list=$(python3 -m pip config list 2>/dev/null || .venv/bin/python -m pip config list 2>/dev/null || true)
host_certificates >"$secrets/ca"
host_pip >"$secrets/pip"
host_sources >"$secrets/sources"
host_apt >"$secrets/apt"
host_npm >"$secrets/npm"

arguments=()
for id in ca pip apt sources npm; do
    arguments+=(--secret "id=$id,src=$secrets/$id")
done
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!name:-}" ] || arguments+=(--build-arg "$name")
done
# By the host's own network: a proxy, mirror or name server on its loopback is in reach, and so are packages where a
# site's firewall lets no container out or its engine has no default bridge.
arguments+=(--network host)

# --- the operating system that `base` starts from -----------------------------------------------------------------

pulled() { # docker pull, given up early where no registry answers
    local log=$secrets/pull waited=0 pid
    docker pull "$BASE_IMAGE" >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null && ! grep -q 'Pulling from' "$log"; do
        sleep 0.5
        waited=$((waited + 1))
        if [ "$waited" -ge $((2 * REGISTRY_SECONDS)) ]; then
            kill "$pid"
        fi
    done
    wait "$pid" 2>/dev/null
}

bootstrapped() { # the same system from the Debian mirror
    local root=$secrets/root mirror
    command -v debootstrap >/dev/null ||
        fail "cannot pull $BASE_IMAGE, and debootstrap is not installed. Install it (apt-get install debootstrap)."
    [ "$(id -u)" = 0 ] || fail "cannot pull $BASE_IMAGE, and debootstrap needs root. Run this as root."
    mirror=$(host_mirror main)
    http_proxy=${http_proxy:-$(sed -n 's/^Acquire::http::Proxy "\(http.*\)";$/\1/p' "$secrets/apt")} \
        debootstrap --variant=minbase "$RELEASE" "$root" ${mirror:+"$mirror"} >"$secrets/log" 2>&1 || {
        tail -n 20 "$secrets/log" >&2
        fail "debootstrap could not make Debian $RELEASE. Is the Debian mirror of this host in reach?"
    }
    # The host's mirror is named by the builds' secret, not by the image.
    [ -z "$mirror" ] || : >"$root/etc/apt/sources.list"
    printf 'path-exclude /usr/share/%s/*\n' doc info lintian linda locale man >"$root/etc/dpkg/dpkg.cfg.d/classroom"
    printf 'path-include /usr/share/doc/*/copyright\n' >>"$root/etc/dpkg/dpkg.cfg.d/classroom"
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    find "$root/usr/share/doc" -xtype l -delete
    find "$root/usr/share/doc" -depth -type d -empty -delete
    rm -rf "$root"/usr/share/{info,lintian,linda,locale,man}/* "$root"/var/lib/apt/lists/* \
        "$root"/var/cache/{apt,debconf}/* "$root"/var/log/*
    tar -C "$root" --numeric-owner --exclude='./dev/*' -c . | docker import - "$OS_IMAGE" >/dev/null
    rm -rf "$root"
}

size_of() { docker image inspect --format '{{.Size}}' "$1" | awk '{printf "%d MB", $1 / 1e6}'; }
id_of() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

# Under a name of its own, not under PREFIX: a second classroom (or a test's) on the same engine shares it and all layers.
OS_IMAGE=tinytorch-classroom/os:${BASE_IMAGE//[^a-zA-Z0-9.]/-}
start=$SECONDS
if [ -n "$(id_of "$OS_IMAGE")" ]; then
    how=unchanged
elif [ -n "$(id_of "$BASE_IMAGE")" ] || pulled; then
    docker tag "$BASE_IMAGE" "$OS_IMAGE"
    how=changed
else
    bootstrapped
    how=changed
fi
printf '%-9s %-10s %7s %4d s\n' "$how" os "$(size_of "$OS_IMAGE")" $((SECONDS - start))

# --- the images ---------------------------------------------------------------------------------------------------

# Who looks at an image years later finds the code by this label; only a public address is of use there.
SOURCE=$(git config --get remote.origin.url 2>/dev/null | sed -nE 's#^(https?://)([^@/]*@)?#\1#p' || true)

for name in "${ALL[@]}" "${EXTRA[@]}"; do
    # base and build are what the others start from; from the cache they cost nothing.
    [[ " base build ${WANTED[*]} " == *" $name "* ]] || continue
    if [[ $name == student || $name == grader ]] && [ ! -d "build/course/$TRACK" ]; then
        fail "build/course/$TRACK is missing, which the $name image holds. Run: make course TRACK=$TRACK"
    fi
    image=$PREFIX/$name:$VERSION
    folder=images/$name
    [ "$name" != plain ] || folder=benchmarks/plain
    [ "$name" != nginx ] || folder=tests/nginx
    before=$(id_of "$image")
    start=$SECONDS
    BUILDX_BUILDER=default DOCKER_BUILDKIT=1 docker build --progress plain --file "$folder/Dockerfile" \
        --tag "$image" --build-arg OS_IMAGE="$OS_IMAGE" --build-arg PREFIX="$PREFIX" --build-arg VERSION="$VERSION" \
        --build-arg TRACK="$TRACK" --build-arg SOURCE="${SOURCE:-tinytorch-classroom}" "${arguments[@]}" . \
        >"$secrets/log" 2>&1 || {
        tail -n 60 "$secrets/log" >&2
        fail "the image '$name' could not be built; its build's last lines are above."
    }
    how=changed
    [ "$before" != "$(id_of "$image")" ] || how=unchanged
    printf '%-9s %-10s %7s %4d s\n' "$how" "$name" "$(size_of "$image")" $((SECONDS - start))
done
