"""A semester's classroom beside the tests' own: people of the campus, who come over TLS that only this machine trusts, marks in
PostgreSQL, and a way out for students. Deployed, used, backed up, deleted, and restored from a fresh clone.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.campus import Campus, come_back, running, sign_in
from tests.classroom import Classroom, Student, deployed, make, run, undeploy, wait_for
from tests.kernel import Kernel
from tests.submissions import right
from tests.test_backup import hand_in, marks, restored_elsewhere, settled
from tests.test_bad_input import refused
from tests.test_isolation import ip

# Addresses for documentation (RFC 5737): the campus's, and this machine's beside it.
PLACE, WAY = "203.0.113.5", "203.0.113.1"
FAR = "203.0.113.200"  # beyond it, as a page of the world
PRIVATE = "10.213.7.7"  # and one that is none
NAMESPACE = "tt-campus"
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
SECRET = "the client's own secret+%"
SETTINGS = Template("""\
classroom: {name: tinytorch-campus, title: A Semester}
state: $state
network:
  address: 127.0.0.1
  port: 18780
  base_path: /semester/
  services_subnet: 172.30.144.0/24
  students_subnet: 172.30.148.0/22
student: {memory: 768M, internet: packages}
hub: {auth: oidc, self_registration: closed, may_open_servers: instructors}
oidc:
  issuer: https://$place
  client_id: classroom
  secret_file: $secret
  preset: keycloak
  instructor_groups: [cs101-staff]
grading: {database: postgresql}
monitoring: {port: 19797}
backup: {at: null}
""")
PEOPLE = {
    "grace": {"preferred_username": "grace", "name": "Grace", "groups": []},
    "lin": {"preferred_username": "lin", "name": "Lin", "groups": ["cs101-staff"]},
    "stranger": {"preferred_username": "stranger", "groups": ["others"]},
}


@dataclass
class Door:
    url: str


@pytest.fixture(scope="module")
def namespace() -> Iterator[list[str]]:
    """An address outside this machine, by a namespace that it routes to; what goes before a command that runs there."""
    for kind in ("link", "netns"):  # what a run that was ended left
        run("ip", kind, "del", NAMESPACE)
    ip("netns", "add", NAMESPACE)
    try:
        ip("link", "add", NAMESPACE, "type", "veth", "peer", "name", "inside", "netns", NAMESPACE)
        ip("addr", "add", f"{WAY}/29", "dev", NAMESPACE)
        ip("link", "set", NAMESPACE, "up")
        for address in (f"{PLACE}/29", f"{FAR}/32", f"{PRIVATE}/32"):
            ip("-n", NAMESPACE, "addr", "add", address, "dev", "inside")
        ip("-n", NAMESPACE, "link", "set", "inside", "up")
        for address in (FAR, PRIVATE):
            ip("route", "add", address, "via", PLACE)
        yield ["ip", "netns", "exec", NAMESPACE]
    finally:
        run("ip", "link", "del", NAMESPACE)
        run("ip", "netns", "del", NAMESPACE)


@pytest.fixture(scope="module")
def pages(namespace: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A page at each of the addresses there, which this machine itself can read."""
    folder = tmp_path_factory.mktemp("pages")
    server = subprocess.Popen(
        [*namespace, sys.executable, "-m", "http.server", "80", "--directory", str(folder)]
    )
    try:
        for host in (PLACE, FAR, PRIVATE):
            wait_for(f"a page at {host}", lambda host=host: answers(f"http://{host}/"))
        yield
    finally:
        server.kill()
        server.wait()


