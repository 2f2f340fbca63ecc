"""What the hub's pages look like and are called."""

from pathlib import Path

from traitlets.config import Config

from hub import announcement, opening
from hub.config.settings import Settings
from hub.disk import Homes

HUB = Path(__file__).parent.parent


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.template_paths = [str(HUB / "templates")]
    c.JupyterHub.template_vars = {
        "title": settings.title,
        "self_registration": settings.self_registration,
        "passwords": settings.has_passwords,
        "announced": announcement.text,  # called for each page
        "openings": opening.told,  # this, too, with who looks at it
        "homes": Homes(settings.student_disk, settings.student_files),
    }
    c.JupyterHub.logo_file = str(HUB / "static" / "flame.svg")
