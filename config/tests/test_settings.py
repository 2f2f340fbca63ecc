"""Settings as a person meets them: a file, a command, and what it answers."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import yaml

from config import checking, deriving, explaining, reading, schema, settings
from config.deriving import Machine
from config.problems import SettingsError
from config.units import format_size, parse_size

REPOSITORY = Path(__file__).parents[2]
MACHINE = Machine(memory=16 * 1024**3, cpus=8)


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "classroom.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def in_force(folder: Path, text: str) -> dict[str, Any]:
    return checking.check(reading.read(written(folder, text), "classroom.yml"))


def complaints(folder: Path, text: str | bytes, machine: Machine | None = None) -> list[str]:
    """What is said about a file, each message without the file's name: '2: student.memory is ...'."""
    file = written(folder, text)

    def read() -> object:
        document = reading.read(file, "classroom.yml")
        return settings.for_ansible(document, machine) if machine else checking.check(document)

    with pytest.raises(SettingsError) as refused:
        read()
    return [line.removeprefix("classroom.yml:") for line in str(refused.value).splitlines()]


def run(*arguments: str, config: str = "", cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(REPOSITORY), "CONFIG": config, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "config.settings", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


# --- a file that is right ---


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing yet\n", "student:\nhub:\n", "---\n", "null\n", "\ufeffhub:\n"]
)
def test_empty_file_is_a_classroom_with_every_default(tmp_path: Path, text: str) -> None:
    values = in_force(tmp_path, text)
    for key, part in schema.leaves():
        assert explaining.get(values, key) == explaining.get(in_force(tmp_path, ""), key)
        value: Any = values
        for name in key.split("."):
            value = value[name]
        assert value == part["default"], key


def test_what_is_set_is_in_force_and_the_rest_stays_default(tmp_path: Path) -> None:
    values = in_force(tmp_path, "student:\n  memory: 1.5G\ndatasets:\n  sets: []\nstate: /data/classroom\n")
    assert values["student"] == {
        "memory": "1.5G",
        "cpus": 1.0,
        "pids": 256,
        "disk": "2G",
        "idle_timeout": 3600,
        "internet": "none",
    }
    assert values["datasets"]["sets"] == []
    assert values["state"] == "/data/classroom"


def test_changing_settings_in_force_does_not_change_the_defaults(tmp_path: Path) -> None:
    in_force(tmp_path, "")["datasets"]["sets"].append("more")
    assert "more" not in in_force(tmp_path, "")["datasets"]["sets"]


def test_shipped_file_shows_every_key_with_its_default_and_sentence() -> None:
    lines = settings.DEFAULT_FILE.read_text().splitlines()
    shown = [re.sub(r"^( *)# ", r"\1", line).split("  #")[0].rstrip() for line in lines[2:]]
    assert yaml.safe_load("\n".join(shown)) == settings.load()
    titles = [line.rpartition("  # ")[2] for line in lines if "  # " in line.lstrip(" #")]
    assert titles == [part["title"] for _, part in schema.leaves()]


def test_shipped_file_with_every_line_taken_in_is_right(tmp_path: Path) -> None:
    text = re.sub(r"^( *)# (?=[a-z_]+: )", r"\1", settings.DEFAULT_FILE.read_text(), flags=re.MULTILINE)
    assert in_force(tmp_path, text) == settings.load()
    assert "default\n" not in explaining.show(reading.read(tmp_path / "classroom.yml", "x"), settings.load())


def test_schema_is_a_draft_2020_12_schema_that_explains_and_closes_everything() -> None:
    checking.jsonschema.Draft202012Validator.check_schema(schema.load())
    parts = [schema.load(), *schema.load()["properties"].values()]
    assert all(part["additionalProperties"] is False for part in parts if schema.is_group(part))
    for key, part in schema.leaves():
        assert part["title"].endswith("."), key
        assert "default" in part, key
        assert part.get("format", "size") in checking.FORMATS, key


# --- files that are wrong ---

LARGE = "profiles:\n  large:\n    description: For all of CIFAR-10.\n"

