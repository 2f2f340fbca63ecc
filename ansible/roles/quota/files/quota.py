#!/usr/bin/env python3
"""Hold every student to a share of the disk, where the homes' file system has user quotas on.

    quota.py STATE BYTES FILES      BYTES and FILES 0: nobody is held to anything

Uids are given out one after the other and never again (hub/gate/homes.py), so all that there can be get their
limits ahead: no part that runs needs the right to set quotas, which is nearly root's. A uid that is no
student's and owns something on this file system is somebody else's, and is left alone.

Prints `changed N` or `unchanged`; `none` where the file system has no user quotas, or is mounted without.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

FIRST_UID, LAST_UID = 20_000, 59_999  # as in hub/gate/homes.py

# linux/quota.h and linux/dqblk_xfs.h. By a folder's descriptor, not by its device: a container's or a
# network's file system has none.
QUOTACTL_FD = 443  # the same number on every processor; Linux 5.14
USER = 0
GET_NEXT, SET, STATE = 0x800009, 0x800008, ord("X") << 8 | 5
BLOCKS_AND_INODES = 1 | 4
BLOCK = 1024  # what limits of bytes are counted in
ENFORCED = 1 << 1

# What kernels and file systems without quotas answer, or with quotas that are off.
LACKING = {errno.ENOSYS, errno.ESRCH, errno.EOPNOTSUPP, errno.ENOTTY}


class Quota(ctypes.Structure):
    """struct if_nextdqblk, which begins as struct if_dqblk: limits and use of one uid."""

    _fields_ = (
        ("hard_blocks", ctypes.c_uint64),
        ("soft_blocks", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("hard_inodes", ctypes.c_uint64),
        ("soft_inodes", ctypes.c_uint64),
        ("inodes", ctypes.c_uint64),
        ("block_time", ctypes.c_uint64),
        ("inode_time", ctypes.c_uint64),
        ("valid", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
    )


class Quotas:
    """The user quotas of the file system that a folder is on."""

    def __init__(self, folder: int) -> None:
        self._folder = folder
        self._call = ctypes.CDLL(None, use_errno=True).syscall

    def hold(self) -> bool:
        """Whether there are quotas, and limits hold."""
        state = ctypes.create_string_buffer(128)  # struct fs_quota_stat; its flags are at byte 2
        try:
            self._do(STATE, 0, state)
        except OSError as error:
            if error.errno in LACKING:
                return False
            raise
        return bool(int.from_bytes(state[2:4], sys.byteorder) & ENFORCED)

    def between(self, first: int, last: int) -> Iterator[Quota]:
        """Each uid that owns something there, or has a limit."""
        while first <= last:
            quota = Quota()
            try:
                self._do(GET_NEXT, first, ctypes.byref(quota))
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ESRCH):  # there is no other
                    return
                raise
            if quota.uid > last:
                return
            yield quota
            first = quota.uid + 1

    def limit(self, uid: int, blocks: int, inodes: int) -> None:
        quota = Quota(hard_blocks=blocks, hard_inodes=inodes, valid=BLOCKS_AND_INODES)
        self._do(SET, uid, ctypes.byref(quota))

    def _do(self, command: int, uid: int, address: object) -> None:
        arguments = (ctypes.c_long(command << 8 | USER), ctypes.c_long(uid), address)
        if self._call(ctypes.c_long(QUOTACTL_FD), ctypes.c_long(self._folder), *arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def set_limits(quotas: Quotas, students: set[int], size: int, files: int) -> int:
    """Give each uid its limits; how many had others."""
    wanted = (-(-size // BLOCK), files)
    found = {quota.uid: quota for quota in quotas.between(FIRST_UID, LAST_UID)}
    changed = 0
    for uid in range(FIRST_UID, LAST_UID + 1):
        quota = found.get(uid, Quota())
        others = uid not in students and (quota.bytes or quota.inodes)
        if not others and (quota.hard_blocks, quota.hard_inodes) != wanted:
            quotas.limit(uid, *wanted)
            changed += 1
    return changed


def students(table: Path) -> set[int]:
    """The uids that the gate has given out."""
    if not table.exists():
        return set()
    with closing(sqlite3.connect(f"file:{table}?mode=ro", uri=True)) as gate:
        return {uid for (uid,) in gate.execute("SELECT uid FROM students")}


def main() -> None:
    state, size, files = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    quotas = Quotas(os.open(state / "homes", os.O_RDONLY | os.O_DIRECTORY))
    if not quotas.hold():
        print("none")
        return
    changed = set_limits(quotas, students(state / "gate" / "students.sqlite"), size, files)
    print(f"changed {changed}" if changed else "unchanged")


if __name__ == "__main__":
    main()
