#!/bin/sh
# The fast loop: lint, types, unit tests. Runs everything even when one part fails, and says at the end which did.
set -u
cd "$(dirname "$0")/.." || exit
failed=

step() { # NAME COMMAND...
  name=$1
  shift
  printf '%-14s' "$name"
  start=$(date +%s)
  if output=$("$@" 2>&1); then
    printf 'ok   %3ss  %s\n' "$(($(date +%s) - start))" "$(printf '%s' "$output" | tail -n 1 | cut -c1-90)"
  else
    printf 'FAILED\n%s\n' "$output"
    failed="$failed $name"
  fi
}

scripts=$(git ls-files --cached --others --exclude-standard '*.sh')
dockerfiles=$(git ls-files --cached --others --exclude-standard '*Dockerfile')

step ruff ruff check .
step format ruff format --check .
step mypy mypy
# shellcheck disable=SC2086  # file names of this project hold no spaces
step shellcheck shellcheck $scripts
# shellcheck disable=SC2086
step hadolint hadolint --config .hadolint.yaml $dockerfiles
step yamllint yamllint --strict .
step ansible-lint ansible-lint --offline --profile production ansible
step unit-tests pytest -n 2 --dist loadfile

if [ -n "$failed" ]; then
  echo "Failed:$failed"
  exit 1
fi
