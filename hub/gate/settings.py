"""What the gate is told by its environment. A value that cannot be meant ends the start with one sentence."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Number = TypeVar("Number", int, float)

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class SettingsError(Exception):
    """A setting is missing or makes no sense; the text says which, and how to mend it."""


@dataclass(frozen=True)
class Profile:
    """The most that a server of one kind may use. Memory in bytes; `cpu_share` in students."""

    memory: int
    cpus: float
    pids: int
    guarantee: int  # bytes that the kernel takes from it last
    cpu_share: float
    gpus: int


@dataclass(frozen=True)
class Settings:
    """Everything the gate decides by. Memory in bytes, times in seconds."""

    name: str
    state: str  # as the host sees it: the engine resolves the sources of mounts there, not in our container
    student_image: str
    student_gpu_image: str  # of profiles with GPUs
    internet: bool  # whether students' servers have a way out
    sandbox_image: str
    students_network: str
    profiles: Mapping[str, Profile]
    gpus: int  # of the machine's, from number 0 on: what all students' servers share
    cgroup_parent: str  # empty: the engine's own default
    sandbox_seconds: float
    retrain_seconds: float
    sandbox_memory: int
    sandbox_pool: int  # containers that wait for a submission

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Settings":
        """Read every TT_ variable the gate knows; raises SettingsError."""

        def read(variable: str, convert: Callable[[str], T], hint: str) -> T:
            text = env.get(variable)
            if text is None:
                raise SettingsError(f"{variable} is not set. Give it {hint}.")
            try:
                return convert(text)
            except ValueError:
                raise SettingsError(f"{variable} is {text!r}. Give it {hint}.") from None

        return cls(
            name=read("TT_NAME", _matching(r"[a-z0-9][a-z0-9-]{0,30}"), "a short name of a-z, 0-9 and -"),
            state=read("TT_STATE", _matching(r"(/[\w.@+-]+)+"), "the absolute path of the classroom's state"),
            student_image=read("TT_STUDENT_IMAGE", _matching(r"\S+"), "the image of students' servers"),
            student_gpu_image=read("TT_STUDENT_GPU_IMAGE", _matching(r"\S+"), "the same with GPUs"),
            internet=read("TT_INTERNET", _matching("none|packages|all"), "none, packages or all") != "none",
            sandbox_image=read("TT_SANDBOX_IMAGE", _matching(r"\S+"), "the image that submissions run in"),
            students_network=read("TT_STUDENTS_NETWORK", _network, "the name of the students' own network"),
            profiles=read(
                "TT_PROFILES", _profiles, "every kind of server, as config/deriving.py writes them"
            ),
            gpus=read("TT_CEILING_GPUS", _count, "a number of GPUs such as 2, or 0"),
            cgroup_parent=read("TT_CGROUP_STUDENTS", str, "the cgroup that holds all students, or nothing"),
            sandbox_seconds=read("TT_SANDBOX_SECONDS", _positive(float), "a number of seconds such as 60"),
            retrain_seconds=read("TT_RETRAIN_SECONDS", _positive(float), "a number of seconds such as 600"),
            sandbox_memory=read("TT_SANDBOX_MEMORY", as_bytes, "an amount such as 1G"),
            sandbox_pool=read("TT_SANDBOX_POOL", _count, "a number of waiting sandboxes such as 1, or 0"),
        )


def as_bytes(text: str) -> int:
    """'1G' or '512M' in bytes; raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    if not match:
        raise ValueError(text)
    return _positive(int)(str(int(float(match[1]) * UNITS[match[2]])))


def _profiles(text: str) -> dict[str, Profile]:
    """Limits by profile, from JSON in base64; what the hub alone needs to know is left out."""
    try:
        told: dict[str, dict[str, Any]] = json.loads(base64.b64decode(text, validate=True))
        profiles = {
            name: Profile(
                memory=_positive(int)(limits["memory"]),
                cpus=_positive(float)(limits["cpus"]),
                pids=_positive(int)(limits["pids"]),
                guarantee=int(limits["guarantee"]),
                cpu_share=_positive(float)(limits["cpu_share"]),
                gpus=_count(str(limits["gpus"])),
            )
            for name, limits in told.items()
        }
        return {"student": profiles.pop("student"), **profiles}  # which everybody has
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(text) from error


def _matching(pattern: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return convert


def _network(text: str) -> str:
    # These names are modes to the engine: with them a student would share the host's network.
    if text in ("host", "none", "bridge", "default"):
        raise ValueError(text)
    return _matching(r"[a-zA-Z0-9][\w.-]*")(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,2}", text, re.ASCII):
        raise ValueError(text)
    return int(text)


def _positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    def convert(text: str) -> Number:
        number = kind(text)
        if not 0 < number < float("inf"):
            raise ValueError(text)
        return number

    return convert
