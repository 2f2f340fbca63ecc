"""What a student's container is. The gate writes it; the hub fills in a few blanks.

Nothing that the hub sends is passed on as it came: the body for the engine is built here from nothing. A
field of the request may be empty, or say what the gate does anyway; one that asks for more is refused by its
name, so that a new idea in the hub's configuration fails loudly and not by silence.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.gate.homes import TEACHING, Student
from hub.gate.settings import Profile, Settings
from hub.gate.strict import Refused

# The hub's to choose, within bounds that are checked below.
BLANKS = {"Env", "Cmd", "HostConfig"}
HOST_BLANKS = {"Memory", "CpuPeriod", "CpuQuota", "AutoRemove"}
# DockerSpawner always sends these. They change nothing: no port is published and nobody attaches.
IDLE = {"ExposedPorts", "AttachStdout", "AttachStderr"}

PERIOD = 100_000  # microseconds; the engine's own default
SHARES = 1024  # of CPU time, where it is short: the engine's own default
TMP_FILES = 65_536  # in /tmp: each takes memory of the kernel's, too
LEAST_MEMORY = 6 * 2**20  # the engine refuses less
SOURCE = "/srv/nbgrader/source"  # where formgrader has it, too
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"  # whom the machine trusts, a private CA too
GPUS = "tinytorch.gpus"  # the label that says which a container has: '0,1'
VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=[^\0]*", re.DOTALL)


def user_of(asked: Mapping[str, Any]) -> str:
    """The username for whom a container is asked."""
    labels = asked.get("Labels")
    user = labels.get("tinytorch.user") if isinstance(labels, dict) else None
    if not isinstance(user, str):
        raise Refused(403, "Labels: 'tinytorch.user' must say whose container this is.")
    return user


def profile_of(asked: Mapping[str, Any], settings: Settings) -> tuple[str, Profile]:
    """Which of the classroom's kinds of servers is asked for; nothing said is a student's."""
    name = asked["Labels"].get("tinytorch.profile", "student")
    profile = settings.profiles.get(name) if isinstance(name, str) else None
    if not profile:
        raise Refused(403, f"Labels.tinytorch.profile is {name!r}, which the settings do not have.")
    return name, profile


def teaches(asked: Mapping[str, Any]) -> bool:
    """Whether a server is somebody's who teaches; roles are the hub's to know."""
    said = asked["Labels"].get("tinytorch.teaches")
    if said not in (None, "yes"):
        raise Refused(403, f"Labels.tinytorch.teaches is {said!r}; it can be 'yes' or absent.")
    return said is not None


def check_name(name: str, student: Student, settings: Settings) -> None:
    """A container is called after its student's uid, so that nobody is handed another's.

    Not after the username: the engine's name service tells every student the names of all running containers.
    """
    own = f"{settings.name}-student-{student.uid}"
    if name != own:
        raise Refused(403, f"name is {name!r}, but a container of {student.username!r} is called {own!r}.")


def labels(settings: Settings, role: str) -> dict[str, str]:
    """What marks a container as the gate's own."""
    return {"tinytorch.classroom": settings.name, "tinytorch.role": role}


def is_students(container: Mapping[str, Any], settings: Settings) -> bool:
    """Whether an inspected container is one that the hub may touch."""
    worn = container["Config"]["Labels"] or {}
    return labels(settings, "student").items() <= worn.items()


def free_gpus(wanted: int, holders: Iterable[Mapping[str, Any]], settings: Settings) -> list[str]:
    """The lowest numbers of so many GPUs that no container has, of those listed."""
    held = {number for holder in holders for number in holder["Labels"][GPUS].split(",")}
    free = [number for number in map(str, range(settings.gpus)) if number not in held]
    if len(free) < wanted:
        raise Refused(429, f"No room now: {'too few GPUs are free' if free else 'all GPUs are taken'}.")
    return free[:wanted]


