"""What the tests share: a toy course, an empty database, and a store, each in a folder that goes away."""

import sys

import pytest

from grading import database
from grading.api.service import Service
from grading.calendar import CalendarKeeper
from grading.course_files import CourseFiles
from grading.metrics import ApiMetrics
from grading.queue import Queue
from grading.store import Store
from grading.tests import hub_stand_in, toy_course
from grading.tests.running_api import Api


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

    database_url = f"sqlite:///{tmp_path / 'grading.db'}"
    return replace(toy.settings, folder=tmp_path, database_url=database_url, calendar=tmp_path / "course")


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


@pytest.fixture
async def api(settings, engine, store, toy):
    queue = Queue(engine)
    (settings.calendar / "public").mkdir(parents=True)
    keeper = CalendarKeeper(settings.calendar, toy.manifest)
    service = Service(settings, toy.manifest, engine, queue, store, ApiMetrics(queue), keeper)
    api = Api(service, hub_stand_in.HubStandIn())
    yield api
    api.server.stop()
    api.hub.server.stop()
