"""The few things that warming asks of the hub, as its service `warm`."""

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from hub.roster.hub_api import Hub, HubError

LOOK_EVERY = 0.5  # seconds
ANSWER_SECONDS = 60
NO_REASON = "it ended before it was ready"


@dataclass(frozen=True)
class User:
    """One of the hub's users."""

    name: str
    groups: frozenset[str]
    active: bool  # whether their server runs or is on its way
    profile: str = ""  # that they chose for it; empty: the one of their role


class Servers(Hub):
    """The hub's users and their servers."""

    def users(self) -> list[User]:
        return [
            User(user["name"], frozenset(user["groups"]), bool(user["servers"]), _chosen(user["servers"]))
            for user in self._pages("/users")
        ]

    def start(self, username: str) -> str:
        """Start a server and wait until it is ready; returns why it is not, or nothing."""
        user = f"/users/{quote(username, safe='')}"
        # What comes of it is asked below: it may run already, since somebody clicked a moment ago.
        self._ask("POST", f"{user}/server")
        while True:
            server = self._call("GET", user)["servers"].get("")
            if not server:
                return self._why(f"{user}/server/progress")
            if server["ready"]:
                return ""
            time.sleep(LOOK_EVERY)

    def _why(self, progress: str) -> str:
        """What the hub says about a start that failed: its last piece of news."""
        news = [line[5:] for line in self._ask("GET", progress).text.splitlines() if line.startswith("data:")]
        try:
            said: Any = json.loads(news[-1])["message"]
        except (IndexError, ValueError, KeyError):
            return NO_REASON
        return str(said).removeprefix("Spawn failed: ")

    def _ask(self, method: str, path: str) -> requests.Response:
        try:
            return self._session.request(method, self.url + path, timeout=ANSWER_SECONDS)
        except requests.RequestException as error:
            raise HubError(f"The hub at {self.url} did not answer {method} {path} ({error}).") from None


def _chosen(servers: dict[str, Any]) -> str:
    return next((str(server["user_options"].get("profile", "")) for server in servers.values()), "")
