"""What a student's container cannot reach, tried from inside one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from course.builder.source import RUBRIC, read
from course.manifest import HERE, load
from tests.classroom import Classroom, Student, run, wait_for

METADATA = "169.254.169.254"
CAMPUS = "198.51.100.7"  # an address for documentation (RFC 5737), put on this machine for the test
GATEWAY = "198.51.100.1"  # this machine's, on the way there

CONNECT = """python3 - <<'E'
import socket
door = socket.socket()
door.settimeout(3)
try:
    door.connect(("{host}", {port}))
    print("reached")
except OSError as error:
    print("refused", error)
E"""


def reaches(student: Student, host: str, port: int) -> bool:
    answer = student.shell(CONNECT.format(host=host, port=port))
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.startswith("reached")


def address(container: str, network: str) -> str:
    template = '{{(index .NetworkSettings.Networks "' + network + '").IPAddress}}'
    return run("docker", "inspect", "--format", template, container).stdout.strip()


@pytest.fixture(scope="module")
def outside() -> Iterator[None]:
    """The metadata address and one outside the machine, in a namespace that it routes to, with a server that answers."""
    listener = (
        "import socket, threading\n"
        "def serve(host):\n"
        "    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((host, 8765)); s.listen()\n"
        "    while True: s.accept()[0].close()\n"
        f"for host in ('{METADATA}', '{CAMPUS}'): threading.Thread(target=serve, args=(host,)).start()\n"
    )
    ip("netns", "add", "tt-outside")
    try:
        ip("link", "add", "tt-outside", "type", "veth", "peer", "name", "inside", "netns", "tt-outside")
        ip("addr", "add", f"{GATEWAY}/24", "dev", "tt-outside")
        ip("link", "set", "tt-outside", "up")
        for address in (f"{CAMPUS}/24", f"{METADATA}/32"):
            ip("-n", "tt-outside", "addr", "add", address, "dev", "inside")
        ip("-n", "tt-outside", "link", "set", "inside", "up")
        ip("-n", "tt-outside", "route", "add", "default", "via", GATEWAY)
        ip("route", "add", METADATA, "via", CAMPUS)
        server = subprocess.Popen(["ip", "netns", "exec", "tt-outside", sys.executable, "-c", listener])
        try:
            for host in (METADATA, CAMPUS):
                wait_for(f"an answer at {host}", partial(host_reaches, host, 8765))
            yield
        finally:
            server.kill()
            server.wait()
    finally:
        run("ip", "link", "del", "tt-outside")  # at once; the namespace's end takes it away only later
        run("ip", "netns", "del", "tt-outside")


def ip(*words: str) -> None:
    """A change of this machine's network, which must not fail: the real world would answer in the test's place."""
    answer = run("ip", *words)
    assert answer.returncode == 0, answer.stderr


def host_reaches(host: str, port: int) -> bool:
    return (
        run("python3", "-c", f"import socket; socket.create_connection(('{host}', {port}), 3)").returncode
        == 0
    )


def test_student_reaches_hub_and_grading(classroom: Classroom, ada: Student) -> None:
    assert reaches(ada, classroom.environment["TT_HUB_IP"], 8081)
    assert reaches(ada, classroom.environment["TT_API_IP"], 8300)


@pytest.mark.parametrize("host", [METADATA, CAMPUS])
def test_student_cannot_reach_an_address_outside_that_answers(
    mallory: Student, outside: None, host: str
) -> None:
    assert host_reaches(host, 8765)
    assert not reaches(mallory, host, 8765)


def test_student_cannot_reach_another_students_server(
    classroom: Classroom, ada: Student, mallory: Student
) -> None:
    theirs = address(ada.container, classroom.environment["TT_STUDENTS_NETWORK"])
    assert host_reaches(theirs, 8888)
    assert not reaches(mallory, theirs, 8888)


def test_student_cannot_reach_the_machine(classroom: Classroom, mallory: Student) -> None:
    gateway = classroom.environment["TT_STUDENTS_GATEWAY"]
    assert host_reaches("127.0.0.1", int(classroom.environment["TT_PORT"]))
    for port in (22, 2375, int(classroom.environment["TT_PORT"])):
        assert not reaches(mallory, gateway, port)


@pytest.mark.parametrize(("service", "port"), [("proxy", 8001), ("proxy", 8000), ("api", 9301)])
def test_student_cannot_reach_other_ports_of_the_services(
    classroom: Classroom, mallory: Student, service: str, port: int
) -> None:
    host = classroom.environment[f"TT_{service.upper()}_IP"]
    assert host_reaches(host, port)
    assert not reaches(mallory, host, port)


def test_student_cannot_reach_the_services_own_networks(classroom: Classroom, mallory: Student) -> None:
    prometheus = address(classroom.container("prometheus"), f"{classroom.name}-monitoring")
    hub = address(classroom.container("hub"), f"{classroom.name}-services")
    for host, port in ((prometheus, 9090), (hub, 8081)):
        assert host_reaches(host, port)
        assert not reaches(mallory, host, port)


def test_student_has_no_way_to_the_engine_or_to_root(mallory: Student) -> None:
    answer = mallory.shell(
        "ls /var/run/docker.sock /run/gate; id -u; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; whoami"
    )
    assert "docker.sock': No such file" in answer.stderr
    lines = answer.stdout.split("\n")
    assert int(lines[0]) >= 20000
    assert lines[1].split()[1] == "0" * 16
    assert lines[2].split()[1] == "1"
    assert lines[3] == "mallory"


def test_student_cannot_read_another_students_home(
    classroom: Classroom, ada: Student, mallory: Student
) -> None:
    assert ada.shell("echo secret > ~/mine && cat ~/mine").stdout == "secret\n"
    seen = mallory.shell("ls -la /home; cat /home/ada/mine; getent passwd | grep -c -e ada")
    assert "secret" not in seen.stdout
    assert "ada" not in seen.stdout
    home = classroom.state / "homes" / "ada"
    assert home.stat().st_mode & 0o777 == 0o700


def test_data_sets_are_read_only(mallory: Student) -> None:
    answer = mallory.shell("ls /srv/datasets/digits && touch /srv/datasets/mine")
    assert answer.returncode != 0
    assert "Read-only file system" in answer.stderr


def test_no_solution_probe_or_reference_is_in_the_students_container(mallory: Student) -> None:
    text = mallory.shell(
        "grep -rIl --exclude-dir=proc --exclude-dir=sys --exclude=clearsolutions.py -e 'BEGIN SOLUTION' -e 'BEGIN RUBRIC' -e 'course.probing' -e 'def hidden(rng' / 2>/dev/null | head"
    )
    assert text.stdout.strip() == ""
    folders = mallory.shell(
        "find /opt /srv /usr/local /home -xdev \\( -name probes -o -name instructor -o -name reference -o -name grading \\) 2>/dev/null"
    )
    assert folders.stdout.strip() == ""


def test_no_rubric_is_in_the_students_container(mallory: Student) -> None:
    cells = [
        cell
        for path in (HERE / "modules").glob("*.py")
        for cell in read(path, load(HERE / "course.yml").tracks)
    ]
    lines = {
        line.strip()
        for cell in cells
        for rubric in RUBRIC.findall(cell.source)
        for line in rubric.splitlines()
        if len(line.strip()) > 40
    }
    assert lines
    found = mallory.shell(
        "cat > /tmp/lines; grep -rIlF -f /tmp/lines /opt /srv /usr/local /home /etc 2>/dev/null; rm /tmp/lines",
        stdin="\n".join(lines),
    )
    assert found.stdout.strip() == ""


def test_a_students_token_gets_no_solution_and_nothing_of_staff(mallory: Student) -> None:
    slugs = [slug for slug, module in load(HERE / "course.yml").modules.items() if module.available]
    asked = [f"reference/{slug}" for slug in slugs]
    asked += [
        f"reference/{slugs[0]}?catch_up={slugs[-1]}",
        "reference/..%2fprobes%2ftensor",
        "reference/tensor.py",
    ]
    asked += ["hints", "restores", f"guesses/{slugs[0]}"]
    for path in asked:
        status, text = mallory.grading("GET", path)
        assert status in (400, 403, 404), path
        assert list(json.loads(text)) == ["error"], path


def test_a_students_server_stays_under_the_classrooms_ceiling(classroom: Classroom, ada: Student) -> None:
    parent = run(
        "docker",
        "inspect",
        "--format",
        "{{.HostConfig.CgroupParent}} {{.HostConfig.PidsLimit}} {{.HostConfig.Memory}}",
        ada.container,
    )
    assert parent.stdout.split()[0].strip("/").replace(".slice", "").endswith("students")
    assert int(parent.stdout.split()[1]) == 256
    assert int(parent.stdout.split()[2]) == 768 * 2**20


def test_fork_bomb_ends_in_its_own_container(classroom: Classroom, mallory: Student) -> None:
    bomb = "python3 -c 'import os,time\nfor _ in range(2000):\n  try:\n    if os.fork()==0: time.sleep(20); os._exit(0)\n  except OSError as e: print(e); break'"
    assert "temporarily unavailable" in mallory.shell(bomb).stdout
    classroom.wait_healthy("hub", 30)
