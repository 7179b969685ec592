-- Mothwing Returns: the returns desk of a clothing shop. All money is in euro cents; moments are UTC.
-- An article may go back within 30 days of delivery unless it was sold as final sale.

--- tables
CREATE TABLE shoppers (
  email TEXT PRIMARY KEY,
  shopper_name TEXT NOT NULL,
  has_locker INTEGER NOT NULL CHECK (has_locker IN (0, 1)),
  has_pickup INTEGER NOT NULL CHECK (has_pickup IN (0, 1))
);
CREATE TABLE skus (
  sku TEXT PRIMARY KEY,
  article TEXT NOT NULL,
  price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  is_final INTEGER NOT NULL CHECK (is_final IN (0, 1)),
  is_stocked INTEGER NOT NULL CHECK (is_stocked IN (0, 1))
);
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY,
  email TEXT NOT NULL REFERENCES shoppers,
  delivered_on TEXT NOT NULL
);
CREATE INDEX orders_by_email ON orders (email);
CREATE TABLE order_lines (
  order_line_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES orders,
  sku TEXT NOT NULL REFERENCES skus,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  UNIQUE (order_id, sku)
);
CREATE TABLE returns (
  return_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES orders,
  reason TEXT NOT NULL CHECK (reason IN ('too_small', 'too_large', 'damaged', 'wrong_article', 'changed_mind')),
  resolution TEXT NOT NULL CHECK (resolution IN ('refund', 'exchange', 'store_credit')),
  status TEXT NOT NULL CHECK (status IN ('open', 'label_issued', 'inspected', 'settled')),
  tracking_number TEXT,
  drop_off TEXT,
  is_received INTEGER NOT NULL CHECK (is_received IN (0, 1)),
  condition TEXT CHECK (condition IN ('as_new', 'worn', 'damaged', 'incomplete')),
  deduction_percent INTEGER CHECK (deduction_percent BETWEEN 0 AND 100),
  inspector_note TEXT,
  created_at TEXT NOT NULL
);
CREATE TABLE return_lines (
  order_line_id TEXT PRIMARY KEY REFERENCES order_lines,
  return_id TEXT NOT NULL REFERENCES returns
);
CREATE INDEX return_lines_by_return ON return_lines (return_id);

--- populate
INSERT INTO shoppers
SELECT email(person(n), pick('mail', n)), person(n), chance(0.7, 'locker', n), chance(0.5, 'pickup', n)
FROM numbers WHERE n <= 36 ORDER BY n;

INSERT INTO skus
SELECT nth('articles', n, 'code') || '-' || s.value, nth('articles', n, 'name'), nth('articles', n, 'cents'),
       nth('articles', n, 'final'), chance(0.8, 'stock', n, s.value)
FROM numbers JOIN json_each('["S", "M", "L"]') s WHERE n <= 26 ORDER BY n, s.key;

-- Orders 1 to 16 hold one article, which came back; of the others every fourth is older than 30 days. From 37 on they are the
-- second orders of their shoppers, on another day.
INSERT INTO orders
SELECT 'so_' || digits(8, 'order', n), (SELECT email FROM shoppers WHERE rowid = 1 + n % 36),
       at(now(), '-' || CASE WHEN n <= 16 THEN 2 * draw(7, 14, 'age', n) ELSE (n > 36) + 2 * CASE WHEN n % 4 = 0 THEN draw(17, 25, 'age', n) ELSE draw(1, 12, 'age', n) END END || ' days', 'date')
FROM numbers WHERE n <= 62 ORDER BY n;

INSERT INTO order_lines
SELECT 'sol_' || substr(o.order_id, 4) || k.n, o.order_id,
       (SELECT sku FROM skus WHERE rowid = 3 * ((o.rowid * 5 + k.n * 7 + draw(0, 6, 'which', o.rowid)) % 26) + draw(1, 3, 'size', o.rowid)),
       CASE WHEN o.rowid > 16 AND chance(0.12, 'two', o.rowid, k.n) THEN 2 ELSE 1 END
FROM orders o JOIN numbers k ON k.n <= CASE WHEN o.rowid <= 16 THEN 1 ELSE draw(1, 3, 'lines', o.rowid) END
ORDER BY o.rowid, k.n;

-- The days since a return was opened (waited) say how far it can have come.
INSERT INTO returns
SELECT 'rtn_' || alnum(8, 'return', n), order_id, reason,
       CASE reason WHEN 'changed_mind' THEN CASE WHEN chance(0.5, 'credit', n) THEN 'store_credit' ELSE 'refund' END
                   ELSE CASE WHEN chance(0.5, 'exchange', n) THEN 'exchange' ELSE 'refund' END END,
       status, CASE WHEN status <> 'open' THEN 'MW' || digits(10, 'tracking', n) END,
       CASE WHEN status <> 'open' THEN CASE WHEN chance(0.4, 'drop', n) THEN 'locker' ELSE 'parcel_shop' END END,
       status IN ('inspected', 'settled') OR (status = 'label_issued' AND waited >= 3 AND n % 2 = 0), NULL, NULL, NULL,
       at(delivered_on, '+' || (age - waited) || ' days', draw(8, 17, 'hour', n) || ':' || draw(10, 59, 'minute', n))
