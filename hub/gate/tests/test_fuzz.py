"""Whatever comes over the hub's socket, what goes out to the engine is within policy, written here once more.

The examples are the same each time. TT_TEST_FUZZ=20000 tries so many of each kind, and others every time.
"""

import asyncio
import copy
import json
import os
import re
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub.gate import policy, strict
from hub.gate.engine import Engine
from hub.gate.homes import Homes
from hub.gate.hub_socket import HubSocket
from hub.gate.strict import Refused
from hub.gate.tests.test_homes import root_only
from hub.gate.tests.test_policy import ADA, FAST, GIB, LARGE, SETTINGS, STUDENT, asked

EXAMPLES = int(os.environ.get("TT_TEST_FUZZ", "0"))
NAME = "tinytorch-student-20000"
HERS, FOREIGN = "a" * 64, "f" * 64  # ids of containers: a student's, and one that is none of the classroom's
CONTAINERS = {HERS: "student", NAME: "student", FOREIGN: "other"}
# Which containers have a GPU, before one is given out.
WORN = ["tinytorch.classroom=tinytorch", "tinytorch.role=student", "tinytorch.gpus"]
HOLDERS = {"all": "true", "filters": json.dumps({"label": WORN})}
HELD = "1"
PATIENCE = 0.05  # seconds for an answer to what may have none


