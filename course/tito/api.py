"""Talking to the grading service: sending a submission, asking for its mark."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

from course.tito import TitoError

TIMEOUT = 30  # seconds
OUTSIDE = (
    "This is no classroom: TT_GRADING_URL or JUPYTERHUB_API_TOKEN is not set. Open a terminal in JupyterLab "
    "(File > New > Terminal) and try again there."
)


def is_there() -> bool:
    """Whether this runs in a classroom."""
    return bool(os.environ.get("TT_GRADING_URL") and os.environ.get("JUPYTERHUB_API_TOKEN"))


def post(path: str, body: bytes, timeout: float = TIMEOUT) -> Any:
    """Send a body and return the answer."""
    return _ask(path, body, timeout)


def get(path: str) -> Any:
    """Ask for something."""
    return _ask(path, None, TIMEOUT)


def _ask(path: str, body: bytes | None, timeout: float) -> Any:
    if not is_there():
        raise TitoError(OUTSIDE)
    headers = {
        "Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}",
        "Content-Type": "application/json",
    }
    url = f"{os.environ['TT_GRADING_URL'].rstrip('/')}/api/{path}"
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 (the classroom's own address)
    # The service is next door: a campus's proxy, if the environment names one, must not see it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise TitoError(_told(error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise TitoError(
            f"The grading service does not answer ({reason}). Your work is safe in your folder. "
            "Try again in a minute; if it stays so, tell your instructor."
        ) from error


def _told(error: urllib.error.HTTPError) -> str:
    """The service's own sentence, where there is one."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return (
            f"The grading service answered {error.code} ({error.reason}). Try again, or tell your instructor."
        )
