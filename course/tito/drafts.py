"""In a student's server: while an exam runs, each save of its notebook is sent to the grading service.

What runs is read from the calendar that lies in the container, so without an exam this asks nobody and costs
a look at a file every few seconds. A save only wakes a thread: nothing here holds one up or makes it fail.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
from datetime import timedelta
from typing import Any

from course.calendar import Entry, now, read
from course.tito import api, places
from course.tito.places import Places

LOOK_EVERY = 10.0  # seconds: what was saved past JupyterLab, and an exam that begins now
TRY_AGAIN = 2.0  # seconds, while the service is being replaced
GATHERED = 0.2  # seconds in which several saves are one
REFUSED_FOR = 60.0  # seconds that a refusal holds: this student's own time is over
LONGEST_EXTRA = 10  # times an exam's length; for whom it is over sooner, the service says
TIMEOUT = 10  # seconds


class Sender:
    """Sends the notebooks of running exams, the newest text of each, from a thread of its own."""

    def __init__(self, where: Places) -> None:
        self.where = where
        self._sent: dict[str, int] = {}  # module -> the notebook's time when it was sent
        self._refused: dict[str, float] = {}  # module -> until when it is not tried
        self._wake = threading.Event()

    def start(self) -> None:
        """Begin; the thread ends with the server."""
        threading.Thread(target=self._run, name="drafts", daemon=True).start()

    def saved(self, path: str) -> None:
        """A file was saved: returns at once."""
        if path.endswith(".ipynb"):
            self._wake.set()

    def look(self) -> float:
        """Send what is new; in how many seconds to look again."""
        sent = [
            self._send(slug) for slug, entry in read(self.where.calendar).modules.items() if _may_run(entry)
        ]
        return LOOK_EVERY if all(sent) else TRY_AGAIN

    def _run(self) -> None:
        while True:
            pause = TRY_AGAIN
            with contextlib.suppress(Exception):  # whatever it is, it must not end what an exam needs
                pause = self.look()
            if self._wake.wait(pause):
                time.sleep(GATHERED)
                self._wake.clear()

    def _send(self, slug: str) -> bool:
        """Whether the service has what is on the disk, or does not want it."""
        if self._refused.get(slug, 0) > time.monotonic():
            return True
        path = self.where.notebook(slug)
        try:
            changed = path.stat().st_mtime_ns
            if self._sent.get(slug) == changed:
                return True
            body = json.dumps({"notebook": json.loads(path.read_bytes())}).encode()
            with api.opener().open(api.request(f"drafts/module/{slug}", body, method="PUT"), timeout=TIMEOUT):
                self._sent[slug] = changed
        except FileNotFoundError:
            return True  # not begun yet
        except urllib.error.HTTPError as error:
            if not 400 <= error.code < 500:
                return False
            self._refused[slug] = time.monotonic() + REFUSED_FOR
        except (OSError, ValueError):  # the service is away; the notebook is being written just now
            return False
        return True


def follow(config: Any) -> None:
    """Have a Jupyter server tell of each save. Outside of a classroom it has nobody to tell.

    Args:
        config: the server's, as its configuration file knows it.
    """
    if not api.is_there():
        return
    sender = Sender(places.find())
    sender.start()
    config.FileContentsManager.post_save_hook = lambda os_path, **_: sender.saved(str(os_path))


def _may_run(entry: Entry) -> bool:
    """Whether it is an exam that may be running for somebody."""
    if entry.exam_minutes is None or entry.opens is None:
        return False
    longest = timedelta(minutes=entry.exam_minutes * (1 + LONGEST_EXTRA) + 1)
    return entry.opens <= now() <= entry.opens + longest
