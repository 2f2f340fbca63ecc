"""Launches that have come back from the LMS, each to be taken once, by the browser that began it."""

import time

from hub.launch.claims import Launch

SECONDS = 600  # for which one may be under way


class UnderWay:
    """Kept in memory: who is caught in the middle by a restart of the hub begins again."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, Launch | None]] = {}

    def arrive(self, state: str, launch: Launch) -> bool:
        """Keep a launch; False if one has come back with this state before."""
        now = time.monotonic()
        self._seen = {each: kept for each, kept in self._seen.items() if now - kept[0] <= SECONDS}
        if state in self._seen:
            return False
        self._seen[state] = now, launch
        return True

    def take(self, state: str) -> Launch | None:
        """The launch, the first time."""
        at, launch = self._seen.get(state, (0.0, None))
        if launch:
            self._seen[state] = at, None
        return launch
