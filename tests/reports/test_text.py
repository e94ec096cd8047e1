import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.text import counted, figure, listed, plain


def test_what_a_target_wrote_is_one_short_line() -> None:
    told = plain("a\x00\u202e\n\u2028\ud800" + "b" * 1_000_000, 10)
    assert told == "a\\x00\\u202e\\n\\u2028\\ud800bbbb… (1,000,006 characters)"


@given(text=st.text(st.characters(), max_size=80))
def test_whatever_is_shown_is_printable_and_has_its_place_in_utf_8(text: str) -> None:
    told = plain(text)
    assert all(
        character.isprintable() or character in " \u00a0\u2009\u3000" or character.isspace()
        for character in told
    )
    assert "\n" not in told
    assert told.encode().decode() == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, ""),
        (0.0, "0"),
        (12.0, "12"),
        (0.123456, "0.123"),
        (1234.56, "1235"),
        (1e12, "1e+12"),
        (2.5e7, "2.5e+07"),
    ],
)
def test_a_figure_has_the_digits_that_say_something(value: float | None, told: str) -> None:
    assert figure(value) == told


def test_numbers_have_their_nouns_and_lists_their_end() -> None:
    assert [counted(1, "claim"), counted(1200, "claim")] == ["1 claim", "1,200 claims"]
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
