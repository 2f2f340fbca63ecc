#!/opt/venv/bin/python
"""Starts a student's server: jupyterhub-singleuser, less the imports that a student's server makes no use of.

Most of what a server costs to start is importing, and a third of that is the hub's own database layer,
pulled in by a log function. Here such modules are *deferred*: in their place stands one that imports the
real module when something of it is used for the first time. So nothing is missing; an upgrade that needs
more at start gets it, only slower (the image's build test says when that happens). images/README.md has
each one's measured gain.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

ROOM = 2**16  # bytes that a home must have left to be written to at the start


class Deferred(ModuleType):
    """A module that is imported when something of it is used that is not already given here."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        stop_deferring()
        return getattr(importlib.import_module(self.__name__), name)


def defer(name: str, **given: object) -> None:
    """Put a deferred module in the place of `name`; `given` are names imported from it, but only named."""
    module = Deferred(name)
    module.__path__ = []  # a package too: its parts may be deferred beside it
    vars(module).update(given)
    sys.modules[name] = module


def stop_deferring() -> None:
    """From here on, all is imported as it is: what one deferred module needs may be deferred itself."""
    for name, module in list(sys.modules.items()):
        if module is None or isinstance(module, Deferred):
            del sys.modules[name]


class Never(Exception):  # noqa: N818 - stands in for classes that are only in an `except` or an `isinstance`
    """What nothing is an instance of."""


def prepare() -> None:
    """Defer what a student's server does not use. Before anything of Jupyter is imported."""
    # jupyterhub.log wants to know the hub's health check, jupyterhub.utils the class of a database error, and
    # jupyterhub.scopes the hub's tables: sqlalchemy, alembic and mako would come with them.
    defer("jupyterhub.handlers")
    defer("jupyterhub.handlers.pages", HealthCheckHandler=Never)
    defer("jupyterhub.orm")
    defer("jupyterhub.roles")
    defer("sqlalchemy")
    defer("sqlalchemy.exc", SQLAlchemyError=Never)
    # JupyterLab's lists of allowed extensions, and its extension manager: students install nothing there.
    defer("requests")
    defer("jupyterlab.extensions.pypi", PyPIExtensionManager=Never)
    # Optional to jsonschema, taken where they can be imported: formats that none of our schemas uses.
    # Optional to aiohttp: name servers by way of C; the hub is an address.
    for optional in ("rfc3986_validator", "isoduration", "webcolors", "fqdn", "uri_template", "aiodns"):
        sys.modules[optional] = None  # type: ignore[assignment]


def welcome() -> None:
    """The student's folder on the first start, with the first module. Never overwrites work."""
    if Path("~/course/README.md").expanduser().exists():
        return
    from course.tito import cli

    try:
        cli.main(["start"])
    except (OSError, SystemExit) as error:  # a full home must not shut its owner out, who could make room
        print(f"start-student: ~/course could not be prepared: {error}", file=sys.stderr)


def do_without_room() -> None:
    """With a full home, what Jupyter, kernels and matplotlib note down goes elsewhere, and is lost.

    Without a folder for its profile no kernel starts; and where there is one, but no mark of Jupyter's that
    it has looked at it, no server.
    """
    trial = Path(f"~/.room-{os.getpid()}").expanduser()
    try:
        trial.mkdir()
        (trial / "trial").write_bytes(bytes(ROOM))
    except OSError:
        for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR"):
            os.environ.setdefault(name, f"/tmp/{name.lower()}")  # noqa: S108 - the container's, and nobody else's
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def let_pip_install() -> None:
    """Into the home, where there is a way out; own_packages.pth finds it there, behind all that is given."""
    if "https_proxy" not in os.environ:
        return
    own = Path("~/.local").expanduser()
    os.environ |= {"PIP_PREFIX": str(own), "PIP_NO_WARN_SCRIPT_LOCATION": "1"}
    os.environ["PATH"] += f":{own}/bin"
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    with suppress(OSError):  # a kernel that runs finds only what comes into a folder that was there
        (own / "lib" / python / "site-packages").mkdir(parents=True, exist_ok=True)


def main() -> None:
    os.environ.setdefault("SHELL", "/bin/bash")  # what a terminal runs
    do_without_room()
    let_pip_install()
    welcome()
    # Thousands of objects are made that stay: looking through them for garbage, again and again, finds none.
    gc.disable()
    prepare()
    try:
        from jupyterhub.singleuser import extension
    except ImportError:  # a part of something deferred was wanted: then without any of this
        stop_deferring()
        for name in [name for name in sys.modules if name.split(".")[0] == "jupyterhub"]:
            del sys.modules[name]
        from jupyterhub.singleuser import extension

    initialize = extension.JupyterHubSingleUser.initialize

    def initialize_and_collect(self: Any, *arguments: Any, **named: Any) -> Any:
        result = initialize(self, *arguments, **named)
        gc.freeze()
        gc.enable()
        return result

    extension.JupyterHubSingleUser.initialize = initialize_and_collect
    sys.exit(extension.main())


if __name__ == "__main__":
    main()
