"""Marking again: begun, looked at, and only then applied. Nothing counts before somebody has decided it.

Workers mark each submission again with its stored seed (worker/regrading.py). Here the outcomes are compared
with the marks that count, and what is applied is written down; the recorder makes it count
(recorder/applying.py).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar
from grading import standings, terms
from grading.database import applied, by_hand, jobs, regrades, results, submissions
from grading.database import standings as table
from grading.jobs import Jobs
from grading.marks import iso, name_of
from grading.standings import Hand, Key, Marked

LONGEST_WHY = 500  # characters
KINDS = ("module", "milestone")
AT_ONCE = 200  # outcomes in memory
NEWEST = 50  # regrades in the list
SUSPICION = (
    "The code is the same as before, so the check has changed. Look at its probe before you apply this."
)

View = dict[str, Any]


class Refused(ValueError):  # noqa: N818  # reads better where it is raised
    """It cannot be done; the message is a sentence for whoever asked."""


@dataclass
class _Other:
    """What would be other for one student's module or milestone."""

    outcomes: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # submission -> outcome
    checks: list[View] = field(default_factory=list)


def begin(
    engine: sa.Engine,
    by: str,
    why: str,
    kind: str | None = None,
    slug: str | None = None,
    student: str | None = None,
) -> str:
    """Have every mark of a kind, module, milestone or student that counts computed again; the regrade's id.

    The newest submission is marked again too where another counts, and where it could not be marked at all.

    Raises:
        Refused: there is nothing to mark again, or no reason is given.
    """
    if not why.strip():
        raise Refused("Say why they are marked again: it is kept with each mark that changes.")
    asked = {"kind": kind, "slug": slug, "student": student}
    chosen = _chosen(engine, {name: value for name, value in asked.items() if value is not None})
    if not chosen:
        raise Refused("Nothing of this has a mark, so there is nothing to mark again.")
    id = uuid.uuid4().hex
    row = {"id": id, "asked_by": by, "asked_at": time.time(), "why": why.strip()[:LONGEST_WHY], **asked}
    with engine.begin() as connection:
        connection.execute(regrades.insert().values(row))
        Jobs(engine).insert(connection, "regrade", chosen, by, id)
    return id


def _chosen(engine: sa.Engine, asked: Mapping[str, str]) -> list[str]:
    def of(some: Any) -> list[sa.ColumnElement[bool]]:
        return [some.c.kind.in_(KINDS), *(some.c[name] == value for name, value in asked.items())]

    later = submissions.alias()
    newer = sa.exists().where(
        later.c.student == submissions.c.student,
        later.c.kind == submissions.c.kind,
        later.c.slug == submissions.c.slug,
        later.c.received_at > submissions.c.received_at,
    )
    failed = sa.select(submissions.c.id).where(*of(submissions), submissions.c.state == "failed", ~newer)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(table.c.counted, table.c.newest).where(*of(table))).all()
        unmarked = connection.execute(failed).scalars().all()
    return sorted({id for row in rows for id in row if id} | set(unmarked))


def listed(engine: sa.Engine) -> list[View]:
    """The newest regrades, without their marks."""
    query = sa.select(regrades).order_by(regrades.c.asked_at.desc()).limit(NEWEST)
    with engine.connect() as connection:
        return [_head(row) for row in connection.execute(query).mappings()]


def look(engine: sa.Engine, calendar: Calendar, id: str) -> View | None:
    """How far it is, and whose mark would change; None if there is no such regrade.

    Returns:
        The regrade with `progress` (jobs by state), `changes` (one entry for each student's module or
        milestone: the mark before and after, and which checks), `suspicion` (checks that gave the same code
        another mark), `failed` (what could not be marked, with the reason).
    """
    with engine.connect() as connection:
        row = connection.execute(sa.select(regrades).where(regrades.c.id == id)).mappings().first()
        if row is None:
            return None
        progress = _progress(connection, id)
        others, suspicion = _others(connection, id)
    granted, sections = terms.load(engine), terms.sections(engine)
    found = []
    for key, other in sorted(others.items()):
        holds = terms.terms_of(
            calendar, granted, key.student, sections.get(key.student, ""), key.kind, key.slug
        )
        found.append(_change(engine, key, other, holds))
    return {
        **_head(row),
        "progress": progress,
        "changes": found,
        "suspicion": suspicion,
        "advice": SUSPICION if suspicion else None,
        "failed": _failed(engine, id),
    }


