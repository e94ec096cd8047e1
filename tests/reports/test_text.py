import pytest
from hypothesis import given, settings
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
        (-0.0, "0"),
        (12.0, "12"),
        (0.123456, "0.123"),
        (0.0001, "0.0001"),
        (999.4, "999"),
        (999.7, "1000"),
        (-999.7, "-1000"),
        (1234.56, "1235"),
        (9_999.6, "10,000"),
        (2.5e7, "25,000,000"),
        (1e12, "1,000,000,000,000"),
        (1.5e18, "1.5 × 10¹⁸"),
        (1e-7, "1 × 10⁻⁷"),
        (float("inf"), "∞"),
        (float("nan"), "not a number"),
    ],
)
def test_a_figure_has_the_digits_that_say_something(value: float | None, told: str) -> None:
    assert figure(value) == told


def read(told: str) -> float:
    """A figure as its reader understands it."""
    mantissa, _, power = told.partition(" × 10")
    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(mantissa.replace(",", "")) * float(f"1e{power.translate(raised) or 0}")


FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
ANY_SIZE = st.builds(lambda digits, power: digits * 10.0**power, st.floats(-10, 10), st.integers(-20, 20))


@settings(deadline=None)
@given(value=FINITE | ANY_SIZE)
def test_a_figure_of_any_magnitude_can_be_read_and_is_what_it_was(value: float) -> None:
    told = figure(value)
    assert "e" not in told
    assert len(told) <= 20
    assert read(told) == pytest.approx(value, rel=0.0051, abs=1e-290)
    assert abs(value) < 1e-290 or (read(told) < 0) == (value < 0)


@settings(deadline=None)
@given(one=ANY_SIZE, other=ANY_SIZE)
def test_a_larger_figure_never_reads_as_a_smaller_one(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert read(figure(low)) <= read(figure(high))


@settings(deadline=None)
@given(whole=st.integers(-(10**15) + 1, 10**15 - 1))
def test_a_count_is_told_to_the_last_digit(whole: int) -> None:
    assert figure(float(whole)).replace(",", "") == str(whole)


def test_numbers_have_their_nouns_and_lists_their_end() -> None:
    assert [counted(1, "claim"), counted(1200, "claim")] == ["1 claim", "1,200 claims"]
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
