"""nbgrader in formgrader's container: what is run where, what is shown, what is kept."""

import logging
import re
import shutil

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
    new_raw_cell,
)
from nbgrader.api import Gradebook
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.utils import determine_grade
from traitlets.config import Config

from grading.nbgrader_side import audit, autograde, extension, outputs
from grading.nbgrader_side.api import GradingError
from grading.nbgrader_side.feedback import FeedbackExporter, HideHiddenTests
from grading.nbgrader_side.rendering import SafeHTMLExporter, new_nonce

TEST = {"grade_id": "t", "grade": True, "solution": False, "locked": True, "points": 2, "schema_version": 3}
ANSWER = {**TEST, "grade_id": "a", "solution": True, "locked": False}


def graded(source="assert True", **more):
    return new_code_cell(source, metadata={"nbgrader": {**TEST, **more}})


def executed(monkeypatch, tmp_path, notebook, outcome, **options):
    """What SandboxExecute makes of an outcome, and what it has sent."""
    sent = []

    def call(method, *path, body=None):
        sent.append(body)
        return {"id": "1"} if method == "POST" else outcome

    monkeypatch.setattr(autograde, "call", call)
    about = {"student": "ada", "assignment": "ps1", "notebook": "problem1"}
    resources = {"metadata": {"path": str(tmp_path)}, "nbgrader": about}
    return *autograde.SandboxExecute(**options).preprocess(notebook, resources), sent[0]


def done(cells, **more):
    return {
        "state": "done",
        "outcome": {"cells": cells, "canary": "failed", "ended": "ok", "notes": [], **more},
    }


def points(cell):
    return determine_grade(cell, logging.getLogger())[0]


WARNING = {"output_type": "stream", "name": "stderr", "text": "careful"}
ERROR = {"output_type": "error", "ename": "AssertionError", "evalue": "", "traceback": ["no"]}
HALF = {"output_type": "execute_result", "data": {"text/plain": "1.0"}, "metadata": {}, "execution_count": 1}


@pytest.mark.parametrize(
    ("came", "expected"),
    [([], 2), ([WARNING], 2), ([ERROR], 0), ([WARNING, ERROR], 0), ([HALF], 1.0), (None, 0)],
)
def test_points_are_nbgraders_own_but_a_warning_costs_none(monkeypatch, tmp_path, came, expected):
    notebook = new_notebook(cells=[new_markdown_cell("# 1"), graded()])
    cells = [[]] if came is None else [[], came]
    notebook, _, _ = executed(monkeypatch, tmp_path, notebook, done(cells))
    assert points(notebook.cells[1]) == expected


def test_nbgraders_rule_for_warnings_can_be_had_back(monkeypatch, tmp_path):
    notebook = new_notebook(cells=[graded()])
    notebook, _, _ = executed(
        monkeypatch, tmp_path, notebook, done([[WARNING]]), config=_strict(), parent=None
    )
    assert points(notebook.cells[0]) == 0


def _strict():
    return Config({"SandboxExecute": {"stderr_costs_points": True}})


