# mypy: disable-error-code="no-untyped-call"
"""The hub's database follows JupyterHub's version: kept as it was, changed in a copy, then put in place.

JupyterHub can do it by itself, but copies the file without what is still in SQLite's log beside it, and
changes the database in place, step by step: one that fails leaves it between two versions.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import alembic.command
import jupyterhub
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from jupyterhub.dbutil import ALEMBIC_DIR, write_alembic_ini
from sqlalchemy.exc import SQLAlchemyError

BUSY_SECONDS = 60  # a backup may be reading it
BACK = "Deploy the version that you had before, and tell the maintainers (docs/how-to/upgrade.md)."


class UpgradeError(Exception):
    """The database is as it was, and this JupyterHub cannot use it; the text says why, and what to do."""


def bring_up_to_date(path: Path) -> None:
    """Give a database of an older JupyterHub the form that this one wants. What it was stays beside it.

    Raises:
        UpgradeError: it is a newer JupyterHub's, or a step failed.
    """
    if not path.exists():
        return
    try:
        _bring_up_to_date(path)
    except (sqlite3.Error, SQLAlchemyError, CommandError, OSError) as error:
        why = " ".join(str(getattr(error, "orig", error)).split())
        raise UpgradeError(
            f"{path} could not be given the form that JupyterHub {jupyterhub.__version__} wants ({why}). "
            f"It is as it was. {BACK}"
        ) from error


def _bring_up_to_date(path: Path) -> None:
    there, steps = _form(path), ScriptDirectory(ALEMBIC_DIR)
    if there in (None, steps.get_current_head()):
        return
    if there not in {step.revision for step in steps.walk_revisions()}:
        raise UpgradeError(
            f"{path} was written by a newer JupyterHub than {jupyterhub.__version__}. Deploy the version "
            "that wrote it, or put back what was kept (docs/how-to/upgrade.md)."
        )
    kept, folder = path.with_name(f"{path.name}.{there}"), path.with_name(".upgrade")
    print(
        f"The hub's database is of an older JupyterHub. It is kept as {kept.name}, and follows.", flush=True
    )
    shutil.rmtree(folder, ignore_errors=True)  # of an upgrade that was ended
    folder.mkdir(0o700)
    try:
        changing = folder / path.name
        _copy(path, kept)
        _copy(kept, changing)
        write_alembic_ini(f"{folder}/alembic.ini", f"sqlite:///{changing}")
        alembic.command.upgrade(Config(f"{folder}/alembic.ini"), "head")
        _copy(
            changing, path
        )  # in one transaction of SQLite's own: all of it or nothing, whenever it is ended
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _form(path: Path) -> str | None:
    """Which of JupyterHub's forms a database has; None: it is empty, and JupyterHub begins it."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        (form,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(form)


def _copy(source: Path, target: Path) -> None:
    """All of a database, with what is in the log beside it."""
    target.touch(0o600)  # before SQLite makes it for all to read
    with (
        closing(sqlite3.connect(source, timeout=BUSY_SECONDS)) as old,
        closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as new,
    ):
        old.backup(new)
