"""A student against the hub, the machine and the others: from inside a server, by a browser that is signed in, from outside."""

from __future__ import annotations

import http.client
import json
import secrets
import stat
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from tests.classroom import Classroom, Student, run, wait_for
from tests.kernel import Kernel
from tests.test_isolation import address, host_reaches

MARKER = f"only-hers-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def hers(people: dict[str, Student]) -> Student:
    """Ada, with a server and a file in it."""
    people["ada"].start_server()
    assert people["ada"].shell(f"echo {MARKER} > ~/course/{MARKER}.txt").returncode == 0
    return people["ada"]


def token_of(student: Student) -> str:
    """What the student's own server holds."""
    return student.shell("echo $JUPYTERHUB_API_TOKEN").stdout.strip()


def made(student: Student) -> str:
    """A token that the student made, with all that they may."""
    return str(student.api("POST", f"users/{student.name}/tokens", json={"expires_in": 600}).json()["token"])


# Others' servers by URL

PAGES = [
    "lab",
    "lab/tree/course",
    f"files/course/{MARKER}.txt",
    f"api/contents/course/{MARKER}.txt",
    "api/contents/course",
    "api/kernels",
    "api/sessions",
    "api/terminals",
    "api/me",
    "oauth_callback?code=x&state=y",
]


def test_nobody_opens_anothers_server(classroom: Classroom, hers: Student, mallory: Student) -> None:
    theirs = f"{classroom.url}user/ada/"
    assert MARKER in hers.session.get(f"{theirs}files/course/{MARKER}.txt", timeout=60).text
    tokens = [made(mallory), token_of(mallory)]
    for page in PAGES:
        answers = [mallory.session.get(theirs + page, timeout=60), requests.get(theirs + page, timeout=60)]
        for token in tokens:
            answers.append(
                requests.get(theirs + page, headers={"Authorization": f"token {token}"}, timeout=60)
            )
            answers.append(requests.get(theirs + page, params={"token": token}, timeout=60))
        for answer in answers:
            let_in = answer.status_code == 200 and "/hub/login" not in answer.url
            assert not let_in, f"{answer.url}: {answer.text[:300]}"
            assert MARKER not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nobody_changes_anything_on_anothers_server(hers: Student, mallory: Student, method: str) -> None:
    theirs = f"{hers.classroom.url}user/ada/api/"
    for path in (f"contents/course/{MARKER}.txt", "kernels", "terminals", "shutdown"):
        for token in (made(mallory), token_of(mallory)):
            headers = {"Authorization": f"token {token}"}
            answer = requests.request(method, theirs + path, json={}, headers=headers, timeout=60)
            assert answer.status_code in (403, 404, 405), answer.text
        answer = mallory.session.request(method, theirs + path, json={}, timeout=60)
        assert answer.status_code in (403, 404, 405), answer.text
    assert hers.shell(f"cat ~/course/{MARKER}.txt").stdout.strip() == MARKER


def connects(url: str, origin: str, session: requests.Session, path: str) -> bool:
    cookies = "; ".join(f"{each.name}={each.value}" for each in session.cookies if path.startswith(each.path))
    try:
        websocket.create_connection(url, cookie=cookies, origin=origin, timeout=30).close()
    except websocket.WebSocketBadStatusException as refused:
        return refused.status_code not in (302, 403)
    return True


def test_nobody_joins_anothers_kernel_nor_has_her_own_browser_do_it(hers: Student, mallory: Student) -> None:
    classroom = hers.classroom
    kernel = Kernel(hers)
    mallory.session.get(f"{classroom.url}user/mallory/lab", timeout=60)
    path = f"{classroom.base_path}user/ada/api/kernels/{kernel.identifier}/channels"
    own = "http://" + urlsplit(classroom.url).netloc
    url = own.replace("http", "ws", 1) + path
    try:
        assert connects(url, own, hers.session, path)
        assert not connects(url, "https://elsewhere.example", hers.session, path)
        assert not connects(url, own, mallory.session, path)
        assert not connects(f"{url}?token={made(mallory)}", own, requests.Session(), path)
    finally:
        kernel.delete()


