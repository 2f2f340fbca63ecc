"""What the pages and the API cost as the classroom fills: one class, more and more submissions."""

import asyncio
import contextlib
import json
import statistics
import time
from pathlib import Path

import aiohttp

from benchmarks.parts import URL, Parts
from course import manifest
from grading import database
from grading.store import Store
from grading.tests import generated_class

CLASS = 30  # students: what grows is what they handed in
ROUNDS = 60  # requests to each address
ADDRESSES = {
    "own page": ("{student}", ""),
    "class page": ("ada", "class"),
    "record page": ("ada", "class/student?name={student}"),
    "api marks": ("{student}", "api/marks"),
    "api submission": ("{student}", "api/submissions/{id}"),
    "api health": ("{student}", "api/health"),
}


async def measure(folder: Path, course: Path, image: str, kind: str, sizes: list[int]) -> dict:
    """Ask each address again and again, at each size; milliseconds, 95 of 100 are below."""
    figures = {}
    for size in sizes:
        parts = Parts(folder / str(size), course, image, 1, kind)
        async with parts.started(), aiohttp.ClientSession() as session:
            engine = database.connect(parts.database_url)
            store = Store(parts.folder / "grading" / "submissions")
            store.prepare()
            names = generated_class.fill(
                engine, store, manifest.load(course / "course.json"), CLASS, round(size / CLASS), waiting=0
            )
            with engine.connect() as connection:
                rows = connection.execute(database.submissions.select()).all()
            engine.dispose()
            parts.start("api")
            known = {"student": names[1], "id": next(row.id for row in rows if row.student == names[1])}
            await _until_ready(session)
            figures[str(size)] = {"stored": len(rows), **await _ask(session, known)}
            for kept in parts.running.pop("api"):
                kept.stop()
        print(json.dumps(figures[str(size)]), flush=True)
    return {"students": CLASS, "p95_ms": figures}


async def _until_ready(session: aiohttp.ClientSession) -> None:
    for _ in range(300):
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(f"{URL}health") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.1)
    raise SystemExit("The API did not start.")


async def _ask(session: aiohttp.ClientSession, known: dict[str, str]) -> dict[str, float]:
    """One after the other, the addresses by turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ADDRESSES}
    for _ in range(ROUNDS):
        for name, (who, path) in ADDRESSES.items():
            headers = {"Authorization": f"token token-{who.format(**known)}"}
            begun = time.perf_counter()
            async with session.get(URL + path.format(**known), headers=headers) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit(f"{path}: {answer.status}")
            seconds[name].append(time.perf_counter() - begun)
    return {name: round(1000 * statistics.quantiles(taken, n=20)[18], 1) for name, taken in seconds.items()}
