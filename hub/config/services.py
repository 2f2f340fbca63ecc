"""Who else talks to the hub, and with which token. What each may do is in roles.py."""

import sys
from typing import Any

from traitlets.config import Config

from hub.config.settings import Settings


def configure(c: Config, settings: Settings) -> None:
    services: list[dict[str, Any]] = [
        {
            "name": "grading",
            "info": {"title": "Marks"},  # what the pages call it
            "url": "http://api:8300",
            "api_token": settings.grading_token,
            "oauth_no_confirm": True,  # nobody is asked whether a part of the classroom may know them
            "timeout": 1,  # the door opens whether or not grading is up: work is handed in once it is
        },
        {
            "name": "formgrader",
            "info": {"title": "Gradebook"},
            "url": "http://formgrader:8888",
            "api_token": settings.formgrader_token,
            "oauth_no_confirm": True,
            "timeout": 1,
        },
        {"name": "prometheus", "api_token": settings.metrics_token, "display": False},
        {"name": "routes", "api_token": settings.routes_token, "display": False},
        {"name": "roster", "api_token": settings.roster_token, "display": False},
        {"name": "warm", "api_token": settings.warm_token, "display": False},
    ]
    if settings.idle_timeout:
        services.append({"name": "idle-culler", "command": _culler(settings.idle_timeout), "display": False})
    c.JupyterHub.services = services


def _culler(timeout: int) -> list[str]:
    every = max(30, min(300, timeout // 4))
    return [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={timeout}", f"--cull-every={every}"]
