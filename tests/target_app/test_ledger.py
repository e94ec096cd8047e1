"""The provider's books, on a real SQLite file."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from target_app.provider.ledger import Ledger
from target_app.provider.replies import Mode, Replies


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger.sqlite"))


def charge(ledger: Ledger, key: str = "k1", amount_cents: int = 500, card: str = "tok_visa") -> int:
    return ledger.charge(key=key, order_id="o1", amount_cents=amount_cents, card=card).status


def refund(ledger: Ledger, key: str = "r1", charge_key: str = "k1", amount_cents: int = 500) -> int:
    return ledger.refund(key=key, charge_key=charge_key, order_id="o1", amount_cents=amount_cents).status


def kinds(ledger: Ledger) -> list[str]:
    return [entry["kind"] for entry in ledger.entries()]


def test_the_same_key_charges_once(ledger: Ledger) -> None:
    assert [charge(ledger), charge(ledger)] == [200, 200]
    assert kinds(ledger) == ["charge"]


def test_the_same_key_for_another_amount_is_refused(ledger: Ledger) -> None:
    assert [charge(ledger), charge(ledger, amount_cents=501)] == [200, 422]
    assert kinds(ledger) == ["charge"]


def test_the_books_tell_how_many_requests_came_for_a_key(ledger: Ledger) -> None:
    charge(ledger)
    charge(ledger, key="k2")
    charge(ledger)
    charge(ledger, amount_cents=501)  # refused, and it came all the same
    refund(ledger)
    refund(ledger)
    assert [(entry["key"], entry["requests"]) for entry in ledger.entries()] == [
        ("k1", 3),
        ("k2", 1),
        ("r1", 2),
    ]


def test_a_declined_card_is_not_charged_and_stays_declined(ledger: Ledger) -> None:
    assert [charge(ledger, card="tok_declined"), charge(ledger, card="tok_declined")] == [402, 402]
    assert kinds(ledger) == []


def test_a_charge_is_refunded_once_whatever_keys_ask_for_it(ledger: Ledger) -> None:
    charge(ledger)
    assert [refund(ledger), refund(ledger), refund(ledger, key="r2")] == [200, 200, 200]
    assert kinds(ledger) == ["charge", "refund"]


def test_a_refund_of_an_unseen_charge_voids_it_so_that_a_late_charge_is_refused(ledger: Ledger) -> None:
    assert refund(ledger) == 200
    assert charge(ledger) == 409
    assert kinds(ledger) == []


def test_a_refund_of_another_amount_is_refused(ledger: Ledger) -> None:
    charge(ledger)
    assert refund(ledger, amount_cents=400) == 422
    assert kinds(ledger) == ["charge"]


def test_a_refusal_on_order_is_final_for_its_key(ledger: Ledger) -> None:
    ledger.decline(key="k1", order_id="o1", amount_cents=500, card="tok_visa", reason="refused")
    assert charge(ledger) == 402


def test_the_books_are_there_after_the_process_has_gone_without_a_word(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.sqlite")
    charge(Ledger(path))  # never closed
    assert kinds(Ledger(path)) == ["charge"]


def test_pages_continue_where_the_last_one_ended(ledger: Ledger) -> None:
    for number in range(5):
        charge(ledger, key=f"k{number}")
    first = ledger.entries(limit=2)
    rest = ledger.entries(after=first[-1]["seq"])
    assert [entry["key"] for entry in (*first, *rest)] == ["k0", "k1", "k2", "k3", "k4"]


@given(st.lists(st.tuples(st.sampled_from(["charge", "refund"]), st.integers(1, 3)), max_size=20))
@with_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_no_order_of_requests_charges_twice_or_refunds_what_was_not_charged(
    tmp_path: Path, requests: list[tuple[str, int]]
) -> None:
    ledger = Ledger(":memory:")
    for kind, number in requests:
        if kind == "charge":
            charge(ledger, key=f"k{number}")
        else:
            refund(ledger, key=f"r{number}", charge_key=f"k{number}")
    entries = ledger.entries()
    charged = [entry["key"] for entry in entries if entry["kind"] == "charge"]
    refunded = [entry["charge_key"] for entry in entries if entry["kind"] == "refund"]
    assert len(charged) == len(set(charged))
    assert len(refunded) == len(set(refunded))
    assert set(refunded) <= set(charged)


def test_a_share_of_the_keys_meets_its_fate_on_every_attempt() -> None:
    replies = Replies(mode=Mode.ERROR, share=0.3, seed=7)
    modes = [replies.mode_for(f"key-{number}") for number in range(1000)]
    assert modes == [replies.mode_for(f"key-{number}") for number in range(1000)]
    assert 250 <= modes.count(Mode.ERROR) <= 350


def test_the_whole_share_needs_no_drawing() -> None:
    assert Replies(mode=Mode.LATE).mode_for("any") is Mode.LATE
