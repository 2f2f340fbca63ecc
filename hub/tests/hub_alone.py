"""JupyterHub with our configuration, but no proxy, no containers and nothing to grade."""

import os
from pathlib import Path

from jupyterhub.proxy import Proxy

from hub import announcement, disk, opening
from hub.config import database
from hub.people import pages as people
from hub.roster import placing

state = Path(os.environ["TT_TEST_STATE"])
database.FILE = state / "jupyterhub.sqlite"
c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here
load_subconfig(str(Path(__file__).parent.parent / "jupyterhub_config.py"))  # type: ignore[name-defined]  # noqa: F821


class NoProxy(Proxy):
    """Routes nothing: the test asks the hub at its own port."""

    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}


port = os.environ["TT_TEST_PORT"]
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.pid_file = str(state / "pid")
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = f"http://127.0.0.1:{port}"
# The others name services that do not run here.
kept = ("roster", "warm", "people", "administering", "opening")
c.JupyterHub.services = [service for service in c.JupyterHub.services if service["name"] in kept]
c.JupyterHub.load_roles = [role for role in c.JupyterHub.load_roles if role["name"] in kept]
announcement.FILE = state / "announcement.json"
disk.FILE = state / "homes.json"
c.Accounts.more_pages = [
    *people.handlers("http://127.0.0.1:9/grading/is/away", os.environ["TT_ROSTER_TOKEN"]),
    *placing.HANDLERS,
    *opening.HANDLERS,
]
c.Accounts.path = str(state / "accounts.sqlite")
