"""What a provider sends that is not to be believed: ID tokens forged in each way, addresses amiss."""

import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from hub.signin.issuer import Issuer, IssuerError, SecretError

CLIENT, SECRET, NONCE = "classroom", "se cret+%", "nonce"
OURS = rsa.generate_private_key(65537, 2048)
ANOTHERS = rsa.generate_private_key(65537, 2048)


class Told(RequestHandler):
    """Answers what the test says, and remembers what was asked."""

    def initialize(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def get(self) -> None:
        status, body = self.answers.get(self.request.path, (404, {"error": "not_found"}))
        self.answers.setdefault("asked", []).append(self.request)
        self.set_status(status)
        self.finish(body if isinstance(body, str) else json.dumps(body))

    post = get

    def check_xsrf_cookie(self) -> None:
        """A provider's address, not a form."""


class Campus:
    """A provider that says what the test wants."""

    def __init__(self) -> None:
        socket, port = bind_unused_port()
        self.url = f"http://127.0.0.1:{port}"
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OURS.public_key()))
        self.description = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
        }
        self.answers: dict[str, Any] = {
            "/.well-known/openid-configuration": (200, self.description),
            "/keys": (200, {"keys": [{**key, "kid": "ours", "use": "sig"}]}),
            "/userinfo": (200, {"sub": "1", "preferred_username": "ada"}),
        }
        self.server = HTTPServer(Application([(r"/.*", Told, {"answers": self.answers})]))
        self.server.add_socket(socket)

    def token(
        self, key: Any = OURS, algorithm: str = "RS256", kid: str = "ours", **changed: Any
    ) -> dict[str, str]:
        now = int(time.time())
        right = {"iss": self.url, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": NONCE}
        claims = {name: value for name, value in {**right, **changed}.items() if value is not None}
        signed = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
        return {"id_token": signed, "access_token": "access"}


def signed_with_what_everybody_knows(token: str) -> str:
    """The provider's public key, taken for a secret. PyJWT would not sign so."""
    public = OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = base64url_encode(json.dumps({"alg": "HS256", "kid": "ours"}).encode())
    signed = header + b"." + token.split(".")[1].encode()
    return (signed + b"." + base64url_encode(hmac.digest(public, signed, "sha256"))).decode()


@pytest.fixture
async def campus() -> Iterator[Campus]:
    opened = Campus()
    yield opened
    opened.server.stop()


async def refused(campus: Campus, tokens: dict[str, str]) -> IssuerError:
    with pytest.raises(IssuerError) as caught:
        await Issuer(campus.url).identify(tokens, CLIENT, NONCE)
    return caught.value


async def test_who_signed_in_is_what_token_and_userinfo_say(campus: Campus) -> None:
    told = await Issuer(campus.url).identify(campus.token(aud=[CLIENT, "other"], azp=CLIENT), CLIENT, NONCE)
    assert (told["sub"], told["preferred_username"]) == ("1", "ada")


async def test_a_forged_token_makes_nobody(campus: Campus) -> None:
    forged = [
        campus.token(key=ANOTHERS),
        campus.token(key=ANOTHERS, kid="anothers"),
        campus.token(key="", algorithm="none"),
        campus.token(key=SECRET * 8, algorithm="HS256"),
        {"id_token": signed_with_what_everybody_knows(campus.token()["id_token"])},
        campus.token(iss="https://evil.example"),
        campus.token(aud="another-client"),
        campus.token(aud=[CLIENT, "other"], azp="other"),
        campus.token(nonce="of another browser"),
        campus.token(nonce=None),
        campus.token(sub=""),
        campus.token(exp=None),
        {"id_token": "x.y.z"},
        {"id_token": ""},
        {},
    ]
    for tokens in forged:
        error = await refused(campus, tokens)
        assert "could not be verified" in error.words, tokens
        assert "ID token" in str(error)


async def test_userinfo_of_another_person_is_not_mixed_in(campus: Campus) -> None:
    campus.answers["/userinfo"] = (200, {"sub": "2", "groups": ["staff"]})
    assert "another person" in str(await refused(campus, campus.token()))


@pytest.mark.parametrize("by", [-3600, 3600])
async def test_clocks_that_do_not_agree_are_named(campus: Campus, by: int) -> None:
    then = int(time.time()) + by
    error = await refused(campus, campus.token(iat=then, exp=then + 300))
    assert "clock" in error.words
    assert "set this machine's clock" in str(error)
    near = int(time.time()) + 30
    assert await Issuer(campus.url).identify(campus.token(iat=near), CLIENT, NONCE)


async def test_new_keys_of_the_provider_are_found(campus: Campus) -> None:
    issuer = Issuer(campus.url)
    assert await issuer.identify(campus.token(), CLIENT, NONCE)
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(ANOTHERS.public_key()))
    campus.answers["/keys"] = (200, {"keys": [{**key, "kid": "new"}]})
    assert await issuer.identify(campus.token(key=ANOTHERS, kid="new"), CLIENT, NONCE)


@pytest.mark.parametrize(
    ("path", "answer", "line"),
    [
        ("/.well-known/openid-configuration", (404, "no"), "cannot be used: '404"),
        ("/.well-known/openid-configuration", (200, "<html>"), "is not JSON"),
        ("/.well-known/openid-configuration", (200, [1]), "is not JSON"),
        ("/.well-known/openid-configuration", (302, ""), "cannot be used: '302"),
        (
            "/.well-known/openid-configuration",
            (200, {"issuer": "https://x"}),
            "Write the address that it says",
        ),
        ("/keys", (500, ""), "cannot be used: '500"),
        ("/keys", (200, {"keys": []}), "refused"),
        ("/keys", (200, {"keys": "none"}), "refused"),
        ("/userinfo", (200, " " * 2_000_000), "cannot be used"),
    ],
)
async def test_a_provider_that_answers_amiss_is_told_to_the_admin(
    campus: Campus, path: str, answer: Any, line: str
) -> None:
    campus.answers[path] = answer
    assert line in str(await refused(campus, campus.token()))


async def test_endpoints_without_tls_are_not_taken_from_a_provider_with_it(campus: Campus) -> None:
    issuer = Issuer(campus.url)
    campus.description["token_endpoint"] = "ftp://127.0.0.1/token"
    with pytest.raises(IssuerError, match="no usable token_endpoint"):
        await issuer.describe()


async def test_a_provider_that_is_away_is_said_so() -> None:
    with pytest.raises(IssuerError) as caught:
        await Issuer("http://127.0.0.1:9").describe()
    assert "does not answer just now" in caught.value.words
    assert "oidc.issuer" in str(caught.value)


async def test_trying_out_tells_a_wrong_secret_from_a_right_one(campus: Campus) -> None:
    issuer = Issuer(campus.url)
    campus.answers["/token"] = (400, {"error": "invalid_grant"})
    await issuer.try_out(CLIENT, SECRET)
    sent = campus.answers["asked"][-1]
    assert sent.headers["Authorization"] == "Basic Y2xhc3Nyb29tOnNlK2NyZXQlMkIlMjU="  # form-encoded first
    assert SECRET not in sent.body.decode()
    campus.answers["/token"] = (401, {"error": "invalid_client"})
    with pytest.raises(SecretError, match=r"oidc\.secret_file") as caught:
        await issuer.try_out(CLIENT, SECRET)
    assert SECRET not in str(caught.value) + caught.value.words