def apply(engine: sa.Engine, id: str, by: str, students: Iterable[str] | None = None) -> int:
    """Decide that the outcomes count, of all or of some students; how many those are that did not yet.

    Raises:
        Refused: there is no such regrade, or it is not done.
    """
    decided = regrades.update().where(regrades.c.id == id)
    decided = decided.values(
        applied_by=sa.func.coalesce(regrades.c.applied_by, by),
        applied_at=sa.func.coalesce(regrades.c.applied_at, time.time()),
    )
    done = (
        sa.select(jobs.c.id, sa.literal(by), sa.literal(time.time()))
        .join(submissions, submissions.c.id == jobs.c.submission)
        .where(jobs.c.regrade == id, jobs.c.state == "done", ~sa.exists().where(applied.c.job == jobs.c.id))
    )
    if students is not None:
        done = done.where(submissions.c.student.in_(sorted(set(students))))
    with engine.begin() as connection:
        if connection.execute(decided).rowcount == 0:
            raise Refused("There is no such regrade. It may have been dropped.")
        if waiting := _progress(connection, id)["waiting"]:
            raise Refused(f"{waiting} submissions are still being marked again. Wait until all are done.")
        made = applied.insert().from_select(["job", "by", "at"], done).returning(applied.c.job)
        return len(connection.execute(made).all())


def drop(engine: sa.Engine, id: str) -> None:
    """Forget a regrade and its outcomes; what is being marked at this moment comes to nothing.

    Raises:
        Refused: there is no such regrade, or some of it counts already.
    """
    mine = sa.and_(regrades.c.id == id, regrades.c.applied_at.is_(None))
    with engine.begin() as connection:
        if connection.execute(regrades.update().where(mine).values(id=id)).rowcount == 0:
            raise Refused("There is no such regrade, or it was applied. Marks that count are not dropped.")
        connection.execute(jobs.delete().where(jobs.c.regrade == id))
        connection.execute(regrades.delete().where(mine))


def _head(row: sa.RowMapping) -> View:
    return {name: iso(value) if name.endswith("_at") and value else value for name, value in row.items()}


def _progress(connection: sa.Connection, id: str) -> dict[str, int]:
    query = sa.select(jobs.c.state, sa.func.count()).where(jobs.c.regrade == id).group_by(jobs.c.state)
    states = {row.state: row[1] for row in connection.execute(query)}
    decided = sa.select(sa.func.count(), sa.func.count(applied.c.done_at))
    decided = decided.select_from(applied.join(jobs, jobs.c.id == applied.c.job)).where(jobs.c.regrade == id)
    count, counting = connection.execute(decided).one()
    return {
        "all": sum(states.values()),
        "waiting": states.get("queued", 0) + states.get("running", 0),
        "done": states.get("done", 0),
        "failed": states.get("failed", 0),
        "applied": count,
        "recorded": counting,
    }


def _others(connection: sa.Connection, id: str) -> tuple[dict[Key, _Other], list[View]]:
    """Whatever differs from the marks of now, and how often each check does."""
    now = (results.c.score, results.c.passed, results.c.checks)
    query = (
        sa.select(submissions, jobs.c.outcome, *now)
        .select_from(jobs.join(submissions, submissions.c.id == jobs.c.submission))
        .join(results, results.c.submission == submissions.c.id)
        .where(jobs.c.regrade == id, jobs.c.state == "done")
        .execution_options(yield_per=AT_ONCE)
    )
    others: dict[Key, _Other] = {}
    counts: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in connection.execute(query).mappings():
        was_failed = row["state"] == "failed"
        differing = _differing(row["checks"], row["outcome"]["checks"])
        if not differing and not was_failed and row["passed"] == row["outcome"]["passed"]:
            continue
        key = Key(row["student"], row["kind"], row["slug"])
        other = others.setdefault(key, _Other())
        other.outcomes[row["id"]] = _lean(row["outcome"])
        other.checks += [{"submission": row["id"], **each} for each in differing]
        for each in differing if not was_failed else ():
            count = counts.setdefault((key.kind, key.slug, each["check"]), {"higher": 0, "lower": 0})
            count["higher" if (each["after"] or 0) > (each["before"] or 0) else "lower"] += 1
    suspicion = [
        {"kind": kind, "slug": slug, "check": check, **count}
        for (kind, slug, check), count in sorted(counts.items())
    ]
    return others, suspicion


