"""The exchange's routes, as an instructor, a student and an attacker with a student's token meet them."""

import base64
import json
from datetime import datetime, timezone

import pytest

from course.calendar import Calendar, Entry, dumps
from grading import bodies
from grading.tests import hub_stand_in, toy_course

NOTEBOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
ALL = "api/exchange/assignments"
MODULE = json.dumps({"notebook": toy_course.notebook(toy_course.UNSOLVED)})


def files(**named):
    given = {name.replace("__", "."): text for name, text in (named or {"problem1__ipynb": NOTEBOOK}).items()}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in given.items()}
    return json.dumps({"files": encoded}).encode()


async def release(api, name="ps1", body=None, token="token-ada", query=""):
    return await api.json(f"api/exchange/releases/{name}{query}", token, method="PUT", body=body or files())


async def hand_in(api, name="ps1", body=None, token="token-ann", **kwargs):
    return await api.hand_in(f"api/submissions/assignment/{name}", body or files(), token, **kwargs)


def opens_later(api, name):
    entry = Entry(opens=datetime(2999, 1, 1, tzinfo=timezone.utc))
    published = dumps(Calendar(assignments={name: entry}))
    (api.service.settings.calendar / "public" / "calendar.json").write_text(published)


async def names(api, token="token-ann"):
    status, found = await api.json(ALL, token)
    assert status == 200
    return [each["name"] for each in found["assignments"] if each["kind"] == "assignment"]


async def test_assignment_goes_from_release_to_feedback(api):
    assert (await release(api))[0] == 200
    status, fetched = await api.json(f"{ALL}/ps1")
    assert base64.b64decode(fetched["files"]["problem1.ipynb"]).decode() == NOTEBOOK

    status, receipt = await hand_in(api)
    assert (status, receipt["kind"]) == (201, "assignment")
    status, listed = await api.json("api/exchange/submissions?assignment=ps1", "token-ada")
    (theirs,) = listed["submissions"]
    assert (theirs["student"], theirs["id"], theirs["sha256"]) == ("ann", receipt["id"], receipt["sha256"])
    collected = await api.json(f"api/exchange/submissions/{receipt['id']}/files", "token-ada")
    assert collected[1]["files"] == fetched["files"]
    assert api.service.queue.lease() is None  # nbgrader marks it, not our workers

    page = files(problem1__html="<p>Well done</p>")
    place = f"api/exchange/feedback/ps1/ann/{receipt['id']}"
    assert (await api.json(place, "token-ada", method="PUT", body=page))[0] == 200
    _, seen = await api.json(ALL)
    assert list(seen["submissions"][0]["feedback"]) == ["problem1.html"]
    _, mine = await api.json(f"api/exchange/feedback/ps1/{receipt['id']}")
    assert base64.b64decode(mine["files"]["problem1.html"]) == b"<p>Well done</p>"


async def test_modules_are_listed_and_go_to_the_probes(api):
    _, seen = await api.json(ALL)
    assert [(each["name"], each["kind"]) for each in seen["assignments"]] == [("toy", "module")]
    _, fetched = await api.json(f"{ALL}/toy")
    assert json.loads(base64.b64decode(fetched["files"]["toy.ipynb"]))["metadata"]["tinytorch"]
    _, receipt = await api.hand_in(body=MODULE)
    assert api.service.queue.lease().submission.id == receipt["id"]
    _, collected = await api.json(f"api/exchange/submissions/{receipt['id']}/files")
    assert list(collected["files"]) == ["toy.ipynb"]


async def test_other_files_under_a_released_name_need_force_and_former_ones_stay(api):
    await release(api)
    former = api.service.store.folder
    assert (await release(api))[0] == 200  # the same once more
    other = files(problem2__ipynb=NOTEBOOK)
    status, answer = await release(api, body=other)
    assert (status, "--force" in answer["error"]) == (409, True)
    assert len(list(former.glob("??/*.json"))) == 1
    assert (await release(api, body=other, query="?force=yes"))[0] == 200
    _, seen = await api.json(ALL)
    assert seen["assignments"][0]["notebooks"] == ["problem2"]
    assert len(list(former.glob("??/*.json"))) == 2


async def test_assignment_can_be_taken_back_and_what_came_in_stays(api):
    await release(api)
    _, receipt = await hand_in(api)
    assert (await api.json("api/exchange/releases/ps1", "token-ada", method="DELETE"))[0] == 200
    assert await names(api) == []
    assert (await hand_in(api))[0] == 404
    _, seen = await api.json(ALL)
    assert [each["id"] for each in seen["submissions"]] == [receipt["id"]]


async def test_student_sees_no_assignment_before_it_opens(api):
    opens_later(api, "ps1")
    await release(api)
    assert await names(api) == []
    assert await names(api, "token-ada") == ["ps1"]
    unknown = await api.json(f"{ALL}/ps2")
    closed = await api.json(f"{ALL}/ps1")
    assert unknown[0] == closed[0] == 404
    assert unknown[1]["error"].replace("ps2", "ps1") == closed[1]["error"]
    assert (await hand_in(api))[0] == 404
    assert (await api.json(f"{ALL}/ps1", "token-ada"))[0] == 200
    assert (await hand_in(api, token="token-ada"))[0] == 201  # staff try it before it opens


