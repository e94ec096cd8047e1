from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest

from harness.clock import wait_until
from harness.errors import ConfigError, FaultError
from harness.faults import Fault
from harness.faults.links import matching, tolerance_ms
from harness.faults.network import AddedLatency, BlackHole, Cut, LimitedBandwidth, Lost, Reset
from harness.stack import Direction, Toxic
from tests.faults.fake_stack import FakeLink, FakeStack, link_of, service_of

LINK = "orders->provider"


def test_a_pattern_hurts_every_link_it_fits_and_no_other(stack: FakeStack) -> None:
    effect = Cut(link="orders->kafka-*").inject(stack)
    assert effect.measured["links"] == 2
    assert "orders->kafka-1" in effect.sentence
    assert [link.name for link in stack.links.values() if link.is_enabled()] == ["orders->provider"]
    Cut(link="orders->kafka-*").heal(stack)
    assert all(link.is_enabled() for link in stack.links.values())


def test_a_pattern_means_what_a_shell_means_by_it(stack: FakeStack) -> None:
    assert [link.name for link in matching(stack, "orders->kafka-[2]")] == ["orders->kafka-2"]


def test_one_link_of_many_that_was_not_hurt_fails_the_whole_fault(stack: FakeStack) -> None:
    link_of(stack, "orders->kafka-2").numb = True
    with pytest.raises(Exception, match="kafka-2"):
        Cut(link="orders->kafka-*").inject(stack)


def test_asked_and_measured_latency_stand_side_by_side(stack: FakeStack) -> None:
    effect = AddedLatency(link="orders->provider", latency_ms=30).inject(stack)
    assert effect.measured["asked_ms"] == 30
    off_ms = abs(effect.measured["measured_ms"] - 30)
    assert off_ms <= tolerance_ms(30) + 2 * effect.measured["spread_ms"]
    assert effect.measured["round_trips"] == 7
    assert effect.sentence.startswith("asked 30 ms, measured ")


@pytest.mark.parametrize(("latency_ms", "jitter_ms"), [(4, 0), (40, 40), (40, 38)])
def test_a_link_on_which_nothing_happens_has_no_latency_whatever_the_jitter_asked_for(
    stack: FakeStack, latency_ms: int, jitter_ms: int
) -> None:
    link_of(stack, LINK).numb = True
    with pytest.raises(FaultError, match=f"asked {latency_ms} ms, measured -?[01]"):
        AddedLatency(link=LINK, latency_ms=latency_ms, jitter_ms=jitter_ms).inject(stack)


@pytest.mark.parametrize(("asked_ms", "allowed_ms"), [(5, 2.0), (40, 2.0), (200, 10.0), (2000, 100.0)])
def test_a_latency_may_be_two_milliseconds_or_five_per_cent_off(asked_ms: int, allowed_ms: float) -> None:
    assert tolerance_ms(asked_ms) == pytest.approx(allowed_ms)


def test_a_fault_whose_toxics_are_there_already_did_nothing(stack: FakeStack) -> None:
    AddedLatency(link="orders->*", latency_ms=20).inject(stack)
    with pytest.raises(
        FaultError, match=r"was on orders->.* before the fault began, so the fault did nothing"
    ):
        AddedLatency(link=LINK, latency_ms=20).inject(stack)


def test_a_link_that_is_cut_cannot_be_cut_again(stack: FakeStack) -> None:
    Cut(link="orders->*").inject(stack)
    with pytest.raises(FaultError, match="was cut before the fault began"):
        Cut(link=LINK).inject(stack)


@pytest.mark.parametrize(
    "second", [AddedLatency(link=LINK, latency_ms=20), BlackHole(link=LINK), Reset(link=LINK)]
)
def test_what_cannot_be_seen_for_another_fault_is_refused(second: Fault, stack: FakeStack) -> None:
    Cut(link=LINK).inject(stack)
    with pytest.raises(FaultError, match="another fault is on the link already, and what comes on top"):
        second.inject(stack)


