"""The doors: the edge with TLS as compose starts it, and the campus's nginx, before the deployed classroom."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.classroom import REPOSITORY, SETTINGS, Classroom, Student, make, run, wait_for
from tests.kernel import Kernel

HOW_TO = REPOSITORY / "docs" / "how-to" / "behind-a-web-server.md"
EDGE_USER = 1009
MB = 1000**2
# What a client says of itself, to be taken for another one, or for one that came by https.
CLAIMS = {
    "X-Forwarded-For": "192.0.2.9",
    "X-Real-Ip": "192.0.2.9",
    "Forwarded": "for=192.0.2.9;proto=https",
    "X-Scheme": "https",
    "X-Forwarded-Proto": "https",
}
ACME_SERVER = """
{
    admin off
    skip_install_trust
}
https://acme {
    tls internal
    acme_server
}
"""
# Asked while there is nothing behind the door.
ASK_WITH_A_TOKEN = """
import ssl, urllib.request, urllib.error
context = ssl._create_unverified_context()
request = urllib.request.Request("https://localhost/user/ada/lab?token=secret-token", headers={"Cookie": "secret-cookie"})
try:
    urllib.request.urlopen(request, context=context)
except urllib.error.HTTPError as error:
    print(error.status, error.read().decode())
"""


@dataclass
class Door(Classroom):
    """The same classroom, come to by another door; what `trusted` holds vouches for its certificate."""

    address: str
    trusted: Path

    @property
    def url(self) -> str:
        return self.address + self.base_path

    def student(self, somebody: Student) -> Student:
        """A student of the classroom, signed in through this door."""
        student = Student(self, somebody.name, somebody.password)
        student.session.verify = str(self.trusted)
        student.session.trust_env = False  # the machine's own bundle of roots would come first
        page = student.sign_in()
        assert page.ok, page.text[:2000]
        return student


class Edge:
    """The edge as docker-compose.yml has it, before the classroom's proxy, which keeps its own port meanwhile."""

    def __init__(self, classroom: Classroom, folder: Path) -> None:
        self.classroom, self.file = classroom, folder / "edge.env"
        self.https, self.http = free_port(), free_port()
        self.state = classroom.state / "edge"
        for path in (self.state, self.state / "files"):
            path.mkdir(exist_ok=True)
            os.chown(path, EDGE_USER, EDGE_USER)

    def up(self, certificate: str, trusted: Path, name: str = "localhost", **more: str) -> Door:
        """Start it, or start it again with another certificate, and wait until it has that."""
        values = {
            "TT_TLS": certificate,
            "TT_HOSTNAME": name,
            "TT_HOSTNAMES": name,
            "TT_HTTPS_HOST": f"{name}:{self.https}",
            "TT_HTTPS_PORT": self.https,
            "TT_HTTP_PORT": self.http,
            **more,
        }
        deployed = (self.classroom.state / "classroom.env").read_text()
        self.file.write_text(deployed + "".join(f"{key}='{value}'\n" for key, value in values.items()))
        answer = self._compose("up", "--detach", "--no-deps", "edge")
        assert answer.returncode == 0, answer.stderr
        wait_for("the edge's certificate", lambda: served(self.https, trusted, name), 60)
        return Door(
            self.classroom.settings, self.classroom.environment, f"https://{name}:{self.https}", trusted
        )

    def down(self) -> None:
        self._compose("rm", "--stop", "--force", "edge")

    def _compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        known = self.classroom.state / "secrets" / "secrets.env"
        return run(
            "docker", "compose", "--project-name", self.classroom.name, "--file", "docker-compose.yml",
            "--env-file", str(self.file), "--env-file", str(known), "--profile", "tls", *arguments,
        )  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def served(port: int, trusted: Path, name: str = "localhost") -> dict[str, Any] | None:
    """The certificate that a browser which trusts these roots accepts there for this name; None if none."""
    try:
        context = ssl.create_default_context(cafile=str(trusted))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as door,
            context.wrap_socket(door, server_hostname=name) as secured,
        ):
            return secured.getpeercert()
    except OSError:  # ssl's errors are among them
        return None


def signed(folder: Path, name: str = "localhost", days: int = 30) -> tuple[Path, Path]:
    """A certificate and its key; with negative days one that has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(4))])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@pytest.fixture(scope="module")
def images(classroom: Classroom) -> str:
    """The edge's image, and one of nginx; the classroom itself has no use for them."""
    answer = run("images/build.sh", classroom.name, classroom.environment["TT_VERSION"], "edge", "nginx")
    assert answer.returncode == 0, answer.stderr
    return f"{classroom.name}/%s:{classroom.environment['TT_VERSION']}"


