# mypy: disable-error-code="no-untyped-call"
"""What a roster's people become in the hub: one request of the hub's REST API for many of them.

JupyterHub has requests for new users and for each group. They ask the database for one person at a time, and
commit for each: a thousand took 25 CPU seconds. Here many are found, changed and committed at once.
"""

from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.metrics import TOTAL_USERS
from jupyterhub.scopes import needs_scope
from tornado.web import HTTPError

from hub.roster.applying import OURS

BODY = (
    'A roster is {"username": ["role-student", "section-a"], ...}: each group begins with role- or section-.'
)


class Placing(APIHandler):
    """POST: each named person is a user, and of a roster's groups in these alone. All of it, or nothing."""

    @needs_scope("admin:users")  # type: ignore[untyped-decorator]
    @needs_scope("admin:groups")  # type: ignore[untyped-decorator]
    def post(self) -> None:
        wanted = self._checked(self.get_json_body())
        try:
            added = self._place(wanted)
            self.db.commit()
        except Exception:
            self.db.rollback()  # else the next request would write what is there of it
            raise
        TOTAL_USERS.inc(added)
        self.set_status(204)

    def _checked(self, body: Any) -> dict[str, list[str]]:
        if not isinstance(body, dict):
            raise HTTPError(400, BODY)
        for username, groups in body.items():
            named = self.authenticator
            if named.normalize_username(username) != username or not named.validate_username(username):
                raise HTTPError(400, f"{username!r} is no username.")
            if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
                raise HTTPError(400, BODY)
            if not all(group.startswith(OURS) for group in groups):
                raise HTTPError(400, BODY)
        return body

    def _place(self, wanted: dict[str, list[str]]) -> int:
        """How many of them are new to the hub."""
        users = {user.name: user for user in self.db.query(orm.User).filter(orm.User.name.in_(wanted))}
        names = {group for groups in wanted.values() for group in groups}
        groups = {group.name: group for group in self.db.query(orm.Group).filter(orm.Group.name.in_(names))}
        for name in names - set(groups):
            groups[name] = orm.Group(name=name)
            self.db.add(groups[name])
        everybodys = orm.Role.find(self.db, "user")
        for username, theirs in wanted.items():
            user = users.get(username)
            if user is None:
                # As JupyterHub makes one; our authenticator need not be told: an account lets people in.
                user = orm.User(name=username, roles=[everybodys])
                self.db.add(user)
            others = [group for group in user.groups if not group.name.startswith(OURS)]
            user.groups = others + [groups[name] for name in theirs]
        return len(wanted) - len(users)


HANDLERS = [(r"/api/roster", Placing)]
