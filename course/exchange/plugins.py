"""What nbgrader's commands use as their exchange: its plug-ins, over the grading API.

One classroom is one course, so any course id means it. Times come from the server.
"""

from __future__ import annotations

import glob
import json
import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import nbgrader.utils
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange import abc
from traitlets import Unicode

from course.exchange import client, folders
from course.exchange.work import Info, Work, received

KEPT = "What was handed in stays: the exchange removes no submissions."
utils: Any = nbgrader.utils  # which has no type hints


class ClassroomExchange(abc.Exchange):
    """What all of them have in common."""

    modules_dir = Unicode(".", help="Where a student's notebooks of the course's modules lie.").tag(
        config=True
    )

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
    def student(self) -> str | None:
        """The one student that is asked for, if any."""
        asked = self.given.student_id
        return None if asked in ("", "*") else str(asked)

    @property
    def work(self) -> Work:
        """The student's side, as nbgrader is configured."""
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            self.fail(f"Exchange.timezone: there is no time zone '{self.timezone}'.")
        return Work(
            Path(self.assignment_dir).absolute(),
            Path(self.modules_dir).absolute(),
            self.given.course_id,
            self.ignore,
            zone,
            self.timestamp_format,
            self.log.info,
        )

    def ignore(self, folder: str, names: list[str]) -> list[str]:
        """What nbgrader would not copy."""
        told = self.given
        look = utils.ignore_patterns(told.ignore, told.include, told.max_file_size, self.log)
        left_out: list[str] = look(folder, names)
        return left_out


class ExchangeList(ClassroomExchange, abc.ExchangeList):
    """`nbgrader list`."""

    def list_files(self) -> list[Info]:
        """List what is there."""
        submitted = self.inbound or self.cached
        found = self._submitted() if submitted else self.work.released(self.name)
        self.log.info("Submitted assignments:" if submitted else "Released assignments:")
        for each in found:
            for info in each.get("submissions", [each]):
                self.log.info(self._line(info))
        return found

    def remove_files(self) -> list[Info]:
        """Take releases back."""
        if self.inbound or self.cached:
            self.fail(KEPT)
        found = [each for each in self.work.released(self.name) if each["kind"] == "assignment"]
        self.log.info("Removing released assignments:")
        for each in found:
            self.log.info(self._line(each))
            client.ask("DELETE", "exchange", "releases", each["assignment_id"])
            each["status"] = "removed"
        return found

    def _submitted(self) -> list[Info]:
        """One's own; with --inbound everybody's, for those who may see them."""
        if self.cached:
            return self.work.submitted(self.name)
        asked = {"assignment": self.name, "student": self.student or ""}
        query = {name: value for name, value in asked.items() if value}
        return self.work.groups(client.ask("GET", "exchange", "submissions", query=query)["submissions"])

    def _line(self, info: Info) -> str:
        if info["status"] != "submitted":
            fetched = " (already downloaded)" if info["status"] == "fetched" else ""
            return f"{info['course_id']} {info['assignment_id']}{fetched}"
        line = f"{info['course_id']} {info['student_id']} {info['assignment_id']} {info['timestamp']}"
        if self.inbound:
            return line
        if info["has_local_feedback"] and not info["feedback_updated"]:
            return f"{line} (feedback already fetched)"
        ready = "feedback ready to be fetched" if info["has_exchange_feedback"] else "no feedback available"
        return f"{line} ({ready})"


class ExchangeFetchAssignment(ClassroomExchange, abc.ExchangeFetchAssignment):
    """`nbgrader fetch_assignment`."""

    def copy_files(self) -> None:
        """Get an assignment."""
        self.work.fetch(self.name, self.replace_missing_files)


class ExchangeSubmit(ClassroomExchange, abc.ExchangeSubmit):
    """`nbgrader submit`."""

    def copy_files(self) -> None:
        """Hand an assignment in."""
        if self.student not in (None, os.environ.get("JUPYTERHUB_USER")):
            self.fail("You hand in as yourself: the classroom knows you by your token. Leave --student out.")
        self.work.submit(self.name, self.strict)


