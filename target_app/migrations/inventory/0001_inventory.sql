-- What was ever supplied is on the shelf, held for an order, or sold: no unit appears or vanishes.
CREATE TABLE stock (
    sku       text PRIMARY KEY,
    supplied  bigint NOT NULL CHECK (supplied >= 0),
    available bigint NOT NULL CHECK (available >= 0),
    reserved  bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    sold      bigint NOT NULL DEFAULT 0 CHECK (sold >= 0),
    CONSTRAINT conserved CHECK (supplied = available + reserved + sold)
);

-- One row per order. RELEASED and REFUSED are final: a reservation that comes after its release is refused.
CREATE TABLE reservation (
    order_id   text PRIMARY KEY,
    status     text NOT NULL CHECK (status IN ('RESERVED', 'CONFIRMED', 'RELEASED', 'REFUSED')),
    items      jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz  -- when it was sold, also if that has been taken back since
);
