"""Exports, read back as the systems read them: by the rules of Canvas's and Moodle's own importers, whose
source grading/exports names."""

import base64
import csv
import io
import json
import re
import time
import zipfile

import pytest
import sqlalchemy as sa

from grading import database
from grading.exports import canvas, cells, code, table
from grading.tests.toy_course import SOLVED, UNSOLVED, notebook

NASTY = '=HYPERLINK("http://x";"y"), "Ann"\n\u202eAnn\u202c; ann'
PEOPLE = [
    {"name": "ann", "full_name": NASTY, "number": "S-1", "email": "Ann@Example.edu", "section": "A"},
    {
        "name": "bob",
        "full_name": "O'Brien, Bob",
        "number": "S-2",
        "email": "bob@example.edu",
        "section": "@B",
    },
    {"name": "cyd", "full_name": "Cyd", "number": "S-3", "email": "=cmd@example.edu", "section": ""},
]
STANDING = {
    "newest": None, "counted": None, "attempts": 1, "automatic": 4.0, "by_hand": 0.0, "factor": 1.0,
    "max_score": 5.0, "passed": None, "excused": False, "at": 1_000_000.0,
}  # fmt: skip


@pytest.fixture
def class_of_three(engine):
    stands = [
        {"student": "ann", "kind": "module", "slug": "toy", "score": 4.0},
        {"student": "ann", "kind": "assignment", "slug": "ps1 (2026)", "score": 2.5, "max_score": 3.0},
        {"student": "bob", "kind": "module", "slug": "toy", "score": 10 / 3, "factor": 0.8333},
        {
            "student": "bob",
            "kind": "milestone",
            "slug": "sign",
            "score": 0.0,
            "max_score": 10.0,
            "excused": True,
        },
        {"student": "gone", "kind": "module", "slug": "toy", "score": 1.0},
    ]
    hand = {
        "student": "ann",
        "assignment": "toy",
        "item": "toy-why",
        "max_points": 2.0,
        "waiting": False,
        "at": 1.0,
    }
    gone = {"name": "gone", "full_name": "Gone", "number": "S-9", "email": "", "section": "", "active": False}
    teacher = {
        "name": "ada",
        "full_name": "Ada",
        "number": "T",
        "email": "",
        "section": "",
        "role": "instructor",
    }
    with engine.begin() as connection:
        for row in [*PEOPLE, gone, teacher]:
            values = {"role": "student", "active": True, "at": 1.0, **row}
            connection.execute(database.people.insert().values(values))
        for row in stands:
            connection.execute(database.standings.insert().values({**STANDING, **row}))
        connection.execute(
            database.by_hand.insert().values(**hand, points=1.0, comment="Good, but\n+1 is odd")
        )


def rows_of(text):
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def as_canvas(text, known):
    """What Canvas's importer takes: login -> title -> grade. `known`: its people, by SIS id and by login."""
    by_sis, by_login = known
    rows = rows_of(text)
    header = rows[0]
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert re.search(r"SIS\s+User\s+ID", header[2])
    assert re.search(r"SIS\s+Login\s+ID", header[3])
    assert "Section" in header[4]
    points, found = {}, {}
    for row in rows[1:]:
        if "Points Possible" in row[0]:
            points = dict(zip(header[5:], row[5:], strict=True))
            continue
        student = by_sis.get(row[2]) or by_login.get(row[3])
        assert student, f"Canvas would make a new student of {row[:5]}"
        found[student] = dict(zip(header[5:], (cell.strip() for cell in row[5:]), strict=True))
    return points, found


def as_moodle(text, users, field):
    """What Moodle's importer takes from a file: user -> item -> grade; an unknown user stops it all."""
    rows = rows_of(text)
    header = [cell.strip() for cell in rows[0]]
    assert header[0] == field
    found = {}
    for row in rows[1:]:
        assert row[0] in users, f"usermappingerror: {row[0]}"
        grades = {}
        for name, value in zip(header[1:], row[1:], strict=True):
            if name.endswith("(feedback)"):
                grades[name] = value
            elif value.strip() not in ("", "-"):
                grades[name] = float(value)
                assert grades[name] <= 100
        found[row[0]] = grades
    return found


async def export(api, name, token="token-ada", **options):
    answer = await api.ask(f"api/exports/{name}", token, **options)
    assert answer.code == 200, answer.body
    return answer


