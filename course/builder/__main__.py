"""`python -m course.builder --track discovery --into build/course`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from course.builder import BuildError
from course.builder.build import build
from course.manifest import DEFAULT_TRACK, HERE, ManifestError


def main(arguments: list[str] | None = None) -> int:
    """Build a track; 0 if it was built, 1 if the course must be mended first."""
    parser = argparse.ArgumentParser(
        prog="course.builder", description="Build a track's notebooks and package."
    )
    parser.add_argument("--track", default=DEFAULT_TRACK, help=f"which order (default: {DEFAULT_TRACK})")
    parser.add_argument("--into", type=Path, default=Path("build/course"), help="default: build/course")
    given = parser.parse_args(arguments)
    try:
        built = build(HERE, given.track, given.into)
    except (BuildError, ManifestError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: cannot be written ({error.strerror}).", file=sys.stderr)
        return 1
    print(f"{built.folder}: {', '.join(built.modules) or 'no module yet'}; {len(built.planned)} to come.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
