-- One row per idempotency key. PENDING: the provider's answer is not known. REFUNDING: a refund was asked for
-- and is not yet confirmed. VOIDED: given up before anything was charged; the key can no longer be used.
-- attempts: charge requests that went out to the provider, answered or not; one that found no connection did not.
CREATE TABLE payment (
    payment_id      text PRIMARY KEY,
    idempotency_key text NOT NULL UNIQUE,
    provider_key    text NOT NULL,
    order_id        text NOT NULL,
    amount_cents    bigint NOT NULL CHECK (amount_cents >= 0),
    card            text NOT NULL,
    status          text NOT NULL
        CHECK (status IN ('PENDING', 'COMPLETED', 'DECLINED', 'REFUNDING', 'REFUNDED', 'VOIDED')),
    attempts        integer NOT NULL DEFAULT 0,
    error_message   text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payment_by_order ON payment (order_id);
CREATE INDEX payment_by_provider_key ON payment (provider_key);
