"""What is in force now: the published calendar, what staff granted, and who is in which section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from course.calendar import Calendar
from course.manifest import Manifest
from grading import terms
from grading.calendar import CalendarKeeper
from grading.changes import GRADER
from grading.database import exceptions, people
from grading.standings import Key
from grading.terms import Granted, Terms


@dataclass
class InForce:
    """A copy that is renewed when something changes, so that a class's terms cost no question each."""

    engine: sa.Engine
    keeper: CalendarKeeper
    manifest: Manifest
    calendar: Calendar = field(default_factory=Calendar)
    renewed: int = 0  # how often something was different
    _seen: tuple[Any, ...] = ()
    _sections: dict[str, str] = field(default_factory=dict)
    _of_students: dict[str, list[Granted]] = field(default_factory=dict)
    _of_sections: list[Granted] = field(default_factory=list)

    def renew(self) -> None:
        """Look again whether anything is different from before."""
        calendar, signature = self.keeper.current(), self._signature()
        if calendar is self.calendar and signature == self._seen:
            return
        granted = terms.load(self.engine)
        self._sections = terms.sections(self.engine)
        self._of_sections = [each for each in granted if each.student is None]
        self._of_students = {}
        for each in granted:
            if each.student is not None:
                self._of_students.setdefault(each.student, []).append(each)
        self.calendar, self._seen = calendar, signature
        self.renewed += 1

    def terms(self, key: Key) -> Terms:
        """What holds for somebody's module, milestone or assignment."""
        granted = [*self._of_students.get(key.student, ()), *self._of_sections]
        section = self._sections.get(key.student, "")
        return terms.terms_of(self.calendar, granted, key.student, section, key.kind, key.slug)

    def excused(self) -> Iterator[Key]:
        """Everything that anybody is excused from, handed in or not."""
        for each in (*self._of_sections, *(one for some in self._of_students.values() for one in some)):
            if not each.excused:
                continue
            students = (
                [each.student]
                if each.student is not None
                else [name for name, section in self._sections.items() if section == each.section]
            )
            for kind, slug in self._items():
                if each.kind in (None, kind) and each.slug in (None, slug):
                    yield from (Key(student, kind, slug) for student in students)

    def cause(self, key: Key, since: float) -> tuple[str, str]:
        """Who changed what holds for somebody after a moment, and why, in words."""
        touched = sa.func.coalesce(exceptions.c.withdrawn_at, exceptions.c.at)
        section = self._sections.get(key.student) or None
        whom = [exceptions.c.student == key.student]
        if section:
            whom.append(exceptions.c.section == section)
        query = (
            sa.select(exceptions)
            .where(
                sa.or_(*whom),
                sa.or_(exceptions.c.kind.is_(None), exceptions.c.kind == key.kind),
                sa.or_(exceptions.c.slug.is_(None), exceptions.c.slug == key.slug),
                touched >= since,
            )
            .order_by(touched.desc())
            .limit(1)
        )
        with self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return GRADER, "the calendar changed"
        what = "excused" if row["excused"] else "extension"
        if row["withdrawn_at"] is not None:
            return row["withdrawn_by"] or row["by"], f"{what} withdrawn"
        return row["by"], f"{what}: {row['why']}"

    def _items(self) -> Iterator[tuple[str, str]]:
        """Everything that there is to hand in."""
        for kind, known in (("module", self.manifest.modules), ("milestone", self.manifest.milestones)):
            yield from ((kind, slug) for slug, each in known.items() if each.available)
        yield from (("assignment", slug) for slug in self.calendar.assignments)

    def _signature(self) -> tuple[Any, ...]:
        """What differs when exceptions or sections do. An exception is only ever added, or withdrawn once."""
        granted = sa.select(sa.func.count(), sa.func.count(exceptions.c.withdrawn_at)).select_from(exceptions)
        known = sa.select(sa.func.count(), sa.func.max(people.c.at)).select_from(people)
        with self.engine.connect() as connection:
            return (*connection.execute(granted).one(), *connection.execute(known).one())
