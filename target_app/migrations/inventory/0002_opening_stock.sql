-- Enough of everything that no drill runs out by accident; PUT /api/v1/inventory/stock changes it.
INSERT INTO stock (sku, supplied, available)
SELECT 'sku-' || number, 1000000, 1000000 FROM generate_series(1, 10) AS number;
-- And an article that everybody wanted before: an order of it is refused.
INSERT INTO stock (sku, supplied, available) VALUES ('sku-sold-out', 0, 0);
