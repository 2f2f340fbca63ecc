"""Which address is answered by whom."""

from __future__ import annotations

import re
import secrets

from jupyterhub.services.auth import HubOAuth
from tornado.httpserver import HTTPServer
from tornado.web import Application

from grading.api import (
    allocation,
    assistance,
    drafts,
    events,
    exceptions,
    exchange,
    executions,
    exports,
    health,
    milestones,
    openapi,
    pages,
    people,
    regrades,
    submissions,
)
from grading.api.handlers import MissingHandler
from grading.api.service import Service

# Each has ROUTES: regular expressions below the service's prefix, and who answers.
ANSWERED_BY = (
    pages,
    health,
    submissions,
    assistance,
    people,
    exceptions,
    regrades,
    milestones,
    exchange,
    executions,
    allocation,
    drafts,
    exports,
    events,
    openapi,
)
# New at each start, and the same for all processes, which part later. After a restart a browser goes by the
# hub once more, which needs no password.
COOKIE_SECRET = secrets.token_bytes(32)
MOST_BODY = 256 * 1024  # bytes of a request that is held in memory; submissions go to the disk


def server(app: Application) -> HTTPServer:
    """What listens."""
    return HTTPServer(app, xheaders=True, chunk_size=65536, max_body_size=MOST_BODY)


def application(service: Service, auth: HubOAuth) -> Application:
    """The tornado application."""
    base = re.escape(service.settings.prefix)
    routes = [(rf"{base}{path}", *rest) for module in ANSWERED_BY for path, *rest in module.ROUTES]
    return Application(
        [*routes, (rf"{base}api/.*", MissingHandler)],
        default_handler_class=pages.MissingPage,
        service=service,
        hub_auth=auth,
        cookie_secret=COOKIE_SECRET,
    )
