"""Which address is answered by whom."""

from __future__ import annotations

import re
import secrets

from jupyterhub.services.auth import HubOAuth
from tornado.httpserver import HTTPServer
from tornado.web import Application

from grading.api import assistance, pages, submissions
from grading.api.handlers import MissingHandler
from grading.api.health import HealthHandler
from grading.api.service import Service

MOST_BODY = 256 * 1024  # bytes of a request that is held in memory; submissions go to the disk


def server(app: Application) -> HTTPServer:
    """What listens."""
    return HTTPServer(app, xheaders=True, chunk_size=65536, max_body_size=MOST_BODY)


def application(service: Service, auth: HubOAuth) -> Application:
    """The tornado application."""
    base = re.escape(service.settings.prefix)
    static = {"path": str(pages.HERE / "static")}
    return Application(
        [
            (rf"{base}?", pages.MarksPage),
            (rf"{base}class", pages.ClassPage),
            (rf"{base}oauth_callback", pages.CallbackHandler),
            (rf"{base}static/(.*)", pages.StaticHandler, static),
            (rf"{base}(?:api/)?health", HealthHandler),
            (rf"{base}api/submissions/(module|milestone)/([^/]+)", submissions.SubmitHandler),
            (rf"{base}api/submissions/([0-9a-f]+)", submissions.SubmissionHandler),
            (rf"{base}api/marks", submissions.MarksHandler),
            (rf"{base}api/calendar", assistance.CalendarHandler),
            (rf"{base}api/reference/([^/]+)", assistance.ReferenceHandler),
            (rf"{base}api/restores", assistance.RestoresHandler),
            (rf"{base}api/hints", assistance.HintsHandler),
            (rf"{base}api/guesses/([^/]+)", assistance.GuessesHandler),
            (rf"{base}api/.*", MissingHandler),
        ],
        default_handler_class=pages.MissingPage,
        service=service,
        hub_auth=auth,
        # New at each start: after a restart a browser goes by the hub once more, which needs no password.
        cookie_secret=secrets.token_bytes(32),
    )
