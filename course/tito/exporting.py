"""`tito export`: what a student wrote becomes a module of the student's own package."""

from __future__ import annotations

from course.export import UNSOLVED, Assembly, assemble
from course.tito import places
from course.tito.checkpoint import show_completed
from course.tito.places import Places
from course.tito.start import prepare
from course.tito.strays import strays
from course.tito.terminal import say


def assembled(where: Places, slug: str) -> Assembly:
    """The student's module as source, and what is wrong with the notebook."""
    places.module(places.manifest(where), slug)
    return assemble(places.read_official(where, slug), places.read_student(where, slug))


def export(where: Places, slug: str) -> int:
    """Write the module's file into the student's package."""
    assembly = assembled(where, slug)
    prepare(where)
    target = where.package / f"{slug}.py"
    header = f"# Written by `tito export {slug}` from {slug}.ipynb. Change the notebook, not this file.\n\n"
    places.write(target, (header + assembly.source).encode())
    say(f"tinytorch/{slug}.py is written. Restart the kernel of notebooks that use it.")
    show_problems(where, slug, assembly)
    unsolved = assembly.source.count(UNSOLVED)
    if unsolved:
        say(f"{unsolved} {'place is' if unsolved == 1 else 'places are'} still to be done.")
        return 0
    show_completed(where, slug)
    return 0


def show_problems(where: Places, slug: str, assembly: Assembly) -> None:
    """Tell what was found wrong with the notebook."""
    lost = strays(places.read_student(where, slug), assembly.source)
    for text in (*(problem.text for problem in assembly.problems), *lost):
        say(f"Note: {text}")
