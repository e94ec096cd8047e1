from reports.text import plain
from reports.timeline import Axis, Series, lines, number


def test_what_a_target_wrote_is_one_short_line() -> None:
    told = plain("a\x00\u202e\n" + "b" * 1000, 10)
    assert told == "a\\x00\\u202e\\nbbbbbb… (1004 characters)"


def test_a_figure_that_cannot_be_drawn_is_none() -> None:
    assert [number(value) for value in (True, "1", None, float("nan"), 10**400)] == [None] * 5


def test_a_hostile_label_is_text() -> None:
    drawn = lines(Axis(start_s=0, end_s=1), [Series(name="x", points=[(0.5, 1.0)], kind="low")], "<script>")
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
