-- Tallowmere Warranty: kitchen appliances, their claims and the technicians' visits. Money is in pence.
-- The warranty runs five years: in the first two everything is covered, after that parts alone. Marks and scratches never are.

--- tables
CREATE TABLE models (
  product_model TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  stock INTEGER NOT NULL CHECK (stock >= 0)
);
CREATE TABLE fault_types (
  fault_type TEXT PRIMARY KEY,
  labour_cents INTEGER NOT NULL,
  parts_cents INTEGER NOT NULL
);
CREATE TABLE faults (                   -- what owners complain about, for the kind of appliance
  kind TEXT NOT NULL,
  fault_type TEXT NOT NULL REFERENCES fault_types,
  fault_description TEXT NOT NULL,
  error_code TEXT,
  part TEXT,
  PRIMARY KEY (kind, fault_description)
);
CREATE TABLE units (                    -- every appliance that left the works
  serial_number TEXT PRIMARY KEY,
  product_model TEXT NOT NULL REFERENCES models,
  void INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1))
);
CREATE TABLE appliances (
  appliance_id TEXT PRIMARY KEY,
  serial_number TEXT NOT NULL UNIQUE REFERENCES units,
  purchase_date TEXT NOT NULL,
  owner_name TEXT NOT NULL,
  email TEXT NOT NULL,
  address TEXT NOT NULL
);
CREATE TABLE claims (
  claim_id TEXT PRIMARY KEY,
  appliance_id TEXT NOT NULL REFERENCES appliances,
  fault_type TEXT NOT NULL REFERENCES fault_types,
  fault_description TEXT NOT NULL,
  error_code TEXT,
  coverage TEXT NOT NULL CHECK (coverage IN ('full', 'parts_only', 'none')),
  created_at TEXT NOT NULL
);
CREATE INDEX claims_by_appliance ON claims (appliance_id);
CREATE TABLE technicians (technician_name TEXT PRIMARY KEY);
CREATE TABLE other_jobs (               -- visits of technicians that have nothing to do with a claim
  technician_name TEXT NOT NULL REFERENCES technicians,
  visit_date TEXT NOT NULL,
  time_window TEXT NOT NULL,
  PRIMARY KEY (technician_name, visit_date, time_window)
);
CREATE TABLE visits (
  visit_id TEXT PRIMARY KEY,
  claim_id TEXT NOT NULL REFERENCES claims,
  visit_date TEXT NOT NULL,
  time_window TEXT NOT NULL CHECK (time_window IN ('08-12', '12-16', '16-20')),
  phone TEXT NOT NULL,
  technician_name TEXT NOT NULL REFERENCES technicians,
  outcome TEXT CHECK (outcome IN ('repaired', 'beyond_repair', 'no_fault_found', 'nobody_home')),
  parts_used TEXT NOT NULL DEFAULT '[]',
  labour_min INTEGER NOT NULL DEFAULT 0,
  UNIQUE (technician_name, visit_date, time_window)
);
CREATE INDEX visits_by_claim ON visits (claim_id);
CREATE TABLE shipments (
  claim_id TEXT PRIMARY KEY REFERENCES claims,
  replacement_serial_number TEXT NOT NULL UNIQUE,
  tracking_number TEXT NOT NULL,
  expected_delivery TEXT NOT NULL,
  collect_old INTEGER NOT NULL CHECK (collect_old IN (0, 1))
);

--- populate
INSERT INTO models
SELECT nth('models', n, 'model'), nth('models', n, 'kind'), CASE WHEN n % 3 = 0 THEN 0 ELSE draw(2, 30, 'stock', n) END
FROM numbers WHERE n <= 10 ORDER BY n;

INSERT INTO fault_types VALUES ('no_power', 8900, 14500), ('leak', 8900, 6200), ('noise', 8900, 7800), ('heating', 9900, 12800),
  ('door', 7900, 5400), ('cosmetic', 6900, 4900);

