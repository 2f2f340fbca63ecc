"""The deploy itself: a second run changes nothing, what it leaves is healthy, secrets stay root's."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import requests

from tests.classroom import SETTINGS, Classroom, make, run


@pytest.fixture(scope="module")
def second_deploy(classroom: Classroom) -> subprocess.CompletedProcess[str]:
    """What a second `make deploy` says."""
    return make("deploy")


def test_second_deploy_changes_nothing(
    classroom: Classroom, second_deploy: subprocess.CompletedProcess[str]
) -> None:
    answer = second_deploy
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"changed=0 failed=0", answer.stdout), answer.stdout
    assert f"{classroom.environment['TT_PORT']}{classroom.base_path}" in answer.stdout
    assert "make password" in answer.stdout


def test_status_says_that_everything_is_healthy(classroom: Classroom) -> None:
    answer = make("status")
    assert answer.returncode == 0, answer.stderr
    for service in ("proxy", "hub", "gate", "api", "worker", "formgrader", "prometheus"):
        assert re.search(rf"^{service}\s.*\(healthy\)", answer.stdout, re.MULTILINE), answer.stdout


def test_secrets_are_roots_alone_and_in_no_output(
    classroom: Classroom, second_deploy: subprocess.CompletedProcess[str]
) -> None:
    folder = classroom.state / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    file = folder / "secrets.env"
    assert file.stat().st_mode & 0o777 == 0o600
    values = re.findall(r"=(.+)$", file.read_text(), re.MULTILINE)
    assert len(values) == 14
    shown = make("config").stdout + make("status").stdout + second_deploy.stdout
    assert not [value for value in values if value in shown]


def test_first_password_is_shown_once(classroom: Classroom) -> None:
    shown = make("password")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == classroom.secret("TT_ADMIN_PASSWORD")
    again = make("password")
    assert again.returncode != 0
    assert "already" in again.stderr


def test_admin_signs_in_with_the_first_password_and_must_choose_another(classroom: Classroom) -> None:
    admin = classroom.first_sign_in("admin", classroom.secret("TT_ADMIN_PASSWORD"))
    assert admin.api("GET", "users").status_code == 200


def test_services_run_without_root_and_without_the_engines_socket(classroom: Classroom) -> None:
    for service in ("proxy", "hub", "api", "worker", "formgrader", "prometheus"):
        inspected = json.loads(run("docker", "inspect", classroom.container(service)).stdout)[0]
        assert inspected["Config"]["User"].split(":")[0] not in ("", "0", "root"), service
        assert not [mount for mount in inspected["Mounts"] if mount["Source"].endswith("docker.sock")], (
            service
        )
        assert inspected["HostConfig"]["CapDrop"] == ["ALL"], service
        assert inspected["HostConfig"]["ReadonlyRootfs"], service
        assert inspected["HostConfig"]["LogConfig"]["Config"]["max-size"], service


def test_images_say_where_they_come_from(classroom: Classroom) -> None:
    for name in ("base", "hub", "gate", "proxy", "student", "grader", "formgrader", "sandbox", "prometheus"):
        image = f"{classroom.name}/{name}:{classroom.environment['TT_VERSION']}"
        labels = json.loads(run("docker", "inspect", "--format", "{{json .Config.Labels}}", image).stdout)
        for label in ("source", "version", "licenses"):
            assert labels.get(f"org.opencontainers.image.{label}"), (name, label)


def test_images_are_no_larger_than_promised(classroom: Classroom) -> None:
    for name, most in (("student", 560), ("hub", 380)):
        image = f"{classroom.name}/{name}:{classroom.environment['TT_VERSION']}"
        assert int(run("docker", "inspect", "--format", "{{.Size}}", image).stdout) <= most * 10**6, name


def test_prometheus_sees_every_part(classroom: Classroom) -> None:
    port = classroom.environment["TT_MONITORING_PORT"]
    answer = requests.get(f"http://127.0.0.1:{port}/api/v1/targets", timeout=10).json()
    health = {target["labels"]["job"]: target["health"] for target in answer["data"]["activeTargets"]}
    assert {"hub", "proxy", "api", "worker"} <= set(health), health
    assert set(health.values()) == {"up"}, health


def test_alerts_do_what_they_say(classroom: Classroom) -> None:
    image = f"{classroom.name}/prometheus:{classroom.environment['TT_VERSION']}"
    label = f"tinytorch.classroom={classroom.name}"
    for arguments in (
        ["check", "rules", "/etc/prometheus/alerts.yml"],
        ["test", "rules", "/etc/prometheus/alerts_test.yml"],
    ):
        answer = run(
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            "--label",
            label,
            "--entrypoint",
            "promtool",
            image,
            *arguments,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_down_and_up_lose_nothing(classroom: Classroom) -> None:
    (student,) = classroom.enrol("dora")
    student.start_server()
    student.shell("echo kept > ~/kept")
    down = make("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert run("docker", "ps", "--quiet", "--filter", classroom.label).stdout == ""
    up = make("up")
    assert up.returncode == 0, up.stdout + up.stderr
    student.sign_in()
    student.start_server()
    assert student.shell("cat ~/kept").stdout == "kept\n"
    student.stop_server()


def test_undeploy_deletes_work_only_when_told() -> None:
    assert "purge=false" in run("make", "--dry-run", "undeploy", f"CONFIG={SETTINGS}").stdout
    assert "purge=true" in run("make", "--dry-run", "undeploy", f"CONFIG={SETTINGS}", "PURGE=yes").stdout
