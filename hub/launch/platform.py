"""The LMS's word: whether it said what came, by its public keys."""

import asyncio
import math
import time
from typing import Any

import jwt
from tornado.httpclient import HTTPRequest

from hub.signin.issuer import Issuer

KEYS_SECONDS = 10  # strangers can send tokens of any key's name: the LMS is not asked for each


class Platform(Issuer):
    """An LMS. It has no description of its own: the admin says where its keys are."""

    setting = "lti.keys_url"

    def __init__(self, issuer: str, keys_url: str) -> None:
        super().__init__(issuer)
        self._keys_url = keys_url
        self._asking = asyncio.Lock()
        self._asked_at = -math.inf

    async def describe(self) -> dict[str, Any]:
        return {"jwks_uri": self._keys_url}

    async def try_keys(self) -> None:
        """Whether there are any; raises IssuerError."""
        told = await self._ask(HTTPRequest(self._keys_url))
        if not told.get("keys"):
            raise self._away(self._keys_url, "it holds no keys")

    async def _key(self, name: str | None) -> Any:
        async with self._asking:
            if name in self._keys:
                return self._keys[name]
            if name is None or time.monotonic() - self._asked_at < KEYS_SECONDS:
                raise jwt.InvalidTokenError(f"its key {name!a} is none of the LMS's")
            try:
                return await super()._key(name)
            except jwt.PyJWTError:
                self._asked_at = time.monotonic()
                raise
