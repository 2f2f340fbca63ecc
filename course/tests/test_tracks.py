"""Every order through the course: each bridge stands on the module before.

Every notebook from top to bottom, what is handed in, and its marks are in tests/test_tracks.py.
"""

from __future__ import annotations

import importlib
import shutil
import sys

import pytest

from course import manifest as manifests
from course.builder.bridges import START, edges
from course.builder.build import build
from course.builder.source import read_bridge
from course.manifest import DEFAULT_TRACK, HERE
from course.tests import playing

MANIFEST = manifests.load(HERE / "course.yml")


def slugs(track):
    return [step.module.slug for step in MANIFEST.track(track).steps if step.module.available]


def ways(track):
    """The edges that a track uses between modules that are there, each with the parts that it uses."""
    parts = {}
    for slug in slugs(track):
        into, out = edges(MANIFEST.track(track), slug)
        parts.setdefault(into, set()).add("begin")
        if out:
            parts.setdefault(out, set()).add("end")
    there = {START, *slugs(track)}
    return {edge: used for edge, used in parts.items() if there.issuperset(edge)}


EDGES = sorted(
    (track, *edge)
    for track in MANIFEST.tracks
    for edge, parts in ways(track).items()
    if "begin" in parts and edge[0] != START
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A function that builds a track, once."""
    folders = {}

    def get(track):
        if track not in folders:
            folders[track] = build(HERE, track, tmp_path_factory.mktemp("built")).folder
        return folders[track]

    return get


@pytest.fixture
def package(built, tmp_path, monkeypatch):
    """A function that makes the `tinytorch` of a student who stands before a module of a track."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TT_WORK", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def put(track, slug, without=None):
        shutil.rmtree(tmp_path / "tinytorch", ignore_errors=True)
        shutil.copytree(built(track) / "reference" / "tinytorch", tmp_path / "tinytorch")
        order = slugs(track)
        for gone in {*order[order.index(slug) :], without} - {None}:
            (tmp_path / "tinytorch" / f"{gone}.py").unlink()
        forget()

    yield put
    forget()


def forget():
    for name in [name for name in sys.modules if name.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.filterwarnings("ignore::UserWarning")  # tinytorch says so when its gradients are off
@pytest.mark.parametrize(("track", "before", "after"), EDGES)
def test_the_begin_of_a_bridge_fails_without_what_the_module_before_exported(track, before, after, package):
    parts = read_bridge(HERE / "bridges" / f"{before}-{after}.py", MANIFEST.tracks)
    begin = [c.source for c in parts["begin"] if c.role == "demonstration" and c.belongs_to(track)]
    package(track, after, without=before)
    with pytest.raises((ImportError, AttributeError), match=before):
        exec("\n".join(begin), {})
    package(track, after)
    exec("\n".join(begin), {})


def test_an_untouched_notebook_stops_at_its_first_exercise(built, package, tmp_path):
    package(DEFAULT_TRACK, "setup")
    shutil.copy(built(DEFAULT_TRACK) / "student" / "setup.ipynb", tmp_path)
    with pytest.raises(AssertionError, match=r"setup-memory is still to be done(.|\n)*check-setup-memory"):
        playing.run(tmp_path / "setup.ipynb")


def test_no_part_of_a_bridge_is_for_nobody():
    """A part that stands in no notebook of any track would be read by nobody."""
    used = {}
    for track in MANIFEST.tracks:
        for edge, parts in ways(track).items():
            used.setdefault("-".join(edge), set()).update(parts)
    for name, parts in used.items():
        if (HERE / "bridges" / f"{name}.py").is_file():
            written = read_bridge(HERE / "bridges" / f"{name}.py", MANIFEST.tracks)
            assert {part for part, cells in written.items() if cells} == parts, name