FROM (
  SELECT n, order_id, delivered_on, age, waited, nth('reasons', 1 + draw(0, 4, 'reason', n)) AS reason,
         CASE WHEN waited <= 2 THEN CASE n % 2 WHEN 0 THEN 'open' ELSE 'label_issued' END
              WHEN waited <= 4 THEN 'label_issued'
              ELSE nth('stages', 1 + n % 7) END AS status
  FROM (
    SELECT l.rowid AS n, o.order_id, o.delivered_on, CAST(julianday(at(now(), 'date')) - julianday(o.delivered_on) AS INTEGER) AS age,
           CAST(julianday(at(now(), 'date')) - julianday(o.delivered_on) AS INTEGER) - draw(1, 6, 'after', o.rowid) AS waited
    FROM order_lines l JOIN orders o USING (order_id) JOIN skus s USING (sku)
    WHERE NOT s.is_final AND (o.rowid <= 16 OR (l.quantity = 1 AND chance(0.5, 'returned', l.rowid)
                            AND NOT EXISTS (SELECT 1 FROM order_lines p WHERE p.order_id = l.order_id AND p.rowid < l.rowid)))
  ) WHERE waited >= 1
) ORDER BY n;

INSERT INTO return_lines
SELECT (SELECT min(l.order_line_id) FROM order_lines l WHERE l.order_id = r.order_id), r.return_id FROM returns r ORDER BY r.rowid;

UPDATE returns SET
  condition = CASE reason WHEN 'damaged' THEN 'damaged' WHEN 'wrong_article' THEN 'as_new'
              ELSE CASE WHEN chance(0.55, 'as new', rowid) THEN 'as_new' WHEN chance(0.7, 'worn', rowid) THEN 'worn' ELSE 'incomplete' END END
WHERE status IN ('inspected', 'settled');
UPDATE returns SET deduction_percent = CASE condition WHEN 'worn' THEN 10 * draw(2, 4, 'off', rowid) WHEN 'incomplete' THEN 10 ELSE 0 END
WHERE condition IS NOT NULL;
UPDATE returns SET resolution = 'refund' WHERE deduction_percent > 0 AND resolution = 'exchange';

--- invariant a return has a line of its order
SELECT return_id FROM returns r WHERE NOT EXISTS (
  SELECT 1 FROM return_lines x JOIN order_lines l USING (order_line_id) WHERE x.return_id = r.return_id AND l.order_id = r.order_id);
--- invariant a label has a number, and none is inspected without a parcel
SELECT return_id FROM returns
WHERE (status = 'open') <> (tracking_number IS NULL) OR (status IN ('inspected', 'settled')) <> (condition IS NOT NULL)
   OR (condition IS NOT NULL AND NOT is_received) OR (condition IS NULL) <> (deduction_percent IS NULL);
--- invariant nothing goes back before it was delivered
SELECT return_id FROM returns r JOIN orders o USING (order_id) WHERE substr(r.created_at, 1, 10) < o.delivered_on OR r.created_at > now();

--- tool find_orders
--- error shopper_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shoppers WHERE email = lower(:email));
--- page orders
SELECT order_id, delivered_on, (SELECT sum(l.quantity * s.price_cents) FROM order_lines l JOIN skus s USING (sku) WHERE l.order_id = o.order_id) AS total_cents,
       'EUR' AS currency
FROM orders o WHERE email = lower(:email) AND (:delivered_after IS NULL OR delivered_on >= :delivered_after)
ORDER BY delivered_on DESC, order_id;

--- tool list_order_lines
--- error order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id);
--- rows order_lines
SELECT l.order_line_id, l.sku, s.article, l.quantity, s.price_cents, at(o.delivered_on, '+30 days', 'date') AS return_until
FROM order_lines l JOIN orders o USING (order_id) JOIN skus s USING (sku)
WHERE l.order_id = :order_id
  AND (NOT :returnable_only OR (NOT s.is_final AND NOT EXISTS (SELECT 1 FROM return_lines x WHERE x.order_line_id = l.order_line_id)))
ORDER BY l.order_line_id;
--- result
SELECT NULL AS next_cursor;

