"""Who may say who is in the class, and what becomes of people who leave it."""

import json

import sqlalchemy as sa

from grading.database import people
from grading.tests import hub_stand_in


def row(name, **more):
    given = {"full_name": name.title(), "number": name, "email": "", "section": "", "role": "student"}
    return {"name": name, **given, **more}


async def tell(api, rows, at=1.0, complete=True, token="token-service"):
    message = json.dumps({"people": rows, "at": at, "complete": complete})
    return await api.ask("api/people", token, method="POST", body=message)


def known(api):
    with api.service.engine.connect() as connection:
        return {row.name: row for row in connection.execute(sa.select(people))}


async def test_only_the_roster_says_who_is_in_the_class(api, monkeypatch):
    other = hub_stand_in.USERS["token-service"] | {"name": "idle-culler"}
    monkeypatch.setitem(hub_stand_in.USERS, "token-other", other)
    person = hub_stand_in.USERS["token-ann"] | {"name": "roster"}  # somebody who signed up under that name
    monkeypatch.setitem(hub_stand_in.USERS, "token-person", person)
    for token in ("token-ann", "token-ada", "token-other", "token-person", "", "token-none"):
        answer = await tell(api, [row("ann")], token=token)
        assert answer.code in (401, 403)
    assert known(api) == {}
    assert (await tell(api, [row("ann")])).code == 204
    assert known(api)["ann"].full_name == "Ann"


async def test_rosters_token_hands_nothing_in_and_sees_no_marks(api):
    assert (await api.hand_in(token="token-service"))[0] == 403
    assert (await api.ask("api/marks", "token-service")).code == 403


async def test_who_left_is_kept_as_not_active_and_comes_back(api):
    await tell(api, [row("ann"), row("bob", section="A")])
    await tell(api, [row("ann", section="B")], at=2.0)
    assert known(api)["ann"].section == "B"
    assert (known(api)["bob"].section, known(api)["bob"].active) == ("A", False)
    await tell(api, [row("bob")], at=3.0, complete=False)
    await tell(api, [row("ann")], at=3.0)
    assert all(person.active for person in known(api).values())


async def test_what_is_no_roster_is_refused_and_changes_nothing(api):
    for rows in ([], [{}], ["ann"], [row("ann", email=7)], [row("x" * 300)], [row("a")] * 201, None):
        answer = await tell(api, rows)
        assert answer.code == 400
        assert "Send 1 to 200 people" in json.loads(answer.body)["error"]
    assert (await tell(api, [row("ann")], at="now")).code == 400
    assert (await tell(api, [row("ann")], complete=1)).code == 400
    assert known(api) == {}
