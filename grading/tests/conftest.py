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
from grading.tests import postgresql as postgresql_server
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


@pytest.fixture(scope="session")
def postgresql():
    """A real server, where one is installed."""
    with postgresql_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def empty_database(postgresql):
    """A database with its tables; to copy it is quicker than to make them."""
    name = postgresql.make()
    database.connect(postgresql.url(name)).dispose()
    yield name
    postgresql.drop(name)


@pytest.fixture
def database_server(request):
    """Which database a test runs on; `postgresql.BOTH` makes it run on each."""
    return getattr(request, "param", "sqlite")


@pytest.fixture
def database_url(request, database_server, tmp_path):
    """Where an empty database is."""
    if database_server == "sqlite":
        yield f"sqlite:///{tmp_path / 'grading.db'}"
        return
    server = request.getfixturevalue("postgresql")
    name = server.make(like=request.getfixturevalue("empty_database"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def settings(toy, tmp_path, database_url):
    from dataclasses import replace

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
