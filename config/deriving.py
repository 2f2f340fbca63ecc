"""What follows from the settings: names, addresses, control groups, bytes, and the containers' environment.

Every value that two parts must agree on is made here, and nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.agreeing import SERVICES_MEMORY, Settings
from config.units import format_size, parse_share, parse_size

DEFAULT_MEMORY_SHARE = "80%"
# Fixed addresses, counted from the first of the students' subnet; the engine's own (the gateway) is number 1.
GATEWAY, HUB, PROXY, API, OUTBOUND = 1, 2, 3, 4, 5
BYTES_A_FILE = 8192  # of a student's disk space; ext4 has a file for each 16384

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
# Each a quarter of services_subnet.
SERVICES_QUARTERS = ("front", "services", "monitoring", "dashboards")


@dataclass(frozen=True)
class Machine:
    """The machine that the classroom runs on: bytes of memory, and CPUs."""

    memory: int
    cpus: int

    @staticmethod
    def this() -> Machine:
        """The machine that this runs on."""
        return Machine(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), os.cpu_count() or 1)


def version() -> str:
    """The release that this clone is, from pyproject.toml (Python 3.10 has no reader for it)."""
    text = Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise RuntimeError("pyproject.toml names no version")
    return found[1]


def bridge(name: str) -> str:
    """The network interface of a classroom's students: at most 15 characters, and another for each name.

    A long name becomes its beginning and a hash; the underscore between, which no classroom's name has, keeps
    the two kinds apart.
    """
    short = name if len(name) <= 10 else f"{name[:3]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return f"{short}-stud"


def ceiling_memory(settings: Settings, machine: Machine) -> int:
    """The classroom's ceiling of memory on this machine, in bytes."""
    asked = settings["ceiling"]["memory"] or DEFAULT_MEMORY_SHARE
    if asked.endswith("%"):
        return int(machine.memory * parse_share(asked))
    return parse_size(asked)


def ceiling_cpus(settings: Settings, machine: Machine) -> float:
    """The classroom's ceiling of CPUs on this machine."""
    asked = settings["ceiling"]["cpus"]
    if asked is None:
        return float(machine.cpus)
    if isinstance(asked, str):
        return float(round(machine.cpus * parse_share(asked), 2))
    return float(asked)


def spawns_at_once(settings: Settings, machine: Machine) -> int:
    """Servers that start at one time: one computes while another waits for the engine or the disk."""
    return max(1, round(2 * ceiling_cpus(settings, machine)))


def cgroups(settings: Settings) -> dict[str, dict[str, str]]:
    """Control groups of services and students, as an engine with each cgroup driver names them.

    Both lie within the classroom's own (`/NAME`, `NAME.slice`), which carries the ceiling.
    """
    name = settings["classroom"]["name"]
    return {
        "cgroupfs": {"TT_CGROUP_SERVICES": f"/{name}/services", "TT_CGROUP_STUDENTS": f"/{name}/students"},
        "systemd": {
            "TT_CGROUP_SERVICES": f"{name}-services.slice",
            "TT_CGROUP_STUDENTS": f"{name}-students.slice",
        },
    }


