"""JupyterHub with our line of servers, one start at a time, and servers that are no containers.

A start writes down whose it is in STATE/started, its token in STATE/token-NAME and what the gate would be
told in STATE/kind-NAME; it lasts until STATE/hold is gone.
"""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path

import jupyterhub
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from hub import opening
from hub.spawner import ClassroomSpawner, StartError

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here
load_subconfig(str(Path(__file__).parent / "hub_alone.py"))  # type: ignore[name-defined]  # noqa: F821

state = Path(os.environ["TT_TEST_STATE"])


class Ready(RequestHandler):
    """What every server answers to the hub."""

    def get(self) -> None:
        self.set_header("X-JupyterHub-Version", jupyterhub.__version__)


class InTheHub(ClassroomSpawner):
    """A server that is a port of the hub's own process; for a student called 'unlucky' there is none."""

    http: HTTPServer

    async def _start(self) -> tuple[str, int]:
        with (state / "started").open("a") as file:
            file.write(f"{self.user.name}\n")
        (state / f"token-{self.user.name}").write_text(self.api_token)
        told = {**self.extra_create_kwargs(self)["labels"], "memory": self.mem_limit, "cpus": self.cpu_limit}
        told["image"] = self.image
        (state / f"kind-{self.user.name}").write_text(json.dumps(told))
        while (state / "hold").exists():
            await asyncio.sleep(0.01)
        if self.user.name == "unlucky":
            raise StartError("The classroom could not start your server.", "engine")
        [socket] = bind_sockets(0, "127.0.0.1")
        self.http = HTTPServer(Application([(".*", Ready)]))
        self.http.add_socket(socket)
        self.object_id = "running"
        return "127.0.0.1", socket.getsockname()[1]

    async def stop(self, now: bool = False) -> None:
        self.http.stop()
        self.object_id = ""

    async def poll(self) -> int | None:
        return None if self.object_id else 0


c.JupyterHub.spawner_class = InTheHub
c.InTheHub.starts_at_once = 1
c.Accounts.auth_refresh_age = 1  # second, not minutes
opening.VISIT = timedelta(hours=float(os.environ.get("TT_TEST_VISIT", "8")))
c.JupyterHub.services.append({"name": "idle-culler", "api_token": "culler" * 4})
c.JupyterHub.load_roles.append(
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
)
