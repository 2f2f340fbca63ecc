"""What students' homes take of the disk, for pages and Prometheus: the meter's count (hub/gate/meter.py)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

FILE = Path("/srv/meter/homes.json")
FILLING, FULL = 0.80, 0.95  # shares at which students are told; course/lab/disk.py has the same


@dataclass(frozen=True)
class Used:
    """What one home takes: the share of its limit (0 where there is none), and in words."""

    share: float
    words: str

    @property
    def filling(self) -> bool:
        return self.share >= FILLING


class Homes(Collector):
    """All homes, as they were last counted. Limits in bytes and files; 0 is none."""

    def __init__(self, disk: int, files: int) -> None:
        self._disk, self._files = disk, files

    def of(self, username: str) -> Used | None:
        """One student's; None where it has not been counted."""
        count = _read().get("homes", {}).get(username)
        return self._used(count) if count else None

    def filling(self) -> list[tuple[str, Used]]:
        """Whose home is nearly full, the fullest first."""
        counts = _read().get("homes", {})
        found = [(username, self._used(count)) for username, count in counts.items()]
        return sorted([each for each in found if each[1].filling], key=lambda each: -each[1].share)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What Prometheus sees: sums, and nobody by name."""
        read = _read()
        if not read:
            return
        counts = read["homes"].values()
        shares = [self._used(count).share for count in counts]
        taken = sum(count["bytes"] or 0 for count in counts)
        yield GaugeMetricFamily("homes_bytes", "What all students' homes take of the disk.", taken)
        yield GaugeMetricFamily("homes_disk_size_bytes", "The disk that the homes are on.", read["size"])
        yield GaugeMetricFamily("homes_disk_free_bytes", "What is free of it.", read["free"])
        filled = GaugeMetricFamily(
            "homes_filled", "Homes filled to so much of their limit.", labels=["share"]
        )
        for least in (FILLING, FULL):
            filled.add_metric([f"{least:.0%}"], sum(share >= least for share in shares))
        yield filled

    def _used(self, count: dict[str, int | None]) -> Used:
        size, files = count["bytes"], count["files"]
        if size is None or files is None:
            return Used(float(bool(self._disk)), "more files than can be counted")
        if not self._disk:
            return Used(0, _gigabytes(size))
        if files / self._files > max(size / self._disk, FILLING):
            return Used(files / self._files, f"{files:,} of {self._files:,} files")
        return Used(size / self._disk, f"{_gigabytes(size).removesuffix(' GB')} of {_gigabytes(self._disk)}")


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB"


def _read() -> dict[str, Any]:
    """What the meter wrote last; nothing where it has not begun."""
    try:
        read: dict[str, Any] = json.loads(FILE.read_bytes())
    except (OSError, ValueError):
        return {}
    return read
