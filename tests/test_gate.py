"""The gate before the engine, with the real engine behind it and nothing else of the classroom."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
import requests
from dockerspawner import DockerSpawner
from jupyterhub.objects import Hub

from hub.tests.environment import profiles
from tests.classroom import REPOSITORY, run, wait_for

BASE = "org.opencontainers.image.title=TinyTorch Classroom: base"
MEMORY = 256 * 2**20
ANSWER = "http+docker://localhost"  # docker-py's way to say: over the socket


class Gate:
    """A gate of its own: its process, its state, its two callers."""

    def __init__(self, folder: Path, image: str, **environment: str) -> None:
        self.name = f"gate-{secrets.token_hex(3)}"
        self.state = folder
        self.image = image
        for part in ("homes", "passwd", "gate", "datasets", "course/public", "run"):
            (folder / part).mkdir(parents=True)
        self.environment = {
            "TT_NAME": self.name,
            "TT_STATE": str(folder),
            "TT_STUDENT_IMAGE": image,
            "TT_STUDENT_GPU_IMAGE": image,
            "TT_INTERNET": "none",
            "TT_SANDBOX_IMAGE": image,  # its program is bash: a submission is a script
            "TT_STUDENTS_NETWORK": self.name,
            "TT_PROFILES": profiles(student={"memory": MEMORY, "pids": 64}),
            "TT_CEILING_GPUS": "0",
            "TT_CGROUP_STUDENTS": "",
            "TT_SANDBOX_SECONDS": "20",
            "TT_RETRAIN_SECONDS": "600",
            "TT_SANDBOX_MEMORY": "128M",
            "TT_SANDBOX_POOL": "0",
            **environment,
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "hub.gate", f"--run={self.state}/run", f"--srv={self.state}"]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, **self.environment})
        wait_for("the gate serves", lambda: self._answers(self.socket("worker")), 20)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(20)

    def socket(self, caller: str) -> str:
        return f"{self.state}/run/{caller}/gate.sock"

    @staticmethod
    def _answers(path: str) -> bool:
        try:
            return docker.APIClient(f"unix://{path}", version="1.41").get(f"{ANSWER}/health").ok
        except (requests.ConnectionError, docker.errors.DockerException):
            return False

    @property
    def hub(self) -> docker.APIClient:
        return docker.APIClient(f"unix://{self.socket('hub')}", version="auto")

    def submit(self, script: str | bytes, **limits: Any) -> requests.Response:
        """Run a script as a submission."""
        body = script.encode() if isinstance(script, str) else script
        worker = docker.APIClient(f"unix://{self.socket('worker')}", version="1.41", timeout=120)
        return worker.post(f"{ANSWER}/sandbox", params=limits, data=body)

    def home(self, username: str) -> dict[str, Any]:
        answer = self.hub.post(f"{ANSWER}/homes/{username}")
        assert answer.ok, answer.text
        return answer.json()

    def ask(self, username: str = "ada", **fields: Any) -> requests.Response:
        """Ask for a container as a hub would; more fields replace what a hub says."""
        uid = self.home(username)["uid"]
        body = {"Image": self.image, "Cmd": ["true"], "Labels": {"tinytorch.user": username}, **fields}
        name = f"{self.name}-student-{uid}"
        return self.hub.post(f"{ANSWER}/containers/create", params={"name": name}, json=body)

    def containers(self, role: str) -> list[str]:
        labels = [f"--filter=label=tinytorch.classroom={self.name}", f"--filter=label=tinytorch.role={role}"]
        return run("docker", "ps", "-aq", *labels).stdout.split()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    images = run(
        "docker", "images", f"--filter=label={BASE}", "--format={{.Repository}}:{{.Tag}}"
    ).stdout.split()
    bases = [image for image in images if "/base:" in image]  # what is built on it inherits the label
    if not bases:
        pytest.skip("images/base is not built: build the images first")
    gate = Gate(tmp_path_factory.mktemp("gate"), bases[0])
    run("docker", "network", "create", "--internal", gate.name)
    try:
        yield gate
    finally:
        gate.stop()
        for container in [*gate.containers("student"), *gate.containers("sandbox")]:
            run("docker", "rm", "--force", container)
        run("docker", "network", "rm", gate.name)


@pytest.fixture
def foreign(gate: Gate) -> Iterator[str]:
    """Full id of a container that is none of the classroom's business."""
    name = f"foreign-{secrets.token_hex(3)}"
    made = run("docker", "run", "--detach", f"--name={name}", "--network=none", gate.image, "sleep", "60")
    yield made.stdout.strip()
    run("docker", "rm", "--force", name)


# Students' servers


