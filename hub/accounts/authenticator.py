# mypy: disable-error-code="no-untyped-call"
"""JupyterHub's side of the accounts: who may sign in, and who still is who they were."""

import asyncio
import ipaddress
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from jupyterhub import orm
from jupyterhub.auth import Authenticator
from jupyterhub.utils import new_token
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler
from traitlets import Dict, Enum, List, Unicode

from hub.accounts import browsers, ensure, names, sign_in
from hub.accounts.attempts import TooManyAttemptsError
from hub.accounts.store import PATH, Account, Store

T = TypeVar("T")


class PasswordDueError(HTTPError):
    """The password is right, but was only for once. Where no page can follow (the REST API), a refusal."""

    def __init__(self, account: Account) -> None:
        super().__init__(403, "Sign in on the web page first, and choose a password of your own.")
        self.account = account


class Accounts(Authenticator):
    """Signs in whoever has an account in our own store."""

    path = Unicode(str(PATH), help="Where the accounts' SQLite file is.").tag(config=True)
    self_registration = Enum(
        ["closed", "approval", "open"], "closed", help="Whether anyone may make an account, or ask for one."
    ).tag(config=True)
    more_pages: Any = List(help="Pages of others to put under the hub's prefix.").tag(config=True)

    students_range = Unicode(
        "0.0.0.0/32", help="The addresses of students' servers, which reach the hub past the proxy."
    ).tag(config=True)

    first_passwords = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Accounts that every start makes sure of: the probe's, and admins' with a one-time password.",
    ).tag(config=True)

    allow_all = True  # having an account is being allowed
    any_allow_config = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.username_pattern = names.PATTERN
        self.store = Store(Path(self.path))
        for username, password in self.first_passwords.items():
            if username == names.PROBE:
                ensure.probe(self.store, password)
            else:
                ensure.admin(self.store, username, password)
        # Hashing takes 15 ms of one core: off the loop, but never on all cores at once.
        self._threads = ThreadPoolExecutor(max_workers=max(1, min(4, (os.cpu_count() or 2) - 1)))

    async def off_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what hashes or waits for the disk beside the hub's loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, self.store, *arguments)

    def address_of(self, request: HTTPServerRequest) -> str:
        """The address whose attempts are counted: the browser's, as the proxy tells it.

        A student's server reaches the hub without the proxy. What it tells of addresses is not believed: it
        could guess passwords as a different machine each time.
        """
        connection: Any = request.connection
        sender = connection.context.address[0]
        if ipaddress.ip_address(sender) in ipaddress.ip_network(self.students_range):
            return str(sender)
        return str(request.remote_ip)

    def has_password(self, username: str) -> bool:
        """Whether this account is signed in with by a password of ours."""
        return True

    def normalize_username(self, username: str) -> str:
        return names.normalise(username)

    async def authenticate(self, handler: RequestHandler, data: dict[str, str]) -> dict[str, Any] | None:
        username, password = data.get("username", ""), data.get("password", "")
        browser = browsers.known(handler, self.store.find(names.normalise(username)))
        address = self.address_of(handler.request)
        try:
            account = await self.off_loop(sign_in.check, username, password, address, browser)
        except TooManyAttemptsError as error:
            raise HTTPError(429, str(error)) from None
        except sign_in.NoEntryError as error:
            raise HTTPError(403, str(error)) from None
        if account and account.one_time:
            raise PasswordDueError(account)
        return signed_in(account) if account else None

    async def refresh_user(self, user: Any, handler: RequestHandler | None = None) -> bool:
        """Asked every few minutes: an account that is gone, was reset or has left must sign in again."""
        account = self.store.find(user.name)
        still = account is not None and not account.one_time and not account.left_at
        if not still and handler:
            # `make reset` does not reach the hub, and a token cannot sign in again: it ends. Not amid
            # this request, which may be by it.
            IOLoop.current().add_callback(end_sessions, handler.db, user)  # type: ignore[attr-defined]
        return still

    def delete_user(self, user: Any) -> None:
        """An admin removed someone on the hub's admin page, or a roster ended the access of one who left."""
        super().delete_user(user)
        account = self.store.find(user.name)
        if account and not account.left_at:
            self.store.remove(user.name)

    def get_handlers(self, app: Any) -> list[Any]:
        from hub.accounts import pages  # pages import this module

        return [*pages.handlers(), *self.more_pages]


def end_sessions(db: Any, user: Any) -> None:
    """Somebody is signed out everywhere, and their tokens end; a running server goes on, with its own."""
    user.orm_user.cookie_id = new_token()
    servers = user.spawner.api_token and orm.APIToken.find(db, user.spawner.api_token)
    for token in list(user.orm_user.api_tokens):
        if token is not servers:
            db.delete(token)
    db.commit()


def signed_in(account: Account) -> dict[str, Any]:
    """What JupyterHub keeps of someone who signed in."""
    return {"name": account.username, "user_info": {"display_name": account.name}}
