"""The API and the pages, over HTTP, with a stand-in for the hub behind them."""

import asyncio
import errno
import hashlib
import json
import re

import pytest
import sqlalchemy as sa
from tornado.httpclient import HTTPClientError

from grading.api.app import MOST_BODY
from grading.queue import Queue
from grading.results import CheckMark, Result
from grading.store import Upload
from grading.tests import toy_course
from grading.tests.running_api import BODY, MODULE, PREFIX


def marked(api, double=1.0, reasons=("Doubling: it is 1; 2 was expected.",)):
    lease = api.service.queue.lease()
    first = CheckMark("check-toy-double", double, 2.0, list(reasons))
    result = Result([first, CheckMark("check-toy-shuffle", 3.0, 3.0)], ["A note."])
    api.service.queue.finish(lease, result)


async def test_receipt_comes_when_the_submission_is_on_disk_and_queued(api):
    status, receipt = await api.hand_in()
    assert status == 201
    assert receipt["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert (receipt["kind"], receipt["slug"]) == ("module", "toy")
    assert receipt["received_at"].endswith("Z")
    assert api.service.store.read(receipt["id"]) == BODY, "it is kept byte for byte"
    assert api.kept() == (1, 1)
    status, view = await api.json(f"api/submissions/{receipt['id']}")
    assert (status, view["state"], view["checks"]) == (200, "queued", [])


async def test_submission_may_be_larger_than_other_requests(api):
    object.__setattr__(api.service.settings, "submission_max_bytes", 5 * MOST_BODY)
    status, receipt = await api.hand_in(body=BODY + b" " * 4 * MOST_BODY)
    assert status == 201
    assert len(api.service.store.read(receipt["id"])) > 4 * MOST_BODY


async def test_mark_with_its_reasons_comes_back(api):
    _, receipt = await api.hand_in()
    marked(api)
    _, view = await api.json(f"api/submissions/{receipt['id']}")
    assert (view["state"], view["score"], view["max_score"]) == ("graded", 4.0, 5.0)
    assert view["checks"][0]["reasons"] == ["Doubling: it is 1; 2 was expected."]
    assert view["notes"] == ["A note."]
    assert not {"seed", "attempts", "lease_token"} & view.keys()
    _, marks = await api.json("api/marks")
    assert [each["slug"] for each in marks["modules"]] == ["toy"]


async def test_former_mark_stays_while_the_next_is_waited_for(api):
    await api.hand_in()
    marked(api)
    await api.hand_in()
    _, marks = await api.json("api/marks")
    assert marks["modules"][0]["state"] == "queued"
    assert marks["modules"][0]["previous"]["score"] == 4.0


async def test_student_sees_only_their_own(api):
    _, receipt = await api.hand_in()
    status, answer = await api.json(f"api/submissions/{receipt['id']}", "token-bob")
    assert (status, answer) == (404, {"error": "You have no such submission."})
    assert (await api.json("api/marks", "token-bob"))[1]["modules"] == []
    assert (await api.json(f"api/submissions/{receipt['id']}", "token-ada"))[0] == 404


@pytest.mark.parametrize(
    ("token", "status"),
    [(None, 401), ("wrong", 401), ("", 401), ("token-out", 403), ("token-service", 403)],
)
async def test_nobody_unknown_hands_in_or_sees_marks(api, token, status):
    assert (await api.hand_in(token=token))[0] == status
    assert (await api.json("api/marks", token))[0] == status
    assert api.kept() == (0, 0)


async def test_hub_that_is_away_is_said_so(api):
    api.hub.app.settings["away"] = True
    status, answer = await api.hand_in()
    assert status == 503
    assert "hub does not answer" in answer["error"]
    assert api.kept() == (0, 0)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("factor", [1.01, 3, 6])
async def test_oversized_submission_is_refused_and_nothing_kept(api, chunked, factor):
    size = int(api.service.settings.submission_max_bytes * factor)

    async def body(write):
        for _ in range(0, size, 10_000):
            await write(b" " * 10_000)

    sent = {"body_producer": body} if chunked else {"body": b" " * size}
    try:
        answer = await api.ask(MODULE, method="POST", **sent)
    except (HTTPClientError, OSError):
        assert factor > 4, "whoever sends a little too much must hear why"
    else:
        assert answer.code == 413
        assert "larger than 200,000 bytes" in json.loads(answer.body)["error"]
    assert api.kept() == (0, 0)


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (MODULE, b"no json", 400, "not readable as JSON"),
        (MODULE, b'{"notebook": 1}', 400, "holds no notebook"),
        ("api/submissions/module/nothing", BODY, 404, "There is no module 'nothing'"),
        ("api/submissions/module/future", BODY, 400, "not available yet"),
        ("api/submissions/milestone/flight", BODY, 400, "not available yet"),
        ("api/submissions/milestone/sign", BODY, 400, "'files' must hold"),
        ("api/submissions/module/%2e%2e", BODY, 404, "There is no module"),
        ("api/nothing", BODY, 404, "nothing here"),
    ],
)
async def test_what_cannot_be_graded_is_refused_in_one_sentence(api, path, body, status, said):
    answered, answer = await api.hand_in(path, body)
    assert answered == status
    assert said in answer["error"]
    assert api.kept() == (0, 0)


