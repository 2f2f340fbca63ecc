"""A start in words, for whoever waits for it."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable

LOOK_EVERY = 0.5  # seconds
LONG = 20  # seconds after which most servers have long been there


async def progress(has_container: Callable[[], bool]) -> AsyncGenerator[dict[str, object], None]:
    """What JupyterHub sends to the page that waits; it ends this when the server is there or has failed.

    Args:
        has_container: whether the start has come to a container of its own.
    """
    said = None
    for looks in itertools.count():
        event = _event(has_container(), looks * LOOK_EVERY)
        if event != said:
            said = event
            yield event
        await asyncio.sleep(LOOK_EVERY)


def _event(has_container: bool, seconds: float) -> dict[str, object]:
    percent, words = 20, "Your server is being made."
    if has_container:
        percent, words = 60, "Your server runs, and JupyterLab is loading."
    if seconds >= LONG:
        words += " It takes longer than usual, as when a whole class starts: leave this page open."
    return {"progress": percent, "message": words}
