# mypy: disable-error-code="no-untyped-call"
"""Whom others name, and the classroom lets in: the same for the campus's provider and for an LMS.

The classroom's own accounts (the admin's, and the probe's of the deploy) keep their passwords: the door opens
for them when the others are away, and nobody becomes an admin by what others say.
"""

from dataclasses import dataclass
from typing import Any

from tornado.web import HTTPError

from hub.accounts import names
from hub.accounts.authenticator import Accounts
from hub.signin.identities import Identities, TakenError, forget

ASK = "Ask your instructor."
TITLE = "You could not be signed in"


class SignInError(HTTPError):
    """Words for the page that somebody sees whose sign-in ends here."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(status, words, reason=TITLE)


@dataclass(frozen=True)
class Entrant:
    """Somebody before the door, as others name them."""

    subject: str  # their own name of this person, which never becomes another's
    username: str
    name: str
    groups: frozenset[str]  # of the hub, for who is not on the roster
    is_vouched_for: bool  # whether their word opens the door without the roster


class Entering(Accounts):
    """Lets in whom others name, as what the roster or they say."""

    identities: Identities
    name_setting = "oidc.username_claim"
    not_vouched_for = "in none of oidc.allowed_groups and oidc.allowed_domains"

    def is_of_the_classroom(self, username: str) -> bool:
        """Whether a name is the admin's or the probe's. Nobody else's word makes anybody these."""
        account = self.store.find(username)
        return username in self.first_passwords or (account is not None and account.origin == "deploy")

    def has_password(self, username: str) -> bool:
        return self.is_of_the_classroom(username)

    async def by_form(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """Sign in by the form, which is for the classroom's own accounts."""
        if not self.has_password(names.normalise(data.get("username", ""))):
            return None
        return await Accounts.authenticate(self, handler, data)

    def let_in(self, person: Entrant) -> dict[str, Any]:
        """What JupyterHub keeps of a person; raises SignInError for whom the classroom does not let in."""
        bound = self.identities.find(person.subject)
        username = bound or person.username
        account = self.store.find(username)
        listed = account if account and account.origin == "roster" else None
        if self.is_of_the_classroom(username):
            raise self.refusal(
                403,
                f"Your sign-in name, {username}, is that of the classroom's own account. {ASK}",
                f"{username!r} is the classroom's own name. Choose another hub.admin before the first "
                f"deploy, or another {self.name_setting}.",
            )
        if account and account.left_at:
            raise self.refusal(
                403,
                f"Your campus signed you in as {username}, who has left this class. {ASK}",
                f"{username!r} has left the class. Put them on the roster again if they belong to it.",
            )
        if not (listed or self.self_registration == "open" or person.is_vouched_for):
            raise self.refusal(
                403,
                f"Your campus signed you in as {username}, who is not on this class's list. {ASK}",
                f"{username!r} is not on the roster and {self.not_vouched_for}. Put them on the roster "
                "(make roster FILE=class.csv) if they belong to the class.",
            )
        if bound is None:
            try:
                self.identities.bind(person.subject, username)
            except TakenError:
                raise self.refusal(
                    403,
                    f"The account {username} belongs to somebody else. {ASK}",
                    f"{username!r} is another person's of the campus (another `sub`). If it is the same "
                    f"person with a new campus account: make forget USER={username}.",
                ) from None
        signed_in: dict[str, Any] = {"name": username, "user_info": {"display_name": person.name}}
        if bound is None:
            # A name was believed just now. That must not make an admin: who is one by the hub's page becomes
            # one there again, after the first sign-in.
            signed_in["admin"] = False
        if listed:
            signed_in["user_info"]["display_name"] = listed.name
        else:
            # Who is on the roster is what the roster says.
            signed_in["campus_groups"] = set(person.groups)
        return signed_in

    def refusal(self, status: int, words: str, line: str) -> SignInError:
        """Words for the page, after one line for the admin in the log."""
        self.log.error("Sign-in: %s", line)
        return SignInError(status, words)

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool:
        """Asked every few minutes. Nothing is kept of others' tokens, so they are not asked again."""
        if self.is_of_the_classroom(user.name):
            return await Accounts.refresh_user(self, user, handler)
        account = self.store.find(user.name)
        return self.identities.is_bound(user.name) and not (account and account.left_at)

    def delete_user(self, user: Any) -> None:
        super().delete_user(user)
        forget(self.store, user.name)