WRONG_VALUES = [
    (
        "student:\n  memory: 1 gig",
        "2: student.memory is '1 gig'. Write a number with a unit, like 1G or 512M.",
    ),
    ("student:\n  memory: 512", "2: student.memory is 512. Write a number with a unit, like 1G or 512M."),
    ("student:\n  memory: 100M", "2: student.memory is '100M'. Write a number with a unit, like 1G or 512M."),
    (
        "profiles: 3",
        "1: profiles is 3. Write its name, and below it its keys, like `large:`, `  description: Training on "
        "all of CIFAR-10`.",
    ),
    (
        "profiles:\n  large:",
        "2: profiles.large is null, but it is a group. Write its keys below it, like `  description: ...`.",
    ),
    (
        "profiles:\n  large:\n    memory: 4G",
        "2: profiles.large.description is not set. Write 1 to 200 characters on one line, like Training on "
        "all of CIFAR-10.",
    ),
    (
        "profiles:\n  student:\n    description: x",
        "2: profiles has 'student', which is no name. Use small letters, digits and single hyphens, "
        "beginning with a letter, at most 30 characters, and neither student nor instructor, "
        "which everybody has.",
    ),
    (
        f"{LARGE}    memory: 4 GB",
        "4: profiles.large.memory is '4 GB'. Write a number with a unit, like 4G, or null (as a student's).",
    ),
    (f"{LARGE}    cpus: 0", "4: profiles.large.cpus is 0. Write a number from 0.1 to 4096, or null."),
    (
        f"{LARGE}    groups: [a b]",
        "4: profiles.large.groups holds 'a b'. Write a list of the hub's groups, like [role-grader, "
        "section-tuesday].",
    ),
    (
        f"{LARGE}    image: debian",
        "4: there is no setting profiles.large.image. profiles.large has: description, title, groups, "
        "memory, cpus, pids, guarantee, cpu_share, gpus.",
    ),
    (
        f"{LARGE}    memroy: 4G",
        "4: there is no setting profiles.large.memroy. Did you mean profiles.large.memory?",
    ),
    ("student:\n  cpus: many", "2: student.cpus is 'many'. Write a number from 0.1 to 4096."),
    ("student:\n  cpus: true", "2: student.cpus is true. Write a number from 0.1 to 4096."),
    ("student:\n  pids: 12", "2: student.pids is 12. Write a whole number from 64 to 32768."),
    (
        "student:\n  idle_timeout:",
        "2: student.idle_timeout has no value. Write a whole number from 0 to 2592000.",
    ),
    ("network:\n  port: 65536", "2: network.port is 65536. Write a whole number from 1 to 65535."),
    ("network:\n  port: '80'", "2: network.port is '80'. Write a whole number from 1 to 65535."),
    (
        "network:\n  port: 99999999999999999999",
        "2: network.port is '99999999999999999999'. Write a whole number from 1 to 65535.",
    ),
    (
        "network:\n  address: localhost",
        "2: network.address is 'localhost'. Write an IPv4 address, like 0.0.0.0 or 127.0.0.1.",
    ),
    (
        "network:\n  base_path: /classroom",
        "2: network.base_path is '/classroom'. Begin and end it with a slash, like / or /classroom/ "
        "(letters, digits and . _ ~ - between).",
    ),
    (
        "network:\n  students_subnet: 172.30.244.7/22",
        "2: network.students_subnet is '172.30.244.7/22'. Write a private IPv4 network of /16 "
        "to /28 by its first "
        "address, like 172.30.244.0/22.",
    ),
    (
        "network:\n  services_subnet: 8.8.8.0/24",
        "2: network.services_subnet is '8.8.8.0/24'. Write a private IPv4 network of /16 to /24 "
        "by its first "
        "address, like 172.30.240.0/24.",
    ),
    (
        "network:\n  trusted_proxies: [0.0.0.0/0]",
        "2: network.trusted_proxies holds '0.0.0.0/0'. Write a list of IPv4 addresses or networks (/8 or "
        "smaller), like [127.0.0.1] or [10.1.2.0/28].",
    ),
    (
        "classroom:\n  name: My Class",
        "2: classroom.name is 'My Class'. Use small letters, digits and single hyphens, "
        "beginning with a letter, at "
        "most 30 characters, and no name that the system itself uses, like docker or system.",
    ),
    ("classroom:\n  title: 2024", "2: classroom.title is 2024. Put it in quotes to make it a text: '2024'."),
    (
        "state: tinytorch",
        "1: state is 'tinytorch'. Write the absolute path of a folder of its own, two levels "
        "deep or more and "
        "outside the system's folders, like /srv/tinytorch (letters, digits and . _ - /).",
    ),
    (
        "hub:\n  self_registration: true",
        "2: hub.self_registration is true. Write closed (earlier releases' false), approval, or open "
        "(earlier releases' true).",
    ),
    ("hub:\n  self_registration: opened", "2: hub.self_registration is 'opened'. Did you mean open?"),
    (
        "hub:\n  admin: classroom-probe",
        "2: hub.admin is 'classroom-probe'. Use small letters, digits and . _ @ -, beginning "
        "with a letter or digit, "
        "at most 64 characters, and not classroom-probe (which the classroom uses to test itself).",
    ),
    ("hub:\n  auth: saml", "2: hub.auth is 'saml'. Write accounts or oidc or lti13."),
    (
        "oidc:\n  issuer: http://sso.example.edu",
        "2: oidc.issuer is 'http://sso.example.edu'. Write the address that the provider calls its issuer, "
        "like https://sso.example.edu/realms/campus.",
    ),
    (
        "oidc:\n  allowed_groups: staff",
        "2: oidc.allowed_groups is 'staff'. Write a list of the groups' names, like [cs101-students].",
    ),
    (
        "oidc:\n  allowed_domains: [Example.edu]",
        "2: oidc.allowed_domains holds 'Example.edu'. Write a list of domains in small letters, like "
        "[example.edu].",
    ),
    (
        "oidc:\n  grader_groups:\n    - staff\n    -",
        "4: oidc.grader_groups holds an empty entry. Write a list of the groups' names, like "
        "[cs101-markers].",
    ),
    (
        "lti:\n  courses: [42]",
        "2: lti.courses holds 42. Write a list of the ids that the hub's log says, each in quotes, like "
        '["42"].',
    ),
    ("course:\n  track: discovry", "2: course.track is 'discovry'. Did you mean discovery?"),
    ("course:\n  track: x", "2: course.track is 'x'. Write discovery or immediate or core."),
    ("datasets:\n  sets: [cifar]", "2: datasets.sets holds 'cifar'. Did you mean cifar10?"),
    (
        "datasets:\n  sets:\n    - mnist\n    -",
        "4: datasets.sets holds an empty entry. "
        "Write mnist or cifar10 or cifar10-jpeg or tinyshakespeare or digits.",
    ),
    ("datasets:\n  sets: [mnist, mnist]", "2: datasets.sets names 'mnist' twice. Name it once."),
    (
        "datasets:\n  sets: mnist",
        "2: datasets.sets is 'mnist'. "
        "Write a list of any of mnist, cifar10, cifar10-jpeg, tinyshakespeare, digits.",
    ),
    (
        "datasets:\n  local: data",
        "2: datasets.local is 'data'. Write an absolute path, like /srv/originals, or null for none.",
    ),
    (
        "datasets:\n  mirror: ftp://mirror",
        "2: datasets.mirror is 'ftp://mirror'. Write an address that begins with https:// or "
        "http://, or null for none.",
    ),
    (
        "images:\n  base: debian",
        "2: images.base is 'debian'. Write an image's name with its tag, like debian:bookworm-slim.",
    ),
    (
        "grading:\n  submission_max: 2G",
        "2: grading.submission_max is '2G'. Write a size from 64K to 100M with its unit, like 10M.",
    ),
    (
        "monitoring:\n  retention: 2 weeks",
        "2: monitoring.retention is '2 weeks'. Write a whole number with h, d, w or y, like 15d or 6w.",
    ),
    (
        "ceiling:\n  memory: 80",
        "2: ceiling.memory is 80. Write a size of at least 1G like 12G, a share of the machine "
        "like 80%, or null (80%).",
    ),
    (
        "ceiling:\n  cpus: half",
        "2: ceiling.cpus is 'half'. Write a number of CPUs like 6, a share of the machine like "
        "50%, or null (all).",
    ),
    (
        "network: 8000",
        "1: network is 8000, but it is a group. Write its keys below it, like `  address: 0.0.0.0`.",
    ),
    (
        "hub: [admin]",
        "1: hub is a list, but it is a group. Write its keys below it, like `  admin: admin`.",
    ),
    (
        "student:\n  pids:\n    max: 3",
        "2: student.pids is a group of keys. Write a whole number from 64 to 32768.",
    ),
]