class Spawner(DockerSpawner):  # type: ignore[misc]
    """The real thing, without the hub's database behind it."""

    def get_env(self) -> dict[str, str]:
        return {"JUPYTERHUB_API_TOKEN": "a-token"}

    def get_args(self) -> list[str]:
        return []


def spawner_for(gate: Gate, username: str, home: dict[str, Any], command: list[str]) -> DockerSpawner:
    user = SimpleNamespace(name=username, id=1, url=f"/user/{username}/", state=None, settings={})
    spawner = Spawner(
        user=user,
        hub=Hub(),
        cmd=command,
        image=gate.image,
        pull_policy="never",
        remove=True,
        network_name=gate.name,
        use_internal_ip=True,
        mem_limit=MEMORY // 2,
        cpu_limit=0.5,
        client_kwargs={"base_url": f"unix://{gate.socket('hub')}"},
        extra_create_kwargs={"labels": {"tinytorch.user": username}},
    )
    spawner.object_name = f"{gate.name}-student-{home['uid']}"
    return spawner


async def test_real_dockerspawner_starts_polls_and_stops_a_server(gate: Gate) -> None:
    look = "id -u; id -un; pwd; echo $HOME; touch here; ls /home; grep Cap /proc/self/status"
    script = f"{look}; trap exit TERM; sleep 60 & wait"
    home = gate.home("grace@example.org")
    spawner = spawner_for(gate, "grace@example.org", home, ["bash", "-c", script])
    ip, port = await asyncio.wait_for(spawner.start(), 60)
    try:
        assert ip.count(".") == 3
        assert port
        assert await spawner.poll() is None
        own = f"/home/{home['key']}"
        said = wait_for(
            "the server has spoken",
            lambda: (
                "CapAmb" in (text := run("docker", "logs", spawner.object_name).stdout) and text.split("\n")
            ),
        )
        assert said[:4] == [str(home["uid"]), home["key"], own, own]
        assert said[4] == home["key"], "only the own home is there"
        assert "CapBnd:\t0000000000000000" in said
        assert (gate.state / "homes" / home["key"] / "here").stat().st_uid == home["uid"]

        [told] = json.loads(run("docker", "inspect", spawner.object_name).stdout)
        assert told["HostConfig"]["Memory"] == told["HostConfig"]["MemorySwap"] == MEMORY // 2
        assert told["HostConfig"]["CpuQuota"] == 50_000
        assert told["HostConfig"]["PidsLimit"] == 64
        assert told["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    finally:
        await spawner.stop(now=True)
    # A busy engine answers before it has done all of a removal.
    wait_for("the server is gone", lambda: not gate.containers("student"), 10)


def test_homes_are_private_and_uids_are_each_ones_own(gate: Gate) -> None:
    ada, alan = gate.home("ada"), gate.home("alan")
    assert ada == gate.home("ada")
    assert ada["uid"] != alan["uid"]
    folder = Path(ada["home"]).stat()
    assert (folder.st_uid, stat.S_IMODE(folder.st_mode)) == (ada["uid"], 0o700)
    assert "alan" not in (gate.state / "passwd" / "ada.passwd").read_text()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Image", "debian"),
        ("User", "0"),
        ("Entrypoint", ["/bin/sh"]),
        ("HostConfig", {"Privileged": True}),
        ("HostConfig", {"Binds": ["/:/host"]}),
        ("HostConfig", {"NetworkMode": "host"}),
        ("HostConfig", {"PidMode": "host"}),
        ("HostConfig", {"Memory": MEMORY + 1}),
        ("Labels", {"tinytorch.user": "ada", "tinytorch.role": "sandbox"}),
        ("Labels", {"tinytorch.user": "ada", "tinytorch.profile": "large"}),
    ],
)
def test_hub_that_was_taken_over_gets_no_more_than_a_students_server(
    gate: Gate, field: str, value: Any
) -> None:
    answer = gate.ask(**{field: value})
    assert answer.status_code == 403
    assert field in answer.json()["message"]
    assert not gate.containers("student")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/containers/json?all=1"),
        ("POST", "/containers/{id}/exec"),
        ("GET", "/containers/{id}/archive?path=/"),
        ("POST", "/containers/{id}/attach?stream=1"),
        ("POST", "/build"),
        ("POST", "/images/create?fromImage=debian"),
        ("GET", "/images/debian/json"),
        ("POST", "/volumes/create"),
        ("GET", "/info"),
        ("GET", "/v1.41/../info"),
        ("GET", "/containers/../info/json"),
        ("GET", "/containers/..%2finfo%3f/json"),
        ("POST", "/sandbox"),
    ],
)
def test_hub_reaches_no_other_call_of_the_engine(gate: Gate, foreign: str, method: str, path: str) -> None:
    answer = speak(
        gate.socket("hub"), f"{method} {path.format(id=foreign)} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
    )
    assert answer.startswith(("HTTP/1.1 403 ", "HTTP/1.1 405 ")), answer


