import csv
import io
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.roster.reading import FORMULA, Person, RosterError, read


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(RosterError) as caught:
        read(text.encode() if isinstance(text, str) else text)
    return list(caught.value.faults)


def test_a_roster_as_a_spreadsheet_saves_it() -> None:
    text = (
        "\ufeffName;ID;Email;Section;Role\r\n"
        '"O\'Brien; ""Al""";S-1;al@example.edu;Übung 1;\r\n'
        ";;;;\r\n"
        "Prof;prof;;;Instructor\r\n"
    )
    assert read(text.encode()) == [
        Person("s-1", 'O\'Brien; "Al"', "al@example.edu", "Übung 1", "student", "S-1"),
        Person("prof", "Prof", "", "", "instructor", "prof"),
    ]


def test_columns_may_stand_in_any_order_and_others_are_left_alone() -> None:
    assert read(b"id,grade,name\ns1,1.3,Mia\n") == [Person("s1", "Mia", "", "", "student", "s1")]


def test_groups_are_the_role_and_the_section() -> None:
    [person] = read("name,id,section,role\nMia,s1,Übung / 1,assistant\n".encode())
    assert person.groups == {"role-assistant", "section-übung-1"}
    [person] = read("name,id,section\nMia,s1,一班\n".encode())
    assert "section-一班" in person.groups


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Mia,bad id,,,", "line 3, column id: 'bad id' cannot be a username."),
        (",s2,,,", "line 3, column name: it is empty."),
        ("Mia,,,,", "line 3, column id: it is empty."),
        ("Mia,s2,nope,,", "line 3, column email: 'nope' is no address."),
        (
            "Mia,s2,,,boss",
            "line 3, column role: 'boss' is no role. "
            "Write student or assistant or grader or instructor or admin.",
        ),
        ("Mia,S1\u200f,,,", "line 3, column id: 's1' is on line 2 already."),
        ("Mia,classroom-probe,,,", "line 3, column id: 'classroom-probe' belongs to the classroom itself."),
        ("Mia,s2,,,,", "line 3: 6 cells, but 5 columns."),
        ("Mia,s2,student", "line 3: 3 cells, but 5 columns."),
        ('=HYPERLINK("x"),s2,,,', """line 3, column name: '=HYPERLINK("x")' begins as a formula does."""),
        ("\u202e=1+1,s2,,,", r"""line 3, column name: '\u202e=1+1' begins as a formula does."""),
        ("Mia,s2,,@SUM(A1),", "line 3, column section: '@SUM(A1)' begins as a formula does."),
        ('"Mia\nMay",s2,,,', "line 3: a cell goes on in the next line."),
        (f"{'x' * 201},s2,,,", "line 3, column name: the cell has 201 characters."),
        ('"Mia,s2,,,', "line 3: the quotes are not closed"),
        ('"M"ia,s2,,,', "line 3: the quotes are not closed"),
        ("Mia,s2\x00,,,", "line 3: this is no text."),
    ],
)
def test_a_bad_line_names_line_column_reason_and_mend(line: str, fault: str) -> None:
    found = faults(f"name,id,email,section,role\nAl,s1,,,\n{line}\n")
    assert len(found) == 1
    assert found[0].startswith(fault)
    assert found[0].endswith((".", '".'))


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    found = faults('name,id\n"Mia\nTwo Lines",s1\n\nAl,bad id\n')
    assert [fault.partition(":")[0] for fault in found] == ["line 2", "line 5, column id"]


def test_every_bad_line_is_named_at_once() -> None:
    assert len(faults("name,id,email\nA,x y,no\nB,,\nC,ok,\n")) == 3


def test_twenty_bad_lines_among_a_thousand_are_all_named_in_order() -> None:
    bad = [
        "=1+1,a,,,", "@x,b,,,", "Mia,-c,,,", "Mia,s 4,,,", "Mia,s\u202e5 x,,,", ",s6,,,", "Mia,,,,",
        "Mia,s8,,,boss", "Mia,s9,nobody,,", "Mia,s10", "Mia,s11,,,,,", '"Mia,s12,,,', '"M"ia,s13,,,',
        '"Mia\n",s14,,,', "Mia,N0001,,,", "Mia,n0002\u200f,,,", f"{'x' * 300},s17,,,",
        "M\udcfcller,s18,,,", "Mia,classroom-probe,,,", "Mia,=cmd|x,,,",
    ]  # fmt: skip
    lines = [f"Student,n{number:04},,,student" for number in range(1, 981)]
    expected = []
    for place, line in enumerate(bad):
        lines.insert(48 * (place + 1), line)
    line = 1
    for text in lines:
        line += 1
        if text in bad:
            expected.append(line)
        line += text.count("\n")
    data = "name,id,email,section,role\n" + "\n".join(lines) + "\n"
    found = faults(data.encode(errors="surrogateescape"))
    assert [int(fault.split()[1].rstrip(",:")) for fault in found] == expected


def test_invisible_signs_are_spelled_out() -> None:
    assert r"'s\u202e 1'" in faults("name,id\nMia,s\u202e 1\n")[0]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "line 1: the roster is empty."),
        (b"name,id\n", "line 2: the roster has column names but no people."),
        (b"Mia,s1\n", "line 1: there is no column 'name'."),
        (b"name,id,id\nMia,a,b\n", "line 1: column 'id' is there 2 times."),
        (b"name,id\nM\xfcller,s1\n", "line 2: a character is not UTF-8."),
        (b"PK\x03\x04\0\0", "line 1: this is no text."),
        (b"x" * (5 * 2**20 + 1), "line 1: 5242881 bytes are no roster"),
    ],
)
def test_what_is_no_roster_is_refused_in_words(data: bytes, fault: str) -> None:
    assert faults(data)[0].startswith(fault)


ODD = st.text(
    st.sampled_from("=+-@\t\r\n\"',; aé\u202e\u200f\u200b\u200c\x00\x1b<>&/.\u4e00"), max_size=6
) | st.text(max_size=6)


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@example(["\u202e=HYPERLINK(1)", "s1", "", "\u200f@x", ""])
@given(st.lists(ODD, min_size=5, max_size=5))
def test_whatever_a_cell_holds_is_refused_or_becomes_plain_text(cells: list[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["name", "id", "email", "section", "role"], cells, ["Mia", "s2", "", "", ""]])
    try:
        person = read(text.getvalue().encode(errors="surrogatepass"))[0]
    except RosterError:
        return
    for shown in (person.name, person.section, person.email, person.number):
        assert not shown.startswith(FORMULA)
        assert not any(
            unicodedata.category(sign) in ("Cc", "Cs") or sign in "\u202e\u200f\u200b" for sign in shown
        )
    assert all(set("/?#%<>\"' ").isdisjoint(group) for group in person.groups)
