"""The registry of data sets (`registry.yml`): what each is made of and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from course.datasets import HERE, DatasetError

LAYOUT = "2"  # how arrays lie in a set's folder; another number has every set made anew


@dataclass(frozen=True)
class File:
    """One file of a data set as it is published."""

    name: str
    size: int
    sha256: str
    origins: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """One data set. Its format says how its files become arrays."""

    name: str
    title: str
    licence: str
    source: str
    format: str
    files: tuple[File, ...]
    shipped: bool

    def digest(self) -> str:
        """What is written beside the arrays: they are current as long as it is the same."""
        return " ".join((LAYOUT, self.format, *(file.sha256 for file in self.files)))


def read(path: Path = HERE / "registry.yml") -> Mapping[str, Dataset]:
    """Read a registry."""
    import yaml

    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        name: Dataset(
            name, entry["title"], entry["licence"], entry["source"], entry["format"],
            tuple(File(f["name"], f["size"], f["sha256"], tuple(f["origins"])) for f in entry["files"]),
            entry.get("shipped", False),
        )
        for name, entry in entries.items()
    }  # fmt: skip


def get(registry: Mapping[str, Dataset], name: str) -> Dataset:
    """The data set of this name."""
    if name not in registry:
        raise DatasetError(f"There is no data set '{name}'. There are: {', '.join(registry)}.")
    return registry[name]
