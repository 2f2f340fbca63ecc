"""An instructor's own notebook: what its cells put out, what of it is kept, the canary among its tests."""

import base64
import json
import textwrap

import pytest

from grading.compare import outputs
from grading.course_files import CourseFault
from grading.jobs import Job
from grading.sandboxes import Limits, SandboxResult, SandboxSilent
from grading.tests.harness_process import HarnessProcess
from grading.worker import canaries, execution

LIMITS = Limits(20, 1 << 30, 1 << 25)


def job(cells, attempt=1, **task):
    whole = {"notebook": {"cells": cells}, "files": {}, "timeout": 5, "canary": False, **task}
    return Job("j", "execute", None, None, whole, "ann", 0.0, "running", attempt, None, None)


def code(source, **nbgrader):
    return {"cell_type": "code", "source": textwrap.dedent(source), "metadata": {"nbgrader": nbgrader}}


def test_of(source):
    return code(source, grade=True, solution=False, points=1)


test_of.__test__ = False


def executed(cells, sandbox=None, attempt=1, **task):
    return execution.run(job(cells, attempt, **task), None, None, sandbox or HarnessProcess(), LIMITS)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def kinds(cell):
    return [each["output_type"] for each in cell]


def text(cell):
    return "".join(each["text"] for each in cell if each["output_type"] == "stream")


class Saying:
    """A sandbox that answers with given bytes."""

    def __init__(self, said, exit="ok"):
        self.result = SandboxResult(exit, said)

    def run(self, task, limits):
        self.task = json.loads(task)
        return self.result


def test_notebook_runs_as_nbgrader_runs_it():
    said = executed(
        [
            {"cell_type": "markdown", "source": "# Title"},
            code("from helper import three\nprint('hello', three)\nthree + 1"),
            code("import sys\nprint('careful', file=sys.stderr)\n1 / 0"),
            code("open('data/a.txt').read()"),
            code("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"),
            code("!echo from a program"),
            code("input()"),
            code("exit()"),
            test_of("assert three == 3"),
        ],
        files={
            "helper.py": base64.b64encode(b"three = 3").decode(),
            "data/a.txt": base64.b64encode(b"text").decode(),
        },
        canary=True,
    )
    cells = said["cells"]
    assert (said["ended"], said["canary"], said["notes"]) == ("ok", "failed", [])
    assert cells[0] == []
    assert text(cells[1]) == "hello 3\n"
    assert cells[1][1]["data"] == {"text/plain": "4"}
    assert cells[1][1]["execution_count"] == 1
    assert kinds(cells[2]) == ["stream", "error"]
    assert (cells[2][0]["name"], cells[2][1]["ename"]) == ("stderr", "ZeroDivisionError")
    assert "1 / 0" in "\n".join(cells[2][1]["traceback"])
    assert cells[3][0]["data"] == {"text/plain": "'text'"}
    assert cells[3][0]["execution_count"] == 3, "the canary is not counted"
    assert base64.b64decode(cells[4][0]["data"]["image/png"]).startswith(b"\x89PNG")
    assert "from a program" in text(cells[5])
    assert cells[6][0]["ename"] == "EOFError"
    assert cells[7] == cells[8] == []


@pytest.mark.parametrize(
    ("cell", "name", "ended"),
    [
        ("while True: pass", "Timeout", "timeout"),
        ("import time\ntime.sleep(60)", "Timeout", "timeout"),
        ("try:\n    while True: pass\nexcept BaseException:\n    while True: pass", "Timeout", "timeout"),
        ("import os\nos._exit(0)", "Crash", "crash"),
        ("import os\nos.write(3, b'\\xff' * 100)\nos._exit(0)", "TooMuchOutput", "output"),
        ("import os\nos.write(3, b'\\0\\0\\0\\2{}')", "Crash", "crash"),
    ],
)
def test_cell_that_stops_the_run_says_so_and_the_rest_was_not_run(cell, name, ended):
    cells = [code("print('before')"), code(cell), test_of("assert True")]
    said = executed(cells, timeout=0.5, canary=True)
    assert text(said["cells"][0]) == "before\n"
    assert said["cells"][1][-1]["ename"] == name
    assert said["cells"][2][-1]["ename"] == "NotRun"
    assert (said["ended"], said["canary"]) == (ended, "not run")


def test_endless_output_is_cut_and_the_next_cell_runs():
    endless = code("import sys\nfor _ in range(3000):\n    sys.stdout.write('x' * 100_000)")
    said = executed([endless, code("print('next')")])
    assert 1000 < len(text(said["cells"][0])) < 600_000
    assert "too long" in text(said["cells"][0])
    assert text(said["cells"][1]) == "next\n"