def test_files_go_along_and_links_do_not(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1,2")
    (tmp_path / "timestamp.txt").write_text("now")
    (tmp_path / "link").symlink_to("/etc/passwd")
    notebook = new_notebook(cells=[graded()])
    _, _, sent = executed(monkeypatch, tmp_path, notebook, done([[]]))
    assert sent["files"] == {"data/a.csv": "MSwy"}
    assert sent["canary"] is True


def test_a_canary_that_passed_flags_the_submission(monkeypatch, tmp_path, caplog):
    _, resources, _ = executed(
        monkeypatch, tmp_path, new_notebook(cells=[graded()]), done([[]], canary="passed")
    )
    assert resources["nbgrader"]["flagged"]
    assert "a check that must fail has passed" in caplog.text


def test_a_sandbox_that_fails_is_one_sentence(monkeypatch, tmp_path):
    failed = {"state": "failed", "outcome": {"note": "The sandbox was away."}}
    with pytest.raises(GradingError, match=r"^The sandbox was away\.$"):
        executed(monkeypatch, tmp_path, new_notebook(cells=[graded()]), failed)


def test_outputs_are_limited_by_bytes_and_made_of_what_is_known():
    endless = {"output_type": "stream", "name": "stdout", "text": "x" * 10**6}
    odd = {"output_type": "display_data", "data": {"text/html": 7, "application/javascript": "evil()"}}
    read = outputs.read([endless, endless, odd, "no output", {"output_type": "comm"}], 1000)
    assert [each.output_type for each in read] == ["stream", "stream", "display_data"]
    assert len("".join(each.get("text", "") for each in read)) < 1200
    assert "application/javascript" not in read[2].data
    assert outputs.read("nonsense") == []


def test_autograde_never_starts_a_kernel():
    steps = autograde.SandboxAutograde(coursedir=None).autograde_preprocessors
    assert "Execute" not in {each.__name__ for each in steps}
    autograde.install()
    assert autograde.nbgrader.apps.api.Autograde is autograde.SandboxAutograde


# ---- feedback ----

HIDDEN = """assert add(1, 2) == 3
### BEGIN HIDDEN TESTS
assert add(40, 2) == 42, "forty and two"
### END HIDDEN TESTS"""


def test_feedback_leaves_out_hidden_tests_wherever_they_are_quoted():
    quoting = new_output("error", ename="AssertionError", evalue="forty and two", traceback=["== 42"])
    stolen = new_output("stream", name="stdout", text="assert \x1b[31madd(40, 2)\x1b[0m == 42,'forty'")
    stolen.text = 'a = """assert add(40, 2) == 42, "forty and two" """'
    notebook = new_notebook(
        cells=[
            new_code_cell(HIDDEN, outputs=[stolen, quoting], metadata={"nbgrader": TEST}),
            new_code_cell("print(stolen)", outputs=[stolen]),
            new_code_cell("print(1)", outputs=[new_output("stream", text="mine")]),
            new_markdown_cell("**Rubric** 2 points", metadata={"tinytorch": {"role": "rubric"}}),
            new_markdown_cell("Task\n### BEGIN MARK SCHEME\nbecause\n### END MARK SCHEME\nEnd"),
        ]
    )
    shown, _ = HideHiddenTests().preprocess(notebook, {})
    text = str([{**cell, "id": "made at random"} for cell in shown.cells])
    for secret in ("forty", "42", "Rubric", "because"):
        assert secret not in text, secret
    assert "# hidden test" in shown.cells[0].source
    assert [each.output_type for each in shown.cells[0].outputs] == ["error"]
    assert shown.cells[2].outputs[0].text == "mine"
    assert shown.cells[3].source == "Task\nEnd"


# ---- what a page may hold ----

SCRIPT = (
    "<script>window.__xss = 1</script><img src=x onerror='window.__xss = 1'><svg onload='window.__xss=1'>"
)
LINK = (
    "[click](javascript:window.__xss=1) <a href=' javascript:alert(1)'>x</a> <a href='data:text/html,x'>y</a>"
)
FAKE = (
    "<input id='t' class='score'><div class='nbgrader_cell' id='t-comment'>x</div><form action=/hub/logout>"
)


def hostile():
    """A notebook that tries what is known to work against nbconvert's pages."""
    bad = f'"><script>window.__xss = 1</script>{SCRIPT}'
    rich = {
        "text/html": SCRIPT + FAKE,
        "image/svg+xml": f"<svg>{SCRIPT}</svg>",
        "application/javascript": "window.__xss = 1",
        "application/vnd.jupyter.widget-view+json": {"model_id": bad},
        "image/png": bad,
        "text/latex": bad,
    }
    cells = [new_markdown_cell(text) for text in (SCRIPT, LINK, FAKE, f"$x<{bad}$", f"`{bad}`", f"# {bad}")]
    for form, content in rich.items():
        data = {form: content, "text/plain": "p"}
        output = new_output(
            "display_data", data=data, metadata={"width": bad, "filenames": {"image/png": bad}}
        )
        cells.append(new_code_cell("1", outputs=[output], metadata={"tags": [bad], "alt": bad}))
    cells.append(new_code_cell(bad, outputs=[new_output("stream", text=bad), new_output("error", ename=bad)]))
    cells.append(new_raw_cell(bad, metadata={"raw_mimetype": "text/html"}))
    cells.append(
        new_markdown_cell("a", metadata={"nbgrader": {**ANSWER, "grade_id": bad, "comment": SCRIPT}})
    )
    cells.append(new_markdown_cell("b", metadata={"nbgrader": {**ANSWER, "comment": SCRIPT, "score": 1.0}}))
    for cell in cells:
        cell.id = f"c{cells.index(cell)}"
    metadata = {"language_info": {"name": bad, "pygments_lexer": bad}, "title": bad, "widgets": {"x": {}}}
    return new_notebook(cells=cells, metadata=metadata)


def harmless(page, mark=None):
    """What a page holds that could run, other than the templates' own scripts."""
    soup = BeautifulSoup(page, "html.parser")
    scripts = [each for each in soup.find_all("script") if not mark or each.get("nonce") != mark]
    acting = [
        (tag.name, name, value)
        for tag in soup.find_all(True)
        for name, value in tag.attrs.items()
        if (name.startswith("on") and value not in extension.INLINE)
        or re.match(r"\s*(javascript|data:text)", str(value), re.IGNORECASE)
    ]
    own = list(soup.find_all(id=re.compile("^t($|-)")))
    foreign = soup.find_all(["svg", "iframe", "object", "embed", "form"])
    return scripts, acting, own, foreign


def test_nothing_of_a_students_runs_on_a_page_to_mark():
    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    mark = new_nonce()
    evil = '"><script>window.__xss=1</script>'
    names = ("assignment_id", "notebook_id", "submission_id", "student", "last_name", "first_name")
    resources = {**dict.fromkeys(names, evil), "index": 0, "total": 1, "base_url": "", "notebook_path": evil}
    page, _ = SafeHTMLExporter(config=config).from_notebook_node(hostile(), resources)
    assert harmless(page, mark) == ([], [], [], [])
    assert f'nonce="{mark}"' in page
    assert "cdnjs" not in page
    assert 'id="a-comment"' in page  # formgrader's own field for a comment


def test_nothing_of_a_students_runs_in_feedback():
    config = Config()
    config.HTMLExporter.template_name = "feedback"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    css = handlers.static_path + "/node_modules/bootstrap/dist/css"
    config.HTMLExporter.extra_template_paths = [css]
    evil = "<script>window.__xss=1</script>"
    about = {
        "notebook": evil,
        "score": 1,
        "max_score": 2,
        "late_penalty": 0,
        "student": evil,
        "assignment": evil,
    }
    page, _ = FeedbackExporter(config=config).from_notebook_node(hostile(), {"nbgrader": about})
    assert harmless(page) == ([], [], [], [])
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", ["<b>", 'a"b', "a\\", "a';x", "..%2f", "a\nb"])
def test_names_in_addresses_are_plain(name):
    assert not extension.NAME.fullmatch(name)
    assert extension.NAME.fullmatch("ada.l@example.edu")


# ---- who changed what ----


@pytest.fixture
def marked(empty_book, tmp_path):
    shutil.copy(empty_book, tmp_path / "gradebook.db")
    gradebook = Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}")
    gradebook.add_assignment("ps1")
    gradebook.add_notebook("p1", "ps1")
    gradebook.add_grade_cell("t", "p1", "ps1", max_score=2, cell_type="code")
    gradebook.add_solution_cell("t", "p1", "ps1")
    gradebook.add_student("ada")
    gradebook.add_submission("ps1", "ada")
    audit.install()
    yield gradebook
    sa.event.remove(audit.Session, "before_flush", audit._before_flush)
    gradebook.close()


