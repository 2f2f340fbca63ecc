"""Building a track: every module's notebooks, the reference package and the students' manifest."""

from __future__ import annotations

import ast
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from course import manifest as manifests
from course.builder import BuildError, notebook
from course.builder.bridges import Bridges
from course.builder.source import SourceCell, read, script
from course.export import assemble
from course.manifest import Manifest, Module


@dataclass(frozen=True)
class Built:
    """What a build wrote, for whoever tells a person about it."""

    folder: Path
    modules: list[str]
    planned: list[str]


def build(course: Path, track_name: str, into: Path) -> Built:
    """Build one track, and the modules beside it: a class that changes its track keeps what it has begun.

    Args:
        course: the folder of course.yml, modules/, bridges/, probes/, milestones/ and skeleton/.
        track_name: which track.
        into: where its folder goes; it appears there complete or not at all.

    Raises:
        BuildError, ManifestError: something in the course is not as it must be; nothing was changed.
    """
    manifest = manifests.load(course / "course.yml")
    track = manifest.track(track_name)
    sources = {
        slug: _source(course, manifest, module)
        for slug, module in manifest.modules.items()
        if module.available
    }
    bridges = Bridges(course / "bridges", manifest)
    bridged = {slug: bridges.joined(track, slug, cells) for slug, cells in sources.items()}
    into.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{track.name}.", dir=into))
    try:
        _write(work, course, manifest, track.name, bridged)
        work.chmod(0o755)  # mkdtemp makes it private
        _swap(work, into / track.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    modules = [step.module for step in track.steps]
    return Built(
        into / track.name,
        [module.slug for module in modules if module.available],
        [module.slug for module in modules if not module.available],
    )


def _source(course: Path, manifest: Manifest, module: Module) -> list[SourceCell]:
    path = course / "modules" / f"{module.slug}.py"
    cells = read(path, manifest.tracks)
    points = _points(cells, "check")
    if points != module.points:
        raise BuildError(
            f"{path}: the points of its checks add up to {points}, but course.yml gives '{module.slug}' "
            f"{module.points}. Change one of the two."
        )
    missing = set(module.exports) - _top_level_names(cells)
    if missing:
        raise BuildError(
            f"{path}: course.yml says that it exports '{min(missing)}', but no given or exercise cell "
            "defines it. Define it, or take it from course.yml."
        )
    _check_probes(course / "probes" / f"{module.slug}.py", [c.id for c in cells if c.role == "check"])
    return cells


def _points(cells: list[SourceCell], role: str) -> int:
    return sum(cell.points or 0 for cell in cells if cell.role == role)


def _check_probes(path: Path, checks: list[str]) -> None:
    """Every check needs a probe. The file is read, not run: building needs no numpy."""
    if not checks:
        return
    if not path.is_file():
        raise BuildError(f"{path} is missing. Write at least one probe for: {', '.join(checks)}.")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise BuildError(f"{path}: line {error.lineno} is no valid Python: {error.msg}.") from error
    probed: dict[str, str] = {}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for check in filter(None, map(_probed_check, function.decorator_list)):
            if function.name in probed:
                raise BuildError(f"{path}: two probes are named '{function.name}'. Rename one.")
            if check not in checks:
                raise BuildError(
                    f"{path}: '{function.name}' probes '{check}', which is no check of the module."
                )
            probed[function.name] = check
    for check in checks:
        if check not in probed.values():
            raise BuildError(
                f"{path}: check '{check}' has no probe, so its points could never be given. Add one."
            )


def _probed_check(decorator: ast.expr) -> str | None:
    match decorator:
        case ast.Call(func=ast.Name(id="probe"), args=[ast.Constant(value=str(check)), *_]):
            return check
    return None


def _top_level_names(cells: list[SourceCell]) -> set[str]:
    names: set[str] = set()
    for cell in cells:
        if cell.role in ("given", "exercise"):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    names.add(node.name)
                elif isinstance(node, ast.Assign):
                    names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def _write(
    work: Path, course: Path, manifest: Manifest, track: str, sources: dict[str, list[SourceCell]]
) -> None:
    package = work / "reference" / "tinytorch"
    skeleton = course / "skeleton" / "tinytorch"
    if skeleton.is_dir():
        shutil.copytree(skeleton, package, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for slug, cells in sources.items():
        student = notebook.student(slug, track, cells)
        _put(work / "student" / f"{slug}.ipynb", notebook.dumps(student))
        _put(work / "instructor" / f"{slug}.ipynb", notebook.dumps(notebook.instructor(slug, track, cells)))
        _put(package / f"{slug}.py", _reference(slug, student, cells))
    # Those of other tracks too: a class that changes its track keeps what it has done.
    for milestone in (each for each in manifest.milestones.values() if each.available):
        name = f"{milestone.slug}.py"
        cleared, solved = script(course / "milestones" / name)
        _put(work / "student" / "milestones" / name, cleared)
        _put(work / "instructor" / "milestones" / name, solved)
    _put(work / "student" / "hints.json", notebook.dumps(_hints(sources)))
    _put(work / "course.json", notebook.dumps(_manifest_json(manifest, track, sources)))


def _hints(sources: dict[str, list[SourceCell]]) -> dict[str, list[str]]:
    """Exercise -> its hints, in order. They are in no notebook; `tito hint` shows one at a time."""
    hints: dict[str, list[str]] = {}
    for cell in (cell for cells in sources.values() for cell in cells if cell.role == "hint"):
        hints.setdefault(cell.exercise or "", []).append(cell.source)
    return hints


def _reference(slug: str, student: notebook.Notebook, cells: list[SourceCell]) -> str:
    """The solved module, by the same way that a student's notebook becomes one."""
    solved = notebook.solved(slug, cells)
    assembly = assemble(student, solved)
    if assembly.problems:
        raise BuildError(f"Module '{slug}': its own solution cannot be exported: {assembly.problems[0].text}")
    return assembly.source


def _manifest_json(manifest: Manifest, track: str, sources: dict[str, list[SourceCell]]) -> dict[str, object]:
    """What course.yml says, what is there already, and the points that a person gives (by_hand), so that a
    student's command needs nothing but JSON."""
    data = dict(manifest.data)
    data["modules"] = [
        {
            **entry,
            "available": manifest.module(entry["slug"]).available,
            "by_hand": _points(sources.get(entry["slug"], []), "question"),
        }
        for entry in data["modules"]
    ]
    data["milestones"] = {
        slug: {**entry, "available": manifest.milestone(slug).available}
        for slug, entry in data["milestones"].items()
    }
    return {**data, "track": track}


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _swap(new: Path, target: Path) -> None:
    """Put a finished folder in the place of the former one."""
    former = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)) / "former"
    if target.exists():
        target.rename(former)
    new.rename(target)
    shutil.rmtree(former.parent)
