# mypy: disable-error-code="no-untyped-call"
"""The pages of sign-in by an LMS: the way there, the way back, and what the LMS's admin has to enter.

The LMS sends browsers back by a form from its own site, which brings no cookie of ours along (SameSite=Lax).
So what came is kept, and the browser is sent once more to the same address: that request has the cookie which
shows that this browser began the launch. So no cookie has to be open to other sites, as LTI tools' often are.
"""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import get_browser_protocol, url_path_join
from ltiauthenticator.lti13.handlers import LTI13LoginInitHandler
from tornado.httputil import url_concat

from hub.accounts import pages as accounts
from hub.launch.under_way import SECONDS
from hub.signin.arriving import Arriving

STATE = "tinytorch-launch"
FRAMES = ("iframe", "frame", "embed", "object")
SCOPES = [
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
    "https://purl.imsglobal.org/spec/lti-ags/scope/score",
    "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly",
]

DIRECT = "This address is for your LMS. Open the classroom by its link in your course."
OTHER_LMS = "This classroom does not know your LMS. Tell your instructor: this cannot be mended from here."
AGAIN = "This launch took too long, or was used already. Open the classroom again from your course."
OTHER_WINDOW = (
    "This launch was begun in another window, or this browser takes no cookies here. Open the classroom "
    "from your course again, in a new window."
)
REFUSED = "Your LMS does not let you in here just now. Open the classroom again from your course."


class SignIn(accounts.SignIn):
    """Says where to begin; below it is a form for the classroom's own accounts."""

    def _render(self, login_error: str | None = None, username: str | None = None, **more: Any) -> Any:
        return super()._render(login_error, username, campus={"url": None}, **more)


class Framed(accounts.Page):
    """May lie in a page of the LMS's: what it shows is words and a link, which nobody can misuse there."""

    @property
    def content_security_policy(self) -> str:
        return super().content_security_policy.replace("frame-ancestors 'none'", "frame-ancestors *")

    def check_xsrf_cookie(self) -> None:
        """These come from another site. The state shows where they began."""


class Begin(Framed, LTI13LoginInitHandler):
    """Sends the browser to the LMS, with a state and a nonce."""

    async def get(self) -> None:
        refuse, choices = self.authenticator.refusal, self.authenticator.choices
        told = {name: self.get_argument(name) for name in self.request.arguments}  # text, or a refusal
        if not all(told.get(name) for name in ("iss", "login_hint", "target_link_uri")):
            raise refuse(400, DIRECT, "the address of the launch was opened without an LMS.")
        for name, ours in (("iss", choices.issuer), ("client_id", choices.client_id)):
            if told.get(name, ours) != ours:
                setting = {"iss": "issuer"}.get(name, name)
                line = f"an LMS says {name} {told[name][:200]!a}, not {ours!r} as in lti.{setting}."
                raise refuse(403, OTHER_LMS, line)
        if self.request.headers.get("Sec-Fetch-Dest") in FRAMES:
            self.finish(await self.render_template("framed.html", url=url_concat(self.request.path, told)))
            return
        LTI13LoginInitHandler.post(self)

    post = get

    def generate_state(self) -> str:
        signed = self.create_signed_value(STATE, secrets.token_hex(16))
        self._state = base64.urlsafe_b64encode(signed).decode()
        self._set_cookie(
            STATE, self._state, encrypted=False, path=_path(self), max_age=SECONDS, samesite="Lax"
        )
        return self._state

    def generate_nonce(self) -> str:
        return nonce(str(self._state))

    def authorize_redirect(self, *arguments: Any, **more: Any) -> None:
        super().authorize_redirect(*arguments, **{**more, "client_id": self.authenticator.choices.client_id})


