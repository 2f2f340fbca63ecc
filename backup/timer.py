"""A backup each day at the hour that the settings name, on any machine: with systemd, cron, or neither.

A day on which the machine was off at that hour gets its backup when it is on again.
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from backup import record
from backup.places import Places
from backup.problems import Problem
from backup.saving import back_up

LOOK_EVERY = 30.0  # seconds: whoever sets the machine's clock is noticed


def run(places: Places, at: str) -> None:
    """Make backups until stopped; none where `at` is empty."""
    file = places.own / record.FILE
    if not at:
        print("backup: none by itself (backup.at). `make backup` makes one.", flush=True)
        signal.pause()
    known = record.read(file)
    if known.since is None:
        known = replace(known, since=time.time())
        record.write(file, known)
    print(f"backup: each day at {at} UTC", flush=True)
    while True:
        known = record.read(file)
        if time.time() < due(known.tried or known.since or time.time(), at):
            time.sleep(LOOK_EVERY)
            continue
        try:
            print(back_up(places, keep_record=True), flush=True)
        except Problem as problem:
            print(problem, file=sys.stderr, flush=True)


def due(after: float, at: str) -> float:
    """The first moment after another at which it is `at`, HH:MM, in UTC. Both in seconds since 1970."""
    hour, minute = (int(part) for part in at.split(":"))
    former = datetime.fromtimestamp(after, timezone.utc)
    moment = former.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (moment if moment > former else moment + timedelta(days=1)).timestamp()
