"""A student's requests to the grading service: from their server's own token, from a browser, from nowhere."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

import pytest
import requests

from tests.classroom import Classroom, Student, wait_for
from tests.submissions import notebook, right

# What only staff may ask for: method and address. What is missing here is a student's own, or everybody's.
STAFF_ONLY = [
    ("GET", "restores"),
    ("GET", "hints"),
    ("GET", "guesses/setup"),
    ("POST", "people"),
    ("GET", "exceptions"),
    ("POST", "exceptions"),
    ("DELETE", "exceptions/1"),
    ("GET", "milestones/class"),
    ("POST", "milestones/retrain/" + "0" * 32),
    ("POST", "regrades"),
    ("GET", "regrades"),
    ("POST", "regrades/" + "0" * 32 + "/apply"),
    ("POST", "executions"),
    ("GET", "executions/" + "0" * 32),
    ("GET", "allocation?assignment=setup"),
    ("GET", "exports/canvas.csv"),
    ("GET", "exports/moodle.csv"),
    ("GET", "exports/marks.csv"),
    ("GET", "exports/code.zip?kind=module&slug=setup"),
    ("PUT", "exchange/releases/ps1"),
    ("PUT", "exchange/feedback/ps1/grace/" + "0" * 32),
]
PAGES = ["class", "class/modules", "class/stuck", "class/queue", "class/by-hand", "class/student?name=grace"]


def handed_in(student: Student, slug: str = "setup", **options: Any) -> tuple[int, dict[str, Any]]:
    status, text = student.grading(
        "POST", f"submissions/module/{slug}", json.dumps({"notebook": right(slug)}), **options
    )
    return status, json.loads(text)


@pytest.mark.parametrize(("method", "address"), STAFF_ONLY)
def test_student_is_refused_what_is_staffs(mallory: Student, method: str, address: str) -> None:
    body = "{}" if method in ("POST", "PUT") else None
    status, text = mallory.grading(method, address, body)
    assert status == 403, text
    assert json.loads(text)["error"].endswith(".")


@pytest.mark.parametrize("page", PAGES)
def test_student_is_refused_the_classs_pages(classroom: Classroom, mallory: Student, page: str) -> None:
    answer = mallory.session.get(f"{classroom.url}services/grading/{page}", timeout=60)
    assert answer.status_code == 403
    assert "grace" not in answer.text


@pytest.mark.parametrize("token", ["", "token ", "token nonsense", "Bearer " + "0" * 64, "Basic YTpi"])
@pytest.mark.parametrize("address", ["marks", "milestones", "exports/marks.csv", "exchange/assignments"])
def test_nobody_without_a_token_is_told_anything(mallory: Student, token: str, address: str) -> None:
    status, text = mallory.grading("GET", address, None, token)
    assert status in (401, 403)
    assert set(json.loads(text)) == {"error"}


def test_token_that_was_taken_back_is_worth_nothing(classroom: Classroom, mallory: Student) -> None:
    made = mallory.api("POST", f"users/{mallory.name}/tokens", json={"note": "short", "expires_in": 1})
    assert made.status_code == 201, made.text
    token = f"token {made.json()['token']}"
    time.sleep(2)
    assert mallory.grading("GET", "marks", None, token)[0] in (401, 403)


def test_cookie_of_a_browser_is_no_token_for_the_api(classroom: Classroom, mallory: Student) -> None:
    """So another site's form or script, which the browser sends cookies with, can do nothing."""
    page = mallory.session.get(f"{classroom.url}services/grading/", timeout=60)
    assert page.ok
    for method, address in (("GET", "marks"), ("POST", "submissions/module/setup"), ("POST", "exceptions")):
        answer = mallory.session.request(
            method, f"{classroom.url}services/grading/api/{address}", data="{}", timeout=60
        )
        assert answer.status_code == 401, answer.text


def test_form_from_another_site_changes_nothing(classroom: Classroom) -> None:
    (hopper,) = classroom.enrol("hopper", role="instructor")
    record = f"{classroom.url}services/grading/class/student?name=grace"
    assert hopper.session.get(record, timeout=60).ok
    form = {"excused": "yes", "why": "forged", "kind": "module", "slug": "setup", "student": "grace"}
    origin = {"Origin": "https://elsewhere.example", "Referer": "https://elsewhere.example/"}
    for headers in (origin, {}):
        answer = hopper.session.post(record, data=form, headers=headers, timeout=60)
        assert answer.status_code == 403, answer.text[:500]
    assert "forged" not in hopper.session.get(record, timeout=60).text


@pytest.mark.parametrize(
    "name",
    ["' OR '1'='1", "x'; DROP TABLE submissions; --", "%", "_", "../../etc/passwd", "\u202egpj", "a" * 300],
)
def test_name_that_is_sql_or_a_path_is_only_a_name(mallory: Student, name: str) -> None:
    quoted = requests.utils.quote(name, safe="")
    for address in (f"submissions/{quoted}", f"reference/{quoted}", f"exchange/assignments/{quoted}"):
        status, text = mallory.grading("GET", address)
        assert status in (400, 403, 404), text
        assert "grace" not in text
    status, text = mallory.grading(
        "POST", f"submissions/module/{quoted}", json.dumps({"notebook": right("setup")})
    )
    assert status == 404, text
    assert handed_in(mallory)[0] == 201


