"""nbgrader's steps over its plug-ins and the running API: what a command does, and what it says."""

import asyncio
import base64
import json
import logging
import types

import pytest
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError, ExchangeFactory
from traitlets.config import Config

from course import exchange
from course.exchange import folders
from grading.tests import toy_course
from grading.tests.running_api import PREFIX

BOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class Person:
    """Somebody with a token and folders of their own, who uses nbgrader."""

    def __init__(self, api, name, home, monkeypatch):
        self.api, self.name, self.home, self.monkeypatch = api, name, home, monkeypatch
        self.config = Config()
        exchange.use(self.config)
        self.config.CourseDirectory.root = str(home)
        self.config.CourseDirectory.course_id = "course101"
        self.config.Exchange.assignment_dir = str(home / "assignments")
        self.config.ClassroomExchange.modules_dir = str(home)

    async def does(self, step, assignment="ps1", **settings):
        """One step of nbgrader's, as its commands take it."""
        self.monkeypatch.setenv("TT_GRADING_URL", f"http://127.0.0.1:{self.api.port}{PREFIX}")
        self.monkeypatch.setenv("JUPYTERHUB_API_TOKEN", f"token-{self.name}")
        self.monkeypatch.setenv("TT_WORK", str(self.home))
        told = {name: settings.pop(name) for name in list(settings) if hasattr(CourseDirectory, name)}
        course = CourseDirectory(config=self.config, assignment_id=assignment, **told)
        make = getattr(ExchangeFactory(config=self.config), step)
        return await asyncio.to_thread(make(coursedir=course, config=self.config, **settings).start)

    def put(self, path, content=BOOK):
        """A file of theirs."""
        place = self.home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content if isinstance(content, str) else json.dumps(content))
        return place


@pytest.fixture
def people(api, tmp_path, monkeypatch):
    names = ("ada", "ann", "bob")
    found = {name: Person(api, name, tmp_path / "homes" / name, monkeypatch) for name in names}
    for person in found.values():
        person.home.mkdir(parents=True)
    found["ada"].put("release/./ps1/problem1.ipynb")
    found["ada"].put("release/./ps1/data/numbers.csv", "1,2\n")
    return types.SimpleNamespace(**found)


async def test_assignment_goes_around(people, caplog):
    caplog.set_level(logging.INFO)
    ada, ann = people.ada, people.ann
    await ada.does("ReleaseAssignment")
    assert [each["assignment_id"] for each in await ann.does("List", "")] == ["ps1", "toy"]
    await ann.does("FetchAssignment")
    assert (ann.home / "assignments/ps1/data/numbers.csv").read_text() == "1,2\n"
    (listed,) = await ann.does("List")
    assert (listed["status"], listed["course_id"]) == ("fetched", "course101")

    ann.put("assignments/ps1/.ipynb_checkpoints/problem1.ipynb", "old")
    ann.put("assignments/ps1/timestamp.txt", "1999-01-01 00:00:00 UTC")
    await ann.does("Submit")
    await ada.does("Collect")
    collected = ada.home / "submitted/ann/ps1"
    assert sorted(path.name for path in collected.iterdir()) == ["data", "problem1.ipynb", "timestamp.txt"]
    assert not (collected / "timestamp.txt").read_text().startswith("1999")

    ada.put("feedback/ann/ps1/problem1.html", "<p>Well done</p>")
    ada.put("feedback/ann/ps1/timestamp.txt", (collected / "timestamp.txt").read_text())
    ada.put("feedback/bob/ps1/problem1.html", "<p>Of nobody</p>")
    await ada.does("ReleaseFeedback")
    assert "bob on 'ps1' is on nothing that was handed in" in caplog.text
    (group,) = await ann.does("List", cached=True)
    (submission,) = group["submissions"]
    assert submission["has_exchange_feedback"]
    assert not submission["has_local_feedback"]
    await ann.does("FetchFeedback")
    stamp = (collected / "timestamp.txt").read_text()
    assert (ann.home / f"assignments/ps1/feedback/{stamp}/problem1.html").read_text() == "<p>Well done</p>"
    (group,) = await ann.does("List", cached=True)
    assert group["submissions"][0]["has_local_feedback"]
    assert "feedback ready to be fetched" in caplog.text