UNKNOWN_KEYS = [
    ("student:\n  memmory: 2G", "2: there is no setting student.memmory. Did you mean student.memory?"),
    ("netwrk:\n  port: 80", "1: there is no setting netwrk. Did you mean network?"),
    ("track: core", "1: there is no setting track. Write it inside its group: course.track."),
    (
        "student:\n  port: 80",
        "2: there is no setting student.port. Did you mean network.port or monitoring.port?",
    ),
    ("course:\n  teacher: me", "2: there is no setting course.teacher. course has: track."),
    (
        "password: secret",
        "1: there is no setting password. The file has: classroom, state, network, tls, ceiling, "
        "student, instructor, profiles, hub, oidc, lti, course, "
        "datasets, images, grading, backup, monitoring.",
    ),
    (
        "8000: x",
        "1: there is no setting 8000. The file has: classroom, state, network, tls, ceiling, "
        "student, instructor, profiles, hub, oidc, lti, course, "
        "datasets, images, grading, backup, monitoring.",
    ),
]

LMS = (
    "lti:\n  issuer: https://moodle.example.edu\n  client_id: x\n  authorize_url: https://moodle.example.edu/a\n"
    "  keys_url: https://moodle.example.edu/k\n  deployments: ['1']\n"
)
WITH_TLS = "network:\n  hostname: classroom.example.edu\ntls:\n  certificate: internal\n"

