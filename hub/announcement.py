"""What is announced to the class, for the hub's pages. `make announce` writes it (course/announcement)."""

import json
from datetime import datetime, timezone
from pathlib import Path

FILE = Path("/srv/course/announcement.json")
LONGEST = 500  # characters; no page is flooded, whoever wrote the file


def text(_user: object = None) -> str:
    """Its text at this moment, which a template escapes; empty where there is none that can be read."""
    try:
        kept = json.loads(FILE.read_bytes())
        over = kept["until"] and datetime.fromisoformat(kept["until"]) <= datetime.now(timezone.utc)
        return "" if over else str(kept["text"])[:LONGEST]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