class Page200(BaseHTTPRequestHandler):
    """A page of this machine's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def answers(url: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(url, timeout=5).ok
    return False


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The campus's certificate, which this machine trusts for as long as the module runs: nothing is written to its own list."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    made = run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=campus",
        "-addext", f"subjectAltName=IP:{PLACE}", "-keyout", str(key), "-out", str(cert),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    while run("umount", str(TRUSTED)).returncode == 0:  # what a run that was ended left
        pass
    more = folder / "ca-certificates.crt"
    more.write_bytes(TRUSTED.read_bytes() + cert.read_bytes())
    assert run("mount", "--bind", str(more), str(TRUSTED)).returncode == 0
    yield {"key": str(key), "cert": str(cert)}
    run("umount", str(TRUSTED))


@pytest.fixture(scope="module")
def campus(
    namespace: list[str], certificate: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Campus]:
    told = {
        "issuer": f"https://{PLACE}",
        "tls": certificate,
        "client_secret": SECRET,
        "back": ["http://127.0.0.1:18780/semester/hub/oauth_callback"],
        "people": PEOPLE,
    }
    with running(tmp_path_factory.mktemp("oidc"), told, inside=namespace) as campus:
        yield campus


@pytest.fixture(scope="module")
def semester(campus: Campus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """The second classroom; what an aborted run left is removed first."""
    folder = tmp_path_factory.mktemp("semester")
    secret, config = folder / "secret", folder / "classroom.yml"
    secret.touch(mode=0o600)
    secret.write_text(f"{SECRET}\n")
    state = Path("/var/lib/tinytorch-campus")
    config.write_text(SETTINGS.substitute(state=state, place=PLACE, secret=secret))
    if state.exists():
        undeploy(config)
    answer = make("deploy", config=config, timeout=1500)
    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr[-3000:]
    found = deployed(config)
    people = folder / "class.csv"
    people.write_text("name,id,email,section,role\nGrace,grace,grace@example.edu,A,student\n")
    listed = make("roster", config=config, FILE=str(people))
    assert listed.returncode == 0, listed.stdout + listed.stderr
    yield found
    undeploy(config, keep_engine=os.environ.get("TT_TEST_ENGINE") == "found")
    with suppress(FileNotFoundError):
        shutil.rmtree(found.environment["TT_BACKUP_TO"])


def door(semester: Classroom) -> Door:
    return Door(f"{semester.url}hub/")


def by_the_campus(semester: Classroom, name: str, certificate: dict[str, str]) -> Student:
    """Somebody who has come in, with a server that runs."""
    session, answer = come_back(door(semester), name, trusted=Path(certificate["cert"]))
    assert answer.ok, answer.text
    student = Student(semester, name, "", session)
    student.start_server()
    return student


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A browser that believes the campus's certificate, and reaches nothing else: the provider's page asks for a font."""
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(60_000)
    context.route(lambda url: urlsplit(url).hostname not in ("127.0.0.1", PLACE), lambda route: route.abort())
    yield context.new_page()
    context.close()


def test_who_is_on_the_roster_comes_in_with_the_campus_account_and_to_the_lab(
    semester: Classroom, visitor: Page
) -> None:
    page = sign_in(visitor, door(semester), "grace")
    page.goto(f"{semester.url}hub/spawn")
    page.wait_for_url("**/user/grace/lab**", timeout=120_000)
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)


def test_who_is_not_is_told_so(semester: Classroom, visitor: Page) -> None:
    page = sign_in(visitor, door(semester), "stranger")
    expect(page.locator("body")).to_contain_text("not on this class's list")


def test_a_wrong_secret_is_said_by_what_a_deploy_ends_with(semester: Classroom) -> None:
    wrong = base64.b64encode(b"what it was last year").decode()
    refused(
        semester.compose(
            "exec", "-T", "--env", f"TT_OIDC_SECRET={wrong}", "hub",
            "python", "-m", "hub.verify", "--url", "http://proxy:8000/semester/",
        ),
        "oidc.secret_file",
    )  # fmt: skip


