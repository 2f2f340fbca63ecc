# mypy: disable-error-code="no-untyped-call"
"""JupyterHub's side of sign-in by the campus: oauthenticator's way there and back."""

import hashlib
from typing import Any

from jupyterhub.utils import get_browser_protocol, url_path_join
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import _deserialize_state, guess_callback_uri
from traitlets import Instance

from hub.signin import claims
from hub.signin.choices import Choices
from hub.signin.claims import ClaimsError, Person
from hub.signin.entering import ASK, Entering, Entrant
from hub.signin.identities import Identities
from hub.signin.issuer import Issuer, IssuerError


class CampusSignIn(Entering, GenericOAuthenticator):
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

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        if data is not None:
            return await self.by_form(handler, data)
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
        groups = frozenset(person.groups(self.choices))
        vouched_for = person.is_vouched_for(self.choices)
        return self.let_in(Entrant(person.subject, person.username, person.name, groups, vouched_for))


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
