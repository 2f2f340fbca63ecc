"""What counts: late policy, best or last, points by hand, and each change with who and why."""

import multiprocessing
import os
import signal
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from course.calendar import Calendar, Entry
from grading import changes, database, terms
from grading.nbgrader_side import audit
from grading.recorder import gradebook, reading
from grading.tests.postgresql import BOTH
from grading.tests.test_recorder import grade, graded

# nbgrader's own models give these to nbgrader's own code.
pytestmark = [
    BOTH,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
    pytest.mark.xdist_group("gradebook"),  # one process: to make a gradebook takes seconds
]

DUE = datetime(2026, 10, 19, 18, tzinfo=timezone.utc)


def history(engine):
    """Who, from, to, why; the oldest first."""
    rows = [(row["by"], row["before"], row["after"], row["why"]) for row in changes.of(engine)]
    return rows[::-1]


def grant(engine, **values):
    row = {"student": "ann", "excused": False, "why": "ill", "by": "ida", "at": 2e9, **values}
    with engine.begin() as connection:
        connection.execute(database.exceptions.insert().values(row))


def hand_in_on(clock, moment):
    clock.now = moment.timestamp() - 1  # `graded` adds a second


def test_mark_stands_once_and_its_history_says_why(queue, clock, settled, engine):
    graded(queue, clock)
    row = settled()
    assert (row.score, row.max_score, row.factor, row.attempts) == (5.0, 5.0, 1.0, 1)
    settled()
    assert history(engine) == [("grader", None, 5.0, "submission 00000000 graded")]


def test_last_counts_unless_the_calendar_says_best(queue, clock, settled, calendar, engine, book):
    graded(queue, clock, 2.0, number=1)
    graded(queue, clock, 1.0, number=2)
    assert (settled().score, settled().counted[-1]) == (4.0, "2")
    calendar.says(counts="best")
    row = settled()
    assert (row.score, row.newest[-1], row.counted[-1]) == (5.0, "2", "1")
    assert grade(book).auto_score == 2.0, "the gradebook holds what counts"
    assert history(engine)[-1] == ("grader", 4.0, 5.0, "the calendar changed")


def test_late_work_loses_what_the_calendar_says_in_nbgrader_too(queue, clock, settled, calendar, book):
    calendar.says(due=DUE, late_per_day=0.1)
    hand_in_on(clock, DUE + timedelta(hours=25))
    graded(queue, clock, 2.0)
    assert (settled().score, settled().factor) == (4.0, 0.8)
    submission = book.find_submission("toy", "ann")
    assert (submission.score, submission.late_submission_penalty) == (5.0, 1.0)
    assert submission.duedate == DUE.replace(tzinfo=None)


def test_extension_gives_the_points_back_and_says_whose_it_was(queue, clock, settled, calendar, engine, book):
    calendar.says(due=DUE, late_per_day=0.1)
    hand_in_on(clock, DUE + timedelta(hours=1))
    graded(queue, clock)
    assert settled().score == 4.5
    grant(engine, due=(DUE + timedelta(days=2)).timestamp())
    assert settled().score == 5.0
    assert history(engine)[-1] == ("ida", 4.5, 5.0, "extension: ill")
    assert book.find_submission("toy", "ann").late_submission_penalty == 0.0


def test_who_is_excused_stands_so_with_and_without_work(queue, clock, settled, engine):
    graded(queue, clock)
    settled()
    grant(engine, excused=True)
    assert settled().excused
    assert history(engine)[-1][0] == "ida"
    other = settled("ann", "milestone", "sign")
    assert (other.excused, other.counted, other.max_score) == (True, None, 10.0)
    withdrawn = {"withdrawn_by": "ida", "withdrawn_at": 2e9 + 1}
    with engine.begin() as connection:
        connection.execute(database.exceptions.update().values(withdrawn))
    assert not settled().excused
    assert settled("ann", "milestone", "sign") is None


def test_extension_of_a_section_is_for_its_students(queue, clock, settled, calendar, engine):
    person = {"name": "ann", "full_name": "Ann", "number": "1", "email": "", "section": "monday"}
    with engine.begin() as connection:
        more = {"role": "student", "active": True, "at": 1.0}
        connection.execute(database.people.insert().values({**person, **more}))
    calendar.says(due=DUE, late_per_day=0.5)
    hand_in_on(clock, DUE + timedelta(hours=1))
    graded(queue, clock)
    assert settled().score == 2.5
    grant(engine, student=None, section="monday", due=(DUE + timedelta(days=1)).timestamp())
    assert settled().score == 5.0
    assert terms.load(engine)[0].section == "monday"


def given_in_formgrader(book, by=None, **values):
    """Somebody else's session writes points."""
    other = gradebook.open_gradebook(str(book.engine.url.render_as_string(hide_password=False)))
    found = other.find_grade("check-toy-double", "toy", "toy", "ann")
    if by:
        audit.changes.create(other.db.connection(), checkfirst=True)
        audit.acting.set(by)
        audit.note(other.db, "ann", "toy", "check-toy-double", None, 1.5, "points by hand")
    for name, value in values.items():
        setattr(found, name, value)
    other.db.commit()
    other.close()