def test_cookie_of_a_server_opens_no_sibling(classroom: Classroom, hers: Student, mallory: Student) -> None:
    for student in (hers, mallory):
        assert student.session.get(f"{classroom.url}user/{student.name}/lab", timeout=60).ok
    siblings = f"{classroom.base_path}user/ada/"
    for cookie in mallory.session.cookies:
        thief = requests.Session()
        for name in {cookie.name, cookie.name.replace("mallory", "ada"), "jupyterhub-user-ada"}:
            for path in (siblings, classroom.base_path, "/"):
                thief.cookies.set(name, cookie.value, path=path)
        answer = thief.get(f"{classroom.url}user/ada/files/course/{MARKER}.txt", timeout=60)
        assert MARKER not in answer.text, cookie.name
        assert answer.status_code == 403 or "/hub/login" in answer.url, cookie.name


def raw(classroom: Classroom, path: str, **headers: str) -> tuple[int, bytes]:
    """What is answered to a path as it stands: other clients tidy it first."""
    connection = http.client.HTTPConnection(urlsplit(classroom.url).netloc, timeout=60)
    connection.putrequest("GET", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_no_spelling_of_a_path_leads_elsewhere(classroom: Classroom, hers: Student, mallory: Student) -> None:
    base = classroom.base_path
    mallory.session.get(f"{classroom.url}user/mallory/lab", timeout=60)
    cookies = "; ".join(f"{each.name}={each.value}" for each in mallory.session.cookies)
    file = f"ada/files/course/{MARKER}.txt"
    ups = ("..", "%2e%2e", ".%2e", "..%2f..", "..;", "..%5c")
    paths = [f"{base}user/mallory/{up}/{file}" for up in ups]
    paths += [f"{base}user/mallory/files/{up}/{up}/{up}/etc/shadow" for up in ups]
    paths += [
        f"{base}{at}/{up}/{up}/{up}/{up}/srv/hub/jupyterhub.sqlite"
        for up in ups
        for at in ("hub/static", "hub/classroom")
    ]
    paths += [f"{base}services/grading/static/{up}/{up}/{up}/{up}/etc/passwd" for up in ups]
    paths += [
        f"//{base}user/{file}",
        f"{base}user//{file}",
        f"http://ada{base}user/{file}",
        f"{base}user/{file}%00.png",
    ]
    paths += ["/api/routes", f"{base}api/routes", f"{base}api/routes/", "/%61pi/routes"]
    for path in paths:
        status, body = raw(classroom, path, Cookie=cookies)
        assert not any(
            found in body for found in (MARKER.encode(), b"SQLite format", b"root:x:0", b'"target"')
        ), (path, status)


# Starting a server of another kind

GREEDY: dict[str, Any] = {
    "profile": "instructor",
    "group": "role-instructor",
    "user": "0",
    "uid": 0,
    "mem_limit": "64G",
    "cpu_limit": 64,
    "volumes": {"/": "/host"},
    "binds": {"/": "/host"},
    "mounts": [{"type": "bind", "source": "/", "target": "/host"}],
    "network": "host",
    "network_name": "host",
    "privileged": True,
    "extra_host_config": {"privileged": True, "binds": ["/:/host"]},
    "extra_create_kwargs": {"user": "0"},
    "environment": {"HOME": "/root"},
    "cmd": ["sleep", "60"],
}
LIMITS = (
    "Memory",
    "CpuQuota",
    "PidsLimit",
    "CapAdd",
    "CapDrop",
    "Privileged",
    "NetworkMode",
    "PidMode",
    "IpcMode",
    "UsernsMode",
)
MORE_LIMITS = (
    "Binds",
    "Devices",
    "DeviceRequests",
    "SecurityOpt",
    "CgroupParent",
    "GroupAdd",
    "VolumesFrom",
    "Runtime",
    "Dns",
)


def kind(student: Student) -> dict[str, Any]:
    """What a student's container is, but for whose it is."""
    [told] = json.loads(run("docker", "inspect", student.container).stdout)
    found = {field: told["HostConfig"][field] for field in (*LIMITS, *MORE_LIMITS)}
    text = json.dumps([told["HostConfig"]["Mounts"], told["Config"]["Cmd"], told["Image"]])
    return {**found, "rest": text.replace(student.name, "NAME")}


@pytest.mark.parametrize("way", ["api", "form", "link"])
def test_who_asks_for_more_gets_what_everybody_gets(
    classroom: Classroom, hers: Student, mallory: Student, way: str
) -> None:
    greedy = {**GREEDY, "image": f"{classroom.name}/gate:0.1.0"}
    words = {name: json.dumps(value) for name, value in greedy.items()}
    mallory.stop_server()
    if way == "api":
        mallory.api("POST", "users/mallory/server", json=greedy)
    else:
        asked = {"timeout": 60, "allow_redirects": False}
        address = f"{classroom.url}hub/spawn"
        if way == "link":  # whoever follows it
            mallory.session.get(address, params=words, **asked)
        else:
            mallory.session.post(address, data={**words, "_xsrf": mallory.xsrf}, **asked)
    mallory.start_server()  # the hub remembers what was asked, and asks it again
    assert kind(mallory) == kind(hers)
    assert mallory.shell("whoami; echo $HOME; ls /host 2>&1").stdout.split()[:2] == [
        "mallory",
        "/home/mallory",
    ]


# From inside a server

HUB_CALL = """
import os, sys, urllib.error, urllib.request
for line in sys.stdin.read().splitlines():
    method, path = line.split()
    address = os.environ["JUPYTERHUB_API_URL"] + "/" + path
    headers = {"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(address, b"{}", headers, method=method), timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    print(answer.status, line)
"""


def test_server_may_ask_the_hub_for_nothing_of_others(hers: Student, mallory: Student) -> None:
    asked = [
        "GET users",
        "GET users/ada",
        "DELETE users/ada/server",
        "POST users/ada/tokens",
        "GET groups",
        "GET proxy",
    ]
    asked += [
        "POST users/mallory/tokens",
        "PATCH users/mallory",
        "POST groups/role-instructor/users",
        "POST shutdown",
    ]
    said = mallory.shell(
        f"python3 -c '{HUB_CALL}'", stdin="\n".join(["GET user", *asked])
    ).stdout.splitlines()
    assert said[0] == "200 GET user"
    assert [line.partition(" ")[2] for line in said[1:]] == asked
    assert all(line.startswith(("403 ", "404 ")) for line in said[1:]), said
    assert hers.api("GET", "users/ada").json()["servers"]


def test_no_secret_and_no_database_is_in_a_students_container(classroom: Classroom, mallory: Student) -> None:
    lines = (classroom.state / "secrets" / "secrets.env").read_text().splitlines()
    values = [line.partition("=")[2] for line in lines if len(line.partition("=")[2]) >= 16]
    assert len(values) >= 8
    search = "grep -rlF -f /tmp/values /proc/[0-9]*/environ /proc/[0-9]*/cmdline /etc /home /run /srv/course /var 2> /dev/null"
    found = mallory.shell(
        f"cat > /tmp/values; {search}; rm /tmp/values", stdin="\n".join([*values, token_of(mallory)])
    )
    assert found.stdout.strip(), "the search finds what is there: the own token"
    alone = mallory.shell(f"cat > /tmp/values; {search}; rm /tmp/values", stdin="\n".join(values))
    assert alone.stdout.strip() == ""
    names = r"\( -name '*.sqlite*' -o -name 'gradebook.db' -o -name secrets.env -o -name cookie_secret -o -name '*.sock' \)"
    assert (
        mallory.shell(
            f"find / -xdev {names} -not -path '/home/*' -not -path '*/site-packages/*' 2> /dev/null"
        ).stdout.strip()
        == ""
    )


NEIGHBOURS = """
import fcntl, os, socket, struct, sys
[theirs] = sys.argv[1:]
os.environ["JUPYTERHUB_USER"]  # only there: elsewhere, as root, the last attempt takes a machine its own address

def tried(what, attempt):
    try:
        print(what, "reached", attempt())
    except OSError as error:
        print(what, "refused", error)

def ping():  # anybody may, in a container
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    door.settimeout(2)
    door.sendto(struct.pack("!BBHHH", 8, 0, 0, 1, 1) + b"x" * 8, (theirs, 0))
    return door.recv(100)

def sixth(host):
    door = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    door.sendto(b"x", (host, 9, 0, socket.if_nametoindex("eth0")))

def rename():
    request = struct.pack("16sH2s4s8s", b"eth0", socket.AF_INET, bytes(2), socket.inet_aton(theirs), bytes(8))
    fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8916, request)  # SIOCSIFADDR

tried("ping", ping)
tried("everybody by IPv6", lambda: sixth("ff02::1"))
tried("the router by IPv6", lambda: sixth("fe80::1"))
tried("frames of one's own", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
tried("packets of one's own", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
tried("another's address", rename)
print("addresses", sum(line.split()[-1] != "lo" for line in open("/proc/net/if_inet6")))
"""


def test_no_neighbour_is_reached_by_other_ways_than_tcp(
    classroom: Classroom, hers: Student, mallory: Student
) -> None:
    theirs = address(hers.container, classroom.environment["TT_STUDENTS_NETWORK"])
    assert host_reaches(theirs, 8888)
    said = mallory.shell(f"python3 - {theirs} <<'E'\n{NEIGHBOURS}\nE").stdout.splitlines()
    assert len(said) == 7, said
    assert all(" refused " in line for line in said[:6]), said
    assert said[6] == "addresses 0"


RESOLVER = """
import socket, threading
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind(("127.0.0.1", 53))
door.settimeout(20)
threading.Thread(target=lambda: socket.getaddrinfo("told-to-the-world.example", 80), daemon=True).start()
print(door.recv(512))
"""


def test_no_name_is_asked_of_the_world(mallory: Student) -> None:
    """Where the machine's own name server is on the machine (systemd-resolved), an engine may ask it past the firewall."""
    said = mallory.shell(f"python3 - <<'E'\n{RESOLVER}\nE")
    assert "told-to-the-world" in said.stdout, said.stderr


# What makes a start safe from a race: nobody but root can put anything where the engine takes binds from


def test_only_root_writes_where_binds_come_from(
    classroom: Classroom, hers: Student, mallory: Student
) -> None:
    folders = [classroom.state, *(classroom.state / name for name in ("homes", "passwd", "gate"))]
    for folder in {each for at in folders for each in (at, *at.parents)}:
        found = folder.stat()
        assert found.st_uid == 0, folder
        assert not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH), folder
    assert not any(home.is_symlink() for home in (classroom.state / "homes").iterdir())