def test_an_instructor_opens_a_students_server_and_the_student_reads_of_it(
    semester: Classroom, visitor: Page, certificate: dict[str, str]
) -> None:
    grace = by_the_campus(semester, "grace", certificate)
    page = sign_in(visitor, door(semester), "lin")
    page.goto(f"{semester.url}hub/people/person?name=grace")
    with page.expect_popup() as opened:
        page.locator("a[href='/semester/user/grace/']").click()
    opened.value.get_by_role("button", name="Authorize").click()
    expect(opened.value.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
    assert "/semester/user/grace/lab" in opened.value.url
    told = grace.session.get(f"{semester.url}hub/home", timeout=30).text
    assert "lin opened the notebooks" in " ".join(re.sub("<[^>]+>", " ", told).split())


READ = """
import urllib.request
try:
    print(urllib.request.urlopen({url!r}, timeout=4).status)
except OSError as error:
    print(error)
"""
STRAIGHT = """
import socket
try:
    socket.create_connection(({host!r}, {port}), timeout=2)
    print("reached")
except OSError as error:
    print(error)
"""


def test_with_packages_pip_works_and_nothing_else_is_reached(
    semester: Classroom, certificate: dict[str, str], pages: None
) -> None:
    with Kernel(by_the_campus(semester, "grace", certificate)) as kernel:
        said = kernel.run(
            "%pip install --quiet --no-deps iniconfig\nimport iniconfig; print(iniconfig.__file__)"
        )
        assert "/home/grace/.local/lib/" in said, said
        for host in (PLACE, FAR, PRIVATE, semester.environment["TT_STUDENTS_GATEWAY"]):
            for url in (f"http://{host}/", f"https://{host}/"):
                assert "403" in kernel.run(READ.format(url=url)), url
            for port in (80, 443):
                assert "reached" not in kernel.run(STRAIGHT.format(host=host, port=port)), host
        kernel.delete()


def test_with_all_of_the_web_nothing_private_or_near_is_reached(
    semester: Classroom, certificate: dict[str, str], pages: None
) -> None:
    packages = semester.config.read_text()
    semester.config.write_text(packages.replace("internet: packages", "internet: all"))
    answer = make("deploy", config=semester.config)
    assert answer.returncode == 0, answer.stdout[-6000:] + answer.stderr[-3000:]
    gateway = semester.environment["TT_STUDENTS_GATEWAY"]
    near = [f"http://{host}/" for host in (PLACE, PRIVATE, gateway)]
    near.append(f"https://{PLACE}/.well-known/openid-configuration")
    assert run(f"{semester.state}/isolation.sh", "apply").stdout == "", "what holds already is changed"
    with Kernel(by_the_campus(semester, "grace", certificate)) as kernel:
        assert kernel.run(READ.format(url=f"http://{FAR}/")) == "200\n"
        with HTTPServer((gateway, 80), Page200) as server:  # the machine itself
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            for url in near:
                assert requests.get(url, verify=certificate["cert"], timeout=5).status_code == 200, url
                assert kernel.run(READ.format(url=url)) != "200\n", url
            server.shutdown()
        assert "reached" not in kernel.run(STRAIGHT.format(host=FAR, port=80)), "but by the way out"
        kernel.delete()
    semester.config.write_text(packages.replace("internet: packages", "internet: none"))
    assert make("deploy", config=semester.config).returncode == 0
    assert not semester.container("outbound")
    ways = run("iptables", "-S").stdout
    assert semester.environment["TT_OUTBOUND_IP"] not in ways


def test_all_of_it_is_back_after_the_drill(
    semester: Classroom, certificate: dict[str, str], tmp_path: Path
) -> None:
    grace = by_the_campus(semester, "grace", certificate)
    grace.shell("mkdir -p ~/course && echo unhurried > ~/course/notes.txt")
    identifier = hand_in(grace, right("setup"))
    assert identifier
    semester.submission(grace, identifier)
    wait_for("grace's mark is settled", lambda: identifier in settled(grace))
    before = marks(grace)
    answer = make("backup", config=semester.config)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    key = tmp_path / "key"
    key.write_text(make("backup-key", config=semester.config).stdout)
    gone = undeploy(semester.config)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert not semester.state.exists()

    clone = tmp_path / "clone"
    clone.mkdir()
    back = restored_elsewhere(clone, Path(semester.environment["TT_BACKUP_TO"]), key, semester.config)
    assert back.returncode == 0, back.stdout[-6000:] + back.stderr[-3000:]
    again = by_the_campus(semester, "grace", certificate)
    assert marks(again) == before
    assert again.shell("cat ~/course/notes.txt").stdout == "unhurried\n"