--- tool open_return
--- error order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id);
--- error line_not_in_order
SELECT 1 FROM json_each(:order_line_ids) w
WHERE NOT EXISTS (SELECT 1 FROM order_lines WHERE order_line_id = w.value AND order_id = :order_id) LIMIT 1;
--- error line_already_returned
SELECT 1 FROM json_each(:order_line_ids) w JOIN return_lines x ON x.order_line_id = w.value LIMIT 1;
--- error final_sale
SELECT 1 FROM json_each(:order_line_ids) w JOIN order_lines l ON l.order_line_id = w.value JOIN skus s USING (sku) WHERE s.is_final LIMIT 1;
--- error return_window_closed
SELECT 1 FROM orders WHERE order_id = :order_id AND at(delivered_on, '+30 days', 'date') < at(now(), 'date');
--- let
SELECT 'rtn_' || alnum(8, 'return', fresh(0)) AS return_id;
--- do
INSERT INTO returns VALUES (:return_id, :order_id, :reason, coalesce(:resolution, 'refund'), 'open', NULL, NULL, 0, NULL, NULL, NULL, now());
INSERT INTO return_lines SELECT value, :return_id FROM json_each(:order_line_ids);
--- result
SELECT return_id, order_id, (SELECT json_group_array(order_line_id) FROM (SELECT order_line_id FROM return_lines WHERE return_id = :return_id ORDER BY order_line_id)) AS order_line_ids,
       reason, resolution, status FROM returns WHERE return_id = :return_id;

--- tool issue_return_label
--- error return_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM returns WHERE return_id = :return_id);
--- error label_already_issued
SELECT 1 FROM returns WHERE return_id = :return_id AND status <> 'open';
--- error drop_off_unavailable
SELECT 1 FROM returns JOIN orders USING (order_id) JOIN shoppers USING (email)
WHERE return_id = :return_id AND ((:drop_off = 'locker' AND NOT has_locker) OR (:drop_off = 'home_pickup' AND NOT has_pickup));
--- do
UPDATE returns SET status = 'label_issued', tracking_number = 'MW' || digits(10, 'tracking', fresh(0)), drop_off = coalesce(:drop_off, 'parcel_shop')
WHERE return_id = :return_id;
--- result
SELECT return_id, tracking_number, 'https://labels.mothwing.example/' || return_id || '.pdf' AS label_url, drop_off, status
FROM returns WHERE return_id = :return_id;

--- tool record_inspection
--- error return_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM returns WHERE return_id = :return_id);
--- error already_inspected
SELECT 1 FROM returns WHERE return_id = :return_id AND condition IS NOT NULL;
--- error parcel_not_received
SELECT 1 FROM returns WHERE return_id = :return_id AND NOT is_received;
--- do
UPDATE returns SET status = 'inspected', condition = :condition, deduction_percent = :deduction_percent, inspector_note = :inspector_note
WHERE return_id = :return_id;
--- result
SELECT return_id, condition, deduction_percent, status FROM returns WHERE return_id = :return_id;

--- tool settle_return
--- error return_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM returns WHERE return_id = :return_id);
--- error already_settled
SELECT 1 FROM returns WHERE return_id = :return_id AND status = 'settled';
--- error not_inspected
SELECT 1 FROM returns WHERE return_id = :return_id AND status <> 'inspected';
--- error exchange_out_of_stock
SELECT 1 FROM return_lines JOIN order_lines USING (order_line_id) JOIN skus USING (sku)
WHERE return_id = :return_id AND :resolution = 'exchange' AND NOT is_stocked LIMIT 1;
--- do
UPDATE returns SET status = 'settled', resolution = :resolution WHERE return_id = :return_id;
--- result
SELECT return_id, resolution,
       CASE resolution WHEN 'exchange' THEN 0 ELSE
         (SELECT CAST(round(sum(l.quantity * s.price_cents) * (100 - deduction_percent) / 100.0) AS INTEGER)
          FROM return_lines x JOIN order_lines l USING (order_line_id) JOIN skus s USING (sku) WHERE x.return_id = r.return_id) END AS settled_cents,
       'EUR' AS currency, status
FROM returns r WHERE return_id = :return_id;

--- tool get_return
--- error return_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM returns WHERE return_id = :return_id);
--- result
SELECT return_id, order_id, (SELECT json_group_array(order_line_id) FROM (SELECT order_line_id FROM return_lines WHERE return_id = :return_id ORDER BY order_line_id)) AS order_line_ids,
       reason, resolution, status, tracking_number, condition, deduction_percent,
       CASE WHEN status = 'settled' THEN CASE resolution WHEN 'exchange' THEN 0 ELSE
         (SELECT CAST(round(sum(l.quantity * s.price_cents) * (100 - deduction_percent) / 100.0) AS INTEGER)
          FROM return_lines x JOIN order_lines l USING (order_line_id) JOIN skus s USING (sku) WHERE x.return_id = r.return_id) END END AS settled_cents,
       created_at
FROM returns r WHERE return_id = :return_id;
