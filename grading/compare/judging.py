"""The mark of a module: each probe's values against the reference's, each check's points from its probes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from course.probing import Arrays, Probe, generator, normalise
from grading.compare import words
from grading.compare.frames import Frame, Received
from grading.compare.values import difference
from grading.results import CheckMark

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """A visible check of a module, and what it is worth."""

    id: str
    points: float


class ProbeFault(Exception):  # noqa: N818  # the probe is at fault, not the student
    """A probe fails on the reference itself; the message says which and how."""


def mark(
    checks: Sequence[Check], probes: Sequence[Probe], seed: int, received: Received, exit: str
) -> list[CheckMark]:
    """Decide every check's points.

    Args:
        checks: the module's checks, in the notebook's order.
        probes: the module's probes, whose functions see the reference here.
        seed: the submission's; the same numbers as in the sandbox.
        received: what the sandbox sent.
        exit: how the sandbox ended, as the gate says.

    Raises:
        ProbeFault: the course is at fault; nobody's points may depend on it.
    """
    marks = []
    for check in checks:
        own = [probe for probe in probes if probe.check == check.id]
        if not own:
            raise ProbeFault(f"check '{check.id}' has no probe")
        verdicts = [(probe, verdict(probe, seed, received, exit)) for probe in own]
        lost = [(probe.title, reason) for probe, reason in verdicts if reason is not None]
        points = check.points * (len(own) - len(lost)) / len(own)
        marks.append(CheckMark(check.id, round(points, 4), check.points, words.sentences(lost)))
    return marks


def verdict(probe: Probe, seed: int, received: Received, exit: str) -> str | None:
    """What is wrong with a probe's answer; None if nothing is."""
    frame = received.frames.get(probe.name)
    if frame is None:
        return words.of_silence(exit)
    if frame.status != "ok":
        return words.of_frame(frame)
    expected = reference(probe, seed)
    if probe.judge is None:
        return difference(expected, frame.arrays, probe.rtol, probe.atol)
    return _judged(probe, seed, expected, frame)


def reference(probe: Probe, seed: int) -> Arrays:
    """What the reference computes."""
    try:
        return normalise(probe.function(generator(seed, probe.name)))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise ProbeFault(f"probe '{probe.name}' fails on the reference: {said}") from error


def _judged(probe: Probe, seed: int, expected: Arrays, frame: Frame) -> str | None:
    assert probe.judge is not None
    if set(frame.arrays) != set(expected):
        return f"the result has other parts ({_named(frame.arrays)}) than expected ({_named(expected)})"
    if any(frame.arrays[name].dtype.kind != array.dtype.kind for name, array in expected.items()):
        return "the result is of another type than expected"
    complaint = probe.judge(generator(seed, probe.name), expected)
    if complaint is not None:
        raise ProbeFault(f"the judge of probe '{probe.name}' refuses the reference: {complaint}")
    try:
        complaint = probe.judge(generator(seed, probe.name), frame.arrays)
    except Exception:
        # A judge meets any shape and any value; what it stumbles over is an answer of the wrong form.
        log.info("judge of %s stumbled", probe.name, exc_info=True)
        return "the result does not have the form that was expected"
    return str(complaint) if complaint is not None else None


def _named(arrays: Arrays) -> str:
    return ", ".join(sorted(arrays)) or "nothing"
