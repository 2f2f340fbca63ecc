"""What a student sees: a way through the course that loses nothing and explains every failure."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import types

import pytest

from course.builder.build import build
from course.builder.source import SOLUTION
from course.export import assemble
from course.manifest import HERE
from course.tito import cli, testing
from course.tito.terminal import wrapped
from course.tito.tests.stand_ins import solve


def test_whole_way_from_start_to_the_own_package(tito, work):
    assert tito("start")[0] == 0
    solve(work, "counting")
    assert tito("test", "counting")[0] == 0
    assert tito("export", "counting")[0] == 0
    assert "Next: tito start adding" in tito("status")[1]
    assert tito("start")[1].startswith("adding.ipynb is ready")
    solve(work, "adding")
    assert tito("test", "adding")[0] == 0  # stands on the student's own counting
    assert (work / "README.md").is_file()


def test_status_shows_each_state(tito, work):
    tito("start", "counting")
    solve(work, "counting")
    tito("export", "counting")
    tito("start", "adding")
    said = tito("status")[1]
    for line in ("1  Counting                  exported", "2  Adding                    begun"):
        assert line in said
    assert "Later                     to come" in said


def test_status_loads_nothing_heavy(work):
    script = "import sys; from course.tito.cli import main; main(['status']); print(sorted(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    said = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, env=environment, text=True
    )
    for heavy in ("'numpy'", "'yaml'", "'jsonschema'", "'urllib.request'", "'jupytext'"):
        assert heavy not in said.stdout


def test_start_never_overwrites_work(tito, work):
    tito("start", "counting")
    (work / "counting.ipynb").write_text("mine")
    (work / "README.md").write_text("mine too")
    assert "stays as it is" in tito("start", "counting")[1]
    assert (work / "counting.ipynb").read_text() == "mine"
    assert (work / "README.md").read_text() == "mine too"


def test_fresh_start_keeps_every_former_copy(tito, work):
    tito("start", "counting")
    for text in ("first", "second"):
        (work / "counting.ipynb").write_text(text)
        assert tito("start", "counting", "--fresh")[0] == 0
    assert [(work / f"counting.{n}.ipynb").read_text() for n in (1, 2)] == ["first", "second"]
    assert json.loads((work / "counting.ipynb").read_text())["cells"]


def test_check_shows_the_message_that_teaches(tito, work):
    tito("start", "counting")
    solve(work, "counting", counting_increase="def increase(number):\n    return number")
    code, said = tito("test", "counting")
    assert code == 1
    assert "increase(1) is one more than 1, so 2; yours gives 1." in said
    assert "counting: 1 of 2 checks pass." in said


def test_untouched_notebook_passes_nothing_and_says_why(tito):
    tito("start", "counting")
    code, said = tito("test", "counting")
    assert code == 1
    assert "counting-increase is still to be done" in said
    assert "0 of 2 checks pass" in said


def test_error_in_the_students_code_shows_its_line(tito, work):
    tito("start", "counting")
    solve(work, "counting", counting_increase="def increase(number):\n    return nmber + 1")
    said = tito("test", "counting")[1]
    assert "NameError: name 'nmber' is not defined" in said
    assert "    return nmber + 1" in said


@pytest.mark.parametrize(
    "body",
    [
        "while True:\n        pass",
        "while True:\n        try:\n            1\n        except Exception:\n            pass",
    ],
)
def test_loop_without_end_costs_its_own_check_only(tito, work, monkeypatch, body):
    monkeypatch.setattr("course.tito.testing.TIMEOUT", 30)
    tito("start", "counting")
    slow = f"import signal\nsignal.alarm(1)\ndef increase(number):\n    signal.alarm(1)\n    {body}"
    solve(work, "counting", counting_increase=slow)
    code, said = tito("test", "counting")
    assert code == 1
    assert "loop without end" in said
    assert "1 of 2 checks pass" in said


def test_code_that_ends_the_process_is_told(tito, work):
    tito("start", "counting")
    solve(work, "counting", counting_increase="import os\ndef increase(number):\n    os._exit(0)")
    code, said = tito("test", "counting")
    assert code == 1
    assert "The process that runs the checks ended here" in said


def test_hanging_import_is_ended(tito, work, monkeypatch):
    monkeypatch.setattr(testing, "TIMEOUT", 1)
    tito("start", "counting")
    solve(work, "counting", counting_increase="import time\nX = time.sleep(60)\ndef increase(n):\n    pass")
    code, said = tito("test", "counting")
    assert code == 1
    assert "Not reached" in said


def test_missing_export_of_a_required_module_is_told(tito, work):
    assert "which you have not exported yet: tito export counting" in tito("start", "adding")[1]
    solve(work, "adding")
    assert "ModuleNotFoundError: No module named 'tinytorch.counting'" in tito("test", "adding")[1]


def test_export_tells_what_is_still_to_be_done(tito, work):
    tito("start", "counting")
    solve(work, "counting", counting_decrease="def decrease(:")
    code, said = tito("export", "counting")
    assert code == 0
    assert "Exercise 'counting-decrease' was not used" in said
    assert "1 place is still to be done" in said
    status = tito("status")[1]
    assert "exported in part" in status
    assert "Next: solve counting.ipynb" in status
    compile((work / "tinytorch/counting.py").read_text(), "counting.py", "exec")


def test_broken_notebook_is_told_in_a_sentence(tito, work):
    tito("start", "counting")
    (work / "counting.ipynb").write_text("{}")
    for command in ("test", "export", "submit"):
        code, said = tito(command, "counting")
        assert code == 1
        assert "This is no notebook" in said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["start", "cuonting"], "There is no module 'cuonting'. There are: counting, adding, later."),
        (["start", "later"], "Module 'later' is still to come."),
        (["test", "counting"], "is not there yet. Begin with: tito start counting"),
        (["map", "--track", "long"], "There is no track 'long'"),
        (["milestone", "run", "sums"], "runs on your own counting, adding"),
        (["milestone", "info", "prices"], "There is no milestone 'prices'"),
        (["mark"], "No submission of yours is known here."),
        (["submit", "../secret"], "There is no module '../secret'."),
    ],
)
def test_mistake_is_answered_with_a_sentence(tito, arguments, sentence):
    code, said = tito(*arguments)
    assert code == 1
    assert sentence in said


def test_folder_that_cannot_be_written_is_told(tito, work):
    work.write_text("a file where the folder should be")
    code, said = tito("start", "counting")
    assert code == 1
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", [("status",), ("test", "counting"), ("map", "--json")])
def test_reader_that_goes_away_is_no_fault(tito, work, arguments):
    tito("start", "counting")
    reader, writer = os.pipe()
    os.close(reader)  # as `tito test counting | head` does once it has its lines
    command = [sys.executable, "-m", "course.tito.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    ended = subprocess.run(
        command, check=False, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")  # what a shell calls ended by a closed pipe


def test_map_for_programs(tito):
    assert json.loads(tito("map", "--json", "--track", "short")[1]) == {
        "track": "short",
        "modules": [{"number": 1, "slug": "counting", "optional": False, "available": True}],
        "milestones": [],
    }


def test_map_of_the_real_course_in_a_clone_that_built_nothing(tito, monkeypatch, tmp_path):
    monkeypatch.setenv("TT_COURSE", str(tmp_path / "nowhere"))
    core = json.loads(tito("map", "--json", "--track", "core")[1])
    assert [m["slug"] for m in core["modules"]][:3] == ["tensor", "activations", "layers"]
    assert core["modules"][6] == {"number": 7, "slug": "training", "optional": True, "available": True}


def test_text_keeps_within_eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = wrapped("A long sentence of words. " * 20 + "\n    code stays as it is", indent=6).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "          code stays as it is"


def state(word: str, kind: str = "module", slug: str = "counting", **more) -> dict:
    return {"id": "r1", "kind": kind, "slug": slug, "state": word, "checks": [], "notes": [], **more}


GRADED = state(
    "graded",
    score=2,
    max_score=3,
    checks=[
        {"check": "check-increase", "points": 2, "max_points": 2, "reasons": []},
        {
            "check": "check-decrease",
            "points": 0,
            "max_points": 1,
            "reasons": ["A random number: expected 4, got 5."],
        },
    ],
)


def test_submit_shows_receipt_and_mark_with_its_reasons(tito, work, service):
    service.states = [state("queued"), state("grading"), GRADED]
    tito("start", "counting")
    code, said = tito("submit", "counting")
    assert code == 0
    assert "receipt r1" in said
    assert "A random number: expected 4, got 5." in said
    assert "counting: 2 of 3 points." in said
    path, authorization, body = service.got[0]
    assert (path, authorization) == ("/services/grading/api/submissions/module/counting", "token secret")
    assert body == {"notebook": json.loads((work / "counting.ipynb").read_text())}
    assert "marked               2 of 3" in tito("status")[1]


def test_submit_need_not_wait_and_the_mark_is_seen_later(tito, service):
    service.states = [GRADED]
    tito("start", "counting")
    assert "tito mark counting" in tito("submit", "counting", "--no-wait")[1]
    said = tito("status")[1]
    assert "handed in" in said
    assert "Next: tito mark counting" in said
    assert "counting: 2 of 3 points." in tito("mark", "counting")[1]


def pausing(monkeypatch, pause):
    """What tito's waiting calls instead of sleeping; other threads sleep as ever."""
    clock = types.SimpleNamespace(monotonic=time.monotonic, sleep=pause)
    for module in ("submit", "api"):
        monkeypatch.setattr(f"course.tito.{module}.time", clock)


