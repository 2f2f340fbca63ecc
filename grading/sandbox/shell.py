"""IPython without a front end: a cell goes in, its outputs come back as nbformat has them."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

FONTS = Path("/opt/matplotlib")  # matplotlib's list of fonts, made with the image: it takes a second
PRIVATE = Path(tempfile.gettempdir()) / "jupyter"
CUT = "\n[The rest of this output is not kept: it is too long.]\n"
MOST_TEXT = 256 * 1024  # characters of one stream of one cell
MOST_LINES = 40  # of a traceback
MOST_LINE = 2000  # characters

# Read when IPython and matplotlib are imported.
os.environ |= {
    "HOME": str(PRIVATE),
    "IPYTHONDIR": str(PRIVATE / "ipython"),
    "MPLCONFIGDIR": str(PRIVATE / "matplotlib"),
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TERM": "dumb",
}
PRIVATE.mkdir(exist_ok=True)
with contextlib.suppress(OSError):  # without it figures are slower, no more
    shutil.copytree(FONTS, PRIVATE / "matplotlib", dirs_exist_ok=True)

from IPython.core.displayhook import DisplayHook  # noqa: E402
from IPython.core.displaypub import DisplayPublisher  # noqa: E402
from IPython.core.interactiveshell import InteractiveShell  # noqa: E402
from traitlets import Type  # noqa: E402
from traitlets.config import Config  # noqa: E402

Output = dict[str, Any]


class Outputs:
    """What one cell puts out, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.list: list[Output] = []
        self.left = most

    def begin(self) -> None:
        """Another cell."""
        self.list, self.left = [], self.most // 2  # JSON can take more room than the text it holds

    def add(self, output: Output) -> None:
        """One more output, if there is room."""
        size = len(json.dumps(output))
        if size <= self.left:
            self.left -= size
            self.list.append(output)

    def write(self, name: str, text: str) -> None:
        """Text to a stream; neighbours are joined, as Jupyter does."""
        if not text:
            return
        last = self.list[-1] if self.list else {}
        if last.get("output_type") != "stream" or last.get("name") != name:
            last = {"output_type": "stream", "name": name, "text": ""}
            self.list.append(last)
        room = min(MOST_TEXT, self.left) - len(last["text"])
        if last["text"].endswith(CUT):
            return
        last["text"] += text if len(text) <= room else text[: max(0, room)] + CUT


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of the cells."""

    def __init__(self, name: str, outputs: Outputs) -> None:
        self.name = name
        self.outputs = outputs

    encoding = "utf-8"

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Take it."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes a text, not {type(text).__name__}")
        self.outputs.write(self.name, text)
        return len(text)


class Publisher(DisplayPublisher):
    """Where display() goes."""

    def publish(self, data: Any, metadata: Any = None, source: Any = None, **_: Any) -> None:
        """One display."""
        shown = {"output_type": "display_data", "data": _plain(data), "metadata": {}}
        Shell.outputs.add(shown)

    def clear_output(self, wait: bool = False) -> None:
        """Forget what the cell put out so far."""
        Shell.outputs.begin()


class Hook(DisplayHook):
    """Where the value of a cell's last line goes."""

    def write_output_prompt(self) -> None:
        """The number is in the output."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """The value, as text and as a picture."""
        Shell.outputs.add(
            {
                "output_type": "execute_result",
                "data": _plain(format_dict),
                "metadata": {},
                "execution_count": None,
            }
        )


class Shell(InteractiveShell):
    """A shell whose tracebacks are outputs, too."""

    outputs: Outputs

    def init_sys_modules(self) -> None:
        """The cells' module is __main__, also for pickle."""
        sys.modules["__main__"] = self.user_module

    display_pub_class: Any = Type(Publisher)
    displayhook_class: Any = Type(Hook)

    def enable_gui(self, gui: Any = None) -> None:
        """There is no window here."""

    def ask_exit(self) -> None:
        """exit() in a cell ends nothing: the cells after it are run."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        text = ""
        with contextlib.suppress(Exception):
            text = str(evalue)
        lines = [str(each)[:MOST_LINE] for each in stb]
        if len(lines) > MOST_LINES:
            lines = [*lines[: MOST_LINES // 2], "...", *lines[-MOST_LINES // 2 :]]
        name = getattr(etype, "__name__", "Error")
        self.outputs.add(
            {"output_type": "error", "ename": name, "evalue": text[:MOST_LINE], "traceback": lines}
        )


class Notebook:
    """A notebook that is run.

    Args:
        most: bytes that the outputs of one cell may take.
    """

    def __init__(self, most: int) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        config.InteractiveShell.xmode = "Context"
        self.outputs = Shell.outputs = Outputs(most)
        self.shell = Shell.instance(config=config)
        sys.stdout, sys.stderr = Stream("stdout", self.outputs), Stream("stderr", self.outputs)
        sys.path.insert(0, "")

    def run(self, source: str) -> list[Output]:
        """Run one cell; what it put out. An error is an output."""
        self.outputs.begin()
        try:
            self.shell.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]
        except BaseException as error:  # not even IPython's own may end the run
            name, text = type(error).__name__, str(error)[:MOST_LINE]
            self.outputs.list.append(
                {"output_type": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}
            )
        return self.outputs.list


def _plain(data: Any) -> dict[str, str]:
    """What of a display is kept: text, and pictures in base64."""
    kept = {}
    for kind in ("text/plain", "image/png"):
        value = data.get(kind) if isinstance(data, dict) else None
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode("ascii")
        if isinstance(value, str):
            kept[kind] = value[:MOST_TEXT] if kind == "text/plain" else value
    return kept
