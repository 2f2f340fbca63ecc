"""A student's side of the exchange: what there is, fetching, handing in, feedback. Knows nothing of nbgrader.

A module of the course is its one notebook among the student's other work, as `tito` knows it; any other
assignment has a folder of its own. What is told has the shape that nbgrader's commands and panel expect.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Any

from course.exchange import client, folders
from course.exchange.folders import Ignore

COURSE = "course"  # one classroom is one course
IGNORED = (".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback")  # as nbgrader does
STAMP = "%Y-%m-%d %H:%M:%S.%f %Z"  # and this
Info = dict[str, Any]


def ignored(_: str, names: list[str]) -> list[str]:
    """What is not handed in, of the names in a folder."""
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in IGNORED)]


def home() -> Path:
    """The student's folder."""
    return Path(os.environ.get("TT_WORK") or "~/course").expanduser()


@dataclass(frozen=True)
class Work:
    """Where a student's work lies, and what it is called.

    Attributes:
        assignments: the folder of the assignments' folders.
        modules: the folder of the modules' notebooks.
        course: what the course is called here.
        zone: whose clock times are told by.
        stamp_format: how they are written.
        say: what is told on the way.
    """

    assignments: Path
    modules: Path
    course: str = COURSE
    ignore: Ignore = ignored
    zone: tzinfo = timezone.utc
    stamp_format: str = STAMP
    say: Callable[[str], None] = lambda _: None

    def folder(self, name: str) -> Path:
        """An assignment's folder; for a module, that of its feedback."""
        return self.assignments / name

    def module(self, name: str) -> Path:
        """A module's notebook."""
        return self.modules / f"{name}.ipynb"

    def stamp(self, submission: Mapping[str, Any]) -> str:
        """When a submission came in, by the server's clock."""
        return received(submission).astimezone(self.zone).strftime(self.stamp_format)

    # ---- what there is ----

    def released(self, name: str = "") -> list[Info]:
        """What can be fetched, or has been: all, or one of this name."""
        return [self._assignment(each) for each in _listed()["assignments"] if name in ("", each["name"])]

    def submitted(self, name: str = "") -> list[Info]:
        """What oneself handed in, a group for each assignment."""
        return self.groups(each for each in _listed()["submissions"] if name in ("", each["assignment"]))

    def groups(self, submissions: Any) -> list[Info]:
        """Submissions, a group for each student and assignment."""
        found: dict[tuple[str, str], list[Info]] = {}
        for each in submissions:
            found.setdefault((each["student"], each["assignment"]), []).append(self._submission(each))
        return [
            {
                "course_id": self.course,
                "student_id": student,
                "assignment_id": name,
                "status": "submitted",
                "submissions": found[student, name],
            }
            for student, name in sorted(found)
        ]

    def _assignment(self, entry: Info) -> Info:
        name, kind = entry["name"], entry["kind"]
        place = self.module(name) if kind == "module" else self.folder(name)
        folder = place.parent if kind == "module" else place
        notebooks = entry["notebooks"]
        if kind == "assignment" and place.exists():
            notebooks = sorted(path.stem for path in folder.glob("*.ipynb"))
        return {
            "course_id": self.course,
            "assignment_id": name,
            "kind": kind,
            "status": "fetched" if place.exists() else "released",
            "path": str(folder),
            "notebooks": [{"notebook_id": each, "path": str(folder / f"{each}.ipynb")} for each in notebooks],
        }

    def _submission(self, submission: Info) -> Info:
        place = self._feedback(submission)
        pages = {name: sha for name, sha in submission.get("feedback", {}).items() if name.endswith(".html")}
        here = {name: _digest(place / name) for name in pages}
        notebooks = [
            {
                "notebook_id": Path(name).stem,
                "path": str(place / name),
                "has_local_feedback": bool(here[name]),
                "has_exchange_feedback": True,
                "local_feedback_path": str(place / name) if here[name] else None,
                "feedback_updated": here[name] not in ("", sha),
            }
            for name, sha in pages.items()
        ]
        fetched = bool(pages) and all(here.values())
        return {
            "course_id": self.course,
            "student_id": submission["student"],
            "assignment_id": submission["assignment"],
            "timestamp": self.stamp(submission),
            "status": "submitted",
            "path": str(self.folder(submission["assignment"])),
            "notebooks": notebooks,
            "has_local_feedback": fetched,
            "has_exchange_feedback": bool(pages),
            "feedback_updated": any(each["feedback_updated"] for each in notebooks),
            "local_feedback_path": str(place) if fetched else None,
        }

    # ---- what can be done ----

    def fetch(self, name: str, missing_files: bool = False) -> None:
        """Get an assignment that is not there yet.

        Args:
            missing_files: get what is missing of one that is.

        Raises:
            client.Refused: there is none, or it is there already.
        """
        is_module = self._entry(name)["kind"] == "module"
        place = self.module(name) if is_module else self.folder(name)
        if place.exists() and not missing_files:
            raise client.Refused(f"You have '{name}' already: {place}")
        files = client.unwire(client.ask("GET", "exchange", "assignments", name))
        if is_module or place.exists():
            for path in folders.add(place.parent if is_module else place, files, replace=False):
                self.say(f"Fetched: {path}")
        else:
            folders.write(place, files)
        self.say(f"Fetched as: {self.course} {name}, into {place}")

    def submit(self, name: str, strict: bool = False) -> None:
        """Hand an assignment in. A module goes to the probes, as with `tito submit`.

        Args:
            strict: only if no notebook is missing.

        Raises:
            client.Refused: it was not taken.
        """
        entry = self._entry(name)
        if entry["kind"] == "module":
            receipt = client.hand_in("module", name, {"notebook": self._notebook(name)})
            _tell_tito(receipt)
        else:
            files = self._files(name, entry["notebooks"], strict)
            receipt = client.hand_in("assignment", name, client.wire(files))
        self.say(f"Submitted as: {self.course} {name} {receipt['received_at']}")
        self.say(f"Receipt {receipt['id']}. It is safely stored.")
        if note := receipt.get("note"):  # it is late, say
            self.say(note)

    def fetch_feedback(self, name: str = "") -> None:
        """Get the feedback on what oneself handed in: on everything, or on one assignment."""
        mine = [each for each in _listed()["submissions"] if name in ("", each["assignment"])]
        ready = [each for each in mine if each["feedback"]]
        for each in ready:
            pages = client.ask("GET", "exchange", "feedback", each["assignment"], each["id"])
            folders.write(self._feedback(each), client.unwire(pages))
            self.say(f"Fetched feedback: {self._feedback(each)}")
        if not ready:
            raise client.Refused(f"There is no feedback yet on {name or 'what you handed in'}.")

    def _feedback(self, submission: Mapping[str, Any]) -> Path:
        return self.folder(submission["assignment"]) / "feedback" / self.stamp(submission)

    def _entry(self, name: str) -> Info:
        known: dict[str, Info] = {each["name"]: each for each in _listed()["assignments"]}
        if name not in known:
            there = f"There are: {', '.join(known)}." if known else "There is none yet."
            raise client.Refused(f"There is no assignment '{name}' that you could fetch or hand in. {there}")
        return known[name]

    def _notebook(self, name: str) -> Any:
        path = self.module(name)
        if not path.is_file():
            raise client.Refused(f"{path} is not there yet. Get it first: nbgrader fetch_assignment {name}")
        try:
            return json.loads(path.read_bytes())
        except ValueError:
            raise client.Refused(f"{path} is no notebook. Save it in JupyterLab, submit again.") from None

    def _files(self, name: str, released: list[str], strict: bool) -> dict[str, bytes]:
        folder = self.folder(name)
        if not folder.is_dir():
            raise client.Refused(f"{folder} is not there yet. Get it first: nbgrader fetch_assignment {name}")
        files = folders.read(folder, self.ignore)
        if not files:
            raise client.Refused(f"There is nothing in {folder} that could be handed in.")
        missing = [f"{each}.ipynb" for each in released if f"{each}.ipynb" not in files]
        if missing and strict:
            raise client.Refused(f"'{name}' was not submitted. Notebooks are missing: {', '.join(missing)}.")
        if missing:
            self.say(f"Notebooks are missing: {', '.join(missing)}")
        return files


def received(submission: Mapping[str, Any]) -> datetime:
    """When a submission came in, by the server's clock."""
    return datetime.fromisoformat(submission["received_at"])


def _listed() -> Info:
    answer: Info = client.ask("GET", "exchange", "assignments")
    return answer


def _tell_tito(receipt: Info) -> None:
    """Let `tito mark` know of it."""
    from course.tito import places

    places.remember(places.find(), {**receipt, "state": "queued"})


def _digest(path: Path) -> str:
    """The sha256 of a file; empty if there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
