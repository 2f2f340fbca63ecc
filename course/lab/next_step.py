"""Which page a student's JupyterLab opens on: their next module's notebook, got ready if it is not there."""

from __future__ import annotations

from pathlib import Path

from course.tito import places
from course.tito.places import Places
from course.tito.start import module_notebook
from course.tito.status import next_module


def address(where: Places, root: Path) -> str:
    """The page, below a server's address. Asks nobody: what lies in the container says it.

    Args:
        root: the folder that the server shows.

    Raises:
        TitoError: there is no next module, or it is not open yet.
        OSError, ValueError: the student's folder is full, or damaged, or not where it is looked for.
    """
    slug = next_module(where, places.manifest(where))
    path = where.notebook(slug)
    if not path.exists():
        module_notebook(where, slug)
    return f"lab/tree/{path.relative_to(root).as_posix()}"
