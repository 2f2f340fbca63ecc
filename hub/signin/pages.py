# mypy: disable-error-code="no-untyped-call"
"""The pages of sign-in by the campus: the way there, the way back, and what they look like."""

from typing import Any

from jupyterhub.utils import url_path_join
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from tornado.httputil import url_concat

from hub.accounts import pages as accounts
from hub.signin.arriving import Arriving
from hub.signin.authenticator import nonce, state_id
from hub.signin.issuer import BEGIN_AGAIN

CANCELLED = "The sign-in at your campus was cancelled, or your campus does not let you in here. Begin again."
OTHER_WINDOW = (
    "This sign-in was begun in another window or too long ago, or this browser takes no cookies. Begin again."
)


class SignIn(accounts.SignIn):
    """A button that leads to the campus, and below it a form for the classroom's own accounts."""

    def _render(self, login_error: str | None = None, username: str | None = None, **more: Any) -> Any:
        there = url_path_join(self.hub.base_url, "oauth_login")
        campus = {
            "button": self.authenticator.choices.button,
            "url": url_concat(there, {"next": self.get_argument("next", "")}),
        }
        return super()._render(login_error, username, campus=campus, **more)


class Begin(accounts.Page, OAuthLoginHandler):
    """Sends the browser to the campus's provider, with a state, a nonce and the challenge of PKCE."""

    async def get(self) -> None:
        await self.authenticator.discover()
        super().get()

    def _get_next_url(self) -> str:
        """Where to afterwards: nowhere but here."""
        return str(self._validate_next_url(self.get_argument("next", "")))

    def set_state_cookie(self, state_cookie_value: str) -> None:
        self._state = state_cookie_value
        super().set_state_cookie(state_cookie_value)

    def authorize_redirect(  # type: ignore[override]
        self, *arguments: Any, extra_params: dict[str, Any], **more: Any
    ) -> None:
        more["extra_params"] = {**extra_params, "nonce": nonce(self._state)}
        super().authorize_redirect(*arguments, **more)


class Back(Arriving, OAuthCallbackHandler):
    """Takes the browser that comes back. What the provider's address says is never shown."""

    def check_arguments(self) -> None:
        refuse = self.authenticator.refusal
        if error := self.get_argument("error", ""):
            told = ascii(self.get_argument("error_description", "")[:200])
            raise refuse(403, CANCELLED, f"the provider answers {error[:60]!a}: {told}.")
        begun = state_id(self.get_state_cookie())
        if not begun or state_id(self.get_argument("state", "")) != begun:
            raise refuse(400, OTHER_WINDOW, "a browser came back with a state that it did not begin with.")
        if not self.get_argument("code", ""):
            raise refuse(400, BEGIN_AGAIN, "the provider sent somebody back without a code.")


def handlers() -> list[Any]:
    """What JupyterHub puts under its own prefix. Nobody makes an account here: the campus has them."""
    ours = [(r"/login", SignIn), (r"/oauth_login", Begin), (r"/oauth_callback", Back)]
    return ours + [each for each in accounts.handlers() if each[0] not in ("/login", "/sign-up")]
