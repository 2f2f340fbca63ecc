"""What the server of somebody who teaches has beside a student's: assignments, and tools to write them.

The gate mounts the folder of assignments into such a server and no other, so that is how one is known.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

SOURCE = Path("/srv/nbgrader/source")
WRITING = "@jupyter/nbgrader:create-assignment"
FORMGRADER = "@jupyter/nbgrader:formgrader"


class FormgraderHandler(JupyterHandler):
    """GET formgrader: on to the classroom's, which nbgrader's menu looks for in each server."""

    @web.authenticated
    def get(self) -> None:
        """Redirect; whether somebody may come in is decided there."""
        self.redirect(url_path_join(os.environ["JUPYTERHUB_BASE_URL"], "services/formgrader/formgrader"))


def offer(server: Any) -> None:
    """Turn on in this server what the image has turned off for students, where its owner teaches."""
    if not SOURCE.exists():
        return
    os.umask(0o002)  # what is written there is all instructors' to change; homes are closed anyway
    with contextlib.suppress(OSError):  # it is there already, or the home is full
        Path("~/teaching").expanduser().symlink_to(SOURCE)
    settings = server.web_app.settings
    tools = {WRITING}
    # With a host name for each server, formgrader has another one, and stands in no frame of this one's.
    if not os.environ.get("JUPYTERHUB_HOST"):
        tools.add(FORMGRADER)
        server.web_app.add_handlers(
            ".*$", [(url_path_join(settings["base_url"], "formgrader"), FormgraderHandler)]
        )

    def turn_on(_: Any, page: dict[str, Any]) -> dict[str, Any]:
        disabled = [name for name in page.get("disabledExtensions", []) if name not in tools]
        return {**page, "disabledExtensions": disabled}

    settings["page_config_hook"] = turn_on
