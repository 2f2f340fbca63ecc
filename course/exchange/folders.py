"""Files between disk and exchange: read as nbgrader would copy them, written completely or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

Ignore = Callable[[str, list[str]], list[str]]


def read(folder: Path, ignore: Ignore) -> dict[str, bytes]:
    """A folder's files by their paths in it.

    Left out is what nbgrader ignores, what begins with a dot, folders that are links, and what is no file.
    """
    found = {}
    for name, folders, names in os.walk(folder):
        left_out = set(ignore(name, [*folders, *names]))
        folders[:] = sorted(each for each in folders if each not in left_out and not each.startswith("."))
        for each in names:
            path = Path(name, each)
            if each not in left_out and not each.startswith(".") and path.is_file():
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder of these files, in place of the one that may be there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        add(temporary, files)
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def add(folder: Path, files: Mapping[str, bytes], replace: bool = True) -> list[str]:
    """Write files into a folder; the paths of those that were written.

    Args:
        replace: whether a file that is there already is overwritten.
    """
    written = []
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise ValueError(f"'{name}' is no path in a folder.")  # the API lets none of these through
        path = folder.joinpath(*parts)
        if replace or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_bytes(content)
            temporary.replace(path)
            written.append(name)
    return written
