"""What became of the backups: a small file that `make status` reads, also where no container runs.

python -m backup.record STATE      a line for people; exit 1 if a backup failed or is overdue
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

FILE = "record.json"
OVERDUE = 26 * 3600.0  # a day, and time for a long one to end
UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


@dataclass(frozen=True)
class Record:
    """All times in seconds since 1970.

    Attributes:
        since: when backups by themselves began to be expected.
        good: when the last good one was finished: made, pruned and verified.
        repository: the repository that it is in, by restic's own id.
        tried: when the last attempt ended.
        problem: why it failed; none if it did not.
    """

    since: float | None = None
    good: float | None = None
    repository: str | None = None
    tried: float | None = None
    problem: str | None = None


def read(file: Path) -> Record:
    """What is on record; nothing, if the file is not there or not readable as one."""
    try:
        return Record(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Record()


def write(file: Path, record: Record) -> None:
    """Put it on record, whole or not at all."""
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(asdict(record)), encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(file)


def succeeded(file: Path, repository: str) -> None:
    """A backup is made, pruned and verified."""
    now = time.time()
    write(file, replace(read(file), good=now, tried=now, repository=repository, problem=None))


def failed(file: Path, problem: str) -> None:
    """A backup failed; the last good one stays on record."""
    write(file, replace(read(file), tried=time.time(), problem=problem))


def words(record: Record, to: str, at: str, now: float) -> tuple[str, bool]:
    """What `make status` says, and whether all is well."""
    last = (
        f"The last good one is {_age(now - record.good)} old." if record.good else "There is no good one yet."
    )
    if record.problem and record.tried:
        return f"Backup: FAILED {_age(now - record.tried)} ago: {record.problem} {last}", False
    expected = record.good or record.since
    if at and expected and now - expected > OVERDUE:
        return (
            f"Backup: OVERDUE, expected each day at {at} UTC. {last} `make logs SERVICE=backup` may say why.",
            False,
        )
    daily = f"each day at {at} UTC" if at else "none by itself (backup.at)"
    if record.good is None:
        return f"Backup: none yet; {daily}. `make backup` makes one now.", True
    when = datetime.fromtimestamp(record.good, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"Backup: {_age(now - record.good)} ago ({when}) in {to}; {daily}.", True


def _age(seconds: float) -> str:
    for size, unit in UNITS:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"


def _setting(state: Path, name: str) -> str:
    """A value as the deploy wrote it down."""
    for line in (state / "classroom.env").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key == name:
            return value.strip("'")
    return ""


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    known = read(folder / "backup" / FILE)
    line, well = words(known, _setting(folder, "TT_BACKUP_TO"), _setting(folder, "TT_BACKUP_AT"), time.time())
    print(line)
    sys.exit(0 if well else 1)
