"""`tito submit` and `tito mark`: handing in, and the mark with its reasons."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from course.tito import TitoError, api, places
from course.tito.places import Places
from course.tito.terminal import number, paint, result, say

WAIT = 600  # seconds; then the mark is asked for later
HELD = 20  # seconds that the service holds a question until there is a mark
PAUSES = (0.5, 0.5, 1, 1, 2, 3)  # then 5 seconds: between two questions that were not held


def submit_module(where: Places, slug: str, wait: bool) -> int:
    """Hand in a module's notebook."""
    places.module(places.manifest(where), slug)
    notebook = places.read_student(where, slug)
    say("What counts is the notebook as it is saved. Unsaved cells: Ctrl-S, then submit again.")
    return send(where, "module", slug, {"notebook": notebook}, wait)


def send(where: Places, kind: str, slug: str, content: dict[str, Any], wait: bool) -> int:
    """Send a submission, show the receipt and, if wanted, the mark."""
    body = json.dumps(content).encode()
    receipt = api.hand_in(f"submissions/{kind}/{slug}", body)
    if receipt.get("sha256") != hashlib.sha256(body).hexdigest():
        raise TitoError("What arrived is not what was sent. Please submit again.")
    places.remember(where, {"kind": kind, "slug": slug, "id": receipt["id"], "state": "queued"})
    say(f"Received {receipt['received_at']}, receipt {receipt['id']}. It is safely stored.")
    if note := receipt.get("note"):
        say(str(note))
    if not wait:
        say(f"See the mark with: tito mark {slug}")
        return 0
    return _follow(where, receipt["id"], slug)


def mark(where: Places, slug: str | None) -> int:
    """Show the mark of the last submission of a module or milestone, or of each of them."""
    known = places.remembered(where)
    wanted = [each for each in known.values() if slug in (None, each["slug"])]
    if not wanted:
        raise TitoError(f"No submission of {slug or 'yours'} is known here. Hand in with: tito submit SLUG")
    for each in wanted:
        state = api.get(f"submissions/{each['id']}")
        places.remember(where, state)
        show(state)
    return 0


def show(state: dict[str, Any]) -> None:
    """Print a submission's mark, check by check, with the reasons."""
    name = paint(state["slug"], "strong")
    if state["state"] == "failed":
        say(f"{name}: could not be graded. It is kept, and your instructor can have it graded again.")
    elif state["state"] != "graded":
        say(f"{name}: waiting to be graded. See it with: tito mark {state['slug']}")
    for check in state.get("checks") or []:
        got, most = check["points"], check["max_points"]
        result(got >= most, check["check"], f"{number(got)} of {number(most)}")
        for reason in check["reasons"]:
            say(str(reason), indent=6)
    for note in state.get("notes") or []:
        say(f"Note: {note}")
    if state["state"] == "graded":
        passed = {True: " Passed.", False: " Not passed yet.", None: ""}[state.get("passed")]
        say(f"{name}: {number(state['score'])} of {number(state['max_score'])} points.{passed}")


def _follow(where: Places, identity: str, slug: str) -> int:
    """Wait for the mark. To stop waiting loses nothing."""
    say("Waiting for the mark (Ctrl-C stops waiting, not the grading) ...")
    begun = time.monotonic()
    pauses = iter(PAUSES)
    try:
        while time.monotonic() - begun < WAIT:
            asked = time.monotonic()
            state = _marked(identity)
            if state:
                places.remember(where, state)
                show(state)
                return 0 if state["state"] == "graded" else 1
            if time.monotonic() - asked < HELD / 2:
                time.sleep(next(pauses, 5))
    except KeyboardInterrupt:
        say()
    except TitoError as error:
        say(str(error))
    say(f"Your submission is safe. See the mark with: tito mark {slug}")
    return 0


def _marked(identity: str) -> dict[str, Any] | None:
    """A submission, if it is marked; None too while the service is being replaced."""
    try:
        state: dict[str, Any] = api.get(f"submissions/{identity}?wait={HELD}")
    except api.ServiceAway:
        return None
    return state if state["state"] in ("graded", "failed") else None
