"""Talking to the grading service: sending a submission, asking for its mark."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from course.tito import TitoError
from course.tito.terminal import say

TIMEOUT = 30  # seconds
PATIENCE = 30  # seconds that a submission is tried again, while the service is being replaced
PAUSES = (0.5, 1, 2, 3)  # then 5 seconds between two tries
AWAY = (502, 503, 504)  # what the proxy says when nobody is behind it, and the service when it cannot work
OUTSIDE = (
    "This is no classroom: TT_GRADING_URL or JUPYTERHUB_API_TOKEN is not set. Open a terminal in JupyterLab "
    "(File > New > Terminal) and try again there."
)


def is_there() -> bool:
    """Whether this runs in a classroom."""
    return bool(os.environ.get("TT_GRADING_URL") and os.environ.get("JUPYTERHUB_API_TOKEN"))


class ServiceAway(TitoError):  # noqa: N818  # says what is the matter
    """The service does not answer just now: trying again later may help."""


def hand_in(path: str, body: bytes) -> Any:
    """Send a submission and return the receipt; tries again while the service is away.

    A key travels with it: what was stored although its receipt got lost is not stored twice.
    """
    key = {"Idempotency-Key": secrets.token_hex(16)}
    until = time.monotonic() + PATIENCE
    pauses = iter(PAUSES)
    said = False
    while True:
        pause = next(pauses, 5)
        try:
            return ask(path, body, TIMEOUT, key)
        except ServiceAway:
            if time.monotonic() + pause > until:
                raise
        if not said:
            said = True
            say(f"The grading service does not answer yet. Trying again for up to {PATIENCE} seconds ...")
        time.sleep(pause)


def post(path: str, body: bytes, timeout: float = TIMEOUT) -> Any:
    """Send a body and return the answer."""
    return ask(path, body, timeout)


def get(path: str, timeout: float = TIMEOUT) -> Any:
    """Ask for something."""
    return ask(path, None, timeout)


def ask(
    path: str,
    body: bytes | None,
    timeout: float = TIMEOUT,
    more: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Any:
    """Ask the service.

    Raises:
        TitoError: it refuses, with its own sentence, or does not answer.
    """
    if not is_there():
        raise TitoError(OUTSIDE)
    try:
        with opener().open(request(path, body, more, method), timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        kind = ServiceAway if error.code in AWAY else TitoError
        raise kind(_told(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        kind = TitoError if isinstance(error, ValueError) else ServiceAway
        raise kind(
            f"The grading service does not answer ({reason}). Your work is safe in your folder. "
            "Try again in a minute; if it stays so, tell your instructor."
        ) from error


def request(
    path: str, body: bytes | None, more: Mapping[str, str] | None = None, method: str | None = None
) -> urllib.request.Request:
    """A request to the service, with the student's token."""
    headers = {
        "Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}",
        "Content-Type": "application/json",
        **(more or {}),
    }
    url = f"{os.environ['TT_GRADING_URL'].rstrip('/')}/api/{path}"
    return urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 (our own)


def opener() -> urllib.request.OpenerDirector:
    """What asks. The service is next door: a campus's proxy, if the environment names one, is left out."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _told(error: urllib.error.HTTPError) -> str:
    """The service's own sentence, where there is one."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return (
            f"The grading service answered {error.code} ({error.reason}). Try again, or tell your instructor."
        )