def fuzzed(usual: int) -> settings:
    return settings(
        max_examples=EXAMPLES or usual,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


# What may go out to the engine


def within(method: str, target: str, body: bytes) -> bool:
    """Whether a request to the engine is one that the hub may cause, for Ada, who alone has a home."""
    path, _, text = target.partition("?")
    query = {
        name: value
        for name, [value] in parse_qs(text, keep_blank_values=True, strict_parsing=bool(text)).items()
    }
    if (method, path) == ("POST", "/containers/create"):
        return query == {"name": NAME} and is_adas(once(body))
    if body:
        return False
    if method == "GET":
        inspected = re.fullmatch(r"/containers/([0-9a-f]{64}|tinytorch-student-[0-9]{1,10})/json", path)
        fixed = ("/version", *(f"/images/tinytorch/{image}:1/json" for image in ("student", "student-gpu")))
        return (
            query == HOLDERS if path == "/containers/json" else not query and bool(path in fixed or inspected)
        )
    if path == f"/containers/{HERS}":
        return method == "DELETE" and query in ({"v": "true", "force": force} for force in ("true", "false"))
    if path == f"/containers/{HERS}/stop":
        return method == "POST" and set(query) == {"t"} and 0 <= int(query["t"]) <= 60
    return (method, path, query) == ("POST", f"/containers/{HERS}/start", {})


def once(text: bytes) -> Any:
    """JSON in which no key is there twice."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key.lower() for key, _ in found}) == len(found)
        return dict(found)

    return json.loads(text, object_pairs_hook=pairs)


def is_adas(body: Any) -> bool:
    """Whether this is a container for Ada, with no more than its profile may have."""
    kinds: Any = {"student": STUDENT, "large": LARGE, "fast": FAST}
    limits: Any = kinds[body["Labels"].pop("tinytorch.profile")]
    gpus = ["0", "2"] if limits["gpus"] else []
    teaches = body["Labels"].pop("tinytorch.teaches", "no") == "yes"
    host = dict(body.pop("HostConfig"))
    memory, quota = host.pop("Memory"), host.pop("CpuQuota")
    own = ["HOME=/home/ada", "USER=ada", "LOGNAME=ada"]
    own.append(f"NVIDIA_VISIBLE_DEVICES={','.join(gpus) or 'void'}")
    environment = body.pop("Env")
    names = [line.partition("=")[0] for line in environment]
    texts = environment + body.pop("Cmd")
    state = "/srv/tinytorch"
    mounts = [
        (f"{state}/homes/ada", "/home/ada", False),
        (f"{state}/passwd/ada.passwd", "/etc/passwd", True),
        (f"{state}/passwd/ada.group", "/etc/group", True),
        (f"{state}/datasets", "/srv/datasets", True),
        (f"{state}/course/public", "/srv/course", True),
        *([(f"{state}/grading/nbgrader/source", "/srv/nbgrader/source", False)] if teaches else []),
    ]
    return (
        all(type(text) is str and "\0" not in text for text in texts)
        and environment[:4] == own
        and all(
            re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and "=" in line
            for name, line in zip(names, environment, strict=True)
        )
        and not set(names[:4]) & set(names[4:])
        and body["Labels"].pop("tinytorch.gpus", "") == ",".join(gpus)
        and host.pop("DeviceRequests", [])
        == ([{"Driver": "nvidia", "DeviceIDs": gpus, "Capabilities": [["gpu"]]}] if gpus else [])
        and type(memory) is int
        and 6 * 2**20 <= memory <= limits["memory"]
        and host.pop("MemorySwap") == memory
        and type(quota) is int
        and 1000 <= quota <= limits["cpus"] * 100_000
        and type(host.pop("AutoRemove")) is bool
        and host.pop("Mounts")
        == [
            {"Type": "bind", "Source": source, "Target": target, "ReadOnly": only}
            for source, target, only in mounts
        ]
        and host
        == {
            "CapDrop": ["ALL"],
            "GroupAdd": ["1007"] if teaches else [],
            "SecurityOpt": ["no-new-privileges"],
            "NetworkMode": "tinytorch-students",
            "Dns": ["127.0.0.1"],
            "CgroupParent": "/tinytorch/students",
            "MemoryReservation": min(limits["guarantee"], memory),
            "CpuPeriod": 100_000,
            "CpuShares": 1024 * limits["cpu_share"],
            "PidsLimit": limits["pids"],
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": f"size={memory // 2},nr_inodes=65536,mode=1777,exec,nosuid,nodev"},
            "LogConfig": {"Type": "local", "Config": {"max-size": "1m", "max-file": "2"}},
        }
        and body
        == {
            "Image": f"tinytorch/student{'-gpu' if gpus else ''}:1",
            "User": "20000:20000",
            "WorkingDir": "/home/ada",
            "Labels": {
                "tinytorch.classroom": "tinytorch",
                "tinytorch.role": "student",
                "tinytorch.user": "ada",
            },
        }
    )


# Bodies

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 6 * 2**20, GIB, GIB + 1, 100_000]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            "0",
            "root",
            "host",
            "/",
            "/:/host",
            "ada",
            "alan",
            "ALL",
            "fast",
            "0,1",
            "nvidia",
            "\0",
            "\ud800",
        ]
    ),
    st.sampled_from(
        ["tinytorch/student:1", "tinytorch/student-gpu:1", [{"Count": -1, "Capabilities": [["gpu"]]}]]
    ),
)
VALUES = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
WITH_GPUS = {
    "Image": "tinytorch/student-gpu:1",
    "Labels": {"tinytorch.user": "ada", "tinytorch.profile": "fast"},
}
VARIABLES = ["HOME=/", "A=b", "LD_PRELOAD=x", "NVIDIA_VISIBLE_DEVICES=all"]
LABELS = ["tinytorch.user", "tinytorch.role", "tinytorch.profile", "tinytorch.gpus", "x"]
TOP = [
    "Image",
    "Cmd",
    "Env",
    "User",
    "Labels",
    "HostConfig",
    "WorkingDir",
    "Entrypoint",
    "Volumes",
    "Healthcheck",
]
HOST = [
    "Privileged",
    "Binds",
    "Mounts",
    "Memory",
    "MemorySwap",
    "CpuQuota",
    "CpuPeriod",
    "NetworkMode",
    "PidMode",
    "Dns",
]
HOST += [
    "CapAdd",
    "CapDrop",
    "SecurityOpt",
    "Devices",
    "Tmpfs",
    "AutoRemove",
    "CgroupParent",
    "Mask",
    "VolumesFrom",
    "Init",
    "DeviceRequests",
    "Runtime",
]


def spelled(names: list[str]) -> st.SearchStrategy[str]:
    """Names of fields: as they are, in another case, with signs that look or fold alike, or anything."""
    return st.one_of(
        st.sampled_from(names),
        st.sampled_from(names).map(str.lower),
        st.sampled_from(names).map(lambda name: name.replace("i", "\N{LATIN SMALL LETTER DOTLESS I}")),
        st.sampled_from(names).map(lambda name: name.replace("s", "\N{LATIN SMALL LETTER LONG S}")),
        st.sampled_from(names).map(lambda name: name + "\0"),
        st.text(max_size=10),
    )


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A spawn's body with some fields changed, and its JSON written oddly."""
    body = copy.deepcopy(draw(st.sampled_from([asked(), asked(**WITH_GPUS)])))
    body["Env"] = [
        *body["Env"],
        *draw(st.lists(st.text(max_size=8) | st.sampled_from(VARIABLES), max_size=2)),
    ]
    body |= draw(st.dictionaries(spelled(TOP), VALUES, max_size=2))
    if isinstance(body.get("HostConfig"), dict):
        body["HostConfig"] |= draw(st.dictionaries(spelled(HOST), VALUES, max_size=2))
    if isinstance(body.get("Labels"), dict) and draw(st.booleans()):
        body["Labels"] |= draw(st.dictionaries(st.sampled_from(LABELS), VALUES, max_size=1))
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 3)) == 0:  # a key once more, at either end of an object
        again = json.dumps({draw(spelled(TOP + HOST)): draw(VALUES)})[1:-1]
        text = draw(
            st.sampled_from(
                [
                    f"{{{again}, {text[1:]}",
                    f"{text[:-1]}, {again}}}",
                    text.replace('"HostConfig": {', f'"HostConfig": {{{again}, ', 1),
                ]
            )
        )
    if draw(st.integers(0, 3)) == 0:
        text = text.replace("P", "\\u0050").replace("M", "\\u004d")
    data = text.encode(
        draw(st.sampled_from(["utf-8"] * 4 + ["utf-16", "utf-32", "utf-8-sig"])), "surrogatepass"
    )
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data)))
        data = (
            data[:at]
            + draw(st.sampled_from([b"", b"\0", b"\xff", b"//", b"NaN", b"-0", b'"', b"}", b"[" * 2000]))
            + data[at:]
        )
    return data


