"""formgrader as a part of the classroom: who may do what in it, what a page may load, who is noted.

Loaded by the Jupyter server in the place of nbgrader's own extension, which it loads itself.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import sys
from typing import Any

from jinja2 import Environment, FileSystemLoader
from jupyterhub.singleuser.extension import JupyterHubAuthorizer
from nbgrader.server_extensions.formgrader import apihandlers, formgrader, handlers
from tornado.web import HTTPError

from grading.nbgrader_side import audit
from grading.nbgrader_side.rendering import MarkingLoader, SafeHTMLExporter, new_nonce, nonce

STAFF_GROUP = "role-instructor"  # made by the roster
NAME = re.compile(r"[\w.@+ \-]{1,200}")  # of a student, assignment or notebook in an address
# What formgrader's pages have in their attributes: named one by one, so that nothing else runs from one.
INLINE = ("toggle_name(true);", "toggle_name(false);", "toggleAllNames()")
HASHES = " ".join(
    f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in INLINE
)
PAGE_POLICY = (
    "default-src 'self'; script-src 'nonce-{nonce}' 'unsafe-hashes' {hashes}; object-src 'none'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
# A student's own file, in a window of its own.
FILE_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
OPENED = {"png", "jpg", "jpeg", "gif", "pdf", "txt", "csv"}  # other files of students are downloaded


class MarkersAuthorizer(JupyterHubAuthorizer):
    """Instructors may all; graders have formgrader's pages, and no terminal and no files."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Whether somebody may do what is not formgrader's."""
        return teaches(user.hub_user) and super().is_authorized(handler, user, action, resource)


def teaches(user: dict[str, Any]) -> bool:
    """Whether somebody is an instructor, or the classroom's admin."""
    return user.get("name") == os.environ.get("TT_ADMIN") or STAFF_GROUP in user.get("groups", [])


# Who decides what is released and how an assignment is graded; a grader gives points and comments.
INSTRUCTORS = (
    apihandlers.AssignHandler,
    apihandlers.AutogradeHandler,
    apihandlers.CollectHandler,
    apihandlers.GenerateAllFeedbackHandler,
    apihandlers.GenerateFeedbackHandler,
    apihandlers.ReleaseAllFeedbackHandler,
    apihandlers.ReleaseFeedbackHandler,
    apihandlers.ReleaseHandler,
    apihandlers.UnReleaseHandler,
)


class Guard:
    """Before and after each of formgrader's handlers."""

    request: Any
    current_user: Any
    path_args: list[str]
    path_kwargs: dict[str, str]
    settings: dict[str, Any]
    asks_for_a_file = False

    async def prepare(self) -> None:
        """Who it is, and whether they may; a policy for what is answered."""
        waiting = super().prepare()  # type: ignore[misc]
        if waiting is not None:
            await waiting
        self.set_header(
            "Content-Security-Policy",
            FILE_POLICY if self.asks_for_a_file else PAGE_POLICY.format(nonce=new_nonce(), hashes=HASHES),
        )
        user = self.current_user
        if user is None:
            return  # the handler itself asks to sign in
        audit.acting.set(user.username)
        # nbgrader would read its configuration, which is Python, from any folder: a student's among them.
        if "path" in self.request.arguments:
            raise HTTPError(403)
        parts = [*self.path_args, *self.path_kwargs.values()]
        if not self.asks_for_a_file and not all(NAME.fullmatch(part) for part in parts if part):
            raise HTTPError(404)
        changes = self.request.method not in ("GET", "HEAD")
        decides = isinstance(self, (*INSTRUCTORS, apihandlers.AssignmentHandler, apihandlers.StudentHandler))
        if changes and decides and not teaches(user.hub_user):
            raise HTTPError(403)

    def on_finish(self) -> None:
        """What others write is seen by the next request."""
        gradebook = self.settings.get("nbgrader_gradebook")
        if gradebook is not None:
            gradebook.db.rollback()
        super().on_finish()  # type: ignore[misc]


class FileGuard(Guard):
    """For what a student handed in beside the notebook."""

    asks_for_a_file = True

    def set_extra_headers(self, path: str) -> None:
        """Nothing that could run is opened in the browser."""
        if path.rsplit(".", 1)[-1].lower() not in OPENED:
            self.set_header("Content-Disposition", "attachment")


class AutogradeGuard(Guard):
    """The button, without holding up everybody else while the sandbox works."""

    async def post(self, assignment: str, student: str) -> None:
        """Autograde one submission in a process of its own."""
        if self.current_user is None:
            raise HTTPError(403)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "grading.nbgrader_side.autograding", assignment, student,
            env={**os.environ, "TT_ACTING": self.current_user.username}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode:
            raise HTTPError(500)
        self.write(said)


GUARDS: dict[type, type] = {
    handlers.SubmissionFilesHandler: FileGuard,
    apihandlers.AutogradeHandler: AutogradeGuard,
}


def guarded(handler: type) -> type:
    """A handler of formgrader's with a guard."""
    return type(handler.__name__, (GUARDS.get(handler, Guard), handler), {})


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Load nbgrader's formgrader, with its handlers guarded and its pages marked."""
    for module in (handlers, apihandlers):
        module.default_handlers = [
            (path, guarded(handler) if issubclass(handler, handlers.BaseHandler) else handler, *rest)
            for path, handler, *rest in module.default_handlers
        ]
    formgrader.load_jupyter_server_extension(server)
    settings = server.web_app.settings
    pages = Environment(loader=MarkingLoader(FileSystemLoader(handlers.template_path)), autoescape=True)
    pages.globals["nonce"] = nonce.get
    settings["nbgrader_jinja2_env"] = pages
    settings["nbgrader_exporter"] = SafeHTMLExporter(config=settings["nbgrader_formgrader"].config)
    audit.install()
