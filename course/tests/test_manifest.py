"""The manifest is the only place that knows an order, and refuses one that cannot be."""

from __future__ import annotations

import pytest

from course.manifest import HERE, ManifestError, load
from course.tests.fixture import change, write_course


@pytest.fixture
def path(tmp_path):
    return write_course(tmp_path) / "course.yml"


def test_numbers_come_from_the_track():
    manifest = load(HERE / "course.yml")
    numbers = {name: manifest.track(name).step("autograd").number for name in manifest.tracks}
    assert numbers == {"discovery": 7, "immediate": 6, "core": 5}
    assert manifest.track("core").step("training").optional


def test_every_track_has_its_twenty_modules_and_the_perceptron_after_layers():
    manifest = load(HERE / "course.yml")
    for track in manifest.tracks.values():
        assert len(track.steps) == 20
        assert ("perceptron", "layers") in [(stop.milestone.slug, stop.after) for stop in track.stops]


def test_what_a_module_needs_comes_in_an_order_that_can_be_imported():
    manifest = load(HERE / "course.yml")
    closure = manifest.requires_closure("transformers")
    for place, slug in enumerate(closure):
        assert set(manifest.module(slug).requires) <= set(closure[:place])
    assert "transformers" not in closure


def test_track_of_the_class_is_the_default(path, monkeypatch):
    monkeypatch.setenv("TT_TRACK", "short")
    assert load(path).track().name == "short"
    monkeypatch.delenv("TT_TRACK")
    assert load(path).track().name == "discovery"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("requires: [counting]", "requires: [countin]", "requires 'countin', which is no module"),
        ("slug: counting, title: Counting, requires: []", "slug: counting, title: C, requires: [adding]",
         "in a circle: counting -> adding -> counting"),
        ("slug: later", "slug: adding", "'adding' is listed twice"),
        ("[counting, adding, later]", "[counting, later]", "'later' requires 'adding', which is not in"),
        ("[counting, adding, later]", "[counting, adding, adding, later]", "in this track twice"),
        ("[counting, adding, later]", "[counting, adding, ladder]", "no module 'ladder'"),
        ("after: adding", "after: counting", "'sums' requires 'adding', but comes before it"),
        ("points: 3", "points: three", "modules.0.points: 'three' is not of type 'integer'"),
        ("title: Counting, ", "", "'title' is a required property"),
        ("slug: sums", "slug: summs", "no milestone 'summs'"),
        ("modules:\n", "modules: [\n", "no valid YAML"),
    ],
)  # fmt: skip
def test_contradiction_is_refused_in_one_sentence(path, old, new, reason):
    change(path, old, new)
    with pytest.raises(ManifestError) as refusal:
        load(path)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_manifest_is_told(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        load(tmp_path / "course.yml")
