"""The recorder and nbgrader's gradebook: each mark once, the newest counts, what a person entered stays."""

import json

import pytest
from nbgrader.api import MissingEntry

from grading.calendar import CalendarKeeper
from grading.metrics import RecorderMetrics
from grading.recorder import gradebook
from grading.recorder.writing import BATCH, Recorder
from grading.results import CheckMark, Result
from grading.tests import toy_course
from grading.tests.postgresql import BOTH

# nbgrader's own models give these to nbgrader's own code.
pytestmark = [
    BOTH,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
    pytest.mark.xdist_group("gradebook"),  # one process: to make a gradebook takes seconds
]


def graded(queue, clock, double=2.0, shuffle=3.0, reasons=(), number=1):
    clock.now += 1
    queue.add(f"{number:032x}", "ann", "module", "toy", "0" * 64, 10)
    first = CheckMark("check-toy-double", double, 2.0, list(reasons))
    marks = [first, CheckMark("check-toy-shuffle", shuffle, 3.0)]
    queue.finish(queue.lease(), Result(marks))


def grade(book, check="check-toy-double"):
    book.db.expire_all()
    return book.find_grade(check, "toy", "toy", "ann")


def test_mark_reaches_the_gradebook(queue, clock, recorder, book):
    graded(queue, clock, 1.0, reasons=["Doubling: it is 1; 2 was expected."])
    assert recorder.record(book) == 1
    assert book.find_submission("toy", "ann").score == 4.0
    assert book.find_submission("toy", "ann").max_score == 5.0
    assert not grade(book).needs_manual_grade
    comment = book.find_comment("toy-double", "toy", "toy", "ann")
    assert comment.comment == "Doubling: it is 1; 2 was expected."
    assert recorder.record(book) == 0


def test_recording_twice_changes_nothing(queue, clock, recorder, book):
    graded(queue, clock)
    checks = [CheckMark("check-toy-double", 2.0, 2.0), CheckMark("check-toy-shuffle", 3.0, 3.0)]
    assignment = gradebook.module_assignment("toy", recorder.course.official("toy"))
    for _ in range(2):
        gradebook.write(book, assignment, "ann", 1000.0, checks, {})
    recorder.record(book)
    assert book.find_submission("toy", "ann").score == 5.0
    assert len(book.assignment_submissions("toy")) == 1


def test_newest_submission_counts_even_if_an_earlier_one_is_graded_later(queue, clock, recorder, book):
    queue.add(f"{1:032x}", "ann", "module", "toy", "0" * 64, 10)
    early = queue.lease()
    graded(queue, clock, 2.0, number=2)
    recorder.record(book)
    queue.finish(early, Result([CheckMark("check-toy-double", 0.0, 2.0)]))
    recorder.record(book)
    assert grade(book).auto_score == 2.0


def test_points_that_a_person_entered_survive(queue, clock, recorder, book):
    graded(queue, clock, 0.0)
    recorder.record(book)
    by_hand = grade(book)
    by_hand.manual_score = 1.5
    by_hand.extra_credit = 0.5
    book.db.commit()
    graded(queue, clock, 2.0, number=2)
    recorder.record(book)
    after = grade(book)
    assert (after.auto_score, after.manual_score, after.score) == (2.0, 1.5, 2.0)
    assert after.needs_manual_grade, "a person should look again, because the automatic mark changed"


def test_failed_submission_is_no_mark(queue, clock, recorder, book):
    queue.add(f"{1:032x}", "ann", "module", "toy", "0" * 64, 10)
    queue.fail(queue.lease(), "The course has a fault.")
    assert recorder.record(book) == 0
    with pytest.raises(MissingEntry):
        book.find_submission("toy", "ann")


def test_milestone_is_an_assignment_of_its_own(queue, recorder, book):
    queue.add(f"{1:032x}", "ann", "milestone", "sign", "0" * 64, 10)
    queue.finish(queue.lease(), Result([CheckMark("sign", 10.0, 10.0)], passed=True))
    recorder.record(book)
    assert book.find_submission("milestone-sign", "ann").score == 10.0


def test_check_that_the_course_no_longer_has_is_worth_nothing(queue, clock, recorder, book):
    graded(queue, clock)
    recorder.record(book)
    points = {"check-new": 4.0, "check-toy-shuffle": 3.0}
    changed = gradebook.Assignment("toy", points, {"check-new": "toy-new"})
    checks = [CheckMark("check-new", 4.0, 4.0), CheckMark("check-toy-shuffle", 1.0, 3.0)]
    gradebook.write(book, changed, "ann", 2000.0, checks, {})
    book.db.expire_all()
    assert book.find_submission("toy", "ann").max_score == 7.0
    assert grade(book, "check-new").auto_score == 4.0


