"""Handing in again what got no answer: with the same key it is stored once, and tells nothing of others."""

import asyncio
import json

import pytest
import sqlalchemy as sa

from grading.queue import Queue
from grading.tests.postgresql import BOTH
from grading.tests.running_api import BODY, MODULE

pytestmark = BOTH
KEY = "0123456789abcdef" * 2
OTHER = json.dumps({"notebook": {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}}).encode()


async def hand_in(api, key=KEY, body=BODY, token="token-ann", path=MODULE):
    return await api.hand_in(path, body, token, headers={"Idempotency-Key": key})


async def test_the_same_again_gives_the_same_receipt_and_is_stored_once(api):
    first = await hand_in(api)
    again = await hand_in(api)
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert first[1]["id"] == KEY
    assert api.kept() == (1, 1)


async def test_the_same_twice_at_once_is_stored_once(api):
    answers = await asyncio.gather(*(hand_in(api) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({json.dumps(receipt) for _, receipt in answers}) == 1
    assert api.kept() == (1, 1)
    assert api.service.store.read(KEY) == BODY


async def test_what_a_kill_cut_off_between_file_and_row_is_taken_again(api):
    upload = api.service.store.upload(KEY)
    upload.write(BODY[:100])
    upload.keep()  # and the process is killed here
    status, receipt = await hand_in(api)
    assert status == 201
    assert api.service.store.read(receipt["id"]) == BODY
    assert api.kept() == (1, 1)


@pytest.mark.parametrize(
    "other", [{"body": OTHER}, {"token": "token-bob"}, {"token": "token-bob", "body": OTHER}]
)
async def test_key_of_another_submission_is_refused_and_tells_nothing_of_it(api, other):
    await hand_in(api)
    status, answer = await hand_in(api, **other)
    assert status == 409
    assert "used for another submission" in answer["error"]
    assert not any(word in json.dumps(answer) for word in ("ann", "bob", "toy"))
    assert api.kept() == (1, 1)
    assert api.service.store.read(KEY) == BODY


async def test_other_bytes_under_one_key_at_once_never_spoil_what_has_a_receipt(api):
    answers = await asyncio.gather(*(hand_in(api, body=body) for body in [BODY, OTHER] * 4))
    stored = api.service.store.read(KEY)
    assert {status for status, _ in answers} == {200, 201, 409}
    receipts = [answer for status, answer in answers if status != 409]
    assert {receipt["sha256"] for receipt in receipts} == {api.service.queue.find(KEY).sha256}
    assert stored in (BODY, OTHER)
    assert len(receipts) == 4
    assert api.kept() == (1, 1)


@pytest.mark.parametrize("key", ["", "A" * 32, "0" * 31, "../" * 11, "0" * 33, "x' OR 1=1 --"])
async def test_key_that_is_none_is_refused(api, key):
    status, answer = await hand_in(api, key)
    if key:
        assert (status, api.kept()) == (400, (0, 0))
        assert "Idempotency-Key" in answer["error"]
    else:
        assert status == 201, "an empty one is none"


async def test_who_has_the_most_waiting_still_gets_a_lost_receipt(api):
    await hand_in(api)
    for _ in range(19):
        assert (await api.hand_in())[0] == 201
    assert (await api.hand_in())[0] == 429
    assert (await hand_in(api))[0] == 200


async def test_row_whose_answer_was_lost_keeps_its_file(api, monkeypatch):
    add = Queue.add

    def lost(*arguments):
        add(*arguments)
        raise sa.exc.OperationalError("COMMIT", {}, Exception("server closed the connection"))

    monkeypatch.setattr(Queue, "add", lost)
    assert (await hand_in(api))[0] == 503
    monkeypatch.undo()
    assert (await hand_in(api))[0] == 200
    assert api.service.store.read(KEY) == BODY
