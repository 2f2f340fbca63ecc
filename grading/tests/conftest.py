"""What the tests share: a toy course, an empty database, and a store, each in a folder that goes away."""

import sys

import pytest

from grading import database
from grading.course_files import CourseFiles
from grading.queue import Queue
from grading.store import Store
from grading.tests import toy_course


class Clock:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    settings, manifest = toy_course.install(tmp_path_factory.mktemp("toy"))
    former, path = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "tinytorch"}, list(sys.path)
    for name in former:
        del sys.modules[name]
    yield CourseFiles(settings, manifest)
    for name in [n for n in sys.modules if n.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    sys.modules.update(former)
    sys.path[:] = path


@pytest.fixture
def settings(toy, tmp_path):
    from dataclasses import replace

    return replace(toy.settings, folder=tmp_path, database_url=f"sqlite:///{tmp_path / 'grading.db'}")


@pytest.fixture
def engine(settings):
    engine = database.connect(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def queue(engine, clock):
    return Queue(engine, lease_seconds=20.0, clock=clock)


@pytest.fixture
def store(settings):
    store = Store(settings.submissions)
    store.prepare()
    return store
