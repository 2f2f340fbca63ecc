"""From published files to arrays. Every file was verified before it comes here."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from course.datasets import DatasetError

Arrays = dict[str, np.ndarray[Any, Any]]
DIGITS_TRAIN = 1437  # of 1,797


def idx(paths: Sequence[Path]) -> Arrays:
    """MNIST's files: a header of big-endian sizes, then bytes."""
    arrays = {}
    for path in paths:
        raw = gzip.decompress(path.read_bytes())
        shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
        split = "train" if path.name.startswith("train") else "test"
        kind = "images" if "images" in path.name else "labels"
        arrays[f"{split}_{kind}"] = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
    return arrays


def cifar(paths: Sequence[Path]) -> Arrays:
    """CIFAR-10's pickled batches: images as (n, 3, 32, 32), planes red, green, blue."""
    batches: dict[str, tuple[Any, Any]] = {}
    with tarfile.open(paths[0]) as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and (name.startswith("data_batch_") or name == "test_batch"):
                stream = archive.extractfile(member)
                batch = pickle.load(stream, encoding="bytes")  # type: ignore[arg-type] # noqa: S301 (verified)
                batches[name] = batch[b"data"], batch[b"labels"]
    return _splits(batches)


def jpeg(paths: Sequence[Path]) -> Arrays:
    """The JPEG-derived set: an archive of BATCH/INDEX_LABEL.jpg."""
    try:
        from PIL import Image  # no other format needs it
    except ImportError as error:
        raise DatasetError(
            f"{paths[0].name} needs the package pillow to be read. Install it here."
        ) from error

    found: dict[str, list[tuple[int, int, Any]]] = {}
    with tarfile.open(paths[0]) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                batch, image = Path(member.name).parts[-2:]
                index, label = (int(part) for part in Path(image).stem.split("_"))
                pixels = np.asarray(Image.open(io.BytesIO(stream.read())).convert("RGB"))
                found.setdefault(batch, []).append((index, label, pixels.transpose(2, 0, 1)))
    batches = {}
    for name, images in found.items():
        images.sort(key=lambda image: image[0])
        batches[name] = np.stack([pixels for _, _, pixels in images]), [label for _, label, _ in images]
    return _splits(batches)


def text(paths: Sequence[Path]) -> Arrays:
    """A text as its bytes."""
    return {"text": np.frombuffer(paths[0].read_bytes(), np.uint8)}


def digits(paths: Sequence[Path]) -> Arrays:
    """Lines of 64 pixels and a label."""
    table = np.loadtxt(io.BytesIO(gzip.decompress(paths[0].read_bytes())), delimiter=",", dtype=np.uint8)
    images, labels = table[:, :64].reshape(-1, 8, 8), table[:, 64]
    return {
        "train_images": images[:DIGITS_TRAIN],
        "train_labels": labels[:DIGITS_TRAIN],
        "test_images": images[DIGITS_TRAIN:],
        "test_labels": labels[DIGITS_TRAIN:],
    }


def _splits(batches: dict[str, tuple[Any, Any]]) -> Arrays:
    arrays = {}
    for split, prefix in (("train", "data_batch_"), ("test", "test_batch")):
        names = sorted(name for name in batches if name.startswith(prefix))
        images = np.concatenate([np.asarray(batches[name][0], np.uint8) for name in names])
        arrays[f"{split}_images"] = images.reshape(-1, 3, 32, 32)
        arrays[f"{split}_labels"] = np.concatenate([np.asarray(batches[name][1], np.uint8) for name in names])
    return arrays


FORMATS: dict[str, Callable[[Sequence[Path]], Arrays]] = {
    "idx": idx,
    "cifar": cifar,
    "jpeg": jpeg,
    "text": text,
    "digits": digits,
}
