"""Talking to the campus's provider: where it is, whether it said what came, and words for what fails."""

import asyncio
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10
LARGEST = 2**20  # bytes of an answer
REMEMBERED = 3600  # seconds for which the provider's own description is not asked for again
SKEW = 60  # seconds by which two clocks may differ
# Keys that anybody may know: what is signed with the client's secret would show nothing to others, and a
# token without a signature nothing at all.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

TRY_LATER = "Try again in a minute; if it stays so, tell your instructor."
TELL = "Tell your instructor: this cannot be mended from here."
BEGIN_AGAIN = "This sign-in took too long, or was used already. Begin again."


class IssuerError(Exception):
    """The provider is away, refuses, or says what cannot be. `words` are for the person, the text is not."""

    def __init__(self, words: str, line: str, status: int = 502) -> None:
        super().__init__(line)
        self.words, self.status = words, status


class SecretError(IssuerError):
    """The classroom itself is refused: its client_id or its secret is wrong."""


class Issuer:
    """An OpenID provider. `address` is its issuer identifier, exactly as it writes it itself."""

    setting = "oidc.issuer"  # where the admin says which one it is

    def __init__(self, address: str) -> None:
        self.address = address
        self._description: dict[str, Any] = {}
        self._described_at = 0.0
        self._keys: dict[str | None, Any] = {}

    async def describe(self) -> dict[str, Any]:
        """Its endpoints, as it publishes them; raises IssuerError."""
        if self._description and time.monotonic() - self._described_at < REMEMBERED:
            return self._description
        place = self.address.rstrip("/") + "/.well-known/openid-configuration"
        told = await self._ask(HTTPRequest(place))
        if told.get("issuer") != self.address:
            raise IssuerError(
                f"Your campus's sign-in cannot be used. {TELL}",
                f"{place} says that its issuer is {told.get('issuer')!a}, not {self.address!r}. "
                "Write the address that it says as oidc.issuer.",
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            where = urlsplit(str(told.get(name, "")))
            if not where.netloc or where.scheme not in ("https", urlsplit(self.address).scheme):
                raise IssuerError(
                    f"Your campus's sign-in cannot be used. {TELL}",
                    f"{place} has no usable {name}. Is oidc.issuer the address of an OpenID provider?",
                )
        self._description, self._described_at = told, time.monotonic()
        return told

    async def tokens(self, parameters: Mapping[str, str], client_id: str, secret: str) -> dict[str, Any]:
        """What it gives for a code; raises IssuerError."""
        told = await self.describe()
        # The way of every client that was not registered otherwise; each part is encoded (RFC 6749, 2.3.1).
        basic = "client_secret_basic" in told.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )
        if not basic:
            parameters = {**parameters, "client_id": client_id, "client_secret": secret}
        request = HTTPRequest(told["token_endpoint"], method="POST", body=urlencode(parameters))
        if basic:
            request.auth_username, request.auth_password = quote_plus(client_id), quote_plus(secret)
        request.headers["Accept"] = "application/json"
        return await self._ask(request)

    async def try_out(self, client_id: str, secret: str) -> None:
        """Whether it is there and knows the classroom; raises IssuerError."""
        await self._ask(HTTPRequest((await self.describe())["jwks_uri"]))
        request = {"grant_type": "authorization_code", "code": "none", "redirect_uri": self.address}
        try:
            await self.tokens(request, client_id, secret)
        except SecretError:
            raise
        except IssuerError:
            return  # such a code is nobody's: what counts is that it was not the secret

    async def identify(self, tokens: Mapping[str, Any], client_id: str, nonce: str) -> dict[str, Any]:
        """The claims about who has signed in; raises IssuerError."""
        claims = await self.checked(str(tokens.get("id_token", "")), client_id, nonce)
        place = (await self.describe()).get("userinfo_endpoint")
        if not place:
            return claims
        headers = {"Authorization": f"Bearer {tokens.get('access_token')}", "Accept": "application/json"}
        more = await self._ask(HTTPRequest(place, headers=headers))
        if more.get("sub") != claims["sub"]:
            raise self._not_believed("the userinfo endpoint speaks of another person")
        return {**more, **claims}

    async def checked(self, token: str, client_id: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token (OpenID Connect Core 3.1.3.7)."""
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=client_id,
                issuer=self.address,
                leeway=SKEW,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.ImmatureSignatureError, jwt.ExpiredSignatureError) as error:
            raise self._other_time(token) from error
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise self._not_believed(str(error)) from error
        if claims.get("azp", client_id) != client_id or not claims["sub"]:
            raise self._not_believed("it is meant for another client")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise self._not_believed("it answers another sign-in (nonce)")
        return claims

    async def _key(self, name: str | None) -> Any:
        """A public key of the provider's; asked for again when it has made new ones."""
        if name not in self._keys:
            told = await self._ask(HTTPRequest((await self.describe())["jwks_uri"]))
            usable = jwt.PyJWKSet.from_dict(told).keys
            self._keys = {key.key_id: key.key for key in usable if key.public_key_use in (None, "sig")}
        if name is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if name not in self._keys:
            raise jwt.InvalidTokenError(f"its key {name!a} is none of the provider's")
        return self._keys[name]

    async def _ask(self, request: HTTPRequest) -> dict[str, Any]:
        """A JSON object from one of its addresses."""
        told, _ = await self._fetch(request)
        return told

    async def _fetch(self, request: HTTPRequest) -> tuple[dict[str, Any], HTTPHeaders]:
        """The same, with the headers that it came with."""
        client = AsyncHTTPClient(force_instance=True, max_body_size=LARGEST)
        request.connect_timeout, request.request_timeout = CONNECT_SECONDS, ANSWER_SECONDS
        request.follow_redirects = False  # a secret goes where the admin said, and nowhere else
        try:
            answer = await client.fetch(request)
            told = json.loads(answer.body)
            if not isinstance(told, dict):
                raise ValueError("no object")
        except HTTPClientError as error:
            raise self._refused(request.url, error) from error
        except (OSError, asyncio.TimeoutError) as error:
            raise self._away(request.url, str(error) or type(error).__name__) from error
        except (ValueError, RecursionError) as error:
            raise self._away(request.url, "what it answers is not JSON") from error
        finally:
            client.close()
        return told, answer.headers

    def _refused(self, place: str, error: HTTPClientError) -> IssuerError:
        code = ""
        try:
            told = json.loads(error.response.body) if error.response else {}
            code = str(told.get("error", ""))
        except (ValueError, AttributeError, RecursionError):
            pass
        if code == "invalid_grant":
            return IssuerError(BEGIN_AGAIN, f"{place} takes the code no more (invalid_grant).", 400)
        at_door = place == self._description.get("token_endpoint")
        if code in ("invalid_client", "unauthorized_client") or (error.code == 401 and at_door):
            return SecretError(
                f"Your campus does not let this classroom ask who you are. {TELL}",
                f"{place} refuses the classroom's client_id or its secret ({code or error.code}). Put the "
                "right secret into the file that oidc.secret_file names, and run `make deploy`.",
            )
        return self._away(place, f"{error.code} {code or error.message}")

    def _away(self, place: str, why: str) -> IssuerError:
        return IssuerError(
            f"Your campus's sign-in does not answer just now. {TRY_LATER}",
            f"{place} cannot be used: {why[:200]!a}. Is {self.setting} right, and does the machine "
            "reach it? Its certificate must be one that the machine trusts.",
        )

    def _not_believed(self, why: str) -> IssuerError:
        return IssuerError(
            f"What your campus said about you could not be verified. {TELL}",
            f"The ID token of {self.address} is refused: {why[:200]!a}.",
        )

    def _other_time(self, token: str) -> IssuerError:
        told = jwt.decode(token, options={"verify_signature": False})
        return IssuerError(
            "The clock of this classroom and that of your campus's sign-in do not agree. "
            "Tell your instructor: one of them must be set.",
            f"The ID token of {self.address} holds from {_clock(told.get('iat'))} to "
            f"{_clock(told.get('exp'))}, but here it is {_clock(time.time())}: set this machine's clock, or "
            "have the provider's set.",
        )


def _clock(seconds: Any) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (TypeError, ValueError, OverflowError, OSError):
        return "no time at all"
