-- Rookhaven Tenancies: flats of a few landlords. Money is in euro cents; days are dates.
-- A lease binds once it is signed. Rent falls due on the first of every month; a rent account is its entries, what fell due (negative)
-- and what was paid, of the last four months. Whether a unit is let follows from the leases.

--- tables
CREATE TABLE buildings (
  building TEXT PRIMARY KEY
);
CREATE TABLE units (
  unit_id TEXT PRIMARY KEY,
  building TEXT NOT NULL REFERENCES buildings,
  unit_label TEXT NOT NULL,
  target_rent_cents INTEGER NOT NULL CHECK (target_rent_cents > 0),
  UNIQUE (building, unit_label)
);
CREATE TABLE leases (
  lease_id TEXT PRIMARY KEY,
  unit_id TEXT NOT NULL REFERENCES units,
  full_name TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT NOT NULL,
  start_date TEXT NOT NULL,
  end_date TEXT NOT NULL,
  monthly_rent_cents INTEGER NOT NULL,
  deposit_received INTEGER NOT NULL CHECK (deposit_received IN (0, 1)),
  signed_on TEXT,
  notice_on TEXT,
  status TEXT NOT NULL CHECK (status IN ('draft', 'active', 'notice_given', 'ended')),
  created_at TEXT NOT NULL,
  CHECK (end_date > start_date),
  CHECK ((signed_on IS NULL) = (status = 'draft')),
  CHECK (status <> 'notice_given' OR notice_on IS NOT NULL)
);
CREATE INDEX leases_by_unit ON leases (unit_id);
CREATE TABLE entries (
  lease_id TEXT NOT NULL REFERENCES leases,
  amount_cents INTEGER NOT NULL CHECK (amount_cents <> 0),
  booked_on TEXT NOT NULL,
  payment_id TEXT UNIQUE,               -- none for rent that falls due
  bank_reference TEXT NOT NULL,
  CHECK ((payment_id IS NULL) = (amount_cents < 0))
);
CREATE INDEX entries_by_lease ON entries (lease_id);
CREATE TABLE contractors (
  contractor_name TEXT PRIMARY KEY,
  trade TEXT NOT NULL
);
CREATE TABLE repairs (
  repair_id TEXT PRIMARY KEY,
  lease_id TEXT NOT NULL REFERENCES leases,
  trade TEXT NOT NULL,
  problem TEXT NOT NULL,
  urgency TEXT NOT NULL CHECK (urgency IN ('routine', 'urgent', 'emergency')),
  contractor_name TEXT,
  visit_date TEXT,
  cost_ceiling_cents INTEGER,
  opened_at TEXT NOT NULL,
  CHECK ((contractor_name IS NULL) = (visit_date IS NULL))
);
CREATE INDEX repairs_by_lease ON repairs (lease_id);

--- populate
INSERT INTO buildings SELECT nth('buildings', n) FROM numbers WHERE n <= 5 ORDER BY n;

-- No two flats of a house ask the same: each door further up adds five euros.
INSERT INTO units
SELECT 'U-' || digits(5, 'unit', b.rowid * 20 + k.n), building, k.n || pick('doors', b.rowid), 500 * (draw(130, 200, 'base', b.rowid) + 12 * draw(0, 7, 'size', b.rowid, k.n) + k.n)
FROM buildings b JOIN numbers k ON k.n <= 12 ORDER BY b.rowid, k.n;

-- Of any nine units one stands empty, one is about to be let again, one is under notice, and six are let.
INSERT INTO leases
SELECT 'L-' || digits(7, 'lease', n), unit_id, person(n), email(person(n), pick('mail', n)), phone(n), start_date,
       CASE WHEN n % 9 = 7 THEN date(at(now(), 'date'), 'start of month', '+2 months', '-1 day') ELSE date(start_date, '+' || (12 * (age / 12 + 1)) || ' months', '-1 day') END,
       rent, 1, date(start_date, '-' || draw(8, 30, 'signed', n) || ' days'), CASE WHEN n % 9 = 7 THEN at(now(), '-' || draw(12, 25, 'notice', n) || ' days', 'date') END,
       CASE WHEN n % 9 = 7 THEN 'notice_given' ELSE 'active' END, date(start_date, '-' || draw(32, 45, 'drawn up', n) || ' days') || 'T10:15:00Z'