INSERT INTO faults
SELECT nth('faults', n, 'kind'), nth('faults', n, 'fault'), nth('faults', n, 'text'), nullif(nth('faults', n, 'code'), ''), nullif(nth('faults', n, 'part'), '')
FROM numbers WHERE n <= 21 ORDER BY n;

INSERT INTO technicians SELECT person(700 + n) FROM numbers WHERE n <= 8 ORDER BY n;

INSERT INTO units (serial_number, product_model)
SELECT 'TM' || digits(10, 'serial', n), (SELECT product_model FROM models WHERE models.rowid = 1 + (n * 3 + n / 10) % 10)
FROM numbers WHERE n <= 78 ORDER BY n;

-- Two appliances an owner; the last eighteen units have been sold and not been registered.
INSERT INTO appliances
SELECT 'apl_' || alnum(8, 'appliance', u.rowid), u.serial_number,
       at(now(), '-' || CASE WHEN u.rowid <= 40 AND u.rowid % 10 >= 7 THEN draw(60, 600, 'bought', u.rowid) ELSE draw(40, 2300, 'bought', u.rowid) END || ' days', 'date'),
       person(10 + (u.rowid + 1) / 2), email(person(10 + (u.rowid + 1) / 2), pick('mail', (u.rowid + 1) / 2)),
       street((u.rowid + 1) / 2) || ', ' || pick('towns', (u.rowid + 1) / 2)
FROM units u WHERE u.rowid <= 60 ORDER BY u.rowid;

-- Forty claims: by the last digit, two in ten are filed, two wait for a visit, two had it and lack the outcome, one is closed, two are due a
-- replacement and one has been replaced.
INSERT INTO claims
SELECT 'WC' || digits(8, 'claim', p.rowid), p.appliance_id, p.fault_type, p.fault_description, p.error_code,
       CASE WHEN p.fault_type = 'cosmetic' OR date(p.purchase_date, '+5 years') < p.created_on THEN 'none'
            WHEN date(p.purchase_date, '+2 years') >= p.created_on THEN 'full' ELSE 'parts_only' END,
       at(p.created_on, draw(8, 17, 'hour', p.rowid) || ':' || draw(10, 59, 'minute', p.rowid))
FROM (
  SELECT a.rowid, a.appliance_id, a.purchase_date, f.*, at(now(), '-' || draw(6, 20, 'filed', a.rowid) || ' days', 'date') AS created_on,
         row_number() OVER (PARTITION BY a.appliance_id ORDER BY draw(1, 100000, 'fault', a.rowid, f.rowid), f.rowid) AS place
  FROM appliances a JOIN units USING (serial_number) JOIN models m USING (product_model) JOIN faults f ON f.kind = m.kind AND f.fault_type <> 'cosmetic'
  WHERE a.rowid <= 40
) p WHERE p.place = 1 ORDER BY p.rowid;

INSERT INTO visits
SELECT 'tv_' || alnum(8, 'visit', q.place), q.claim_id, at(q.day, CASE weekday(q.day) WHEN 'sunday' THEN CASE WHEN q.day > now() THEN '+1 days' ELSE '-1 days' END ELSE '+0 days' END, 'date'),
       nth('windows', 1 + q.place % 3), phone(300 + q.place), (SELECT technician_name FROM technicians t WHERE t.rowid = 1 + q.place % 8),
       q.outcome, CASE WHEN q.outcome = 'repaired' AND q.part IS NOT NULL THEN json_array(q.part) ELSE '[]' END,
       CASE WHEN q.outcome IS NULL THEN 0 ELSE 5 * draw(4, 18, 'minutes', q.place) END
