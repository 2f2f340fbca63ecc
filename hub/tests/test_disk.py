"""What pages and Prometheus say of disk space, by the meter's count."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub import disk
from hub.disk import Homes

GIB = 2**30


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(disk, "FILE", tmp_path / "homes.json")
    return tmp_path / "homes.json"


def counted(file: Path, **homes: tuple[float | None, int | None]) -> None:
    told = {
        name: {"bytes": None if size is None else int(size * GIB), "files": files}
        for name, (size, files) in homes.items()
    }
    file.write_text(json.dumps({"size": 100 * GIB, "free": 40 * GIB, "homes": told}))


def figures(homes: Homes) -> dict[str, Any]:
    samples = [sample for family in homes.collect() for sample in family.samples]
    return {sample.name + "".join(sample.labels.values()): sample.value for sample in samples}


def test_each_home_is_said_in_words(file: Path) -> None:
    counted(file, ada=(1.4, 900), ben=(0.2, 95_000), eve=(None, None), max=(1.95, 100_000))
    homes = Homes(2 * GIB, 100_000)
    assert [homes.of(name).words for name in ("ada", "ben", "eve")] == [  # type: ignore[union-attr]
        "1.4 of 2.0 GB",
        "95,000 of 100,000 files",
        "more files than can be counted",
    ]
    assert homes.of("nobody") is None
    assert [name for name, _ in homes.filling()] == ["eve", "max", "ben"]


def test_without_a_limit_nobody_is_over_it(file: Path) -> None:
    counted(file, ada=(1.4, 900), eve=(None, None))
    homes = Homes(0, 0)
    assert homes.of("ada").words == "1.4 GB"  # type: ignore[union-attr]
    assert homes.filling() == []
    assert figures(homes)["homes_filled80%"] == 0


def test_prometheus_sees_sums_and_nobody_by_name(file: Path) -> None:
    assert figures(Homes(2 * GIB, 1000)) == {}, "the meter has not begun"
    counted(file, ada=(0.5, 9), ben=(1.7, 9), eve=(None, None))
    assert figures(Homes(2 * GIB, 1000)) == {
        "homes_bytes": int(0.5 * GIB) + int(1.7 * GIB),
        "homes_disk_size_bytes": 100 * GIB,
        "homes_disk_free_bytes": 40 * GIB,
        "homes_filled80%": 2,
        "homes_filled95%": 1,
    }
    file.write_text("damaged")
    assert figures(Homes(2 * GIB, 1000)) == {}
