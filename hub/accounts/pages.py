# mypy: disable-error-code="no-untyped-call"
"""The pages of the accounts: signing in, choosing a password, signing up, and what they look like.

None of them has a script, and their Content-Security-Policy allows none.
"""

import json
from pathlib import Path
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LoginHandler
from jupyterhub.handlers.static import CacheControlStaticFilesHandler
from jupyterhub.utils import url_path_join
from tornado.httputil import url_concat
from tornado.web import HTTPError

from hub import hosts
from hub.accounts import browsers, names, sign_in
from hub.accounts.attempts import TooManyAttemptsError
from hub.accounts.authenticator import PasswordDueError, end_sessions, signed_in
from hub.accounts.store import Account

STATIC = Path(__file__).parent.parent / "static"
TICKET = "tinytorch-first-password"
TICKET_MINUTES = 15
WRONG = (
    "That username and password do not belong together. Check both; "
    "if you forgot the password, your instructor can give you a new one."
)


class Page(BaseHandler):
    """A page that needs nothing but its own style sheet."""

    @property
    def content_security_policy(self) -> str:
        return "; ".join(
            [
                "default-src 'none'",
                "style-src 'self'",
                "img-src 'self'",
                # Chromium asks this of where a form leads in the end, too: one's own server.
                f"form-action 'self' {hosts.below(self.subdomain_host)}".rstrip(),
                "base-uri 'none'",
                super().content_security_policy,
            ]
        )

    async def enter(self, account: Account) -> None:
        """Sign an account in, and go where its owner was heading."""
        user = await self.auth_to_user(signed_in(account))
        self.set_login_cookie(user)
        self.redirect(self.get_next_url(user))

    def set_login_cookie(self, user: Any) -> None:
        super().set_login_cookie(user)
        if account := self.authenticator.store.find(user.name):
            browsers.remember(self, account)

    def text(self, field: str) -> str:
        return str(self.get_body_argument(field, "", strip=False))


class SignIn(Page, LoginHandler):
    """JupyterHub's own way in, with a step between for those who must choose a password first."""

    async def post(self) -> None:
        if not self.text("username") or not self.text("password"):
            self.set_status(400)
            self.finish(await self._render("Enter your username and your password.", self.text("username")))
            return
        try:
            await super().post()
        except PasswordDueError as due:
            ticket = json.dumps([due.account.username, due.account.fingerprint])
            self._set_cookie(
                TICKET,
                ticket,
                path=_path(self),
                max_age=60 * TICKET_MINUTES,
                expires_days=None,
                samesite="Strict",
            )
            self.redirect(url_concat(_path(self), {"next": self.get_argument("next", "")}))

    def _render(self, login_error: str | None = None, username: str | None = None, **more: Any) -> Any:
        # JupyterHub's words for it leave one alone with it.
        if login_error == "Invalid username or password":
            login_error = WRONG
        return super()._render(login_error=login_error, username=username, **more)


class ChoosePassword(Page):
    """For who holds a one-time password, and for anyone signed in who wants another."""

    async def get(self) -> None:
        await self._show(*self._whose())

    async def post(self) -> None:
        account, first = self._whose()
        authenticator = self.authenticator
        try:
            if not first:
                given = account.username, self.text("current"), authenticator.address_of(self.request)
                browser = browsers.known(self, account)
                if not await authenticator.off_loop(sign_in.check, *given, browser):
                    raise sign_in.EntryError("That is not your password of now. Type it again.")
            await authenticator.off_loop(sign_in.choose, account, self.text("password"), self.text("again"))
        except (sign_in.EntryError, sign_in.NoEntryError, TooManyAttemptsError) as error:
            self.set_status(400)
            await self._show(account, first, str(error))
            return
        if user := self.find_user(account.username):
            end_sessions(self.db, user)
        self.clear_cookie(TICKET, path=_path(self))
        self.log.info("%s chose a password", account.username)
        await self.enter(account)

    def _whose(self) -> tuple[Account, bool]:
        """Whose password is chosen here, and whether it is the first of their own."""
        store = self.authenticator.store
        ticket = self.get_secure_cookie(TICKET, max_age_days=TICKET_MINUTES / 24 / 60)
        if ticket:
            username, fingerprint = json.loads(ticket)
            account = store.find(username)
            if account and account.left_at:
                raise HTTPError(403, sign_in.LEFT)
            if account and account.one_time and account.fingerprint == fingerprint:
                return account, True
        if self.current_user and (account := store.find(self.current_user.name)):
            return account, False
        raise HTTPError(403, "Sign in first. A one-time password leads here by itself.")

    async def _show(self, account: Account, first: bool, fault: str = "") -> None:
        here = url_concat(_path(self), {"next": self.get_argument("next", "")})
        html = await self.render_template(
            "choose_password.html", action=here, account=account, first=first, fault=fault
        )
        self.finish(html)


class SignUp(Page):
    """Where the settings allow it, anyone makes an account of their own, or asks for one."""

    async def get(self) -> None:
        await self._show()

    async def post(self) -> None:
        self._check_open()
        asks = self.authenticator.self_registration == "approval"
        try:
            # A user whom an admin made has a home, but no password yet.
            if self.find_user(names.normalise(self.text("username"))):
                raise sign_in.EntryError(sign_in.TAKEN)
            account = await self.authenticator.off_loop(
                sign_in.ask_in if asks else sign_in.sign_up,
                self.text("username"),
                self.text("name"),
                self.text("password"),
                self.text("again"),
                self.authenticator.address_of(self.request),
            )
        except (sign_in.EntryError, TooManyAttemptsError) as error:
            self.set_status(400)
            await self._show(str(error))
            return
        self.log.info("%s %s", account.username, "asked for an account" if asks else "signed up")
        if asks:
            self.finish(await self.render_template("asked.html", account=account))
        else:
            await self.enter(account)

    async def _show(self, fault: str = "") -> None:
        self._check_open()
        here = url_path_join(self.hub.base_url, "sign-up")
        html = await self.render_template(
            "sign_up.html", action=here, fault=fault, username=self.text("username"), person=self.text("name")
        )
        self.finish(html)

    def _check_open(self) -> None:
        if self.authenticator.self_registration == "closed":
            raise HTTPError(403, "Accounts are made by your instructor here. Ask for yours.")


def handlers() -> list[Any]:
    """What JupyterHub puts under its own prefix, in place of its sign-in page."""
    return [
        (r"/login", SignIn),
        (r"/choose-password", ChoosePassword),
        (r"/sign-up", SignUp),
        (r"/classroom/(.*)", CacheControlStaticFilesHandler, {"path": str(STATIC)}),
    ]


def _path(handler: BaseHandler) -> str:
    return str(url_path_join(handler.hub.base_url, "choose-password"))