class Back(Framed, Arriving):
    """Takes the browser that comes back: first what the LMS sends with it, then the browser itself."""

    async def post(self) -> None:
        refuse, state = self.authenticator.refusal, self.text("state")
        if error := self.text("error"):
            told = ascii(self.text("error_description")[:200])
            raise refuse(403, REFUSED, f"the LMS answers {error[:60]!a}: {told}.")
        if not state or not self.text("id_token"):
            raise refuse(400, DIRECT, "the LMS sent somebody back without a launch.")
        if not self._is_ours(state):
            raise refuse(400, AGAIN, "a launch came back that was not begun here in the last ten minutes.")
        launch = await self.authenticator.check(self.text("id_token"), nonce(state))
        if not self.authenticator.under_way.arrive(state, launch):
            raise refuse(400, AGAIN, f"a launch of {launch.username!r} came back a second time.")
        self.redirect(url_concat(self.request.path, {"state": state}), status=303)

    async def get(self) -> None:
        refuse, state = self.authenticator.refusal, self.get_argument("state", "")
        if not state:
            raise refuse(400, DIRECT, "the address of the launch was opened without an LMS.")
        if not secrets.compare_digest(self.get_cookie(STATE, "").encode(), state.encode()):
            raise refuse(400, OTHER_WINDOW, "a browser came back with a launch that it did not begin.")
        launch = self.authenticator.under_way.take(state)
        if not launch:
            raise refuse(400, AGAIN, "a browser came back with a launch that is used or forgotten.")
        self.clear_cookie(STATE, path=_path(self))
        await self.login_user(launch)
        self.redirect(self._target(launch.target))

    def _is_ours(self, state: str) -> bool:
        try:
            signed = base64.urlsafe_b64decode(state).decode("ascii")
        except ValueError:
            return False
        return self.get_secure_cookie(STATE, value=signed, max_age_days=SECONDS / 86400) is not None

    def _target(self, asked: str) -> str:
        """Which page the LMS's link is for: one of ours, and not one of these."""
        page = str(self._validate_next_url(asked))
        is_one = page and not urlsplit(page).path.startswith(_path(self))
        return page if is_one else str(self.hub.server.base_url)


class Public(BaseHandler):
    """For LMSs and their admins; there is no secret in it."""

    def here(self, *path: str) -> str:
        """One of our addresses as a browser sees it."""
        return f"{get_browser_protocol(self.request)}://{self.request.host}" + str(url_path_join(*path))

    def addresses(self) -> dict[str, str]:
        return {
            "target_link_uri": self.here(self.base_url.removesuffix("hub/")),
            "oidc_initiation_url": self.here(_path(self), "oauth_login"),
            "redirect_uri": self.here(_path(self), "oauth_callback"),
            "public_jwk_url": self.here(_path(self), "jwks"),
        }


class Keys(Public):
    """The public half of our key."""

    async def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish({"keys": [self.authenticator.key.public()]})


class Config(Public):
    """What Canvas reads when an LTI key is made by an address."""

    async def get(self) -> None:
        title, addresses = self.settings["template_vars"]["title"], self.addresses()
        del addresses["redirect_uri"]  # asked for beside it
        placement = {
            "placement": "course_navigation",
            "message_type": "LtiResourceLinkRequest",
            "text": title,
            "target_link_uri": addresses["target_link_uri"],
            "windowTarget": "_blank",
        }
        settings = {"platform": "canvas.instructure.com", "text": title, "placements": [placement]}
        self.set_header("Content-Type", "application/json")
        self.finish(
            {
                "title": title,
                "description": "Build a deep-learning framework of your own.",
                **addresses,
                "scopes": SCOPES,
                "custom_fields": {"username": "$User.username"},
                "extensions": [
                    {"platform": settings["platform"], "privacy_level": "public", "settings": settings}
                ],
            }
        )


class SetUp(Public, accounts.Page):
    """The same for people."""

    async def get(self) -> None:
        addresses, config = self.addresses(), self.here(_path(self), "config")
        self.finish(await self.render_template("lti.html", addresses=addresses, config=config))


def nonce(state: str) -> str:
    """Ties a token to the launch that was begun: made of the state."""
    return hashlib.sha256(f"nonce {state}".encode()).hexdigest()


def _path(handler: BaseHandler) -> str:
    return str(url_path_join(handler.hub.base_url, "lti13/"))


def handlers() -> list[Any]:
    """What JupyterHub puts under its own prefix. Nobody makes an account here: the LMS has them."""
    ours = [
        (r"/login", SignIn),
        (r"/lti13/oauth_login", Begin),
        (r"/lti13/oauth_callback", Back),
        (r"/lti13/config", Config),
        (r"/lti13/jwks", Keys),
        (r"/lti13/?", SetUp),
    ]
    return ours + [each for each in accounts.handlers() if each[0] not in ("/login", "/sign-up")]
