"""A student's folder beside the tiny course, the command, and a grading service."""

from __future__ import annotations

import shutil
import threading

import pytest

from course.builder.build import build
from course.tests.fixture import write_course
from course.tito import cli
from course.tito.tests.stand_ins import Service


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A student's folder beside the tiny course."""
    source = write_course(tmp_path / "source")
    built = build(source, "discovery", tmp_path / "built").folder
    for name in ("skeleton", "checkpoints"):
        shutil.copytree(source / name, built / name)
    folder = tmp_path / "home" / "course"
    folder.parent.mkdir()
    places = {"TT_COURSE": built, "TT_WORK": folder, "TT_CALENDAR": tmp_path / "calendar.json"}
    for name, value in {**places, "TT_TRACK": "discovery"}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("TT_GRADING_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "1000")  # so that no sentence is wrapped
    monkeypatch.setattr("course.tito.terminal.MAX_WIDTH", 1000)
    monkeypatch.setattr("course.tito.api.PATIENCE", 0.2)
    monkeypatch.setattr("course.tito.api.PAUSES", (0.01,) * 3)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def tito(work, capsys):
    """Run a command: its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def service(monkeypatch):
    server = Service()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("TT_GRADING_URL", f"http://127.0.0.1:{server.server_address[1]}/services/grading/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    monkeypatch.setattr("course.tito.submit.PAUSES", (0.01,) * 5)
    yield server
    server.shutdown()
    server.server_close()