FROM (
  SELECT c.rowid AS place, c.claim_id, f.part,
         at(now(), CASE WHEN c.rowid % 10 IN (2, 3) THEN '+' || (1 + c.rowid / 5) ELSE '-' || ((c.rowid / 10) % 2 + CASE WHEN c.rowid % 10 >= 6 THEN 2 ELSE 0 END) END || ' days') AS day,
         CASE WHEN c.rowid % 10 = 6 THEN 'repaired' WHEN c.rowid % 10 >= 7 THEN 'beyond_repair' END AS outcome
  FROM claims c JOIN appliances a USING (appliance_id) JOIN units USING (serial_number) JOIN models m USING (product_model)
  JOIN faults f ON f.kind = m.kind AND f.fault_description = c.fault_description
  WHERE c.rowid % 10 >= 2
) q ORDER BY q.place;

INSERT INTO shipments
SELECT c.claim_id, 'TM' || digits(10, 'serial', 200 + c.rowid), 'TMX' || digits(9, 'parcel', c.rowid), at(now(), '+' || draw(1, 4, 'parcel', c.rowid) || ' days', 'date'), 1
FROM claims c WHERE c.rowid % 10 = 9 ORDER BY c.rowid;
INSERT INTO units (serial_number, product_model)
SELECT s.replacement_serial_number, u.product_model FROM shipments s JOIN claims USING (claim_id) JOIN appliances USING (appliance_id) JOIN units u USING (serial_number)
ORDER BY s.replacement_serial_number;
UPDATE units SET void = 1 WHERE serial_number IN (SELECT serial_number FROM appliances JOIN claims USING (appliance_id) JOIN shipments USING (claim_id));
UPDATE appliances SET serial_number = (SELECT s.replacement_serial_number FROM shipments s JOIN claims c USING (claim_id) WHERE c.appliance_id = appliances.appliance_id)
WHERE appliance_id IN (SELECT appliance_id FROM claims JOIN shipments USING (claim_id));

-- Other work of the technicians in the coming two weeks; about a quarter of the windows has nobody left.
INSERT INTO other_jobs
SELECT t.technician_name, at(now(), '+' || d.n || ' days', 'date'), nth('windows', w.n)
FROM technicians t JOIN numbers d ON d.n <= 14 JOIN numbers w ON w.n <= 3
WHERE (chance(0.35, 'job', t.rowid, d.n, w.n) OR chance(0.25, 'full', d.n, w.n))
  AND NOT EXISTS (SELECT 1 FROM visits v WHERE v.technician_name = t.technician_name AND v.visit_date = at(now(), '+' || d.n || ' days', 'date')
                  AND v.time_window = nth('windows', w.n))
ORDER BY t.rowid, d.n, w.n;

--- invariant no technician is in two places at once
SELECT 1 FROM visits JOIN other_jobs USING (technician_name, visit_date, time_window);
--- invariant a claim waits for one visit at most
SELECT claim_id FROM visits WHERE outcome IS NULL GROUP BY claim_id HAVING count(*) > 1;
--- invariant only what is beyond repair is replaced
SELECT claim_id FROM shipments s WHERE NOT EXISTS (SELECT 1 FROM visits v WHERE v.claim_id = s.claim_id AND v.outcome = 'beyond_repair');
--- invariant no appliance has two open claims
SELECT appliance_id FROM claims c
WHERE NOT EXISTS (SELECT 1 FROM visits v WHERE v.claim_id = c.claim_id AND v.outcome IN ('repaired', 'no_fault_found'))
  AND NOT EXISTS (SELECT 1 FROM shipments s WHERE s.claim_id = c.claim_id)
GROUP BY appliance_id HAVING count(*) > 1;

--- tool register_appliance
--- error serial_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM units WHERE serial_number = :serial_number AND NOT void);
--- error already_registered
SELECT 1 FROM appliances WHERE serial_number = :serial_number;
--- let
SELECT 'apl_' || alnum(8, 'appliance', fresh(0)) AS appliance_id;
--- do
INSERT INTO appliances VALUES (:appliance_id, :serial_number, :purchase_date, :owner_name, :email, :address);
--- result
SELECT appliance_id, serial_number, product_model, purchase_date, owner_name, email, address, date(purchase_date, '+5 years') AS warranty_until
FROM appliances JOIN units USING (serial_number) WHERE appliance_id = :appliance_id;

