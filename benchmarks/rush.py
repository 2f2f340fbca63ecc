"""The deadline: a class hands in within a minute, while servers and workers are killed. Nothing may be lost.

    python benchmarks/rush.py [--students 1000] [--seconds 60] [--database sqlite|postgresql]
    python benchmarks/rush.py --growth 100,1000,10000

The real API, workers, recorder, gate and containers run, as processes of this machine (parts.py). Students
come in more and more until the deadline. Each sends as tito does: with a key, and again after a pause
while nobody answers; a receipt's time is from the first try until it is there. On the way all of the API's
serving processes are killed (-9) at once, and a worker three times. Then everything is counted, in the
receipts, in the database, in the gradebook and in the workers' logs: what was lost, what was graded twice,
whose mark is wrong.

CPU seconds are those of the whole machine less what it used while idle, and less `students_cpu_s`: the
students, who are one process here. The stand-in for the hub is in that process too, and costs less than a
hub.

`--growth` instead asks the pages and the API of a class with so many stored submissions (growth.py).

It needs root, a running engine and the packages of requirements/dev.txt, and removes what it starts. The
last line is the figures as one JSON object.
"""

import argparse
import asyncio
import json
import os
import random
import re
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aiohttp  # noqa: E402
import sqlalchemy as sa  # noqa: E402

from benchmarks import growth  # noqa: E402
from benchmarks.grading import ensure_image, idle_cpus, machine_cpu, run, submissions  # noqa: E402
from benchmarks.parts import URL, Parts  # noqa: E402
from course.tito import api as tito  # noqa: E402
from grading import database  # noqa: E402
from grading.database import results  # noqa: E402
from grading.database import submissions as rows  # noqa: E402

WORKER_KILLS = (0.3, 0.55, 0.8)  # when, as a share of the rush
SERVERS_KILLED = 0.7
TRY_SECONDS = 30
GRADED = re.compile(r"grading\.worker\.loop: ([0-9a-f]{32}): [\d.]+ of ")