def test_mark_that_cannot_be_written_keeps_no_other_from_being_written(queue, clock, recorder, book):
    queue.add(f"{1:032x}", "ann", "module", "base", "0" * 64, 10)  # its notebook is not there
    queue.finish(queue.lease(), Result([CheckMark("check-base", 1.0, 1.0)]))
    graded(queue, clock, number=2)
    assert recorder.record(book) == 1
    assert grade(book).auto_score == 2.0
    assert recorder.record(book) == 0, "it is tried again later, not at once"


def test_many_marks_that_cannot_be_written_keep_no_other_from_being_written(queue, clock, recorder, book):
    for number in range(BATCH + 5):
        queue.add(f"{number:032x}", f"eve{number}", "module", "base", "0" * 64, 10)
        queue.finish(queue.lease(), Result([CheckMark("check-base", 1.0, 1.0)]))
    graded(queue, clock, number=999)
    assert recorder.record(book) == 0
    assert recorder.record(book) == 1
    assert grade(book).auto_score == 2.0


def test_gradebook_that_is_locked_is_written_later(settings, engine, toy, store, queue, clock, book):
    graded(queue, clock)
    recorder = Recorder(
        engine,
        toy,
        store,
        settings.gradebook_url,
        RecorderMetrics(),
        CalendarKeeper(settings.calendar, toy.manifest),
        settings.nbgrader,
    )
    book.db.commit()
    real, gradebook.write = gradebook.write, lambda *_: (_ for _ in ()).throw(OSError("database is locked"))
    try:
        assert recorder.record(book) == 0
    finally:
        gradebook.write = real
    recorder.postponed.clear()
    assert recorder.record(book) == 1


class Asking:
    """The toy course, with a question that is answered in words."""

    def __init__(self, toy):
        self.manifest = toy.manifest
        self.notebook = toy_course.asking(toy.official("toy"))

    def official(self, _):
        return self.notebook

    instructor = official


@pytest.fixture
def asked(engine, toy, store, settings, queue, clock, book):
    """A function that hands in an answer, has it graded and recorded, and returns its grade."""
    recorder = Recorder(
        engine,
        Asking(toy),
        store,
        settings.gradebook_url,
        RecorderMetrics(),
        CalendarKeeper(settings.calendar, toy.manifest),
        settings.nbgrader,
    )

    def hand_in(answer, number=1, record=True):
        upload = store.upload(f"{number:032x}")
        upload.write(json.dumps({"notebook": toy_course.asking(toy.official("toy"), answer)}).encode())
        upload.keep()
        graded(queue, clock, number=number)
        if record:
            assert recorder.record(book) > 0
            return grade(book, "toy-why")
        return None

    return hand_in


def test_answer_in_words_waits_for_a_person(asked, book):
    given = asked("Because.")
    assert (given.auto_score, given.max_score, given.needs_manual_grade) == (None, 2.0, True)
    assert given.cell.cell_type == "markdown"
    assert book.find_submission("toy", "ann").needs_manual_grade
    assert book.find_comment("toy-why", "toy", "toy", "ann").comment is None


@pytest.mark.parametrize(
    "answer", [None, "", "  \n", "Why twice?\n"], ids=["untouched", "gone", "blank", "erased"]
)
def test_no_answer_is_no_points_without_a_person(asked, book, answer):
    given = asked(answer)
    assert (given.auto_score, given.needs_manual_grade) == (0.0, False)
    assert book.find_comment("toy-why", "toy", "toy", "ann").comment == "No response."
    assert book.find_submission("toy", "ann").max_score == 7.0


def test_points_for_an_answer_stay_until_the_answer_changes(asked, book):
    given = asked("Because.")
    given.manual_score, given.needs_manual_grade = 1.5, False
    book.db.commit()
    given = asked("Because.", number=2)
    assert (given.score, given.needs_manual_grade) == (1.5, False), "other code, the same answer"
    given = asked("Because of this.", number=3)
    assert (given.score, given.needs_manual_grade) == (1.5, True), "a person should read it again"


def test_answer_is_compared_with_the_one_that_was_read_not_with_one_that_was_overtaken(asked, book):
    given = asked("Because.")
    given.manual_score, given.needs_manual_grade = 1.5, False
    book.db.commit()
    asked("Another.", number=2, record=False)
    assert asked("Another.", number=3).needs_manual_grade
