"""What launches said of the LMS: who came from which course, and where it can be asked about it later.

The LMS knows a person by `sub`, which `hub.signin.identities` binds to an account: marks go back to that.
"""

import time

from hub.accounts.store import Store
from hub.launch.claims import Course

TABLE = """
CREATE TABLE IF NOT EXISTS launches (
    realm TEXT NOT NULL,
    subject TEXT NOT NULL,
    course TEXT NOT NULL,
    link TEXT NOT NULL,
    title TEXT NOT NULL,
    deployment TEXT NOT NULL,
    line_item TEXT NOT NULL,
    line_items TEXT NOT NULL,
    members TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (realm, subject, course, link)
) WITHOUT ROWID
"""


class Courses:
    """The last launch of each person from each link, in the accounts' file."""

    def __init__(self, store: Store, realm: str) -> None:
        self.store, self.realm = store, realm
        with store.change() as connection:
            connection.execute(TABLE)

    def keep(self, subject: str, course: Course) -> None:
        with self.store.change() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO launches (realm, subject, course, link, title, deployment, "
                "line_item, line_items, members, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    self.realm,
                    subject,
                    course.id,
                    course.link,
                    course.title,
                    course.deployment,
                    course.line_item,
                    course.line_items,
                    course.members,
                    time.time(),
                ],
            )

    def known(self) -> list[Course]:
        """Each course that somebody has come from, as the newest launch from it says."""
        with self.store.read() as connection:
            rows = connection.execute(
                "SELECT course, title, deployment, link, line_item, line_items, members, max(at) "
                "FROM launches WHERE realm = ? AND members != '' GROUP BY course ORDER BY course",
                [self.realm],
            ).fetchall()
        return [Course(*row[:-1]) for row in rows]
