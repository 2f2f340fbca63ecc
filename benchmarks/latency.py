"""How long a student waits: from `tito submit` to the mark on the screen, on an idle system.

The command is the real one, as a process, started anew each time; so are API, worker, recorder, gate and
container. What it prints is taken with the time of each line: of the receipt, and of the mark.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.parts import ROOT, URL, Parts

TITO = [sys.executable, "-c", "import sys; from course.tito.cli import main; sys.exit(main())"]
PAUSE = 1.0  # seconds between two submissions: the next container is ready again
LOOK = 0.02
READY = 60.0


async def measure(folder: Path, course: Path, image: str, slug: str, notebook: dict, count: int) -> dict:
    """Submit so often, one after the other; the figures in seconds."""
    parts = Parts(folder / "latency", course, image, workers=1, database="sqlite")
    work = folder / "work"
    work.mkdir()
    (work / f"{slug}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    environment = {
        **os.environ,
        "TT_COURSE": str(course),
        "TT_WORK": str(work),
        "TT_GRADING_URL": URL,
        "JUPYTERHUB_API_TOKEN": "token-student",
    }
    async with parts.started("gate", "api", "recorder", "worker"):
        await asyncio.to_thread(submit, slug, environment, parts)  # the first imports and compiles for all
        waits = []
        for _ in range(count):
            await asyncio.sleep(PAUSE)
            waits.append(await asyncio.to_thread(submit, slug, environment, parts))
    starts = [started(environment) for _ in range(5)]
    receipts, marks = zip(*waits, strict=True)
    return {
        "submissions": count,
        "tito_starts_s": round(statistics.median(starts), 3),
        "receipt_s": round(statistics.median(receipts), 3),
        "mark_s": {
            "median": round(statistics.median(marks), 3),
            "p95": round(sorted(marks)[int(0.95 * (count - 1))], 3),
            "max": round(max(marks), 3),
        },
    }


def submit(slug: str, environment: dict[str, str], parts: Parts) -> tuple[float, float]:
    """Run `tito submit`; seconds until the receipt is shown, and until the mark is."""
    deadline = time.monotonic() + READY
    while True:
        begun = time.monotonic()
        shown = {}
        command = [*TITO, "submit", slug]
        with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tito:
            assert tito.stdout
            for line in tito.stdout:
                for words in ("Received ", " points."):
                    if words in line:
                        shown.setdefault(words, time.monotonic() - begun)
        if len(shown) == 2:
            return shown["Received "], shown[" points."]
        if time.monotonic() > deadline:
            sys.exit(f"No mark came:\n{parts.said('api')}{parts.said('worker')}")
        time.sleep(LOOK)


def started(environment: dict[str, str]) -> float:
    """Seconds that tito itself takes, to start and read the course."""
    begun = time.monotonic()
    subprocess.run([*TITO, "map"], env=environment, cwd=ROOT, capture_output=True, check=True)
    return time.monotonic() - begun