CONTRADICTIONS = [
    (
        WITH_TLS + LMS.replace("client_id: x", "client_id: null") + "hub:\n  auth: lti13",
        "12: hub.auth is 'lti13', but lti.client_id is missing. Add it, or set hub.auth: accounts.",
    ),
    (
        WITH_TLS + LMS.replace("['1']", "[]") + "hub:\n  auth: lti13",
        "12: hub.auth is 'lti13', but lti.deployments is missing. Add it, or set hub.auth: accounts.",
    ),
    (
        WITH_TLS + LMS + "hub:\n  auth: lti13\n  self_registration: open",
        "13: hub.self_registration is 'open', but with hub.auth: lti13 nobody makes an account here. Write "
        "closed; lti.courses and lti.roster_only say who gets in.",
    ),
    (
        LMS + "hub:\n  auth: lti13",
        "8: hub.auth is 'lti13', but the classroom has no https, and an LMS launches nothing else. Set "
        "tls.certificate, or network.hostname and network.trusted_proxies with a web server in front.",
    ),
    (
        "network:\n  services_subnet: 172.30.244.0/24",
        "2: network.students_subnet, 172.30.244.0/22, overlaps network.services_subnet, "
        "172.30.244.0/24. Choose two "
        "networks that share no address.",
    ),
    (
        "network:\n  address: 172.30.240.9",
        "2: network.address, 172.30.240.9, lies in network.services_subnet, 172.30.240.0/24, "
        "which the classroom uses "
        "inside. Write an address of the machine itself, or choose another subnet.",
    ),
    (
        "network:\n  port: 9090",
        "2: monitoring.port is 9090, which network.port has taken. Choose another for one of the two.",
    ),
    (
        "hub:\n  auth: oidc\noidc:\n  issuer: https://sso.example.edu\n  secret_file: /root/secret",
        "2: hub.auth is 'oidc', but oidc.client_id is missing. Add it, or set hub.auth: accounts.",
    ),
    (
        "ceiling:\n  memory: 1.5G",
        "2: ceiling.memory is '1.5G', which leaves 512M beside 1G for the classroom's own "
        "services, but one student's "
        "server may use 1G (student.memory). Lower student.memory, or raise ceiling.memory to 2G.",
    ),
    (
        "grading:\n  sandbox_memory: 4G\nceiling:\n  memory: 4G",
        "4: ceiling.memory is '4G', which leaves 3G beside 1G for the classroom's own services, "
        "but one submission may "
        "use 4G (grading.sandbox_memory). Lower grading.sandbox_memory, or raise ceiling.memory to 5G.",
    ),
    (
        "network:\n  trusted_proxies: [172.30.245.7]",
        "2: network.trusted_proxies holds 172.30.245.7/32, which overlaps network.students_subnet, "
        "172.30.244.0/22: a student's server would be believed. Name the web servers' own addresses.",
    ),
    (
        "tls:\n  certificate: internal",
        "2: tls.certificate is internal, but network.hostname is not set. Write the name that browsers use, "
        "like classroom.campus.edu.",
    ),
    (
        "network:\n  hostname: 10.0.0.7\ntls:\n  certificate: acme\n  acme_email: it@campus.edu",
        "2: tls.certificate is acme, but network.hostname is 10.0.0.7, and ACME gives certificates for "
        "names. Write a name, or set tls.certificate: internal.",
    ),
    (
        "network:\n  hostname: a.edu\ntls:\n  certificate: acme",
        "4: tls.certificate is acme, but tls.acme_email is not set. Write whom the ACME server's owners "
        "should tell.",
    ),
    (
        "network:\n  hostname: a.edu\ntls:\n  certificate: files\n  key_file: /etc/key",
        "4: tls.certificate is files, but tls.certificate_file is not set. Write where the file is.",
    ),
    (
        "tls:\n  key_file: /etc/key",
        "2: tls.key_file is set, but tls.certificate is none, which does not read it. Set tls.certificate: "
        "files, or take the line out.",
    ),
    (
        "network:\n  subdomains: true",
        "2: network.subdomains is true, but network.hostname is not set. Write the name below which "
        "everybody gets one, like classroom.campus.edu.",
    ),
    (
        "network:\n  subdomains: true\n  hostname: 10.0.0.7",
        "3: network.subdomains is true, but network.hostname is 10.0.0.7, and no name lies below an address. "
        "Write a name like classroom.campus.edu, or set network.subdomains: false.",
    ),
    (
        "network:\n  subdomains: true\n  hostname: classroom",
        "3: network.subdomains is true, but network.hostname is classroom, one word alone: below it browsers "
        "share no sign-in and take no certificate. Write a name like classroom.campus.edu.",
    ),
    (
        "network:\n  subdomains: true\n  hostname: a.edu\ntls:\n  certificate: acme\n  acme_email: it@a.edu",
        "5: tls.certificate is acme, which gets no certificate for all names below network.hostname, and "
        "network.subdomains needs one. Get a wildcard certificate and set tls.certificate: files, or set "
        "network.subdomains: false.",
    ),
    (
        "network:\n  hostname: a.edu\ntls:\n  certificate: internal\n  http_port: 443",
        "5: tls.http_port is 443, which tls.https_port has taken. Choose another for one of the two.",
    ),
    (
        "network:\n  hostname: a.edu\n  port: 9090\ntls:\n  certificate: internal\n  https_port: 9090",
        "6: monitoring.port is 9090, which tls.https_port has taken. Choose another for one of the two.",
    ),
    (
        f"{LARGE}    guarantee: 2G",
        "4: profiles.large.guarantee is '2G', more than its memory, 1G. Lower the one or raise the other.",
    ),
    (
        f"ceiling:\n  gpus: 1\n{LARGE}    gpus: 2",
        "6: profiles.large.gpus is 2, but the classroom may give out 1 (ceiling.gpus). Raise the one or "
        "lower the other.",
    ),
    (
        f"{LARGE}    groups: [role-teacher]",
        "4: profiles.large.groups holds 'role-teacher', but no roster makes that. There are: role-student, "
        "role-assistant, role-grader, role-instructor, role-admin.",
    ),
    (
        f"ceiling:\n  cpus: 2\n{LARGE}    cpus: 4",
        "2: ceiling.cpus is 2, less than one large's 4 (profiles.large.cpus). Raise the one or lower the "
        "other.",
    ),
    (
        f"ceiling:\n  memory: 4G\n{LARGE}    memory: 8G\ninstructor:\n  memory: 6G",
        "2: ceiling.memory is '4G', which leaves 3G beside 1G for the classroom's own services, but one "
        "large's server may use 8G (profiles.large.memory). Lower profiles.large.memory, or raise "
        "ceiling.memory to 9G.",
    ),
    (
        "ceiling:\n  cpus: 0.5",
        "2: ceiling.cpus is 0.5, less than one student's 1 (student.cpus). Raise the one or lower the other.",
    ),
]

NOT_YAML = [
    ("network:\n\tport: 80", "2: the line is indented with a tab. Indent with spaces."),
    (
        "network:\n  port: 80\n   address: 1",
        "3: this is not YAML: the indentation does not fit the lines above, or a text with a "
        "colon lacks quotes. Groups "
        "begin at the margin, their keys two spaces in.",
    ),
    ("state: /srv/a\nnetwork\n", "2: this is not YAML: a key has no colon. Write `key: value`."),
    (
        "hello",
        "1: these are no settings. Write groups, and their keys below, like `network:`, `  port: 8000`.",
    ),
    (
        "- network",
        "1: these are no settings. Write groups, and their keys below, like `network:`, `  port: 8000`.",
    ),
    ("hub:\n---\nhub:", "2: a second document begins here (---). Keep one."),
    ("hub: &a\n  admin: x", "1: & and * (anchors and aliases) are not used here. Write the value out."),
    ("hub: !!python/object:os.system {}", "1: ! (a tag) is not used here. Write the plain value."),
    ("? [a, b]\n: 1", "1: a key must be a plain word. Write `key: value`."),
    ("hub: " + "[" * 500, "1: this is nested too deep. There are groups and their keys, no more."),
    (b"hub:\n  admin: \xff", "2: this is not UTF-8 text. Save the file as UTF-8."),
    ("hub:\n  admin: \x01", "2: an invisible control character is here. Take it out."),
    ("a: " + "x" * 1_000_000, " it is larger than 1 MB. Check that it is the right file."),
    ("hub:\n  admin: a\n  admin: b", "3: hub.admin is set a second time (first in line 2). Keep one."),
    ("hub:\n  admin: a\nhub:\n  admin: b", "3: hub is set a second time (first in line 1). Keep one."),
]


