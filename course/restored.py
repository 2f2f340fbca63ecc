"""The course's own solution in a student's package: it says what it is, in its first line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

MARK = "# The course's own solution of "


def marked(slug: str, source: str, how: str) -> str:
    """A module's solution as it is put into a student's package; `how` is the command and the time."""
    return (
        f"{MARK}'{slug}', put here by {how}.\n"
        f"# It was noted. Your own comes back with `tito export {slug}`.\n\n{source}"
    )


def is_restored(source: str) -> bool:
    """Whether a module is the course's own."""
    return source.startswith(MARK)


def restored_in(files: Mapping[str, str]) -> list[str]:
    """The modules of a package's files that are the course's own."""
    return [PurePosixPath(name).stem for name, source in sorted(files.items()) if is_restored(source)]
