"""What every answer of the service has in common: who asks, which headers, how an error is told."""

from __future__ import annotations

import logging
from http.client import responses
from typing import Any

from tornado.web import HTTPError, RequestHandler

from grading.api.service import Service

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STAFF_GROUP = "role-instructor"  # made by the roster
GRADER_GROUP = "role-grader"  # made by the roster, too
FORMGRADER = "formgrader"  # the service that instructors' nbgrader runs in; only its own token has its name
HUB_AWAY = "The hub does not answer, so nobody can be recognised just now. Try again in a minute."

log = logging.getLogger(__name__)


class Answer(HTTPError):  # noqa: N818  # it is raised to answer
    """An error with a sentence for whoever asked."""

    def __init__(self, status: int, sentence: str) -> None:
        # What is logged of it is one line, whatever name somebody asked for.
        logged = "".join(each if each.isprintable() else " " for each in sentence)
        super().__init__(status, logged.replace("%", "%%"))
        self.sentence = sentence


class Handler(RequestHandler):
    """The base of all handlers."""

    @property
    def service(self) -> Service:
        """Everything that the service has."""
        service: Service = self.application.settings["service"]
        return service

    def set_default_headers(self) -> None:
        """No script, no foreign resource, no caching of marks."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def is_staff(self, user: dict[str, Any]) -> bool:
        """Whether somebody teaches the class: sees all of it, and decides what holds for whom."""
        if user.get("kind") == "service":
            return bool(user["name"] == FORMGRADER)
        return user["name"] == self.service.settings.admin or STAFF_GROUP in user.get("groups", [])

    def is_grader(self, user: dict[str, Any]) -> bool:
        """Whether somebody may read the class's marks and give points; instructors may, too."""
        return GRADER_GROUP in user.get("groups", []) or self.is_staff(user)

    def sentence(self, status: int, **kwargs: Any) -> str:
        """What went wrong, in a sentence."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Answer):
            return error.sentence
        if status >= 500 and isinstance(error, HTTPError):  # jupyterhub's, when it cannot ask the hub
            return HUB_AWAY
        known = {404: "There is nothing here.", 405: "This address does not understand that request."}
        return known.get(status, f"{responses.get(status, 'Error')}. The details are in the service's log.")


class ApiHandler(Handler):
    """JSON in, JSON out; recognised by a hub token in the Authorization header, never by a cookie."""

    user: dict[str, Any]
    kind = "user"  # who may ask: a person, or a service of the hub
    formgrader_too = False  # whether instructors' nbgrader may, with formgrader's token
    only = "Only a person can hand in and see marks."

    async def identify(self) -> dict[str, Any]:
        """Who asks.

        Raises:
            Answer: nobody that the hub knows, or somebody who may not.
        """
        auth: Any = self.application.settings["hub_auth"]  # a HubOAuth, which has no type hints
        token = auth.get_token(self, in_cookie=False)
        if not token:
            raise Answer(401, "Send a hub token: 'Authorization: token ...'.")
        try:
            user = await auth.user_for_token(token, sync=False)
        except HTTPError:
            raise Answer(503, HUB_AWAY) from None
        if not user:
            raise Answer(401, "The hub does not know this token. Stop your server and start it again.")
        formgrader = user.get("kind") == "service" and user["name"] == FORMGRADER
        if user.get("kind", "user") != self.kind and not (formgrader and self.formgrader_too):
            raise Answer(403, self.only)
        if auth.access_scopes and not auth.check_scopes(auth.access_scopes, user):
            raise Answer(403, "This token may not be used for grading. Stop your server and start it again.")
        return dict(user)

    async def prepare(self) -> None:
        """Nobody gets further unrecognised."""
        self.user = await self.identify()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as JSON."""
        self.finish({"error": self.sentence(status_code, **kwargs)})


class MissingHandler(ApiHandler):
    """An address that means nothing."""

    async def prepare(self) -> None:
        """The same for everybody."""
        raise Answer(404, "There is nothing here.")
