"""When the machine has CPU left for one more start, so that whoever works already does not feel it."""

import time
from pathlib import Path

BUSY = 0.75  # of all CPUs: above this, kernels wait for each other
PATIENCE = 10.0  # seconds; a class that computes all day must not keep the next one out for good
LOOK_EVERY = 1.0


class Pace:
    """Looks at the CPU time of the whole machine, which a container sees too."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._last = self._times()

    def is_busy(self) -> bool:
        """Whether the machine was busy since the last look."""
        before, self._last = self._last, self._times()
        idle, whole = (now - then for now, then in zip(self._last, before, strict=True))
        return whole > 0 and 1 - idle / whole > BUSY

    def wait(self) -> None:
        """Return as soon as the machine is not busy, or after PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while self.is_busy() and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)

    def _times(self) -> tuple[int, int]:
        """Idle and whole time of all CPUs, in ticks. What a virtual machine's neighbours take is not idle."""
        first = self._stat.read_text().splitlines()[0]
        user, nice, system, idle, waiting, *rest = (int(ticks) for ticks in first.split()[1:9])
        return idle + waiting, user + nice + system + idle + waiting + sum(rest)
