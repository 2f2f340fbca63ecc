"""What is announced to the class: one sentence or a few, perhaps until a moment.

`make announce` writes it beside the calendar in force, in the one folder that every student's container sees
and none may write. Whoever shows it reads the file anew each time: it is there at once, gone when it is over,
and outlives every restart. The hub reads the same file (hub/announcement.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FILE = "announcement.json"  # in the published folder
LONGEST = 500  # characters: what is longer is nobody's announcement


@dataclass(frozen=True)
class Announcement:
    """What is announced, and until when. `since` tells one from another of the same words."""

    text: str
    since: datetime
    until: datetime | None = None

    def dumps(self) -> str:
        """As it lies in the file; times with their distance from UTC."""
        until = self.until.isoformat() if self.until else None
        return json.dumps({"text": self.text, "since": self.since.isoformat(), "until": until}) + "\n"


def read(path: Path, now: datetime) -> Announcement | None:
    """What is announced at this moment; None where nothing is, or where the file is damaged."""
    try:
        kept = json.loads(path.read_bytes())
        until = datetime.fromisoformat(kept["until"]) if kept["until"] else None
        found = Announcement(str(kept["text"]), datetime.fromisoformat(kept["since"]), until)
        return None if until and until <= now else found
    except (OSError, ValueError, KeyError, TypeError):
        return None
