-- Plinth Receiving: the inbound docks of three warehouses. Moments are UTC.
-- An appointment holds its slot while it is confirmed or checked in; one whose truck is over two hours late holds nothing.

--- tables
CREATE TABLE articles (
  sku TEXT PRIMARY KEY,
  supplier TEXT NOT NULL,
  carton INTEGER NOT NULL,              -- units in a carton: what is ordered is whole cartons
  chilled INTEGER NOT NULL CHECK (chilled IN (0, 1))
);
CREATE TABLE closed_days (
  site TEXT NOT NULL CHECK (site IN ('north', 'harbour', 'airfield')),
  day TEXT NOT NULL,
  PRIMARY KEY (site, day)
);
CREATE TABLE dock_slots (
  dock_slot_id TEXT PRIMARY KEY,
  site TEXT NOT NULL CHECK (site IN ('north', 'harbour', 'airfield')),
  door INTEGER NOT NULL,
  equipment TEXT NOT NULL CHECK (equipment IN ('forklift', 'conveyor', 'reefer_plug')),
  starts_at TEXT NOT NULL,
  minutes INTEGER NOT NULL CHECK (minutes BETWEEN 30 AND 120),
  UNIQUE (site, door, starts_at)
);
CREATE TABLE purchase_orders (
  purchase_order_id TEXT PRIMARY KEY,
  supplier TEXT NOT NULL,
  site TEXT NOT NULL CHECK (site IN ('north', 'harbour', 'airfield')),
  due_date TEXT NOT NULL
);
CREATE TABLE order_lines (
  purchase_order_id TEXT NOT NULL REFERENCES purchase_orders,
  sku TEXT NOT NULL REFERENCES articles,
  units INTEGER NOT NULL CHECK (units > 0),
  PRIMARY KEY (purchase_order_id, sku)
);
CREATE TABLE appointments (
  dock_appointment_id TEXT PRIMARY KEY,
  purchase_order_id TEXT NOT NULL REFERENCES purchase_orders,
  dock_slot_id TEXT NOT NULL REFERENCES dock_slots,
  carrier TEXT NOT NULL,
  licence_plate TEXT,
  seal_number TEXT,
  status TEXT NOT NULL CHECK (status IN ('confirmed', 'checked_in', 'received', 'cancelled'))
);
CREATE INDEX appointments_by_slot ON appointments (dock_slot_id);
CREATE TABLE receipts (
  receipt_id TEXT PRIMARY KEY,
  dock_appointment_id TEXT NOT NULL UNIQUE REFERENCES appointments,
  temperature_ok INTEGER NOT NULL CHECK (temperature_ok IN (0, 1)),
  posted_at TEXT NOT NULL
);
CREATE TABLE receipt_lines (
  receipt_id TEXT NOT NULL REFERENCES receipts,
  sku TEXT NOT NULL REFERENCES articles,
  received_units INTEGER NOT NULL CHECK (received_units >= 0),
  PRIMARY KEY (receipt_id, sku)
);
CREATE TABLE discrepancies (
  discrepancy_id TEXT PRIMARY KEY,
  receipt_id TEXT NOT NULL REFERENCES receipts,
  sku TEXT NOT NULL REFERENCES articles,
  kind TEXT NOT NULL CHECK (kind IN ('shortage', 'surplus', 'damage')),
  units INTEGER NOT NULL CHECK (units > 0),
  photo_urls TEXT NOT NULL
);

--- populate
INSERT INTO articles
SELECT s.code || '-' || (1000 + 40 * draw(1, 220, 'sku', s.code) + k.n * 7), s.supplier, nth('cartons', k.n + (s.n % 3)), s.chilled
FROM (SELECT n, nth('suppliers', n, 'name') AS supplier, nth('suppliers', n, 'code') AS code, nth('suppliers', n, 'chilled') AS chilled
      FROM numbers WHERE n <= 14) s JOIN numbers k ON k.n <= 3 ORDER BY s.n, k.n;

