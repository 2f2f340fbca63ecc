"""What the grading service is told by its environment; read once, at start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from course.calendar import FOLDER

MEBIBYTE = 1024 * 1024


class SettingsError(ValueError):
    """An environment variable cannot be used; the message names it and how to mend it."""


@dataclass(frozen=True)
class Settings:
    """The service's settings. Sizes are in bytes, times in seconds."""

    folder: Path = Path("/srv/grading")
    database_url: str = "sqlite:////srv/grading/grading.db"
    base_path: str = "/"
    hub_origin: str = ""  # scheme, host and port, where they differ from these pages'
    formgrader_origin: str = ""
    title: str = "TinyTorch Classroom"
    admin: str | None = None
    track: str | None = None
    submission_max_bytes: int = 10 * MEBIBYTE
    sandbox_seconds: int = 60
    retrain_seconds: int = 600
    sandbox_memory: int = 1024 * MEBIBYTE
    gate_socket: Path = Path("/run/gate/gate.sock")
    reference: Path = Path("/opt/course/reference")
    probes: Path = Path("/opt/course/probes")
    official: Path = Path("/opt/course/notebooks")
    calendar: Path = FOLDER
    instructor: Path = Path("/opt/course/instructor")
    api_processes: int = 2
    gradebook: str | None = None

    @property
    def prefix(self) -> str:
        """Where everything of the service lives in URLs; ends with a slash."""
        return f"{self.base_path}services/grading/"

    @property
    def submissions(self) -> Path:
        """Where submissions are kept, byte for byte."""
        return self.folder / "submissions"

    @property
    def nbgrader(self) -> Path:
        """nbgrader's course folder: what formgrader and nbgrader's own commands work on."""
        return self.folder / "nbgrader"

    @property
    def gradebook_url(self) -> str:
        """nbgrader's database; a file in its course folder, unless told otherwise."""
        return self.gradebook or f"sqlite:///{self.nbgrader / 'gradebook.db'}"


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from TT_* variables; what is missing or empty has the default.

    Raises:
        SettingsError: a value cannot be used.
    """
    default = Settings()
    given = {name: value for name, value in environment.items() if value}
    folder = Path(given.get("TT_GRADING_FOLDER", default.folder))
    base_path = given.get("TT_BASE_PATH", default.base_path)
    return Settings(
        folder=folder,
        database_url=given.get("TT_DATABASE_URL", f"sqlite:///{folder / 'grading.db'}"),
        base_path=f"/{base_path.strip('/')}/" if base_path.strip("/") else "/",
        hub_origin=given.get("TT_ORIGIN", default.hub_origin),
        formgrader_origin=given.get("TT_FORMGRADER_ORIGIN", default.formgrader_origin),
        title=given.get("TT_TITLE", default.title),
        admin=given.get("TT_ADMIN"),
        track=given.get("TT_TRACK"),
        submission_max_bytes=_size(given, "TT_SUBMISSION_MAX_BYTES", default.submission_max_bytes),
        sandbox_seconds=_size(given, "TT_SANDBOX_SECONDS", default.sandbox_seconds),
        retrain_seconds=_size(given, "TT_RETRAIN_SECONDS", default.retrain_seconds),
        sandbox_memory=_size(given, "TT_SANDBOX_MEMORY", default.sandbox_memory),
        gate_socket=Path(given.get("TT_GATE_SOCKET", default.gate_socket)),
        reference=Path(given.get("TT_REFERENCE", default.reference)),
        probes=Path(given.get("TT_PROBES", default.probes)),
        official=Path(given.get("TT_OFFICIAL", default.official)),
        calendar=Path(given.get("TT_CALENDAR_FOLDER", default.calendar)),
        instructor=Path(given.get("TT_INSTRUCTOR", default.instructor)),
        api_processes=_size(given, "TT_API_PROCESSES", default.api_processes),
        gradebook=given.get("TT_GRADEBOOK_URL"),
    )


def _size(given: Mapping[str, str], name: str, default: int) -> int:
    """A positive whole number, with an optional K, M or G (binary) behind it."""
    text = given.get(name, str(default)).strip().upper().removesuffix("B")
    factor = {"K": 1024, "M": MEBIBYTE, "G": 1024 * MEBIBYTE}.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    if not digits.isdecimal() or int(digits) == 0:
        raise SettingsError(f"{name} is '{given[name]}'. Give it a positive whole number: 60, 512M or 1G.")
    return int(digits) * factor
