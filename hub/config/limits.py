"""How much: of the machine for one student, and of students starting at one time."""

from traitlets.config import Config

from hub.config.settings import Settings


def configure(c: Config, settings: Settings) -> None:
    c.ClassroomSpawner.mem_limit = settings.student_memory
    c.ClassroomSpawner.cpu_limit = settings.student_cpus

    # A start costs a second of CPU. With no limit a whole class becomes ready together at the very end; with
    # one, the first are in at once, and the rest see a page that asks again by itself.
    c.JupyterHub.concurrent_spawn_limit = settings.concurrent_spawns
    c.JupyterHub.spawn_throttle_retry_range = (5, 15)
    # 80 at once on a busy machine took 183 s, and all of them came up.
    c.ClassroomSpawner.start_timeout = 240
    c.ClassroomSpawner.http_timeout = 120

    # The admin page shows so many users in one go; a class is bigger than the default of 50.
    c.JupyterHub.api_page_default_limit = 200
