"""Rows with a lease: work that any number of processes take from one table, each row by one of them.

A worker holds a row only as long as its lease lasts, and ends it only while it holds it. So a worker that is
killed at any instant leaves its work to another, and one that comes back late writes nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

LEASE_SECONDS = 20.0
MAX_ATTEMPTS = 4  # leases that ended without a result, until the work itself is under suspicion


class LeaseLost(RuntimeError):  # noqa: N818  # reads better where it is raised
    """Another worker has the work now; what was computed is dropped."""


class Leases:
    """The rows of one table, which has the columns id, state, attempts, not_before, lease_token, lease_until.

    Attributes:
        table: whose rows they are. A row waits in the state 'queued'.
        held: the state of a row that somebody works on.
        order: which row is taken first.
    """

    def __init__(
        self,
        engine: sa.Engine,
        table: sa.Table,
        held: str,
        order: tuple[sa.ColumnElement[Any], ...],
        seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.table = table
        self.held = held
        self.order = order
        self.seconds = seconds
        self.clock = clock

    def take(self) -> sa.RowMapping | None:
        """Take the first row that nobody holds; None if there is none. Its `attempts` is 1 the first time."""
        now = self.clock()
        first = sa.select(self.table.c.id).where(self._free(now)).order_by(*self.order).limit(1)
        with self.engine.connect() as connection:  # a look first: an idle worker takes no write lock
            if connection.execute(first).first() is None:
                return None
        # PostgreSQL passes over rows that others are taking just now; SQLite has one writer anyway.
        chosen = first.with_for_update(skip_locked=True).scalar_subquery()
        taken = (
            self.table.update()
            .where(self.table.c.id == chosen)
            .values(
                state=self.held,
                lease_token=uuid.uuid4().hex,
                lease_until=now + self.seconds,
                attempts=self.table.c.attempts + 1,
            )
            .returning(self.table)
        )
        with self.engine.begin() as connection:
            return connection.execute(taken).mappings().first()

    def extend(self, id: str, token: str) -> bool:
        """Keep a lease for another while; False if it is lost."""
        with self.engine.begin() as connection:
            return self._change(connection, id, token, lease_until=self.clock() + self.seconds)

    def put_back(self, id: str, token: str, seconds: float, *, forgive: bool) -> None:
        """Give a row back, to be tried again after so many seconds.

        Args:
            forgive: the attempt does not count, because what failed had nothing to do with the work.
        """
        values = {
            "not_before": self.clock() + seconds,
            "attempts": self.table.c.attempts - (1 if forgive else 0),
        }
        with self.engine.begin() as connection:
            self._change(connection, id, token, state="queued", lease_token=None, lease_until=None, **values)

    def end(self, connection: sa.Connection, id: str, token: str, state: str, **values: Any) -> None:
        """End a lease, in the transaction that writes what came of it.

        Raises:
            LeaseLost: the lease ran out, and another worker has taken the work.
        """
        if not self._change(connection, id, token, state=state, lease_token=None, lease_until=None, **values):
            raise LeaseLost(id)

    def _change(self, connection: sa.Connection, id: str, token: str, **values: Any) -> bool:
        mine = sa.and_(
            self.table.c.id == id, self.table.c.lease_token == token, self.table.c.state == self.held
        )
        return connection.execute(self.table.update().where(mine).values(values)).rowcount == 1

    def _free(self, now: float) -> sa.ColumnElement[bool]:
        return sa.or_(
            sa.and_(self.table.c.state == "queued", self.table.c.not_before <= now),
            sa.and_(self.table.c.state == self.held, self.table.c.lease_until < now),
        )
