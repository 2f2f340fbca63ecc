"""Whose servers are started: a section's students or all, as many as the ceiling of memory holds."""

from collections.abc import Iterable
from dataclasses import dataclass

from hub.accounts.names import PROBE
from hub.profiles import TYPICAL, Profiles
from hub.roster.reading import slug
from hub.warm.hub_api import User

STAFF = {"role-assistant", "role-grader", "role-instructor"}


class NobodyError(Exception):
    """There is nobody to start a server for; the text says why."""


@dataclass(frozen=True)
class Choice:
    """Whose servers run, are to be started, and do not fit; `room` is for how many servers in all."""

    running: list[str]
    cold: list[str]
    outside: list[str]
    room: int


def choose(users: Iterable[User], section: str, admin: str, profiles: Profiles) -> Choice:
    """Whose servers to start.

    Args:
        section: as the roster writes it; empty for all students.
        admin: who is no student though in no group that says so.
        profiles: how much servers of each kind take, and all of them may use together.

    Raises:
        NobodyError: nobody is a student, or in that section.
    """
    everybody = list(users)
    students = [u for u in everybody if not u.groups & STAFF and u.name not in (admin, PROBE)]
    wanted = [u for u in students if not section or f"section-{slug(section)}" in u.groups]
    if not wanted:
        raise NobodyError(_nobody(section, students))
    runs = [u.profile for u in everybody if u.active]
    fits = max(0, profiles.left(runs).memory) // TYPICAL
    running = [u.name for u in wanted if u.active]
    cold = sorted(u.name for u in wanted if not u.active)
    return Choice(running, cold[:fits], cold[fits:], len(runs) + fits)


def _nobody(section: str, students: list[User]) -> str:
    if not students:
        return "There are no students yet. Bring your class first: make roster FILE=class.csv."
    groups = {group for user in students for group in user.groups if group.startswith("section-")}
    found = sorted(group.removeprefix("section-") for group in groups)
    mend = f"There are: {', '.join(found)}" if found else "The roster names no sections: leave SECTION out"
    return f"Nobody is in section {section!r}. {mend}."
