"""Where the hub remembers users, groups, tokens and who has which server; and how it writes that down."""

from pathlib import Path
from sqlite3 import Connection

from traitlets.config import Config

from hub.config.settings import Settings

FILE = Path("/srv/hub/jupyterhub.sqlite")


def configure(c: Config, settings: Settings) -> None:
    c.JupyterHub.db_url = f"sqlite:///{FILE}"
    c.JupyterHub.db_kwargs = {
        "pool_events": [(_write_ahead, "connect")],
        "connect_args": {"check_same_thread": False},  # JupyterHub's own, while nothing else is given
    }


def _write_ahead(connection: Connection, _: object) -> None:
    """Five commits for each new user need not wait for the disk five times."""
    connection.execute("PRAGMA journal_mode = WAL")
    # A hub that is killed loses nothing. A machine without power may lose the last seconds: every server is
    # gone then, too, and the file is whole.
    connection.execute("PRAGMA synchronous = NORMAL")
