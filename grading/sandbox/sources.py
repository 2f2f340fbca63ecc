"""Import Python packages from memory: nothing is written, and each source is compiled once for all forks."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Collection, Mapping
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, cast


class Sources:
    """A finder and loader over files that are held in memory.

    Args:
        files: path, such as 'tinytorch/nn/__init__.py', to text. A file that does not compile fails when it
            is imported, as it would from disk.
        own: those of the paths that are the student's: only their lines are shown to the student.
    """

    def __init__(self, files: Mapping[str, str], own: Collection[str]) -> None:
        self.own = own
        self.paths: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.codes: dict[str, CodeType] = {}
        for path, text in files.items():
            if path.endswith(".py"):
                name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                self.paths[name], self.texts[name] = path, text
                with contextlib.suppress(Exception):
                    self.codes[name] = self._compile(name)

    def install(self) -> None:
        """Let `import` find these files, before anything else."""
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The finder's part."""
        if name not in self.paths:
            return None
        origin = self.paths[name]
        spec = ModuleSpec(name, cast(Any, self), origin=origin, is_package=origin.endswith("/__init__.py"))
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The loader's part: an ordinary module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """The loader's part: run the source in the module."""
        code = self.codes.get(module.__name__) or self._compile(module.__name__)
        exec(code, vars(module))  # noqa: S102  # running the student's code is what the sandbox is for

    def get_source(self, name: str) -> str:
        """For tracebacks."""
        return self.texts[name]

    def line(self, path: str, number: int) -> str:
        """One line of a student's own file, stripped; empty for any other."""
        for name, known in self.paths.items():
            if known == path and path in self.own:
                lines = self.texts[name].splitlines()
                return lines[number - 1].strip() if 0 < number <= len(lines) else ""
        return ""

    def _compile(self, name: str) -> CodeType:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a student's doubtful escape sequence is no matter of ours
            return compile(self.texts[name], self.paths[name], "exec", dont_inherit=True)
