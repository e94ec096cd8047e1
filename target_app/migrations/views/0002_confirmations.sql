-- What customers were told: a row for each message that left, as a mail provider would have it. A message cannot be
-- taken back, so nothing here keeps a second one from being written down.
CREATE TABLE confirmation (
    seq      bigserial PRIMARY KEY,
    order_id text NOT NULL,
    event_id text NOT NULL,
    sent_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
