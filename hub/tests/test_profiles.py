"""Which kind of server somebody gets, in a real JupyterHub: by the page, by the API, by attacks on both."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from hub.accounts import passwords
from hub.accounts.store import Account, Store
from hub.profiles import Offer, Room, read
from hub.roster.hub_api import Hub
from hub.tests.alone import GOOD, fault, running
from hub.tests.environment import GIB, environment, profiles
from hub.tests.test_line import Browser, wait_for
from hub.warm.hub_api import Servers

KINDS = profiles(
    instructor={"memory": 2 * GIB},
    large={
        "memory": 8 * GIB,
        "cpus": 4.0,
        "guarantee": 7 * GIB,
        "groups": ["section-a", "helpers"],
        "description": "For <b>all</b> of CIFAR-10.",
    },
    marking={"groups": ["role-grader"]},
    fast={"gpus": 1, "guarantee": GIB, "groups": ["section-gpu"]},
)
GROUPS = {
    "ada": "section-a",
    "cleo": "section-a",
    "grace": "role-instructor",
    "ben": "section-b",
    "eve": "section-gpu",
    "finn": "section-gpu",
}


# ---- in words ----


@pytest.mark.parametrize(
    ("left", "standard", "large"),
    [
        (12 * GIB, "Room for about 48 more.", "Room for about 1 more."),
        (
            6 * GIB,
            "Room for about 24 more.",
            "No room now: 7 GB are kept for each, and 6 GB are left. Choose another, or try again when "
            "others have closed theirs.",
        ),
        (
            -GIB // 2,
            "The classroom is full: it opens, and may be slow or be ended.",
            "No room now: 7 GB are kept for each, and 0 MB are left. Choose another, or try again when "
            "others have closed theirs.",
        ),
    ],
)
def test_it_is_said_how_full_the_classroom_is(left: int, standard: str, large: str) -> None:
    kinds = read(KINDS, 12 * GIB)
    room = Room(left, -1)  # fewer GPUs than were given out: whoever needs none does not hear of them
    assert Offer(kinds.find("student"), room).room == standard
    assert Offer(kinds.find("large"), room).room == large
    assert Offer(kinds.find("student"), room).fits  # as it always could
    assert Offer(kinds.find("large"), room).fits == (left >= 7 * GIB)


@pytest.mark.parametrize(
    ("memory", "gpus", "words"),
    [
        (12, 9, "Room for about 4 more."),
        (12, 3, "Room for about 1 more."),
        (1, 9, "Room for about 1 more."),
        (12, 1, "No room now: too few GPUs are free. Choose another, or try again when"),
        (
            0,
            0,
            "No room now: all GPUs are taken. Choose another, or try again when others have closed theirs.",
        ),
        (12, -2, "No room now: all GPUs are taken."),
        (0, 9, "No room now: 1 GB are kept for each, and 0 MB are left."),
    ],
)
def test_room_is_what_memory_and_gpus_both_allow(memory: int, gpus: int, words: str) -> None:
    twin = read(profiles(twin={"gpus": 2, "guarantee": GIB}), 12 * GIB, 9).find("twin")
    offer = Offer(twin, Room(memory * GIB, gpus))
    assert offer.room.startswith(words)
    assert offer.fits == words.startswith("Room")


def test_limits_are_said_in_words() -> None:
    kinds = read(profiles(small={"memory": GIB // 2, "cpus": 0.5}), GIB)
    assert kinds.find("small").limits == "0.5 CPUs, 512 MB of memory"
    assert kinds.find("student").limits == "1 CPU, 1 GB of memory"
    assert read(KINDS, GIB).find("large").limits == "4 CPUs, 8 GB of memory, 7 GB of it kept for it"
    assert read(profiles(fast={"gpus": 1}), GIB).find("fast").limits == "1 GPU, 1 CPU, 1 GB of memory"
    assert read(profiles(twin={"gpus": 2}), GIB).find("twin").limits.startswith("2 GPUs, 1 CPU,")


def test_a_role_has_one_and_groups_have_more() -> None:
    kinds = read(KINDS, GIB)

    def names(*groups: str, admin: bool = False) -> list[str]:
        return [profile.name for profile in kinds.of(set(groups), admin)]

    assert names() == names("role-student", "section-b") == ["student"]
    assert names("role-instructor") == names("role-admin") == names(admin=True) == ["instructor"]
    assert names("role-grader", "section-a") == ["student", "large", "marking"]
    assert names("helpers", admin=True) == ["instructor", "large"]


# ---- in a real hub ----


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profiles")


@pytest.fixture(scope="module")
def hub(state: Path) -> Iterator[str]:
    with running(state, "hub/tests/hub_in_line.py", TT_PROFILES=KINDS, TT_CEILING_GPUS="1") as url:
        roster = Hub(url + "api", environment()["TT_ROSTER_TOKEN"])
        roster.place({name: {group} for name, group in GROUPS.items()})
        hashed = passwords.hashed(GOOD)
        for name in GROUPS:
            Store(state / "accounts.sqlite").add(Account(name, name, password=hashed, one_time=False))
        yield url


@pytest.fixture(scope="module")
def browsers(hub: str) -> dict[str, Browser]:
    return {name: Browser(hub, name) for name in GROUPS}


@pytest.fixture
def people(hub: str, browsers: dict[str, Browser], state: Path) -> Iterator[dict[str, Browser]]:
    """Everybody without a server, before and after."""
    yield browsers
    for browser in browsers.values():
        closed(browser, hub)
    for name in GROUPS:
        (state / f"kind-{name}").unlink(missing_ok=True)


def closed(browser: Browser, hub: str) -> None:
    """End somebody's server, and wait until it has."""
    browser.leave()
    ask = Servers(f"{hub}api", environment()["TT_WARM_TOKEN"])
    wait_for(lambda: not any(user.active for user in ask.users() if user.name == browser.name))


