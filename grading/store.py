"""Where submissions are kept: one file each, byte for byte as it came, named by the submission's id.

A file is there whole or not at all: it is written beside its place, forced to disk, and renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

IDENTIFIER = re.compile(r"[0-9a-f]{32}")


class Upload:
    """A submission that is still coming in. Nothing of it stays if it is not kept."""

    def __init__(self, store: Store, id: str) -> None:
        self.id = id
        self._store = store
        self._final = store.path(id)
        # Named by who writes it: the same submission may come in twice at once, and a process may be killed.
        self._part = store.incoming / f"{os.getpid()}-{secrets.token_hex(8)}.part"
        self._file: BinaryIO = self._part.open("xb")
        self._digest = hashlib.sha256()
        self.kept = False
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add some bytes."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def read(self) -> bytes:
        """Everything that came in."""
        self._file.flush()
        return self._part.read_bytes()

    @property
    def sha256(self) -> str:
        """The digest of what came in, in hex."""
        return self._digest.hexdigest()

    def keep(self) -> None:
        """Force it to disk under its final name; after this it survives a power cut."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        folder = self._final.parent
        self._store.make(folder)
        self._part.rename(self._final)
        self.kept = True
        _sync_folder(folder)

    def discard(self) -> None:
        """Leave nothing of this upload behind, kept or not."""
        with contextlib.suppress(OSError):  # on a full disk even closing can fail; the file goes all the same
            self._file.close()
        self._part.unlink(missing_ok=True)
        if self.kept:
            self._final.unlink(missing_ok=True)


class Store:
    """The folder of all submissions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"

    def prepare(self) -> None:
        """Make the folder; clear away what a killed API left half written (nobody has a receipt for it)."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        self.clear()

    def clear(self, process: int | str = "*") -> None:
        """Clear away what a process that is no more, or any, left half written."""
        for part in self.incoming.glob(f"{process}-*.part"):
            part.unlink(missing_ok=True)

    def upload(self, id: str) -> Upload:
        """Begin to take a submission in."""
        return Upload(self, id)

    @contextlib.contextmanager
    def alone(self, id: str) -> Iterator[None]:
        """Meanwhile nobody else keeps or discards a submission of this id, in this process or another."""
        with self.locked(self.path(id).parent):
            yield

    @contextlib.contextmanager
    def locked(self, folder: Path) -> Iterator[None]:
        """Meanwhile nobody else has this folder locked, in this process or another."""
        self.make(folder)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # ends with the process, however that ends
            yield
        finally:
            os.close(handle)

    def make(self, folder: Path) -> None:
        """Make one of the store's folders where it is missing; it is then on disk, too."""
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)

    def path(self, id: str) -> Path:
        """The file of a submission."""
        if not IDENTIFIER.fullmatch(id):
            raise ValueError(f"'{id}' is no submission's id.")
        return self.folder / id[:2] / f"{id}.json"

    def read(self, id: str) -> bytes:
        """A submission's bytes."""
        return self.path(id).read_bytes()


def _sync_folder(folder: Path) -> None:
    """A rename is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