@pytest.mark.parametrize("method", ["write", "keep"])
async def test_full_disk_is_said_so_and_nothing_is_half_done(api, method, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Upload, method, full)
    status, answer = await api.hand_in()
    assert status == 507
    assert "no room left" in answer["error"]
    assert api.kept() == (0, 0)


async def test_database_that_is_full_gives_no_receipt_and_keeps_nothing(api, monkeypatch):
    def full(*_):
        raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(Queue, "add", full)
    assert (await api.hand_in())[0] == 507
    assert api.kept() == (0, 0)


async def test_upload_that_breaks_off_leaves_nothing(api):
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    lines = [f"POST {PREFIX}{MODULE} HTTP/1.1", "Host: a", "Authorization: token token-ann"]
    head = "\r\n".join([*lines, "Content-Length: 9999", "", ""])
    writer.write(head.encode() + b"x" * 500)
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()
    await asyncio.sleep(0.3)
    assert api.kept() == (0, 0)


async def test_what_a_killed_api_left_behind_is_cleared_away(api):
    upload = api.service.store.upload("0" * 32)
    upload.write(b"half")
    api.service.store.prepare()
    assert api.kept() == (0, 0)


async def test_flood_of_submissions_by_one_student_is_slowed(api):
    answers = [await api.hand_in() for _ in range(21)]
    assert [status for status, _ in answers] == [201] * 20 + [429]
    assert (await api.hand_in(token="token-bob"))[0] == 201


async def test_large_notebook_does_not_hold_up_others(api):
    big = json.dumps({"notebook": {**toy_course.notebook({}), "cells": [
        {"cell_type": "code", "source": "", "metadata": {}}] * 3000}}).encode()  # fmt: skip
    assert len(big) < 200_000
    answers = await asyncio.gather(api.hand_in(body=big), *(api.json("health", None) for _ in range(5)))
    assert [status for status, _ in answers] == [201] + [200] * 5


async def test_health_tells_whether_work_can_be_done(api):
    assert await api.json("health", None) == (200, {"status": "ok"})
    assert await api.json("api/health", None) == (200, {"status": "ok"})
    api.service.store.incoming.rmdir()
    assert (await api.json("health", None))[0] == 503


async def test_page_shows_marks_and_reasons(api):
    await api.hand_in()
    marked(api)
    page = (await api.ask("")).body.decode()
    assert "Toy" in page
    assert "Doubling: it is 1; 2 was expected." in page
    assert "Points missing" in page
    assert "Coming later" in page


async def test_page_escapes_everything_and_runs_no_script(api):
    await api.hand_in(token="token-eve")
    marked(api, reasons=["<img src=x onerror=alert(1)>", "{{ 7 * 7 }}"])
    answer = await api.ask("", "token-eve")
    page = answer.body.decode()
    nonce = re.search(r'<script src="[^"]*/static/live.js" nonce="([^"]+)" defer></script>', page)
    assert page.count("<script") == 1, "only the service's own runs"
    assert "<img src=x" not in page
    assert "{{ 7 * 7 }}" in page
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"script-src 'nonce-{nonce[1]}'" in policy, "nothing else may run, wherever it comes from"
    assert "Server" not in answer.headers
    listed = (await api.ask("class", "token-ada")).body.decode()
    assert listed.count("<script") == 1
    assert "&lt;script&gt;" in listed


async def test_page_looks_again_while_something_is_marked(api):
    await api.hand_in()
    assert b"refresh" in (await api.ask("")).body
    marked(api)
    assert b"refresh" not in (await api.ask("")).body


async def test_stranger_is_sent_to_the_hub_to_sign_in(api):
    answer = await api.ask("", None)
    assert answer.code == 302
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize")


async def test_class_list_is_for_staff(api):
    await api.hand_in()
    marked(api)
    assert (await api.ask("class", "token-bob")).code == 403
    page = (await api.ask("class", "token-ada")).body.decode()
    assert "Toy" in page
    assert '<bdi class="person">ann</bdi>' in page
    assert "Class</a>" in (await api.ask("", "token-ada")).body.decode()
    assert "Class</a>" not in (await api.ask("")).body.decode()


async def test_wrong_address_is_a_friendly_page(api):
    answer = await api.ask("nowhere")
    assert answer.code == 404
    assert b"There is nothing here." in answer.body


async def test_style_sheet_is_served_to_anybody(api):
    answer = await api.ask("static/grading.css", None)
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "text/css"


async def test_metrics_tell_depth_age_and_receipts(api):
    await api.hand_in()
    await api.hand_in(body=b"no json")
    registry = api.service.metrics.registry
    assert registry.get_sample_value("grading_queue_depth") == 1
    assert registry.get_sample_value("grading_queue_oldest_seconds") >= 0
    assert registry.get_sample_value("grading_receipts_total", {"kind": "module"}) == 1
    assert registry.get_sample_value("grading_refused_total", {"status": "400"}) == 1