def spawn(browser: Browser, **asked: str) -> requests.Response:
    """What the page at the start answers, and does not go on to the server itself."""
    return browser.session.get(f"{browser.hub}spawn", params=asked, allow_redirects=False)


def by_api(browser: Browser, body: Any = None) -> requests.Response:
    return browser._api("POST", "/server", json=body)


def told(state: Path, name: str) -> dict[str, Any]:
    """What the gate would have been told of somebody's server, once it has begun to start."""
    file = state / f"kind-{name}"
    return json.loads(wait_for(lambda: file.exists() and file.read_text()))


def kind(state: Path, name: str) -> str:
    return told(state, name)["tinytorch.profile"]


def test_who_has_no_choice_is_not_asked(people: dict[str, Browser], state: Path) -> None:
    assert spawn(people["ben"]).status_code == 302
    assert told(state, "ben") == {
        "tinytorch.user": "ben",
        "tinytorch.profile": "student",
        "memory": GIB,
        "cpus": 1.0,
        "image": "tinytorch/student:0.1.0",
    }
    assert spawn(people["grace"]).status_code == 302
    assert (kind(state, "grace"), told(state, "grace")["memory"]) == ("instructor", 2 * GIB)
    assert told(state, "grace")["tinytorch.teaches"] == "yes"


