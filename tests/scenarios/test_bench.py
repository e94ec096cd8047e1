from pathlib import Path

from scenarios.bench import document, empty_caches
from scenarios.figures import Figure


def figure(*values: float) -> Figure:
    return Figure(
        what="a start", wanted="2 ± 1 s", least=1, most=3, unit="s", others_percent=7.4, values=values
    )


def test_a_figure_shows_its_median_its_range_and_what_else_the_machine_did() -> None:
    assert figure(2.0, 1.5, 2.5).row == "| a start | 2 ± 1 s | 2.00 s | 1.50 to 2.50 | 3 | 7 % | yes |"
    assert figure(2.0).row == "| a start | 2 ± 1 s | 2.00 s |  | 1 | 7 % | yes |"


def test_a_bound_that_only_the_median_keeps_is_not_passed_off_as_kept() -> None:
    assert figure(2.0, 2.5, 9.0).kept == "yes, 2 of 3"
    assert figure(9.0, 2.5, 8.0).kept == "**no**, 1 of 3"
    assert figure(0.5).kept == "**no**"


def test_the_page_has_a_row_for_each_figure() -> None:
    assert [line for line in document([figure(2.0)]).splitlines() if line == figure(2.0).row]


def test_a_cold_start_shares_no_cache_with_this_user(tmp_path: Path) -> None:
    for name, value in empty_caches(tmp_path).items():
        assert str(tmp_path) in value or name == "PIP_NO_CACHE_DIR"