async def test_canvas_takes_every_mark_back(api, class_of_three):
    text = (await export(api, "canvas.csv")).body.decode()
    assert not text.startswith("\ufeff")
    known = {p["number"]: p["name"] for p in PEOPLE}, {p["name"]: p["name"] for p in PEOPLE}
    points, found = as_canvas(text, known)
    assert points == {"Toy": "5", "Milestone: The sign": "10", "ps1 (2026).": "3"}
    assert found["ann"] == {"Toy": "4", "Milestone: The sign": "", "ps1 (2026).": "2.5"}
    assert found["bob"] == {"Toy": "3.33", "Milestone: The sign": "EX", "ps1 (2026).": ""}
    assert found["cyd"] == dict.fromkeys(points, "")
    (name,) = [row[0] for row in rows_of(text) if row[3] == "ann"]
    assert name == f"'{NASTY}", "harmless in a spreadsheet, and otherwise as it is"


async def test_missing_marks_are_0_only_where_somebody_asks_for_it(api, class_of_three):
    rows = rows_of((await export(api, "canvas.csv?missing=0")).body.decode())
    (cyd,) = [row for row in rows if row[3] == "cyd"]
    assert cyd[5:] == ["0", "0", "0"]
    moodle = rows_of((await export(api, "moodle.csv?by=name&missing=0")).body.decode())
    assert ["cyd", "0", "0", "0"] in moodle


async def test_moodle_takes_every_mark_back_and_is_sent_nobody_it_cannot_find(api, class_of_three):
    answer = await export(api, "moodle.csv?feedback=yes")
    assert answer.headers["X-Left-Out"] == "1"  # an address that a spreadsheet would run
    found = as_moodle(answer.body.decode(), {p["email"] for p in PEOPLE}, "Email address")
    assert found["Ann@Example.edu"]["Toy"] == 4
    assert found["Ann@Example.edu"]["Toy (feedback)"] == "Good, but\n+1 is odd"
    assert "Milestone: The sign" not in found["bob@example.edu"], "Moodle cannot excuse by CSV: no grade"
    by_number = (await export(api, "moodle.csv?by=number")).body.decode()
    assert set(as_moodle(by_number, {p["number"] for p in PEOPLE}, "ID number")) == {"S-1", "S-2", "S-3"}


EXPORTED = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Toy (77),Essay (78),Milestone: The sign (79),Final Score\r\n"
    ",,,,,Manual Posting,,,\r\n"
    "    Points Possible,,,,,5,20,10,(read only)\r\n"
    '"Ann ""the, one""",1,S-1,ann@campus,"A, B",3.5,17,,80\r\n'
    "Brien,2,,BOB@example.edu,A,,12,7,70\r\n"
    "Stranger,3,S-77,stranger,A,1,2,3,4\r\n"
    '"Student, Test",4,,0f3c,A,,,,\r\n'
)