def environment(settings: Settings, machine: Machine) -> dict[str, str]:
    """The variables that docker-compose.yml and the containers read; none is a secret.

    The control groups are those of an engine with the cgroupfs driver.
    """
    name, title = settings["classroom"]["name"], settings["classroom"]["title"]
    network, student, hub = settings["network"], settings["student"], settings["hub"]
    grading, monitoring, backup = settings["grading"], settings["monitoring"], settings["backup"]
    memory = ceiling_memory(settings, machine)
    disk = parse_size(student["disk"]) if student["disk"] else 0  # no limit
    values: dict[str, Any] = {
        "TT_NAME": name,
        # The plain apostrophe would end the value in the environment file.
        "TT_TITLE": title.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"),
        "TT_VERSION": version(),
        "TT_STATE": settings["state"],
        "TT_ADDRESS": network["address"],
        "TT_PORT": network["port"],
        "TT_BASE_PATH": network["base_path"],
        **_edge(settings),
        **origins(settings),
        **_networks(settings),
        **cgroups(settings)["cgroupfs"],
        "TT_CEILING_MEMORY_BYTES": memory,
        "TT_CEILING_STUDENTS_MEMORY_BYTES": memory - SERVICES_MEMORY,
        "TT_CEILING_CPUS": ceiling_cpus(settings, machine),
        "TT_CEILING_GPUS": settings["ceiling"]["gpus"],
        "TT_STUDENT_IMAGE": f"{name}/student:{version()}",
        "TT_STUDENT_GPU_IMAGE": f"{name}/student-gpu:{version()}",
        "TT_SANDBOX_IMAGE": f"{name}/sandbox:{version()}",
        "TT_PROFILES": _in_base64(profiles(settings)),
        "TT_STUDENT_DISK": disk,
        "TT_STUDENT_FILES": disk // BYTES_A_FILE,
        "TT_IDLE_TIMEOUT": student["idle_timeout"],
        "TT_INTERNET": student["internet"],
        "TT_ADMIN": hub["admin"],
        "TT_AUTH": hub["auth"],
        "TT_OIDC": _group(settings, "oidc", "oidc"),
        "TT_LTI": _group(settings, "lti13", "lti"),
        "TT_SELF_REGISTRATION": hub["self_registration"],
        "TT_MAY_OPEN_SERVERS": hub["may_open_servers"],
        "TT_CONCURRENT_SPAWNS": hub["concurrent_spawns"] or spawns_at_once(settings, machine),
        "TT_TRACK": settings["course"]["track"],
        "TT_DATASETS": "/srv/datasets",
        # Its addresses hold passwords, and are put together in docker-compose.yml.
        "TT_POSTGRESQL": "yes" if grading["database"] == "postgresql" else "",
        "TT_SUBMISSION_MAX_BYTES": parse_size(grading["submission_max"]),
        "TT_SANDBOX_SECONDS": grading["sandbox_seconds"],
        "TT_RETRAIN_SECONDS": grading["retrain_seconds"],
        "TT_SANDBOX_MEMORY": format_size(parse_size(grading["sandbox_memory"])),
        "TT_SANDBOX_POOL": grading["workers"],  # as many as can be needed at the same moment
        "TT_WORKERS": grading["workers"],
        "TT_BACKUP_TO": backup["to"] or f"{settings['state']}-backup",
        "TT_BACKUP_AT": backup["at"] or "",
        "TT_BACKUP_KEEP_DAILY": backup["keep_daily"],
        "TT_BACKUP_KEEP_WEEKLY": backup["keep_weekly"],
        "TT_MONITORING_ADDRESS": monitoring["address"],
        "TT_MONITORING_PORT": monitoring["port"],
        "TT_MONITORING_RETENTION": monitoring["retention"],
    }
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()
    }


def _group(settings: Settings, way: str, group: str) -> str:
    """A group of the settings as the hub reads it: JSON, in base64, as a campus's names may have any sign."""
    if settings["hub"]["auth"] != way:
        return ""
    return _in_base64({name: value for name, value in settings[group].items() if name != "secret_file"})


def _in_base64(told: Any) -> str:
    return base64.b64encode(json.dumps(told).encode()).decode()


def profiles(settings: Settings) -> dict[str, dict[str, Any]]:
    """Every kind of server, as hub and gate read them: sizes in bytes, and nothing left to a default."""
    student = settings["student"]
    everybodys = {"title": "Standard", "groups": [], "guarantee": 0, "cpu_share": 1.0, "gpus": 0}
    kinds = {
        "student": {**everybodys, "description": "For the course, module by module.", **student},
        "instructor": {
            **everybodys,
            "description": "For preparing the course and trying it out.",
            **settings["instructor"],
        },
        **settings["profiles"],
    }
    told = {}
    for name, kind in kinds.items():
        memory = parse_size(kind["memory"] or student["memory"])
        guarantee = kind["guarantee"]
        told[name] = {
            "title": kind["title"] or name.capitalize(),
            "description": kind["description"],
            "groups": kind["groups"],
            "memory": memory,
            "cpus": float(kind["cpus"] or student["cpus"]),
            "pids": kind["pids"] or student["pids"],
            "guarantee": memory if guarantee is None else parse_size(guarantee) if guarantee else 0,
            "cpu_share": float(kind["cpu_share"]),
            "gpus": kind["gpus"],
        }
    return told


