"""What an LMS answers who is asked for its keys or for a course's members."""

from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.httputil import HTTPHeaders

from hub.launch.claims import Course
from hub.launch.key import Key
from hub.launch.members import Members
from hub.launch.platform import Platform
from hub.launch.tests.lms import HERE
from hub.launch.tests.test_launch import chosen
from hub.signin.claims import ClaimsError
from hub.signin.issuer import IssuerError
from hub.signin.tests.test_issuer import Campus, campus  # noqa: F401 (a fixture)

PLACE = "https://moodle.example.edu/members"
COURSE = Course("42", "Deep Learning", "1", "7", "", "", PLACE)


def member(number: str, **changed: Any) -> dict[str, Any]:
    return {"user_id": f"u-{number}", "lis_person_sourcedid": number, "roles": [f"{HERE}Learner"], **changed}


@pytest.fixture
def lms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Members:
    """One that answers what `pages` holds for each address."""
    pages: dict[str, tuple[Any, str]] = {}
    choices = chosen(token_url="https://moodle.example.edu/token", username_claim="lis.person_sourcedid")
    made = Members(choices, Key(tmp_path / "lti-key.pem"))
    made.pages = pages  # type: ignore[attr-defined]

    async def answer(request: HTTPRequest) -> tuple[dict[str, Any], HTTPHeaders]:
        if request.url == choices.token_url:
            return {"access_token": "a token"}, HTTPHeaders()
        assert request.headers["Authorization"] == "Bearer a token"
        told, following = pages[request.url]
        return told, HTTPHeaders({"Link": following} if following else {})

    monkeypatch.setattr(made, "_fetch", answer)
    return made


async def test_all_pages_of_members_are_read(lms: Any) -> None:
    second = f"{PLACE}?p=2"
    lms.pages[f"{PLACE}?rlid=7&limit=100"] = {"members": [member("1")]}, f'<{second}>; rel="next"'
    left = member("3", status="Deleted")
    lms.pages[second] = {"members": [member("2", name="Bea"), left, member("4", roles=[]), "odd"]}, ""
    assert [(row["id"], row["name"], row["role"]) for row in await lms.rows(COURSE)] == [
        ("1", "1", "student"),
        ("2", "Bea", "student"),
    ]


@pytest.mark.parametrize("told", [{}, {"members": None}, {"members": [7], "context": "x"}])
async def test_an_answer_without_members_makes_nobody(lms: Any, told: Any) -> None:
    lms.pages[f"{PLACE}?rlid=7&limit=100"] = told, ""
    assert await lms.rows(COURSE) == []


async def test_the_token_goes_to_no_other_site(lms: Any) -> None:
    following = '<https://evil.example/members>; rel="next"'
    lms.pages[f"{PLACE}?rlid=7&limit=100"] = {"members": []}, following
    with pytest.raises(IssuerError, match="at another address"):
        await lms.rows(COURSE)


async def test_who_has_no_name_is_named_to_the_admin(lms: Any) -> None:
    nameless = member("", name="Nobody")
    lms.pages[f"{PLACE}?rlid=7&limit=100"] = {"members": [nameless]}, ""
    with pytest.raises(ClaimsError, match=r"'Nobody' cannot be in a roster: .*lti\.username_claim"):
        await lms.rows(COURSE)


async def test_an_lms_without_a_token_url_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(IssuerError, match=r"lti\.token_url is missing"):
        await Members(chosen(), Key(tmp_path / "lti-key.pem")).rows(COURSE)


async def test_keys_that_are_not_there_are_told_to_the_admin(campus: Campus) -> None:  # noqa: F811
    platform = Platform(campus.url, f"{campus.url}/keys")
    await platform.try_keys()
    campus.answers["/keys"] = (200, {"keys": []})
    with pytest.raises(IssuerError, match=r"it holds no keys.*Is lti\.keys_url right"):
        await platform.try_keys()
