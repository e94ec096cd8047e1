"""The saga's steps as calls to other services, and what each answer means for the saga.

A payment goes through a retry, the circuit breaker and a bulkhead, in resilience4j's order: each try is a call of its
own to the breaker, and a call that the bulkhead refuses says nothing of the payment service's health.

| answer | means |
|---|---|
| 2xx | done |
| 402, 409, 422 | refused for good: no effect, now or later |
| another 4xx | unsettled, and no sign of ill health: an earlier request may have happened, whatever this one was |
| anything else, or none | unsettled: it may have happened |
"""

import json

import httpx

from target_app.orders.saga import Refused, Saga, Unsettled
from target_app.service.breaker import CallNotPermitted, CircuitBreaker
from target_app.service.bulkhead import Bulkhead, BulkheadFull
from target_app.service.http_client import Peer, PeerError
from target_app.service.retry import Retry
from target_app.variants import Variant

_FINAL = frozenset({402, 409, 422})


class Misunderstood(Unsettled):
    """The callee would not take the request, and said so: it is well. Of an earlier request that says nothing."""


class RemoteSteps:
    """Steps done by the inventory and the payment service; payments behind retry, breaker and bulkhead."""

    def __init__(
        self,
        inventory: Peer,
        payments: Peer,
        *,
        retry: Retry,
        breaker: CircuitBreaker,
        bulkhead: Bulkhead,
        variants: frozenset[Variant] = frozenset(),
    ) -> None:
        self._inventory = inventory
        self._payments = payments
        self._retry = retry
        self._breaker = breaker
        self._bulkhead = bulkhead
        # What says nothing of the payment service's health.
        self._ignored: tuple[type[Exception], ...] = (Refused, Misunderstood, BulkheadFull)
        if Variant.BREAKER_COUNTS_DECLINES in variants:
            self._ignored = (Misunderstood, BulkheadFull)

    async def reserve_inventory(self, saga: Saga) -> None:
        """Hold the order's items."""
        items = [{"sku": item["sku"], "quantity": item["quantity"]} for item in json.loads(saga.items)]
        body: dict[str, object] = {"order_id": saga.order_id, "items": items}
        _judge(await _answer(self._inventory, "/api/v1/inventory/reservations", body))

    async def process_payment(self, saga: Saga) -> None:
        """Take the money, if the breaker permits asking for it. A refusal is no sign of ill health."""
        failed: list[str] = []

        async def pay() -> None:
            try:
                await self._pay(saga)
            except Unsettled as failure:
                failed.append(str(failure))
                raise

        try:
            await self._retry.call(
                lambda: self._breaker.call(lambda: self._bulkhead.call(pay), ignore=self._ignored),
                on=(Unsettled,),
                never_on=(Misunderstood,),  # it would not be understood the next time either
                until=saga.expires_at,
            )
        except (CallNotPermitted, BulkheadFull) as error:
            # What went wrong before says more than that it was not tried again.
            raise Unsettled("; then ".join([*failed[-1:], str(error)])) from error

    async def confirm_reservation(self, saga: Saga) -> None:
        """Sell what is held."""
        _judge(await _answer(self._inventory, f"/api/v1/inventory/reservations/{saga.order_id}/confirm"))

    async def release_inventory(self, saga: Saga) -> None:
        """Put back what is or will be held."""
        await _insist(self._inventory, f"/api/v1/inventory/reservations/{saga.order_id}/release")

    async def refund_payment(self, saga: Saga) -> None:
        """Give back what was or will be taken. Not behind the breaker: it must get through at last."""
        await _insist(
            self._payments, f"/api/v1/payments/{saga.payment_key}/refund", {"order_id": saga.order_id}
        )

    async def _pay(self, saga: Saga) -> None:
        body: dict[str, object] = {
            "order_id": saga.order_id,
            "amount_cents": saga.amount_cents,
            "card": saga.card,
        }
        _judge(await _answer(self._payments, "/api/v1/payments", body, key=saga.payment_key))


async def _answer(
    peer: Peer, path: str, body: dict[str, object] | None = None, *, key: str | None = None
) -> httpx.Response:
    try:
        return await peer.request("POST", path, json=body, headers={"Idempotency-Key": key} if key else None)
    except PeerError as error:
        raise Unsettled(str(error)) from error


async def _insist(peer: Peer, path: str, body: dict[str, object] | None = None) -> None:
    """A compensation cannot be refused: only success ends it."""
    response = await _answer(peer, path, body)
    if response.status_code >= 300:
        raise Unsettled(f"{peer.peer} answered {response.status_code}: {response.text[:200]}")


def _judge(response: httpx.Response) -> None:
    status = response.status_code
    if status < 300:
        return
    if status in _FINAL:
        raise Refused(f"{status}: {_detail(response)}")
    if 400 <= status < 500:
        raise Misunderstood(f"status {status}: {_detail(response)}")
    raise Unsettled(f"status {status}: {response.text[:200]}")


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json().get("detail", ""))
    except (ValueError, AttributeError):
        return response.text[:200]
