"""What the hub is told by its environment. A value that cannot be meant ends the start with one sentence."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hub import profiles
from hub.launch import choices as lti_choices
from hub.launch.choices import Choices as LtiChoices
from hub.profiles import Profiles
from hub.signin import choices
from hub.signin.choices import Choices

T = TypeVar("T")


class SettingsError(Exception):
    """A setting is missing or makes no sense; the text says which, and how to mend it."""


@dataclass(frozen=True)
class Settings:
    """Everything that differs between classrooms. Times in seconds."""

    name: str
    title: str
    base_path: str  # begins and ends with a slash
    origin: str  # the hub's scheme, host and port, where students' servers have others; else empty
    students_network: str
    hub_ip: str  # the hub's address on the students' network
    api_ip: str  # the grading API's
    students_range: str  # the addresses that students' servers are given
    student_image: str
    student_gpu_image: str  # of servers with GPUs
    profiles: Profiles
    internet: bool  # whether students' servers have a way out
    outbound_ip: str  # its address on the students' network
    student_disk: int  # bytes of a home; 0: no limit
    student_files: int
    concurrent_spawns: int
    idle_timeout: int  # 0: never
    admin: str
    oidc: Choices | None  # how the campus signs people in
    lti: LtiChoices | None  # from which LMS they come; neither: accounts of our own
    self_registration: str  # closed, approval or open
    may_open_servers: str  # admin, instructors or graders: students' servers
    track: str
    datasets: str
    grading_token: str
    formgrader_token: str
    metrics_token: str
    routes_token: str
    roster_token: str
    warm_token: str
    admin_password: str
    probe_password: str

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read every TT_ variable the hub knows; raises SettingsError."""

        def read(variable: str, convert: Callable[[str], T], hint: str) -> T:
            text = env.get(variable, "")
            if not text:
                raise SettingsError(f"{variable} is not set. Give it {hint}.")
            try:
                return convert(text)
            except ValueError:
                # The value of a variable whose name speaks of a secret is not shown.
                shown = "not usable" if re.search("TOKEN|PASSWORD|SECRET|OIDC|LTI", variable) else repr(text)
                raise SettingsError(f"{variable} is {shown}. Give it {hint}.") from None

        def one_of(variable: str, *values: str) -> str:
            def convert(text: str) -> str:
                if text not in values:
                    raise ValueError(text)
                return text

            return read(variable, convert, f"{', '.join(values[:-1])} or {values[-1]}")

        way = one_of("TT_AUTH", "accounts", "oidc", "lti13")

        def campus() -> Choices | None:
            if way != "oidc":
                return None
            secret = read("TT_OIDC_SECRET", str, "the client secret, by oidc.secret_file")
            return read("TT_OIDC", lambda text: choices.read(text, secret), "config/classroom.yml's oidc")

        def lms() -> LtiChoices | None:
            if way != "lti13":
                return None
            return read("TT_LTI", lti_choices.read, "config/classroom.yml's lti")

        def secret(variable: str) -> str:
            return read(variable, _long, "a random secret of at least 16 characters")

        memory = read("TT_CEILING_STUDENTS_MEMORY_BYTES", int, "the bytes that all servers share")
        gpus = read("TT_CEILING_GPUS", int, "the number of GPUs that all servers share, or 0")
        return cls(
            name=read("TT_NAME", str, "the classroom's short name"),
            title=read("TT_TITLE", str, "what the pages are headed with"),
            base_path=read("TT_BASE_PATH", _path, "where the classroom lives, such as / or /course/"),
            origin=env.get("TT_ORIGIN", ""),
            students_network=read("TT_STUDENTS_NETWORK", str, "the name of the students' network"),
            hub_ip=read("TT_HUB_IP", str, "the hub's address on the students' network"),
            api_ip=read("TT_API_IP", str, "the grading API's address on the students' network"),
            students_range=read("TT_STUDENTS_RANGE", _network, "the network of students' servers"),
            student_image=read("TT_STUDENT_IMAGE", str, "the image of students' servers"),
            student_gpu_image=read("TT_STUDENT_GPU_IMAGE", str, "the image of those with GPUs"),
            profiles=read(
                "TT_PROFILES",
                lambda text: profiles.read(text, memory, gpus),
                "every kind of server, in base64",
            ),
            internet=one_of("TT_INTERNET", "none", "packages", "all") != "none",
            outbound_ip=read("TT_OUTBOUND_IP", str, "the address of the students' way out"),
            student_disk=read("TT_STUDENT_DISK", int, "bytes such as 2147483648, or 0 for no limit"),
            student_files=read(
                "TT_STUDENT_FILES", int, "a number of files such as 262144, or 0 for no limit"
            ),
            concurrent_spawns=read("TT_CONCURRENT_SPAWNS", int, "a number of servers such as 10"),
            idle_timeout=read("TT_IDLE_TIMEOUT", int, "seconds such as 3600, or 0 for never"),
            admin=read("TT_ADMIN", str, "the admin's username"),
            oidc=campus(),
            lti=lms(),
            self_registration=one_of("TT_SELF_REGISTRATION", "closed", "approval", "open"),
            may_open_servers=one_of("TT_MAY_OPEN_SERVERS", "admin", "instructors", "graders"),
            track=read("TT_TRACK", str, "the name of the course's track"),
            datasets=read("TT_DATASETS", str, "where data sets are inside a student's container"),
            grading_token=secret("TT_GRADING_TOKEN"),
            formgrader_token=secret("TT_FORMGRADER_TOKEN"),
            metrics_token=secret("TT_METRICS_TOKEN"),
            routes_token=secret("TT_ROUTES_TOKEN"),
            roster_token=secret("TT_ROSTER_TOKEN"),
            warm_token=secret("TT_WARM_TOKEN"),
            admin_password=read("TT_ADMIN_PASSWORD", str, "the admin's first password"),
            probe_password=read("TT_PROBE_PASSWORD", str, "the password of the deploy's probe user"),
        )

    @property
    def has_passwords(self) -> bool:
        """Whether everybody has one here."""
        return self.oidc is None and self.lti is None

    @property
    def grading_url(self) -> str:
        """Where the API is for a student's container."""
        return f"http://{self.api_ip}:8300{self.base_path}services/grading/"


def _path(text: str) -> str:
    if not text.startswith("/") or not text.endswith("/"):
        raise ValueError(text)
    return text


def _network(text: str) -> str:
    return str(ipaddress.IPv4Network(text))


def _long(text: str) -> str:
    if len(text) < 16:
        raise ValueError(text)
    return text