def student_container(
    asked: Mapping[str, Any], student: Student, settings: Settings, gpus: Sequence[str] = ()
) -> dict[str, Any]:
    """The body of `POST /containers/create`, from what the hub asked, with the GPUs of these numbers."""
    host = asked.get("HostConfig") or {}
    if not isinstance(host, dict):
        raise Refused(403, "HostConfig is not an object.")
    home = f"/home/{student.key}"
    kind, profile = profile_of(asked, settings)
    memory = _memory(host, profile.memory)
    teaching = teaches(asked)
    body = {
        "Image": settings.student_gpu_image if gpus else settings.student_image,
        "Cmd": _strings(asked, "Cmd"),
        "Env": _environment(
            asked,
            {
                "HOME": home,
                "USER": student.key,
                "LOGNAME": student.key,
                # NVIDIA's runtime, where an engine has it for all containers, gives what is said here.
                "NVIDIA_VISIBLE_DEVICES": ",".join(gpus) or "void",
            },
        ),
        "User": f"{student.uid}:{student.uid}",
        "WorkingDir": home,
        "Labels": {
            **labels(settings, "student"),
            "tinytorch.user": student.username,
            "tinytorch.profile": kind,
            **({"tinytorch.teaches": "yes"} if teaching else {}),
            **({GPUS: ",".join(gpus)} if gpus else {}),
        },
        "HostConfig": {
            "AutoRemove": host.get("AutoRemove") is True,
            "CapDrop": ["ALL"],
            "GroupAdd": [str(TEACHING)] if teaching else [],
            "SecurityOpt": ["no-new-privileges"],
            "NetworkMode": settings.students_network,
            # Names of the world are asked of nobody. The engine might ask from the machine itself, past the
            # firewall, and made-up names can carry anything out.
            "Dns": ["127.0.0.1"],
            "CgroupParent": settings.cgroup_parent,  # one ceiling over all students together
            "Memory": memory,
            "MemorySwap": memory,  # equal: no swap, or a student could make everybody's disk busy
            "MemoryReservation": min(profile.guarantee, memory),
            "CpuPeriod": PERIOD,
            "CpuQuota": _cpu_quota(host, profile.cpus),
            "CpuShares": round(SHARES * profile.cpu_share),
            "PidsLimit": profile.pids,
            # Outside the home, where space is counted, nothing of the disk can be written; /tmp is memory.
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": f"size={memory // 2},nr_inodes={TMP_FILES},mode=1777,exec,nosuid,nodev"},  # noqa: S108
            # A student can write to the log of their own server: it must not grow over the disk.
            "LogConfig": {"Type": "local", "Config": {"max-size": "1m", "max-file": "2"}},
            # Not Binds: where a source is missing they make an empty one that root owns; this is an error.
            "Mounts": [
                mount(f"{settings.state}/homes/{student.key}", home, read_only=False),
                mount(f"{settings.state}/passwd/{student.key}.passwd", "/etc/passwd"),
                mount(f"{settings.state}/passwd/{student.key}.group", "/etc/group"),
                mount(f"{settings.state}/datasets", "/srv/datasets"),
                # What everybody may see of the course's folder: the calendar in force.
                mount(f"{settings.state}/course/public", "/srv/course"),
                # With a way out: whom to trust there, and where pip finds packages.
                *(
                    [
                        mount(TRUSTED, "/run/ca.crt"),
                        mount(f"{settings.state}/outbound/pip.conf", "/etc/pip.conf"),
                    ]
                    if settings.internet
                    else []
                ),
                # Where assignments are written, with their solutions; never what students hand in.
                *(
                    [mount(f"{settings.state}/grading/nbgrader/source", SOURCE, read_only=False)]
                    if teaching
                    else []
                ),
            ],
            **(
                {"DeviceRequests": [{"Driver": "nvidia", "DeviceIDs": [*gpus], "Capabilities": [["gpu"]]}]}
                if gpus
                else {}
            ),
        },
    }
    _refuse_more("", asked, body, BLANKS | IDLE | {"Labels"})
    _refuse_more("Labels.", asked["Labels"], body["Labels"], set())
    _refuse_more("HostConfig.", host, body["HostConfig"], HOST_BLANKS)
    return body


def _refuse_more(where: str, asked: Mapping[str, Any], given: Any, free: set[str]) -> None:
    """Refuse any field outside `free` that is neither empty nor what is given anyway."""
    for field, value in asked.items():
        if field not in free and value and value != given.get(field):
            raise Refused(403, f"{where}{field} is not the hub's to set. Leave it out.")


def mount(source: str, target: str, read_only: bool = True) -> dict[str, Any]:
    """A folder or file of the classroom's in a container."""
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}


def _strings(asked: Mapping[str, Any], field: str) -> list[str]:
    value = asked.get(field) or []
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise Refused(403, f"{field} is not a list of texts.")
    return value


def _environment(asked: Mapping[str, Any], own: Mapping[str, str]) -> list[str]:
    """The hub's variables, save for those that only the gate knows rightly."""
    environment = [f"{name}={value}" for name, value in own.items()]
    for line in _strings(asked, "Env"):
        variable = VARIABLE.fullmatch(line)
        if not variable:
            raise Refused(403, f"Env: {line.partition('=')[0]!r} is not the name of a variable with a value.")
        if variable[1] not in own:
            environment.append(line)
    return environment


def _memory(host: Mapping[str, Any], ceiling: int) -> int:
    memory = host.get("Memory") or ceiling
    if type(memory) is not int or not LEAST_MEMORY <= memory <= ceiling:
        raise Refused(403, f"HostConfig.Memory is {memory!r}; it may be at most {ceiling} bytes.")
    return memory


def _cpu_quota(host: Mapping[str, Any], ceiling: float) -> int:
    """Microseconds of CPU in each PERIOD."""
    period, quota = host.get("CpuPeriod") or PERIOD, host.get("CpuQuota") or int(ceiling * PERIOD)
    if period != PERIOD or type(quota) is not int or not 1000 <= quota <= ceiling * PERIOD:
        raise Refused(403, f"HostConfig.CpuQuota is {quota!r} of {period!r}; it may be {ceiling} CPUs.")
    return quota
