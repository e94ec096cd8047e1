"""While a service is put together nothing is collected; afterwards everything new is."""

import gc

import pytest

from target_app.service.garbage import not_collected


def test_nothing_is_collected_until_the_block_is_left() -> None:
    try:
        with not_collected():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_a_service_that_cannot_be_put_together_leaves_the_collector_on() -> None:
    try:
        with pytest.raises(SystemExit), not_collected():
            raise SystemExit(2)
        assert gc.isenabled()
    finally:
        gc.unfreeze()