def test_silence_that_another_fault_s_latency_explains_is_not_taken_for_a_black_hole(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    AddedLatency(link=LINK, latency_ms=1050).inject(stack)
    link = link_of(stack, LINK)
    monkeypatch.setattr(link, "add", lambda toxic: None)  # takes no other toxic
    with pytest.raises(FaultError, match="does not bite"):
        BlackHole(link=LINK).inject(stack)


@pytest.mark.parametrize("heal_first", [0, 1])
@pytest.mark.parametrize("order", [1, -1])
def test_two_faults_on_one_link_are_each_measured_and_survive_one_another(
    stack: FakeStack, order: int, heal_first: int
) -> None:
    faults = (AddedLatency(link=LINK, latency_ms=50), LimitedBandwidth(link=LINK, rate_kb_per_s=100))[::order]
    for fault in faults:
        assert fault.inject(stack).seen
    assert [fault.lapsed(stack) for fault in faults] == ["", ""]
    first, last = faults[heal_first], faults[1 - heal_first]
    healed = first.heal(stack)
    assert healed.seen, healed.sentence
    assert f"also on it: {last.toxics()[0].name}" in healed.sentence
    assert last.lapsed(stack) == ""
    assert last.heal(stack).seen


def test_two_faults_that_begin_on_one_link_in_the_same_moment_take_turns(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would find nothing on the link, and then measure both."""
    link, together = link_of(stack, LINK), Barrier(2)
    ask = link.toxics

    def both_ask() -> Sequence[Toxic]:
        found = ask()
        with suppress(BrokenBarrierError):
            together.wait(0.2)  # for the other one, who comes only if it is not kept out
        return found

    monkeypatch.setattr(link, "toxics", both_ask)
    faults = [AddedLatency(link=LINK, latency_ms=latency_ms) for latency_ms in (60, 150)]
    with ThreadPoolExecutor(2) as pool:
        effects = list(pool.map(lambda fault: fault.inject(stack), faults))
    assert [effect.seen for effect in effects] == [True, True]


def _is_taken(link: FakeLink) -> bool:
    """Whether somebody has his turn at the link."""
    free = link.turn.acquire(blocking=False)
    if free:
        link.turn.release()
    return not free


def test_a_fault_that_is_healed_while_another_begins_takes_nothing_from_its_effect(stack: FakeStack) -> None:
    early, late = AddedLatency(link=LINK, latency_ms=150), AddedLatency(link=LINK, latency_ms=60)
    early.inject(stack)
    with ThreadPoolExecutor(2) as pool:
        beginning = pool.submit(late.inject, stack)
        wait_until(
            lambda: _is_taken(link_of(stack, LINK)), within_s=5, what="the late one's turn", every_s=0.001
        )
        healing = pool.submit(early.heal, stack)
        assert beginning.result().seen
        assert healing.result().seen
    assert late.lapsed(stack) == ""


def test_a_cut_is_healed_while_the_link_is_still_slow_and_the_other_way_round_it_cannot_be_told(
    stack: FakeStack,
) -> None:
    slow, cut = AddedLatency(link=LINK, latency_ms=50), Cut(link=LINK)
    slow.inject(stack)
    cut.inject(stack)
    assert cut.heal(stack).seen
    cut.inject(stack)
    assert not slow.heal(stack).seen
    assert cut.lapsed(stack) == ""
    assert cut.heal(stack).seen


@pytest.mark.parametrize(
    "fault", [AddedLatency(link=LINK, latency_ms=20), LimitedBandwidth(link=LINK, rate_kb_per_s=100)]
)
def test_a_toxic_that_stays_though_the_proxy_says_otherwise_is_seen_on_the_wire(
    fault: Fault, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.faults.links.HEALED_WITHIN_S", 0.1)
    fault.inject(stack)
    link = link_of(stack, LINK)
    monkeypatch.setattr(link, "remove", lambda toxic_name: None)
    monkeypatch.setattr(link, "toxics", tuple)
    healed = fault.heal(stack)
    assert not healed.seen
    assert not healed.hidden
    assert "still adds" in healed.sentence


@pytest.mark.parametrize("removed", [True, False])
def test_a_slow_server_does_not_excuse_a_latency_that_stayed(
    removed: bool, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.faults.links.HEALED_WITHIN_S", 0.1)
    service_of(stack, "provider").answers_after_s = 0.06
    fault, link = AddedLatency(link=LINK, latency_ms=40), link_of(stack, LINK)
    fault.inject(stack)
    if not removed:
        monkeypatch.setattr(link, "remove", lambda toxic_name: None)
        monkeypatch.setattr(link, "toxics", tuple)
    assert fault.heal(stack).seen is removed


def test_healing_one_of_two_faults_does_not_claim_that_the_link_is_well(stack: FakeStack) -> None:
    slow, cut = AddedLatency(link="orders->provider", latency_ms=20), Cut(link="orders->provider")
    slow.inject(stack)
    link_of(stack, "orders->provider").disable()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.faults.links.HEALED_WITHIN_S", 0.1)
        healed = slow.heal(stack)
    assert not healed.seen
    assert healed.hidden, "the cut stands before it"
    assert "refused" in healed.sentence
    assert cut.heal(stack).seen


def test_a_healing_where_no_such_link_is_has_nothing_to_undo(stack: FakeStack) -> None:
    assert AddedLatency(link="nobody->nothing", latency_ms=20).heal(stack).seen
    assert Cut(link="nobody->nothing").heal(stack).seen


def test_a_bandwidth_too_high_to_be_seen_is_refused_with_the_highest_that_is_not(stack: FakeStack) -> None:
    with pytest.raises(Exception, match="at most 2000 KB/s"):
        LimitedBandwidth(link="orders->provider", rate_kb_per_s=50_000).inject(stack)


def test_lost_answers_and_lost_requests_are_opposite_directions() -> None:
    assert [t.direction for t in BlackHole(link="x", lost=Lost.ANSWERS).toxics()] == [Direction.DOWNSTREAM]
    assert [t.direction for t in BlackHole(link="x", lost=Lost.REQUESTS).toxics()] == [Direction.UPSTREAM]
    assert len(BlackHole(link="x").toxics()) == 2
    assert {toxic.kind for toxic in BlackHole(link="x").toxics()} == {"bandwidth"}


def test_figures_that_make_no_sense_are_refused_at_birth() -> None:
    with pytest.raises(
        ConfigError, match=r"latency_ms must be 4 or more .* got 3 .*: less cannot be told from none"
    ):
        AddedLatency(link="x", latency_ms=3)
    with pytest.raises(ConfigError, match="jitter_ms"):
        AddedLatency(link="x", latency_ms=5, jitter_ms=6)
    with pytest.raises(ConfigError, match="both ways half"):
        AddedLatency(link="x", latency_ms=41, both_ways=True)
    with pytest.raises(ConfigError, match="both ways half"):
        AddedLatency(link="x", latency_ms=40, jitter_ms=5, both_ways=True)
    with pytest.raises(ConfigError, match="BlackHole"):
        LimitedBandwidth(link="x", rate_kb_per_s=0)
    with pytest.raises(ConfigError, match="answers or requests"):
        Reset(link="x", lost=Lost.BOTH)
    with pytest.raises(ConfigError, match="nonsense"):
        BlackHole(link="x", lost="nonsense")  # type: ignore[arg-type]  # as a record could say it