--- tool find_appliances
--- error filter_missing
SELECT 1 WHERE :email IS NULL AND :serial_number IS NULL;
--- page appliances
SELECT appliance_id, serial_number, product_model, owner_name, date(purchase_date, '+5 years') AS warranty_until
FROM appliances JOIN units USING (serial_number)
WHERE (:email IS NULL OR fold(email) = fold(:email)) AND (:serial_number IS NULL OR serial_number = :serial_number)
ORDER BY product_model, appliance_id;

--- tool check_warranty
--- error appliance_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appliances WHERE appliance_id = :appliance_id);
--- let
SELECT date(purchase_date, '+5 years') AS warranty_until,
       CASE WHEN :fault_type = 'cosmetic' OR date(purchase_date, '+5 years') < at(now(), 'date') THEN 'none'
            WHEN date(purchase_date, '+2 years') >= at(now(), 'date') THEN 'full' ELSE 'parts_only' END AS coverage
FROM appliances WHERE appliance_id = :appliance_id;
--- result
SELECT :appliance_id AS appliance_id, fault_type, :coverage AS coverage,
       CASE :coverage WHEN 'full' THEN 0 WHEN 'parts_only' THEN labour_cents ELSE labour_cents + parts_cents END AS owner_share_cents,
       :warranty_until AS warranty_until
FROM fault_types WHERE fault_type = :fault_type;

--- tool create_claim
--- error appliance_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appliances WHERE appliance_id = :appliance_id);
--- error claim_open
SELECT 1 FROM claims c
WHERE appliance_id = :appliance_id
  AND NOT EXISTS (SELECT 1 FROM visits v WHERE v.claim_id = c.claim_id AND v.outcome IN ('repaired', 'no_fault_found'))
  AND NOT EXISTS (SELECT 1 FROM shipments s WHERE s.claim_id = c.claim_id);
--- let
SELECT 'WC' || digits(8, 'claim', fresh(0)) AS claim_id,
       CASE WHEN :fault_type = 'cosmetic' OR date(purchase_date, '+5 years') < at(now(), 'date') THEN 'none'
            WHEN date(purchase_date, '+2 years') >= at(now(), 'date') THEN 'full' ELSE 'parts_only' END AS coverage
FROM appliances WHERE appliance_id = :appliance_id;
--- do
INSERT INTO claims VALUES (:claim_id, :appliance_id, :fault_type, :fault_description, :error_code, :coverage, now());
--- result
SELECT claim_id, appliance_id, fault_type, fault_description, error_code, coverage, 'filed' AS claim_status FROM claims WHERE claim_id = :claim_id;

--- tool book_technician
--- error claim_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM claims WHERE claim_id = :claim_id);
--- error claim_not_waiting
SELECT 1 FROM visits WHERE claim_id = :claim_id AND coalesce(outcome, '') <> 'nobody_home';
--- error day_not_bookable
SELECT 1 WHERE :visit_date <= at(now(), 'date') OR :visit_date > at(now(), '+28 days', 'date') OR weekday(:visit_date) = 'sunday';
--- let
SELECT 'tv_' || alnum(8, 'visit', fresh(0)) AS visit_id, (
  SELECT technician_name FROM technicians t
  WHERE NOT EXISTS (SELECT 1 FROM other_jobs o WHERE o.technician_name = t.technician_name AND o.visit_date = :visit_date AND o.time_window = :time_window)
    AND NOT EXISTS (SELECT 1 FROM visits v WHERE v.technician_name = t.technician_name AND v.visit_date = :visit_date AND v.time_window = :time_window)
  ORDER BY technician_name LIMIT 1) AS free_technician;
