"""What PostgreSQL is for: workers that take work at the same moment do not wait for each other."""

import sqlalchemy as sa

from grading.database import submissions
from grading.tests.postgresql import ONLY

pytestmark = ONLY


def test_worker_in_the_middle_of_taking_keeps_no_other_waiting(queue, engine):
    for number in range(3):
        queue.add(f"{number:032x}", "ann", "module", "toy", "0" * 64, 10)
    first = sa.select(submissions.c.id).order_by(submissions.c.id).limit(1)
    with engine.begin() as other:
        held = other.execute(first.with_for_update()).scalar_one()
        with engine.connect() as connection:  # who waits here is found out, not hung up
            connection.execute(sa.text(f'ALTER DATABASE "{engine.url.database}" SET lock_timeout = 1000'))
            connection.commit()
        engine.pool.dispose()
        taken = [queue.lease().submission.id for _ in range(2)]
        assert queue.lease() is None
    assert held not in taken
    assert queue.lease().submission.id == held


def test_work_goes_on_after_the_server_was_gone_for_a_moment(queue, engine):
    queue.add("0" * 32, "ann", "module", "toy", "0" * 64, 10)
    lease = queue.lease()
    with engine.connect() as connection:  # every connection that lies in the pool is cut
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert queue.extend(lease)
