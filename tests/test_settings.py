from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.settings import Runtime, Settings
from harness.stack.target import Target


def test_a_flag_wins_over_a_variable_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLBOOK_PROFILE", "guide")
    monkeypatch.setenv("DRILLBOOK_BROKERS", "1")
    monkeypatch.setenv("DRILLBOOK_VARIANTS", "first, second")
    settings = Settings.read(brokers=3, seed=None)
    assert (settings.profile, settings.brokers, settings.variants) == ("guide", 3, ("first", "second"))
    assert (settings.runtime, settings.runs, settings.seed) == (Runtime.EMBEDDED, Path("runs"), None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": -1}, "seed must be greater than or equal to 0, got '-1'"),
        ({"brokers": 2}, "brokers must be 1 or 3, got '2'"),
        ({"runtime": "vagrant"}, "runtime must be .*'embedded'.*, got 'vagrant'"),
        ({"retry_inconclusive": 5}, "retry_inconclusive must be less than or equal to 1, got '5'"),
    ],
)
def test_a_value_that_makes_no_sense_is_told_with_what_was_wanted(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Settings.read(**given)


def test_a_variable_that_makes_no_sense_is_told_like_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLBOOK_SEED", "tomorrow")
    with pytest.raises(
        ConfigError, match=r"seed must be a whole number, 0 or more.*got 'tomorrow'.*DRILLBOOK_"
    ):
        Settings.read()


def test_a_target_is_imported_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "somebodys_shop.py").write_text(
        "from harness.stack.target import AppService, Target\n"
        "def target(settings):\n"
        "    service = AppService(name=settings.profile, argv=('true',), environment=lambda wiring: {})\n"
        "    return Target(name='theirs', services=(service,))\n"
        "def wrong(settings):\n"
        "    return 'a shop'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    target = Settings.read(target="somebodys_shop:target", profile="slow").make_target()
    assert isinstance(target, Target)
    assert [service.name for service in target.services] == ["slow"]
    with pytest.raises(ConfigError, match=r"must return a harness\.stack\.target\.Target, got 'a shop'"):
        Settings.read(target="somebodys_shop:wrong").make_target()


@pytest.mark.parametrize("target", ["no_such_module:target", "harness.errors:no_such_function", "nonsense"])
def test_a_target_that_is_not_there_is_told_with_what_it_must_be(target: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be described.*module:function"):
        Settings.read(target=target).make_target()