async def test_module_handed_in_through_nbgrader_is_marked_by_probes_and_known_to_tito(api, people):
    ann = people.ann
    await ann.does("FetchAssignment", "toy")
    assert json.loads((ann.home / "toy.ipynb").read_text())["metadata"]["tinytorch"]["module"] == "toy"
    ann.put("toy.ipynb", toy_course.notebook(toy_course.SOLVED))
    await ann.does("Submit", "toy")
    submission = api.service.queue.lease().submission
    assert (submission.kind, submission.slug, submission.student) == ("module", "toy", "ann")
    marks = json.loads((ann.home / ".tito/marks.json").read_text())
    assert marks["module/toy"]["id"] == submission.id


async def test_each_fault_is_told_in_a_sentence(api, people):
    ada, ann = people.ada, people.ann
    for who, step, settings, sentence in [
        (ann, "FetchAssignment", {}, "no assignment 'ps1' that you could fetch or hand in. There are: toy."),
        (ann, "Submit", {"assignment": "toy"}, "not there yet. Get it first: nbgrader fetch_assignment toy"),
        (ann, "FetchFeedback", {}, "There is no feedback yet on ps1."),
        (ada, "ReleaseAssignment", {"assignment": "ps2"}, "Assignment not found at:"),
        (ann, "List", {"cached": True, "remove": True}, "the exchange removes no submissions"),
    ]:  # fmt: skip
        with pytest.raises(ExchangeError) as told:
            await who.does(step, **settings)
        assert sentence in str(told.value)
    ann.put("release/./ps1/problem1.ipynb")
    with pytest.raises(ExchangeError, match="Only instructors release"):
        await ann.does("ReleaseAssignment")
    await ada.does("ReleaseAssignment")
    ada.put("release/./ps1/problem2.ipynb")
    with pytest.raises(ExchangeError, match="Add --force to replace it"):
        await ada.does("ReleaseAssignment")
    await ann.does("FetchAssignment")
    with pytest.raises(ExchangeError, match="You have 'ps1' already"):
        await ann.does("FetchAssignment")
    (ann.home / "assignments/ps1/problem1.ipynb").rename(ann.home / "elsewhere.ipynb")
    with pytest.raises(ExchangeError, match=r"Notebooks are missing: problem1.ipynb"):
        await ann.does("Submit", strict=True)
    with pytest.raises(ExchangeError, match="You hand in as yourself"):
        await ann.does("Submit", student_id="bob")
    api.server.stop()
    with pytest.raises(ExchangeError, match="The grading service does not answer"):
        await ann.does("List")


async def test_missing_files_are_fetched_and_own_ones_kept(people):
    await people.ada.does("ReleaseAssignment")
    await people.ann.does("FetchAssignment")
    (people.ann.home / "assignments/ps1/data/numbers.csv").unlink()
    people.ann.put("assignments/ps1/problem1.ipynb", "my work")
    await people.ann.does("FetchAssignment", replace_missing_files=True)
    assert (people.ann.home / "assignments/ps1/data/numbers.csv").exists()
    assert (people.ann.home / "assignments/ps1/problem1.ipynb").read_text() == "my work"


async def test_collecting_again_takes_newer_work_only_with_update(people):
    ada, bob = people.ada, people.bob
    await ada.does("ReleaseAssignment")
    for work, settings, there in [("1", {}, "1"), ("2", {}, "1"), ("3", {"update": True}, "3")]:
        bob.put("assignments/ps1/problem1.ipynb", work)
        await bob.does("Submit")
        await ada.does("Collect", **settings)
        assert (ada.home / "submitted/bob/ps1/problem1.ipynb").read_text() == there


async def test_release_is_taken_back_by_staff(people):
    await people.ada.does("ReleaseAssignment")
    with pytest.raises(ExchangeError, match="Only instructors"):
        await people.ann.does("List", remove=True)
    await people.ada.does("List", "", remove=True)
    assert [each["assignment_id"] for each in await people.ann.does("List", "")] == ["toy"]


@pytest.mark.parametrize("path", ["../outside", "/tmp/outside", "a/../../outside"])
def test_files_are_written_nowhere_else_whatever_the_service_says(tmp_path, path):
    with pytest.raises(ValueError, match="is no path in a folder"):
        folders.add(tmp_path / "ps1", {path: base64.b64decode("")})
    assert not list(tmp_path.glob("**/outside"))


def test_hidden_files_and_linked_folders_are_not_handed_in(tmp_path):
    (tmp_path / "ps1" / ".git").mkdir(parents=True)
    (tmp_path / "ps1" / ".git" / "config").write_text("")
    (tmp_path / "ps1" / ".env").write_text("")
    (tmp_path / "ps1" / "a.ipynb").write_text("{}")
    (tmp_path / "ps1" / "home").symlink_to(tmp_path)
    assert list(folders.read(tmp_path / "ps1", lambda *_: [])) == ["a.ipynb"]
