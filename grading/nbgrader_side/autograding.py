"""`python -m grading.nbgrader_side.autograding ASSIGNMENT STUDENT`: formgrader's button, in its own process.

A notebook may take minutes in the sandbox; formgrader goes on answering everybody else meanwhile. Prints what
nbgrader's API would have returned, as JSON.
"""

from __future__ import annotations

import json
import os
import sys

from nbgrader.apps import NbGrader
from nbgrader.apps.api import NbGraderAPI

from grading.nbgrader_side import audit


def main(assignment: str, student: str) -> None:
    """Autograde one submission."""
    audit.acting.set(os.environ.get("TT_ACTING") or audit.SOMEBODY)
    app = NbGrader()
    app.load_config_file()
    print(json.dumps(NbGraderAPI(config=app.config).autograde(assignment, student)))


if __name__ == "__main__":
    main(*sys.argv[1:])
