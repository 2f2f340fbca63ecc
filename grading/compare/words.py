"""Why a probe gave no points, in words for the student."""

from __future__ import annotations

from grading.compare.frames import Frame, Received

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
    if frame.status != "error":
        return f"your code {message}" if message else "your code gave no answer."
    if message.startswith("NotImplementedError"):
        return "this is not solved yet (NotImplementedError)."
    if "MemoryError" in message.partition(":")[0]:
        return f"your code needed more memory than there is. {message.partition(':')[2].strip()}".strip()
    return f"your code raised {message}" if message else "your code raised an error."


def of_silence(received: Received, exit: str) -> str:
    """Why a probe was not run, or its answer did not arrive."""
    return f"there is no answer: {NO_ANSWER.get(exit, NO_ANSWER['failed'])}"


def sentence(title: str, reason: str) -> str:
    """What was tried, and what was wrong with it."""
    ended = reason if reason.endswith((".", "?", "!", "`)")) else f"{reason}."
    return f"{title.rstrip('.')}: {ended}"
