"""Who keeps running when: a hub that restarts drops nobody, and a failing spawn does not end the hub."""

from traitlets.config import Config

from hub.config.settings import Settings


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.cleanup_servers = False  # a hub restart must not end 120 students' kernels
    c.JupyterHub.cleanup_proxy = False  # nor their way to them

    # The default is to exit after five failed spawns, so that something restarts the hub. A restart mends
    # neither a full disk nor a stopped engine, and would shut the door to those whose servers run. Prometheus
    # tells instead.
    c.ClassroomSpawner.consecutive_failure_limit = 0
