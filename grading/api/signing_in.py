"""Signing in to the pages, when each step may meet another of the API's processes.

JupyterHub keeps in memory where somebody wanted to go, and the secret half of the proof that the sign-in is
theirs. Here both travel with the browser, sealed: nobody can read or change them, any process can open them.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from jupyterhub.services.auth import HubOAuth

SEAL = Fernet(Fernet.generate_key())  # made before the processes part; after a restart one signs in again
LONGEST = 1000  # characters of an address to return to: a cookie holds some 4,000


class SharedSignIn(HubOAuth):
    """JupyterHub's sign-in for services, for several processes that share `SEAL`."""

    def generate_state(self, next_url: str | None = None, **extra: Any) -> str:
        """What the browser carries to the hub and back."""
        known = {"next_url": next_url if next_url and len(next_url) <= LONGEST else None, **extra}
        return SEAL.encrypt(json.dumps(known).encode()).decode()

    def clear_oauth_state(self, state_id: str) -> None:
        """Nothing was kept."""

    def _decode_state(self, state_id: str, /) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads(SEAL.decrypt(state_id.encode(), ttl=self.oauth_state_max_age))
        except InvalidToken:
            return {}
        return known