@pytest.mark.parametrize(
    ("method", "action"), [("GET", "/json"), ("POST", "/start"), ("POST", "/stop"), ("DELETE", "")]
)
def test_containers_of_others_do_not_exist_for_the_hub(
    gate: Gate, foreign: str, method: str, action: str
) -> None:
    answer = gate.hub.request(method, f"{ANSWER}/containers/{foreign}{action}")
    assert answer.status_code == 404
    assert run("docker", "inspect", "-f", "{{.State.Running}}", foreign).stdout.strip() == "true"


def test_request_smuggled_behind_another_gets_an_answer_of_its_own(gate: Gate) -> None:
    behind = "GET /info HTTP/1.1\r\nHost: x\r\n\r\n"
    head = "GET /version HTTP/1.1\r\nHost: x\r\n"
    both = f"Content-Length: {len(behind)}\r\nTransfer-Encoding: chunked\r\n"
    assert speak(gate.socket("hub"), f"{head}{both}", f"0\r\n\r\n{behind}").split()[1] == "400"
    assert "Containers" not in speak(gate.socket("hub"), f"{head}Content-Length: {len(behind)}\r\n", behind)


def test_only_hub_and_worker_can_open_their_sockets(gate: Gate) -> None:
    for caller, uid in (("hub", 1002), ("worker", 1003)):
        socket_file = Path(gate.socket(caller)).stat()
        assert (socket_file.st_uid, stat.S_IMODE(socket_file.st_mode)) == (uid, 0o600)


# Submissions


def test_submission_gets_its_stdin_and_answers_with_its_stdout(gate: Gate) -> None:
    answer = gate.submit("echo hello; echo noise >&2")
    assert (answer.status_code, answer.headers["X-Exit"], answer.content) == (200, "ok", b"hello\n")
    large = secrets.token_bytes(2**22)
    answer = gate.submit(b"tail -c +8\n" + large)
    assert answer.headers["X-Exit"] == "ok"
    assert large.endswith(answer.content[-1000:])
    assert not gate.containers("sandbox")


def test_submission_that_ends_before_it_was_read_is_answered(gate: Gate) -> None:
    answer = gate.submit(b"exit 3\n" + bytes(2**23))
    assert (answer.headers["X-Exit"], answer.content) == ("failed", b"")


@pytest.mark.parametrize(
    ("attack", "ended"),
    [
        ("while :; do :; done", "timeout"),
        ("sleep 60 & exec >&-; wait", "timeout"),
        ("x=x; while :; do x=$x$x; done", "oom"),
        ("yes", "output"),
        ("yes >&2", "timeout"),
    ],
)
def test_submission_that_does_not_stop_is_stopped(gate: Gate, attack: str, ended: str) -> None:
    begun = time.monotonic()
    answer = gate.submit(attack, seconds=4, memory=64 * 2**20, output=100_000)
    assert answer.headers["X-Exit"] == ended
    assert len(answer.content) <= 100_000
    assert time.monotonic() - begun < 10
    assert not gate.containers("sandbox")


@pytest.mark.parametrize(
    ("look", "seen"),
    [
        ("id -u; id -G", "65534\n65534"),
        ("grep -E 'CapBnd|CapEff' /proc/self/status | cut -f2 | sort -u", "0000000000000000"),
        ("grep NoNewPrivs /proc/self/status | cut -f2", "1"),
        ("ls /sys/class/net", "lo"),
        ("touch /escape 2> /dev/null || echo no", "no"),
        ("echo > /dev/shm/x 2> /dev/null || echo no", "no"),
        ("head -c 80000000 /dev/zero 2> /dev/null > /tmp/big || echo no", "no"),
        ("for i in {1..5000}; do > /tmp/$i || { echo no; break; }; done 2> /dev/null", "no"),
        ("printf '#!/bin/sh\\necho ran' > /tmp/x; chmod +x /tmp/x; /tmp/x 2> /dev/null || echo no", "no"),
        ("env | grep -c TT_", "0"),
        ("(for i in {1..100}; do sleep 5 & done) 2>&1 | grep -cm1 'Resource temporarily unavailable'", "1"),
        ("ulimit -n; ulimit -c", "256\n0"),
        ("awk '{print $4}' /proc/mounts | grep -c docker.sock", "0"),
    ],
)
def test_submission_sees_nothing_and_can_leave_nothing(gate: Gate, look: str, seen: str) -> None:
    assert gate.submit(look, seconds=15).text.strip() == seen


