"""What the tests share: a toy course, an empty database, and a store, each in a folder that goes away."""

import shutil
from dataclasses import replace

import pytest
import sqlalchemy as sa

from course.calendar import Calendar, Entry
from grading import database
from grading.api.service import Service
from grading.calendar import CalendarKeeper
from grading.course_files import CourseFiles
from grading.metrics import ApiMetrics, RecorderMetrics
from grading.queue import Queue
from grading.recorder import gradebook
from grading.recorder.writing import Recorder
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
    with toy_course.in_force():
        yield CourseFiles(settings, manifest)


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


@pytest.fixture(scope="session")
def empty_book(tmp_path_factory):
    """A gradebook's file; making one takes nbgrader seconds."""
    path = tmp_path_factory.mktemp("book") / "gradebook.db"
    gradebook.open_gradebook(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def empty_book_on_postgresql(postgresql):
    """The name of a gradebook's database."""
    name = postgresql.make()
    gradebook.open_gradebook(postgresql.url(name)).close()
    yield name
    postgresql.drop(name)


@pytest.fixture
def settings(toy, tmp_path, database_url, database_server, request):
    """The toy's; where a test needs a gradebook, it is on the same server as all else."""
    found = replace(toy.settings, folder=tmp_path, database_url=database_url, calendar=tmp_path / "course")
    if database_server == "sqlite" or "book" not in request.fixturenames:
        yield found
        return
    server = request.getfixturevalue("postgresql")
    name = server.make(like=request.getfixturevalue("empty_book_on_postgresql"))
    yield replace(found, gradebook=server.url(name))
    server.drop(name)


@pytest.fixture
def book(settings, request):
    """A gradebook without anything in it."""
    settings.nbgrader.mkdir()
    if settings.gradebook is None:
        shutil.copy(request.getfixturevalue("empty_book"), settings.nbgrader / "gradebook.db")
    opened = gradebook.open_gradebook(settings.gradebook_url)
    yield opened
    opened.close()


@pytest.fixture
def recorder(engine, toy, store, settings):
    """A recorder that has looked at nothing yet."""
    keeper = CalendarKeeper(settings.calendar, toy.manifest)
    return Recorder(engine, toy, store, settings.gradebook_url, RecorderMetrics(), keeper, settings.nbgrader)


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


class Published:
    """The calendar in force, as a test sets it."""

    def __init__(self):
        self.calendar = Calendar()

    def current(self):
        return self.calendar

    def says(self, **values):
        self.calendar = Calendar(modules={"toy": Entry(**values)})


@pytest.fixture
def calendar(recorder):
    """What the recorder reads as the calendar in force."""
    published = Published()
    recorder.keeper = recorder.in_force.keeper = published
    return published


@pytest.fixture
def settled(recorder, book, engine):
    """A function that has the recorder do all it has to, and returns how somebody stands."""

    def settle(student="ann", kind="module", slug="toy"):
        recorder.look(book)
        while recorder.record(book) or recorder._others:
            pass
        of = database.standings.c
        query = sa.select(database.standings).where(of.student == student, of.kind == kind, of.slug == slug)
        with engine.connect() as connection:
            return connection.execute(query).first()

    return settle
