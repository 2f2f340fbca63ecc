"""Starts formgrader: makes the gradebook where there is none yet, then the server."""

import os
import sys
from pathlib import Path

from nbgrader.api import Gradebook

from grading.nbgrader_side.api import gradebook_url

HOME = Path(os.environ["HOME"])


def main() -> None:
    os.umask(0o002)  # what is written into source/ is all instructors' to change, from their own servers
    HOME.mkdir(parents=True, exist_ok=True)
    with Gradebook(gradebook_url()):
        pass
    os.chdir("/srv/nbgrader")
    os.execv("/opt/venv/bin/jupyterhub-singleuser", ["jupyterhub-singleuser", *sys.argv[1:]])  # noqa: S606


main()
