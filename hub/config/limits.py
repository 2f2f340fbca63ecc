"""How much: of the machine for one server, and of servers starting at one time."""

from traitlets.config import Config

from hub.config.settings import Settings


def configure(c: Config, settings: Settings) -> None:
    c.ClassroomSpawner.profiles = settings.profiles

    # Everybody may ask at any time, and gets a place in the spawner's own line (hub/line.py). JupyterHub's
    # limit would turn them away instead, and then serve whoever happens to ask again first.
    c.JupyterHub.concurrent_spawn_limit = 0
    c.ClassroomSpawner.starts_at_once = settings.concurrent_spawns
    # 80 at once on a busy machine took 183 s, and all of them came up.
    c.ClassroomSpawner.start_timeout = 240
    c.ClassroomSpawner.http_timeout = 120

    # The admin page shows so many users in one go; a class is bigger than the default of 50.
    c.JupyterHub.api_page_default_limit = 200