def test_interrupted_wait_loses_nothing(tito, service, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    pausing(monkeypatch, interrupt)
    service.states = [state("queued")]
    tito("start", "counting")
    code, said = tito("submit", "counting")
    assert code == 0
    assert "Your submission is safe. See the mark with: tito mark counting" in said


def test_mark_is_waited_for_while_the_service_is_being_replaced(tito, service, monkeypatch):
    def pause(_):
        service.error = (503, b"{}") if len(service.asked) == 1 else None

    pausing(monkeypatch, pause)
    service.states = [state("queued"), GRADED]
    tito("start", "counting")
    assert "counting: 2 of 3 points." in tito("submit", "counting")[1]
    assert service.asked == ["submissions/r1?wait=20"] * 3


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ((413, b'{"error": "The notebook is too large."}'), "The notebook is too large."),
        ((502, b"<html>"), "The grading service answered 502"),
        ((201, b"not json"), "does not answer"),
        ((201, b'{"id": "r1", "sha256": "0", "received_at": ""}'), "What arrived is not what was sent"),
    ],
)
def test_refused_submission_is_told_in_the_services_own_words(tito, service, error, sentence):
    service.error = error
    tito("start", "counting")
    code, said = tito("submit", "counting")
    assert code == 1
    assert sentence in said
    assert "handed in" not in tito("status")[1]