def _lean(outcome: Mapping[str, Any]) -> View:
    """An outcome without its words."""
    checks = [{"check": each["check"], "points": each["points"]} for each in outcome["checks"]]
    return {**{name: outcome[name] for name in ("score", "max_score", "passed")}, "checks": checks}


def _differing(before: list[View], after: list[View]) -> list[View]:
    """The checks with other points: how many they were and would be, and why some are missing."""
    former = {each["check"]: each["points"] for each in before}
    found = [
        {
            "check": each["check"],
            "before": former.get(each["check"]),
            "after": each["points"],
            "reasons": each["reasons"],
        }
        for each in after
        if standings.differ(former.get(each["check"]), each["points"])
    ]
    gone = former.keys() - {each["check"] for each in after}
    return found + [
        {"check": check, "before": former[check], "after": None, "reasons": []} for check in sorted(gone)
    ]


def _change(engine: sa.Engine, key: Key, other: _Other, holds: terms.Terms) -> View:
    """One student's mark before, and what it would be."""

    def whose(some: sa.Table) -> list[sa.ColumnElement[bool]]:
        return [some.c[name] == value for name, value in key._asdict().items()]

    mark = (results.c.score, results.c.max_score, results.c.passed)
    marked = (
        sa.select(submissions.c.id, submissions.c.received_at, submissions.c.state, *mark)
        .join(results, results.c.submission == submissions.c.id)
        .where(*whose(submissions))
        .order_by(submissions.c.received_at, submissions.c.id)
    )
    given = sa.select(by_hand).where(
        by_hand.c.student == key.student, by_hand.c.assignment == name_of(key.kind, key.slug)
    )
    with engine.connect() as connection:
        former = connection.execute(sa.select(table).where(*whose(table))).mappings().first()
        would = [
            Marked(
                row["id"],
                row["received_at"],
                **{each.name: other.outcomes.get(row["id"], row)[each.name] for each in mark},
            )
            for row in connection.execute(marked).mappings()
            if row["state"] == "graded" or row["id"] in other.outcomes
        ]
        counted = standings.counted(would, holds)
        hands = [
            Hand(row["item"], row["points"], row["max_points"], row["comment"], row["waiting"])
            for row in connection.execute(given).mappings()
        ]
        checks = other.outcomes[counted.id]["checks"] if counted and counted.id in other.outcomes else None
        if counted and checks is None:
            stored = sa.select(results.c.checks).where(results.c.submission == counted.id)
            checks = connection.execute(stored).scalar_one()
    after = standings.score(
        counted.score if counted else 0.0,
        standings.points_by_hand(checks or [], hands),
        standings.factor(counted, holds),
    )
    return {
        **key._asdict(),
        "counted": former["counted"] if former else None,
        "would_count": counted.id if counted else None,
        "before": former["score"] if former and former["counted"] else None,
        "after": after,
        "passed_before": former["passed"] if former else None,
        "passed_after": counted.passed if counted else None,
        "checks": other.checks,
    }


def _failed(engine: sa.Engine, id: str) -> list[View]:
    query = (
        sa.select(
            submissions.c.student, submissions.c.kind, submissions.c.slug, jobs.c.submission, jobs.c.outcome
        )
        .join(submissions, submissions.c.id == jobs.c.submission)
        .where(jobs.c.regrade == id, jobs.c.state == "failed")
        .order_by(submissions.c.student, submissions.c.slug)
    )
    with engine.connect() as connection:
        return [
            {**{name: row[name] for name in row if name != "outcome"}, "note": row["outcome"]["note"]}
            for row in connection.execute(query).mappings()
        ]
