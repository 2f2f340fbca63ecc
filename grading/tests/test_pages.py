"""What the pages say of a class: their figures and filters, without a browser."""

import dataclasses
import time
from datetime import datetime, timezone

import pytest
import sqlalchemy as sa

from course import manifest as manifests
from course.calendar import Calendar, Entry
from grading import database
from grading.api import class_figures, class_list, events, overview
from grading.api.class_list import Filter
from grading.database import results, standings, submissions
from grading.queue import Queue
from grading.results import CheckMark, Result
from grading.tests import generated_class

STUDENTS = 66


@pytest.fixture(scope="module")
def course():
    return manifests.load()


@pytest.fixture(scope="module")
def filled(tmp_path_factory, course):
    """A class, read by all tests here; whoever changes it takes a copy."""
    engine = database.connect(f"sqlite:///{tmp_path_factory.mktemp('class') / 'grading.db'}")
    generated_class.fill(engine, None, course, STUDENTS, submissions_each=12)
    yield engine
    engine.dispose()


def table(engine, course, **wanted):
    with engine.connect() as connection:
        listed = class_list.students(connection)
        columns = class_list.columns_of(connection, course, None)
    page = wanted.pop("page", 1)
    return class_list.table(engine, columns, Calendar(), listed, Filter(**wanted), page)


def test_class_is_shown_page_by_page_with_everybody_once(filled, course):
    first, second = table(filled, course), table(filled, course, page=2)
    assert (first.found, first.pages, len(first.lines), len(second.lines)) == (STUDENTS, 2, 50, 16)
    assert table(filled, course, page=99).page == 2, "a page that is not there is the last"
    names = [line.person.name for line in (*first.lines, *second.lines)]
    assert len(set(names)) == STUDENTS
    with filled.connect() as connection:
        shown = {line.person.name: line for line in (*first.lines, *second.lines)}
        for row in connection.execute(sa.select(standings)).mappings():
            entry = next(
                e for e in shown[row["student"]].entries if (e.kind, e.slug) == (row["kind"], row["slug"])
            )
            assert entry.score == row["score"]


@pytest.mark.parametrize("state", [name for name in class_list.STATES if name != "excused"])
def test_filter_shows_exactly_those_who_are_in_that_state(filled, course, state):
    everybody = [line for page in (1, 2) for line in table(filled, course, page=page).lines]
    place = [(each.kind, each.slug) for each in table(filled, course).columns].index(("module", "tensor"))
    expected = {line.person.name for line in everybody if line.entries[place].status[0] == state}
    found = [
        line.person.name
        for page in (1, 2)
        for line in table(filled, course, kind="module", slug="tensor", state=state, page=page).lines
    ]
    # Whoever is being marked anew has a mark of before, too, and is found by both.
    assert expected <= set(found)
    others = {line.person.name: line.entries[place].status[0] for line in everybody}
    assert {others[name] for name in found} <= {state, "waiting", "failed", "excused"}


def test_stuck_are_those_who_fail_one_check_again_and_again(filled, course):
    with filled.connect() as connection:
        listed = class_list.students(connection)
        columns = class_list.columns_of(connection, course, None)
        repeating, quiet, absent = class_figures.stuck(connection, columns, listed, 7)
    assert {"ada.adeyemi"} <= {each.person.name for each in repeating}
    first = next(each for each in repeating if each.person.name == "ada.adeyemi")
    assert (first.kind, first.times >= 3, first.reason != "") == ("module", True, True)
    assert quiet
    assert all(each.since < time.time() - 7 * 86400 for each in quiet)
    assert len(absent) == STUDENTS // 33


def test_distribution_counts_everybody_once(filled, course):
    with filled.connect() as connection:
        listed = class_list.students(connection)
        figures = class_figures.distributions(
            connection, class_list.columns_of(connection, course, None), listed
        )
    for each in figures:
        assert sum(bar.count for bar in each.bars) == each.handed_in
        assert each.handed_in + each.excused <= STUDENTS


def test_next_step_is_what_was_begun_last_then_what_is_new():
    def entry(slug, score=None, newest=True, **terms):
        holds = dataclasses.replace(overview.Terms(), **terms)
        marked = None if score is None else {"score": score, "max_score": 10.0}
        handed_in = {"state": "graded"} if newest else None
        return overview.Entry("module", slug, slug, "1", 10.0, True, False, holds, handed_in, marked)

    now = datetime(2026, 10, 10, tzinfo=timezone.utc)
    early, full = entry("early", 5.0), entry("full", 10.0)
    assert overview.next_step([early, entry("last", 3.0), entry("new", newest=False)], now).slug == "last"
    assert overview.next_step([early, full, entry("new", newest=False)], now).slug == "new"
    assert overview.next_step([early, full], now).slug == "early"
    over = entry("over", 5.0, due=datetime(2026, 10, 1, tzinfo=timezone.utc), late_days=2)
    assert overview.next_step([over, full], now) is None, "nobody is sent to what is no longer taken"
    closed = entry("closed", newest=False, held=True)
    assert overview.next_step([full, closed], now) is None


def test_page_is_told_of_its_own_changes_only(engine):
    queue = Queue(engine)
    before = events.look(engine, time.time())
    queue.add("a" * 32, "ann", "module", "toy", "0" * 64, 1)
    handed_in = events.look(engine, time.time())
    assert events.differences(before, handed_in) == ({"ann"}, False)
    assert events.differences(handed_in, events.look(engine, time.time())) == (set(), False)
    queue.finish(queue.lease(), Result([CheckMark("check-toy", 1.0, 1.0)]))
    marked = events.look(engine, time.time())
    assert events.differences(handed_in, marked) == ({"ann"}, False)
    with engine.begin() as connection:
        connection.execute(results.update().values(recorded_at=time.time()))
    recorded = events.look(engine, time.time() - 5)
    assert events.differences(marked, recorded) == ({"ann"}, False)
    assert events.differences(recorded, events.look(engine, time.time() + 5)) == (set(), False), (
        "old is no news"
    )


def test_class_page_reads_no_more_where_more_is_stored(tmp_path, course):
    """Of the stored submissions only those are read that wait, failed or are not recorded."""
    engine = database.connect(f"sqlite:///{tmp_path / 'grading.db'}")
    generated_class.fill(engine, None, course, 10, submissions_each=40, waiting=3)
    with engine.connect() as connection:
        assert len(class_list.unsettled(connection)) <= 6
        stored = connection.execute(sa.select(sa.func.count()).select_from(submissions)).scalar_one()
    assert stored > 300
    engine.dispose()


def test_exams_and_excuses_reach_the_class_page(filled, course):
    calendar = Calendar(modules={"tensor": Entry(skipped=True)})
    found = overview.of_student(filled, course, None, calendar, "ada.adeyemi")
    tensor = next(each for each in found if each.slug == "tensor")
    assert tensor.skipped
    assert overview.total([tensor]) == (0, 0), "what the class leaves out is not expected"
