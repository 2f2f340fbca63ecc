"""An LMS: lti1p3platform, a third party's implementation, behind a small HTTP server on a port of its own.

Its pages are at `localhost`, the hub's at 127.0.0.1: to a browser two sites, as in life.
"""

import html
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.membership import Context
from lti1p3platform.message_launch import LTIAdvantageMessageLaunchAbstract
from lti1p3platform.oidc_login import OIDCLoginAbstract
from lti1p3platform.registration import Registration
from lti1p3platform.request import Request, TRequest
from lti1p3platform.service_connector import NamesRoleProvisioningService, TPage

SENT = ("id_token", "state")
CLIENT, DEPLOYMENT, COURSE, LINK = "classroom", "1", "42", "link-7"
HERE = "http://purl.imsglobal.org/vocab/lis/v2/membership#"
CAMPUS = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#"
TA = "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"
PEOPLE: dict[str, dict[str, Any]] = {
    # LOGIN: what the LMS knows. `sub` is another word, which the classroom never shows.
    "ada": {"sub": "u-1", "name": "Ada <i>L.</i>", "roles": [f"{HERE}Instructor", f"{CAMPUS}Administrator"]},
    "Grace": {"sub": "u-2", "name": "Grace", "roles": [f"{HERE}Learner", f"{CAMPUS}Instructor"]},
    "tom": {"sub": "u-3", "name": "Tom", "roles": [f"{HERE}Instructor", TA]},
    "parent": {"sub": "u-4", "name": "Parent", "roles": [f"{HERE}Mentor", f"{CAMPUS}Instructor"]},
    "admin": {"sub": "u-5", "name": "Would be admin", "roles": [f"{HERE}Instructor"]},
    "$User.username": {"sub": "u-6", "name": "Nameless", "roles": [f"{HERE}Learner"]},
}


class Configuration(LTI1P3PlatformConfAbstract):
    """Which tool the LMS knows."""

    def init_platform_config(self, registration: Registration) -> None:
        self._registration = registration

    def get_registration_by_params(self, **kwargs: Any) -> Registration:
        raise AssertionError("there is one")


class Tool(Registration):
    """The classroom, as the LMS knows it. `lms` says how its messages are changed before they are signed."""

    lms: "Lms"

    def platform_encode_and_sign(self, payload: dict[str, Any], expiration: int | None = None) -> str:
        now = int(time.time()) + self.lms.clock
        told = {**payload, "iat": now, "exp": now + (expiration or 0), **self.lms.changed}
        return super().platform_encode_and_sign(told)


class Login(OIDCLoginAbstract):
    """A click on the link in the course."""

    def set_lti_message_hint(self, **kwargs: Any) -> None:
        self._lti_message_hint = kwargs["hint"]

    def get_redirect(self, url: str) -> str:
        return url


class Message(LTIAdvantageMessageLaunchAbstract):
    """What the browser takes to the tool."""

    def render_launch_form(self, launch_data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return launch_data


class Asked(Request):
    """A request as lti1p3platform reads it."""

    def build_metadata(self, request: TRequest) -> TRequest:
        return request


class Members(NamesRoleProvisioningService):
    """Who is in the course."""

    def get_member_data_page(
        self, page: Any = 1, limit: Any = None, role: Any = None, since: Any = None, rlid: Any = None
    ) -> TPage:
        return {"content": [member(login) for login in PEOPLE], "has_next": False}

    def get_context_by_id(self) -> Context:
        return Context(COURSE, "CS 101", "Deep Learning")

    def is_resource_link_valid(self, context_id: str, resource_link_id: str) -> bool:
        return resource_link_id == LINK


def member(login: str) -> dict[str, Any]:
    """A person as names-and-roles tells them, asked for a link (NRPS 2.0, 2.4)."""
    claim = "https://purl.imsglobal.org/spec/lti/claim/"
    person = PEOPLE[login]
    message = {f"{claim}message_type": "LtiResourceLinkRequest", f"{claim}custom": {"username": login}}
    return {
        "user_id": person["sub"],
        "name": person["name"],
        "email": f"{login.casefold()}@example.edu",
        "roles": person["roles"],
        "status": "Active",
        "message": [message],
    }


@dataclass
class Lms:
    """`clock` seconds is its clock wrong. What `changed` says is so instead, in all that it sends."""

    hub: str  # the classroom's address below which its pages are
    clock: int = 0
    changed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        lms = self

        class Pages(Answers):
            of = lms

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.url = f"http://localhost:{self.server.server_port}"
        self.registration = (
            Tool()
            .set_iss(self.url)
            .set_client_id(CLIENT)
            .set_deployment_id(DEPLOYMENT)
            .set_launch_url(self.hub.removesuffix("hub/"))
            .set_oidc_login_url(f"{self.hub}lti13/oauth_login")
            .set_tool_key_set_url(f"{self.hub}lti13/jwks")
            .set_platform_public_key(public)
            .set_platform_private_key(private)
        )
        self.registration.lms = self
        self.configuration = Configuration(registration=self.registration)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def begin(self, login: str) -> str:
        """Where the link in the course leads."""
        begun = Login(None, self.configuration)
        begun.set_lti_message_hint(hint=LINK)
        return str(begun.initiate_login(login))

    def launch(self, asked: dict[str, str]) -> dict[str, Any]:
        """What is sent to the tool: id_token, state, launch_url."""
        login = asked["login_hint"]
        person = PEOPLE[login]
        message = Message(Asked({"get_data": asked, "form_data": {}}), self.configuration)
        message.set_user_data(
            person["sub"], person["roles"], person["name"], f"{login.casefold()}@example.edu"
        )
        message.set_resource_link_claim(LINK)
        message.set_launch_context_claim(COURSE, [], "Deep Learning", "CS 101")
        message.set_custom_parameters_claim({"username": login})
        message.set_ags(f"{self.url}/line-items")
        message.set_nrps(f"{self.url}/members")
        sent: dict[str, Any] = message.lti_launch()
        return sent


class Answers(BaseHTTPRequestHandler):
    """The LMS's pages."""

    of: Lms

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/course":  # a page with the link in it, or with the tool in a frame
            begin = html.escape(self.of.begin(query["as"]))
            link = f'<a href="{begin}">The classroom</a>'
            frame = f'<iframe title="tool" src="{begin}" width="900" height="700"></iframe>'
            self._answer("text/html", f"<h1>Deep Learning</h1>{frame if 'framed' in query else link}")
        elif path == "/authorize":
            sent = self.of.launch(query)
            fields = "".join(
                f'<input type="hidden" name="{name}" value="{html.escape(sent[name])}">' for name in SENT
            )
            form = f'<form method="post" action="{html.escape(sent["launch_url"])}">{fields}</form>'
            self._answer("text/html", f"{form}<script>document.forms[0].submit()</script>")
        elif path == "/keys":
            self._json(self.of.configuration.get_jwks())
        elif path == "/members":
            request: TRequest = {"method": "GET", "headers": self.headers, "get_data": query, "form_data": {}}
            told = Members(
                Asked(request), self.of.configuration, f"{self.of.url}/members"
            ).handle_get_members()
            self._json(told.result, told.code)
        else:
            self._answer("text/plain", "no such page", 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._json(self.of.configuration.get_access_token(dict(parse_qsl(body))))

    def _json(self, told: Any, status: int = 200) -> None:
        self._answer("application/json", json.dumps(told), status)

    def _answer(self, kind: str, text: str, status: int = 200) -> None:
        body = f"<!DOCTYPE html><title>LMS</title>{text}".encode() if kind == "text/html" else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing: the tests say what went wrong."""
