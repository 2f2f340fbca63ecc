import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError  # type: ignore[import-untyped]

from hub import profiles, spawner, starting
from hub.spawner import ClassroomSpawner
from hub.tests import environment


class Dead(ClassroomSpawner):
    """A spawner whose container has ended in a given way."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__(user=SimpleNamespace(name="mia"), mem_limit=2**30)
        self.state = {"Running": False, "OOMKilled": False, "Error": "", "ExitCode": 1, **state}
        self.object_name = "tinytorch-student-20000"
        self.calls: list[str] = []

    def _docker(self, method: str, *arguments: Any, **named: Any) -> Any:
        self.calls.append(method)
        config = {"Env": ["JUPYTERHUB_API_TOKEN=of-this-server", "EMPTY="]}
        return {"Id": "0" * 64, "State": self.state, "Config": config}


class BehindAGateThatIsAway(Dead):
    """A spawner that cannot ask anyone."""

    def _docker(self, method: str, *arguments: Any, **named: Any) -> Any:
        raise requests.ConnectionError("refused")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"OOMKilled": True, "ExitCode": 137}, "more memory than its 1.0 GB"),
        ({"ExitCode": 3}, "ended by itself (exit code 3)"),
        ({"Error": "no such file"}, "could not run your server"),
    ],
)
def test_a_student_is_told_why_the_server_ended(state: dict[str, Any], words: str) -> None:
    dead = Dead(state)
    assert asyncio.run(dead.poll()) is not None
    assert words in dead.farewell
    assert dead.calls == ["inspect_container", "remove_container"]


def test_a_gate_that_restarts_does_not_end_a_class() -> None:
    assert asyncio.run(BehindAGateThatIsAway({}).poll()) is None


def test_a_server_that_dies_at_its_start_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawner, "TRY_EVERY", 0.0)
    with pytest.raises(spawner.StartError, match="exit code 3"):
        asyncio.run(Dead({"ExitCode": 3})._wait_until_it_listens("127.0.0.1", 9))


@pytest.mark.parametrize(
    ("running", "calls"), [(True, ["inspect_container", "stop"]), (False, ["inspect_container"])]
)
def test_a_server_that_a_killed_hub_forgot_is_ended_before_a_new_one_starts(
    running: bool, calls: list[str]
) -> None:
    forgotten = Dead({"Running": running})
    asyncio.run(forgotten._end_what_is_left())
    assert forgotten.calls == calls


def test_a_restarted_hub_finds_a_servers_token_again_so_that_it_ends_with_the_server() -> None:
    running = Dead({"Running": True})
    assert asyncio.run(running.poll()) is None
    assert running.api_token == "of-this-server"


def test_before_the_gate_has_said_the_uid_nobody_elses_container_is_asked_for() -> None:
    unstarted = Dead({})
    unstarted.object_name = ""
    assert asyncio.run(unstarted.poll()) == 0
    assert unstarted.calls == []


def test_a_start_without_the_gate_tells_the_student_to_wait() -> None:
    with pytest.raises(spawner.StartError) as caught:
        asyncio.run(BehindAGateThatIsAway({}).start())
    assert "Try again in a minute" in caught.value.jupyterhub_message


class BehindAGateWithoutAGpu(Dead):
    """A spawner whose container is refused, since other servers have all GPUs."""

    def _docker(self, method: str, *arguments: Any, **named: Any) -> Any:
        answer = requests.Response()
        answer.status_code = 429
        raise APIError("", answer, "No room now: all GPUs are taken.")


def test_who_finds_no_gpu_free_is_told_so() -> None:
    with pytest.raises(spawner.StartError) as caught:
        asyncio.run(BehindAGateWithoutAGpu({}).start())
    assert "No room now: all GPUs are taken. Try again in a minute" in caught.value.jupyterhub_message


def test_who_followed_a_link_that_names_an_image_can_still_start_a_server() -> None:
    asked = BehindAGateThatIsAway({})
    asked.user_options = {"image": "another", "profile": "x"}
    with pytest.raises(spawner.StartError):
        asyncio.run(asked.start())
    assert asked.user_options == {"profile": "x"}


def test_who_waits_is_told_what_happens_and_that_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(starting, "LONG", 0.01)
    unstarted = Dead({})
    unstarted.object_id = ""

    async def waited() -> list[dict[str, object]]:
        said = []
        async for event in unstarted.progress():
            said.append(event)
            unstarted.object_id = "0" * 64
            if len(said) == 3:
                break
        return said

    made, loading, long = asyncio.run(waited())
    assert "being made" in str(made["message"])
    assert "JupyterLab is loading" in str(loading["message"])
    assert "leave this page open" in str(long["message"])


def test_what_a_server_may_use_is_known_after_a_restart_of_the_hub() -> None:
    kinds = profiles.read(environment.profiles(large={"memory": 4 * environment.GIB}), environment.GIB)
    large, again, before_there_were_profiles, idle = (Dead({}) for _ in range(4))
    for server in (large, again, before_there_were_profiles, idle):
        server.profiles = kinds
    large._become(kinds.find("large"))
    again.load_state(large.get_state())
    assert (again.kind, again.mem_limit) == ("large", 4 * environment.GIB)
    before_there_were_profiles.load_state({"object_id": "0" * 64})
    assert before_there_were_profiles.kind == "student"
    idle.load_state({})
    assert idle.kind == ""
    again.clear_state()
    assert "profile" not in again.get_state()


@pytest.mark.parametrize(("kind", "image"), [("student", "plain"), ("fast", "with-cupy")])
def test_a_servers_container_is_found_again_by_its_name_whatever_its_image(kind: str, image: str) -> None:
    kinds = profiles.read(environment.profiles(fast={"gpus": 1}), environment.GIB, 1)
    before, after = Dead({}), Dead({})
    for server in (before, after):
        server.profiles, server.student_image, server.student_gpu_image = kinds, "plain", "with-cupy"
    before._become(kinds.find(kind))
    before.object_name, before.object_id, after.object_name = "tinytorch-student-20001", "0" * 64, ""
    after.load_state(before.get_state())
    assert (after.image, after.object_name) == (image, "tinytorch-student-20001")