# Taking more than one's share


def test_memory_bomb_ends_in_its_own_container(classroom: Classroom, hers: Student, mallory: Student) -> None:
    with Kernel(hers) as kernel:
        bomb = mallory.shell("python3 -c \"hoard = []\nwhile True: hoard.append(b'x' * 2**25)\"", timeout=120)
        assert bomb.returncode != 0
        assert kernel.run("print(6 * 7)") == "42\n"
    kernel.delete()
    classroom.wait_healthy("hub", 30)
    wait_for("the hub knows how it stands with the server", lambda: mallory.api("GET", "users/mallory").ok)
    if not mallory.container:  # the kernel chose the server, and not the bomb
        wait_for("the hub has seen it", lambda: not mallory.api("GET", "users/mallory").json()["servers"], 90)


def test_5000_files_and_2_gb_in_a_home_stop_neither_its_owner_nor_others(
    classroom: Classroom, hers: Student, mallory: Student
) -> None:
    many = "mkdir -p ~/many && cd ~/many && touch $(seq 5000) && fallocate -l 2G big"
    assert mallory.shell(many).returncode == 0
    try:
        mallory.stop_server()
        mallory.start_server()
        url = f"{classroom.url}user/mallory/"
        assert mallory.session.get(f"{url}lab", timeout=60).ok
        listed = mallory.session.get(f"{url}api/contents/many", timeout=60).json()["content"]
        assert len(listed) == 5001
        assert mallory.tito("map").returncode == 0
        with Kernel(hers) as kernel:
            assert kernel.run("print(6 * 7)") == "42\n"
        kernel.delete()
    finally:
        mallory.shell("rm -rf ~/many")
