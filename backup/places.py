"""Where things are inside the container, what a backup holds, and what it leaves out.

Everything in the state folder is kept unless it is named here: what a later part of the classroom puts
there is kept without anybody thinking of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# What a deploy makes anew, or what is of no use on another day.
LEFT_OUT = {
    "backup",  # this service's own notes
    "classroom.env",
    "datasets",
    "isolation.sh",
    "meter",
    "prometheus",
    "run",  # sockets
    "lost+found",
}
ASIDE = "before-restore-"  # what a restore found in its place
UNFINISHED = ".restoring"

HALF_WRITTEN = "grading/submissions/incoming/*"  # nobody has a receipt for it
CACHES = "homes/*/.cache"

SQLITE = b"SQLite format 3\0"
# Only where no student's file can lie: a damaged one of theirs must not stop the backup.
DATABASES = ("*/*.sqlite", "*/*.db", "grading/nbgrader/*.db")
GRADING = Path("grading/grading.db")


@dataclass(frozen=True)
class Places:
    """The folders that a run works with.

    Attributes:
        state: the classroom's state folder, read-only while a backup is made.
        live: its folders with databases once more, as who owns them can reach and write them.
        own: what the backup itself needs: its record, and copies of the databases while it runs.
        repository: the restic repository.
        shown: the repository as the admin knows it, for messages.
    """

    state: Path = Path("/srv/state")
    own: Path = Path("/srv/backup")
    repository: Path = Path("/srv/repository")
    shown: str = "the backup folder"
    live: Path = Path("/srv/live")

    @staticmethod
    def from_environment(environment: Mapping[str, str] = os.environ) -> Places:
        """Those of the container."""
        return Places(shown=environment.get("TT_BACKUP_TO", Places.shown))

    @property
    def copies(self) -> Path:
        """The databases, copied at one moment each; below it they lie as below the state folder."""
        return self.own / "copies"

    @property
    def homes(self) -> Path:
        """Students' folders, each named by its student's key."""
        return self.state / "homes"

    def students(self) -> list[Path]:
        """Every student's home, as far as it is there."""
        if not self.homes.is_dir():
            return []
        return sorted(home for home in self.homes.iterdir() if not home.name.startswith("."))

    def kept(self, postgresql: bool) -> list[Path]:
        """What is in the state folder now and belongs into a backup; homes apart.

        Args:
            postgresql: whether PostgreSQL runs; then its dumps are kept, and not the files beneath it.
        """
        left_out = LEFT_OUT | {"homes"} | ({"postgresql"} if postgresql else set())
        return sorted(
            entry
            for entry in self.state.iterdir()
            if entry.name not in left_out and not entry.name.startswith((ASIDE, UNFINISHED))
        )

    def databases(self) -> list[Path]:
        """SQLite databases by their paths below the state folder, in the order to copy them in.

        The queue's comes first, nbgrader's gradebook after it: the recorder writes a mark into the gradebook
        before it notes that it did. So what the copies hold may be written once more; the other way round a
        mark would be noted and missing.
        """
        found = {path.relative_to(self.state) for pattern in DATABASES for path in self.state.glob(pattern)}
        ours = [path for path in found if self._is_ours(path) and _is_database(self.state / path)]
        return sorted(ours, key=lambda path: (path != GRADING, path))

    def _is_ours(self, path: Path) -> bool:
        top = path.parts[0]
        return top not in LEFT_OUT | {"homes"} and not top.startswith((ASIDE, UNFINISHED))


def _is_database(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE
