"""What bad input gets: one clear sentence, a non-zero exit, nothing changed, no traceback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.classroom import REPOSITORY, SETTINGS, Classroom, make, run


def settings_with(folder: Path, **changes: str) -> Path:
    """The tests' settings with lines replaced: a key's first line is found by its name."""
    lines = SETTINGS.read_text().splitlines()
    for key, line in changes.items():
        at = next(n for n, text in enumerate(lines) if text.strip().startswith(f"{key}:"))
        lines[at] = line
    path = folder / "classroom.yml"
    path.write_text("\n".join(lines) + "\n")
    return path


def refused(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert a refusal in words."""
    said = answer.stdout + answer.stderr
    assert answer.returncode != 0, said
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, said


def test_unknown_key_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    config = settings_with(
        tmp_path,
        memory="  memry: 768M",
        name="  name: tinytorch-never",
        state=f"state: {tmp_path}/deep/state",
    )
    refused(make("deploy", config=config), "memry", "memory", f"{config}:")
    assert not (tmp_path / "deep").exists()


def test_wrong_value_is_refused_with_its_line(tmp_path: Path) -> None:
    refused(
        make("deploy", config=settings_with(tmp_path, memory="  memory: plenty")),
        "plenty",
        "classroom.yml:13",
        "1G",
    )


def test_settings_that_are_no_yaml_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "classroom.yml"
    config.write_text("network: {port: [\n")
    refused(make("deploy", config=config), str(config))


def test_missing_settings_file_is_refused(tmp_path: Path) -> None:
    refused(make("config", config=tmp_path / "none.yml"), "none.yml")


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        port = door.getsockname()[1]
        refused(make("deploy", config=settings_with_port(tmp_path, port)), str(port), "network.port")
    assert not Path("/var/lib/tinytorch-never").exists()


def settings_with_port(folder: Path, port: int) -> Path:
    """Settings of a classroom that was never deployed, on a given port."""
    path = folder / "classroom.yml"
    path.write_text(
        "classroom: {name: tinytorch-never}\nstate: /var/lib/tinytorch-never\n"
        f"network: {{address: 127.0.0.1, port: {port}}}\n"
    )
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    assert run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)).returncode == 0
    yield folder
    run("umount", str(folder))


def test_no_room_on_the_disk_is_said_before_anything_is_changed(tmp_path: Path, small_disk: Path) -> None:
    config = tmp_path / "classroom.yml"
    config.write_text(
        f"classroom: {{name: tinytorch-never}}\nstate: {small_disk}/deep/state\nnetwork: {{port: 18799}}\n"
    )
    refused(make("deploy", config=config), "GiB free", "state:")
    assert list(small_disk.iterdir()) == []


def test_gpus_that_the_engine_cannot_give_out_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    if "nvidia" in run("docker", "info", "--format", "{{ .Runtimes }}").stdout:
        pytest.skip("This machine's engine can.")
    config = settings_with_port(tmp_path, 18799)
    config.write_text(
        f"{config.read_text()}ceiling: {{gpus: 1}}\nprofiles: {{fast: {{description: For cupy., gpus: 1}}}}\n"
    )
    refused(make("deploy", config=config), "NVIDIA's Container Toolkit", "nvidia-ctk runtime configure")
    assert not Path("/var/lib/tinytorch-never").exists()


def test_neither_root_nor_sudo_is_said() -> None:
    # A user without rights, in a world without sudo: the Makefile's own first question, before it installs anything.
    answer = run(
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "make", "--no-print-directory", "privileged",
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
    )  # fmt: skip
    if shutil.which("sudo", path="/usr/bin:/bin"):
        assert answer.returncode == 0
    else:
        refused(answer, "root", "sudo")


def test_engine_that_is_stopped_is_said(classroom: Classroom) -> None:
    # An address where no engine answers stands for a stopped one: other containers of this machine are not ours to stop.
    answer = run(
        "ansible/compose.sh",
        str(SETTINGS),
        "ps",
        env={**os.environ, "DOCKER_HOST": "unix:///nonexistent.sock"},
    )
    refused(answer, "engine", "make up")


def test_status_of_a_classroom_that_is_not_there_is_said(tmp_path: Path) -> None:
    refused(make("status", config=settings_with_port(tmp_path, 18799)), "make deploy")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            "name,id,email,section,role\nBob,bob,bob@example.edu,A,student\nEve,eve,no address,A,student\n"
            "Cy,cy,cy@example.edu,A,emperor\nBob,bob,bob2@example.edu,A,student\n",
            ("line 3", "email", "line 4", "emperor", "line 5", "bob"),
        ),
        ("who,what\n1,2\n", ("line 1", "there is no column 'name'")),
    ],
)
def test_bad_roster_names_its_line_and_changes_nothing(
    classroom: Classroom, tmp_path: Path, lines: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / "class.csv"
    file.write_text(lines)
    answer = make("roster", FILE=str(file))
    refused(answer, "Nothing was changed", *words)
    assert (
        classroom.compose("exec", "-T", "hub", "python", "-m", "hub.accounts", "reset", "bob").returncode != 0
    ), "bob was made"


def test_roster_that_is_not_there_is_said(classroom: Classroom) -> None:
    refused(make("roster", FILE="/nonexistent.csv"), "/nonexistent.csv")
    refused(make("roster"), "FILE=")


def test_data_set_with_a_wrong_checksum_is_refused_and_leaves_nothing(
    classroom: Classroom, tmp_path: Path
) -> None:
    originals, into = tmp_path / "originals", tmp_path / "into"
    originals.mkdir()
    into.mkdir()
    (originals / "input.txt").write_text("not Shakespeare")
    os.chown(into, 1003, 1003)
    answer = run(
        "docker", "run", "--rm", "--network", "none", "--label", f"tinytorch.classroom={classroom.name}", "--user", "1003",
        "--volume", f"{originals}:/srv/local:ro", "--volume", f"{into}:/srv/datasets",
        f"{classroom.name}/grader:{classroom.environment['TT_VERSION']}",
        "python", "-m", "course.datasets", "fetch", "tinyshakespeare", "--into", "/srv/datasets", "--local", "/srv/local",
    )  # fmt: skip
    refused(answer, "input.txt")
    assert not (into / "tinyshakespeare").exists()


def test_unknown_track_is_refused() -> None:
    refused(make("course", TRACK="sideways"), "sideways", "discovery")
    assert (REPOSITORY / "build" / "course" / "discovery").exists()
