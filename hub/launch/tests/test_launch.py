"""What a launch says, who that is here, and what is kept of it, without any page."""

import asyncio
import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jwt
import pytest

from hub.accounts.names import PROBE
from hub.accounts.store import Account, Store
from hub.launch import choices, claims
from hub.launch.authenticator import LaunchSignIn
from hub.launch.choices import Choices
from hub.launch.claims import LTI, Course
from hub.launch.courses import Courses
from hub.launch.key import Key
from hub.launch.platform import Platform
from hub.launch.tests.lms import CAMPUS, HERE, TA
from hub.launch.under_way import UnderWay
from hub.signin.claims import ClaimsError
from hub.signin.entering import SignInError

TOLD: dict[str, Any] = {
    "issuer": "https://moodle.example.edu",
    "client_id": "classroom",
    "authorize_url": "https://moodle.example.edu/auth",
    "keys_url": "https://moodle.example.edu/keys",
    "token_url": None,
    "deployments": ["1"],
    "courses": ["42", "43"],
    "username_claim": "custom.username",
    "course_is_section": False,
    "roster_only": False,
}


def chosen(**changed: Any) -> Choices:
    return choices.read(base64.b64encode(json.dumps({**TOLD, **changed}).encode()).decode())


def launched(**changed: Any) -> dict[str, Any]:
    """A launch's claims; those of LTI by what follows their common beginning, None for without."""
    lti = {
        "message_type": "LtiResourceLinkRequest",
        "version": "1.3.0",
        "deployment_id": "1",
        "target_link_uri": "https://classroom.example.edu/",
        "resource_link": {"id": "7"},
        "roles": [f"{HERE}Learner"],
        "context": {"id": "42", "label": "CS 101", "title": "Deep Learning"},
        "custom": {"username": "Ada"},
        **changed,
    }
    base = {"iss": TOLD["issuer"], "aud": "classroom", "sub": "u-1", "nonce": "n", "iat": 2**33, "exp": 2**33}
    return {**base, **{f"{LTI}{name}": value for name, value in lti.items() if value is not None}}


@pytest.mark.parametrize("text", ["", "W10=", "e30=", base64.b64encode(b'{"issuer": ""}').decode()])
def test_choices_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the hub's settings have the words)
        choices.read(text)


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        ([f"{HERE}Learner", f"{CAMPUS}Instructor"], "student"),
        ([f"{HERE}Instructor", f"{HERE}Learner"], "instructor"),
        ([f"{HERE}Instructor", TA], "grader"),
        (["Instructor"], "instructor"),
        ([f"{CAMPUS}Instructor", "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"], None),
        ([f"{HERE}Mentor"], None),
        ([], None),
        ("Instructor", None),
        ([{"a": 1}, None], None),
        (["urn:lti:role:ims/lis/Instructor#x"], None),
    ],
)
def test_a_role_is_that_in_the_course(roles: Any, role: str | None) -> None:
    assert claims.role_of(roles) == role


def test_a_course_is_a_section_where_the_settings_say_so() -> None:
    assert claims.read(launched(), chosen()).groups == {"role-student"}
    assert "section-cs-101" in claims.read(launched(), chosen(course_is_section=True)).groups
    bare = launched(context={"id": "43"})
    assert "section-43" in claims.read(bare, chosen(course_is_section=True)).groups


@pytest.mark.parametrize("name", ["context", "resource_link", "roles", "custom", "version"])
@pytest.mark.parametrize("value", [None, [], "text", 7, {}])
def test_a_launch_that_is_not_one_is_refused_in_words(name: str, value: Any) -> None:
    with pytest.raises(ClaimsError) as caught:
        claims.read(launched(**{name: value}), chosen())
    assert caught.value.words