TAMPERING = {
    "replaced run_cell": """
        shell = get_ipython()
        type(shell).run_cell = lambda self, source, **more: None
    """,
    "errors swallowed": """
        type(get_ipython())._showtraceback = lambda *_: None
    """,
    "cells rewritten": """
        get_ipython().input_transformers_cleanup.append(lambda lines: ["pass\\n"])
    """,
}


@pytest.mark.parametrize("tampering", TAMPERING, ids=str)
def test_canary_flags_code_that_makes_every_test_pass(tampering):
    said = executed([code(TAMPERING[tampering]), test_of("assert 1 == 2")], canary=True)
    assert said["canary"] == "passed"
    assert kinds(said["cells"][1]) == [], "the attack does nothing: the test would say nothing"


def test_canary_fails_where_nothing_is_tampered_with():
    honest = {"__name__": "__main__"}
    for _ in range(200):
        source = canaries.canary()
        with pytest.raises((AssertionError, TypeError)):
            exec(source, honest)
    assert len({canaries.canary() for _ in range(20)}) == 20


def test_canary_stands_among_the_tests():
    cells = [code("x = 1"), test_of("a"), code("y"), test_of("b"), code("z")]
    assert {canaries.place(cells) for _ in range(200)} == {1, 3, 4}
    assert canaries.place([{"cell_type": "markdown", "source": "no code"}]) is None


HOSTILE = [
    b"",
    b"\xff\n[]\n7\nnull\n" + b"[" * 100_000,
    b'{"cell": true, "outputs": []}\n{"cell": "0"}\n{"cell": -1}\n{"end": ["ok"]}',
    b'{"cell": 0, "outputs": {"output_type": "stream"}}\n{"end": "done"}',
]


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_answers_are_no_outputs(said):
    came = executed([code("1"), code("2")], Saying(said))
    assert came["ended"] == "failed"
    assert came["cells"][1][0]["ename"] == "NotRun"


def test_only_text_and_pictures_are_kept():
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n...").decode()
    given = [
        {"output_type": "stream", "name": "evil", "text": "a\x1b[31mred\x00"},
        {"output_type": "stream", "name": "stderr", "text": ["no", "text"]},
        {
            "output_type": "display_data",
            "data": {
                "text/html": "<script>alert(1)</script>",
                "image/svg+xml": "<svg onload='alert(1)'/>",
                "application/javascript": "alert(1)",
                "text/plain": "<b>",
                "image/png": png,
            },
            "metadata": {"x": 1},
        },
        {"output_type": "display_data", "data": {"text/html": "<p>"}},
        {"output_type": "display_data", "data": {"image/png": base64.b64encode(b"<svg>").decode()}},
        {"output_type": "execute_result", "data": {"text/plain": "1"}, "execution_count": "<b>"},
        {"output_type": "error", "ename": 7, "evalue": None, "traceback": "none"},
        {"output_type": "widget"},
        "text",
    ]
    assert outputs.understood(given) == [
        {"output_type": "stream", "name": "stdout", "text": "ared"},
        {"output_type": "stream", "name": "stderr", "text": ""},
        {"output_type": "display_data", "data": {"text/plain": "<b>", "image/png": png}, "metadata": {}},
        {
            "output_type": "execute_result",
            "data": {"text/plain": "1"},
            "metadata": {},
            "execution_count": None,
        },
        {"output_type": "error", "ename": "Error", "evalue": "", "traceback": []},
    ]


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"notebook": []}, "no list of cells"),
        ({"files": {"../up.py": ""}}, "no plain relative path"),
        ({"files": {"/etc/passwd": ""}}, "no plain relative path"),
        ({"files": ["a"]}, "names with base64"),
        ({"timeout": "1"}, "number of seconds"),
        ({"timeout": float("nan")}, "number of seconds"),
    ],
)
def test_task_that_makes_no_sense_is_refused_with_a_sentence(task, sentence):
    with pytest.raises(CourseFault, match=sentence):
        executed([code("1")], Saying(b""), **task)


def test_file_that_cannot_be_written_is_told(tmp_path):
    said = executed([code("1")], files={"a": "", "a/b": ""})
    assert said["ended"] == "files"
    assert "could not be written" in said["notes"][0]


def test_sandbox_without_a_word_is_tried_once_more():
    with pytest.raises(SandboxSilent):
        executed([code("1")], Saying(b"", "failed"))
    assert executed([code("1")], Saying(b"", "failed"), attempt=2)["ended"] == "failed"