def rows(gradebook):
    found = gradebook.db.execute(sa.select(audit.changes)).mappings()
    return [
        (row["by"], row["student"], row["cell"], row["before"], row["after"], row["why"]) for row in found
    ]


def test_points_and_comments_by_hand_are_kept_with_who_gave_them(marked):
    audit.acting.set("gus")
    grade, comment = (
        marked.find_grade("t", "p1", "ps1", "ada"),
        marked.find_comment("t", "p1", "ps1", "ada"),
    )
    grade.manual_score = 1.5
    comment.manual_comment = "Nearly."
    marked.db.commit()
    audit.acting.set(audit.SOMEBODY)
    grade.manual_score = 2.0
    marked.db.commit()
    grade.manual_score = 2.0
    marked.db.commit()
    assert sorted(rows(marked), key=str) == sorted(
        [
            ("gus", "ada", "t", None, 1.5, "points by hand"),
            ("gus", "ada", "t", None, None, "comment: Nearly."),
            ("somebody in a terminal of formgrader", "ada", "t", 1.5, 2.0, "points by hand"),
        ],
        key=str,
    )


def test_what_is_taken_back_is_not_kept(marked):
    marked.find_grade("t", "p1", "ps1", "ada").manual_score = 1.0
    marked.db.flush()
    marked.db.rollback()
    assert rows(marked) == []
