"""What the course's tests share: the reference `tinytorch`, whole, imported from a folder of its own."""

from __future__ import annotations

import importlib
import shutil
import sys

import pytest

from course.manifest import HERE
from course.tests.marking import SLUGS, forget, reference


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with the skeleton and every module's solution."""
    made = tmp_path_factory.mktemp("reference")
    shutil.copytree(HERE / "skeleton" / "tinytorch", made / "tinytorch")
    for slug in SLUGS:
        (made / "tinytorch" / f"{slug}.py").write_text(reference(slug))
    return made


@pytest.fixture(scope="module")
def tt(folder):
    """The package of that folder, imported anew for each module of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        forget()
        yield importlib.import_module("tinytorch")
    forget()