@pytest.mark.parametrize(("text", "message"), WRONG_VALUES + UNKNOWN_KEYS + CONTRADICTIONS + NOT_YAML)
def test_wrong_file_is_refused_with_line_key_reason_and_mend(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    assert complaints(tmp_path, text) == [message]


def test_unclosed_quote_is_refused_with_its_line(tmp_path: Path) -> None:
    assert complaints(tmp_path, 'classroom:\n  title: "Deep\n')[0].startswith("3: this is not YAML: ")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "hub:\n  admin: A\n  admin: b\nstudent:\n  memory: big\n  swap: 1G\nnetwork:\n  port: 0\n"
    assert [message.split(":")[0] for message in complaints(tmp_path, text)] == ["2", "3", "5", "6", "8"]


ODD_PIECES = st.sampled_from(
    [
        *(
            "network:",
            "  port: 80",
            "  port:",
            "hub",
            "student: {memory: 1G, pids: [1]}",
            "  sets:",
            "  - {a: b}",
        ),
        *(
            ": ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            "'",
            '"',
            "\n",
            "\t",
            "  ",
            "#",
            "&a ",
            "*a",
            "!x ",
            "|",
            ">",
            "? ",
            "%",
        ),
        *("<<: ", "---", "...", "@", "\x85", "\u2028", "\x00", "1e999", ".nan", "0x1", "1:30", "\U0001f600"),
    ]
)


@hypothesis.settings(max_examples=150, deadline=None, database=None)
@hypothesis.given(pieces=st.lists(ODD_PIECES | st.text(max_size=4), max_size=12))
def test_whatever_a_file_holds_it_is_right_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "odd.yml"
    file.write_bytes("".join(pieces).encode("utf-8", "surrogatepass"))
    try:
        checking.check(reading.read(file, "odd.yml"))
    except SettingsError as refused:
        assert str(refused).startswith("odd.yml")  # noqa: PT017 (either outcome is right, no other is)


ONE_OF_MANY = {
    "classroom.name": (
        ["a", "tinytorch", "dl-2024", "x" * 30],
        ["A", "1a", "-a", "a-", "a--b", "a_b", "x" * 31, "docker", "é"],
    ),
    "classroom.title": (
        ["Prof. O'Hara's class #1", "Künstliche Intelligenz"],
        ["a$b", "<b>", " a", "x" * 81, '"a"'],
    ),
    "state": (
        ["/srv/tinytorch", "/var/lib/tinytorch", "/home/me/classroom", "/tmp/a"],
        [
            "/",
            "/srv",
            "/srv/",
            "srv/a",
            "/srv/a b",
            "/srv/../etc",
            "/etc/a",
            "/var/lib",
            "/home/me",
            "/srv/a:b",
            "//srv/a",
        ],
    ),
    "network.base_path": (["/", "/a/", "/a/b-c/"], ["", "a/", "/a", "//", "/a//b/", "/../", "/a b/"]),
    "network.hostname": (
        ["classroom.campus.edu", "localhost", "10.0.0.7", "a-1.b"],
        ["https://a.edu", "a.edu:443", "A.edu", "a..b", "-a.edu", "10.0.0", "a.edu/x", "a b", "x" * 64],
    ),
    "tls.acme_email": (["it@campus.edu", "a.b+c@d"], ["it", "@a", "a@", "a b@c", "a@b\nc"]),
    "network.students_subnet": (
        ["10.0.0.0/16", "192.168.7.0/28", "100.64.0.0/22"],
        ["10.0.0.0", "10.0.0.0/8", "10.0.0.0/29", "169.254.0.0/16", "127.0.0.0/16", "fd00::/64", "x"],
    ),
    "images.base": (
        ["debian:bookworm-slim", "registry.campus.edu:5000/base/debian:12", "debian@sha256:" + "0" * 64],
        ["debian", "Debian:12", "debian:", "a b:1", "-a:1", "debian:12 --privileged"],
    ),
    "hub.admin": (["admin", "a.b@campus.edu", "7of9"], ["Admin", "", "a b", "-a", "x" * 65]),
    "oidc.issuer": (
        ["https://accounts.google.com", "https://sso.example.edu:8443/realms/a/"],
        ["http://sso.example.edu", "https://", "https://a b", "https://a/?b", "sso.example.edu"],
    ),
    "oidc.client_id": (["0oa-x.y:z", "https://classroom.example.edu"], ["", "a b", "é", "x" * 201]),
    "lti.keys_url": (
        ["https://moodle.example.edu/mod/lti/certs.php", "https://sso.canvaslms.com/api/lti/security/jwks"],
        ["http://moodle.example.edu", "moodle.example.edu", "https://a b"],
    ),
    "student.disk": (["100M", "1.5G", "100T"], ["99M", "2", "101T", 5]),
    "student.memory": (["256M", "1.5G", "1T"], ["255M", "2T", "1g", "1GB", "-1G", "1e3M", "G"]),
    "ceiling.memory": (["100%", "2G"], ["0%", "101%", "1023M", "%"]),
    "datasets.mirror": (
        ["https://files.campus.edu/ds/", "http://10.0.0.1:8080"],
        ["file:///etc", "https://", "https://a b"],
    ),
    "backup.to": (
        ["/mnt/backup"],
        ["backup", "/mnt/../etc", "/mnt/a b", "/srv/tinytorch/backup", "/srv/tinytorch"],
    ),
    "backup.at": (["00:00", "23:59"], ["3:30", "24:00", "03:60", "03:30:00", "never"]),
    "monitoring.retention": (["15d", "1y", "24h"], ["0d", "15", "15m", "d"]),
}


@pytest.mark.parametrize("key", ONE_OF_MANY)
def test_values_at_the_edge_of_what_a_key_takes(tmp_path: Path, key: str) -> None:
    *group, name = key.split(".")
    right, wrong = ONE_OF_MANY[key]

    def text(value: str) -> str:
        line = f"{name}: {json.dumps(value, ensure_ascii=False)}\n"
        return f"{group[0]}:\n  {line}" if group else line

    for value in right:
        assert explaining.get(in_force(tmp_path, text(value)), key) == value
    for value in wrong:
        assert len(complaints(tmp_path, text(value))) == 1, value


def test_machine_too_small_for_its_classroom_is_refused(tmp_path: Path) -> None:
    small = Machine(memory=2 * 1024**3, cpus=1)
    assert complaints(tmp_path, "student:\n  cpus: 2\n", small) == [
        " ceiling.memory is 80% of the machine's 2G, 1.6G, which leaves 614.4M beside 1G for "
        "the classroom's own "
        "services, but one student's server may use 1G (student.memory). Lower student.memory, or raise "
        "ceiling.memory to 2G.",
        "2: student.cpus is 2, but the classroom has 1 of the machine's 1 CPUs (ceiling.cpus). "
        "Lower student.cpus.",
    ]
    assert complaints(tmp_path, "ceiling:\n  memory: 64G\n  cpus: 9\n", MACHINE) == [
        "2: ceiling.memory is '64G', but the machine has 16G. Lower it, or write a share like 80%.",
        "3: ceiling.cpus is 9, but the machine has 8. Lower it, or write a share like 50%.",
    ]


# --- what follows from the settings ---


def environment(folder: Path, text: str = "") -> dict[str, str]:
    return deriving.environment(in_force(folder, text), MACHINE)


def test_environment_is_what_the_services_read(tmp_path: Path) -> None:
    values = environment(tmp_path, "hub:\n  self_registration: approval\n  may_open_servers: graders\n")
    expected = {
        "TT_NAME": "tinytorch",
        "TT_STATE": "/srv/tinytorch",
        "TT_PORT": "8000",
        "TT_BASE_PATH": "/",
        "TT_STUDENTS_NETWORK": "tinytorch-students",
        "TT_STUDENTS_BRIDGE": "tinytorch-stud",
        "TT_HUB_IP": "172.30.244.2",
        "TT_PROXY_IP": "172.30.244.3",
        "TT_API_IP": "172.30.244.4",
        "TT_CGROUP_STUDENTS": "/tinytorch/students",
        "TT_STUDENT_DISK": "2147483648",
        "TT_STUDENT_FILES": "262144",
        "TT_SELF_REGISTRATION": "approval",
        "TT_MAY_OPEN_SERVERS": "graders",
        "TT_SUBMISSION_MAX_BYTES": "10485760",
        "TT_SANDBOX_MEMORY": "1G",
        "TT_SANDBOX_POOL": "1",
        "TT_CEILING_CPUS": "8.0",
    }
    assert {key: values[key] for key in expected} == expected
    assert all(key.startswith("TT_") and isinstance(value, str) for key, value in values.items())


def test_a_profile_leaves_nothing_open(tmp_path: Path) -> None:
    values = in_force(tmp_path, f"{LARGE}    memory: 4G\ninstructor:\n  memory: 2G\nstudent:\n  pids: 99\n")
    kinds = deriving.profiles(values)
    assert list(kinds) == ["student", "instructor", "large"]
    assert kinds["large"] == {
        "title": "Large",
        "description": "For all of CIFAR-10.",
        "groups": [],
        "memory": 4 * 1024**3,
        "cpus": 1.0,
        "pids": 99,
        "guarantee": 4 * 1024**3,
        "cpu_share": 1.0,
        "gpus": 0,
    }
    assert all(kind.keys() == kinds["large"].keys() for kind in kinds.values())
    assert [kind["memory"] // 1024**3 for kind in kinds.values()] == [1, 2, 4]
    assert [kind["guarantee"] // 1024**3 for kind in kinds.values()] == [0, 0, 4]
    told = base64.b64decode(deriving.environment(values, MACHINE)["TT_PROFILES"])
    assert json.loads(told) == kinds
    values = in_force(tmp_path, f"{LARGE}    title: Big\n    guarantee: 512M\n    cpus: 2\n    groups: [a]\n")
    large = deriving.profiles(values)["large"]
    assert (large["title"], large["guarantee"], large["cpus"], large["groups"]) == ("Big", 2**29, 2.0, ["a"])


def test_gpus_are_told_by_profile_and_in_all(tmp_path: Path) -> None:
    text = f"ceiling:\n  gpus: 4\n{LARGE}    gpus: 2\n"
    kinds = deriving.profiles(in_force(tmp_path, text))
    assert [kind["gpus"] for kind in kinds.values()] == [0, 0, 2]
    told = environment(tmp_path, text)
    assert told["TT_CEILING_GPUS"] == "4"
    assert told["TT_STUDENT_GPU_IMAGE"] == told["TT_STUDENT_IMAGE"].replace("/student:", "/student-gpu:")


def test_everything_docker_compose_asks_for_is_derived_or_a_secret(tmp_path: Path) -> None:
    """A variable that nobody sets would be an empty text in a container."""
    asked = set(re.findall(r"\$\{(TT_[A-Z_]+)", (REPOSITORY / "docker-compose.yml").read_text()))
    secrets = {name for name in asked if name.endswith(("_TOKEN", "_PASSWORD", "_SECRET"))}
    assert asked - secrets - set(environment(tmp_path)) == set()


@pytest.mark.parametrize(("database", "expected"), [("sqlite", ""), ("postgresql", "yes")])
def test_database_is_one_setting(tmp_path: Path, database: str, expected: str) -> None:
    assert environment(tmp_path, f"grading:\n  database: {database}\n")["TT_POSTGRESQL"] == expected


def test_no_value_can_end_its_quotes_in_the_environment_file(tmp_path: Path) -> None:
    values = environment(tmp_path, "classroom:\n  title: Prof. O'Hara's class\n")
    assert values["TT_TITLE"] == "Prof. O\u2019Hara\u2019s class"
    assert not [value for value in values.values() if set(value) & set("'\n\\")]


def test_no_student_can_be_given_an_address_of_the_services(tmp_path: Path) -> None:
    values = environment(
        tmp_path, "network:\n  students_subnet: 192.168.7.0/28\n  services_subnet: 10.1.0.0/24\n"
    )
    given_out = IPv4Network(values["TT_STUDENTS_RANGE"])
    for name in ("HUB_IP", "PROXY_IP", "API_IP", "STUDENTS_GATEWAY"):
        address = IPv4Address(values[f"TT_{name}"])
        assert address in IPv4Network("192.168.7.0/28")
        assert address not in given_out


def test_services_networks_share_no_address(tmp_path: Path) -> None:
    values = environment(tmp_path)
    subnets = [
        IPv4Network(values[f"TT_{name.upper()}_SUBNET"]) for name in (*deriving.SERVICES_QUARTERS, "students")
    ]
    assert not [(a, b) for a in subnets for b in subnets if a is not b and a.overlaps(b)]


def test_bridges_fit_the_kernel_and_differ_between_classrooms() -> None:
    names = [
        "a",
        "tinytorch",
        "deep-learn",
        "deep-learning-2024",
        "deep-learning-2025",
        "dee-123456",
        "x" * 30,
    ]
    bridges = [deriving.bridge(name) for name in names]
    assert all(len(bridge) <= 15 for bridge in bridges)
    assert len(set(bridges)) == len(names)


@pytest.mark.parametrize(
    ("ceiling", "memory", "cpus"),
    [
        ("", 0.8 * 16 * 1024**3, 8.0),
        ("ceiling:\n  memory: 50%\n  cpus: 25%\n", 8 * 1024**3, 2.0),
        ("ceiling:\n  memory: 12G\n  cpus: 6\n", 12 * 1024**3, 6.0),
    ],
)
def test_ceiling_comes_to_what_was_asked(tmp_path: Path, ceiling: str, memory: float, cpus: float) -> None:
    values = environment(tmp_path, ceiling)
    assert int(values["TT_CEILING_MEMORY_BYTES"]) == int(memory)
    assert int(values["TT_CEILING_STUDENTS_MEMORY_BYTES"]) == int(memory) - 1024**3
    assert float(values["TT_CEILING_CPUS"]) == cpus


@pytest.mark.parametrize(
    ("text", "size", "back"),
    [("1G", 1024**3, "1G"), ("1.5G", 1536 * 1024**2, "1536M"), ("0.3M", 307 * 1024, "307K")],
)
def test_size_is_read_and_written_back(text: str, size: int, back: str) -> None:
    assert parse_size(text) == size
    assert format_size(size) == back
    assert parse_size(back) == size


# --- the commands ---


def test_ansible_gets_settings_environment_and_cgroups_as_json() -> None:
    result = run("ansible", "--machine-memory", "16G", "--machine-cpus", "8")
    answer = json.loads(result.stdout)
    assert answer["classroom"] == settings.load()
    assert answer["environment"] == deriving.environment(settings.load(), MACHINE)
    assert answer["cgroups"]["systemd"]["TT_CGROUP_STUDENTS"] == "tinytorch-students.slice"


def test_check_refuses_on_stderr_with_exit_1_and_no_traceback(tmp_path: Path) -> None:
    file = written(tmp_path, "student:\n  memory: 1 gig\n")
    result = run("check", config=str(file), cwd=tmp_path)
    sentence = "classroom.yml:2: student.memory is '1 gig'. Write a number with a unit, like 1G or 512M.\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", sentence)


def test_missing_file_is_named(tmp_path: Path) -> None:
    result = run("show", "--config", "class.yml", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "class.yml: there is no such file. Check the name, or make an empty one: an empty file "
        "takes every default.\n"
    )


def test_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"^here: this is a folder\. Name the file in it, like classroom\.yml\.$"
    ):
        reading.read(tmp_path, "here")


def test_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so the refusal is played
    with pytest.raises(
        SettingsError, match=r"^x: it cannot be read \(permission denied\)\. Check who may read it\.$"
    ):
        reading.read(tmp_path / "x", "x")


def test_show_tells_what_is_set_and_is_itself_a_settings_file(tmp_path: Path) -> None:
    file = written(tmp_path, "classroom:\n  title: 'Yes: it is #1'\nstudent:\n  memory: 2G\n")
    document = reading.read(file, "classroom.yml")
    text = explaining.show(document, checking.check(document))
    assert re.search(r"^  memory: 2G +# line 4$", text, re.MULTILINE)
    assert re.search(r"^  cpus: 1.0 +# default$", text, re.MULTILINE)
    assert in_force(tmp_path, text) == checking.check(document)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state", "/srv/tinytorch"),
        ("network.port", "8000"),
        ("datasets.local", ""),
        ("monitoring.enabled", "true"),
        ("datasets.sets", "mnist cifar10 tinyshakespeare digits"),
    ],
)
def test_get_answers_as_a_script_wants_it(key: str, value: str) -> None:
    assert explaining.get(settings.load(), key) == value


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "memory",
            "There is no setting memory. Did you mean ceiling.memory or student.memory or instructor.memory?",
        ),
        (
            "studnet.memory",
            "There is no setting studnet.memory. Did you mean ceiling.memory or student.memory or "
            "instructor.memory?",
        ),
        ("hubs", "There is no setting hubs. Did you mean hub?"),
        ("state.x", "There is no setting state.x. Did you mean state?"),
        ("profiles.large.memory", "There is no setting profiles.large.memory. There are: none."),
        ("course", "course is a group. Ask for one of: course.track."),
    ],
)
def test_get_of_no_single_key_says_what_there_is(key: str, message: str) -> None:
    with pytest.raises(explaining.UnknownKeyError) as refused:
        explaining.get(settings.load(), key)
    assert str(refused.value) == message


