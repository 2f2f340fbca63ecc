import re

import pytest
from jupyterhub.utils import subdomain_hook_idna

from hub import hosts

HUB = "classroom.campus.edu"
NAMES = [
    "ada", "20241234", "s-0042", "a-b", "a.b", "a_b", "a--b", "ab", "a.b.", "grading--service", "u-ada",
    "al@example.edu", "al.example.edu", "x" * 63, "x" * 64, "xn--bcher-kva", "www", "1",
]  # fmt: skip


def test_every_name_has_a_host_of_its_own_and_none_a_services() -> None:
    given = [hosts.name_of(name, HUB, "user") for name in NAMES]
    given += [hosts.name_of(name, HUB, "service") for name in ("grading", "formgrader")]
    assert len(set(given)) == len(given)
    for host in given:
        label, _, domain = host.partition(".")
        assert domain == HUB
        assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", label), label
        assert label[2:4] != "--", label


def test_names_that_are_host_names_stay_as_they_are() -> None:
    for name in ("ada", "20241234", "s-0042", "classroom-probe"):
        assert hosts.name_of(name, HUB, "user") == f"{name}.{HUB}"
    assert (
        hosts.name_of("grading", HUB, "service") == f"grading--service.{HUB}"
    )  # config/deriving.py says so, too


def test_nobody_gets_anothers_host_by_choosing_a_name() -> None:
    chosen = "prof.smit-236842835"  # found in six minutes of one core, by plain Python
    assert subdomain_hook_idna("prof.smith", HUB, "user") == subdomain_hook_idna(chosen, HUB, "user")
    assert hosts.name_of("prof.smith", HUB, "user") != hosts.name_of(chosen, HUB, "user")


@pytest.mark.parametrize(
    ("hub", "own", "below"),
    [
        ("", "", ""),
        (f"https://{HUB}", f"https://ada.{HUB}", f"https://*.{HUB}"),
        (f"http://{HUB}:8000", f"http://ada.{HUB}:8000", f"http://*.{HUB}:8000"),
    ],
)
def test_origins_keep_scheme_and_port(hub: str, own: str, below: str) -> None:
    assert hosts.origin_of("ada", hub) == own
    assert hosts.below(hub) == below
