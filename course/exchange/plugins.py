"""What nbgrader's commands and panels use as their exchange: its plug-ins, over the grading API.

One classroom is one course, so any course id means it. A module of the course is its one notebook among the
student's other work, as `tito` knows it; any other assignment has a folder of its own. Times come from the
server.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import nbgrader.utils
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange import abc
from traitlets import Unicode

from course.exchange import client, folders

KEPT = "What was handed in stays: the exchange removes no submissions."
Info = dict[str, Any]
utils: Any = nbgrader.utils  # which has no type hints


class ClassroomExchange(abc.Exchange):
    """What all of them have in common."""

    modules_dir = Unicode(
        "", help="Where a student's notebooks of the course's modules lie. Empty: nowhere on this machine."
    ).tag(config=True)

    def start(self) -> Any:
        """Do it. A fault is told in a sentence."""
        begin: Any = super().start
        try:
            return begin()
        except client.Refused as error:
            self.fail(str(error))
        except OSError as error:
            self.fail(f"{error.filename or 'A file'}: {error.strerror or error}.")

    def fail(self, message: str) -> NoReturn:
        """Say it, and end."""
        self.log.critical(message)
        raise abc.ExchangeError(message)

    def init_src(self) -> None:
        """Where files come from."""

    def init_dest(self) -> None:
        """Where files go to."""

    def copy_files(self) -> None:
        """Bring them there."""

    @property
    def given(self) -> Any:
        """What nbgrader was told: assignment, student, the course's folders."""
        return self.coursedir

    @property
    def name(self) -> str:
        """The assignment's name; whoever gives a path to it means its last part."""
        return Path(self.given.assignment_id).name

    @property
    def course(self) -> str:
        """What the course is called here."""
        return str(self.given.course_id)

    @property
    def student(self) -> str | None:
        """The one student that is asked for, if any."""
        asked = self.given.student_id
        return None if asked in ("", "*") else str(asked)

    def folder(self, name: str) -> Path:
        """The student's folder of an assignment; for a module, of its feedback."""
        return Path(self.assignment_dir).expanduser().absolute() / name

    def module(self, name: str) -> Path:
        """The student's notebook of a module."""
        return Path(self.modules_dir or self.assignment_dir).expanduser().absolute() / f"{name}.ipynb"

    def feedback_folder(self, submission: Mapping[str, Any]) -> Path:
        """Where the feedback on a submission comes to lie."""
        return self.folder(submission["assignment"]) / "feedback" / self.stamp(submission)

    def stamp(self, submission: Mapping[str, Any]) -> str:
        """When a submission came in, as nbgrader writes it."""
        try:
            zone = ZoneInfo(self.timezone)
        except ZoneInfoNotFoundError:
            self.fail(f"Exchange.timezone: there is no time zone '{self.timezone}'.")
        return received(submission).astimezone(zone).strftime(self.timestamp_format)

    def listed(self) -> Info:
        """What can be fetched, and what oneself handed in."""
        answer: Info = client.ask("GET", "exchange", "assignments")
        return answer

    def entry(self, name: str) -> Info:
        """One assignment that can be fetched."""
        known = {each["name"]: each for each in self.listed()["assignments"]}
        if name not in known:
            there = f"There are: {', '.join(known)}." if known else "There is none yet."
            self.fail(f"There is no assignment '{name}' that you could fetch. {there}")
        found: Info = known[name]
        return found

    def read_folder(self, folder: Path) -> dict[str, bytes]:
        """A folder's files, as far as nbgrader would copy them."""
        ignore = utils.ignore_patterns(
            self.given.ignore, self.given.include, self.given.max_file_size, self.log
        )
        return folders.read(folder, ignore)


