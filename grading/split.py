"""The two parts of a milestone's hidden samples, of disjoint halves of its data.

The public part is the same for every attempt in a classroom, so that a student can compare attempts without
luck. What is seen again and again can be learned by heart; so it decides nothing. The private part is made
anew for each attempt, and decides. The public part's seed is drawn once for a classroom and kept beside the
submissions: from the course's own text, which everybody can read, nobody can make the public samples.
"""

from __future__ import annotations

import os
import secrets
from functools import cache
from pathlib import Path

from course.probing import generator
from grading.course_files import Array, CourseFiles, MilestoneFiles

PUBLIC, PRIVATE = "public", "private"
PARTS = (PUBLIC, PRIVATE)  # a milestone's `hidden` gets the place in here as its half


def samples(course: CourseFiles, files: MilestoneFiles, seed: int) -> dict[str, tuple[Array, Array]]:
    """Inputs and labels of both parts.

    Args:
        seed: the submission's own, for its private part.
    """
    slug = files.milestone.slug
    seeds: dict[str, int | str] = {PUBLIC: public_seed(course.settings.folder), PRIVATE: seed}
    return {part: files.hidden(generator(seeds[part], slug), half) for half, part in enumerate(PARTS)}


@cache
def public_seed(folder: Path) -> str:
    """The classroom's seed of the public part; drawn when it is first asked for."""
    path = folder / "public-seed"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / f"public-seed.{secrets.token_hex(8)}"
        own.write_text(secrets.token_hex(16), encoding="ascii")
        try:
            os.link(own, path)  # of two workers that start together one is first; both read the same then
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return path.read_text(encoding="ascii")
