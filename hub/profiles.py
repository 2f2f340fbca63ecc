"""Which kinds of servers there are, who may have which, and for how many there is room.

What a kind may use is enforced by the gate, from the settings; who may have it is decided here, each time a
server starts.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tornado.web import HTTPError

TYPICAL = 256 * 2**20  # bytes of a server with a notebook open; without one it is a quarter of that
STUDENT, INSTRUCTOR = "student", "instructor"  # everybody has one of these, by role
TEACHING = {"role-instructor", "role-admin"}
SHOWN = 100  # characters of what somebody sent, in the answer to it


class ProfileError(HTTPError):
    """A start that is refused, with words for a page as well as for the API."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.jupyterhub_message = sentence


@dataclass(frozen=True)
class Profile:
    """A kind of server. Memory in bytes; a `guarantee` is kept for it, and 0 is none."""

    name: str
    title: str
    description: str
    memory: int
    cpus: float
    guarantee: int
    gpus: int  # its alone
    groups: frozenset[str]  # whose members may have it; none is everybody

    @property
    def limits(self) -> str:
        """What it may use, in words."""
        gpus = f"{self.gpus} GPU{'' if self.gpus == 1 else 's'}, " if self.gpus else ""
        cpus = f"{self.cpus:g} CPU{'' if self.cpus == 1 else 's'}"
        kept = f", {size(self.guarantee)} of it kept for it" if self.guarantee else ""
        return f"{gpus}{cpus}, {size(self.memory)} of memory{kept}"

    @property
    def kept(self) -> int:
        """What one of its servers counts, in bytes."""
        return self.guarantee or TYPICAL


@dataclass(frozen=True)
class Room:
    """What all servers share, or what of it nobody has. Memory in bytes."""

    memory: int
    gpus: int


@dataclass(frozen=True)
class Offer:
    """A profile on the page that asks which, and how it stands with room for it."""

    profile: Profile
    left: Room

    @property
    def fits(self) -> bool:
        """Whether a server of it may start. One without guarantee and GPUs may, as it always could."""
        return not self._too_little

    @property
    def room(self) -> str:
        """For how many more there is room, or why there is none, in words."""
        if self._too_little:
            return (
                f"No room now: {self._too_little}. Choose another, or try again when others have closed "
                "theirs."
            )
        more = max(0, self.left.memory) // self.profile.kept
        if self.profile.gpus:
            more = min(more, self.left.gpus // self.profile.gpus)
        if more:
            return f"Room for about {more} more."
        return "The classroom is full: it opens, and may be slow or be ended."

    @property
    def _too_little(self) -> str:
        """What there is too little of, in words; nothing where there is enough."""
        guarantee, gpus, left = self.profile.guarantee, self.profile.gpus, self.left
        if gpus and gpus > left.gpus:
            return "too few GPUs are free" if left.gpus > 0 else "all GPUs are taken"
        if guarantee and guarantee > left.memory:
            return f"{size(guarantee)} are kept for each, and {size(max(0, left.memory))} are left"
        return ""


class Profiles:
    """All kinds of servers of the classroom, and what its servers share."""

    def __init__(self, profiles: Iterable[Profile], room: Room) -> None:
        self.room = room
        self._named = {profile.name: profile for profile in profiles}

    def find(self, name: str) -> Profile:
        """The profile of that name; the student's where the settings no longer have it."""
        return self._named.get(name, self._named[STUDENT])

    def own(self, groups: set[str], is_admin: bool) -> Profile:
        """The one of somebody's role."""
        return self._named[INSTRUCTOR if is_admin or groups & TEACHING else STUDENT]

    def of(self, groups: set[str], is_admin: bool) -> list[Profile]:
        """All that somebody may have, the one of their role first."""
        own = self.own(groups, is_admin)
        more = [profile for name, profile in self._named.items() if name not in (STUDENT, INSTRUCTOR)]
        return [own, *(profile for profile in more if not profile.groups or profile.groups & groups)]

    def asked(self, options: Mapping[str, Any], groups: set[str], is_admin: bool) -> Profile:
        """The profile that a start asks for; raises ProfileError where somebody may not ask so."""
        if more := ", ".join(sorted(map(str, options.keys() - {"profile"}))):
            raise ProfileError(
                400, f"A start can say which profile, and nothing else. It said: {more[:SHOWN]}."
            )
        mine = self.of(groups, is_admin)
        if not options:
            return mine[0]
        name = options["profile"]
        for profile in mine:
            if profile.name == name:
                return profile
        names = ", ".join(profile.name for profile in mine)
        raise ProfileError(403, f"There is no profile {str(name)[:SHOWN]!r} for you. There are: {names}.")

    def left(self, names: Iterable[str]) -> Room:
        """What servers of these profiles leave."""
        taken = [self.find(name) for name in names]
        memory = self.room.memory - sum(profile.kept for profile in taken)
        return Room(memory, self.room.gpus - sum(profile.gpus for profile in taken))


def read(text: str, memory: int, gpus: int = 0) -> Profiles:
    """From TT_PROFILES, JSON in base64 since a description may have any sign; raises ValueError."""
    try:
        told: dict[str, dict[str, Any]] = json.loads(base64.b64decode(text, validate=True))
        profiles = [
            Profile(
                name=name,
                title=str(each["title"]),
                description=str(each["description"]),
                memory=int(each["memory"]),
                cpus=float(each["cpus"]),
                guarantee=int(each["guarantee"]),
                gpus=int(each["gpus"]),
                groups=frozenset(each["groups"]),
            )
            for name, each in told.items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    if not {STUDENT, INSTRUCTOR} <= told.keys():
        raise ValueError("everybody's own are missing")
    return Profiles(profiles, Room(memory, gpus))


def size(memory: int) -> str:
    """Bytes in words: 1.5 GB, 512 MB."""
    if memory < 2**30:
        return f"{memory // 2**20} MB"
    return f"{memory / 2**30:.1f}".removesuffix(".0") + " GB"
