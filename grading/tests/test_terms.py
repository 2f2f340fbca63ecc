"""What holds for one student, whatever was granted in which order."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course.calendar import Calendar, Entry
from grading import database, terms
from grading.terms import DAY, Granted, terms_of

DUE = datetime(2026, 10, 19, 18, tzinfo=timezone(timedelta(hours=2)))
AT = DUE.timestamp()
BARE = Granted(1, None, None, None, None, None, None, False, 0.0)

policies = st.builds(
    Entry,
    due=st.just(DUE),
    late_grace=st.integers(0, 600),
    late_per_day=st.floats(0, 1),
    late_days=st.none() | st.integers(0, 30),
)
moments = st.floats(AT - 10 * DAY, AT + 60 * DAY)


def of(entry, granted=(), student="ann", section="b"):
    return terms_of(Calendar(modules={"toy": entry}), granted, student, section, "module", "toy")


@given(policies, moments, moments)
def test_work_that_comes_later_never_counts_more(entry, one, other):
    found = of(entry)
    assert 0 <= found.factor(max(one, other)) <= found.factor(min(one, other)) <= 1


@given(policies, moments)
def test_on_time_counts_whole_and_what_is_not_taken_counts_nothing(entry, moment):
    found = of(entry)
    if moment <= AT + 60 * entry.late_grace:
        assert found.factor(moment) == 1
        assert not found.late(moment)
    if not found.is_taken(moment):
        assert found.factor(moment) == 0
    if found.last_moment() is not None and abs(moment - found.last_moment()) > 1e-3:
        assert found.is_taken(moment) == (moment < found.last_moment())


@given(policies, moments, st.floats(0, 20 * DAY))
def test_extension_moves_the_whole_policy_along(entry, moment, longer):
    whole = round(longer)
    extended = of(entry, [replace(BARE, student="ann", due=AT + whole)])
    assert extended.factor(round(moment) + whole) == of(entry).factor(round(moment))


@pytest.mark.parametrize(
    ("after", "factor"), [(-1, 1), (0, 1), (600, 1), (601, 0.9), (DAY, 0.9), (DAY + 601, 0.8), (3 * DAY, 0)]
)
def test_each_begun_day_after_the_grace_takes_its_share(after, factor):
    found = of(Entry(due=DUE, late_grace=10, late_per_day=0.1, late_days=2))
    assert found.factor(AT + after) == factor


def test_without_a_policy_late_work_counts_whole():
    found = of(Entry(due=DUE))
    assert found.factor(AT + 100 * DAY) == 1
    assert found.late(AT + 1)


def test_without_a_deadline_nothing_is_late():
    assert of(Entry(late_per_day=1, late_days=0)).factor(AT) == 1


def test_students_own_extension_goes_before_the_sections_and_the_newest_before_the_others():
    rows = [
        replace(BARE, id=1, student="ann", due=AT + 1, at=1),
        replace(BARE, id=2, student="ann", due=AT + 2, at=2),
        replace(BARE, id=3, section="b", due=AT + 3, at=3),
        replace(BARE, id=4, student="bob", due=AT + 4, at=4),
        replace(BARE, id=5, student="ann", kind="module", slug="other", due=AT + 5, at=5),
        replace(BARE, id=6, student="ann", extra_time=0.5, at=6),
    ]
    for order in permutations(rows):
        assert of(Entry(due=DUE), order).due.timestamp() == AT + 2
        assert of(Entry(due=DUE), order, student="cleo").due.timestamp() == AT + 3
        assert of(Entry(due=DUE), order, student="cleo", section="").due == DUE


def test_section_of_nobody_is_no_section():
    assert not of(Entry(due=DUE), [replace(BARE, section="", excused=True)], section="").excused


def test_excuse_holds_whatever_was_granted_after_it():
    rows = [replace(BARE, section="b", excused=True, at=1), replace(BARE, student="ann", due=AT + 9, at=2)]
    assert of(Entry(due=DUE), rows).excused
    assert of(Entry(due=DUE), rows).extended


@given(st.integers(1, 600), st.floats(0, 3))
def test_exam_ends_later_for_whom_has_extra_time_and_nothing_is_late(minutes, extra):
    begins = datetime(2026, 10, 19, 10, tzinfo=timezone.utc)
    entry = Entry(opens=begins, due=begins + timedelta(minutes=minutes), exam_minutes=minutes, late_days=5)
    found = of(entry, [replace(BARE, student="ann", extra_time=extra), replace(BARE, student="ann", due=AT)])
    begun, ends = found.exam
    assert begun == begins
    assert abs((ends - begins).total_seconds() - 60 * minutes * (1 + extra)) < 0.01
    assert found.factor(ends.timestamp()) == 1
    assert found.factor(ends.timestamp() + 1) == 0
    assert found.is_running(begins)
    assert not found.is_running(ends)


def test_what_was_withdrawn_does_not_count(engine):
    row = {"student": "ann", "due": AT, "excused": True, "why": "w", "by": "ada", "at": 1.0}
    with engine.begin() as connection:
        connection.execute(database.exceptions.insert().values(row))
        connection.execute(database.exceptions.insert().values(row | {"withdrawn_at": 2.0}))
        connection.execute(database.exceptions.insert().values(row | {"student": None, "section": "b"}))
        connection.execute(database.exceptions.insert().values(row | {"student": "bob"}))
    assert [each.id for each in terms.load(engine)] == [1, 3, 4]
    assert [each.id for each in terms.load(engine, "ann")] == [1, 3]
    assert terms.of_student(engine, Calendar(), "nobody-knows")("module", "toy").due is None


def test_day_of_the_class_begins_at_its_own_midnight():
    calendar = Calendar(timezone="Asia/Kolkata")
    began = terms.day_began(calendar, datetime(2026, 10, 19, 20, tzinfo=timezone.utc).timestamp())
    assert datetime.fromtimestamp(began, timezone.utc) == datetime(2026, 10, 19, 18, 30, tzinfo=timezone.utc)
