"""`python -m grading.tests.class_in_a_process FOLDER STUDENTS`: a generated class, for a browser.

Prints its address when it serves. Who asks is who the browser's cookie `stand-in` says: a student by name,
`ada` (instructor) or `gina` (grader).
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from jupyterhub.services.auth import HubOAuth
from tornado.testing import bind_unused_port

from course import manifest
from grading import database, settings
from grading.api.app import application, server
from grading.api.service import Service
from grading.calendar import CalendarKeeper
from grading.database import jobs, people, regrades, results, standings, submissions
from grading.metrics import ApiMetrics
from grading.queue import Queue
from grading.store import Store
from grading.tests import generated_class, hub_stand_in

PREFIX = "/services/grading/"
REGRADE = "f" * 32
# Names that a page must show as they are: markup, a script, quotes, text that runs to the left, and much.
ODD = {
    "<script>alert(1)</script>": "<b>Bold</b> & \"quoted\" 'name'",
    "\u202egnp.exe": "\u05d3\u05e0\u05d9 \u202e\u05db\u05d4\u05df",
    "w" * 255: "W" * 255,
    "{{ 7 * 7 }}": "a/b?c=d&e#f%2e",
}
CALENDAR = """
timezone: Europe/Vienna
modules:
  tensor: {due: 2026-10-05 18:00, late_per_day: 0.1, late_days: 5}
  optimizers: {due: 2037-01-11}
milestones:
  xor: {due: 2037-01-18}
"""


def user(name: str, *groups: str) -> dict[str, object]:
    """The hub's model of somebody."""
    return {"name": name, "kind": "user", "groups": list(groups), "scopes": [hub_stand_in.SCOPE]}


def add_odd_names(engine: sa.Engine) -> None:
    """Some students with names that are hard on a page, each with the marks and submissions of another."""
    with engine.begin() as connection:
        for number, (name, full_name) in enumerate(ODD.items()):
            row = {"name": name, "full_name": full_name, "number": f'"{number}', "email": "", "at": 0.0}
            known = {"section": "Monday", "role": "student", "active": True}
            connection.execute(people.insert().values({**row, **known}))
            first = connection.execute(sa.select(standings).limit(1)).mappings().one()
            changed = {"student": name, "newest": None, "counted": None}
            connection.execute(standings.insert().values({**first, **changed}))
            source = connection.execute(sa.select(submissions).limit(1)).mappings().one()
            handed_in = {"id": f"{number:032x}", "student": name, "state": "failed"}
            connection.execute(submissions.insert().values({**source, **handed_in}))


def add_regrade(engine: sa.Engine) -> None:
    """A regrade that is done: one check of Tensor gives five students no points any more."""
    with engine.begin() as connection:
        about = {"kind": "module", "slug": "tensor", "student": None}
        asked = {"asked_by": "ada", "asked_at": 0.0, "why": "The probe of the first check was mended."}
        connection.execute(regrades.insert().values({"id": REGRADE, **asked, **about}))
        counted = (
            sa.select(results, standings.c.automatic)
            .join(standings, standings.c.counted == results.c.submission)
            .where(standings.c.slug == "tensor", standings.c.factor == 1.0, ~standings.c.excused)
            .where(standings.c.automatic == standings.c.max_score)
            .order_by(standings.c.student)
            .limit(5)
        )
        for number, row in enumerate(connection.execute(counted).mappings().all()):
            first, *others = row["checks"]
            lost = {**first, "points": 0.0, "reasons": ["A batch of one: it is 1; 2 was expected."]}
            marked = {"score": row["score"] - first["points"], "checks": [lost, *others]}
            same = {name: row[name] for name in ("max_score", "passed", "notes", "seconds")}
            job = {"id": f"{number:032x}", "purpose": "regrade", "submission": row["submission"]}
            job |= {"regrade": REGRADE, "asked_by": "ada", "asked_at": 0.0, "state": "done", "attempts": 1}
            done = {"not_before": 0.0, "outcome": {**marked, **same}, "done_at": 0.0}
            connection.execute(jobs.insert().values({**job, **done}))


async def main(folder: Path, students: int) -> None:
    """Serve until killed."""
    given = replace(
        settings.load({}), folder=folder, database_url=f"sqlite:///{folder / 'grading.db'}", calendar=folder
    )
    course = manifest.load()
    engine, store = database.connect(given.database_url), Store(given.submissions)
    store.prepare()
    names = generated_class.fill(engine, store, course, students)
    add_odd_names(engine)
    add_regrade(engine)
    (folder / "public").mkdir()
    (folder / "calendar.yml").write_text(CALENDAR, encoding="utf-8")
    keeper = CalendarKeeper(folder, course)
    keeper.start()
    users = {f"token-{name}": user(name) for name in [*names, *ODD]}
    users |= {"token-ada": user("ada", "role-instructor"), "token-gina": user("gina", "role-grader")}
    hub = hub_stand_in.HubStandIn(users)
    socket, port = bind_unused_port()
    url = f"http://127.0.0.1:{port}{PREFIX}"
    auth = HubOAuth(
        api_url=hub.url,
        api_token="secret",
        base_url=PREFIX,
        oauth_client_id="service-grading",
        oauth_authorization_url=f"{hub.url}/oauth2/authorize",
        oauth_redirect_uri=f"{url}oauth_callback",
        access_scopes={hub_stand_in.SCOPE},
    )
    queue = Queue(engine)
    serving = server(
        application(Service(given, course, engine, queue, store, ApiMetrics(queue), keeper), auth)
    )
    serving.add_socket(socket)
    print(json.dumps({"url": url, "students": names[:3]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
