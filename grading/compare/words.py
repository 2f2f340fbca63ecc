"""Why a probe gave no points, in words for the student."""

from __future__ import annotations

import re

from grading.compare.frames import Frame

UNSOLVED = "is not solved yet."
NO_ANSWER = {
    "timeout": "the container's time was over. Is there an endless loop?",
    "oom": "the container's memory ran out. Is an array far larger than it needs to be?",
    "output": "your code had written too much.",
    "failed": "the process that runs your code was ended.",
    "ok": "the process that runs your code sent no answer.",
}


def of_frame(frame: Frame) -> str:
    """Why a probe that was run has no values to compare."""
    message = frame.message
    if frame.status == "output":  # a sentence of its own; 'value' is what a result without a name is called
        said = message.replace("'value'", "the result") or "what came back is no answer."
        return said[0].lower() + said[1:]
    if frame.status != "error":
        return f"your code {message}" if message else "your code gave no answer."
    if message.startswith("NotImplementedError"):
        where = re.search(r" \(in (\w+): `", message)
        return f"`{where[1]}` {UNSOLVED}" if where else f"this {UNSOLVED}"
    if re.match(r"\w*MemoryError\b", message):
        detail = re.sub(r"^\w*MemoryError:? ?", "", message)
        return f"your code needed more memory than there is. {detail}".strip()
    return f"your code raised {message}" if message else "your code raised an error."


def of_silence(exit: str) -> str:
    """Why a probe was not run, or its answer did not arrive."""
    return f"there is no answer: {NO_ANSWER.get(exit, NO_ANSWER['failed'])}"


def sentences(titled: list[tuple[str, str]]) -> list[str]:
    """Titles and reasons as sentences; what is simply not solved yet is said once, not for each question."""
    if titled and all(reason == titled[0][1] and reason.endswith(UNSOLVED) for _, reason in titled):
        reason = titled[0][1]
        return [reason[0].upper() + reason[1:]]
    return [sentence(title, reason) for title, reason in titled]


def sentence(title: str, reason: str) -> str:
    """What was tried, and what was wrong with it."""
    ended = reason if reason.endswith((".", "?", "!", "`)")) else f"{reason}."
    return f"{title.rstrip('.')}: {ended}"