class ExchangeList(ClassroomExchange, abc.ExchangeList):
    """`nbgrader list`, and what the panels show."""

    def list_files(self) -> list[Info]:
        """List what is there."""
        found = self._submitted() if self.inbound or self.cached else self._released()
        self.log.info("Submitted assignments:" if self.inbound or self.cached else "Released assignments:")
        for each in found:
            for info in each.get("submissions", [each]):
                self.log.info(self._line(info))
        return found

    def remove_files(self) -> list[Info]:
        """Take releases back."""
        if self.inbound or self.cached:
            self.fail(KEPT)
        found = [each for each in self._released() if each["kind"] == "assignment"]
        self.log.info("Removing released assignments:")
        for each in found:
            self.log.info(self._line(each))
            client.ask("DELETE", "exchange", "releases", each["assignment_id"])
            each["status"] = "removed"
        return found

    def _released(self) -> list[Info]:
        entries = [each for each in self.listed()["assignments"] if self.name in ("", each["name"])]
        return [self._assignment(each) for each in entries]

    def _assignment(self, entry: Info) -> Info:
        name, kind = entry["name"], entry["kind"]
        place = self.module(name) if kind == "module" else self.folder(name)
        fetched = place.exists()
        folder = place.parent if kind == "module" else place
        notebooks = [name] if kind == "module" else entry["notebooks"]
        if fetched and kind == "assignment":
            notebooks = sorted(path.stem for path in folder.glob("*.ipynb"))
        return {
            "course_id": self.course,
            "assignment_id": name,
            "kind": kind,
            "status": "fetched" if fetched else "released",
            "path": str(folder),
            "notebooks": [{"notebook_id": each, "path": str(folder / f"{each}.ipynb")} for each in notebooks],
        }

    def _submitted(self) -> list[Info]:
        """Submissions, a group for each student and assignment: everybody's, or with --cached one's own."""
        if self.cached:
            found = [each for each in self.listed()["submissions"] if self.student in (None, each["student"])]
        else:
            query = {} if self.student is None else {"student": self.student}
            found = client.ask("GET", "exchange", "submissions", query=query)["submissions"]
        groups: dict[tuple[str, str], list[Info]] = {}
        for each in found:
            if self.name in ("", each["assignment"]):
                groups.setdefault((each["student"], each["assignment"]), []).append(self._submission(each))
        return [
            {
                "course_id": self.course,
                "student_id": student,
                "assignment_id": name,
                "status": "submitted",
                "submissions": groups[student, name],
            }
            for student, name in sorted(groups)
        ]

    def _submission(self, submission: Info) -> Info:
        place = self.feedback_folder(submission)
        there = {
            name: digest for name, digest in submission.get("feedback", {}).items() if name.endswith(".html")
        }
        here = {name: _digest(place / name) for name in there}
        notebooks = [
            {
                "notebook_id": Path(name).stem,
                "path": str(place / name),
                "has_local_feedback": bool(here[name]),
                "has_exchange_feedback": True,
                "local_feedback_path": str(place / name) if here[name] else None,
                "feedback_updated": here[name] not in ("", digest),
            }
            for name, digest in there.items()
        ]
        fetched = bool(there) and all(here.values())
        return {
            "course_id": self.course,
            "student_id": submission["student"],
            "assignment_id": submission["assignment"],
            "timestamp": self.stamp(submission),
            "status": "submitted",
            "path": str(self.folder(submission["assignment"])),
            "notebooks": notebooks,
            "has_local_feedback": fetched,
            "has_exchange_feedback": bool(there),
            "feedback_updated": any(each["feedback_updated"] for each in notebooks),
            "local_feedback_path": str(place) if fetched else None,
        }

    def _line(self, info: Info) -> str:
        if info["status"] != "submitted":
            fetched = " (already downloaded)" if info["status"] == "fetched" else ""
            return f"{info['course_id']} {info['assignment_id']}{fetched}"
        line = f"{info['course_id']} {info['student_id']} {info['assignment_id']} {info['timestamp']}"
        if self.inbound:
            return line
        if info["has_local_feedback"] and not info["feedback_updated"]:
            return f"{line} (feedback already fetched)"
        return f"{line} (feedback ready to be fetched)" if info["has_exchange_feedback"] else line