def test_explain_tells_meaning_limits_and_default() -> None:
    assert explaining.explain("student.pids") == (
        "student.pids\n  Processes and threads of one student's server.\n  Ends a fork bomb "
        "early. A server with two "
        "notebooks needs about 60.\n  Takes a whole number from 64 to 32768; default 256."
    )
    everything = explaining.explain(None)
    assert all(key in everything for key, _ in schema.leaves())


def test_welcome_tells_address_admin_and_how_to_see_the_first_password(tmp_path: Path) -> None:
    values = in_force(tmp_path, "network:\n  address: 10.0.0.7\n  base_path: /class/\nhub:\n  admin: ada\n")
    assert explaining.welcome(values) == (
        "TinyTorch Classroom is open at http://10.0.0.7:8000/class/\n"
        "The admin signs in as ada. The first password is shown once, by: make password\n"
        "Keep the key of its backups away from this machine; it is shown by: make backup-key\n"
    )


TLS = "network:\n  hostname: a.edu\n  base_path: /class/\ntls:\n  certificate: internal\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("network:\n  address: 10.0.0.7\n", "http://10.0.0.7:8000/"),
        ("network:\n  hostname: a.edu\n", "http://a.edu:8000/"),
        (TLS, "https://a.edu/class/"),
        (TLS + "  https_port: 8443\n", "https://a.edu:8443/class/"),
        ("network:\n  hostname: a.edu\n  trusted_proxies: [127.0.0.1]\n", "https://a.edu/"),
    ],
)
def test_address_is_the_one_that_browsers_need(tmp_path: Path, text: str, address: str) -> None:
    assert explaining.address(in_force(tmp_path, text)) == address


