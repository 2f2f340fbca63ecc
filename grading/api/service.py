"""What the handlers work with, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import sqlalchemy as sa

from course.manifest import Manifest
from grading.api.waiting import Waiting
from grading.calendar import CalendarKeeper
from grading.metrics import ApiMetrics
from grading.queue import Queue
from grading.settings import Settings
from grading.store import Store


@dataclass(frozen=True)
class Service:
    """The parts of the grading API."""

    settings: Settings
    manifest: Manifest
    engine: sa.Engine
    queue: Queue
    store: Store
    metrics: ApiMetrics
    calendar: CalendarKeeper

    @cached_property
    def waiting(self) -> Waiting:
        """Who waits for a mark."""
        return Waiting(self.engine)
