"""A stand-in for the hub: it knows some tokens, and can be away."""

import json
from urllib.parse import urlencode

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

SCOPE = "access:services!service=grading"
USERS = {
    "token-ann": {"name": "ann", "kind": "user", "admin": False, "groups": [], "scopes": [SCOPE]},
    "token-bob": {"name": "bob", "kind": "user", "groups": [], "scopes": [SCOPE]},
    "token-eve": {"name": "<script>alert('eve')</script>", "kind": "user", "groups": [], "scopes": [SCOPE]},
    "token-ada": {"name": "ada", "kind": "user", "groups": ["role-instructor"], "scopes": [SCOPE]},
    "token-out": {"name": "out", "kind": "user", "groups": [], "scopes": ["self"]},
    "token-formgrader": {"name": "formgrader", "kind": "service", "scopes": [SCOPE]},
    "token-service": {"name": "roster", "kind": "service", "scopes": [SCOPE]},
}


class UserHandler(RequestHandler):
    def get(self):
        if self.application.settings["away"]:
            self.set_status(503)
            return
        user = self.application.settings["users"].get(
            self.request.headers["Authorization"].removeprefix("token ")
        )
        if user is None:
            self.set_status(403)
            self.finish("{}")
        else:
            self.finish(json.dumps(user))


class AuthorizeHandler(RequestHandler):
    """Signs a browser in, as whom its cookie `stand-in` says, without asking anybody anything."""

    def get(self):
        code = urlencode({"code": self.get_cookie("stand-in"), "state": self.get_query_argument("state")})
        self.redirect(f"{self.get_query_argument('redirect_uri')}?{code}")


class TokenHandler(RequestHandler):
    def post(self):
        self.finish({"access_token": f"token-{self.get_body_argument('code')}"})


class HubStandIn:
    """Answers /hub/api/user, and the questions of a browser's sign-in, on a free port.

    Args:
        users: token -> the hub's model of its user.
    """

    def __init__(self, users=USERS):
        routes = [
            ("/hub/api/user", UserHandler),
            ("/hub/api/oauth2/authorize", AuthorizeHandler),
            ("/hub/api/oauth2/token", TokenHandler),
        ]
        self.app = Application(routes, away=False, users=users)
        socket, port = bind_unused_port()
        self.server = HTTPServer(self.app)
        self.server.add_socket(socket)
        self.url = f"http://127.0.0.1:{port}/hub/api"