def test_service_that_is_down_costs_no_work(tito, monkeypatch):
    monkeypatch.setenv("TT_GRADING_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    tito("start", "counting")
    code, said = tito("submit", "counting")
    assert code == 1
    assert "Your work is safe" in said


def test_submission_that_meets_a_service_being_replaced_is_tried_again_under_one_key(
    tito, service, monkeypatch
):
    tries = []

    def pause(_):
        tries.append(service.error)
        service.error = (502, b"") if len(tries) == 1 else None

    service.error = (503, b"{}")
    tito("start", "counting")
    pausing(monkeypatch, pause)
    code, said = tito("submit", "counting", "--no-wait")
    assert code == 0, said
    assert said.count("Trying again") == 1
    assert "It is safely stored." in said
    assert len(service.keys) == 3
    assert len(set(service.keys)) == 1
    assert re.fullmatch("[0-9a-f]{32}", service.keys[0])
    assert tito("submit", "counting", "--no-wait")[0] == 0
    assert service.keys[-1] != service.keys[0], "what is handed in anew is another submission"


def test_milestone_runs_on_the_students_own_package_and_is_handed_in(tito, work, service):
    service.states = [state("graded", "milestone", "sums", score=2, max_score=2, passed=True)]
    for slug in ("counting", "adding"):
        tito("start", slug)
        solve(work, slug)
        tito("export", slug)
    assert "nothing was learned yet" in tito("milestone", "submit", "sums")[1]
    assert tito("milestone", "run", "sums", "--quick")[0] == 0
    assert not (work / "milestones/sums.npz").exists()
    assert tito("milestone", "run", "sums")[0] == 0
    (work / "tinytorch/.ipynb_checkpoints").mkdir()
    (work / "tinytorch/.ipynb_checkpoints/counting-checkpoint.py").write_text("old")
    assert "Passed." in tito("milestone", "submit", "sums")[1]
    path, _, body = service.got[0]
    assert path.endswith("/api/submissions/milestone/sums")
    assert set(body["files"]) == {
        "tinytorch/__init__.py", "tinytorch/adding.py", "tinytorch/counting.py", "sums.py",
    }  # fmt: skip
    assert base64.b64decode(body["weights"]["w"]) == b"5"
    assert "passed               2 of 2" in tito("status")[1]


def test_doctor_is_content_with_a_sound_folder(tito, work, service):
    service.states = [{}]
    tito("start", "counting")
    code, said = tito("doctor")
    assert code == 0, said
    assert "Data set digits: there" in said
    assert "All is well." in said


def test_doctor_names_each_fault_with_its_mend(tito, work, service):
    service.error = (503, b'{"error": "The database does not answer."}')
    tito("start", "counting")
    (work / "counting.ipynb").write_text("lost")
    (work / "tinytorch/counting.py").write_text("def broken(:")
    (work / "random.py").write_text("")
    code, said = tito("doctor")
    assert code == 1
    for words in (
        "--fresh",
        "tito export counting",
        "hides the library 'random'",
        "database",
        "4 things to mend",
    ):
        assert words in said


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The real course."""
    return build(HERE, "discovery", tmp_path_factory.mktemp("built")).folder


@pytest.mark.parametrize("path", sorted((HERE / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_real_modules_checks_pass_on_the_reference_and_fail_on_an_untouched_notebook(
    path, built, monkeypatch
):
    monkeypatch.setenv("TT_COURSE", str(built))
    where = cli.places.Places(built, built / "reference")
    official = cli.places.read_official(where, path.stem)
    checks = testing.visible_checks(official)
    assert checks
    solved = (where.package / path.name).read_text()
    assert testing.run_checks(where, path.stem, solved, official) == {check["id"]: None for check in checks}
    untouched = assemble(official, official).source
    assert None not in testing.run_checks(where, path.stem, untouched, official).values()
    assert SOLUTION.search(untouched) is None
