"""Getting a data set: its files from a source, then its arrays, which appear all at once or not at all."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course.datasets.registry import Dataset
from course.datasets.sources import Sources, obtain

HELD_BACK = (
    "test_labels"  # for whoever fetched the set only: a milestone's hidden inputs are made of the test part
)
STAMP = "registry-digest"  # in a set's folder: of which files its arrays were made
INCOMING = ".incoming"


def is_current(dataset: Dataset, into: Path) -> bool:
    """Whether the set is there, made of the very files that the registry names."""
    stamp = into / dataset.name / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == dataset.digest()


def fetch(dataset: Dataset, into: Path, sources: Sources) -> bool:
    """Make sure that a data set is there.

    Returns:
        Whether anything had to be done.

    Raises:
        ChecksumError, NoSourceError: see `obtain`. What was there before is still there.
    """
    if is_current(dataset, into):
        return False
    into.mkdir(parents=True, exist_ok=True)
    with _alone(into):
        if is_current(dataset, into):  # somebody else was fetching it
            return False
        incoming = into / INCOMING
        paths = [obtain(dataset, file, sources, incoming) for file in dataset.files]
        _write(dataset, paths, into)
        shutil.rmtree(incoming / dataset.name, ignore_errors=True)
        if incoming.is_dir() and not any(incoming.iterdir()):
            incoming.rmdir()
        return True


def _write(dataset: Dataset, paths: list[Path], into: Path) -> None:
    import numpy as np

    from course.datasets.convert import FORMATS

    work = Path(tempfile.mkdtemp(prefix=f".{dataset.name}.", dir=into))
    try:
        new, former, target = work / "new", work / "former", into / dataset.name
        new.mkdir()
        for name, array in FORMATS[dataset.format](paths).items():
            path = new / f"{name}.npy"
            np.save(path, array, allow_pickle=False)
            path.chmod(0o600 if name == HELD_BACK and not dataset.shipped else 0o644)
        (new / STAMP).write_text(dataset.digest(), encoding="utf-8")
        if target.exists():
            target.rename(former)
        new.rename(target)
    finally:
        shutil.rmtree(work)


@contextmanager
def _alone(into: Path) -> Iterator[None]:
    """One fetch at a time in a folder: two would write into one another's parts."""
    with (into / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
