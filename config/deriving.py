"""What follows from the settings: names, addresses, control groups, bytes, and the containers' environment.

Every value that two parts must agree on is made here, and nowhere else.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.checking import SERVICES_MEMORY, Settings
from config.units import format_size, parse_share, parse_size

IMAGES = ("base", "build", "hub", "gate", "proxy", "student", "grader", "sandbox", "prometheus")
CGROUP_DRIVERS = ("cgroupfs", "systemd")
# Fixed addresses, counted from the first of a subnet; the engine's own (the gateway) is number 1.
GATEWAY, HUB, PROXY, API = 1, 2, 3, 4
DEFAULT_MEMORY_SHARE = "80%"
# Longest name that Linux gives a network interface.
INTERFACE_NAME_MAX = 15


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


def short_name(name: str) -> str:
    """At most 10 characters that stand for a classroom's name, another for each name.

    A long name becomes its beginning and a hash; the underscore between, which no classroom's name has, keeps the two
    kinds apart.
    """
    if len(name) <= 10:
        return name
    return f"{name[:3]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def derive(settings: Settings, machine: Machine, cgroup_driver: str = "cgroupfs") -> dict[str, Any]:
    """What follows from the settings on a machine whose engine uses `cgroup_driver` (`docker info` tells which)."""
    name = settings["classroom"]["name"]
    short = short_name(name)
    memory = ceiling_memory(settings, machine)
    return {
        "version": version(),
        "images": {image: f"{name}/{image}:{version()}" for image in IMAGES},
        "networks": {
            "front": {"name": f"{name}-front"},
            "services": _network(f"{name}-services", f"{short}-serv", settings["network"]["services_subnet"]),
            "students": _network(f"{name}-students", f"{short}-stud", settings["network"]["students_subnet"]),
        },
        "firewall_chains": {"forward": f"TT-{short}-forward", "input": f"TT-{short}-input"},
        "ceiling": {
            "memory": memory,
            "students_memory": memory - SERVICES_MEMORY,
            "cpus": ceiling_cpus(settings, machine),
        },
        "cgroup_driver": cgroup_driver,
        "cgroups": _cgroups(name, cgroup_driver),
    }


def ceiling_memory(settings: Settings, machine: Machine) -> int:
    """The classroom's ceiling of memory on this machine, in bytes."""
    asked = settings["ceiling"]["memory"] or DEFAULT_MEMORY_SHARE
    if asked.endswith("%"):
        memory = int(machine.memory * parse_share(asked))
        return memory - memory % 4096
    return parse_size(asked)


def ceiling_cpus(settings: Settings, machine: Machine) -> float:
    """The classroom's ceiling of CPUs on this machine."""
    asked = settings["ceiling"]["cpus"]
    if asked is None:
        return float(machine.cpus)
    if isinstance(asked, str):
        return float(round(machine.cpus * parse_share(asked), 2))
    return float(asked)


def _network(name: str, bridge: str, subnet: str) -> dict[str, str]:
    network = ipaddress.IPv4Network(subnet)
    # What the engine may hand out is the upper half: a student's server that starts while the hub is down must not
    # be given the hub's address, to which the firewall opens doors.
    upper = list(network.subnets(prefixlen_diff=1))[1]
    return {
        "name": name,
        "bridge": bridge,
        "subnet": subnet,
        "range": str(upper),
        "gateway": str(network[GATEWAY]),
        "hub": str(network[HUB]),
        "proxy": str(network[PROXY]),
        "api": str(network[API]),
    }


def _cgroups(name: str, driver: str) -> dict[str, str]:
    """The classroom's control groups as the engine names a parent: a path, or with systemd a slice.

    In a slice's name a hyphen means 'inside of', so the name's own become underscores.
    """
    if driver == "systemd":
        top = name.replace("-", "_")
        return {"classroom": f"{top}.slice", "services": f"{top}-services.slice", "students": f"{top}-students.slice"}
    return {"classroom": f"/{name}", "services": f"/{name}/services", "students": f"/{name}/students"}


def environment(settings: Settings, derived: dict[str, Any]) -> dict[str, str]:
    """The variables that docker-compose.yml and the containers read; none is a secret."""
    network, student, hub = settings["network"], settings["student"], settings["hub"]
    grading, monitoring = settings["grading"], settings["monitoring"]
    services, students = derived["networks"]["services"], derived["networks"]["students"]
    values: dict[str, Any] = {
        "TT_NAME": settings["classroom"]["name"],
        "TT_TITLE": settings["classroom"]["title"],
        "TT_VERSION": derived["version"],
        "TT_STATE": settings["state"],
        "TT_ADDRESS": network["address"],
        "TT_PORT": network["port"],
        "TT_BASE_PATH": network["base_path"],
        "TT_FRONT_NETWORK": derived["networks"]["front"]["name"],
        **_network_environment("SERVICES", services),
        **_network_environment("STUDENTS", students),
        "TT_HUB_IP": students["hub"],
        "TT_PROXY_IP": students["proxy"],
        "TT_API_IP": students["api"],
        "TT_CGROUP": derived["cgroups"]["classroom"],
        "TT_CGROUP_SERVICES": derived["cgroups"]["services"],
        "TT_CGROUP_STUDENTS": derived["cgroups"]["students"],
        "TT_BASE_IMAGE": settings["images"]["base"],
        **{f"TT_{image.upper()}_IMAGE": tag for image, tag in derived["images"].items() if image not in ("base", "build")},
        "TT_STUDENT_MEMORY": format_size(parse_size(student["memory"])),
        "TT_STUDENT_CPUS": float(student["cpus"]),
        "TT_STUDENT_PIDS": student["pids"],
        "TT_IDLE_TIMEOUT": student["idle_timeout"],
        "TT_AUTH": hub["auth"],
        "TT_ADMIN": hub["admin"],
        "TT_SELF_REGISTRATION": hub["self_registration"],
        "TT_CONCURRENT_SPAWNS": hub["concurrent_spawns"],
        "TT_TRACK": settings["course"]["track"],
        "TT_DATASETS": "/srv/datasets",
        "TT_DATABASE_URL": "sqlite:////srv/grading/grading.db",
        "TT_SUBMISSION_MAX_BYTES": parse_size(grading["submission_max"]),
        "TT_SANDBOX_SECONDS": grading["sandbox_seconds"],
        "TT_SANDBOX_MEMORY": format_size(parse_size(grading["sandbox_memory"])),
        "TT_WORKERS": grading["workers"],
        "TT_MONITORING": monitoring["enabled"],
        "TT_MONITORING_ADDRESS": monitoring["address"],
        "TT_MONITORING_PORT": monitoring["port"],
        "TT_MONITORING_RETENTION": monitoring["retention"],
    }
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}


def _network_environment(name: str, network: dict[str, str]) -> dict[str, str]:
    values = {f"TT_{name}_{key.upper()}": network[key] for key in ("bridge", "subnet", "range", "gateway")}
    values[f"TT_{name}_NETWORK"] = network["name"]
    if name == "SERVICES":
        values |= {f"TT_{name}_{key.upper()}_IP": network[key] for key in ("hub", "proxy", "api")}
    return values
