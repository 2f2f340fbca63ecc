"""Where a file of a data set comes from: a local folder, the site's mirror, its origins, in this order.

Nothing is used before its size and checksum are right. A wrong file ends the search: it is a fault to be
mended, not a reason to look elsewhere in silence.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from course.datasets import HERE, DatasetError
from course.datasets.registry import Dataset, File

BLOCK = 1 << 20
TIMEOUT = 20  # seconds without a byte
ATTEMPTS = 3  # each goes on where the one before was cut off


class ChecksumError(DatasetError):
    """A file is not what the registry says."""


class NoSourceError(DatasetError):
    """No source that is in reach has the file."""


@dataclass(frozen=True)
class Sources:
    """Where to look besides the origins."""

    local: Path | None = None
    mirror: str | None = None


def obtain(dataset: Dataset, file: File, sources: Sources, incoming: Path) -> Path:
    """A verified file of a data set.

    Args:
        incoming: where downloads go and, cut off, wait to be resumed.

    Raises:
        ChecksumError: a source gave a wrong file.
        NoSourceError: no source gave one.
    """
    local = _shipped(dataset, file) or _local(dataset, file, sources.local)
    if local:
        verify(local, file, "Replace it with the original, or take it away.")
        return local
    mirrored = [f"{sources.mirror.rstrip('/')}/{dataset.name}/{file.name}"] if sources.mirror else []
    reasons = []
    for url in (*mirrored, *file.origins):
        target = incoming / dataset.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming.chmod(0o700)  # what is fetched in part may hold held-back labels already
        try:
            return _download(url, file, target)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.filename == str(target):
                raise  # a full disk is no matter of the source
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
    raise NoSourceError("; ".join(reasons) or "it has no address to download it from")


def verify(path: Path, file: File, mend: str) -> None:
    """Check size and checksum.

    Raises:
        ChecksumError: they differ; the sentence names file, expected, got, and how to mend it.
    """
    size = path.stat().st_size
    if size != file.size:
        raise ChecksumError(f"{path}: expected {file.size:,} bytes, got {size:,}. {mend}")
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != file.sha256:
        raise ChecksumError(f"{path}: expected sha256 {file.sha256}, got {digest.hexdigest()}. {mend}")


def _shipped(dataset: Dataset, file: File) -> Path | None:
    return HERE / dataset.name / file.name if dataset.shipped else None


def _local(dataset: Dataset, file: File, folder: Path | None) -> Path | None:
    """The file in the local folder: where it belongs, or of the right size in any folder of it."""
    if folder is None:
        return None
    for path in (folder / dataset.name / file.name, folder / file.name):
        if path.is_file():
            return path
    elsewhere = sorted(folder.glob(f"*/{file.name}"))
    return next((path for path in elsewhere if path.stat().st_size == file.size), None)


def _download(url: str, file: File, target: Path) -> Path:
    part = target.with_name(f"{file.name}.part")
    for attempt in range(ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            _append(url, file, part)
            break
        except (OSError, http.client.HTTPException):
            if attempt == ATTEMPTS - 1 or not part.exists() or part.stat().st_size <= before:
                raise
    try:
        verify(part, file, f"It came from {url} and was deleted. Name another source, or a local folder.")
    except ChecksumError:
        part.unlink()
        raise
    return part.rename(target)


def _append(url: str, file: File, part: Path) -> None:
    """Read from a URL to the end of a part, from where the part ends; never more than the file may have."""
    have = part.stat().st_size if part.exists() else 0
    if have >= file.size:
        return
    if not url.startswith(("https://", "http://")):
        raise DatasetError(f"{url} is no address of the web. A mirror begins with https:// or http://.")
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 (checked above)
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as out:
            while have <= file.size and (block := answer.read(min(BLOCK, file.size + 1 - have) or 1)):
                out.write(block)
                have += len(block)
    if have < file.size:
        raise http.client.IncompleteRead(b"", file.size - have)
