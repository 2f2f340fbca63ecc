"""A stand-in for the hub: it knows some tokens, and can be away."""

import json

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
        user = USERS.get(self.request.headers["Authorization"].removeprefix("token "))
        if user is None:
            self.set_status(403)
            self.finish("{}")
        else:
            self.finish(json.dumps(user))


class HubStandIn:
    """Answers /hub/api/user on a free port."""

    def __init__(self):
        self.app = Application([("/hub/api/user", UserHandler)], away=False)
        socket, port = bind_unused_port()
        self.server = HTTPServer(self.app)
        self.server.add_socket(socket)
        self.url = f"http://127.0.0.1:{port}/hub/api"