@pytest.fixture(scope="module")
def edge(classroom: Classroom, images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    found = Edge(classroom, tmp_path_factory.mktemp("edge"))
    yield found
    found.down()


@pytest.fixture
def door(edge: Edge) -> Door:
    """The edge with a certificate of its own authority."""
    return edge.up("internal", edge.state / "caddy/pki/authorities/local/root.crt")


def counted_as(classroom: Classroom, url: str, trusted: Path | None = None) -> set[str]:
    """The addresses for which wrong passwords are counted that came from here, with other addresses claimed."""
    account = f"nobody-{secrets.token_hex(4)}"
    browser = requests.Session()
    browser.verify, browser.trust_env = str(trusted) if trusted else True, False
    page = browser.get(f"{url}hub/login", headers=CLAIMS, timeout=30)
    token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert token, page.text
    form = {"username": account, "password": "wrong password", "_xsrf": token[1]}
    for claim in range(2):
        claims = {**CLAIMS, "X-Forwarded-For": f"192.0.2.{claim}", "X-Real-Ip": f"198.51.100.{claim}"}
        answer = browser.post(f"{url}hub/login", data=form, headers=claims, timeout=30)
        assert answer.status_code == 403, answer.text
    with sqlite3.connect(classroom.state / "hub" / "accounts.sqlite") as store:
        return {row[0] for row in store.execute("SELECT address FROM attempts WHERE account = ?", [account])}


def machine(classroom: Classroom) -> str:
    """This machine's address as containers see it."""
    return str(IPv4Network(classroom.environment["TT_FRONT_SUBNET"])[1])


def send(student: Student, kernel: Kernel, megabytes: int) -> None:
    """Upload a file into the student's home, in one request."""
    body = {"type": "file", "format": "text", "content": "x" * megabytes * MB}
    url = f"{student.classroom.url}user/{student.name}/api/contents/upload.txt"
    answer = student.session.put(url, json=body, headers=kernel.headers, timeout=300)
    assert answer.ok, answer.text[:2000]
    assert student.shell("stat -c %s ~/upload.txt && rm ~/upload.txt").stdout.strip() == str(megabytes * MB)


def news(student: Student) -> str:
    """The first line of a stream that stays open: held back by nobody on the way."""
    student.session.get(f"{student.classroom.url}services/grading/", timeout=30)
    events = f"{student.classroom.url}services/grading/events"
    with student.session.get(events, stream=True, timeout=30) as stream:
        assert stream.ok
        return str(next(stream.iter_lines(decode_unicode=True)))


def test_plain_http_leads_to_the_right_name_and_no_further(edge: Edge, door: Door) -> None:
    plain = f"http://localhost:{edge.http}/classroom/hub/login?next=a"
    for host in (f"localhost:{edge.http}", "elsewhere.example"):
        answer = requests.get(plain, headers={"Host": host}, allow_redirects=False, timeout=30)
        assert answer.status_code == 308
        assert answer.headers["Location"] == f"https://localhost:{edge.https}/classroom/hub/login?next=a"
    answer = requests.get(
        f"{door.url}hub/", headers={"Host": "elsewhere.example"}, verify=str(door.trusted), allow_redirects=False, timeout=30
    )  # fmt: skip
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{door.url}hub/")


def test_students_work_through_the_door(edge: Edge, door: Door, ada: Student) -> None:
    student = door.student(ada)
    run("docker", "update", "--memory", "96m", "--memory-swap", "96m", door.container("edge"))
    with Kernel(student) as kernel:
        assert kernel.run("print(6 * 7)") == "42\n"
        send(student, kernel, 100)  # more than the edge could hold
        kernel.delete()
    assert news(student).startswith("retry:")
    names = {cookie.name for cookie in student.session.cookies}
    assert {"jupyterhub-hub-login", "jupyterhub-session-id", "jupyterhub-user-ada", "_xsrf"} <= names
    for cookie in student.session.cookies:
        assert cookie.secure, cookie
        # The lab's own script sends `_xsrf` along.
        assert cookie.has_nonstandard_attr("HttpOnly") or cookie.name == "_xsrf", cookie


def test_every_answer_says_what_browsers_may_do_with_it(door: Door) -> None:
    for page in ("hub/login", "services/grading/api/health", "user/nobody/", "hub/static/css/style.min.css"):
        answer = requests.get(door.url + page, verify=str(door.trusted), timeout=30)
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", page
        assert headers["Referrer-Policy"] == "same-origin", page
        assert "camera=()" in headers["Permissions-Policy"], page
        assert "frame-ancestors" in headers["Content-Security-Policy"], page
        # Browsers that do not know the authority yet must be able to click on.
        assert "Strict-Transport-Security" not in headers


def test_nobody_is_another_machine_by_saying_so(classroom: Classroom, door: Door) -> None:
    assert counted_as(classroom, classroom.url) == {machine(classroom)}
    assert counted_as(classroom, door.url, door.trusted) == {machine(classroom)}
    browser = requests.Session()
    browser.get(f"{classroom.url}hub/login", headers=CLAIMS, timeout=30)
    assert browser.cookies
    assert not any(cookie.secure for cookie in browser.cookies)  # plain http is no https by saying so


def test_a_student_is_no_other_machine_past_the_proxy(classroom: Classroom, mallory: Student) -> None:
    account = f"nobody-{secrets.token_hex(4)}"
    hub = f"http://{classroom.environment['TT_HUB_IP']}:8081{classroom.base_path}hub/login"
    guess = f"""
import re, urllib.error, urllib.request, urllib.parse, http.cookiejar
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
opener.addheaders = [("X-Forwarded-For", "192.0.2.1"), ("X-Real-Ip", "192.0.2.1")]
page = opener.open("{hub}").read().decode()
token = re.search(r'name="_xsrf" value="([^"]+)"', page)[1]
form = urllib.parse.urlencode(dict(username="{account}", password="wrong password", _xsrf=token)).encode()
try:
    opener.open("{hub}", form)
except urllib.error.HTTPError as error:
    print(error.status)
"""
    assert mallory.shell("python3 -", stdin=guess).stdout == "403\n"
    with sqlite3.connect(classroom.state / "hub" / "accounts.sqlite") as store:
        ((address,),) = store.execute("SELECT address FROM attempts WHERE account = ?", [account])
    assert address in mallory.shell("hostname -I").stdout.split()


def test_renewed_certificate_is_served_and_drops_nobody(edge: Edge, ada: Student, tmp_path: Path) -> None:
    files = edge.state / "files"

    def hand_over(certificate: Path, key: Path) -> None:  # as the deploy does
        new = files / "new"
        new.write_bytes(certificate.read_bytes() + key.read_bytes())
        os.chown(new, EDGE_USER, EDGE_USER)
        new.replace(files / "certificate.pem")

    first, renewed = signed(tmp_path / "first"), signed(tmp_path / "renewed")
    both = tmp_path / "both.pem"
    both.write_bytes(first[0].read_bytes() + renewed[0].read_bytes())
    hand_over(*first)
    door = edge.up("files", both)
    student = door.student(ada)
    with Kernel(student) as kernel:
        hand_over(*renewed)
        before, now = (served(edge.https, certificate) for certificate in (first[0], renewed[0]))
        assert (before, now is None) == (None, False)
        assert kernel.run("print('still here')") == "still here\n"
        kernel.delete()
    answer = requests.get(f"{door.url}hub/login", verify=str(both), timeout=30)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_certificate_comes_from_an_acme_server(
    classroom: Classroom, edge: Edge, images: str, tmp_path: Path
) -> None:
    configuration, root = tmp_path / "Caddyfile", edge.state / "files" / "acme-root.pem"
    configuration.write_text(ACME_SERVER)
    name = f"{classroom.name}-acme"
    try:
        started = run(
            "docker", "run", "--detach", "--rm", "--name", name, "--label", f"tinytorch.classroom={classroom.name}",
            "--network", f"{classroom.name}-front", "--network-alias", "acme", "--env", "XDG_DATA_HOME=/tmp",
            "--sysctl", "net.ipv4.ip_unprivileged_port_start=0", "--volume", f"{configuration}:/acme/Caddyfile:ro",
            images % "edge", "caddy", "run", "--config", "/acme/Caddyfile",
        )  # fmt: skip
        assert started.returncode == 0, started.stderr
        made = "/tmp/caddy/pki/authorities/local/root.crt"
        root.write_text(wait_for("the ACME server", lambda: run("docker", "exec", name, "cat", made).stdout))
        edge.up(
            "acme", root, "edge", TT_ACME_DIRECTORY="https://acme/acme/local/directory",
            TT_ACME_EMAIL="it@example.edu", TT_ACME_ROOT="/srv/edge/files/acme-root.pem",
        )  # fmt: skip
        certificate = served(edge.https, root, "edge")
        assert certificate is not None
        assert certificate["subjectAltName"] == (("DNS", "edge"),)
    finally:
        run("docker", "rm", "--force", name)


def test_door_logs_no_tokens_and_has_words_when_nothing_is_behind_it(
    classroom: Classroom, images: str
) -> None:
    name = f"{classroom.name}-lonely"
    label = f"tinytorch.classroom={classroom.name}"
    try:
        run(
            "docker", "run", "--detach", "--name", name, "--label", label, "--network", "none",
            "--sysctl", "net.ipv4.ip_unprivileged_port_start=0", "--env", "TT_TLS=internal",
            "--env", "TT_HOSTNAME=localhost", "--env", "TT_HOSTNAMES=localhost",
        "--env", "TT_HTTPS_HOST=localhost", images % "edge",
        )  # fmt: skip
        wait_for("the edge", lambda: run("docker", "exec", name, "healthy-tls").returncode == 0)
        answer = run("docker", "exec", name, "python3", "-c", ASK_WITH_A_TOKEN)
        assert answer.stdout.startswith("503 "), answer.stderr
        assert "One moment, please" in answer.stdout
        logged = run("docker", "logs", name)
        assert "secret" not in logged.stdout + logged.stderr
    finally:
        run("docker", "rm", "--force", name)


def test_lines_of_the_how_to_put_nginx_in_front(
    classroom: Classroom, edge: Edge, images: str, ada: Student, tmp_path: Path
) -> None:
    edge.down()  # it leaves its address, which the proxy believes, to the campus's web server
    port = free_port()
    page = HOW_TO.read_text().partition("## nginx\n")[2].partition("\n## ")[0]
    lines = "\n".join(line for line in page.splitlines() if line.startswith("    "))
    for said, here in (
        ("http://127.0.0.1:8000", "http://proxy:8000"),
        ("classroom.campus.edu", "localhost"),
        ("/etc/ssl/classroom.pem", "/campus/certificate.pem"),
        ("/etc/ssl/private/classroom.key", "/campus/key.pem"),
    ):
        assert said in lines
        lines = lines.replace(said, here)
    (tmp_path / "nginx.conf").write_text(f"events {{}}\nhttp {{\n{lines}\n}}\n")
    certificate, _ = signed(tmp_path / "campus")
    name = f"{classroom.name}-nginx"
    try:
        started = run(
            "docker", "run", "--detach", "--name", name, "--label", f"tinytorch.classroom={classroom.name}",
            "--network", f"{classroom.name}-front", "--ip", classroom.environment["TT_EDGE_IP"],
            "--publish", f"127.0.0.1:{port}:443", "--volume", f"{tmp_path}/nginx.conf:/etc/nginx/nginx.conf:ro",
            "--volume", f"{tmp_path}/campus:/campus:ro", images % "nginx",
        )  # fmt: skip
        assert started.returncode == 0, started.stderr
        wait_for("nginx", lambda: served(port, certificate))
        address = f"https://localhost:{port}"
        door = Door(classroom.settings, classroom.environment, address, certificate)
        student = door.student(ada)
        with Kernel(student) as kernel:
            assert kernel.run("print(6 * 7)") == "42\n"
            send(student, kernel, 20)
            kernel.delete()
        assert news(student).startswith("retry:")
        assert all(cookie.secure for cookie in student.session.cookies)
        assert counted_as(classroom, door.url, certificate) == {machine(classroom)}
    finally:
        run("docker", "rm", "--force", name)


def test_with_tls_the_proxy_has_no_port_of_its_own(classroom: Classroom) -> None:
    known = classroom.state / "secrets" / "secrets.env"
    answer = run(
        "docker", "compose", "--project-name", classroom.name, "--file", "docker-compose.yml", "--file",
        "docker-compose.tls.yml", "--env-file", str(classroom.state / "classroom.env"), "--env-file", str(known),
        "--profile", "tls", "config", "--format", "json",
    )  # fmt: skip
    services = json.loads(answer.stdout)["services"]
    assert not services["proxy"].get("ports")
    assert {port["target"] for port in services["edge"]["ports"]} == {80, 443}
    assert (services["edge"]["cap_drop"], services["edge"]["read_only"]) == (["ALL"], True)
    assert not services["edge"].get("cap_add")


def test_certificate_that_browsers_refuse_is_refused_before_anything_is_changed(
    classroom: Classroom, tmp_path: Path
) -> None:
    certificate, key = signed(tmp_path / "expired", days=-1)
    config = tmp_path / "classroom.yml"
    named = SETTINGS.read_text().replace("network:\n", "network:\n  hostname: localhost\n")
    config.write_text(
        f"{named}tls:\n  certificate: files\n  certificate_file: {certificate}\n  key_file: {key}\n"
    )
    before = (classroom.state / "classroom.env").read_text()
    answer = make("deploy", config=config)
    said = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert f"tls.certificate_file: {certificate} has expired. Renew it." in said
    assert "Traceback" not in said
    assert (classroom.state / "classroom.env").read_text() == before