def test_receipt_of_somebody_else_is_worth_nothing(grace: Student, mallory: Student) -> None:
    status, receipt = handed_in(grace)
    assert status == 201
    assert mallory.grading("GET", f"submissions/{receipt['id']}")[0] == 404
    replay = (
        "import os, sys, urllib.error, urllib.request\n"
        "request = urllib.request.Request(os.environ['TT_GRADING_URL'] + 'api/submissions/module/setup', sys.stdin.buffer.read(),"
        " {'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN'], 'Idempotency-Key': sys.argv[1]})\n"
        "try: answer = urllib.request.urlopen(request)\n"
        "except urllib.error.HTTPError as error: answer = error\n"
        "print(answer.status, answer.read().decode())"
    )
    body = json.dumps({"notebook": right("setup")})
    said = mallory.shell(f'python3 -c "{replay}" {receipt["id"]}', stdin=body).stdout
    assert said.startswith("409 "), said
    assert "grace" not in said


@pytest.mark.parametrize(
    "path",
    [
        "../ps1.ipynb",
        "/etc/passwd",
        "a/../../b.py",
        "a//b.py",
        ".",
        "",
        "a\u0000b",
        "a\nb",
        "..",
        "C:\\x",
        "~/.bashrc",
        "x" * 300,
    ],
)
def test_file_is_never_written_outside_its_folder(mallory: Student, path: str) -> None:
    files = {path: base64.b64encode(b"x").decode()}
    status, text = mallory.grading("POST", "exchange/submissions/ps1", json.dumps({"files": files}))
    assert status in (400, 403, 404), text


def test_archive_is_kept_as_it_is_and_never_unpacked(mallory: Student) -> None:
    """A zip bomb is what unpacks; nothing here does."""
    bomb = "import io, sys, zipfile\nfile = io.BytesIO()\nwith zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('x', bytes(200_000_000))\nsys.stdout.buffer.write(file.getvalue())"
    made = mallory.shell(f'python3 -c "{bomb}" | base64 -w0').stdout
    status, _ = mallory.grading("POST", "submissions/module/setup", made)
    assert status == 400
    body = json.dumps({"notebook": right("setup"), "extra.zip": made})
    assert mallory.grading("POST", "submissions/module/setup", body)[0] == 201


HUGE = """
import http.client, os, urllib.parse
url = urllib.parse.urlsplit(os.environ["TT_GRADING_URL"])
connection = http.client.HTTPConnection(url.netloc, timeout=60)
connection.putrequest("POST", url.path + "api/submissions/module/setup")
connection.putheader("Authorization", "token " + os.environ["JUPYTERHUB_API_TOKEN"])
connection.putheader("Content-Length", "100000000")
connection.endheaders()
try:
    for _ in range(100):
        connection.send(b"x" * 1_000_000)
except OSError:
    pass
print(connection.getresponse().read().decode())
"""


def test_notebook_of_100_megabytes_is_refused_and_its_sender_told(mallory: Student) -> None:
    sent = mallory.shell("python3 -", stdin=HUGE)
    assert "is larger than" in sent.stdout, sent.stdout + sent.stderr
    assert handed_in(mallory)[0] == 201


def test_notebook_of_100_000_cells_is_marked_like_any_other(classroom: Classroom, mallory: Student) -> None:
    book = right("setup")
    book["cells"] += [{"cell_type": "markdown", "metadata": {}, "source": "x"} for _ in range(100_000)]
    status, text = mallory.grading("POST", "submissions/module/setup", json.dumps({"notebook": book}))
    assert status in (201, 400), text
    if status == 201:
        graded = classroom.submission(mallory, json.loads(text)["id"])
        assert graded["state"] == "graded"
        assert graded["score"] == graded["max_score"]


SCRIPT = "<script>window.__xss=1</script><img src=x onerror=window.__xss=1>"


def test_script_in_a_notebook_or_an_error_is_text_on_every_page(
    classroom: Classroom, mallory: Student
) -> None:
    book = notebook("setup", "student")
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "data": {"text/html": SCRIPT}, "metadata": {}}]
        if cell["metadata"].get("tinytorch", {}).get("role") == "exercise":
            text = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            cell["source"] = text.replace("raise NotImplementedError(", f"raise RuntimeError({SCRIPT!r} + ")
    status, text = mallory.grading("POST", "submissions/module/setup", json.dumps({"notebook": book}))
    assert status == 201, text
    graded = classroom.submission(mallory, json.loads(text)["id"])
    assert "__xss" in json.dumps(graded["checks"]), "the attack did not arrive"
    (hopper,) = classroom.enrol("hopper", role="instructor")
    for reader, page in ((mallory, ""), (mallory, "module/setup"), (hopper, "class/student?name=mallory")):
        answer = reader.session.get(f"{classroom.url}services/grading/{page}", timeout=60)
        assert answer.ok, page
        assert "<script>window" not in answer.text
        assert "<img src=x" not in answer.text
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_students_own_clock_does_not_move_a_deadline(classroom: Classroom, mallory: Student) -> None:
    before = time.time()
    body = json.dumps({"notebook": right("setup"), "received_at": "2000-01-01T00:00:00Z", "timestamp": 0})
    headers = "token " + secrets.token_hex(4)  # a wrong one, to see that it is asked for first
    assert mallory.grading("POST", "submissions/module/setup", body, headers)[0] in (401, 403)
    status, text = mallory.grading("POST", "submissions/module/setup", body)
    assert status == 201
    graded = wait_for(
        "the mark", lambda: mallory.grading("GET", f"submissions/{json.loads(text)['id']}")[1], 30
    )
    assert json.loads(graded)["received_at"] >= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before))
