"""Marking a module's source by its probes, as the grader does, in this process."""

from __future__ import annotations

import atexit
import compileall
import functools
import importlib
import py_compile
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from course import manifest as manifests
from course.builder import notebook
from course.builder.source import SourceCell, read
from course.export import assemble
from course.manifest import HERE
from course.probing import OutputError, Probe, collect, generator, normalise
from course.tests.mutants import MUTANTS

MANIFEST = manifests.load(HERE / "course.yml")
SLUGS = tuple(slug for slug, module in MANIFEST.modules.items() if module.available)
SEED = 20
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


@functools.cache
def cells(slug: str) -> list[SourceCell]:
    return read(HERE / "modules" / f"{slug}.py", MANIFEST.tracks)


def exported(slug, solve) -> str:
    """The module's source, exported from a notebook in which `solve(cell)` is the text of each cell."""
    official = notebook.student(slug, "discovery", cells(slug))
    written = notebook._notebook(slug, "discovery", cells(slug), solve)
    return assemble(official, written).source


@functools.cache
def reference(slug: str) -> str:
    return exported(slug, lambda cell: cell.solved())


@functools.cache
def compiled(slug: str) -> Path:
    """The reference as bytecode: a thousand mutants import what they require, and none changes it."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    source = folder / f"{slug}.py"
    source.write_text(reference(slug))
    return Path(py_compile.compile(str(source), str(source) + "c", invalidation_mode=UNCHECKED))


@functools.cache
def probes(slug: str) -> list[Probe]:
    return collect(runpy.run_path(str(HERE / "probes" / f"{slug}.py")))


class Bench:
    """A `tinytorch` in a folder, in which one module after another is tried."""

    def __init__(self, folder: Path) -> None:
        """The folder must be on sys.path, and bytecode off: two mutants in one second look alike to the
        cache."""
        self.package = folder / "tinytorch"
        shutil.copytree(HERE / "skeleton" / "tinytorch", self.package)
        compileall.compile_dir(self.package, quiet=1, invalidation_mode=UNCHECKED)

    def put(self, slug: str, source: str | None = None) -> None:
        """Make it a module (the reference, or a source) and the reference of what it requires; no more."""
        for former in SLUGS:
            (self.package / f"{former}.py").unlink(missing_ok=True)
            (self.package / f"{former}.pyc").unlink(missing_ok=True)
        for needed in MANIFEST.requires_closure(slug):
            shutil.copy(compiled(needed), self.package / f"{needed}.pyc")
        (self.package / f"{slug}.py").write_text(reference(slug) if source is None else source)
        forget()

    def passed(self, slug: str, source: str | None = None, checks=None) -> set[str]:
        """The names of the probes that a source passes; of these checks only, if they are named."""
        wanted = expected(slug, self)
        self.put(slug, source)
        got = outputs(slug, checks)
        return {p.name for p in probes(slug) if p.name in got and passes(p, got[p.name], wanted[p.name])}

    def survivors(self, exercise: str) -> list[tuple[str, str]]:
        """The wrong solutions of an exercise that lose no points."""
        slug = exercise.split("-", maxsplit=1)[0]
        (own,) = (cell for cell in cells(slug) if cell.id == exercise)
        checks = {cell.id for cell in cells(slug) if cell.role == "check" and cell.exercise == exercise}
        all_of_them = {p.name for p in probes(slug) if p.check in checks}
        survivors = []
        for old, new in MUTANTS[exercise]:
            assert old in own.solved(), f"{exercise}: the solution no longer holds {old!r}"
            wrong = own.solved().replace(old, new)
            source = reference(slug).replace(own.solved().strip(), wrong.strip())
            if self.passed(slug, source, checks) == all_of_them:
                survivors.append((old, new))
        return survivors


def forget() -> None:
    """Let what is imported next be read anew."""
    for name in [name for name in sys.modules if name.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def outputs(slug, checks=None):
    """What the probes give on the package as it is now: arrays, or None where they failed."""
    found = {}
    for each in probes(slug):
        if checks is None or each.check in checks:
            try:
                found[each.name] = normalise(each.function(generator(SEED, each.name)))
            except OutputError:
                found[each.name] = None
            except Exception:
                found[each.name] = None
    return found


_expected: dict[str, dict] = {}


def expected(slug: str, bench: Bench) -> dict:
    """What the probes give on the reference."""
    if slug not in _expected:
        bench.put(slug)
        _expected[slug] = outputs(slug)
    return _expected[slug]


def passes(each: Probe, got, wanted) -> bool:
    if got is None:
        return False
    if each.judge is not None:
        return each.judge(generator(SEED, each.name), got) is None
    return got.keys() == wanted.keys() and all(
        got[name].shape == wanted[name].shape
        and np.allclose(got[name], wanted[name], rtol=each.rtol, atol=each.atol, equal_nan=True)
        for name in wanted
    )
