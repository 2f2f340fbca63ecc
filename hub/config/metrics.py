"""What Prometheus sees of the classroom at the hub's address, beside JupyterHub's own figures."""

from prometheus_client import REGISTRY
from traitlets.config import Config

from hub.config.settings import Settings
from hub.disk import Homes


def configure(c: Config, settings: Settings) -> None:
    REGISTRY.register(Homes(settings.student_disk, settings.student_files))
