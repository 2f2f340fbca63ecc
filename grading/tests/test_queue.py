"""The queue's promise: graded once, by whoever holds the lease, whatever is killed and whenever."""

import threading

import pytest
import sqlalchemy as sa

from grading import database
from grading.database import results, submissions
from grading.leases import MAX_ATTEMPTS, LeaseLost
from grading.queue import GIVEN_UP, Queue
from grading.results import CheckMark, Result
from grading.tests.postgresql import BOTH

pytestmark = BOTH
RESULT = Result([CheckMark("check-a", 2.0, 3.0, ["Adding: it is 1; 2 was expected."])], ["A note."])


def add(queue, number=1, student="ann"):
    return queue.add(f"{number:032x}", student, "module", "toy", "0" * 64, 10)


def row_of(queue, id):
    with queue.engine.connect() as connection:
        return connection.execute(sa.select(submissions).where(submissions.c.id == id)).one()


def test_oldest_submission_is_graded_first(queue, clock):
    for number in (3, 1, 2):
        add(queue, number)
        clock.now += 1
    assert [queue.lease().submission.id[-1] for _ in range(3)] == ["3", "1", "2"]
    assert queue.lease() is None


def test_submission_survives_worker_killed_while_grading(queue, clock):
    added = add(queue)
    queue.lease()  # and the worker is killed here
    assert queue.lease() is None, "another took it while the first could still be at work"
    clock.now += 21
    second = queue.lease()
    assert second.submission == added
    queue.finish(second, RESULT)
    assert queue.lease() is None
    assert row_of(queue, added.id).state == "graded"


def test_worker_that_comes_back_late_writes_nothing(queue, clock):
    add(queue)
    late = queue.lease()
    clock.now += 21
    other = queue.lease()
    assert not queue.extend(late)
    with pytest.raises(LeaseLost):
        queue.finish(late, Result([CheckMark("check-a", 3.0, 3.0)]))
    queue.finish(other, RESULT)
    with pytest.raises(LeaseLost):
        queue.finish(late, Result([CheckMark("check-a", 3.0, 3.0)]))
    with queue.engine.connect() as connection:
        assert [row.score for row in connection.execute(sa.select(results))] == [2.0]


def test_heartbeat_keeps_a_long_grading_alive(queue, clock):
    add(queue)
    lease = queue.lease()
    for _ in range(5):
        clock.now += 15
        assert queue.extend(lease)
        assert queue.lease() is None
    queue.finish(lease, RESULT)


def test_submission_that_kills_every_worker_ends_with_a_sentence(queue, clock):
    added = add(queue)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert queue.lease().attempt == attempt
        clock.now += 21
    assert queue.lease() is None
    assert row_of(queue, added.id).state == "failed"
    with queue.engine.connect() as connection:
        assert connection.execute(sa.select(results.c.notes)).scalar_one() == [GIVEN_UP]


def test_engine_that_is_away_costs_a_submission_no_attempt(queue, clock):
    add(queue)
    for _ in range(3 * MAX_ATTEMPTS):
        lease = queue.lease()
        queue.put_back(lease, 5.0, forgive=True)
        assert queue.lease() is None, "it came back before its time"
        clock.now += 6
    assert queue.lease().attempt == 1


def test_seed_is_fresh_for_each_submission_and_kept(queue, clock):
    first, second = add(queue, 1), add(queue, 2)
    assert first.seed != second.seed
    queue.lease()
    clock.now += 21
    assert queue.lease().submission.seed == first.seed


def test_many_workers_at_once_grade_each_submission_once(settings, engine):
    queue = Queue(engine)
    for number in range(40):
        add(queue, number)
    done, errors = [], []

    def work():
        own = Queue(engine)
        try:
            while (lease := own.lease()) is not None:
                own.finish(lease, RESULT)
                done.append(lease.submission.id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(done) == [f"{number:032x}" for number in range(40)]


def test_api_and_workers_may_start_in_the_same_moment(settings, engine):
    database.metadata.drop_all(engine)
    barrier, errors = threading.Barrier(4), []

    def start():
        barrier.wait()
        try:
            database.connect(settings.database_url).dispose()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_depth_and_age_of_the_queue(queue, clock):
    assert queue.waiting() == (0, 0.0)
    add(queue, 1)
    clock.now += 30
    add(queue, 2, "bob")
    assert queue.waiting() == (2, 30.0)
    assert queue.waiting_of("ann") == 1
    queue.finish(queue.lease(), RESULT)
    assert queue.waiting() == (1, 0.0)
