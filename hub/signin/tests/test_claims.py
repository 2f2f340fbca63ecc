import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.signin import choices, claims
from hub.signin.choices import Choices
from hub.signin.presets import PRESETS

SECRET = base64.b64encode(b"client secret' of \xc3\xa9\n").decode()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def chosen(**changed: Any) -> Choices:
    told = {
        "issuer": "https://sso.example.edu",
        "client_id": "classroom",
        "preset": "generic",
        "username_claim": None,
        "groups_claim": None,
        "allowed_groups": [],
        "allowed_domains": [],
        "instructor_groups": ["staff"],
        "grader_groups": ["/cs101/markers"],
        "section_prefix": "cs101-",
        "button": "Sign in",
        **changed,
    }
    return choices.read(encoded(json.dumps(told)), SECRET)


def person(told: dict[str, Any], **changed: Any) -> claims.Person:
    return claims.read({"sub": "1", "preferred_username": "ada", **told}, chosen(**changed))


def test_a_secret_is_read_whole_and_not_shown() -> None:
    assert chosen().secret == "client secret' of é"
    assert "client secret" not in repr(chosen())


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"preset": "unknown"}', "x" * 10])
def test_choices_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the hub's settings have the words)
        choices.read(encoded(text), SECRET)


def test_the_settings_name_every_preset() -> None:
    schema = yaml.safe_load((Path(__file__).parents[3] / "config/schema.yml").read_text())
    assert schema["properties"]["oidc"]["properties"]["preset"]["enum"] == list(PRESETS)


@pytest.mark.parametrize(
    ("told", "username"),
    [
        ("ada", "ada"),
        (" ADA ", "ada"),
        ("ada\u200b", "ada"),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}da", "ada"),
        ("a@x.edu", "a@x.edu"),
    ],
)
def test_a_name_is_normalised_as_the_rosters(told: str, username: str) -> None:
    assert person({"preferred_username": told}).username == username


@pytest.mark.parametrize(
    "told",
    [
        "",
        " ",
        None,
        7,
        True,
        ["ada"],
        {"a": 1},
        "a" * 65,
        "../admin",
        "ada lovelace",
        "ada/../b",
        "a\nb c",
        "<b>ada",
    ],
)
def test_a_claim_that_cannot_be_a_name_is_refused_in_words(told: Any) -> None:
    with pytest.raises(claims.ClaimsError) as refused:
        person({"preferred_username": told})
    assert "oidc.username_claim" in str(refused.value)
    assert str(refused.value).isascii()
    assert refused.value.words.startswith("Your ")


def test_an_address_is_a_name_only_when_it_is_verified() -> None:
    told = {"email": "ada@example.edu"}
    for verified in ({}, {"email_verified": False}, {"email_verified": "true"}):
        with pytest.raises(claims.ClaimsError, match="email_verified"):
            person({**told, **verified}, preset="google")
    assert person({**told, "email_verified": True}, preset="google").username == "ada@example.edu"


def test_a_domain_opens_the_door_only_as_far_as_the_provider_vouches_for_it() -> None:
    at = {"allowed_domains": ["example.edu"]}
    mine = {"email": "ada@Example.edu", "email_verified": True}
    assert person(mine, **at).is_vouched_for(chosen(**at))
    assert not person({**mine, "email_verified": False}, **at).is_vouched_for(chosen(**at))
    assert not person({**mine, "email": "ada@evil-example.edu"}, **at).is_vouched_for(chosen(**at))
    assert not person({**mine, "email": "ada@example.edu@x.org"}, **at).is_vouched_for(chosen(**at))
    google = {**at, "preset": "google"}
    assert not person(mine, **google).is_vouched_for(chosen(**google))  # anyone can verify an address there
    assert person({**mine, "hd": "example.edu"}, **google).is_vouched_for(chosen(**google))
    assert not person({}).is_vouched_for(chosen())


@pytest.mark.parametrize(
    ("told", "groups"),
    [
        ([], {"role-student"}),
        (["role-instructor", "admin"], {"role-student"}),  # our names are not theirs
        (["staff", "/cs101/markers"], {"role-instructor"}),
        ("/cs101/markers", {"role-grader"}),
        (["cs101-Tuesday 9:00", "cs102-x"], {"role-student", "section-tuesday-9-00"}),
        (["cs101-../../admin", "cs101-"], {"role-student", "section-admin", "section-unnamed"}),
        ([["staff"], {"staff": 1}, None, 3], {"role-student"}),
        ({"staff": True}, {"role-student"}),
        (7, {"role-student"}),
    ],
)
def test_groups_of_the_campus_become_roles_and_sections(told: Any, groups: set[str]) -> None:
    assert person({"groups": told}).groups(chosen()) == groups


def test_a_thousand_groups_make_few_sections() -> None:
    told = [f"cs101-{number}" + "x" * 300 for number in range(1000)]
    found = person({"groups": told}).groups(chosen())
    assert len(found) <= 21
    assert max(map(len, found)) <= 110


def test_a_claim_inside_another_is_found() -> None:
    told = {"realm_access": {"roles": ["staff"]}}
    changed = {"groups_claim": "realm_access.roles"}
    assert person(told, **changed).groups(chosen(**changed)) == {"role-instructor"}
    assert person({"realm_access": "staff"}, **changed).campus_groups == frozenset()
    dotted = {"groups_claim": "https://example.edu/groups"}
    assert person({"https://example.edu/groups": ["staff"]}, **dotted).campus_groups == {"staff"}


def test_groups_that_the_provider_holds_back_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert person({"_claim_names": {"groups": "src1"}}).campus_groups == frozenset()
    assert "more groups of this person than it tells" in caplog.text


def test_a_full_name_is_text_of_bounded_length() -> None:
    assert person({"name": "Ada\u202e <b>\n"}).name == "Ada <b>"
    assert person({"name": ["Ada"]}).name == "ada"
    assert len(person({"name": "x" * 1000}).name) == 100