@pytest.mark.parametrize(("begins", "delimiter"), [("", ","), ("\ufeff", ","), ("", ";")])
async def test_file_that_canvas_exported_comes_back_with_marks_and_nothing_else_changed(
    api, class_of_three, begins, delimiter
):
    sent = begins + cells.table(rows_of(EXPORTED), delimiter)
    status, answer = await api.json("api/exports/canvas", "token-ada", method="POST", body=sent.encode())
    assert status == 200
    came = answer["csv"]
    assert came.startswith(begins)
    before = rows_of(EXPORTED)
    after = list(
        csv.reader(io.StringIO(came.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    )
    wanted = [list(row) for row in before]
    wanted[3][5] = "4"
    wanted[4][5], wanted[4][7] = "3.33", "EX"
    assert after == wanted
    assert answer["unmatched"] == ["Stranger", "Student, Test"]
    assert answer["absent"] == ["Cyd"]
    assert answer["columns"] == ["Toy (77)", "Milestone: The sign (79)"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"name,mark\r\nann,3\r\n",
        b"\xff\xfe\x00",
        b'Student,ID,SIS User ID\r\n"ann',
        b"Student,ID,SIS User ID\r\na\r\n",
    ],
)
async def test_file_that_canvas_never_exported_is_refused_with_a_sentence(api, class_of_three, sent):
    status, answer = await api.json("api/exports/canvas", "token-ada", method="POST", body=sent)
    assert status == 400
    assert answer["error"].endswith(".")


def test_two_people_of_one_address_get_nobody_elses_mark():
    item = table.Item("module", "toy", "Toy", 5)
    twins = [table.Person("ann", email="twin@x.org"), table.Person("bob", email="twin@x.org")]
    marks = table.Marks(twins, [item], {("ann", "module", "toy"): {"score": 4.0, "excused": False}})
    sent = b"Student,ID,SIS Login ID,Section,Toy (1)\r\nTwin,1,twin@x.org,A,2\r\n"
    found = canvas.filled(marks, sent, "")
    assert found.unmatched == ["Twin"]
    assert found.csv.encode() == sent


async def test_plain_file_says_everything_once(api, class_of_three):
    rows = list(csv.DictReader(io.StringIO((await export(api, "marks.csv")).body.decode(), newline="")))
    assert len(rows) == 9
    (late,) = [row for row in rows if row["student"] == "bob" and row["slug"] == "toy"]
    assert (late["score"], late["factor"], late["section"]) == ("3.33", "0.8333", "'@B")
    (none,) = [row for row in rows if row["student"] == "cyd" and row["slug"] == "toy"]
    assert (none["score"], none["attempts"], none["email"]) == ("", "0", "")


async def test_a_section_is_exported_alone(api, class_of_three):
    for name in ("marks.csv", "canvas.csv", "moodle.csv"):
        whole, part = [rows_of((await export(api, name + of)).body.decode()) for of in ("", "?section=%40B")]
        assert len(part) < len(whole)
        assert all(row in whole for row in part)
    rows = list(
        csv.DictReader(io.StringIO((await export(api, "marks.csv?section=%40B")).body.decode(), newline=""))
    )
    assert {row["student"] for row in rows} == {"bob"}
    refused = await api.ask("api/exports/marks.csv?section=Z", "token-ada")
    assert refused.code == 400
    assert "There are: " in refused.body.decode()
    assert "@B" in refused.body.decode()


@pytest.mark.parametrize("sign", list("=+-@\t\r\n"))
def test_no_text_begins_as_a_formula(sign):
    assert cells.text(f"{sign}1").startswith("'")
    assert cells.text(f"  {sign}1").startswith("'")
    assert cells.identifier(f"{sign}1") == ""


@pytest.mark.parametrize(
    "path", ["canvas.csv", "moodle.csv", "marks.csv", "code.zip?kind=module&slug=toy", "pseudonyms.csv"]
)
async def test_students_export_nothing(api, path):
    assert (await api.json(f"api/exports/{path}"))[0] == 403
    assert (await api.json("api/exports/canvas", method="POST", body=EXPORTED))[0] == 403


# ---- code ----


def keep(engine, store, number, student, body, kind="module", slug="toy"):
    upload = store.upload(f"{number:032x}")
    upload.write(json.dumps(body).encode())
    upload.keep()
    row = {
        "id": upload.id, "student": student, "kind": kind, "slug": slug, "sha256": upload.sha256, "size": 1,
        "received_at": time.time() + number, "seed": 1, "state": "graded", "attempts": 1, "not_before": 0.0,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(database.submissions.insert().values(row))
    return upload.id


async def zip_of(api, query):
    answer = await export(api, f"code.zip?{query}")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


async def test_similarity_checkers_get_a_students_own_cells_and_nothing_that_was_given(api, engine, store):
    theirs = notebook({**UNSOLVED, "toy-double": "def double(x):\n    return x + x\n"})
    theirs["cells"].append({"cell_type": "code", "source": "print('an experiment')", "metadata": {}})
    keep(engine, store, 1, "ann", {"notebook": notebook(SOLVED)})
    keep(engine, store, 2, "ann", {"notebook": theirs})
    keep(engine, store, 3, "../bob", {"notebook": notebook(UNSOLVED)})
    keep(engine, store, 4, "<script>", {"notebook": notebook(SOLVED)})
    found = await zip_of(api, "kind=module&slug=toy")
    assert found["ann/toy.py"].strip() == "def double(x):\n    return x + x"
    assert set(found) == {"ann/toy.py", "%3Cscript%3E/toy.py"}, (
        "an untouched notebook has nothing of one's own"
    )
    with engine.begin() as connection:  # the best counts, not the newest
        best = {
            **STANDING,
            "student": "ann",
            "kind": "module",
            "slug": "toy",
            "score": 5.0,
            "counted": f"{1:032x}",
        }
        connection.execute(database.standings.insert().values(best))
    assert "x * 2.0" in (await zip_of(api, "kind=module&slug=toy"))["ann/toy.py"]


async def test_pseudonyms_hide_names_and_staff_can_tell_who_is_who(api, engine, store):
    keep(engine, store, 1, "ann", {"notebook": notebook(SOLVED)})
    (path,) = await zip_of(api, "kind=module&slug=toy&pseudonyms=yes")
    folder = path.split("/")[0]
    assert "ann" not in folder
    who = rows_of((await export(api, "pseudonyms.csv")).body.decode())
    assert [folder, "ann"] in who


async def test_code_of_milestones_and_own_assignments(api, engine, store, settings):
    given = "def predict(x, w):\n    raise NotImplementedError\n\n\ndef main():\n    predict(1, 2)\n"
    script = settings.official / "milestones" / "sign.py"
    script.parent.mkdir(exist_ok=True)
    script.write_text(given)
    mine = given.replace("raise NotImplementedError", "return x > w")
    keep(engine, store, 1, "ann", {"files": {"sign.py": mine, "tinytorch/toy.py": "1"}}, "milestone", "sign")
    assert await zip_of(api, "kind=milestone&slug=sign") == {
        "ann/sign.py": "def predict(x, w):\n    return x > w\n\n\n"
    }
    book = {"cells": [
        {"cell_type": "code", "source": ["x = ", "1"], "metadata": {"nbgrader": {"solution": True}}},
        {"cell_type": "code", "source": "assert x", "metadata": {"nbgrader": {"solution": False}}},
        "no cell",
    ]}  # fmt: skip
    files = {
        "a/problem 1.ipynb": base64.b64encode(json.dumps(book).encode()).decode(),
        "b.ipynb": "bm8=",
        "c.txt": "",
    }
    keep(engine, store, 2, "ann", {"files": files}, "assignment", "ps1")
    assert await zip_of(api, "kind=assignment&slug=ps1") == {"ann/a%2Fproblem%201.py": "x = 1\n\n\n"}


def test_folders_of_two_students_are_never_one():
    names = ["a", "a/b", "a%2Fb", "..", ".", "a b", "a_b", "A@x"]
    made = [code.folder(name) for name in names]
    assert len(set(made)) == len(names)
    assert not [name for name in made if "/" in name or set(name) <= {"."}]


async def test_code_is_sent_student_by_student(engine, store, settings):
    for number in range(30):
        keep(engine, store, number, f"s{number}", {"notebook": notebook(SOLVED)})
    pieces = list(code.zipped(engine, store, settings, "module", "toy", code.folder))
    assert len(pieces) == 31
    assert max(map(len, pieces[:-1])) < 1000
    with engine.connect() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(database.submissions)).scalar_one()
            == 30
        )


