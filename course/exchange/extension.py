"""What nbgrader's JupyterLab panels ask a student's server for: 'Assignments', and the button 'Validate'.

nbgrader's own server extensions cost each start of a server half a second of CPU and much memory, hold the
whole server up while they wait, and tell success when a fetch failed. These import nothing of nbgrader, wait
in a thread, and tell what happened.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from course.exchange import client
from course.exchange.work import COURSE, Info, Work, home

VALIDATING = 600  # seconds that a notebook may run
ACTIONS: dict[str, Callable[[Work, str], None]] = {
    "fetch": Work.fetch,
    "submit": Work.submit,
    "fetch_feedback": Work.fetch_feedback,
}
OTHER_VERSION = "nbgrader was changed while this page was open: load it again."
OUTSIDE = "Only notebooks in your home can be validated."


class PanelHandler(JupyterHandler):
    """The base of all of them."""

    async def tell(self, work: Callable[[], Any]) -> None:
        """Answer with what this gives, or with why it does not."""
        try:
            value = await asyncio.to_thread(work)
        except client.Refused as error:
            self.finish(json.dumps({"success": False, "value": str(error)}))
        except OSError as error:
            sentence = f"{error.filename or 'A file'}: {error.strerror or error}."
            self.finish(json.dumps({"success": False, "value": sentence}))
        else:
            self.finish(json.dumps({"success": True, "value": value}))

    def work(self) -> Work:
        """The student's side of the exchange."""
        return Work(home() / "assignments", home())

    def all(self) -> list[Info]:
        """What the panel lists; paths as the file browser knows them."""
        work = self.work()
        found: list[Info] = work.released() + work.submitted()
        root = Path(self.settings["server_root_dir"]).expanduser()
        _relative(found, root)
        return found


class CoursesHandler(PanelHandler):
    """GET courses: there is one."""

    @web.authenticated
    async def get(self) -> None:
        """Its name."""
        await self.tell(lambda: [COURSE])


class ListHandler(PanelHandler):
    """GET assignments."""

    @web.authenticated
    async def get(self) -> None:
        """Released, fetched and submitted assignments."""
        await self.tell(self.all)


class ActionHandler(PanelHandler):
    """POST assignments/ACTION."""

    @web.authenticated
    async def post(self, action: str) -> None:
        """Fetch, submit or fetch feedback; the new list."""
        name = str((self.get_json_body() or {}).get("assignment_id", ""))

        def act() -> list[Info]:
            ACTIONS[action](self.work(), name)
            return self.all()

        await self.tell(act)


class ValidateHandler(PanelHandler):
    """POST assignments/validate."""

    @web.authenticated
    async def post(self) -> None:
        """Run a notebook's visible tests."""
        root = Path(self.settings["server_root_dir"]).expanduser().resolve()
        path = (root / str((self.get_json_body() or {}).get("path", ""))).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            self.finish(json.dumps({"success": False, "value": OUTSIDE}))
            return
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-P",
                "-m",
                "course.exchange.validate",
                str(path),
            ),  # -P: not a json.py beside it
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=path.parent,
        )
        try:
            told, _ = await asyncio.wait_for(process.communicate(), VALIDATING)
            answer = json.loads(told.splitlines()[-1])
        except TimeoutError:
            process.kill()
            sentence = (
                f"The notebook ran for {VALIDATING // 60} minutes and was stopped. Does a loop never end?"
            )
            answer = {"success": False, "value": sentence}
        except (ValueError, IndexError):
            answer = {"success": False, "value": "The validation ended without an answer. Try again."}
        self.finish(json.dumps(answer))


class VersionHandler(PanelHandler):
    """GET nbgrader_version."""

    @web.authenticated
    async def get(self) -> None:
        """Whether the page and the server have the same nbgrader."""
        same = self.get_argument("version", "") == version("nbgrader")
        self.finish(json.dumps({"success": same, **({} if same else {"message": OTHER_VERSION})}))


def _relative(found: Any, root: Path) -> None:
    """Make each path of a list relative to the server's folder."""
    for each in found:
        for key in ("path", "local_feedback_path"):
            if each.get(key):
                each[key] = os.path.relpath(each[key], root)
        _relative([*each.get("notebooks", []), *each.get("submissions", [])], root)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "course.exchange.extension"}]


def _load_jupyter_server_extension(server: Any) -> None:
    handlers = [
        ("courses", CoursesHandler),
        ("assignments", ListHandler),
        ("assignments/(fetch|submit|fetch_feedback)", ActionHandler),
        ("assignments/validate", ValidateHandler),
        ("nbgrader_version", VersionHandler),
    ]
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [(url_path_join(base, path), each) for path, each in handlers])
