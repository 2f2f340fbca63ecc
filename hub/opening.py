# mypy: disable-error-code="no-untyped-call"
"""Who opens another's server: by one door, and never without a row in the record.

A server lets in whom the hub's `api/user` says to have access to it. For another's server it says so of one
kind of token only: what a browser is given on the hub's page for signing in to that very server, and there it
is written down first. The first admin can still make a token in the owner's name; that is written down, too.
"""

import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jupyterhub import orm
from jupyterhub.apihandlers.auth import OAuthAuthorizeHandler
from jupyterhub.apihandlers.users import SelfAPIHandler, UserTokenListAPIHandler
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import Scope, parse_scopes
from jupyterhub.utils import utcnow
from tornado.web import HTTPError

from hub.accounts import acts

ACCESS = "access:servers"
STUDENTS = f"{ACCESS}!group=role-student"
STAFF = {"role-grader", "role-instructor", "role-admin"}
OPENED, TOKEN = "opened the notebooks", "made a token"
VISIT = timedelta(hours=8)  # so long does one row stand for what follows in the same browser
SHOWN = 5  # to whom the server is
UNWRITTEN = (
    "This cannot be written down now, so nobody is let in. Try again; if it stays so, see the hub's log."
)


class Door(OAuthAuthorizeHandler):
    """Where a browser is known to a server, by a code."""

    def send_oauth_response(self, headers: Mapping[str, str], body: str, status: int) -> None:
        """The code has been made, and leaves the hub here."""
        for code in parse_qs(urlsplit(headers.get("Location", "")).query).get("code", []):
            server = orm.OAuthCode.find(self.db, code).client.spawner
            if server and server.user.name != self.current_user.name:
                # JupyterHub looks when it shows its form, and not when that comes back.
                if not may_open(self, server.user):
                    raise HTTPError(403, "This server is somebody else's.")
                _write_down(self, OPENED, server.user.name)
        super().send_oauth_response(headers, body, status)


class Asked(SelfAPIHandler):
    """What a server asks about whoever came with a token."""

    async def get(self) -> None:
        token = self.get_token()
        server = token and token.oauth_client.spawner
        if server and server.user is not token.user:
            if utcnow(with_tz=False) - token.created > VISIT:
                self.db.delete(token)
                self.db.commit()
                raise HTTPError(403)  # the server sends the browser to the door again
        elif self.current_user:
            own = (_own(scope, self.current_user.name) for scope in self.expanded_scopes)
            self.expanded_scopes = set(filter(None, own))
            self.parsed_scopes = parse_scopes(self.expanded_scopes)
        await super().get()


class Tokens(UserTokenListAPIHandler):
    """Where tokens are made. Who has one of somebody's is that one for every server."""

    async def post(self, user_name: str) -> None:
        await super().post(user_name)  # the answer leaves the hub after this
        if self.current_user.name != user_name:
            _write_down(self, TOKEN, user_name)


HANDLERS = [
    (r"/api/oauth2/authorize", Door),
    (r"/api/user", Asked),
    (r"/api/users/([^/]+)/tokens", Tokens),
]


def may_open(handler: BaseHandler, owner: Any) -> bool:
    """Whether whoever asks may come into somebody's server. Who teaches is no student, even in that group."""
    if not handler.has_scope(f"{ACCESS}!server={owner.name}/"):
        return False
    teaches = owner.admin or any(group.name in STAFF for group in owner.groups)
    return not teaches or handler.parsed_scopes[ACCESS] is Scope.ALL


def told(user: Any) -> list[str]:
    """Who opened somebody's notebooks of late, for that one to read; `user` is the hub's, or None."""
    if user is None:
        return []
    with user.authenticator.store.read() as connection:
        done, _ = acts.some(connection, whom=user.name, what=(OPENED, TOKEN), most=SHOWN)
    return [f"{act.who} {act.what}: {acts.when(act.at)}" for act in done]


def _own(scope: str, username: str) -> str:
    """What is left of a scope when others' servers are taken away."""
    name, _, of = scope.partition("!")
    if name != ACCESS or of == f"user={username}" or of.startswith(f"server={username}/"):
        return scope
    return "" if of else f"{ACCESS}!user={username}"


def _write_down(handler: BaseHandler, what: str, whom: str) -> None:
    """Raises HTTPError: what cannot be written down does not happen."""
    who = handler.current_user.name
    try:
        with handler.authenticator.store.change() as connection:
            acts.record(connection, who, what, whom)
    except sqlite3.Error as error:
        handler.log.error("That %s %s of %s cannot be written down: %s", who, what, whom, error)
        raise HTTPError(503, UNWRITTEN) from error
    handler.log.info("%s %s of %s", who, what, whom)
