#!/bin/sh
# One ceiling of memory and CPU for all of a classroom, and below it a lower one of memory for students' servers and sandboxes,
# so that a full class never takes the memory that hub and grading need.
# Usage: ceiling.sh CGROUP_VERSION NAME MEMORY_BYTES CPUS STUDENTS_MEMORY_BYTES; prints 'changed' when it changed something.
set -eu
version=$1 name=$2 memory=$3 cpus=$4 students_memory=$5
period=100000
quota=$(awk -v cpus="$cpus" -v period="$period" 'BEGIN { printf "%d", cpus * period }')

set_to() { # FILE VALUE
  [ "$(cat "$1")" = "$2" ] && return
  echo "$2" > "$1"
  echo changed
}

# The kernel counts memory in pages: a value that is no multiple would read back as another one.
page=$(getconf PAGESIZE)
memory=$((memory / page * page)) students_memory=$((students_memory / page * page))

if [ "$version" = 2 ]; then
  root=/sys/fs/cgroup
  mkdir -p "$root/$name/students"
  echo "+memory +cpu +pids" > "$root/cgroup.subtree_control"
  echo "+memory +cpu +pids" > "$root/$name/cgroup.subtree_control"
  set_to "$root/$name/memory.max" "$memory"
  set_to "$root/$name/cpu.max" "$quota $period"
  set_to "$root/$name/students/memory.max" "$students_memory"
else
  mkdir -p "/sys/fs/cgroup/memory/$name/students" "/sys/fs/cgroup/cpu/$name/students"
  set_to "/sys/fs/cgroup/memory/$name/memory.limit_in_bytes" "$memory"
  set_to "/sys/fs/cgroup/memory/$name/students/memory.limit_in_bytes" "$students_memory"
  set_to "/sys/fs/cgroup/cpu/$name/cpu.cfs_period_us" "$period"
  set_to "/sys/fs/cgroup/cpu/$name/cpu.cfs_quota_us" "$quota"
fi
