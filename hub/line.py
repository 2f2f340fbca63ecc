"""Who starts next: a few servers at once, in the order in which their students asked.

A start is nearly all CPU. If a whole class starts at once, all become ready together at the very end; a few
at a time, and the first are in after a second while the last wait no longer than they would have anyway.
"""

import asyncio
import itertools
import math
import time
from bisect import bisect_left, insort
from collections import deque
from operator import attrgetter

RECENT = 16  # starts by which the next ones are estimated
STARTING = "Your notebooks are opening. This takes a few seconds."

_order = attrgetter("order")


class Line:
    """Everybody who waits, and how many start at one time."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.waiting: list[Place] = []  # by their order
        self.starting: set[Place] = set()
        self.numbers = itertools.count()
        self.lasted: deque[float] = deque(maxlen=RECENT)  # seconds that the last starts took

    def join(self, somebody_waits: bool = True) -> "Place":
        """A place at the end: of the whole line, or of those ahead of whom everybody goes who clicks."""
        place = Place(self, (not somebody_waits, next(self.numbers)))
        insort(self.waiting, place, key=_order)
        self.move_up()
        return place

    def move_up(self) -> None:
        """Let as many start as there is room for."""
        while self.waiting and len(self.starting) < self.at_once:
            place = self.waiting.pop(0)
            self.starting.add(place)
            place.begin()


class Place:
    """One server's place in the line. Whoever has one must `leave()`, whatever happens."""

    def __init__(self, line: Line, order: tuple[bool, int]) -> None:
        self.order = order
        self._line = line
        self._turn = asyncio.get_running_loop().create_future()
        self._began = 0.0

    async def turn(self) -> None:
        """Return when this one may start."""
        await self._turn

    def begin(self) -> None:
        self._began = time.monotonic()
        if not self._turn.done():  # who was waiting may have been cancelled a moment ago
            self._turn.set_result(None)

    def hurry(self) -> None:
        """Somebody waits for it now: it goes to the end of those who click."""
        nobody_waited, _ = self.order
        if nobody_waited and self._take_out():
            self.order = (False, next(self._line.numbers))
            insort(self._line.waiting, self, key=_order)

    def leave(self) -> None:
        """Give the place up, in the line or among those that start. Twice is once."""
        if self in self._line.starting:
            self._line.starting.remove(self)
            self._line.lasted.append(time.monotonic() - self._began)
        else:
            self._take_out()
        self._line.move_up()

    @property
    def number(self) -> int:
        """The first in line is 1; 0 means that it waits no longer."""
        at = bisect_left(self._line.waiting, self.order, key=_order)
        return at + 1 if self in self._line.waiting[at : at + 1] else 0

    @property
    def seconds(self) -> float | None:
        """An estimate until it is ready, by what the last starts took; None before there was one."""
        if not self._line.lasted:
            return None
        each = sum(self._line.lasted) / len(self._line.lasted)
        return each * (1 + self.number / self._line.at_once)

    @property
    def sentence(self) -> str:
        """For the student who waits."""
        number, seconds = self.number, self.seconds
        if not number:
            return STARTING
        return f"You are {_ordinal(number)} in line" + (f", {_about(seconds)}." if seconds else ".")

    def _take_out(self) -> bool:
        number = self.number
        if number:
            del self._line.waiting[number - 1]
        return number > 0


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _about(seconds: float) -> str:
    if seconds <= 5:
        return "a few seconds"
    if seconds < 90:
        return f"about {5 * math.ceil(seconds / 5)} s"
    return f"about {math.ceil(seconds / 60)} min"