class ExchangeFetchAssignment(ClassroomExchange, abc.ExchangeFetchAssignment):
    """`nbgrader fetch_assignment`, and the panel's Fetch."""

    def copy_files(self) -> None:
        """Get an assignment, where there is none yet; with --replace-missing-files what is missing of it."""
        entry = self.entry(self.name)
        is_module = entry["kind"] == "module"
        place = self.module(self.name) if is_module else self.folder(self.name)
        if place.exists() and not self.replace_missing_files:
            self.fail(f"You have '{self.name}' already: {place}")
        files = client.unwire(client.ask("GET", "exchange", "assignments", self.name))
        if is_module or place.exists():
            for written in folders.add(place.parent if is_module else place, files, replace=False):
                self.log.info("Fetched: %s", written)
        else:
            folders.write(place, files)
        self.log.info("Fetched as: %s %s, into %s", self.course, self.name, place)


class ExchangeSubmit(ClassroomExchange, abc.ExchangeSubmit):
    """`nbgrader submit`, and the panel's Submit."""

    def copy_files(self) -> None:
        """Hand an assignment in. A module goes to the probes, as with `tito submit`."""
        if self.student not in (None, os.environ.get("JUPYTERHUB_USER")):
            self.fail("You hand in as yourself: the classroom knows you by your token. Leave --student out.")
        entry = self.entry(self.name)
        if entry["kind"] == "module":
            receipt = client.hand_in("module", self.name, {"notebook": self._notebook()})
            self._tell_tito(receipt)
        else:
            receipt = client.hand_in("assignment", self.name, client.wire(self._files(entry["notebooks"])))
        self.log.info("Submitted as: %s %s %s", self.course, self.name, receipt["received_at"])
        self.log.info("Receipt %s. It is safely stored.", receipt["id"])

    def _notebook(self) -> Any:
        path = self.module(self.name)
        if not path.is_file():
            self.fail(f"Assignment not found at: {path}")
        try:
            return json.loads(path.read_bytes())
        except ValueError:
            self.fail(f"{path} is no notebook. Save it in JupyterLab, and submit again.")

    def _files(self, released: list[str]) -> dict[str, bytes]:
        folder = self.folder(self.name)
        if not folder.is_dir():
            self.fail(
                f"Assignment not found at: {folder}. Get it first: nbgrader fetch_assignment {self.name}"
            )
        files = self.read_folder(folder)
        if not files:
            self.fail(f"There is nothing in {folder} that could be handed in.")
        missing = [f"{name}.ipynb" for name in released if f"{name}.ipynb" not in files]
        if missing and self.strict:
            self.fail(f"'{self.name}' was not submitted. These notebooks are missing: {', '.join(missing)}.")
        if missing:
            self.log.warning("These notebooks are missing: %s", ", ".join(missing))
        return files

    def _tell_tito(self, receipt: Info) -> None:
        """Let `tito mark` know the submission."""
        from course.tito import places

        places.remember(places.find(), {**receipt, "state": "queued"})


class ExchangeFetchFeedback(ClassroomExchange, abc.ExchangeFetchFeedback):
    """`nbgrader fetch_feedback`, and the panel's Fetch Feedback."""

    def copy_files(self) -> None:
        """Get the feedback on everything that oneself handed in, or on one assignment."""
        mine = [each for each in self.listed()["submissions"] if self.name in ("", each["assignment"])]
        ready = [each for each in mine if each["feedback"]]
        for each in ready:
            path = ("exchange", "feedback", each["assignment"], each["id"])
            place = self.feedback_folder(each)
            folders.write(place, client.unwire(client.ask("GET", *path)))
            self.log.info("Fetched feedback: %s", place)
        if not ready:
            self.log.warning("There is no feedback yet for '%s'.", self.name or "what you handed in")


class ExchangeReleaseAssignment(ClassroomExchange, abc.ExchangeReleaseAssignment):
    """`nbgrader release_assignment`."""

    def copy_files(self) -> None:
        """Let students have what `nbgrader generate_assignment` made."""
        folder = Path(self.given.format_path(self.given.release_directory, ".", self.name))
        if not folder.is_dir():
            source = Path(self.given.format_path(self.given.source_directory, ".", self.name))
            if source.is_dir():
                self.fail(f"Found '{source}' but not '{folder}'. Run `nbgrader generate_assignment` first.")
            self.fail(f"Assignment not found at: {folder}")
        body = json.dumps(client.wire(self.read_folder(folder))).encode()
        query = {"force": "yes"} if self.force else {}
        client.ask("PUT", "exchange", "releases", self.name, body=body, query=query)
        self.log.info("Released as: %s %s", self.course, self.name)