--- error window_full
SELECT 1 WHERE :free_technician IS NULL;
--- do
INSERT INTO visits (visit_id, claim_id, visit_date, time_window, phone, technician_name)
VALUES (:visit_id, :claim_id, :visit_date, :time_window, :phone, :free_technician);
--- result
SELECT visit_id, claim_id, visit_date, time_window, phone, technician_name, 'visit_booked' AS claim_status FROM visits WHERE visit_id = :visit_id;

--- tool record_visit_outcome
--- error visit_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM visits WHERE visit_id = :visit_id);
--- error outcome_recorded
SELECT 1 FROM visits WHERE visit_id = :visit_id AND outcome IS NOT NULL;
--- error visit_not_due
SELECT 1 FROM visits WHERE visit_id = :visit_id AND visit_date > at(now(), 'date');
--- do
UPDATE visits SET outcome = :outcome, parts_used = coalesce(:parts_used, '[]'), labour_min = :labour_min WHERE visit_id = :visit_id;
--- result
SELECT visit_id, claim_id, outcome, parts_used, labour_min,
       CASE outcome WHEN 'beyond_repair' THEN 'replacement_due' WHEN 'nobody_home' THEN 'filed' ELSE 'closed' END AS claim_status
FROM visits WHERE visit_id = :visit_id;

--- tool ship_replacement
--- error claim_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM claims WHERE claim_id = :claim_id);
--- error replacement_not_due
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM visits WHERE claim_id = :claim_id AND outcome = 'beyond_repair')
  OR EXISTS (SELECT 1 FROM shipments WHERE claim_id = :claim_id);
--- let
SELECT a.appliance_id AS replaced_appliance, u.serial_number AS old_serial, u.product_model, m.stock, 'TM' || digits(10, 'serial', fresh(0)) AS new_serial
FROM claims JOIN appliances a USING (appliance_id) JOIN units u USING (serial_number) JOIN models m USING (product_model) WHERE claim_id = :claim_id;
--- error out_of_stock
SELECT 1 WHERE :stock = 0;
--- do
INSERT INTO units (serial_number, product_model) VALUES (:new_serial, :product_model);
UPDATE appliances SET serial_number = :new_serial WHERE appliance_id = :replaced_appliance;
UPDATE units SET void = 1 WHERE serial_number = :old_serial;
UPDATE models SET stock = stock - 1 WHERE product_model = :product_model;
INSERT INTO shipments VALUES (:claim_id, :new_serial, 'TMX' || digits(9, 'parcel', fresh(0)), 
  at(now(), '+' || (draw(3, 6, 'delivery', :claim_id) + (weekday(at(now(), '+' || draw(3, 6, 'delivery', :claim_id) || ' days')) = 'sunday')) || ' days', 'date'), :collect_old);
--- result
SELECT claim_id, collect_old, replacement_serial_number, tracking_number, expected_delivery, 'replaced' AS claim_status FROM shipments WHERE claim_id = :claim_id;

--- tool get_claim
--- error claim_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM claims WHERE claim_id = :claim_id);
--- result
SELECT c.claim_id, c.appliance_id, c.fault_type, c.fault_description, c.error_code, c.coverage, s.tracking_number,
       CASE WHEN s.claim_id IS NOT NULL THEN 'replaced'
            WHEN EXISTS (SELECT 1 FROM visits v WHERE v.claim_id = c.claim_id AND v.outcome = 'beyond_repair') THEN 'replacement_due'
            WHEN EXISTS (SELECT 1 FROM visits v WHERE v.claim_id = c.claim_id AND v.outcome IN ('repaired', 'no_fault_found')) THEN 'closed'
            WHEN EXISTS (SELECT 1 FROM visits v WHERE v.claim_id = c.claim_id AND v.outcome IS NULL) THEN 'visit_booked' ELSE 'filed' END AS claim_status,
       c.created_at
FROM claims c LEFT JOIN shipments s USING (claim_id) WHERE c.claim_id = :claim_id;
--- rows visits
SELECT visit_id, visit_date, technician_name, outcome FROM visits WHERE claim_id = :claim_id ORDER BY visit_date, visit_id;
