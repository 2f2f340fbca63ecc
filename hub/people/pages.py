# mypy: disable-error-code="no-untyped-call"
"""The staff's pages under /hub/people: who is in the class, help with signing in, who waits, what was done.

None of them has a script; lists are searched and cut into pages here.
"""

import asyncio
import math
from typing import Any
from urllib.parse import urlencode

from jupyterhub import orm
from jupyterhub.utils import maybe_future, url_path_join
from tornado.web import HTTPError, authenticated

from hub import opening
from hub.accounts import acts, attempts, names, waiting
from hub.accounts.authenticator import end_sessions
from hub.accounts.pages import Page
from hub.accounts.store import Account
from hub.people import deciding, listing
from hub.people.deciding import Helper, NotAllowedError
from hub.roster import reading
from hub.roster.grading_api import Grading, GradingError

SCOPE = "custom:people"  # who has it is in hub/config/roles.py
STAFF_GROUPS = {"role-instructor", "role-admin"}
ON_A_PAGE = 50
UNKNOWN = "This page does not understand that. Go back and press a button."
ONLY = "Only the class's instructors and admins see this page."


class _StaffPage(Page):
    """A page for instructors and admins, kept nowhere on its way."""

    def initialize(self, grading_url: str, token: str) -> None:
        self._grading_url, self._token = grading_url, token

    async def prepare(self) -> None:
        await super().prepare()
        self.set_header("Cache-Control", "no-store")
        if self.current_user and not self.has_scope(SCOPE):
            raise HTTPError(403, ONLY)

    @property
    def helper(self) -> Helper:
        user = self.current_user
        return Helper(user.name, user.admin or "role-admin" in _groups(user))

    def query(self, field: str) -> str:
        return str(self.get_query_argument(field, ""))

    def here(self, *parts: str) -> str:
        return str(url_path_join(self.hub.base_url, "people", *parts))

    async def show(self, template: str, **values: Any) -> None:
        store = self.authenticator.store
        html = await self.render_template(
            template,
            people=self.here(),
            helper=self.helper,
            waiting_count=len(waiting.everyone(store)),
            asks=self.authenticator.self_registration == "approval",
            when=acts.when,
            states=listing.STATES,
            **values,
        )
        self.finish(html)

    def cut(self, things: int) -> dict[str, Any]:
        """Which part of a long list is shown, and the addresses of the parts beside it."""
        last = max(1, math.ceil(things / ON_A_PAGE))
        text = self.query("page")
        page = min(int(text), last) if text.isdecimal() and len(text) < 10 and int(text) > 0 else 1

        def address(number: int) -> str:
            kept = {key: self.query(key) for key in ("q", "state", "section", "name") if self.query(key)}
            return f"?{urlencode({**kept, 'page': number})}"

        return {
            "page": page,
            "last": last,
            "before": address(page - 1) if page > 1 else "",
            "after": address(page + 1) if page < last else "",
        }


class People(_StaffPage):
    """Everybody, and addresses from which nobody can sign in at this moment."""

    @authenticated
    async def get(self) -> None:
        store = self.authenticator.store
        everyone = listing.everyone(store)
        asked = [self.query(field) for field in ("q", "state", "section")]
        found = listing.matching(everyone, *asked)
        part = self.cut(len(found))
        first = (part["page"] - 1) * ON_A_PAGE
        await self.show(
            "people.html",
            everyone=everyone,
            found=found,
            shown=found[first : first + ON_A_PAGE],
            part=part,
            asked=asked,
            sections=_sections(everyone),
            addresses=[pause for pause in attempts.pauses(store) if not pause.account],
        )

    @authenticated
    async def post(self) -> None:
        """Unlock an address."""
        deciding.unlock_address(self.authenticator.store, self.helper, self.text("address")[:100])
        self.redirect(self.here())


class Person(_StaffPage):
    """One person: what is known, what was done, and what can be done for them."""

    @authenticated
    async def get(self) -> None:
        await self._show(self._whose(self.query("name")))

    @authenticated
    async def post(self) -> None:
        account = self._whose(self.text("name"))
        fault = self._fault(account)
        if fault:
            self.set_status(403)
            await self._show(account, fault=fault)
        elif self.text("act") == "unlock":
            deciding.unlock(self.authenticator.store, self.helper, account.username)
            self.redirect(f"{self.here('person')}?{urlencode({'name': account.username})}")
        elif self.text("act") == "reset" and not account.left_at:
            password = await self.authenticator.off_loop(deciding.reset, self.helper, account)
            if user := self.find_user(account.username):
                end_sessions(self.db, user)
            self.log.info("%s gave %s a one-time password", self.helper.name, account.username)
            await self._show(self._whose(account.username), password=password)
        else:
            raise HTTPError(400, UNKNOWN)

    def _whose(self, username: str) -> Account:
        account: Account | None = self.authenticator.store.find(names.normalise(username)[:100])
        if account is None:
            raise HTTPError(404, "There is no account of that name.")
        return account

    def _fault(self, account: Account) -> str:
        """Why whoever looks may not act for that person; or nothing."""
        if not self.authenticator.has_password(account.username):
            return "The campus signs them in. A forgotten password is the campus's to replace."
        user = self.find_user(account.username)
        try:
            deciding.check_may_help(
                self.helper, account, bool(user and (user.admin or STAFF_GROUPS & _groups(user)))
            )
        except NotAllowedError as error:
            return str(error)
        return ""

    async def _show(self, account: Account, password: str = "", fault: str = "") -> None:
        store = self.authenticator.store
        with store.read() as connection:
            done, _ = acts.some(connection, whom=account.username)
        await self.show(
            "person.html",
            person=listing.one(store, account),
            password=password,
            fault=fault,
            cannot="" if fault else self._fault(account),
            acts=done,
            server=self._server(account.username),
            shared=not self.subdomain_host,
        )

    def _server(self, username: str) -> str:
        """Where somebody's server is, if it runs and whoever looks may open it."""
        user = self.find_user(username)
        if not user or user.name == self.helper.name or not opening.may_open(self, user):
            return ""
        return str(user.url) if user.spawner.ready else ""


