"""Asking the grading API, with what the classroom gives each server: an address and a token."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

TIMEOUT = 20  # seconds; whoever clicked is waiting
TRIES = 3  # of handing in, while the service is being replaced
PAUSE = 2.0  # seconds between them
AWAY = (502, 503, 504)
KEY = "Idempotency-Key"
OUTSIDE = (
    "This is no classroom: TT_GRADING_URL or JUPYTERHUB_API_TOKEN is not set. Open a terminal in JupyterLab "
    "(File > New > Terminal) and try again there."
)


class Refused(Exception):  # noqa: N818  # says what happened
    """The service did not do it; the message is for whoever asked."""


class Away(Refused):
    """The service does not answer just now."""


def ask(method: str, *path: str, body: bytes | None = None, query: Mapping[str, str] | None = None) -> Any:
    """Ask for one address below the API's; its answer.

    Raises:
        Refused: it was not done; the message says why.
    """
    return _ask(method, path, body, query or {}, {})


def hand_in(kind: str, name: str, content: Mapping[str, Any]) -> Any:
    """Hand something in; its receipt. Tries again while the service is away: it is stored once.

    Raises:
        Refused: it was not taken, or something else arrived than was sent.
    """
    body = json.dumps(content).encode()
    key = {KEY: secrets.token_hex(16)}
    for tries in range(1, TRIES + 1):
        try:
            receipt = _ask("POST", ("submissions", kind, name), body, {}, key)
            break
        except Away:
            if tries == TRIES:
                raise
            time.sleep(PAUSE)
    if receipt.get("sha256") != hashlib.sha256(body).hexdigest():
        raise Refused("What arrived is not what was sent. Please submit again.")
    return receipt


def wire(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Files as they travel."""
    return {"files": {path: base64.b64encode(files[path]).decode() for path in sorted(files)}}


def unwire(answer: Mapping[str, Any]) -> dict[str, bytes]:
    """Files that have travelled."""
    return {path: base64.b64decode(content) for path, content in answer["files"].items()}


def _ask(
    method: str, path: tuple[str, ...], body: bytes | None, query: Mapping[str, str], more: Mapping[str, str]
) -> Any:
    address, token = os.environ.get("TT_GRADING_URL"), os.environ.get("JUPYTERHUB_API_TOKEN")
    if not address or not token:
        raise Refused(OUTSIDE)
    url = f"{address.rstrip('/')}/api/{'/'.join(urllib.parse.quote(part, safe='') for part in path)}"
    if query:
        url += f"?{urllib.parse.urlencode(query)}"
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json", **more}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310  # the classroom's own
    # The service is next door: a campus's proxy, if the environment names one, must not see it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise (Away if error.code in AWAY else Refused)(_told(error)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Away(
            f"The grading service does not answer ({reason}). Your work is safe in your folder. Try again in "
            "a minute; if it stays so, tell your instructor."
        ) from None


def _told(error: urllib.error.HTTPError) -> str:
    """The service's own sentence, where there is one."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return (
            f"The grading service answered {error.code} ({error.reason}). Try again, or tell your instructor."
        )