@fuzzed(150)
@given(bodies())
def test_body_is_refused_or_becomes_a_students_container(data: bytes) -> None:
    try:
        wanted = strict.json_object(data)
        if policy.user_of(wanted) != "ada":
            return
        _, profile = policy.profile_of(wanted, SETTINGS)
        gpus = policy.free_gpus(profile.gpus, [{"Labels": {"tinytorch.gpus": HELD}}], SETTINGS)
        body = policy.student_container(wanted, ADA, SETTINGS, gpus)
    except Refused:
        return
    assert is_adas(once(json.dumps(body).encode())), data


@fuzzed(200)
@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_bytes_are_an_object_with_one_meaning_or_refused(data: bytes) -> None:
    with suppress(Refused):
        assert isinstance(strict.json_object(data), dict)


# Requests


@dataclass
class Gate:
    """The hub's side of a gate, in a thread, before an engine that writes down what it is sent."""

    path: str
    srv: Path
    heard: list[tuple[str, str, bytes]]
    faults: list[str]

    def send(self, data: bytes) -> bytes:
        """Say exactly this, and hear all that comes back."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(self.path)
            with suppress(OSError):  # it may hang up in the midst
                caller.sendall(data)
                caller.settimeout(PATIENCE)
                answer = caller.recv(65536)
            with suppress(OSError):
                caller.shutdown(socket.SHUT_WR)
                caller.settimeout(10)
                while more := caller.recv(65536):
                    answer += more
        return answer

    def check(self) -> None:
        assert not self.faults, self.faults
        for method, target, body in self.heard:
            assert within(method, target, body), (method, target, body)


async def play_engine(gate: Gate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read requests as plainly as can be, and answer as an engine does."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            method, target, _ = lines[0].split(" ")
            names = [line.partition(":")[0].lower() for line in lines[1:-2]]
            if len(set(names)) != len(names) or "transfer-encoding" in names:
                gate.faults.append(head)
            lengths = [
                int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")
            ]
            body = await reader.readexactly(sum(lengths))
            gate.heard.append((method, target, body))
            status, said = answer_to(method, target.partition("?")[0])
            head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(said)}\r\n\r\n"
            writer.write(head.encode() + said)
            await writer.drain()


def answer_to(method: str, path: str) -> tuple[int, bytes]:
    if path == "/containers/json":
        return 200, json.dumps([{"Labels": {"tinytorch.gpus": HELD}}]).encode()
    found = re.fullmatch(r"/containers/([^/]+)/json", path)
    if found and (role := CONTAINERS.get(found[1])):
        labels = {"tinytorch.classroom": "tinytorch", "tinytorch.role": role}
        return 200, json.dumps(
            {"Id": FOREIGN if role == "other" else HERS, "Config": {"Labels": labels}}
        ).encode()
    return (404, b'{"message": "no"}') if found else (200, b'{"Id": "' + HERS.encode() + b'"}')


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    srv = tmp_path_factory.mktemp("fuzz")
    for folder in ("homes", "passwd", "gate"):
        (srv / folder).mkdir()
    gate = Gate(f"{srv}/gate.sock", srv, [], [])
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        engine_server = await asyncio.start_unix_server(
            lambda *ends: play_engine(gate, *ends), f"{srv}/engine.sock"
        )
        async with engine_server, Engine(srv / "engine.sock") as engine:
            homes = Homes(srv)
            homes._add("ada", "ada")
            runner = web.AppRunner(
                HubSocket(SETTINGS, engine, homes).app(), access_log=None, shutdown_timeout=1
            )
            await runner.setup()
            await web.UnixSite(runner, gate.path).start()
            ready.set()
            await stopped.wait()
            await runner.cleanup()
            homes.close()

    asyncio.set_event_loop(loop)
    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert ready.wait(20)
    yield gate
    loop.call_soon_threadsafe(stopped.set)
    thread.join(20)
    loop.close()
    gate.check()
    for path in (srv / "homes").iterdir():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,31}", path.name), path


CREATE = json.dumps(asked()).encode()
CREATE_WITH_GPUS = json.dumps(asked(**WITH_GPUS)).encode()
HEAD = f"POST /v1.41/containers/create?name={NAME} HTTP/1.1\r\nHost: x\r\n".encode()
EVIL = b"POST /containers/create?name=evil HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n\r\n"
EVIL += b'{"HostConfig": {"Privileged": true}}'
BEHIND = b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n"


def sized(body: bytes, *more: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in (b"Content-Length: %d" % len(body), *more)) + b"\r\n" + body


def chunked(*chunks: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    parts = [b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
    return b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


def closing(line: str, body: bytes = b"") -> bytes:
    """A request as it should be, but for its first line."""
    return f"{line} HTTP/1.1\r\nHost: x\r\n".encode(errors="surrogatepass") + sized(
        body, b"Connection: close"
    )


SMUGGLED = {
    "length and chunks": HEAD + b"Content-Length: 4\r\n" + chunked() + EVIL,
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 400\r\n\r\n0\r\n\r\n" + EVIL,
    "two lengths": HEAD + b"Content-Length: 0\r\n" + sized(CREATE) + EVIL,
    "two lengths in one": HEAD + b"Content-Length: 0, %d\r\n\r\n" % len(CREATE) + CREATE + EVIL,
    "the same length twice": HEAD + b"Content-Length: %d\r\n" % len(CREATE) + sized(CREATE) + EVIL,
    "a length with a sign": HEAD + b"Content-Length: +0\r\n\r\n" + EVIL,
    "a length below nothing": HEAD + b"Content-Length: -1\r\n\r\n" + EVIL,
    "a length in hexadecimal": HEAD + b"Content-Length: 0x0\r\n\r\n" + EVIL,
    "a length with other digits": HEAD
    + "Content-Length: \N{ARABIC-INDIC DIGIT ZERO}\r\n\r\n".encode()
    + EVIL,
    "a length with a gap": HEAD + b"Content-Length : 0\r\n\r\n" + EVIL,
    "a folded header": HEAD + b"X-A: b\r\n Content-Length: 0\r\n" + sized(CREATE) + EVIL,
    "a folded encoding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n" + sized(CREATE) + EVIL,
    "an encoding by halves": HEAD + b"Transfer-Encoding: xchunked\r\n" + sized(CREATE) + EVIL,
    "an encoding of encodings": HEAD
    + b"Transfer-Encoding: identity, chunked\r\n"
    + chunked(CREATE)[28:]
    + EVIL,
    "an encoding by tab": HEAD + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + EVIL,
    "an extension": HEAD + chunked(CREATE, extension=b";a=b") + EVIL,
    "an extension with a line": HEAD + chunked(CREATE, extension=b";a=\nb") + EVIL,
    "a size too large": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + EVIL,
    "a size with a sign": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n" + EVIL,
    "a size with underscores": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0_0\r\n\r\n" + EVIL,
    "a trailer": HEAD + chunked(CREATE, trailer=b"Content-Length: 0\r\n") + EVIL,
    "bare line feeds": (HEAD + sized(CREATE)).replace(b"\r\n", b"\n") + EVIL,
    "a bare carriage return": HEAD + b"X-A: b\rContent-Length: 0\r\n" + sized(CREATE) + EVIL,
    "a zero byte": HEAD + b"X-A: b\0c\r\n" + sized(CREATE) + EVIL,
    "one behind the other": HEAD + sized(CREATE) + BEHIND + EVIL,
    "an upgrade": HEAD + sized(CREATE, b"Connection: Upgrade", b"Upgrade: tcp") + BEHIND,
    "an expectation": HEAD + sized(CREATE, b"Expect: 100-continue") + BEHIND,
    "an older version": HEAD.replace(b"/1.1", b"/1.0") + sized(CREATE) + EVIL,
    "no version": b"GET /info\r\n\r\n" + EVIL,
    "a body to a question": b"GET /version HTTP/1.1\r\nHost: x\r\n" + sized(BEHIND) + EVIL,
    "a long header": HEAD + b"X-A: " + b"b" * 20_000 + b"\r\n" + sized(CREATE) + EVIL,
    "a method of one's own": EVIL.replace(b"POST", b"PO ST"),
    "an override": HEAD
    + sized(CREATE, b"X-HTTP-Method-Override: DELETE", b"X-Original-URL: /info", b"X-Forwarded-Path: /info"),
}


@pytest.mark.parametrize("how", SMUGGLED)
def test_nothing_is_smuggled_behind_or_inside_a_request(gate: Gate, how: str) -> None:
    before = len(gate.heard)
    answer = gate.send(SMUGGLED[how])
    gate.check()
    assert len(gate.heard) - before <= 2
    assert answer.count(b"HTTP/1.") >= 1


SEGMENTS = [
    "containers",
    "images",
    "version",
    "info",
    "build",
    "exec",
    "create",
    "json",
    "start",
    "stop",
    "homes",
    "archive",
    "attach",
]
SEGMENTS += [
    HERS,
    FOREIGN,
    NAME,
    "tinytorch-student-20001",
    HERS[:12],
    "tinytorch",
    "student:1",
    "ada",
    "alan",
    "v1.41",
    "v9.99",
]
TRICKS = [
    "..",
    ".",
    "",
    "%2e%2e",
    "..%2f..",
    "%2F",
    "%2f..%2finfo",
    "%00",
    "%0d%0a",
    "%",
    "%zz",
    "%25%32%65",
    ";",
    "*",
    "\\",
    "%c0%ae",
    "?",
    "#",
    "%3f",
    "@x",
    "//x",
]
TARGETS = st.lists(
    st.one_of(st.sampled_from(SEGMENTS), st.sampled_from(TRICKS), st.text(max_size=3)), max_size=5
).map("/".join)
QUERIES = [
    "",
    "?name=" + NAME,
    "?name=evil",
    f"?name={NAME}&name=evil",
    f"?name={NAME}%00",
    "?force=1",
    "?link=1",
    "?t=5",
    "?t=-1",
    "?t=٣",
    "?v=1&force=true",
    "?x",
    "?all=1",
]
KNOWN = [f"/containers/{at}{act}" for at in (HERS, NAME, FOREIGN) for act in ("", "/json", "/start", "/stop")]
KNOWN += ["/images/tinytorch/student-gpu:1/json", "/containers/json"]
KNOWN += ["/v1.41/containers/create", "/images/tinytorch/student:1/json", "/homes/eve", "/homes/..%2feve"]
KNOWN += [
    f"/containers/{HERS}%2fexec/json",
    f"/containers/..%2f{FOREIGN}/start",
    "/containers/..%2finfo%3f/json",
    "/images/tinytorch/student:1%2fjson%3f/json",
    "/homes/%2e%2e",
]
HEADERS = [
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b" folded: x",
]
HEADERS += [
    b"Host: y",
    b"Connection: close",
    b"Connection: keep-alive, Content-Length",
    b"Expect: 100-continue",
    b"Content-Encoding: gzip",
    b"X: \xff\0",
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One to three requests in a row, each more or less odd."""
    data = b""
    for _ in range(draw(st.integers(1, 3))):
        method = draw(
            st.sampled_from(
                ["GET", "POST", "DELETE", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "get", "PO\tST"]
            )
        )
        form = draw(
            st.sampled_from(["", "", "", "/v1.41", "http://engine", "http://engine/v1.41", "//engine"])
        )
        target = (
            form
            + draw(st.sampled_from(KNOWN) | TARGETS.map(lambda path: f"/{path}"))
            + draw(st.sampled_from(QUERIES))
        )
        body = draw(st.sampled_from([b"", b"", CREATE, CREATE_WITH_GPUS, BEHIND, EVIL]) | bodies())
        end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]))
        lines = [f"{method} {target} HTTP/1.1".encode(errors="surrogatepass"), b"Host: x"]
        lines += draw(st.lists(st.sampled_from(HEADERS), max_size=2))
        framing = draw(st.integers(0, 4))
        if framing == 0:
            lines.append(b"Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif framing < 4:
            lines.append(b"Content-Length: %d" % len(body))
        data += end.join(lines) + end + end + body
    return data


@fuzzed(150)
@given(requests())
def test_requests_of_any_shape_cause_nothing_but_a_spawns_calls(gate: Gate, data: bytes) -> None:
    gate.send(data)
    gate.check()


@fuzzed(60)
@given(st.sampled_from(["GET", "POST", "DELETE"]), TARGETS)
def test_path_of_any_spelling_leads_to_nothing_else(gate: Gate, method: str, path: str) -> None:
    gate.send(closing(f"{method} /{path}"))
    gate.check()


@pytest.mark.parametrize("path", KNOWN)
def test_call_with_any_method_and_parameters_does_only_what_a_spawn_does(gate: Gate, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "PUT"):
        for query in QUERIES:
            gate.send(closing(f"{method} {path}{query}", CREATE if path.endswith("create") else b""))
    gate.check()


def test_usual_calls_are_let_through(gate: Gate) -> None:
    """Or all of this would prove nothing."""
    before = len(gate.heard)
    for line in (
        f"POST /containers/{NAME}/start",
        f"POST /containers/{HERS}/stop?t=5",
        f"DELETE /containers/{HERS}?force=1",
    ):
        assert b" 200 " in gate.send(closing(line))
    assert b" 200 " in gate.send(HEAD + sized(CREATE, b"Connection: close"))
    assert len(gate.heard) - before == 7  # each that acts has looked first
    assert b" 200 " in gate.send(HEAD + sized(CREATE_WITH_GPUS, b"Connection: close"))
    assert len(gate.heard) - before == 9  # and which GPUs are free
    gate.check()


# The path of a bind


@root_only
def test_home_that_is_swapped_while_it_is_made_never_changes_what_it_is_swapped_for(tmp_path: Path) -> None:
    for folder in ("homes", "passwd", "gate"):
        (tmp_path / folder).mkdir()
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "ada.passwd").write_text("kept")
    other = tmp_path / "other"
    other.mkdir(mode=0o755)
    os.chown(other, 20_777, 20_777)
    home, passwd = tmp_path / "homes" / "ada", tmp_path / "passwd" / "ada.passwd"
    stopped = threading.Event()

    def swap() -> None:
        aside = tmp_path / "aside"
        while not stopped.is_set():
            for target in (outside, other):
                with suppress(OSError):
                    home.rename(aside)
                with suppress(OSError):
                    home.symlink_to(target)
                with suppress(OSError):
                    passwd.unlink()
                    passwd.symlink_to(outside / "ada.passwd")
                with suppress(OSError):
                    home.unlink()
                with suppress(OSError):
                    aside.rename(home)

    homes = Homes(tmp_path)
    swapping = threading.Thread(target=swap)
    swapping.start()
    made = 0
    try:
        for _ in range(EXAMPLES or 1500):
            with suppress(Refused, OSError):
                homes.ensure("ada")
                made += 1
    finally:
        stopped.set()
        swapping.join()
        homes.close()
    assert made
    for folder, owner in ((outside, 0), (other, 20_777)):
        found = folder.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (owner, 0o755)
    assert (outside / "ada.passwd").read_text() == "kept"