@pytest.mark.parametrize(
    ("text", "origin", "cookies"),
    [
        ("network:\n  hostname: c.edu\n", "://c.edu:8000", ""),
        ("network:\n  hostname: c.edu\n  port: 80\n", "://c.edu", ""),
        (TLS + "  https_port: 8443\n", "s://a.edu:8443", "1"),
        ("network:\n  hostname: c.edu\n  base_path: /x/\n  trusted_proxies: [127.0.0.1]\n", "s://c.edu", "1"),
    ],
)
def test_every_service_has_an_origin_of_its_own_where_students_have(
    tmp_path: Path, text: str, origin: str, cookies: str
) -> None:
    values = environment(tmp_path, text.replace("network:\n", "network:\n  subdomains: true\n"))
    assert values["TT_ORIGIN"] == f"http{origin}"
    below = origin.removeprefix("s").removeprefix("://")
    scheme = origin.partition(":")[0]
    assert values["TT_GRADING_ORIGIN"] == f"http{scheme}://grading--service.{below}"
    assert values["TT_FORMGRADER_ORIGIN"] == f"http{scheme}://formgrader--service.{below}"
    assert values["TT_HOST_COOKIES"] == cookies
    assert values["TT_HOSTNAMES"] == f"{values['TT_HOSTNAME']} *.{values['TT_HOSTNAME']}"


