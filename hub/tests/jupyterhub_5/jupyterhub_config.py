"""A JupyterHub 5 as a classroom would have it, without a proxy and containers. For make.py's hub."""

import os
from pathlib import Path

from jupyterhub.auth import DummyAuthenticator
from jupyterhub.proxy import Proxy
from jupyterhub.spawner import Spawner
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here


class NoProxy(Proxy):
    """Routes nothing."""

    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}


class Answers(RequestHandler):
    """What a server answers to the hub."""

    def get(self) -> None:
        pass


class LikeDocker(Spawner):
    """A server that is a port of the hub's own, and leaves what DockerSpawner leaves in the database."""

    http = None

    async def start(self):
        Path("token-of-the-server").write_text(self.api_token)
        [socket] = bind_sockets(0, "127.0.0.1")
        self.http = HTTPServer(Application([(".*", Answers)]))
        self.http.add_socket(socket)
        return "127.0.0.1", socket.getsockname()[1]

    async def stop(self, now=False):
        self.http.stop()

    async def poll(self):
        return None if self.http else 0

    def get_state(self):
        return {
            **super().get_state(),
            "object_id": "c0ffee",
            "object_name": f"tinytorch-student-{20000 + self.user.id}",
        }


c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.authenticator_class = DummyAuthenticator
c.JupyterHub.spawner_class = LikeDocker
c.JupyterHub.cleanup_servers = False
c.JupyterHub.bind_url = "http://127.0.0.1/course/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['TT_TEST_PORT']}"
c.JupyterHub.services = [{"name": "roster", "api_token": "roster" * 4}]
c.JupyterHub.load_roles = [
    {
        "name": "roster",
        "services": ["roster"],
        "scopes": ["admin:users", "admin:groups", "admin:servers", "tokens"],
    }
]
