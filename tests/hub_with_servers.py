"""JupyterHub with the classroom's proxy before it, a service's page, and servers that are no containers.

Everybody's server is a real one, save for mallory's: where a student owns the container, what answers is theirs.
"""

import os
import sys
from pathlib import Path

import jupyterhub
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.spawner import SimpleLocalProcessSpawner
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, authenticated

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here
load_subconfig(str(Path(__file__).parent.parent / "hub" / "tests" / "hub_alone.py"))  # type: ignore[name-defined]  # noqa: F821

state = Path(os.environ["TT_TEST_STATE"])
IMAGES = Path(__file__).parent.parent / "images"
TOKEN, PREFIX = "grading" * 4, "/course/services/grading/"
SCOPE = "access:services!service=grading"


class Mallorys(RequestHandler):
    """What mallory's server says, to anybody: which cookies she got, and whatever her script then makes of it."""

    def get(self) -> None:
        self.set_header("X-JupyterHub-Version", jupyterhub.__version__)
        self.set_header("Content-Type", "text/html")
        self.finish(f"<title>Free marks</title><p>{' '.join(sorted(self.request.cookies))}</p>")


class Servers(SimpleLocalProcessSpawner):
    """Processes; mallory's is a port of the hub's own."""

    place, farewell = "", ""
    mallory: HTTPServer | None = None

    async def start(self) -> tuple[str, int]:
        if self.user.name != "mallory":
            found: tuple[str, int] = await super().start()
            return found
        [socket] = bind_sockets(0, "127.0.0.1")
        self.mallory = HTTPServer(Application([(".*", Mallorys)]))
        self.mallory.add_socket(socket)
        return "127.0.0.1", socket.getsockname()[1]

    async def poll(self) -> int | None:
        return None if self.mallory else await super().poll()

    async def stop(self, now: bool = False) -> None:
        if not self.mallory:
            await super().stop(now)


class Page(HubOAuthenticated, RequestHandler):
    """The marks of who is signed in."""

    @authenticated
    def get(self) -> None:
        self.finish(f"<h1>The marks of {self.current_user['name']}</h1>")


c.JupyterHub.proxy_class = ConfigurableHTTPProxy
c.ConfigurableHTTPProxy.api_url = os.environ["TT_TEST_PROXY_API"]
c.JupyterHub.spawner_class = Servers
c.Servers.home_dir_template = str(state / "homes" / "{username}")
c.Servers.cmd = [sys.executable, str(IMAGES / "student" / "start_student.py"), "--allow-root"]
c.Servers.environment = {"JUPYTER_CONFIG_DIR": str(IMAGES / "student" / "etc")}
c.JupyterHub.cleanup_servers = True
c.Servers.start_timeout = c.Servers.http_timeout = 120

# As docker-compose.yml tells the grading service.
SERVICE = {
    "api_url": f"http://127.0.0.1:{os.environ['TT_TEST_PORT']}/course/hub/api",
    "api_token": TOKEN,
    "base_url": PREFIX,
    "hub_prefix": "/course/hub/",
    "hub_host": os.environ["TT_ORIGIN"],
    "oauth_client_id": "service-grading",
    "oauth_redirect_uri": f"{os.environ['TT_GRADING_ORIGIN']}{PREFIX}oauth_callback",
    "access_scopes": {SCOPE},
}
Page.hub_auth = HubOAuthCallbackHandler.hub_auth = HubOAuth(**SERVICE)
[door] = bind_sockets(0, "127.0.0.1")
pages = [(f"{PREFIX}oauth_callback", HubOAuthCallbackHandler), (".*", Page)]
HTTPServer(Application(pages, cookie_secret="0" * 64)).add_socket(door)
c.JupyterHub.services.append(
    {
        "name": "grading",
        "info": {"title": "Marks"},
        "url": f"http://127.0.0.1:{door.getsockname()[1]}",
        "api_token": TOKEN,
        "oauth_no_confirm": True,
    }
)
c.JupyterHub.services.append({"name": "routes", "api_token": os.environ["TT_ROUTES_TOKEN"], "display": False})
c.JupyterHub.load_roles += [
    {"name": "user", "scopes": ["self", SCOPE]},
    {"name": "routes", "services": ["routes"], "scopes": ["proxy"]},
]
