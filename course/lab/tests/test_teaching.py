"""What a server offers whose owner teaches, and a student's does not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterlab_server.config import get_page_config

from course.lab import teaching

IMAGE = Path(__file__).parents[3] / "images" / "student" / "etc" / "page_config.json"
COURSES = "@jupyter/nbgrader:course-list"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of assignments, as the gate mounts it."""
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.setattr(teaching, "SOURCE", source)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("JUPYTERHUB_HOST", raising=False)
    (tmp_path / "etc" / "labconfig").mkdir(parents=True)
    shutil.copy(IMAGE, tmp_path / "etc" / "labconfig")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "etc"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.umask(0o022)
    yield source
    os.umask(before)


def offered() -> tuple[set[str], list[str]]:
    """Which of nbgrader's plugins stay off, and which addresses there are."""
    addresses: list[str] = []

    def add(_: str, handlers: list[tuple[Any, ...]]) -> None:
        addresses.extend(handler[0] for handler in handlers)

    app = SimpleNamespace(settings={"base_url": "/user/ivy/"}, add_handlers=add)
    teaching.offer(SimpleNamespace(web_app=app))
    page = get_page_config([])  # as each page of JupyterLab's asks
    return {name for name in page["disabledExtensions"] if "nbgrader" in name}, addresses


def test_a_student_gets_none_of_it(folder: Path) -> None:
    folder.rmdir()
    assert offered() == ({teaching.WRITING, teaching.FORMGRADER, COURSES}, [])
    assert not (folder.parent / "teaching").exists()


def test_who_teaches_has_the_folder_at_hand_and_nbgraders_tools(folder: Path) -> None:
    for _ in range(2):  # a server starts more than once
        assert offered() == ({COURSES}, ["/user/ivy/formgrader"])
    (folder.parent / "teaching" / "ps1").mkdir()
    assert (folder / "ps1").stat().st_mode & 0o777 == 0o775, "others who teach can change it"


def test_a_folder_of_that_name_stays(folder: Path) -> None:
    (folder.parent / "teaching").mkdir()
    offered()
    assert not (folder.parent / "teaching").is_symlink()


def test_with_host_names_formgrader_stays_in_its_own_window(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_HOST", "https://classroom.example.edu")
    assert offered() == ({teaching.FORMGRADER, COURSES}, [])
