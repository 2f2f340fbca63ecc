"""The few things that a roster asks of the hub, over its REST API."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import requests

STOP_SECONDS = 60  # a server that is starting or stopping has to end before its user can go
AT_ONCE = 100  # names in one request: a big class must not hold the hub's loop for seconds


class HubError(Exception):
    """The hub did not do what it was asked; the text says why."""


class Hub:
    """The hub's users and groups. `url` ends in /hub/api."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy for the outside has no business between us and the hub
        self._session.headers["Authorization"] = f"token {token}"

    def groups_of_users(self) -> dict[str, set[str]]:
        """Every user, with the groups they are in."""
        return {user["name"]: set(user["groups"]) for user in self._pages("/users")}

    def place(self, groups: dict[str, set[str]]) -> None:
        """Make each of them a user, and of a roster's groups in these alone (placing.py)."""
        for some in _portions(sorted(groups)):
            self._call("POST", "/roster", {username: sorted(groups[username]) for username in some})

    def remove_user(self, username: str) -> None:
        """End somebody's sessions, tokens and server, and their membership of groups; the home stays."""
        self._call("DELETE", f"/users/{quote(username, safe='')}", patience=STOP_SECONDS)

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        offset: int | None = 0
        while offset is not None:
            page = self._call("GET", f"{path}?offset={offset}&limit=200")
            yield from page["items"]
            following = page["_pagination"]["next"]
            offset = following["offset"] if following else None

    def _call(self, method: str, path: str, body: Any = None, patience: float = 0) -> Any:
        """Ask the hub; where somebody's server is just stopping, again and again for so many seconds."""
        accept = {"Accept": "application/jupyterhub-pagination+json"}
        until = time.monotonic() + patience
        try:
            while True:
                answer = self._session.request(
                    method, self.url + path, json=body, headers=accept, timeout=120
                )
                if answer.ok:
                    return answer.json() if answer.content else None
                if answer.status_code != 400 or time.monotonic() > until:
                    break
                time.sleep(1)
            reason = f"status {answer.status_code}: {_reason(answer)}"
        except (requests.RequestException, ValueError) as error:
            reason = str(error)
        raise HubError(f"The hub at {self.url} did not answer {method} {path} ({reason}).")


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason


def _portions(usernames: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(usernames), AT_ONCE):
        yield usernames[start : start + AT_ONCE]