def test_without_hosts_of_their_own_nobody_is_told_of_any(tmp_path: Path) -> None:
    values = environment(tmp_path, TLS)
    assert [
        values[f"TT_{name}"] for name in ("ORIGIN", "GRADING_ORIGIN", "FORMGRADER_ORIGIN", "HOST_COOKIES")
    ] == [""] * 4
    assert values["TT_HOSTNAMES"] == "a.edu"


def test_web_server_on_the_same_machine_is_known_by_the_address_that_containers_see(tmp_path: Path) -> None:
    values = environment(tmp_path, "network:\n  trusted_proxies: [127.0.0.1, 10.1.2.0/28]\n")
    assert values["TT_TRUSTED_PROXIES"] == "172.30.240.1/32 10.1.2.0/28"
    assert IPv4Address(values["TT_EDGE_IP"]) in IPv4Network(values["TT_FRONT_SUBNET"])


def test_reference_page_is_up_to_date() -> None:
    page = REPOSITORY / "docs/reference/settings.md"
    assert page.read_text() == explaining.page(), (
        "run: .venv/bin/python -m config.settings schema-doc > docs/reference/settings.md"
    )


def test_the_campus_is_told_to_the_hub_in_signs_that_an_environment_file_takes(tmp_path: Path) -> None:
    text = (
        "hub:\n  auth: oidc\noidc:\n  issuer: https://sso.example.edu\n  client_id: classroom\n"
        "  secret_file: /root/secret\n  allowed_groups: ['Ada''s $HOME \"é\"']\n"
    )
    told = deriving.environment(in_force(tmp_path, text), MACHINE)["TT_OIDC"]
    assert re.fullmatch("[A-Za-z0-9+/=]+", told)
    assert "secret_file" not in json.loads(base64.b64decode(told))
    assert json.loads(base64.b64decode(told))["allowed_groups"] == ['Ada\'s $HOME "é"']
    assert deriving.environment(in_force(tmp_path, ""), MACHINE)["TT_OIDC"] == ""


def test_the_lms_is_told_to_the_hub_where_people_come_from_it(tmp_path: Path) -> None:
    told = environment(tmp_path, WITH_TLS + LMS + "hub:\n  auth: lti13\n")["TT_LTI"]
    assert json.loads(base64.b64decode(told))["deployments"] == ["1"]
    assert environment(tmp_path, LMS)["TT_LTI"] == ""