FROM (
  SELECT n, age, unit_id, date(at(now(), 'date'), 'start of month', '-' || age || ' months') AS start_date, target_rent_cents - 500 * draw(0, age / 2, 'older', n) AS rent
  FROM (SELECT rowid AS n, unit_id, target_rent_cents, CASE WHEN rowid % 9 = 7 THEN draw(12, 40, 'age', rowid) ELSE draw(2, 40, 'age', rowid) END AS age FROM units) WHERE n % 9 NOT IN (0, 5))
ORDER BY n;

-- Tenants who moved out of the units that are empty, and drafts for those who are to move in.
INSERT INTO leases
SELECT 'L-' || digits(7, 'lease', 100 + n), unit_id, person(100 + n), email(person(100 + n), pick('mail', n)), phone(100 + n),
       date(at(now(), 'date'), 'start of month', '-' || (24 + 1 + n % 3) || ' months'), date(at(now(), 'date'), 'start of month', '-' || (1 + n % 3) || ' months', '-1 day'),
       target_rent_cents - 4000, 1, date(at(now(), 'date'), 'start of month', '-' || (26 + n % 3) || ' months'), NULL,
       'ended', date(at(now(), 'date'), 'start of month', '-' || (27 + n % 3) || ' months') || 'T11:30:00Z'
FROM (SELECT rowid AS n, * FROM units) WHERE n % 9 IN (0, 5) ORDER BY n;
INSERT INTO leases
SELECT 'L-' || digits(7, 'lease', 200 + n), unit_id, person(200 + n), email(person(200 + n), pick('mail', n)), phone(200 + n),
       date(at(now(), 'date'), 'start of month', '+1 month'), date(at(now(), 'date'), 'start of month', '+13 months', '-1 day'), target_rent_cents, n / 9 % 2 = 0, NULL, NULL, 'draft',
       at(now(), '-' || draw(8, 12, 'draft', n) || ' days', '14:40')
FROM (SELECT rowid AS n, * FROM units) WHERE n % 9 = 5 ORDER BY n;

-- Some let flats have an old draft, for somebody who was too slow.
INSERT INTO leases
SELECT 'L-' || digits(7, 'lease', 400 + l.rowid), l.unit_id, person(400 + l.rowid), email(person(400 + l.rowid), pick('mail', l.rowid)), phone(400 + l.rowid),
       l.start_date, l.end_date, l.monthly_rent_cents, 0, NULL, NULL, 'draft', at(l.created_at, '-1 days')
FROM leases l WHERE l.status = 'active' AND l.rowid % 9 = 1 ORDER BY l.rowid;

-- What fell due in the last four months; most people pay on time, some still owe this month's rent, a few owe two.
INSERT INTO entries
SELECT lease_id, -monthly_rent_cents, month, NULL, 'Rent due'
FROM (SELECT l.*, l.rowid AS lease, k.n AS k, date(at(now(), 'date'), 'start of month', '-' || (k.n - 1) || ' months') AS month FROM leases l JOIN numbers k ON k.n <= 4)
WHERE status <> 'draft' AND month BETWEEN start_date AND end_date ORDER BY lease, k;
INSERT INTO entries
SELECT lease_id, monthly_rent_cents, min(date(valued, CASE strftime('%w', valued) WHEN '6' THEN '+2 days' WHEN '0' THEN '+1 days' ELSE '+0 days' END), at(now(), '-1 days', 'date')), 'P-' || digits(8, 'payment', lease * 5 + k),
       'Rent ' || trim(substr('January  February March    April    May      June     July     August   SeptemberOctober  November December ', 9 * substr(month, 6, 2) - 8, 9))
       || ' ' || substr(full_name, instr(full_name, ' ') + 1)
FROM (SELECT l.*, date(l.month, '+' || draw(0, 4, 'value day', l.lease, l.k) || ' days') AS valued
      FROM (SELECT l.*, l.rowid AS lease, k.n AS k, date(at(now(), 'date'), 'start of month', '-' || (k.n - 1) || ' months') AS month FROM leases l JOIN numbers k ON k.n <= 4) l)
WHERE status <> 'draft' AND month BETWEEN start_date AND end_date AND NOT (status <> 'ended' AND (k = 1 AND lease % 3 = 1 OR k = 2 AND lease % 12 = 1))
ORDER BY lease, k;

INSERT INTO contractors SELECT nth('contractors', n, 'name'), nth('contractors', n, 'trade') FROM numbers WHERE n <= 12 ORDER BY n;

