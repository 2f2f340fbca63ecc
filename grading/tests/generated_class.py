"""A believable class, made in seconds: roster, submissions over weeks, marks, standings, help, exceptions.

The same seed and moment give the same class. Rows go into the database directly, so it takes no grader.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from course.manifest import Manifest
from grading import database as tables
from grading.store import Store

DAY = 86400.0
AT_ONCE = 500  # rows in one statement
SECTIONS = ("Monday", "Tuesday", "Thursday")
GIVEN_NAMES = (
    "Ada Alan Amina Ann Bao Barbara Carla Chen David Dilek Edsger Elif Emmy Farid Grace Hana Ida Ivan Jin "
    "John Kai Katherine Lena Linus Margaret Maryam Milan Nadia Noor Olga Paul Priya Radia Rosa Samir Sofia "
    "Tim Uma Vera Yusuf"
)
FAMILY_NAMES = (
    "Adeyemi Bauer Chen Dubois Evans Fischer Garcia Haddad Ivanova Jensen Kaya Lopez Mbeki Novak Okafor "
    "Park Quinn Rossi Sato Turan Ueda Varga Weber Xu Yilmaz Zhang"
)
GIVEN, FAMILY = GIVEN_NAMES.split(), FAMILY_NAMES.split()
REASONS = (
    "Adding random tensors: it is [0.12, 1.4, ...]; [0.12, -1.4, ...] was expected.",
    "Shapes (2, 3) and (4,): a ValueError was expected, but nothing was raised.",
    "A batch of one: IndexError: tuple index out of range.",
)
GUESSES = ("Something that bends the line.", "Gradients?", "Probably a faster loop over batches.")


@dataclass(frozen=True)
class Item:
    """A module or milestone of the track, with its checks and their points."""

    kind: str
    slug: str
    checks: tuple[tuple[str, float], ...]
    passing: float

    @property
    def points(self) -> float:
        """Points of all checks."""
        return sum(points for _, points in self.checks)


@dataclass(frozen=True)
class Way:
    """How a student goes through the course.

    Attributes:
        reached: how many items were begun.
        skill: 0 to 1.
        silent: days since the last hand-in.
        stuck: fails the same check of the last item again and again.
    """

    reached: int
    skill: float
    silent: float
    stuck: bool


def fill(
    engine: sa.Engine,
    store: Store | None,
    manifest: Manifest,
    students: int = 300,
    submissions_each: int = 33,
    seed: int = 0,
    now: float | None = None,
    waiting: int = 14,
) -> list[str]:
    """Fill empty tables.

    Args:
        store: gets each submission's file; None leaves the files out, which is faster.
        submissions_each: of a student on average, over all modules and milestones.
        now: the moment at which the class is seen, seconds since 1970; default: this one.
        waiting: so many of the newest submissions have no mark yet.

    Returns:
        The students' names. The first has failed one exercise again and again, the second has reached most.
    """
    made = _Class(random.Random(seed), manifest, time.time() if now is None else now)
    names = made.roster(students)
    ways = [made.way(number) for number in range(students)]
    begun = sum(way.reached for way in ways) or 1
    for name, way in zip(names, ways, strict=True):
        made.student(name, way, students * submissions_each / begun)
    made.leave_waiting(waiting)
    made.conclude()
    with engine.begin() as connection:
        for table, rows in made.rows.items():
            for start in range(0, len(rows), AT_ONCE):
                connection.execute(table.insert(), rows[start : start + AT_ONCE])
    if store is not None:
        _write(store, made.bodies)
    return names


class _Class:
    """The rows of a class, growing student by student."""

    def __init__(self, random: random.Random, manifest: Manifest, now: float) -> None:
        self.random, self.now = random, now
        self.items = list(_items(manifest))
        self.begin = now - (len(self.items) + 1) * 7 * DAY
        self.rows: dict[sa.Table, list[dict[str, Any]]] = {
            table: []
            for table in (
                tables.people,
                tables.submissions,
                tables.results,
                tables.attempts,
                tables.standings,
                tables.by_hand,
                tables.hints,
                tables.restores,
                tables.exceptions,
                tables.changes,
            )
        }
        self.bodies: dict[str, bytes] = {}

    def roster(self, students: int) -> list[str]:
        """People: the students, a grader, an instructor."""
        names = []
        for number in range(students):
            given = GIVEN[number % len(GIVEN)]
            family = FAMILY[(number + number // len(GIVEN)) % len(FAMILY)]
            turn = number // (len(GIVEN) * len(FAMILY) // 2)  # the names come back after so many
            name = f"{given}.{family}{turn or ''}".lower()
            names.append(name)
            self._person(name, f"{given} {family}", f"{100000 + number}", SECTIONS[number % len(SECTIONS)])
        self._person("ada", "Ada Teacher", "1", "", "instructor")
        self._person("grader", "Gina Grader", "2", "", "grader")
        return names

    def _person(self, name: str, full_name: str, number: str, section: str, role: str = "student") -> None:
        self.rows[tables.people].append(
            {
                "name": name,
                "full_name": full_name,
                "number": number,
                "email": f"{name}@example.edu",
                "section": section,
                "role": role,
                "active": True,
                "at": self.begin,
            }
        )

    def way(self, number: int) -> Way:
        """A student's way; of each hundred some have not begun, some are silent, some stuck."""
        last = len(self.items)
        usual = min(last, max(1, round(self.random.gauss(last * 0.7, last * 0.15))))
        skill = min(0.98, max(0.3, self.random.gauss(0.75, 0.15)))
        if number == 0:
            return Way(max(1, last // 2), 0.5, 0.3, True)
        if number == 1:
            return Way(last, 0.9, 0.1, False)
        match number % 33:
            case 7:
                return Way(0, skill, 0.0, False)
            case 11 | 12:
                return Way(max(1, usual - 3), skill, self.random.uniform(9, 30), False)
            case 20:
                return Way(usual, 0.5, self.random.uniform(0, 3), True)
        return Way(usual, skill, self.random.uniform(0, 6), False)

    def student(self, name: str, way: Way, attempts_each: float) -> None:
        """One student's submissions, from the first module to where the student is."""
        end = self.now - way.silent * DAY - 120
        step = (end - self.begin) / max(1, way.reached)
        for place, item in enumerate(self.items[: way.reached]):
            last = place == way.reached - 1
            count = max(1, round(attempts_each * self.random.uniform(0.5, 1.5)))
            stuck = way.stuck and last
            self._attempts(
                name,
                way.skill,
                item,
                max(5, count) if stuck else count,
                stuck,
                end - step * (way.reached - place - 1),
                step,
            )
            if self.random.random() < 0.2 * (1.2 - way.skill):
                self._help(name, item, end - step * (way.reached - place - 1) - DAY)

    def _attempts(
        self, name: str, skill: float, item: Item, count: int, stuck: bool, end: float, step: float
    ) -> None:
        """One item's attempts, ending at a moment. The last usually has all points, unless it is stuck."""
        solved = not stuck and self.random.random() < 0.4 + 0.6 * skill
        marked = []
        for attempt in range(count):
            share = (
                1.0 if solved and attempt == count - 1 else (attempt + 1) / (count + 1) * (0.6 + skill / 2)
            )
            if stuck:
                share = 0.0
            at = end - (count - 1 - attempt) * min(step * 0.8, 2 * DAY) / count
            checks, notes, passed = self._marked(item, share, stuck)
            id = self._submission(name, item, at)
            self._result(id, checks, notes, passed, at)
            if item.kind == "milestone":
                self._verified(id, item, bool(passed), share)
            marked.append((id, checks, passed, at))
        self._standing(name, item, marked)

    def _marked(
        self, item: Item, share: float, stuck: bool
    ) -> tuple[list[dict[str, Any]], list[str], bool | None]:
        if item.kind == "milestone":
            passed = share > 0.85
            reasons = [] if passed else ["Too few of the hidden samples are right."]
            return [_check(item.slug, item.points if passed else 0.0, item.points, reasons)], [], passed
        checks = []
        for place, (check, points) in enumerate(item.checks):
            wrong = place == len(item.checks) - 1 if stuck else self.random.random() > share
            part = self.random.choice((0.0, 0.5)) if wrong else 1.0
            reasons = [self.random.choice(REASONS)] if wrong else []
            checks.append(_check(check, points * part, points, reasons))
        return checks, [], None

    def _verified(self, id: str, item: Item, passed: bool, share: float) -> None:
        """What an attempt at a milestone reached: enough, or between half of it and nearly enough."""
        most = 0.5 + share / 2 - 0.05
        reached = item.passing + (1 - item.passing) * self.random.random() if passed else item.passing * most
        self.rows[tables.attempts].append(
            {
                "submission": id,
                "public": round(reached, 3),
                "private": round(min(1.0, reached + self.random.uniform(-0.01, 0.01)), 3),
                "verified": True,
                "sandbox_seconds": self.random.uniform(0.5, 3.0),
                "weights": 40_000,
            }
        )

    def _submission(self, name: str, item: Item, at: float) -> str:
        id = f"{self.random.getrandbits(128):032x}"
        guess = f'my_guess = "{self.random.choice(GUESSES)}"'
        cell = {
            "cell_type": "code",
            "metadata": {"tinytorch": {"role": "guess", "id": "guess"}},
            "source": guess,
        }
        body = json.dumps({"notebook": {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}})
        self.bodies[id] = body.encode()
        self.rows[tables.submissions].append(
            {
                "id": id,
                "student": name,
                "kind": item.kind,
                "slug": item.slug,
                "sha256": hashlib.sha256(self.bodies[id]).hexdigest(),
                "size": len(body),
                "received_at": at,
                "seed": self.random.getrandbits(62),
                "state": "graded",
                "attempts": 1,
                "not_before": 0.0,
                "lease_token": None,
                "lease_until": None,
            }
        )
        return id

    def _result(
        self, id: str, checks: list[dict[str, Any]], notes: list[str], passed: bool | None, at: float
    ) -> None:
        self.rows[tables.results].append(
            {
                "submission": id,
                "score": sum(check["points"] for check in checks),
                "max_score": sum(check["max_points"] for check in checks),
                "passed": passed,
                "checks": checks,
                "notes": notes,
                "seconds": self.random.uniform(0.3, 2.0),
                "graded_at": at + 2,
                "recorded_at": at + 3,
            }
        )

    def _standing(
        self, name: str, item: Item, marked: list[tuple[str, list[dict[str, Any]], bool | None, float]]
    ) -> None:
        id, checks, passed, at = marked[-1]
        automatic = sum(check["points"] for check in checks)
        factor = 0.9 if self.random.random() < 0.06 else 1.0
        excused = self.random.random() < 0.01
        by_hand = 0.0
        if item.kind == "module" and self.random.random() < 0.15:
            by_hand = self._by_hand(name, item, at)
        self.rows[tables.standings].append(
            {
                "student": name,
                "kind": item.kind,
                "slug": item.slug,
                "newest": id,
                "counted": id,
                "attempts": len(marked),
                "automatic": automatic,
                "by_hand": by_hand,
                "factor": factor,
                "score": round((automatic + by_hand) * factor, 4),
                "max_score": item.points + (2.0 if by_hand else 0.0),
                "passed": passed,
                "excused": excused,
                "at": at + 3,
            }
        )
        if excused or factor < 1:
            self._exception(name, item, excused, at)

    def _by_hand(self, name: str, item: Item, at: float) -> float:
        waits = self.random.random() < 0.3
        points = 0.0 if waits else self.random.choice((1.0, 1.5, 2.0))
        self.rows[tables.by_hand].append(
            {
                "student": name,
                "assignment": item.slug,
                "item": f"{item.slug}-why",
                "points": None if waits else points,
                "max_points": 2.0,
                "comment": None if waits else "Well explained; say what happens with one sample, too.",
                "waiting": waits,
                "at": at + DAY,
            }
        )
        if not waits:
            self._change("ada", name, item, 0.0, points, "Marked by hand.", at + DAY, f"{item.slug}-why")
        return points

    def _exception(self, name: str, item: Item, excused: bool, at: float) -> None:
        self.rows[tables.exceptions].append(
            {
                "student": name,
                "section": None,
                "kind": item.kind,
                "slug": item.slug,
                "due": None if excused else at - DAY,
                "extra_time": None,
                "excused": excused,
                "why": "Was ill; a note is in the office.",
                "by": "ada",
                "at": at - DAY,
                "withdrawn_by": None,
                "withdrawn_at": None,
            }
        )

    def _change(
        self,
        by: str,
        name: str,
        item: Item,
        before: float,
        after: float,
        why: str,
        at: float,
        part: str | None,
    ) -> None:
        self.rows[tables.changes].append(
            {
                "at": at,
                "by": by,
                "student": name,
                "kind": item.kind,
                "slug": item.slug,
                "item": part,
                "submission": None,
                "before": before,
                "after": after,
                "why": why,
            }
        )

    def _help(self, name: str, item: Item, at: float) -> None:
        if item.kind != "module":
            return
        exercise = item.checks[-1][0].removeprefix("check-")
        for number in range(1, self.random.randint(2, 3)):
            self.rows[tables.hints].append(
                {"student": name, "exercise": exercise, "number": number, "module": item.slug, "at": at}
            )
        if self.random.random() < 0.3:
            self.rows[tables.restores].append(
                {"student": name, "module": item.slug, "target": None, "at": at + 60}
            )

    def leave_waiting(self, waiting: int) -> None:
        """More hand-ins, that have no mark: most wait, two are being marked, a few could not be."""
        begun = sorted({(row["student"], row["slug"]) for row in self.rows[tables.standings]})
        items = {item.slug: item for item in self.items}
        chosen = self.random.sample(begun, min(len(begun), waiting + 3))
        for number, (name, slug) in enumerate(chosen):
            at = self.now - 3 * number - 1
            self._submission(name, items[slug], at)
            row = self.rows[tables.submissions][-1]
            row["attempts"] = 0
            row["state"] = "failed" if number >= waiting else "queued"
            if waiting - 2 <= number < waiting:
                row |= {
                    "state": "grading",
                    "attempts": 1,
                    "lease_token": "0" * 32,
                    "lease_until": self.now + 20,
                }
            if row["state"] == "failed":
                note = "This submission could not be marked: the grader stopped several times while it ran."
                self._result(row["id"], [], [note], None, at)

    def conclude(self) -> None:
        """An extension for a whole section, and what the recorder noted of each newest mark."""
        if self.items:
            item = self.items[-1]
            self._exception("", item, False, self.now)
            self.rows[tables.exceptions][-1] |= {
                "student": None,
                "section": SECTIONS[0],
                "due": self.now + 7 * DAY,
                "why": "The lab was closed on Monday.",
            }
        for row in self.rows[tables.standings]:
            self._change(
                "grader",
                row["student"],
                Item(row["kind"], row["slug"], (), 0),
                0.0,
                row["score"],
                "Handed in.",
                row["at"],
                None,
            )


def _items(manifest: Manifest) -> Iterable[Item]:
    """The track's modules and milestones that are there, in order."""
    track = manifest.track()
    for step in track.steps:
        module = step.module
        if module.available:
            yield Item(
                "module", module.slug, _checks(module.slug, [*module.exports], float(module.points)), 1.0
            )
        for stop in track.stops:
            milestone = stop.milestone
            if stop.after == module.slug and milestone.available:
                checks = ((milestone.slug, float(milestone.points)),)
                yield Item("milestone", milestone.slug, checks, milestone.passing)


def _checks(slug: str, exports: list[str], points: float) -> tuple[tuple[str, float], ...]:
    names = [name.lower().replace("_", "-") for name in exports[:6]] or ["first", "second"]
    each = points // len(names)
    shares = [each] * (len(names) - 1) + [points - each * (len(names) - 1)]
    return tuple((f"check-{slug}-{name}", share) for name, share in zip(names, shares, strict=True))


def _check(check: str, points: float, most: float, reasons: list[str]) -> dict[str, Any]:
    return {"check": check, "points": points, "max_points": most, "reasons": reasons}


def _write(store: Store, bodies: dict[str, bytes]) -> None:
    store.prepare()
    for id, body in bodies.items():
        path = store.path(id)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