def main() -> None:
    """Hand in, kill, count."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--module", default="tensor", help="whose notebook (default: tensor, the longest)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--image", default="tinytorch/sandbox:0.1.0", help="built if it is not there")
    parser.add_argument("--growth", help="instead: how many submissions are stored, like 100,1000,10000")
    asked = parser.parse_args()
    ensure_image(asked.image)
    if asked.database == "postgresql":
        ensure_image(asked.image.replace("/sandbox:", "/postgresql:"))
    with tempfile.TemporaryDirectory(prefix="benchmark-rush-") as name:
        folder = Path(name)
        run([sys.executable, "-m", "course.builder", "--into", str(folder / "course")])
        course = folder / "course" / "discovery"
        if asked.growth:
            sizes = [int(size) for size in asked.growth.split(",")]
            figures = asyncio.run(growth.measure(folder, course, asked.image, asked.database, sizes))
        else:
            parts = Parts(folder, course, asked.image, asked.workers, asked.database)
            figures = asyncio.run(Rush(parts, course, asked).run())
    print(json.dumps({"database": asked.database, **figures}))


class Rush:
    """One deadline."""

    def __init__(self, parts: Parts, course: Path, asked: argparse.Namespace) -> None:
        self.parts, self.asked = parts, asked
        # Right, and with one exercise left open: by turns.
        self.notebooks = submissions(course, asked.module, 2)
        self.seconds: list[float] = []  # of each receipt
        self.receipts: dict[str, int] = {}  # id -> which notebook
        self.tries: Counter[str] = Counter()
        self.killed = {"servers": 0, "workers": 0}

    async def run(self) -> dict:
        """Everything, in order; the figures."""
        async with self.parts.started("gate", "api", "recorder", "worker"), aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True)
        ) as session:  # fmt: skip
            self.session = session
            await self._ready()
            engine = database.connect(self.parts.database_url)
            before = await asyncio.to_thread(idle_cpus)
            cpu, begun, own = machine_cpu(), time.monotonic(), time.process_time()
            await asyncio.gather(
                self._kill(), *(self._student(n, at) for n, at in enumerate(self._arrivals()))
            )
            own, rushed = time.process_time() - own, time.monotonic() - begun
            print(f"{len(self.receipts)} receipts of {self.asked.students} after {rushed:.0f} s", flush=True)
            graded = await self._settled(engine, begun)
            wall = time.monotonic() - begun
            cpu = machine_cpu() - cpu
            idle = (before + await asyncio.to_thread(idle_cpus)) / 2
            counted = self._count(engine)
            engine.dispose()
        used = cpu - idle * wall - own
        return {
            "students": self.asked.students,
            "seconds": self.asked.seconds,
            "workers": self.asked.workers,
            "module": self.asked.module,
            "killed": self.killed,
            "tries": dict(self.tries),
            **counted,
            "receipt_s": {
                "p50": round(statistics.median(self.seconds), 3),
                "p99": round(statistics.quantiles(self.seconds, n=100)[98], 3),
                "max": round(max(self.seconds), 3),
            },
            "all_graded_after_s": round(graded, 1),
            "graded_per_s": round(counted["graded"] / graded, 2),
            "cpu_s": round(used, 1),
            "cpu_s_per_submission": round(used / max(1, counted["graded"]), 3),
            "students_cpu_s": round(own, 1),
            "idle_cpus": round(idle, 3),
        }

    async def _ready(self) -> None:
        """Wait until the API answers and a first submission is graded: all is warm, as in a classroom."""
        for _ in range(600):
            try:
                async with self.session.get(f"{URL}health") as answer:
                    if answer.status == 200:
                        break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
        else:
            sys.exit(f"The API did not start:\n{self.parts.said('api')[-3000:]}")
        status, receipt = await self._send("warm", secrets.token_hex(16), 0)
        for _ in range(600):
            headers = {"Authorization": "token token-warm"}
            async with self.session.get(f"{URL}api/submissions/{receipt['id']}", headers=headers) as answer:
                if (await answer.json(content_type=None))["state"] == "graded":
                    return
            await asyncio.sleep(0.1)
        sys.exit(f"Nothing is graded ({status}):\n{self.parts.said('worker')[-3000:]}")

    def _arrivals(self) -> list[float]:
        """When each begins: twice as many in the last moment as on average, as before a deadline."""
        chance = random.Random(0)
        return sorted(
            self.asked.seconds * max(chance.random(), chance.random()) for _ in range(self.asked.students)
        )

    async def _student(self, number: int, at: float) -> None:
        """One student: hand in, and again as tito does, under the same key, until there is a receipt."""
        await asyncio.sleep(at)
        key, which = secrets.token_hex(16), number % 2
        begun = time.monotonic()
        pauses = iter(tito.PAUSES)
        while time.monotonic() - begun < 10 * tito.PATIENCE:
            try:
                status, receipt = await self._send(f"student{number}", key, which)
            except (aiohttp.ClientError, TimeoutError) as error:
                self.tries[type(error).__name__] += 1
            else:
                self.tries[str(status)] += 1
                if status in (200, 201):
                    self.seconds.append(time.monotonic() - begun)
                    self.receipts[receipt["id"]] = which
                    return
                if status not in tito.AWAY:
                    return
            await asyncio.sleep(next(pauses, 5))

    async def _send(self, name: str, key: str, which: int) -> tuple[int, dict]:
        headers = {"Authorization": f"token token-{name}", "Idempotency-Key": key}
        body = json.dumps({"notebook": self.notebooks[which]}).encode()
        where = f"{URL}api/submissions/module/{self.asked.module}"
        limit = aiohttp.ClientTimeout(total=TRY_SECONDS)
        async with self.session.post(where, data=body, headers=headers, timeout=limit) as answer:
            return answer.status, await answer.json(content_type=None)

    async def _kill(self) -> None:
        """Kill without warning, as the rush goes on."""
        moments = [(share, None) for share in (SERVERS_KILLED,)]
        moments += [(share, number % self.asked.workers) for number, share in enumerate(WORKER_KILLS)]
        begun = time.monotonic()
        for share, worker in sorted(moments, key=lambda moment: moment[0]):
            await asyncio.sleep(max(0.0, begun + share * self.asked.seconds - time.monotonic()))
            if worker is None:
                self.killed["servers"] += self.parts.kill_servers()
            else:
                self.parts.running["worker"][worker].kill()
                self.killed["workers"] += 1

    async def _settled(self, engine: sa.Engine, begun: float) -> float:
        """Wait until all are graded and recorded; seconds from the beginning until the last was graded."""
        graded = None
        deadline = time.monotonic() + 120 + 5 * self.asked.students
        open_rows = sa.select(sa.func.count()).where(rows.c.state.in_(("queued", "grading")))
        unrecorded = sa.select(sa.func.count()).where(results.c.recorded_at.is_(None))
        while time.monotonic() < deadline:
            with engine.connect() as connection:
                waiting = connection.execute(open_rows).scalar_one()
                writing = connection.execute(unrecorded).scalar_one()
            if waiting == 0 and graded is None:
                graded = time.monotonic() - begun
            if waiting == 0 and writing == 0:
                break
            await asyncio.sleep(0.25)
        return graded or time.monotonic() - begun

    def _count(self, engine: sa.Engine) -> dict:
        """What came in, and what became of it."""
        query = sa.select(
            rows.c.id, rows.c.state, results.c.score, results.c.max_score, results.c.recorded_at
        )
        query = query.join(results, results.c.submission == rows.c.id, isouter=True).where(
            rows.c.student != "warm"
        )
        with engine.connect() as connection:
            found = {row.id: row for row in connection.execute(query)}
        files = {path.stem for path in (self.parts.folder / "grading" / "submissions").glob("??/*.json")}
        book = sa.create_engine(self.parts.gradebook_url)
        with book.connect() as connection:
            recorded = connection.execute(
                sa.text(
                    "SELECT count(*) FROM submitted_assignment JOIN student ON student.id = student_id "
                    "WHERE student.id <> 'warm'"
                )
            ).scalar_one()
        book.dispose()
        graded = {id for id, row in found.items() if row.state == "graded"}
        times = Counter(GRADED.findall(self.parts.said("worker")))
        return {
            "receipts": len(self.receipts),
            "stored": len(found.keys() & files),
            "graded": len(graded),
            "recorded": recorded,
            "lost": len(self.receipts.keys() - graded) + abs(len(self.receipts) - recorded),
            "graded_twice": sum(times[id] > 1 for id in found),
            "wrong_marks": sum(
                id not in graded or (found[id].score == found[id].max_score) != (which == 0)
                for id, which in self.receipts.items()
            ),
        }


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("This needs root: the gate makes containers. Run it as root.")
    main()