class Waiting(_StaffPage):
    """Who asked for an account; they are let in, with a section, or refused."""

    @authenticated
    async def get(self) -> None:
        await self._show()

    @authenticated
    async def post(self) -> None:
        who = [names.normalise(each)[:100] for each in self.get_body_arguments("who")]
        section = names.display(self.text("section"))
        fault = ""
        if not who:
            fault = "Nobody is ticked. Tick the people first."
        elif len(section) > reading.LONGEST:
            fault = f"The section has {len(section)} characters. Use at most {reading.LONGEST}."
        if fault:
            self.set_status(400)
            await self._show(fault=fault, section=section)
        elif self.text("act") == "let in":
            await self._show(said=await self._let_in(who, section))
        elif self.text("act") == "refuse":
            await self._show(said=self._refuse(who))
        else:
            raise HTTPError(400, UNKNOWN)

    async def _let_in(self, usernames: list[str], section: str) -> str:
        store = self.authenticator.store
        waiting_now = {asked.username: asked for asked in waiting.everyone(store)}
        people = []
        for asked in (waiting_now[username] for username in usernames if username in waiting_now):
            person = reading.Person(asked.username, asked.name, "", section, "student", asked.username)
            # First the hub: should this be cut off, they still wait, and are let in again.
            await self._into_groups(person)
            if deciding.let_in(store, self.helper, person.username, section):
                people.append(person)
        said = f"{len(people)} let in. They sign in with the password that they chose."
        try:
            await asyncio.to_thread(Grading(self._grading_url, self._token).tell, people, False)
        except GradingError as error:
            self.log.warning("Grading was not told whom %s let in: %s", self.helper.name, error)
            said += " Grading was not told: until a roster names them, its lists show usernames only."
        return said

    def _refuse(self, usernames: list[str]) -> str:
        store = self.authenticator.store
        refused = [deciding.refuse(store, self.helper, username) for username in usernames]
        return f"{sum(refused)} refused. What they typed is forgotten; they can ask again."

    async def _into_groups(self, person: reading.Person) -> None:
        user = self.find_user(person.username)
        if user is None:
            user = self.user_from_username(person.username)
            await maybe_future(self.authenticator.add_user(user))
        for name in sorted(person.groups):
            group = orm.Group.find(self.db, name)
            if group is None:
                group = orm.Group(name=name)
                self.db.add(group)
            if group not in user.orm_user.groups:
                user.orm_user.groups.append(group)
        self.db.commit()

    async def _show(self, said: str = "", fault: str = "", section: str = "") -> None:
        store = self.authenticator.store
        everyone = waiting.everyone(store)
        part = self.cut(len(everyone))
        first = (part["page"] - 1) * ON_A_PAGE
        await self.show(
            "waiting.html",
            everyone=everyone,
            shown=everyone[first : first + ON_A_PAGE],
            part=part,
            ticked=self.query("tick") == "all",
            sections=_sections(listing.everyone(store)),
            said=said,
            fault=fault,
            section=section,
        )


class Record(_StaffPage):
    """What was done with whose account: by whom, when."""

    @authenticated
    async def get(self) -> None:
        with self.authenticator.store.read() as connection:
            _, count = acts.some(connection, most=0)
            part = self.cut(count)
            done, _ = acts.some(connection, first=(part["page"] - 1) * ON_A_PAGE, most=ON_A_PAGE)
        await self.show("acts.html", acts=done, count=count, part=part)


def handlers(grading_url: str, token: str) -> list[Any]:
    """What JupyterHub puts under its own prefix. The token tells grading whom staff let in."""
    own = {"grading_url": grading_url, "token": token}
    return [
        (r"/people", People, own),
        (r"/people/person", Person, own),
        (r"/people/waiting", Waiting, own),
        (r"/people/record", Record, own),
    ]


def _groups(user: Any) -> set[str]:
    return {group.name for group in user.groups}


def _sections(people: list[listing.Person]) -> list[str]:
    return sorted({person.account.section for person in people} - {""})