class ExchangeFetchFeedback(ClassroomExchange, abc.ExchangeFetchFeedback):
    """`nbgrader fetch_feedback`."""

    def copy_files(self) -> None:
        """Get the feedback on what oneself handed in."""
        self.work.fetch_feedback(self.name)


class ExchangeReleaseAssignment(ClassroomExchange, abc.ExchangeReleaseAssignment):
    """`nbgrader release_assignment`."""

    def copy_files(self) -> None:
        """Let students have what `nbgrader generate_assignment` made."""
        told = self.given
        folder = Path(told.format_path(told.release_directory, ".", self.name))
        if not folder.is_dir():
            source = Path(told.format_path(told.source_directory, ".", self.name))
            if source.is_dir():
                self.fail(f"Found '{source}' but not '{folder}'. Run `nbgrader generate_assignment` first.")
            self.fail(f"Assignment not found at: {folder}")
        body = json.dumps(client.wire(folders.read(folder, self.ignore))).encode()
        query = {"force": "yes"} if self.force else {}
        client.ask("PUT", "exchange", "releases", self.name, body=body, query=query)
        self.log.info("Released as: %s %s", told.course_id, self.name)


class ExchangeCollect(ClassroomExchange, abc.ExchangeCollect):
    """`nbgrader collect`."""

    def copy_files(self) -> None:
        """Get each student's newest submission, or the newest before the deadline."""
        query = {"assignment": self.name}
        if self.student is not None:
            query["student"] = self.student
        theirs: dict[str, list[Info]] = {}
        for each in client.ask("GET", "exchange", "submissions", query=query)["submissions"]:  # oldest first
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
            former = self.given.get_existing_timestamp(str(place))
            new = received(submission).replace(tzinfo=None)
            newer = self.update and (former is None or new > former)
            if not newer and not (self.before_duedate and former != new):
                hint = "No newer submission" if self.update else "Collected before (--update for a newer one)"
                self.log.info("%s: %s %s", hint, student, self.name)
                return
        files = client.unwire(client.ask("GET", "exchange", "submissions", submission["id"], "files"))
        folders.write(place, {**files, "timestamp.txt": self.work.stamp(submission).encode()})
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
        told = self.given
        excluded = set(told.student_id_exclude.split(","))
        anybody = "(?P<student>[^/]+)"
        path = told.format_path(told.feedback_directory, anybody, re.escape(self.name), escape=True)
        pattern = told.format_path(told.feedback_directory, "*", self.name)
        for folder in sorted(glob.glob(pattern)):  # noqa: PTH207  # nbgrader's own, and absolute
            found = re.fullmatch(path, folder)
            if found and self.student in (None, found["student"]) and found["student"] not in excluded:
                self._give(found["student"], Path(folder))

    def _give(self, student: str, folder: Path) -> None:
        pages = {path.name: path.read_bytes() for path in folder.glob("*.html")}
        stamp = folder / "timestamp.txt"
        moment = utils.parse_utc(stamp.read_text().strip()) if stamp.is_file() else None
        query = {"assignment": self.name, "student": student}
        found = client.ask("GET", "exchange", "submissions", query=query)["submissions"]
        of_it = [each for each in found if received(each).replace(tzinfo=None) == moment]
        if not pages or not of_it:
            self.log.error(
                "The feedback for %s on '%s' is on nothing that was handed in. Collect, autograde and make "
                "the feedback again.",
                student,
                self.name,
            )
            return
        body = json.dumps(client.wire(pages)).encode()
        client.ask("PUT", "exchange", "feedback", self.name, student, of_it[-1]["id"], body=body)
        self.log.info("Released feedback for %s on '%s' (%s)", student, self.name, stamp.read_text().strip())