def address(settings: Settings, machine: str) -> str:
    """Where a browser finds the classroom; `machine` is this machine's own address, where no name is set."""
    network = settings["network"]
    host = network["hostname"] or machine
    if settings["tls"]["certificate"] != "none":
        return f"https://{_https_host(settings)}{network['base_path']}"
    if network["hostname"] and network["trusted_proxies"]:  # a web server in front has port and certificate
        return f"https://{host}{network['base_path']}"
    return f"http://{host}:{network['port']}{network['base_path']}"


def origins(settings: Settings) -> dict[str, str]:
    """Scheme, host name and port of the hub and of each service; nothing where all share one."""
    network = settings["network"]
    if not network["subdomains"]:
        return dict.fromkeys(
            ("TT_ORIGIN", "TT_GRADING_ORIGIN", "TT_FORMGRADER_ORIGIN", "TT_HOST_COOKIES"), ""
        )
    whole = address(settings, "").removesuffix(network["base_path"])
    hub = whole.removesuffix(":80") if whole.startswith("http:") else whole  # as browsers write it
    return {
        "TT_ORIGIN": hub,
        # How the hub calls them: hub/hosts.py.
        "TT_GRADING_ORIGIN": hub.replace("://", "://grading--service."),
        "TT_FORMGRADER_ORIGIN": hub.replace("://", "://formgrader--service."),
        "TT_HOST_COOKIES": "1" if hub.startswith("https:") else "",  # __Host-: browsers take them so only
    }


def _https_host(settings: Settings) -> str:
    port = settings["tls"]["https_port"]
    return f"{settings['network']['hostname'] or ''}{'' if port == 443 else f':{port}'}"


def _edge(settings: Settings) -> dict[str, Any]:
    """Who is believed about a browser's address and https; and, with TLS, what images/edge reads."""
    network, tls = settings["network"], settings["tls"]
    front = next(ipaddress.IPv4Network(network["services_subnet"]).subnets(prefixlen_diff=2))
    # Whoever comes from the machine itself, comes from the gateway in a container's eyes.
    trusted = [
        f"{front[GATEWAY]}/32" if net.is_loopback else str(net)
        for net in map(ipaddress.IPv4Network, network["trusted_proxies"])
    ]
    return {
        "TT_TRUSTED_PROXIES": " ".join(trusted),
        "TT_EDGE_IP": front[-2],  # the engine hands out the lowest first
        "TT_TLS": tls["certificate"],
        "TT_HTTPS_PORT": tls["https_port"],
        "TT_HTTP_PORT": tls["http_port"],
        "TT_HOSTNAME": network["hostname"] or "",
        "TT_HOSTNAMES": _hostnames(network),
        "TT_HTTPS_HOST": _https_host(settings),
        "TT_ACME_DIRECTORY": tls["acme_directory"] or LETS_ENCRYPT,
        "TT_ACME_EMAIL": tls["acme_email"] or "",
        "TT_ACME_ROOT": "/srv/edge/files/acme-root.pem" if tls["acme_root"] else "",
    }


def _hostnames(network: Settings) -> str:
    """All names that browsers come by, with blanks between."""
    name = network["hostname"] or ""
    return f"{name} *.{name}" if network["subdomains"] else name


def _networks(settings: Settings) -> dict[str, str]:
    name = settings["classroom"]["name"]
    services = ipaddress.IPv4Network(settings["network"]["services_subnet"])
    students = ipaddress.IPv4Network(settings["network"]["students_subnet"])
    quarters = zip(SERVICES_QUARTERS, services.subnets(prefixlen_diff=2), strict=True)
    # What the engine may hand out is the upper half: a student's server started while the hub is down must
    # not get the hub's address, to which the firewall opens doors.
    _, upper = students.subnets(prefixlen_diff=1)
    return {
        **{f"TT_{quarter.upper()}_SUBNET": str(subnet) for quarter, subnet in quarters},
        "TT_STUDENTS_NETWORK": f"{name}-students",
        "TT_STUDENTS_BRIDGE": bridge(name),
        "TT_STUDENTS_SUBNET": str(students),
        "TT_STUDENTS_RANGE": str(upper),
        "TT_STUDENTS_GATEWAY": str(students[GATEWAY]),
        "TT_HUB_IP": str(students[HUB]),
        "TT_PROXY_IP": str(students[PROXY]),
        "TT_API_IP": str(students[API]),
        "TT_OUTBOUND_IP": str(students[OUTBOUND]),
    }
