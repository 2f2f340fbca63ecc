"""Calls of the grading API, with the token of the formgrader service."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from nbgrader.converters.base import NbGraderException

TIMEOUT = 60  # seconds; the API holds an answer back for 25


class GradingError(NbGraderException):
    """The grading service refused, or does not answer; the message is a sentence for the instructor."""

    def __init__(self, status: int | None, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def call(method: str, *path: str, body: Any = None) -> Any:
    """Call the API; the answer's JSON.

    Args:
        method: GET or POST.
        path: the parts of the address behind 'api/'; each is quoted.
        body: sent as JSON.

    Raises:
        GradingError: there is no good answer.
    """
    base = os.environ.get("TT_GRADING_URL")
    if not base:
        raise GradingError(
            None, "TT_GRADING_URL is not set, so there is no sandbox. Run this in the formgrader."
        )
    url = base + "api/" + "/".join(urllib.parse.quote(part, safe="") for part in path)
    headers = {
        "Authorization": f"token {os.environ.get('JUPYTERHUB_API_TOKEN', '')}",
        "Content-Type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode("ascii")
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 (the classroom's own address)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise GradingError(error.code, _sentence(error)) from None
    except (OSError, ValueError) as error:
        raise GradingError(None, f"The grading service does not answer ({error}). Try again.") from None


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"The grading service answered {error.code}."


def gradebook_url() -> str:
    """nbgrader's database: SQLite in the course folder, unless the classroom keeps it in PostgreSQL."""
    return os.environ.get("TT_GRADEBOOK_URL") or "sqlite:////srv/nbgrader/gradebook.db"