INSERT INTO closed_days
SELECT s.value, at(now(), '+' || n || ' days', 'date') FROM json_each('["north", "harbour", "airfield"]') s JOIN numbers ON n <= 9
WHERE weekday(at(now(), '+' || n || ' days')) = 'sunday'
   OR n = draw(2, 5, 'stocktaking', s.value)
ORDER BY s.value, n;

-- Four doors a site: two with a forklift, one with a conveyor, one where a cooled trailer finds current. Two slots a day each.
INSERT INTO dock_slots
SELECT 'dsl_' || alnum(8, 'slot', ((s.key * 10 + d.n) * 5 + k.n) * 3 + t.n), s.value, s.key * 10 + k.n,
       CASE k.n WHEN 3 THEN 'conveyor' WHEN 4 THEN 'reefer_plug' ELSE 'forklift' END,
       at(now(), '+' || d.n || ' days', nth('starts', 1 + (k.n * 2 + t.n * 3 + d.n + s.key) % 7)),
       nth('lengths', 1 + (k.n + s.key) % 3)
FROM json_each('["north", "harbour", "airfield"]') s JOIN numbers d ON d.n <= 9 JOIN numbers k ON k.n <= 4 JOIN numbers t ON t.n <= 2
WHERE NOT EXISTS (SELECT 1 FROM closed_days c WHERE c.site = s.value AND c.day = at(now(), '+' || d.n || ' days', 'date'))
  AND NOT chance(0.25, 'used otherwise', s.key, d.n, k.n, t.n)
  AND NOT (k.n > 2 AND chance(0.3, 'door in repair', s.key, d.n, k.n))
ORDER BY s.key, d.n, k.n, t.n;

-- Orders 1 to 15 wait for an appointment, 16 to 22 have one ahead, 23 to 27 now, 28 to 30 have missed it,
-- 31 to 35 are at the door, 36 to 49 were received, 50 to 52 cancelled an appointment.
INSERT INTO purchase_orders
SELECT 'po_' || digits(6, 'order', n), nth('suppliers', 1 + n % 14, 'name'), nth('sites', 1 + draw(0, 2, 'site', n)),
       at(day, CASE weekday(day) WHEN 'sunday' THEN '-1 days' ELSE '+0 days' END, 'date')
FROM (
  SELECT n, at(now(), CASE WHEN n BETWEEN 36 AND 49 THEN '-' || draw(0, 2, 'due', n) WHEN n BETWEEN 23 AND 35 THEN '+' || draw(2, 4, 'due', n)
                           ELSE '+' || draw(3, 9, 'due', n) END || ' days') AS day
  FROM numbers WHERE n <= 52
)
ORDER BY n;

INSERT INTO order_lines
SELECT p.purchase_order_id, a.sku, a.carton * draw(4, 40, 'cartons', p.rowid, a.sku)
FROM purchase_orders p JOIN articles a USING (supplier)
WHERE NOT chance(0.25, 'not ordered', p.rowid, a.sku)
   OR a.sku = (SELECT min(sku) FROM articles b WHERE b.supplier = a.supplier)
ORDER BY p.rowid, a.sku;

INSERT INTO dock_slots
SELECT 'dsl_' || alnum(8, 'slot', 900 + p.rowid), p.site, CASE p.site WHEN 'north' THEN 0 WHEN 'harbour' THEN 10 ELSE 20 END + 1 + p.rowid % 8,
       CASE WHEN (SELECT max(chilled) FROM articles a WHERE a.supplier = p.supplier) THEN 'reefer_plug' ELSE 'forklift' END,
       CASE
         WHEN p.rowid <= 27 THEN substr(at(now(), '-' || (p.rowid * 23 % 85) || ' minutes'), 1, 15) || '0:00Z'
         WHEN p.rowid <= 30 THEN substr(at(now(), '-' || (150 + p.rowid * 31 % 90) || ' minutes'), 1, 15) || '0:00Z'
         WHEN p.rowid <= 35 THEN substr(at(now(), '-' || (45 + p.rowid * 17 % 70) || ' minutes'), 1, 15) || '0:00Z'
         ELSE at(now(), '-' || (1 + p.rowid % 3) || ' days', nth('starts', 1 + p.rowid % 7))
       END, 60