async def test_student_reaches_nothing_that_is_anothers_or_the_staffs(api):
    await release(api)
    _, receipt = await hand_in(api)
    place = f"api/exchange/feedback/ps1/ann/{receipt['id']}"
    await api.json(place, "token-ada", method="PUT", body=files(problem1__html="Good"))
    kept = api.kept()
    for path, method, status in [
        ("releases/ps2", "PUT", 403),
        ("releases/ps1?force=yes", "PUT", 403),
        ("releases/ps1", "DELETE", 403),
        (f"feedback/ps1/ann/{receipt['id']}", "PUT", 403),
        (f"feedback/ps1/bob/{receipt['id']}", "PUT", 403),
        (f"submissions/{receipt['id']}/files", "GET", 404),
        (f"feedback/ps1/{receipt['id']}", "GET", 404),
        (f"submissions/{'0' * 32}/files", "GET", 404),
    ]:
        body = files() if method == "PUT" else None
        answer = await api.json(f"api/exchange/{path}", "token-bob", method=method, body=body)
        assert (path, answer[0]) == (path, status)
        assert answer[1]["error"].endswith(".")
    for query in ("", "?student=ann", "?assignment=ps1", "?student=ann&assignment=ps1"):
        assert await api.json(f"api/exchange/submissions{query}", "token-bob") == (200, {"submissions": []})
    _, seen = await api.json(ALL, "token-bob")
    assert seen["submissions"] == []
    for token in ("", "token-of-nobody", "token-out"):
        assert (await api.json(ALL, token))[0] in (401, 403)
        assert (await hand_in(api, token=token))[0] in (401, 403)
    assert api.kept() == kept


async def test_grader_collects_and_releases_nothing(api, monkeypatch):
    grader = {"name": "gil", "kind": "user", "groups": ["role-grader"], "scopes": [hub_stand_in.SCOPE]}
    monkeypatch.setitem(hub_stand_in.USERS, "token-gil", grader)
    await release(api)
    _, receipt = await hand_in(api)
    _, listed = await api.json("api/exchange/submissions", "token-gil")
    assert [each["id"] for each in listed["submissions"]] == [receipt["id"]]
    assert (await release(api, "ps2", token="token-gil"))[0] == 403


async def test_feedback_for_what_a_student_did_not_hand_in_is_refused(api):
    await release(api)
    _, receipt = await hand_in(api)
    for place in (f"ps1/bob/{receipt['id']}", f"ps2/ann/{receipt['id']}", f"ps1/ann/{'0' * 32}"):
        status, answer = await api.json(
            f"api/exchange/feedback/{place}", "token-ada", method="PUT", body=files()
        )
        assert status == 404
        assert "handed in no" in answer["error"]


async def test_same_key_and_files_give_the_same_receipt_even_if_it_was_the_days_last(api, monkeypatch):
    monkeypatch.setattr("grading.api.submissions.MOST_A_DAY", 1)
    await release(api)
    headers = {"Authorization": "token token-ann", "Idempotency-Key": "ab" * 16}
    path = "api/submissions/assignment/ps1"
    from tornado.httpclient import AsyncHTTPClient

    url = f"http://127.0.0.1:{api.port}/services/grading/{path}"
    answers = [
        await AsyncHTTPClient().fetch(url, method="POST", body=files(), headers=headers) for _ in range(2)
    ]
    assert [each.code for each in answers] == [201, 200]
    assert answers[0].body == answers[1].body


async def test_submissions_of_one_day_are_limited(api, monkeypatch):
    monkeypatch.setattr("grading.api.submissions.MOST_A_DAY", 1)
    await release(api)
    assert (await hand_in(api))[0] == 201
    status, answer = await hand_in(api)
    assert (status, "tomorrow" in answer["error"]) == (429, True)


@pytest.mark.parametrize(
    "name", ["toy", "milestone-sign", ".hidden", "a+b", "%2e%2e", "x" * 65, "a%2Fb", "a%0Ab"]
)
async def test_names_that_are_taken_or_no_names_are_refused(api, name):
    status, answer = await release(api, name)
    assert status in (400, 404)
    assert answer["error"].endswith(".")
    assert api.kept()[0] == 0


TOO_DEEP = "/".join("abcdefghi") + ".py"
BAD_PATHS = [
    "../up.py", "a/../../up.py", "/etc/passwd", "a//b.py", "./a.py", "a/.", "..", "", "a/",
    ".bashrc", "a/.git/config", "a\\b.py",
    "a\nb.py", "a\x00.py", "a\u202eb.py", " a.py", "a .py/ b", TOO_DEEP,
    "x" * 201, "\u00fc" * 140, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS, ids=range(len(BAD_PATHS)))
def test_file_that_would_lie_elsewhere_is_refused(path):
    with pytest.raises(bodies.Refused, match="cannot be taken"):
        bodies.check("assignment", "ps1", json.dumps({"files": {path: ""}}).encode())


TWINS = [("a.py", "A.py"), ("a", "a/b"), ("a/b", "a"), ("D/x", "d/y"), ("\u00fc", "u\u0308"), ("ß", "ss")]


@pytest.mark.parametrize("pair", TWINS)
def test_two_files_that_are_one_on_some_disks_are_refused(pair):
    with pytest.raises(bodies.Refused, match="same name"):
        bodies.check("assignment", "ps1", json.dumps({"files": dict.fromkeys(pair, "")}).encode())


@pytest.mark.parametrize(
    "content",
    [None, {}, [], {"a.py": 1}, {"a.py": "no base64!"}, {"a.py": "YQ"}, {f"{n}.py": "" for n in range(201)}],
    ids=range(7),
)
def test_what_are_no_files_is_refused(content):
    with pytest.raises(bodies.Refused):
        bodies.check("assignment", "ps1", json.dumps({"files": content}).encode())


def test_plain_files_in_folders_are_taken():
    kept = {"problem 1.ipynb": "", "data/images/für alle.png": "YQ==", "data/x": "", "tests.txt": ""}
    bodies.check("assignment", "ps1", json.dumps({"files": kept}).encode())
