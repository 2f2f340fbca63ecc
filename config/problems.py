"""What is wrong with a settings file, in sentences: where, what, how to mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One sentence or two about one place of a file."""

    text: str
    line: int | None = None


class SettingsError(Exception):
    """A settings file that cannot be used; `problems` holds all that was found, in the order of the file."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(problems, key=lambda problem: problem.line or 0)
        super().__init__(str(self))

    def __str__(self) -> str:
        return "\n".join(
            f"{self.file}:{problem.line}: {problem.text}" if problem.line else f"{self.file}: {problem.text}"
            for problem in self.problems
        )