-- Open repair orders of the last days, and some that a firm has been sent to.
INSERT INTO repairs
SELECT 'R-' || digits(6, 'repair', n), lease_id, trade, problem, urgency, firm, CASE WHEN firm IS NOT NULL THEN at(now(), '+' || CASE urgency WHEN 'emergency' THEN draw(0, 1, 'visit', n) ELSE draw(1, 8, 'visit', n) END || ' days', 'date') END,
       CASE WHEN firm IS NOT NULL THEN 30000 END, at(now(), '-' || CASE urgency WHEN 'emergency' THEN 1 ELSE draw(1, 6, 'opened', n) END || ' days', draw(8, 17, 'hour', n) || ':25')
FROM (
  SELECT l.rowid AS n, l.lease_id, nth('problems', 1 + l.rowid % 14, 'trade') AS trade, nth('problems', 1 + l.rowid % 14, 'problem') AS problem,
         nth('problems', 1 + l.rowid % 14, 'urgency') AS urgency,
         CASE WHEN l.rowid % 5 = 0 THEN (SELECT c.contractor_name FROM contractors c WHERE c.trade = nth('problems', 1 + l.rowid % 14, 'trade') ORDER BY c.contractor_name LIMIT 1) END AS firm
  FROM leases l WHERE l.rowid <= 24 AND l.signed_on IS NOT NULL)
ORDER BY n;

--- invariant no unit is let twice at a time
SELECT a.unit_id FROM leases a JOIN leases b ON b.unit_id = a.unit_id AND b.lease_id > a.lease_id
WHERE a.signed_on IS NOT NULL AND b.signed_on IS NOT NULL AND a.start_date <= b.end_date AND b.start_date <= a.end_date;
--- invariant a lease that binds has a deposit
SELECT lease_id FROM leases WHERE signed_on IS NOT NULL AND NOT deposit_received;
--- invariant nothing is received or signed in the future
SELECT payment_id FROM entries WHERE booked_on > at(now(), 'date') UNION ALL SELECT lease_id FROM leases WHERE signed_on > at(now(), 'date');
--- invariant contractors on repairs are approved
SELECT repair_id FROM repairs WHERE contractor_name IS NOT NULL AND contractor_name NOT IN (SELECT contractor_name FROM contractors);

--- tool list_units
--- error building_not_found
SELECT 1 WHERE :building IS NOT NULL AND NOT EXISTS (SELECT 1 FROM buildings WHERE fold(building) = fold(:building));
--- page units
SELECT unit_id, building, unit_label, target_rent_cents, occupancy FROM (SELECT x.*, CASE WHEN unit_id IN (SELECT unit_id FROM leases WHERE status = 'notice_given') THEN 'notice_given' WHEN unit_id IN (SELECT unit_id FROM leases WHERE status = 'active') THEN 'occupied' ELSE 'vacant' END AS occupancy FROM units x)
WHERE (:building IS NULL OR fold(building) = fold(:building)) AND (:occupancy IS NULL OR occupancy = :occupancy)
ORDER BY building, CAST(unit_label AS INTEGER), unit_id;

--- tool create_lease
--- error unit_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM units WHERE unit_id = :unit_id);
--- error term_too_short
SELECT 1 WHERE :end_date < date(:start_date, '+6 months', '-1 day');
--- error unit_not_available
SELECT 1 FROM leases WHERE unit_id = :unit_id AND signed_on IS NOT NULL AND end_date >= :start_date AND start_date <= :end_date;
--- let
SELECT 'L-' || digits(7, 'lease', fresh(0)) AS lease_id;
--- do
INSERT INTO leases VALUES (:lease_id, :unit_id, :tenant ->> '$.full_name', :tenant ->> '$.email', coalesce(:tenant ->> '$.phone', ''), :start_date, :end_date,
  :monthly_rent_cents, 0, NULL, NULL, 'draft', now());
--- result
SELECT lease_id, unit_id, full_name AS "tenant.full_name", email AS "tenant.email", phone AS "tenant.phone", start_date, end_date, monthly_rent_cents,
       2 * monthly_rent_cents AS deposit_cents, 'draft' AS status
FROM leases WHERE lease_id = :lease_id;

