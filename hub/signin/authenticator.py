# mypy: disable-error-code="no-untyped-call"
"""JupyterHub's side of sign-in by the campus: oauthenticator's way there and back, and who may come in.

The classroom's own accounts (the admin's, and the probe's of the deploy) keep their passwords: the door opens
for them when the provider is away, and nobody becomes an admin by what a provider says.
"""

import hashlib
from typing import Any

from jupyterhub.utils import get_browser_protocol, url_path_join
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import _deserialize_state, guess_callback_uri
from tornado.web import HTTPError
from traitlets import Instance

from hub.accounts import names
from hub.accounts.authenticator import Accounts
from hub.signin import claims
from hub.signin.choices import Choices
from hub.signin.claims import ClaimsError, Person
from hub.signin.identities import Identities, TakenError, forget
from hub.signin.issuer import Issuer, IssuerError

ASK = "Ask your instructor."
TITLE = "You could not be signed in"


class SignInError(HTTPError):
    """Words for the page that somebody sees whose sign-in ends here."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(status, words, reason=TITLE)


class CampusSignIn(Accounts, GenericOAuthenticator):
    """Signs in whom the campus's provider names and the classroom lets in."""

    choices = Instance(Choices, help="The provider, and who may come in.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client_id = self.choices.client_id
        self.scope = list(self.choices.scopes)
        self.basic_auth = True  # oauthenticator leaves the secret out of a request's body; the issuer adds it
        self.issuer = Issuer(self.choices.issuer)
        self.identities = Identities(self.store, self.choices.realm)

    def login_url(self, base_url: str) -> str:
        """Our own page first: it says where its button leads, and has the admin's way in."""
        return str(url_path_join(base_url, "login"))

    def get_handlers(self, app: Any) -> list[Any]:
        from hub.signin import pages  # pages import this module

        return [*pages.handlers(), *self.more_pages]

    def get_callback_url(self, handler: Any = None) -> str:
        """Where the provider sends people back to: the address that their browser sees."""
        request = handler.request
        base = handler.hub.server.base_url
        return str(guess_callback_uri(get_browser_protocol(request), request.host, base))

    async def discover(self) -> None:
        """Learn where the provider lets people sign in."""
        try:
            told = await self.issuer.describe()
        except IssuerError as error:
            raise self.refusal(error.status, error.words, str(error)) from None
        self.authorize_url = told["authorization_endpoint"]

    def is_of_the_classroom(self, username: str) -> bool:
        """Whether a name is the admin's or the probe's. No provider's word makes anybody these."""
        account = self.store.find(username)
        return username in self.first_passwords or (account is not None and account.origin == "deploy")

    def has_password(self, username: str) -> bool:
        return self.is_of_the_classroom(username)

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        if data is not None:  # the form
            if not self.has_password(names.normalise(data.get("username", ""))):
                return None
            return await Accounts.authenticate(self, handler, data)
        request = self.build_access_tokens_request_params(handler)
        del request["data"]  # of oauthenticator's own: no provider knows it
        try:
            tokens = await self.issuer.tokens(request, self.client_id, self.choices.secret)
            told = await self.issuer.identify(tokens, self.client_id, nonce(handler.get_state_cookie()))
            person = claims.read(told, self.choices)
        except IssuerError as error:
            raise self.refusal(error.status, error.words, str(error)) from None
        except ClaimsError as error:
            raise self.refusal(403, f"{error.words} {ASK}", str(error)) from None
        return self._let_in(person)

    def _let_in(self, person: Person) -> dict[str, Any]:
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
                "deploy, or another oidc.username_claim.",
            )
        if account and account.left_at:
            raise self.refusal(
                403,
                f"Your campus signed you in as {username}, who has left this class. {ASK}",
                f"{username!r} has left the class. Put them on the roster again if they belong to it.",
            )
        if not (listed or self.self_registration == "open" or person.is_vouched_for(self.choices)):
            raise self.refusal(
                403,
                f"Your campus signed you in as {username}, who is not on this class's list. {ASK}",
                f"{username!r} is not on the roster and in none of oidc.allowed_groups and "
                "oidc.allowed_domains. Put them on the roster (make roster FILE=class.csv) if they belong to "
                "the class.",
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
            signed_in["campus_groups"] = person.groups(self.choices)
        return signed_in

    def refusal(self, status: int, words: str, line: str) -> SignInError:
        """Words for the page, after one line for the admin in the log."""
        self.log.error("Sign-in: %s", line)
        return SignInError(status, words)

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool:
        """Asked every few minutes. Nothing is kept of the provider's tokens, so it is not asked again."""
        if self.is_of_the_classroom(user.name):
            return await Accounts.refresh_user(self, user, handler)
        account = self.store.find(user.name)
        return self.identities.is_bound(user.name) and not (account and account.left_at)

    def delete_user(self, user: Any) -> None:
        super().delete_user(user)
        forget(self.store, user.name)


def nonce(state_cookie: str) -> str:
    """Ties an ID token to the browser that began the sign-in: made of the state, which no other has."""
    return hashlib.sha256(f"nonce {state_id(state_cookie)}".encode()).hexdigest()


def state_id(state: str) -> str:
    """What a browser began with; empty where the text is no state of ours."""
    try:
        told = _deserialize_state(state)
    except ValueError:
        return ""
    return str(told.get("state_id", "")) if isinstance(told, dict) else ""
