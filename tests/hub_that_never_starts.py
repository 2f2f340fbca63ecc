"""JupyterHub with our pages, and a spawner whose servers never become ready: what a student sees who waits."""

import asyncio
from pathlib import Path

from hub.spawner import ClassroomSpawner

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here
load_subconfig(str(Path(__file__).parent.parent / "hub" / "tests" / "hub_alone.py"))  # type: ignore[name-defined]  # noqa: F821


class NeverSpawner(ClassroomSpawner):
    """Starts for ever."""

    async def start(self) -> tuple[str, int]:
        await asyncio.sleep(3600)
        raise AssertionError

    async def poll(self) -> int | str | None:
        return None

    async def stop(self, now: bool = False) -> None:
        pass


c.JupyterHub.spawner_class = NeverSpawner
marks = {
    "name": "grading",
    "info": {"title": "Marks"},
    "url": "http://127.0.0.1:9",
    "api_token": "grading" * 4,
}
c.JupyterHub.services = [*c.JupyterHub.services, {**marks, "timeout": 1}]
c.JupyterHub.load_roles = [
    *c.JupyterHub.load_roles,
    {"name": "user", "scopes": ["self", "access:services!service=grading"]},
]