def test_the_name_is_the_claim_that_the_settings_say() -> None:
    assert claims.read(launched(), chosen()).username == "ada"
    lis = launched(lis={"person_sourcedid": "S-0042"})
    assert claims.read(lis, chosen(username_claim="lis.person_sourcedid")).username == "s-0042"
    mail = {**launched(), "email": "Ada@example.edu"}
    assert claims.read(mail, chosen(username_claim="email")).username == "ada@example.edu"


def test_a_launch_for_several_tools_says_that_it_is_for_this_one() -> None:
    several = {**launched(), "aud": ["classroom", "other"]}
    with pytest.raises(ClaimsError, match="azp"):
        claims.read(several, chosen())
    assert claims.read({**several, "azp": "classroom"}, chosen())


def made(folder: Path, **changed: Any) -> LaunchSignIn:
    return LaunchSignIn(
        path=str(folder / "accounts.sqlite"),
        first_passwords={"admin": "first-of-the-admin", PROBE: "secret-of-the-probe"},
        choices=chosen(**changed),
    )


def test_the_rosters_word_stands_before_the_launch(tmp_path: Path) -> None:
    lms = made(tmp_path, roster_only=True)
    launch = claims.read(launched(), lms.choices)
    with pytest.raises(SignInError, match="not on this class's list"):
        asyncio.run(lms.authenticate(None, launch))
    assert not lms.identities.is_bound("ada")
    lms.store.add(Account("ada", "Ada L.", role="grader", origin="roster"))
    signed_in = asyncio.run(lms.authenticate(None, launch))
    assert signed_in == {"name": "ada", "user_info": {"display_name": "Ada L."}, "admin": False}


def test_who_has_left_the_class_does_not_come_in(tmp_path: Path) -> None:
    lms = made(tmp_path)
    lms.store.add(Account("ada", "Ada L.", origin="roster", left_at=1.0))
    with pytest.raises(SignInError, match="has left this class"):
        asyncio.run(lms.authenticate(None, claims.read(launched(), lms.choices)))


def test_a_form_makes_no_launch(tmp_path: Path) -> None:
    launch = asdict(claims.read(launched(), chosen()))
    assert asyncio.run(made(tmp_path).authenticate(None, {**launch, "password": ""})) is None


def test_the_last_launch_from_each_link_is_kept(tmp_path: Path) -> None:
    courses = Courses(Store(tmp_path / "accounts.sqlite"), "here")
    for link, title in (("7", "Old"), ("7", "Deep Learning"), ("8", "Deep Learning")):
        courses.keep("u-1", Course("42", title, "1", link, "", "", "https://moodle.example.edu/members"))
    courses.keep("u-2", Course("43", "No names and roles", "1", "9", "", "", ""))
    assert [(course.id, course.title, course.link) for course in courses.known()] == [
        ("42", "Deep Learning", "8")
    ]
    assert Courses(courses.store, "elsewhere").known() == []


def test_a_launch_is_taken_once(tmp_path: Path) -> None:
    launch, under_way = claims.read(launched(), chosen()), UnderWay()
    assert under_way.take("state") is None
    assert under_way.arrive("state", launch)
    assert under_way.take("state") == launch
    assert under_way.take("state") is None
    assert not under_way.arrive("state", launch)


def test_the_key_stays_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "lti-key.pem"
    public = Key(path).public()
    assert Key(path).public() == public
    assert path.stat().st_mode & 0o777 == 0o600
    assert "d" not in public
    assert jwt.decode(Key(path).sign({"a": 1}), jwt.PyJWK(public).key, algorithms=["RS256"]) == {"a": 1}


async def test_an_lms_is_not_asked_for_keys_by_each_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    platform, asked = Platform("https://moodle.example.edu", "https://moodle.example.edu/keys"), []

    async def none(request: Any) -> dict[str, Any]:
        asked.append(request.url)
        return {"keys": []}

    monkeypatch.setattr(platform, "_ask", none)
    for _ in range(3):
        with pytest.raises(jwt.PyJWTError):
            await platform._key("strange")
    assert asked == ["https://moodle.example.edu/keys"]
