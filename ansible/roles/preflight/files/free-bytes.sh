#!/bin/sh
# Free bytes on the disk that a folder is, or will be, on: while it does not exist its nearest ancestor tells. Usage: free-bytes.sh FOLDER
set -eu
folder=$1
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
df --output=avail -B1 "$folder" | tail -n 1
