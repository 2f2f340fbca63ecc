"""`%tito` in a notebook: the same commands as in a terminal.

In the classroom every kernel has it; elsewhere: `%load_ext course.tito.magic`.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Called by IPython. Nothing of tito is imported before it is used: every kernel starts with this."""
    shell.register_magic_function(tito, "line", "tito")


def tito(line: str) -> None:
    """Run a command of tito; `%tito status`, for instance."""
    from course.tito.cli import main

    # Everything on one stream, so that it stands in the order in which it was said.
    with contextlib.redirect_stderr(sys.stdout), contextlib.suppress(SystemExit):
        try:
            words = shlex.split(line)
        except ValueError:
            print("A quotation mark is not closed.")
            return
        main(words)