def test_who_has_a_choice_reads_what_each_is_for_and_how_full_it_is(
    people: dict[str, Browser], state: Path
) -> None:
    by_api(people["ben"])
    kind(state, "ben")
    page = spawn(people["ada"], next="/course/user/ada/lab/tree/x.ipynb")
    assert page.status_code == 200
    assert "Servers that run now: 1. Memory given out: 256 MB of 12 GB. GPUs given out: 0 of 1." in page.text
    assert "For &lt;b&gt;all&lt;/b&gt; of CIFAR-10." in page.text
    assert "4 CPUs, 8 GB of memory, 7 GB of it kept for it" in page.text
    assert "Room for about 1 more." in page.text
    assert "<script" not in page.text
    assert re.findall(r'value="(\w+)" required[^>]* (checked|disabled)', page.text) == [
        ("student", "checked")
    ]
    assert not (state / "kind-ada").exists()  # nothing has started meanwhile
    assert 'name="next" value="/course/user/ada/lab/tree/x.ipynb"' in page.text
    asked = {"opt-profile": "large", "next": "/course/user/ada/lab/tree/x.ipynb"}
    answer = spawn(people["ada"], **asked)
    assert answer.status_code == 302
    assert "opt-profile=large" in answer.headers["Location"]  # so that it can be asked again
    assert told(state, "ada") == {
        "tinytorch.user": "ada",
        "tinytorch.profile": "large",
        "memory": 8 * GIB,
        "cpus": 4.0,
        "image": "tinytorch/student:0.1.0",
    }


def test_what_is_full_is_refused_with_the_reason_and_the_rest_is_open(
    people: dict[str, Browser], state: Path
) -> None:
    ada, cleo = people["ada"], people["cleo"]
    assert by_api(ada, {"profile": "large"}).status_code in (201, 202)
    page = spawn(cleo).text
    reason = "No room now: 7 GB are kept for each, and 5 GB are left."
    assert reason in page
    assert re.findall(r'value="(\w+)" required[^>]* (checked|disabled)', page) == [
        ("student", "checked"),
        ("large", "disabled"),
    ]
    for answer in (spawn(cleo, **{"opt-profile": "large"}), by_api(cleo, {"profile": "large"})):
        assert answer.status_code == 429
        assert reason in answer.text
    assert not (state / "kind-cleo").exists()
    assert by_api(cleo, {"profile": "student"}).status_code in (201, 202)
    assert kind(state, "cleo") == "student"


def test_a_gpu_is_one_servers_and_the_next_is_told_so(
    hub: str, people: dict[str, Browser], state: Path
) -> None:
    eve, finn = people["eve"], people["finn"]
    page = spawn(eve).text
    assert "1 GPU, 1 CPU, 1 GB of memory" in page
    assert by_api(eve, {"profile": "fast"}).status_code in (201, 202)
    assert (kind(state, "eve"), told(state, "eve")["image"]) == ("fast", "tinytorch/student-gpu:0.1.0")
    reason = "No room now: all GPUs are taken."
    page = spawn(finn).text
    assert "GPUs given out: 1 of 1." in page
    assert reason in page
    for answer in (spawn(finn, **{"opt-profile": "fast"}), by_api(finn, {"profile": "fast"})):
        assert answer.status_code == 429
        assert reason in answer.text
    closed(eve, hub)
    assert by_api(finn, {"profile": "fast"}).status_code in (201, 202)
    (state / "kind-eve").unlink()
    by_api(eve)
    assert told(state, "eve")["image"] == "tinytorch/student:0.1.0"  # again


HELP_YOURSELF: list[tuple[Any, int, str]] = [
    ({"profile": "large"}, 403, "There is no profile 'large' for you. There are: student."),
    ({"profile": "instructor"}, 403, "There is no profile 'instructor' for you."),
    ({"profile": "no such thing"}, 403, "There is no profile 'no such thing' for you."),
    ({"profile": ["student", "large"]}, 403, "There is no profile"),
    ({"profile": None}, 403, "There is no profile"),
    ({"profile": {"memory": 2**40}}, 403, "There is no profile"),
    ({"image": "debian"}, 400, "It said: image."),
    ({"profile": "student", "image": "debian"}, 400, "It said: image."),
    ({"uid": 0}, 400, "It said: uid."),
    ({"mounts": ["/:/host"], "volumes": {"/": "/host"}}, 400, "It said: mounts, volumes."),
    ({"group": "section-a"}, 400, "It said: group."),
    ({"mem_limit": "64G", "cpu_limit": 64}, 400, "It said: cpu_limit, mem_limit."),
    (
        {"display_name": "x", "user_options": {"profile": "large"}},
        403,
        "There is no profile 'large' for you.",
    ),
    ({"user_options": ["large"]}, 400, "user_options must be an object"),
]


