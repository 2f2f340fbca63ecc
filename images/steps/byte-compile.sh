#!/bin/sh
# Compiles once, here, what each container would compile again at each start (and could not keep: /opt is read-only).
# By hash, unchecked: a copy with another modification time stays valid.
set -eu
exec python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$@"
