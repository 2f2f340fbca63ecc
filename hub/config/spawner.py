"""What a student gets: a container of their own, through the gate."""

from traitlets.config import Config

from hub.config.settings import Settings
from hub.spawner import ClassroomSpawner


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.spawner_class = ClassroomSpawner
    c.JupyterHub.allow_named_servers = False  # one home, one server: two would write to the same notebooks
    c.ClassroomSpawner.student_image = settings.student_image
    c.ClassroomSpawner.student_gpu_image = settings.student_gpu_image
    c.ClassroomSpawner.pull_policy = "never"  # images are built at deploy; a spawn never waits for a download
    c.ClassroomSpawner.network_name = settings.students_network
    c.ClassroomSpawner.use_internal_ip = True
    c.ClassroomSpawner.hub_connect_url = f"http://{settings.hub_ip}:8081"
    c.ClassroomSpawner.remove = True  # a stopped server leaves a home, not a container
    c.ClassroomSpawner.prefix = settings.name
    c.ClassroomSpawner.notebook_dir = "~"
    c.ClassroomSpawner.default_url = "/lab/tree/course"
    c.ClassroomSpawner.environment = {
        "SHELL": "/bin/bash",
        "TT_GRADING_URL": settings.grading_url,
        "TT_TRACK": settings.track,
        "TT_DATASETS": settings.datasets,
        # What their JupyterLab warns by.
        "TT_STUDENT_DISK": str(settings.student_disk),
        "TT_STUDENT_FILES": str(settings.student_files),
        **(_outside(settings) if settings.internet else {}),
    }


def _outside(settings: Settings) -> dict[str, str]:
    """What pip, git, requests and others each read about the way out, and about whom to trust there."""
    proxy = f"http://{settings.outbound_ip}:3128"
    within = f"localhost,127.0.0.1,{settings.hub_ip},{settings.api_ip}"
    lower = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": within}
    trusted = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT")
    return {
        **lower,
        **{name.upper(): value for name, value in lower.items()},
        **dict.fromkeys(trusted, "/run/ca.crt"),
    }