@pytest.mark.parametrize(("body", "status", "sentence"), HELP_YOURSELF)
def test_the_api_gives_nobody_what_is_not_theirs(
    people: dict[str, Browser], state: Path, body: Any, status: int, sentence: str
) -> None:
    ben = people["ben"]
    answer = by_api(ben, body)
    assert answer.status_code == status
    assert sentence in answer.json()["message"]
    assert not (state / "kind-ben").exists()
    assert by_api(ben).status_code in (201, 202)  # what was refused is not kept for the next start
    assert kind(state, "ben") == "student"


def test_what_is_put_beside_a_start_is_not_used_by_it(
    hub: str, people: dict[str, Browser], state: Path
) -> None:
    ben = people["ben"]
    by_api(ben)
    closed(ben, hub)
    ben._api("PATCH", "/server", json={"user_options": {"profile": "large"}})
    by_api(ben)
    assert kind(state, "ben") == "student"


def test_the_form_gives_nobody_what_is_not_theirs(people: dict[str, Browser], state: Path) -> None:
    ben, ada = people["ben"], people["ada"]
    for browser, form, status, sentence in (
        (ben, {"profile": "large"}, 403, "There is no profile &#39;large&#39; for you."),
        (ada, {"profile": "instructor"}, 403, "There is no profile &#39;instructor&#39; for you."),
        (ada, {"profile": "large", "image": "debian"}, 400, "It said: image."),
        (ada, {"profile": "<script>"}, 403, "&lt;script&gt;"),
    ):
        xsrf = browser.session.cookies.get("_xsrf", path="/course/hub/") or ""
        page = browser.session.post(f"{browser.hub}spawn", data={**form, "_xsrf": xsrf})
        assert page.status_code == status
        assert sentence in fault(page)
        assert not (state / f"kind-{browser.name}").exists()
    page = spawn(ada, **{"opt-profile": "instructor"})
    assert page.status_code == 403
    assert fault(page) == "There is no profile &#39;instructor&#39; for you. There are: student, large."
    assert not (state / "kind-ada").exists()
    # A link to what is not theirs opens what is.
    assert spawn(ben, **{"opt-profile": "large"}).status_code == 302
    assert kind(state, "ben") == "student"


def test_a_form_from_another_site_is_refused(people: dict[str, Browser], state: Path) -> None:
    page = people["ada"].session.post(f"{people['ada'].hub}spawn", data={"profile": "large"})
    assert page.status_code == 403
    assert not (state / "kind-ada").exists()


def test_groups_of_this_moment_decide_at_the_next_start(
    hub: str, people: dict[str, Browser], state: Path
) -> None:
    roster, ben = Hub(f"{hub}api", environment()["TT_ROSTER_TOKEN"]), people["ben"]
    roster.place({"ben": {GROUPS["ben"], "section-a"}})
    assert by_api(ben, {"profile": "large"}).status_code in (201, 202)
    assert kind(state, "ben") == "large"
    wait_for(ben.is_ready)
    roster.place({"ben": {GROUPS["ben"]}})
    assert ben.is_ready()  # what runs goes on
    closed(ben, hub)
    (state / "kind-ben").unlink()
    assert by_api(ben, {"profile": "large"}).status_code == 403
    by_api(ben)
    assert kind(state, "ben") == "student"


def test_what_somebody_chose_counts_for_warming_and_is_not_chosen_again(
    hub: str, people: dict[str, Browser], state: Path
) -> None:
    ada = people["ada"]
    by_api(ada, {"profile": "large"})
    wait_for(ada.is_ready)
    warm = Servers(f"{hub}api", environment()["TT_WARM_TOKEN"])
    assert {user.name: user.profile for user in warm.users() if user.active} == {"ada": "large"}
    closed(ada, hub)
    assert warm.start("ada") == ""
    assert kind(state, "ada") == "student"