FROM purchase_orders p WHERE p.rowid BETWEEN 23 AND 49 ORDER BY p.rowid;

INSERT INTO appointments
SELECT 'dap_' || alnum(8, 'appointment', p.rowid), p.purchase_order_id,
       CASE WHEN p.rowid BETWEEN 23 AND 49 THEN (SELECT dock_slot_id FROM dock_slots WHERE dock_slot_id = 'dsl_' || alnum(8, 'slot', 900 + p.rowid))
            ELSE (SELECT dock_slot_id FROM (
                    SELECT s.dock_slot_id, draw(1, 1000, 'which', p.rowid, s.dock_slot_id) AS luck FROM dock_slots s
                    WHERE s.site = p.site AND s.starts_at > at(now(), '+12 hours') AND substr(s.starts_at, 1, 10) <= p.due_date
                      AND s.rowid % 10 = p.rowid % 10)
                  ORDER BY luck, dock_slot_id LIMIT 1) END,
       pick('carriers', p.rowid), letters(2, 'area', p.rowid) || pick('years', p.rowid) || ' ' || letters(3, 'plate', p.rowid),
       CASE WHEN p.rowid BETWEEN 31 AND 49 AND chance(0.6, 'seal', p.rowid) THEN 'SL' || digits(6, 'seal', p.rowid) END,
       CASE WHEN p.rowid <= 30 THEN 'confirmed' WHEN p.rowid <= 35 THEN 'checked_in' WHEN p.rowid <= 49 THEN 'received' ELSE 'cancelled' END
FROM purchase_orders p WHERE p.rowid >= 16
  AND (p.rowid BETWEEN 23 AND 49 OR EXISTS (
    SELECT 1 FROM dock_slots s WHERE s.site = p.site AND s.starts_at > at(now(), '+12 hours') AND substr(s.starts_at, 1, 10) <= p.due_date
    AND s.rowid % 10 = p.rowid % 10))
ORDER BY p.rowid;

INSERT INTO receipts
SELECT 'rcp_' || alnum(8, 'receipt', a.rowid), a.dock_appointment_id, NOT chance(0.1, 'warm', a.rowid), at(s.starts_at, '+70 minutes')
FROM appointments a JOIN dock_slots s USING (dock_slot_id) WHERE a.status = 'received' ORDER BY a.rowid;

-- About half of the articles differ from the order, by units or whole cartons.
INSERT INTO receipt_lines
SELECT r.receipt_id, l.sku,
       l.units + CASE draw(1, 6, 'counted', r.receipt_id, l.sku) WHEN 1 THEN -a.carton WHEN 2 THEN -draw(2, 9, 'few', r.receipt_id, l.sku)
                      WHEN 3 THEN a.carton ELSE 0 END
FROM receipts r JOIN appointments p USING (dock_appointment_id) JOIN order_lines l USING (purchase_order_id) JOIN articles a USING (sku)
ORDER BY r.rowid, l.sku;

--- invariant a slot is held once at most
SELECT dock_slot_id FROM appointments WHERE status IN ('confirmed', 'checked_in') GROUP BY dock_slot_id HAVING count(*) > 1;
--- invariant an appointment is at the site of its order
SELECT dock_appointment_id FROM appointments JOIN dock_slots s USING (dock_slot_id) JOIN purchase_orders p USING (purchase_order_id)
WHERE s.site <> p.site;
--- invariant what was received has a receipt
SELECT dock_appointment_id FROM appointments a
WHERE (status = 'received') <> EXISTS (SELECT 1 FROM receipts r WHERE r.dock_appointment_id = a.dock_appointment_id);

--- tool search_purchase_orders
--- page purchase_orders
SELECT p.purchase_order_id, supplier, site, due_date,
       (SELECT sum(units) FROM order_lines l WHERE l.purchase_order_id = p.purchase_order_id) AS expected_units
