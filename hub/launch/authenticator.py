# mypy: disable-error-code="no-untyped-call"
"""JupyterHub's side of sign-in by an LMS: ltiauthenticator's way there, and what comes back."""

from pathlib import Path
from typing import Any

from jupyterhub.utils import url_path_join
from ltiauthenticator.lti13.auth import LTI13Authenticator
from traitlets import Instance

from hub.launch import claims
from hub.launch.choices import Choices
from hub.launch.claims import Launch
from hub.launch.courses import Courses
from hub.launch.key import NAME, Key
from hub.launch.platform import Platform
from hub.launch.under_way import UnderWay
from hub.signin.claims import ClaimsError
from hub.signin.entering import ASK, Entering, Entrant
from hub.signin.identities import Identities
from hub.signin.issuer import IssuerError


class LaunchSignIn(Entering, LTI13Authenticator):
    """Signs in who comes from a course of the LMS."""

    choices = Instance(Choices, help="The LMS, and its courses.").tag(config=True)
    name_setting = "lti.username_claim"
    not_vouched_for = "lti.roster_only is true"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.authorize_url = self.choices.authorize_url
        self.platform = Platform(self.choices.issuer, self.choices.keys_url)
        self.identities = Identities(self.store, self.choices.realm)
        self.courses = Courses(self.store, self.choices.realm)
        self.under_way = UnderWay()
        self.key = Key(Path(self.path).with_name(NAME))

    def login_url(self, base_url: str) -> str:
        """Our own page: it says where to begin, and has the admin's way in."""
        return str(url_path_join(base_url, "login"))

    def get_handlers(self, app: Any) -> list[Any]:
        from hub.launch import pages  # pages import this module

        return [*pages.handlers(), *self.more_pages]

    async def check(self, token: str, nonce: str) -> Launch:
        """The launch that a token of the LMS's is; raises SignInError."""
        try:
            told = await self.platform.checked(token, self.choices.client_id, nonce)
            return claims.read(told, self.choices)
        except IssuerError as error:
            raise self.refusal(error.status, error.words, str(error)) from None
        except ClaimsError as error:
            raise self.refusal(403, f"{error.words} {ASK}", str(error)) from None

    async def authenticate(  # type: ignore[override]
        self, handler: Any, data: Any = None
    ) -> dict[str, Any] | None:
        if not isinstance(data, Launch):  # a form's fields are text, whatever they are called
            return await self.by_form(handler, data)
        signed_in = self.let_in(
            Entrant(data.subject, data.username, data.name, data.groups, not self.choices.roster_only)
        )
        self.courses.keep(data.subject, data.course)
        return signed_in
