CREATE TABLE orders (
    order_id        text PRIMARY KEY,
    customer_id     text NOT NULL,
    status          text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'CONFIRMED', 'CANCELLED')),
    version         integer NOT NULL DEFAULT 1,
    amount_cents    bigint NOT NULL CHECK (amount_cents > 0),
    items           jsonb NOT NULL,
    card            text NOT NULL,
    request         text NOT NULL,  -- fingerprint: the same id with another request is refused
    event_timestamp timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

-- STARTED: not yet taken up. RUNNING: at current_step. PAYMENT_PENDING: the payment waits in payment_queue.
-- COMPENSATING: compensating_step is the next one to undo. COMPLETED and COMPENSATED are final.
-- A process that works on a saga holds its lease and renews it; a saga without a valid lease is free to be
-- taken up, from next_attempt_at on.
CREATE TABLE saga_state (
    saga_id           text PRIMARY KEY,
    saga_type         text NOT NULL DEFAULT 'order-processing',
    order_id          text NOT NULL UNIQUE REFERENCES orders (order_id),
    current_step      text NOT NULL DEFAULT 'reserve-inventory',
    status            text NOT NULL DEFAULT 'STARTED' CHECK
        (status IN ('STARTED', 'RUNNING', 'PAYMENT_PENDING', 'COMPENSATING', 'COMPLETED', 'COMPENSATED')),
    error_message     text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    compensating_step text,
    attempts          integer NOT NULL DEFAULT 0,
    next_attempt_at   timestamptz NOT NULL DEFAULT now(),
    lease_owner       text,
    lease_until       timestamptz,
    traceparent       text NOT NULL DEFAULT ''
);
CREATE INDEX saga_unfinished ON saga_state (created_at) WHERE status NOT IN ('COMPLETED', 'COMPENSATED');

CREATE TABLE saga_execution_log (
    id            bigserial PRIMARY KEY,
    saga_id       text NOT NULL REFERENCES saga_state (saga_id),
    step_name     text NOT NULL,
    status        text NOT NULL,
    executed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    error_message text
);
CREATE INDEX saga_execution_log_by_saga ON saga_execution_log (saga_id, id);

-- The breaker's fallback: payments that wait for the payment service to be well again.
CREATE TABLE payment_queue (
    saga_id         text PRIMARY KEY REFERENCES saga_state (saga_id),
    order_id        text NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    last_error      text,
    enqueued_at     timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payment_queue_due ON payment_queue (next_attempt_at);

-- What is to be published, written in the transaction that made it true. published_at is set after Kafka's
-- acknowledgement, so a crash between the two publishes again and never not at all.
CREATE TABLE outbox (
    seq          bigserial PRIMARY KEY,
    event_id     text NOT NULL UNIQUE,
    topic        text NOT NULL,
    order_id     text NOT NULL,
    saga_id      text NOT NULL,
    event_type   text NOT NULL,
    version      integer NOT NULL,
    body         jsonb NOT NULL,
    traceparent  text NOT NULL DEFAULT '',
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