FROM purchase_orders p
WHERE (:supplier IS NULL OR matches(supplier, :supplier)) AND (:site IS NULL OR site = :site)
  AND (:due_before IS NULL OR due_date < :due_before)
  AND NOT EXISTS (SELECT 1 FROM appointments a WHERE a.purchase_order_id = p.purchase_order_id AND a.status = 'received')
ORDER BY due_date, p.purchase_order_id;

--- tool find_dock_slots
--- error site_closed
SELECT 1 FROM closed_days WHERE site = :site AND day = :slot_date;
--- rows dock_slots
SELECT dock_slot_id, door, starts_at, minutes FROM dock_slots s
WHERE site = :site AND substr(starts_at, 1, 10) = :slot_date AND starts_at > now()
  AND (coalesce(:equipment, 'any') = 'any' OR equipment = :equipment)
  AND NOT EXISTS (SELECT 1 FROM appointments a WHERE a.dock_slot_id = s.dock_slot_id AND a.status IN ('confirmed', 'checked_in'))
ORDER BY starts_at, door;

--- tool book_dock_appointment
--- error purchase_order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM purchase_orders WHERE purchase_order_id = :purchase_order_id);
--- error slot_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM dock_slots WHERE dock_slot_id = :dock_slot_id);
--- error wrong_site
SELECT 1 FROM purchase_orders p, dock_slots s
WHERE p.purchase_order_id = :purchase_order_id AND s.dock_slot_id = :dock_slot_id AND p.site <> s.site;
--- error already_booked
SELECT 1 FROM appointments JOIN dock_slots USING (dock_slot_id)
WHERE purchase_order_id = :purchase_order_id
  AND (status IN ('checked_in', 'received') OR status = 'confirmed' AND starts_at >= at(now(), '-2 hours'));
--- error slot_taken
SELECT 1 FROM dock_slots s
WHERE dock_slot_id = :dock_slot_id AND (starts_at <= now() OR EXISTS (
  SELECT 1 FROM appointments a WHERE a.dock_slot_id = s.dock_slot_id AND a.status IN ('confirmed', 'checked_in')));
--- let
SELECT 'dap_' || alnum(8, 'appointment', 20000 + fresh(0)) AS dock_appointment_id;
--- do
UPDATE appointments SET status = 'cancelled' WHERE purchase_order_id = :purchase_order_id AND status = 'confirmed';
INSERT INTO appointments VALUES
  (:dock_appointment_id, :purchase_order_id, :dock_slot_id, :carrier, :licence_plate, NULL, 'confirmed');
--- result
SELECT dock_appointment_id, purchase_order_id, dock_slot_id, carrier, licence_plate, status
FROM appointments WHERE dock_appointment_id = :dock_appointment_id;

--- tool check_in_truck
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id);
--- error appointment_not_open
SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id AND status <> 'confirmed';
--- error truck_too_early
SELECT 1 FROM appointments JOIN dock_slots USING (dock_slot_id)
WHERE dock_appointment_id = :dock_appointment_id AND starts_at > at(now(), '+1 hours');
--- error slot_missed
SELECT 1 FROM appointments JOIN dock_slots USING (dock_slot_id)
WHERE dock_appointment_id = :dock_appointment_id AND starts_at < at(now(), '-2 hours');
--- let
SELECT max(0, CAST(round((julianday(now()) - julianday(starts_at)) * 1440) AS INTEGER)) AS minutes_late
FROM appointments JOIN dock_slots USING (dock_slot_id) WHERE dock_appointment_id = :dock_appointment_id;
--- do
UPDATE appointments SET status = 'checked_in', licence_plate = :licence_plate, seal_number = :seal_number
WHERE dock_appointment_id = :dock_appointment_id;
--- result
SELECT dock_appointment_id, licence_plate, seal_number, door, :minutes_late AS minutes_late, status
FROM appointments JOIN dock_slots USING (dock_slot_id) WHERE dock_appointment_id = :dock_appointment_id;

