"""What the admin types, made into an announcement: plain text on one line, a moment by the class's clock."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from course.announcement import LONGEST

# Of the characters that nobody sees, those that writing needs: joiners (Persian, emoji), marks of direction.
NEEDED = "\u200c\u200d\u200e\u200f"
UNSEEN = {"Cc", "Cf", "Cs", "Co"}  # control, format (turned directions among them), halves of a pair, private
IN = re.compile(r"\+(\d{1,4})([mhd])")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LAST_MINUTE = time(23, 59, 59)


class WordingError(ValueError):
    """It cannot be announced so; the message says why, and how to mend it."""


def plain(text: str) -> str:
    """The text on one line, in characters that are what they seem.

    Raises:
        WordingError: it is too long, or holds characters that nobody sees.
    """
    words = " ".join(text.split())
    if len(words) > LONGEST:
        raise WordingError(f"TEXT has {len(words):,} characters; at most {LONGEST} are shown. Shorten it.")
    for character in words:
        if unicodedata.category(character) in UNSEEN and character not in NEEDED:
            raise WordingError(
                f"TEXT holds a character that nobody sees (U+{ord(character):04X}). Type the text anew."
            )
    return words


def moment(text: str, now: datetime, zone: str) -> datetime:
    """What UNTIL means, in UTC.

    Args:
        text: +2h (m, h, d), 18:00 (today), 2026-10-19 (its end) or 2026-10-19 18:00.
        now: this moment.
        zone: name of the class's time zone.

    Raises:
        WordingError: it is no moment, or one that is over.
    """
    here = now.astimezone(ZoneInfo(zone))
    day, _, clock = text.strip().rpartition(" ")
    try:
        if given := IN.fullmatch(text.strip()):
            until = here.astimezone(timezone.utc) + timedelta(**{UNITS[given[2]]: int(given[1])})
        elif ":" in clock:
            date = datetime.strptime(day, "%Y-%m-%d").date() if day else here.date()
            until = datetime.combine(date, datetime.strptime(clock, "%H:%M").time(), here.tzinfo)
        else:
            until = datetime.combine(datetime.strptime(clock, "%Y-%m-%d").date(), LAST_MINUTE, here.tzinfo)
        until = until.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise WordingError(
            f"UNTIL='{text[:40]}' is no moment. Write +2h (or m, d), 18:00, 2026-10-19 or 2026-10-19 18:00."
        ) from None
    if until <= now:
        raise WordingError(
            f"UNTIL='{text}' is over: it is {here:%Y-%m-%d %H:%M} by the class's clock ({zone}). "
            "Write a later moment."
        )
    return until
