"""`python -m course.exchange.validate NOTEBOOK`: nbgrader's validation, told as JSON.

A process of its own: it runs the whole notebook, in the notebook's folder, and costs a student's server
nothing when it has ended.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from nbgrader import validator
from nbgrader.nbgraderformat.common import SchemaTooNewError, SchemaTooOldError
from nbgrader.validator import Validator

ANOTHER_FORMAT = "This notebook is of another version of nbgrader. Ask your instructor to release it again."


def validate(notebook: Path) -> dict[str, Any]:
    """What nbgrader's panel shows."""
    judge: Any = Validator()
    try:
        return {"success": True, "value": judge.validate(str(notebook))}
    except (SchemaTooOldError, SchemaTooNewError):
        return {"success": False, "value": ANOTHER_FORMAT}
    except Exception as error:  # whatever a student's notebook brings about is told there
        return {"success": False, "value": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    logging.getLogger(validator.__name__).setLevel(logging.ERROR)
    print(json.dumps(validate(Path(sys.argv[1]))))