@pytest.mark.parametrize(
    "limits", [{"seconds": 21}, {"seconds": "nan"}, {"memory": 2**40}, {"output": -1}, {"user": 0}]
)
def test_worker_that_was_taken_over_cannot_raise_a_limit(gate: Gate, limits: dict[str, Any]) -> None:
    answer = gate.submit("echo ran", **limits)
    assert answer.status_code in (400, 403)
    assert next(iter(limits)) in answer.json()["error"]


def test_worker_that_dies_takes_its_sandbox_with_it(gate: Gate) -> None:
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(gate.socket("worker"))
    caller.sendall(b"POST /sandbox HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nsleep 60")
    wait_for("a sandbox runs", lambda: gate.containers("sandbox"), 10)
    caller.close()
    wait_for("the sandbox is gone", lambda: not gate.containers("sandbox"), 10)


def test_sandboxes_of_a_gate_that_was_killed_are_gone_when_it_starts_again(gate: Gate) -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(gate.submit, "sleep 60")
        wait_for("a sandbox runs", lambda: gate.containers("sandbox"), 10)
        gate.stop(signal.SIGKILL)
    assert gate.containers("sandbox")
    gate.start()
    assert not gate.containers("sandbox")


def test_gate_that_is_stopped_ends_its_sandboxes(gate: Gate) -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(gate.submit, "sleep 60")
        wait_for("a sandbox runs", lambda: gate.containers("sandbox"), 10)
        gate.stop()
    # The engine may still be at it when the gate, which has asked it to, is gone.
    wait_for("no sandbox is left", lambda: not gate.containers("sandbox"), 10)
    gate.start()


# Containers that wait


@pytest.fixture
def pooled(gate: Gate) -> Iterator[Gate]:
    """The same gate with two containers ahead."""
    gate.stop()
    gate.environment["TT_SANDBOX_POOL"] = "2"
    gate.start()
    waiting(gate)
    yield gate
    gate.stop()
    assert not gate.containers("sandbox"), "a gate that stops takes what waits with it"
    gate.environment["TT_SANDBOX_POOL"] = "0"
    gate.start()


def waiting(gate: Gate) -> set[str]:
    """The containers that wait, as soon as there are two."""
    running = "--filter=status=running"
    labels = [f"--filter=label=tinytorch.classroom={gate.name}", "--filter=label=tinytorch.role=sandbox"]

    def two() -> set[str] | None:
        found = set(run("docker", "ps", "-q", "--no-trunc", running, *labels).stdout.split())
        return found if len(found) == 2 else None

    return wait_for("two containers wait", two, 20)


def test_waiting_container_serves_one_submission_with_every_limit(pooled: Gate) -> None:
    for _ in range(2):
        before = waiting(pooled)
        time.sleep(1.2)  # longer than the submission may run: its time begins with it
        answer = pooled.submit("echo mine > /tmp/mine; ls /tmp; cat /proc/self/cgroup", seconds=1)
        assert (answer.headers["X-Exit"], answer.text.split()[0]) == ("ok", "mine")
        (used,) = {id for id in before if id in answer.text} or {""}
        assert used, "the submission did not run in a container that waited"
        assert used not in waiting(pooled)
    assert pooled.submit("while :; do :; done", seconds=1).headers["X-Exit"] == "timeout"
    assert pooled.submit("x=x; while :; do x=$x$x; done", seconds=10).headers["X-Exit"] == "oom"
    assert pooled.submit("yes", output=1000).headers["X-Exit"] == "output"
    assert pooled.submit("ls /sys/class/net; ls /tmp").text == "lo\n"
    assert len(waiting(pooled)) == 2


def test_waiting_containers_that_somebody_killed_cost_no_submission(pooled: Gate) -> None:
    run("docker", "kill", *waiting(pooled))
    assert pooled.submit("echo hello").text == "hello\n"
    waiting(pooled)


def test_waiting_containers_of_a_gate_that_was_killed_are_gone_when_it_starts_again(pooled: Gate) -> None:
    left = waiting(pooled)
    pooled.stop(signal.SIGKILL)
    pooled.start()
    assert not left & waiting(pooled)


def test_uids_survive_a_restart_of_the_gate(gate: Gate) -> None:
    before = gate.home("ada")
    gate.stop()
    gate.start()
    assert gate.home("ada") == before


def speak(path: str, head: str, body: str = "") -> str:
    """Say exactly this on a socket, and return all that is answered within a second."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)
        caller.settimeout(1)
        caller.sendall(f"{head}\r\n{body}".encode())
        return read_all(caller.recv)


def read_all(receive: Callable[[int], bytes]) -> str:
    heard = b""
    try:
        while data := receive(65536):
            heard += data
    except TimeoutError:
        pass
    return heard.decode()
