"""What the server of somebody who teaches has beside a student's: assignments, and tools to write them.

The gate mounts the folder of assignments into such a server and no other, so that is how one is known.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
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
    tools = {WRITING}
    # With a host name for each server, formgrader has another one, and stands in no frame of this one's.
    if not os.environ.get("JUPYTERHUB_HOST"):
        tools.add(FORMGRADER)
        server.web_app.add_handlers(
            ".*$", [(url_path_join(server.web_app.settings["base_url"], "formgrader"), FormgraderHandler)]
        )
    # JupyterLab reads what is turned off with each page; this comes before the image's.
    folder = Path(tempfile.mkdtemp(prefix="teaching-"))
    (folder / "labconfig").mkdir()
    turned_on = {"disabledExtensions": dict.fromkeys(tools, False)}
    (folder / "labconfig" / "page_config.json").write_text(json.dumps(turned_on), encoding="utf-8")
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, (str(folder), others)))
