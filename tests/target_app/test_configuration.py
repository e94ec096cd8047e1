"""Settings from the environment, and the page that lists them."""

from pathlib import Path

import pytest

import target_app
from target_app.orders.settings import OrdersSettings
from target_app.provider.settings import ProviderSettings
from target_app.service.configuration import Settings, SettingsError, read, read_or_exit
from target_app.settings_table import document
from target_app.variants import WHAT_GOES_WRONG, Variant

ORDERS = {
    "DATABASE_URL": "postgresql://u@h:1/d",
    "KAFKA_BOOTSTRAP_SERVERS": "h:1",
    "INVENTORY_URL": "http://h:1",
    "PAYMENTS_URL": "http://h:2",
}


def test_the_defaults_are_the_guides_figures() -> None:
    settings = read(OrdersSettings, ORDERS)
    assert settings.breaker_wait_duration_in_open_state_s == 60
    assert settings.breaker_slow_call_duration_threshold_s == 2
    assert (settings.breaker_sliding_window_size, settings.breaker_minimum_number_of_calls) == (10, 5)
    assert settings.breaker_permitted_calls_in_half_open_state == 3
    assert (settings.breaker_failure_rate_threshold, settings.breaker_slow_call_rate_threshold) == (50, 100)
    assert (settings.server_tomcat_threads_max, settings.server_tomcat_accept_count) == (200, 100)
    assert (settings.saga_timeout_s, settings.saga_stuck_after_s) == (600, 300)
    assert (settings.kafka_session_timeout_s, settings.kafka_heartbeat_interval_s) == (30, 3)
    assert (settings.kafka_max_poll_interval_s, settings.kafka_max_poll_records) == (300, 100)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "LEDGER_PATH is not set"),
        ({"LEDGER_PATH": ""}, "LEDGER_PATH is not set"),
        ({"LEDGER_PATH": "x", "PORT": "eighty"}, "PORT='eighty'"),
        ({"LEDGER_PATH": "x", "SHUTDOWN_GRACE_S": "-1"}, "SHUTDOWN_GRACE_S='-1'"),
        ({"LEDGER_PATH": "x", "SHUTDOWN_GRACE_S": "nan"}, "SHUTDOWN_GRACE_S='nan'"),
        (
            {"LEDGER_PATH": "x", "SHOP_VARIANTS": "no-such"},
            "unknown variant 'no-such'; there are: payment-key",
        ),
    ],
)
def test_an_error_names_the_variable_and_what_is_wrong(environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(ProviderSettings, environment)
    assert said in str(error.value)


def test_everything_that_is_wrong_is_said_at_once_and_ends_with_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ending:
        read_or_exit(OrdersSettings, {"PORT": "0"})
    assert ending.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("PORT", *ORDERS))


def test_variants_are_read_from_a_list_with_blanks() -> None:
    settings = read(Settings, {"SHOP_VARIANTS": " payment-key-per-attempt, ,compensation-stops-half-way"})
    assert settings.shop_variants == {
        Variant.PAYMENT_KEY_PER_ATTEMPT,
        Variant.COMPENSATION_STOPS_HALF_WAY,
    }


def test_every_variant_says_what_goes_wrong() -> None:
    assert set(WHAT_GOES_WRONG) == set(Variant)


def test_the_page_of_settings_is_up_to_date() -> None:
    page = Path(target_app.__file__).with_name("SETTINGS.md").read_text(encoding="utf-8")
    assert page == document(), "run: python -m target_app.settings_table > target_app/SETTINGS.md"
