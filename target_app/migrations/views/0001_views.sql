-- The read view: one row per order, only ever moved to a higher version.
CREATE TABLE order_view (
    order_id     text PRIMARY KEY,
    status       text NOT NULL,
    version      integer NOT NULL,
    amount_cents bigint,
    customer_id  text,
    saga_id      text NOT NULL,
    occurred_at  timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now()
);

-- What took effect, in the order in which it did: append-only, one row per event however often it arrives.
CREATE TABLE applied_events (
    seq          bigserial PRIMARY KEY,
    order_id     text NOT NULL,
    version      integer NOT NULL,
    event_type   text NOT NULL,
    event_id     text NOT NULL UNIQUE,
    applied_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    partition    integer NOT NULL,
    kafka_offset bigint NOT NULL,
    UNIQUE (order_id, version)
);
