"""Taking and giving back money through a provider that may be away, slow, or silent after it has acted.

The row is written before the provider is asked, and stays PENDING while its answer is unknown: the next
attempt with the same key asks with the same provider key and learns what really happened. A refund bars the
row first, so that an attempt still under way cannot complete it afterwards, and then asks the provider,
who refunds a charge it has seen and voids the key of one it has not.
"""

import logging
from dataclasses import replace
from uuid import uuid4

import httpx

from target_app.payments.store import Payment, Payments
from target_app.service.http_client import NoAnswer, Peer, PeerError
from target_app.service.logs import fields
from target_app.service.problems import Problem
from target_app.variants import Variant

log = logging.getLogger(__name__)

# What the provider says of a charge, and what becomes of the payment.
_CHARGED = {"charged": "COMPLETED", "declined": "DECLINED", "voided": "VOIDED"}
# Only for the planted defect `refund-by-order`: PENDING, of which nobody knows, is not among them.
_PAID = ("COMPLETED", "REFUNDING", "REFUNDED")


class Cashier:
    """The payment service's own logic."""

    def __init__(self, payments: Payments, provider: Peer, variants: frozenset[Variant]) -> None:
        self._payments = payments
        self._provider = provider
        self._variants = variants

    async def pay(self, *, key: str, order_id: str, amount_cents: int, card: str) -> Payment:
        """The completed payment with this key.

        Raises:
            Problem: 402 declined; 409 the key was given up; 422 the key belongs to another request.
            Unanswered: The provider gave no usable answer. Try again with the same key.
        """
        payment = await self._payments.begin(key=key, order_id=order_id, amount_cents=amount_cents, card=card)
        asked = (order_id, amount_cents, card)
        if payment.status != "VOIDED" and asked != (payment.order_id, payment.amount_cents, payment.card):
            raise Problem(422, "Unprocessable Content", "this idempotency key was used for another payment")
        if payment.status == "PENDING":
            payment = await self._charge(payment)
        if payment.status == "DECLINED":
            raise Problem(402, "Payment Required", payment.error_message or "declined")
        if payment.status != "COMPLETED":
            raise Problem(409, "Conflict", f"the payment was given up, it is {payment.status}")
        return payment

    async def refund(self, *, reference: str, order_id: str) -> Payment:
        """Give a payment back, known by its id or key; bar it if it never came.

        Raises:
            Unanswered: The provider did not confirm. Ask again, as often as it takes.
        """
        if Variant.REFUND_BY_ORDER in self._variants:
            paid = [payment for payment in await self._payments.of_order(order_id) if payment.status in _PAID]
            if not paid:
                return _nothing_paid(reference, order_id)
            reference = paid[-1].payment_id
        payment = await self._payments.begin_refund(reference=reference, order_id=order_id)
        if payment.status != "REFUNDING":
            return payment
        answer = await self._ask_provider(
            "/v1/refunds",
            {
                "key": f"{payment.provider_key}:refund",
                "charge_key": payment.provider_key,
                "order_id": payment.order_id,
                "amount_cents": payment.amount_cents,
            },
            ("refunded", "voided"),
        )
        status = "VOIDED" if answer["status"] == "voided" else "REFUNDED"
        await self._payments.finish_refund(payment, status)
        log.info(
            "Compensation: payment %s",
            status.lower(),
            extra=fields(order_id=payment.order_id, payment_id=payment.payment_id),
        )
        return replace(payment, status=status)

    async def _charge(self, payment: Payment) -> Payment:
        if Variant.PAYMENT_KEY_PER_ATTEMPT in self._variants:
            payment = await self._payments.use_key(payment, str(uuid4()))
        try:
            answer = await self._ask_provider(
                "/v1/charges",
                {
                    "key": payment.provider_key,
                    "order_id": payment.order_id,
                    "amount_cents": payment.amount_cents,
                    "card": payment.card,
                },
                tuple(_CHARGED),
            )
        except Unanswered as error:
            if error.went_out:
                await self._payments.unanswered(payment)
            raise
        payment = await self._payments.settle(payment, _CHARGED[answer["status"]], answer.get("reason"))
        log.info(
            "Payment %s",
            payment.status.lower(),
            extra=fields(
                order_id=payment.order_id, payment_id=payment.payment_id, reason=payment.error_message
            ),
        )
        return payment

    async def _ask_provider(
        self, path: str, body: dict[str, object], words: tuple[str, ...]
    ) -> dict[str, str]:
        """The provider's answer, whose status is one of `words`."""
        try:
            response = await self._provider.request("POST", path, json=body)
        except PeerError as error:
            log.warning("Provider call failed", extra=fields(order_id=body["order_id"], error=str(error)))
            went_out = isinstance(error, NoAnswer)
            timed_out = isinstance(error, NoAnswer) and error.timed_out
            raise Unanswered(str(error), went_out=went_out, timed_out=timed_out) from error
        if response.status_code in {200, 402, 409} and (answer := _object(response)).get("status") in words:
            return answer
        status = response.status_code
        log.warning(
            "Provider answered %d",
            status,
            extra=fields(order_id=body["order_id"], answer=response.text[:200]),
        )
        raise Unanswered(f"the provider answered {status} and nothing usable", went_out=True)


def _nothing_paid(reference: str, order_id: str) -> Payment:
    return Payment(
        payment_id=reference,
        idempotency_key=reference,
        provider_key=reference,
        order_id=order_id,
        amount_cents=0,
        card="",
        status="VOIDED",
    )


def _object(response: httpx.Response) -> dict[str, str]:
    """The JSON object of an answer; an empty one of a proxy's page or of anything else that is none."""
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


class Unanswered(Problem):
    """The provider gave no usable answer: 504 after a time-out, otherwise 503. Try again with the same key.

    Attributes:
        went_out: Whether this request can have reached the provider. Even if not, an earlier one may have.
    """

    def __init__(self, detail: str, *, went_out: bool, timed_out: bool = False) -> None:
        status, title = (504, "Gateway Timeout") if timed_out else (503, "Service Unavailable")
        super().__init__(status, title, detail, outcome="unknown", headers={"Retry-After": "1"})
        self.went_out = went_out