--- tool record_receipt
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id);
--- error appointment_closed
SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id AND status IN ('received', 'cancelled');
--- error truck_not_checked_in
SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id AND status = 'confirmed';
--- error sku_not_on_order
SELECT 1 FROM json_each(:counts) c WHERE c.value ->> '$.sku' NOT IN (
  SELECT sku FROM order_lines JOIN appointments USING (purchase_order_id) WHERE dock_appointment_id = :dock_appointment_id) LIMIT 1;
--- let
SELECT 'rcp_' || alnum(8, 'receipt', 20000 + fresh(0)) AS receipt_id;
--- do
INSERT INTO receipts VALUES (:receipt_id, :dock_appointment_id, :temperature_ok, now());
INSERT INTO receipt_lines
SELECT :receipt_id, c.value ->> '$.sku', sum(c.value ->> '$.received_units') FROM json_each(:counts) c GROUP BY 2 ORDER BY 2;
UPDATE appointments SET status = 'received' WHERE dock_appointment_id = :dock_appointment_id;
--- result
SELECT receipt_id, dock_appointment_id, purchase_order_id,
       (SELECT coalesce(sum(received_units), 0) FROM receipt_lines l WHERE l.receipt_id = r.receipt_id) AS total_units,
       temperature_ok, 'posted' AS receipt_status
FROM receipts r JOIN appointments USING (dock_appointment_id) WHERE receipt_id = :receipt_id;
--- rows deviating_skus
SELECT o.sku FROM appointments a JOIN order_lines o USING (purchase_order_id)
LEFT JOIN receipt_lines l ON l.receipt_id = :receipt_id AND l.sku = o.sku
WHERE a.dock_appointment_id = :dock_appointment_id AND coalesce(l.received_units, 0) <> o.units ORDER BY o.sku;

--- tool report_discrepancy
--- error receipt_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM receipts WHERE receipt_id = :receipt_id);
--- error sku_not_on_receipt
SELECT 1 WHERE :sku NOT IN (SELECT l.sku FROM receipts JOIN appointments USING (dock_appointment_id) JOIN order_lines l USING (purchase_order_id)
                            WHERE receipt_id = :receipt_id);
--- error photo_required
SELECT 1 WHERE :kind = 'damage' AND json_array_length(coalesce(:photo_urls, '[]')) = 0;
--- error differs_from_receipt
SELECT 1 FROM receipts r JOIN appointments USING (dock_appointment_id) JOIN order_lines o USING (purchase_order_id)
LEFT JOIN receipt_lines l ON l.receipt_id = r.receipt_id AND l.sku = o.sku
WHERE r.receipt_id = :receipt_id AND o.sku = :sku
  AND :units > CASE :kind WHEN 'shortage' THEN o.units - coalesce(l.received_units, 0) WHEN 'surplus' THEN coalesce(l.received_units, 0) - o.units
               ELSE coalesce(l.received_units, 0) END;
--- let
SELECT 'dcy_' || alnum(7, 'discrepancy', fresh(0)) AS discrepancy_id;
--- do
INSERT INTO discrepancies VALUES (:discrepancy_id, :receipt_id, :sku, :kind, :units, coalesce(:photo_urls, '[]'));
--- result
SELECT discrepancy_id, receipt_id, sku, kind, units, 'reported' AS discrepancy_status
FROM discrepancies WHERE discrepancy_id = :discrepancy_id;

--- tool cancel_dock_appointment
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id);
--- error already_cancelled
SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id AND status = 'cancelled';
--- error truck_already_on_site
SELECT 1 FROM appointments WHERE dock_appointment_id = :dock_appointment_id AND status IN ('checked_in', 'received');
--- do
UPDATE appointments SET status = 'cancelled' WHERE dock_appointment_id = :dock_appointment_id;
--- result
SELECT dock_appointment_id, dock_slot_id, status FROM appointments WHERE dock_appointment_id = :dock_appointment_id;
