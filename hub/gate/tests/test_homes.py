"""Keys, uids and homes: two people never share any of them."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.gate.homes import FIRST_UID, LAST_UID, Homes, key_of
from hub.gate.strict import Refused

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a home to its student")


@pytest.fixture
def srv(tmp_path: Path) -> Path:
    for folder in ("homes", "passwd", "gate"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture
def homes(srv: Path) -> Iterator[Homes]:
    homes = Homes(srv)
    yield homes
    homes.close()


@pytest.mark.parametrize("username", ["ada", "seat-1", "a", "x" * 32])
def test_plain_username_is_its_own_key(username: str) -> None:
    assert key_of(username) == username


@pytest.mark.parametrize(
    "username",
    [
        "Ada",
        "ada@tum.de",
        "../etc",
        "..",
        ".",
        "a/b",
        "a--b",
        "-a",
        "a-",
        "1a",
        "x" * 33,
        "root",
        "nobody",
        "\N{CYRILLIC SMALL LETTER A}da",
        "a b",
    ],
)
def test_other_username_gets_a_key_that_is_plain_and_never_anothers(username: str) -> None:
    key = key_of(username)
    assert key != username
    assert "." in key, "a plain username never has a dot"


@given(st.text(min_size=1, max_size=255))
def test_any_username_is_refused_or_becomes_a_safe_key(username: str) -> None:
    try:
        key = key_of(username)
    except Refused:
        assert not username.isprintable()
        return
    assert len(key) <= 32
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert key[0].isalnum()
    assert "--" not in key
    assert ".." not in key


def test_spellings_that_look_alike_are_different_people() -> None:
    alike = [
        "ada",
        "Ada",
        "\N{CYRILLIC SMALL LETTER A}da",
        "\N{FULLWIDTH LATIN SMALL LETTER A}da",
        "áda",
        "a\u0301da",
        "ada ",
        "ada.",
    ]
    assert len({key_of(username) for username in alike}) == len(alike)


@pytest.mark.parametrize(
    "username", ["", "a\0b", "a\nroot:x:0:0", "ada\u202e", "ada\u200b", "\ud800", "x" * 256]
)
def test_username_that_nobody_can_see_or_write_is_refused(username: str) -> None:
    with pytest.raises(Refused):
        key_of(username)


@root_only
def test_home_is_its_students_alone(homes: Homes, srv: Path) -> None:
    ada = homes.ensure("ada")
    home = (srv / "homes" / "ada").stat()
    assert (home.st_uid, home.st_gid, stat.S_IMODE(home.st_mode)) == (FIRST_UID, FIRST_UID, 0o700)
    (srv / "homes" / "ada").chmod(0o777)
    assert homes.ensure("ada") == ada
    assert stat.S_IMODE((srv / "homes" / "ada").stat().st_mode) == 0o700


@root_only
def test_passwd_file_names_nobody_else_and_can_be_read(homes: Homes, srv: Path) -> None:
    homes.ensure("ada")
    homes.ensure("alan@example.org")
    passwd = srv / "passwd" / "ada.passwd"
    assert [line.split(":")[0] for line in passwd.read_text().splitlines()] == ["root", "ada", "nobody"]
    assert stat.S_IMODE(passwd.stat().st_mode) == 0o644
    assert len(list((srv / "passwd").iterdir())) == 4


@root_only
def test_uid_of_a_removed_student_is_never_given_out_again(homes: Homes, srv: Path) -> None:
    homes.ensure("ada")
    table = sqlite3.connect(srv / "gate" / "students.sqlite")
    table.execute("DELETE FROM students")
    table.commit()
    assert homes.ensure("alan").uid == FIRST_UID + 1


@root_only
def test_uids_are_kept_over_a_restart(homes: Homes, srv: Path) -> None:
    ada = homes.ensure("ada")
    again = Homes(srv)
    assert again.find("ada") == ada
    again.close()


def test_uids_end_before_those_of_the_system(homes: Homes, srv: Path) -> None:
    table = sqlite3.connect(srv / "gate" / "students.sqlite")
    table.execute("UPDATE sqlite_sequence SET seq = ?", [LAST_UID])
    table.commit()
    with pytest.raises(Refused, match="gets no uid"):
        homes.ensure("ada")


@root_only
def test_home_that_is_a_link_is_not_followed(homes: Homes, srv: Path) -> None:
    elsewhere = srv / "elsewhere"
    elsewhere.mkdir()
    (srv / "homes" / "ada").symlink_to(elsewhere)
    with pytest.raises(Refused, match="not a folder"):
        homes.ensure("ada")
    assert elsewhere.stat().st_uid == 0


@root_only
def test_home_of_another_uid_is_not_taken_over(homes: Homes, srv: Path) -> None:
    (srv / "homes" / "ada").mkdir()
    os.chown(srv / "homes" / "ada", 20_777, 20_777)
    with pytest.raises(Refused, match="belongs to uid 20777"):
        homes.ensure("ada")


@root_only
def test_passwd_file_that_is_a_link_is_replaced_not_followed(homes: Homes, srv: Path) -> None:
    target = srv / "target"
    target.write_text("kept")
    (srv / "passwd" / "ada.passwd").symlink_to(target)
    homes.ensure("ada")
    assert target.read_text() == "kept"


def test_colliding_keys_are_refused_not_shared(homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.gate.homes.key_of", lambda username: "same")
    homes._add("ada", "same")
    with pytest.raises(Refused, match="gets no uid"):
        homes.ensure("alan")