--- tool activate_lease
--- error lease_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leases WHERE lease_id = :lease_id);
--- error lease_not_draft
SELECT 1 FROM leases WHERE lease_id = :lease_id AND signed_on IS NOT NULL;
--- error signature_in_future
SELECT 1 WHERE :signed_on > at(now(), 'date');
--- error unit_not_available
SELECT 1 FROM leases d JOIN leases l USING (unit_id)
WHERE d.lease_id = :lease_id AND l.signed_on IS NOT NULL AND l.end_date >= d.start_date AND l.start_date <= d.end_date;
--- error deposit_outstanding
SELECT 1 FROM leases WHERE lease_id = :lease_id AND NOT deposit_received;
--- do
UPDATE leases SET signed_on = :signed_on, status = CASE WHEN end_date < at(now(), 'date') THEN 'ended' ELSE 'active' END WHERE lease_id = :lease_id;
INSERT INTO entries
SELECT lease_id, -monthly_rent_cents, date(start_date, '+' || (n - 1) || ' months'), NULL, 'Rent due' FROM leases JOIN numbers ON n <= 60
WHERE lease_id = :lease_id AND date(start_date, '+' || (n - 1) || ' months') <= min(end_date, at(now(), 'date')) ORDER BY n;
--- result
SELECT lease_id, signed_on, start_date AS first_rent_due, 'active' AS status FROM leases WHERE lease_id = :lease_id;

--- tool get_lease
--- error lease_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leases WHERE lease_id = :lease_id);
--- result
SELECT lease_id, unit_id, full_name AS "tenant.full_name", email AS "tenant.email", phone AS "tenant.phone", start_date, end_date, monthly_rent_cents,
       2 * monthly_rent_cents AS deposit_cents, coalesce((SELECT sum(amount_cents) FROM entries e WHERE e.lease_id = l.lease_id), 0) AS balance_cents,
       signed_on, status, created_at
FROM leases l WHERE lease_id = :lease_id;

--- tool record_rent_payment
--- error lease_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leases WHERE lease_id = :lease_id);
--- error lease_not_active
SELECT 1 FROM leases WHERE lease_id = :lease_id AND status IN ('draft', 'ended');
--- error received_in_future
SELECT 1 WHERE :received_on > at(now(), 'date');
--- error possible_duplicate
SELECT 1 FROM entries WHERE lease_id = :lease_id AND amount_cents = :amount_cents AND booked_on = :received_on;
--- let
SELECT 'P-' || digits(8, 'payment', fresh(0)) AS payment_id;
--- do
INSERT INTO entries VALUES (:lease_id, :amount_cents, :received_on, :payment_id, coalesce(:bank_reference, ''));
--- result
SELECT payment_id, lease_id, amount_cents, booked_on AS received_on, bank_reference, (SELECT sum(amount_cents) FROM entries o WHERE o.lease_id = e.lease_id) AS balance_cents
FROM entries e WHERE payment_id = :payment_id;

--- tool open_repair
--- error lease_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leases WHERE lease_id = :lease_id);
--- error lease_not_active
SELECT 1 FROM leases WHERE lease_id = :lease_id AND status IN ('draft', 'ended');
--- let
SELECT 'R-' || digits(6, 'repair', fresh(0)) AS repair_id;
--- do
INSERT INTO repairs VALUES (:repair_id, :lease_id, :trade, :problem, :urgency, NULL, NULL, NULL, now());
--- result
SELECT repair_id, lease_id, unit_id, trade, problem, urgency, 'open' AS status FROM repairs JOIN leases USING (lease_id) WHERE repair_id = :repair_id;

--- tool dispatch_contractor
--- error repair_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM repairs WHERE repair_id = :repair_id);
--- error repair_not_open
SELECT 1 FROM repairs WHERE repair_id = :repair_id AND contractor_name IS NOT NULL;
--- error visit_in_past
SELECT 1 WHERE :visit_date < at(now(), 'date');
--- error contractor_not_approved
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM contractors WHERE fold(contractor_name) = fold(:contractor_name));
--- do
UPDATE repairs SET contractor_name = (SELECT c.contractor_name FROM contractors c WHERE fold(c.contractor_name) = fold(:contractor_name)),
  visit_date = :visit_date, cost_ceiling_cents = :cost_ceiling_cents
WHERE repair_id = :repair_id;
--- result
SELECT repair_id, contractor_name, visit_date, cost_ceiling_cents, 'dispatched' AS status FROM repairs WHERE repair_id = :repair_id;
