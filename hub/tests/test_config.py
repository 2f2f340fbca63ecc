from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from traitlets.config import Config

from hub.config import roles, services, signin, spawner, survival
from hub.config.settings import Settings, SettingsError
from hub.launch.authenticator import LaunchSignIn
from hub.launch.tests.test_launch import chosen as lms_chosen
from hub.signin.authenticator import CampusSignIn
from hub.signin.tests.test_claims import chosen
from hub.tests.environment import environment


def configured(settings: Settings) -> Config:
    c = Config()
    for concern in (services, roles, survival):
        concern.configure(c, settings)
    return c


def test_a_hub_restart_drops_nobody() -> None:
    c = configured(Settings.from_environment(environment()))
    assert c.JupyterHub.cleanup_servers is False
    assert c.JupyterHub.cleanup_proxy is False
    assert c.ClassroomSpawner.consecutive_failure_limit == 0


def test_every_service_has_a_role_and_none_is_an_admin() -> None:
    c = configured(Settings.from_environment(environment()))
    names = {service["name"] for service in c.JupyterHub.services}
    holders = {name: role["scopes"] for role in c.JupyterHub.load_roles for name in role.get("services", [])}
    assert set(holders) == names
    assert not any("admin" in service for service in c.JupyterHub.services)
    assert holders["routes"] == ["proxy"]
    assert holders["prometheus"] == ["read:metrics"]


def test_a_students_server_may_hand_in_and_no_more() -> None:
    c = configured(Settings.from_environment(environment()))
    [server] = [role for role in c.JupyterHub.load_roles if role["name"] == "server"]
    assert set(server["scopes"]) == {
        "users:activity!user",
        "access:servers!server",
        "access:services!service=grading",
    }


def told(**changed: str) -> Any:
    """What every student's server finds in its environment."""
    c = Config()
    spawner.configure(c, Settings.from_environment(environment(**changed)))
    return c.ClassroomSpawner.environment


def test_servers_ask_the_way_out_for_all_but_the_classroom_itself() -> None:
    way = told(TT_INTERNET="packages", TT_OUTBOUND_IP="172.30.4.5")
    assert way["https_proxy"] == way["HTTP_PROXY"] == "http://172.30.4.5:3128"
    within = way["no_proxy"].split(",")
    assert urlsplit(way["TT_GRADING_URL"]).hostname in within
    assert environment()["TT_HUB_IP"] in within
    assert not {name for name in told() if "proxy" in name.lower()}


def test_never_culling_runs_no_culler() -> None:
    c = configured(Settings.from_environment(environment(TT_IDLE_TIMEOUT="0")))
    assert "idle-culler" not in {service["name"] for service in c.JupyterHub.services}
    assert "idle-culler" not in {role["name"] for role in c.JupyterHub.load_roles}


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TT_TITLE", "", "TT_TITLE is not set. Give it what the pages are headed with."),
        ("TT_PROFILES", "many", "TT_PROFILES is 'many'. Give it every kind of server, in base64."),
        ("TT_PROFILES", "e30=", "TT_PROFILES is 'e30='. Give it every kind of server, in base64."),
        (
            "TT_SELF_REGISTRATION",
            "perhaps",
            "TT_SELF_REGISTRATION is 'perhaps'. Give it closed, approval or open.",
        ),
        (
            "TT_MAY_OPEN_SERVERS",
            "everybody",
            "TT_MAY_OPEN_SERVERS is 'everybody'. Give it admin, instructors or graders.",
        ),
        (
            "TT_BASE_PATH",
            "course",
            "TT_BASE_PATH is 'course'. Give it where the classroom lives, such as / or /course/.",
        ),
        ("TT_INTERNET", "yes", "TT_INTERNET is 'yes'. Give it none, packages or all."),
        ("TT_AUTH", "saml", "TT_AUTH is 'saml'. Give it accounts, oidc or lti13."),
        (
            "TT_ROSTER_TOKEN",
            "hunter2",
            "TT_ROSTER_TOKEN is not usable. Give it a random secret of at least 16 characters.",
        ),
    ],
)
def test_a_wrong_variable_is_named_with_its_mend(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment(**{variable: value}))
    assert str(caught.value) == sentence
    assert "hunter2" not in str(caught.value)


def test_what_the_campus_is_asked_by_is_named_when_it_cannot_be_meant() -> None:
    with pytest.raises(SettingsError, match=r"TT_OIDC_SECRET is not set\."):
        Settings.from_environment(environment(TT_AUTH="oidc", TT_OIDC="e30="))
    for oidc, secret in (("e30=", "aHVudGVyMg=="), ("[", "aHVudGVyMg=="), ("e30=", "?")):
        with pytest.raises(SettingsError, match="TT_OIDC is not usable") as caught:
            Settings.from_environment(environment(TT_AUTH="oidc", TT_OIDC=oidc, TT_OIDC_SECRET=secret))
        assert "hunter2" not in str(caught.value)
        assert "aHVudGVyMg" not in str(caught.value)


def test_an_lms_that_cannot_be_meant_is_named() -> None:
    for lti in ("e30=", "[", "?"):
        with pytest.raises(SettingsError, match="TT_LTI is not usable"):
            Settings.from_environment(environment(TT_AUTH="lti13", TT_LTI=lti))


def test_who_comes_from_an_lms_has_no_password_here() -> None:
    c = Config()
    settings = replace(Settings.from_environment(environment()), lti=lms_chosen())
    signin.configure(c, settings)
    assert not settings.has_passwords
    assert c.JupyterHub.authenticator_class is LaunchSignIn
    assert c.JupyterHub.cookie_max_age_days == 1


def test_the_campus_is_asked_again_after_a_day() -> None:
    c = Config()
    signin.configure(c, replace(Settings.from_environment(environment()), oidc=chosen()))
    assert c.JupyterHub.authenticator_class is CampusSignIn
    assert c.JupyterHub.cookie_max_age_days == 1
