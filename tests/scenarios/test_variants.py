import pytest

from harness.errors import ConfigError
from harness.settings import Settings
from scenarios import shop
from target_app.variants import Variant


def test_the_scenarios_know_every_defect_of_the_shop() -> None:
    assert sorted(shop.VARIANTS) == sorted(variant.value for variant in Variant)


def test_an_unknown_defect_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        ConfigError, match=r"no variant 'payment-key-per-try'\. Did you mean payment-key-per-attempt\?"
    ):
        shop.target(Settings(variants=("payment-key-per-try",)))
