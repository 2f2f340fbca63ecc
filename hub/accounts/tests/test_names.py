import pytest

from hub.accounts import names


@pytest.mark.parametrize(
    ("typed", "username"),
    [
        (" S-0042 ", "s-0042"),
        ("\u200fs-0042\u200e", "s-0042"),
        ("\uff53\uff10\uff10\uff14\uff12", "s0042"),  # as wide as a Chinese sign
        ("Jane@Uni.edu", "jane@uni.edu"),
        ("s-0042\r\n", "s-0042"),
    ],
)
def test_one_person_gets_one_username_however_a_spreadsheet_wrote_it(typed: str, username: str) -> None:
    assert names.normalise(typed) == username
    assert names.is_valid(username)


@pytest.mark.parametrize(
    "typed", ["", ".", "..", "-a", "a-", "a b", "a/b", "a\nb", "x" * 65, "müller", "=1+1", "a'b"]
)
def test_what_would_be_trouble_in_a_path_or_an_address_is_no_username(typed: str) -> None:
    assert not names.is_valid(typed)


def test_a_final_newline_does_not_slip_past_the_pattern() -> None:
    assert not names.is_valid("mia\n")


def test_a_persons_name_keeps_its_script_but_cannot_turn_text_around() -> None:
    assert names.display('Mia "O\'Neil"\u202e') == 'Mia "O\'Neil"'
    assert names.display("\u200f\u062f\u0627\u200c  \u0639 ") == "\u062f\u0627\u200c \u0639"
    assert names.display("a\x00\x1b[31m\tb") == "a[31mb"
