"""Keeping the class's calendar in force: what the instructor saves is checked and published within seconds.

The instructor's file is mounted read-only; only `public/`, which students read too, is written.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from course.calendar import PUBLISHED, SOURCE, Calendar, CalendarError, read
from course.calendar.publishing import publish
from course.manifest import Manifest

LOOK_EVERY = 3.0  # seconds

log = logging.getLogger(__name__)
Signature = tuple[int, int, int] | None


class CalendarKeeper:
    """The calendar of the class, as it is in force.

    Attributes:
        problem: why what the instructor wrote is not in force; None if it is.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.problem: str | None = None
        self._seen: Signature = None
        self._published: Signature = None
        self._read: Signature = None
        self._calendar = Calendar()

    def current(self) -> Calendar:
        """What is in force now; a damaged publication changes nothing."""
        signature = _signature(self.folder / PUBLISHED)
        if signature != self._read:
            try:
                self._calendar = read(self.folder / PUBLISHED)
            except CalendarError as error:
                log.error("calendar: %s", error)
            self._read = signature
        return self._calendar

    def start(self) -> None:
        """Publish, and look again and again in a thread of its own."""
        self._seen = _signature(self.folder / SOURCE)
        self._try()
        threading.Thread(target=self._run, name="calendar", daemon=True).start()

    def look(self) -> None:
        """Publish what the instructor wrote, if it is new and not being written just now."""
        signature = _signature(self.folder / SOURCE)
        settled, self._seen = signature == self._seen, signature
        if not settled or (signature is not None and signature == self._published):
            return
        try:
            publish(self.folder, self.manifest)
        except CalendarError as error:
            if str(error) != self.problem:
                log.warning("calendar: %s", error)
            self.problem = str(error)
        else:
            log.info("calendar: in force")
            self.problem, self._published = None, signature

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            self._try()

    def _try(self) -> None:
        """Look; what nobody foresaw in an instructor's file stops neither the service nor the next look."""
        try:
            self.look()
        except Exception:
            log.exception("calendar: a look failed")


def _signature(path: Path) -> Signature:
    """What changes with a file; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