class ExchangeCollect(ClassroomExchange, abc.ExchangeCollect):
    """`nbgrader collect`."""

    def copy_files(self) -> None:
        """Get each student's newest submission, or the newest before the deadline."""
        query = {"assignment": self.name}
        if self.student is not None:
            query["student"] = self.student
        found = client.ask("GET", "exchange", "submissions", query=query)["submissions"]
        theirs: dict[str, list[Info]] = {}
        for each in found:  # oldest first
            theirs.setdefault(each["student"], []).append(each)
        if not theirs:
            self.log.warning("No submissions of '%s' to collect", self.name)
        due = self._due() if self.before_duedate else None
        for student, submissions in theirs.items():
            in_time = [each for each in submissions if due is None or received(each) <= due]
            self._collect(student, (in_time or submissions)[-1])

    def _collect(self, student: str, submission: Info) -> None:
        if "/" in student or student.startswith("."):
            self.log.error("'%s' cannot be a folder's name, so it was not collected.", student)
            return
        place = Path(self.given.format_path(self.given.submitted_directory, student, self.name))
        if place.is_dir():
            former, new = (
                self.given.get_existing_timestamp(str(place)),
                received(submission).replace(tzinfo=None),
            )
            newer = self.update and (former is None or new > former)
            if not newer and not (self.before_duedate and former != new):
                hint = "No newer submission" if self.update else "Use --update to update"
                self.log.info("%s: %s %s", hint, student, self.name)
                return
        files = client.unwire(client.ask("GET", "exchange", "submissions", submission["id"], "files"))
        folders.write(place, {**files, "timestamp.txt": self.stamp(submission).encode()})
        self.log.info("Collected submission: %s %s", student, self.name)

    def _due(self) -> datetime | None:
        """The assignment's deadline in nbgrader's database."""
        with Gradebook(self.given.db_url, self.given.course_id) as gradebook:
            try:
                due: Any = gradebook.find_assignment(self.name).duedate
            except MissingEntry:
                return None
        return None if due is None else due.replace(tzinfo=timezone.utc)


class ExchangeReleaseFeedback(ClassroomExchange, abc.ExchangeReleaseFeedback):
    """`nbgrader release_feedback`."""

    def copy_files(self) -> None:
        """Let students have what `nbgrader generate_feedback` made."""
        excluded = set(self.given.student_id_exclude.split(","))
        everybody = Path(
            self.given.format_path(self.given.feedback_directory, "STUDENT", self.name)
        ).parent.parent
        for student in sorted(path.name for path in everybody.glob("*") if path.is_dir()):
            folder = Path(self.given.format_path(self.given.feedback_directory, student, self.name))
            if self.student in (None, student) and student not in excluded and folder.is_dir():
                self._give(student, folder)

    def _give(self, student: str, folder: Path) -> None:
        pages = {path.name: path.read_bytes() for path in folder.glob("*.html")}
        stamp = folder / "timestamp.txt"
        moment = utils.parse_utc(stamp.read_text().strip()) if stamp.is_file() else None
        query = {"assignment": self.name, "student": student}
        found = client.ask("GET", "exchange", "submissions", query=query)["submissions"]
        of_it = [each for each in found if received(each).replace(tzinfo=None) == moment]
        if not pages or not of_it:
            self.log.error(
                "The feedback for %s on '%s' is on nothing that was collected. Collect, autograde and make "
                "the feedback again.",
                student,
                self.name,
            )
            return
        body = json.dumps(client.wire(pages)).encode()
        client.ask("PUT", "exchange", "feedback", self.name, student, of_it[-1]["id"], body=body)
        self.log.info("Released feedback for %s on '%s' (%s)", student, self.name, self.stamp(of_it[-1]))


def received(submission: Mapping[str, Any]) -> datetime:
    """When a submission came in, by the server's clock."""
    return datetime.fromisoformat(submission["received_at"])


def _digest(path: Path) -> str:
    """The sha256 of a file; empty if there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
