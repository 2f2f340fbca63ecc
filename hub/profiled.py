# mypy: disable-error-code="no-untyped-call"
"""Of which kind a server is: asked where its owner has a choice, checked whichever way it was asked for.

The groups of this moment decide. What was chosen holds until the server ends, and not for the next start: one
that says nothing (`make warm`, a link into a notebook) gets the kind of its owner's role.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dockerspawner import DockerSpawner
from traitlets import Instance, Unicode, default

from hub.profiles import INSTRUCTOR, Offer, Profile, ProfileError, Profiles, size


class ProfiledSpawner(DockerSpawner):
    """A server of one of the classroom's kinds."""

    profiles = Instance(Profiles, help="Which kinds of servers there are, and for whom.").tag(config=True)

    student_image = Unicode(help="The image of servers.").tag(config=True)
    student_gpu_image = Unicode(help="The image of those with GPUs.").tag(config=True)

    profile: Profile | None = None  # of which kind this server is, from its start on

    @property
    def kind(self) -> str:
        """The name of this server's profile; empty where it has never started."""
        return self.profile.name if self.profile else ""

    @property
    def offers(self) -> list[Offer]:
        """What the owner of this server may have, and how it stands with room."""
        left = self.profiles.left(self._others)
        return [Offer(profile, left) for profile in self.profiles.of(*self._owner)]

    @property
    def house(self) -> str:
        """How full the classroom is, in words."""
        room, left = self.profiles.room, self.profiles.left(self._others)
        taken = f"{size(room.memory - left.memory)} of {size(room.memory)}"
        gpus = f" GPUs given out: {room.gpus - left.gpus} of {room.gpus}." if room.gpus else ""
        return f"Servers that run now: {len(self._others)}. Memory given out: {taken}.{gpus}"

    @property
    def _others(self) -> list[str]:
        """The kinds of all servers that run or start, save this one."""
        everybody = self.user.settings["users"].values()
        servers = [server for user in everybody for server in user.spawners.values() if server is not self]
        return [server.kind for server in servers if server.active]

    @property
    def teaches(self) -> bool:
        """Whether the owner is an instructor or an admin, at this moment."""
        return self.profiles.own(*self._owner).name == INSTRUCTOR

    @property
    def _owner(self) -> tuple[set[str], bool]:
        return {group.name for group in self.user.groups}, bool(self.user.admin)

    @default("options_form")
    def _ask_where_there_is_a_choice(self) -> Callable[[DockerSpawner], list[Offer]]:
        return lambda _: offers if len(offers := self.offers) > 1 else []

    @default("options_from_form")
    def _read_form(self) -> Callable[[Mapping[str, list[str]]], dict[str, str]]:
        return self._read

    def _read(self, form: Mapping[str, list[str]]) -> dict[str, str]:
        """What a form or an address asks for; refused here, too, where it can be said beside the form."""
        options = {name: values[-1] for name, values in form.items() if name != "_xsrf"}
        self._checked(options)
        return options

    @default("apply_user_options")
    def _take_what_is_asked(self) -> Callable[[DockerSpawner, dict[str, Any]], None]:
        return lambda _, options: self._take(options)

    def _take(self, options: dict[str, Any]) -> None:
        """Become what was asked for, by form or by API; raises ProfileError."""
        try:
            self._become(self._checked(options))
        except ProfileError:
            self._forget()
            raise

    def _checked(self, options: Mapping[str, Any]) -> Profile:
        profile = self.profiles.asked(options, *self._owner)
        offer = next(offer for offer in self.offers if offer.profile == profile)
        if not offer.fits:
            raise ProfileError(429, f"{profile.title}: {offer.room}")
        return profile

    def _become(self, profile: Profile) -> None:
        self.profile = profile
        self.mem_limit, self.cpu_limit = profile.memory, profile.cpus
        self.image = self.student_gpu_image if profile.gpus else self.student_image

    def _forget(self) -> None:
        """JupyterHub would take a choice for that of the next start that says nothing."""
        self.orm_spawner.user_options = {}

    def run_post_stop_hook(self) -> None:
        self._forget()

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()
        return {**state, "profile": self.kind} if self.profile else state

    def load_state(self, state: dict[str, Any]) -> None:
        if state:
            self._become(self.profiles.find(state.get("profile", "")))
        super().load_state(state)  # afterwards: with another image DockerSpawner forgets the container's name

    def clear_state(self) -> None:
        super().clear_state()
        self.profile = None
