"""What a student is told of their own deadlines, and what an exam makes of each save."""

import hashlib
import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from course.calendar import Calendar, Entry, dumps, now
from course.tito import drafts, places

SOON = now().replace(microsecond=0) + timedelta(hours=1)
EXAM = Entry(opens=now() - timedelta(minutes=5), exam_minutes=60)
DRAFT = "drafts/module/counting"


def in_force(work, **modules):
    calendar = work.parent.parent / "calendar.json"
    calendar.write_text(dumps(Calendar(modules=modules)))


def told(slug, **more):
    return {"slug": slug, "due": None, "exam": None, "extended": False, "excused": False, **more}


def test_own_deadline_is_shown_and_the_class_s_where_the_service_is_away(work, tito, service, monkeypatch):
    in_force(work, counting=Entry(due=SOON))
    own = told("counting", due=(SOON + timedelta(days=400)).isoformat(), extended=True, attempts_left=1)
    service.answers["/calendar"] = {"modules": [own], "milestones": [told("sums", excused=True)]}
    year = f"{SOON + timedelta(days=400):%Y}"
    code, said = tito("status")
    assert code == 0
    assert "(your own deadline, 1 attempt left)" in said
    assert "(excused)" in said
    assert year in tito("start", "counting")[1]
    service.error = (503, b"{}")
    assert "your own deadline" not in tito("status")[1]
    assert f"{SOON:%H:%M}" in tito("status")[1]


def test_receipt_of_late_work_says_what_it_counts(work, tito, service):
    tito("start", "counting")
    receipt = service.answers
    service.states = [{"id": "r1", "kind": "module", "slug": "counting", "state": "queued"}]
    body = json.dumps({"notebook": json.loads((work / "counting.ipynb").read_text())}).encode()
    note = "It is late, and counts 80%."
    receipt["submissions/module/counting"] = {
        "id": "r1",
        "sha256": hashlib.sha256(body).hexdigest(),
        "received_at": "2026-01-01T10:00:00Z",
        "note": note,
    }
    assert note in tito("submit", "counting", "--no-wait")[1]


@pytest.fixture
def sender(work, tito, service, monkeypatch):
    tito("start", "counting")
    service.got.clear()
    in_force(work, counting=EXAM)
    return drafts.Sender(places.find())


def test_each_save_of_a_running_exam_is_sent_once(work, sender, service):
    assert sender.look() == drafts.LOOK_EVERY
    assert [path.split("/api/")[1] for path, _, _ in service.got] == [DRAFT]
    sender.look()
    assert len(service.got) == 1, "nothing was saved since"
    notebook = json.loads((work / "counting.ipynb").read_text())
    notebook["cells"][0]["source"] = "changed"
    (work / "counting.ipynb").write_text(json.dumps(notebook))
    sender.look()
    assert service.got[-1][2]["notebook"] == notebook
    assert service.got[-1][1] == "token secret"


def test_nobody_is_asked_where_no_exam_runs(work, sender, service):
    for entry in (Entry(), replace(EXAM, opens=SOON), replace(EXAM, opens=SOON - timedelta(days=30))):
        in_force(work, counting=entry)
        sender.look()
    assert service.got == []


def test_draft_is_sent_again_while_the_service_is_away_and_left_when_it_is_refused(sender, service):
    service.error = (503, b"{}")
    assert sender.look() == drafts.TRY_AGAIN
    service.error = (403, b"{}")
    assert sender.look() == drafts.LOOK_EVERY
    sender.look()
    assert len(service.got) == 2
    service.error = None
    sender._refused.clear()
    sender.look()
    assert len(service.got) == 3


def test_half_written_notebook_and_a_damaged_calendar_end_nothing(work, sender, service):
    (work / "counting.ipynb").write_text('{"cells": [')
    assert sender.look() == drafts.TRY_AGAIN
    assert service.got == []
    (work.parent.parent / "calendar.json").write_text("{")
    sent = threading.Event()
    sender.start()
    sender.saved(str(work / "counting.ipynb"))
    (work / "counting.ipynb").write_text('{"cells": []}')
    in_force(work, counting=EXAM)
    sender.look = lambda: sent.set() or 1.0
    sender.saved(str(work / "counting.ipynb"))
    assert sent.wait(30)


def test_anything_can_be_asked_and_what_the_service_says_is_shown(tito, service):
    service.answers["/exceptions"] = {"id": 7}
    code, said = tito("ask", "exceptions", '{"student": "ada", "excused": true, "why": "ill"}')
    assert (code, json.loads(said)) == (0, {"id": 7})
    assert service.got[-1][2]["why"] == "ill"
    assert tito("ask", "exceptions/7", "--delete")[0] == 0
    assert "no JSON" in tito("ask", "exceptions", "{student")[1]
    service.error = (403, b'{"error": "Only instructors see this."}')
    assert tito("ask", "exceptions") == (1, "Only instructors see this.\n")


def test_server_outside_of_a_classroom_follows_nothing(work, monkeypatch):
    drafts.follow(None)