def test_points_given_in_formgrader_count_and_say_who_gave_them(queue, clock, settled, engine, book):
    graded(queue, clock, 0.0)
    assert settled().score == 3.0
    given_in_formgrader(book, by="gina", manual_score=1.5, extra_credit=0.25)
    row = settled()
    assert (row.automatic, row.by_hand, row.score) == (3.0, 1.75, 4.75)
    told = "points by hand for 'check-toy-double'"
    assert history(engine)[-2:] == [("gina", None, 1.75, told), ("gina", 3.0, 4.75, told)]
    settled()
    assert len(history(engine)) == 3
    with engine.connect() as connection:
        hand = connection.execute(sa.select(database.by_hand)).one()
    assert (hand.item, hand.points, hand.max_points, hand.waiting) == ("check-toy-double", 1.75, 2.0, False)


def test_points_by_hand_are_late_too(queue, clock, settled, calendar, book):
    calendar.says(due=DUE, late_per_day=0.5)
    hand_in_on(clock, DUE + timedelta(hours=1))
    graded(queue, clock, 0.0)
    settled()
    given_in_formgrader(book, manual_score=2.0)
    assert settled().score == 2.5
    book.db.expire_all()
    assert book.find_submission("toy", "ann").late_submission_penalty == 2.5


def test_instructors_own_assignment_stands_as_nbgrader_marked_it(settled, engine, book, calendar, clock):
    calendar.calendar = Calendar(assignments={"ps1": Entry(due=DUE, late_per_day=0.1)})
    for sheet in ("problem1", "problem2"):
        book.update_or_create_assignment("ps1")
        book.update_or_create_notebook(sheet, "ps1")
        book.update_or_create_grade_cell("cell", sheet, "ps1", max_score=4.0, cell_type="code")
    book.update_or_create_student("ann")
    submission = book.update_or_create_submission("ps1", "ann")
    submission.timestamp = gradebook.utc((DUE + timedelta(hours=1)).timestamp())
    for sheet in submission.notebooks:
        sheet.grades[0].auto_score, sheet.grades[0].needs_manual_grade = 3.0, sheet.name == "problem2"
    book.db.commit()
    row = settled("ann", "assignment", "ps1")
    assert (row.automatic, row.max_score, row.factor, row.score) == (6.0, 8.0, 0.9, 5.4)
    assert history(engine) == [("grader", None, 5.4, "marked by nbgrader")]
    with engine.connect() as connection:
        hand = connection.execute(sa.select(database.by_hand)).one()
    assert (hand.item, hand.waiting) == ("problem2/cell", True)
    assert reading.held(book)["ps1", "ann"].penalty == pytest.approx(0.6)


def test_gradebook_that_was_lost_is_written_again(queue, clock, settled, recorder, book):
    graded(queue, clock)
    settled()
    book.remove_submission("toy", "ann")
    recorder._version = None  # as after a start
    settled()
    assert book.find_submission("toy", "ann").score == 5.0


def test_what_the_recorder_writes_itself_is_no_reason_to_look_again(queue, clock, settled, book):
    if book.engine.dialect.name != "sqlite":
        pytest.skip("on PostgreSQL it looks once more")
    graded(queue, clock)
    settled()
    version = reading.version(book)
    graded(queue, clock, 1.0, number=2)
    settled()
    assert reading.version(book) == version


def _killed_before_it_keeps(recorder):
    """A recorder's process, killed between the gradebook and the table."""
    recorder.engine.dispose(close=False)
    own = gradebook.open_gradebook(recorder.gradebook_url)
    recorder.settling._keep = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    recorder.record(own)


def test_recorder_killed_between_gradebook_and_table_loses_and_doubles_nothing(
    queue,
    clock,
    recorder,
    settled,
    engine,
):
    graded(queue, clock)
    process = multiprocessing.get_context("fork").Process(target=_killed_before_it_keeps, args=(recorder,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert settled().score == 5.0
    assert len(history(engine)) == 1


async def test_student_reads_what_counts_and_why(api, queue, clock, settled, calendar, book):
    calendar.says(due=DUE, late_per_day=0.1)
    api.service.calendar._calendar = calendar.calendar
    hand_in_on(clock, DUE + timedelta(hours=1))
    graded(queue, clock, 0.0)
    settled()
    given_in_formgrader(book, manual_score=2.0)
    settled()
    graded(queue, clock, 2.0, number=2)  # and not recorded yet
    _, marks = await api.json("api/marks")
    (toy,) = marks["modules"]
    counts = toy["counts"]
    assert (toy["score"], toy["due"], counts["counted"][-1]) == (5.0, "2026-10-19T18:00:00Z", "1")
    assert (counts["score"], counts["late"]) == (4.5, "Handed in late: 90% of the points count.")
    assert counts["given"][0]["points"] == 2.0
    assert marks["total"] == {"score": 4.5, "max_score": 5.0}
    assert (await api.json("api/marks", "token-bob"))[1]["total"] == {"score": 0, "max_score": 0}