# ---- nbgrader's own ----


def test_nbgraders_export_is_quoted_where_its_own_exporter_breaks(tmp_path):
    from nbgrader.plugins import CsvExportPlugin

    from grading.exports.nbgrader import QuotedExport
    from grading.recorder.gradebook import open_gradebook

    with open_gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment("ps1")
        gradebook.add_student("ann", last_name='Lovelace, "Ada"', first_name="=1+1", email="ann@example.edu")
        gradebook.add_student("bob", last_name=None, first_name="Bob")
        gradebook.add_submission("ps1", "ann")
        for plugin, name in ((QuotedExport, "ours.csv"), (CsvExportPlugin, "theirs.csv")):
            exporter = plugin()
            exporter.to = str(tmp_path / name)
            exporter.export(gradebook)
    ours, theirs = ((tmp_path / name).read_text() for name in ("ours.csv", "theirs.csv"))
    assert rows_of(ours)[0] == next(csv.reader([theirs.splitlines()[0]])), "the same columns"
    bob, ann = csv.DictReader(io.StringIO(ours, newline=""))
    assert (ann["last_name"], ann["first_name"]) == ('Lovelace, "Ada"', "'=1+1")
    assert (ann["student_id"], ann["email"], ann["max_score"]) == ("ann", "ann@example.edu", "0.0")
    assert (bob["student_id"], bob["last_name"], bob["score"]) == ("bob", "", "0.0")
    assert len(theirs.splitlines()[2].split(",")) > len(ann), "theirs moves what comes after the comma"
