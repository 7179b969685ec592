-- Cobblegate Permits: the building permit counter of a town. Moments are UTC; money is in cents.
-- The fee and the state of an application are worked out: from its work, its value and the zone; from payment and decision.
-- Two inspectors make one visit each half-day, unless they are away.

--- tables
CREATE TABLE rules (
  work_type TEXT PRIMARY KEY CHECK (work_type IN ('new_building', 'extension', 'demolition', 'solar', 'fence', 'electrical')),
  base_cents INTEGER NOT NULL,
  per_thousand INTEGER NOT NULL,        -- of the construction value, on top of the base
  days INTEGER NOT NULL
);
CREATE TABLE parcels (
  parcel_id TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  zone TEXT NOT NULL CHECK (zone IN ('residential', 'mixed', 'commercial', 'industrial', 'heritage')),
  area_m2 INTEGER NOT NULL CHECK (area_m2 > 0)
);
CREATE INDEX parcels_by_address ON parcels (address);
CREATE TABLE applications (
  application_id TEXT PRIMARY KEY,
  parcel_id TEXT NOT NULL REFERENCES parcels,
  work_type TEXT NOT NULL REFERENCES rules,
  construction_value_cents INTEGER NOT NULL,
  full_name TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT NOT NULL,
  description_of_work TEXT NOT NULL,
  declines TEXT CHECK (declines IN ('card', 'direct_debit')),    -- how the applicant cannot pay
  method TEXT CHECK (method IN ('card', 'direct_debit', 'counter')),
  receipt_number TEXT UNIQUE,
  decision TEXT CHECK (decision IN ('issued', 'rejected', 'closed')),
  expires_on TEXT,
  created_at TEXT NOT NULL,
  CHECK ((method IS NULL) = (receipt_number IS NULL)),
  CHECK (decision IS NULL OR method IS NOT NULL),
  CHECK ((decision IS 'issued') = (expires_on IS NOT NULL))
);
CREATE INDEX applications_by_parcel ON applications (parcel_id);
CREATE TABLE remarks (
  application_id TEXT NOT NULL REFERENCES applications,
  place INTEGER NOT NULL,
  remark TEXT NOT NULL,
  PRIMARY KEY (application_id, place)
);
CREATE TABLE inspectors (
  inspector_name TEXT PRIMARY KEY
);
CREATE TABLE absences (
  inspector_name TEXT NOT NULL REFERENCES inspectors,
  day TEXT NOT NULL,
  PRIMARY KEY (inspector_name, day)
);
CREATE TABLE inspections (
  inspection_id TEXT PRIMARY KEY,
  application_id TEXT NOT NULL REFERENCES applications,
  stage TEXT NOT NULL CHECK (stage IN ('foundation', 'frame', 'final')),
  inspection_date TEXT NOT NULL,
  half_day TEXT NOT NULL CHECK (half_day IN ('morning', 'afternoon')),
  inspector_name TEXT NOT NULL REFERENCES inspectors,
  status TEXT NOT NULL CHECK (status IN ('booked', 'passed', 'cancelled')),
  reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX inspections_by_application ON inspections (application_id);
CREATE INDEX inspections_by_day ON inspections (inspection_date);

--- populate
INSERT INTO rules VALUES
  ('new_building', 60000, 9, 45), ('extension', 28000, 8, 30), ('demolition', 32000, 3, 25), ('solar', 9000, 2, 10),
  ('fence', 7000, 4, 14), ('electrical', 6000, 5, 7);

-- The last eight parcels lie behind eight others and share their address.
INSERT INTO parcels
SELECT digits(3, 'block', 1 + place / 4) || '-' || digits(4, 'parcel', place) || '-' || CASE WHEN n > 92 THEN '02' ELSE '01' END,
       street(place), CASE WHEN place % 12 IN (0, 7) THEN 'heritage' ELSE pick('zones', place) END,
       CASE WHEN n > 92 THEN draw(90, 240, 'area', n) WHEN place % 12 IN (0, 7) THEN draw(180, 420, 'area', n)
            ELSE draw(260, 940, 'area', n) END
FROM (SELECT n, CASE WHEN n > 92 THEN n - 14 ELSE n END AS place FROM numbers WHERE n <= 100)
ORDER BY n;

-- One application on each of the first sixty: waiting for the fee, under review, decided or given up.
INSERT INTO applications
WITH k AS MATERIALIZED (
  SELECT n, nth('works', n, 'use') AS use, nth('works', n, 'type') AS type, nth('works', n, 'text') AS text, nth('works', n, 'step') AS step,
         nth('works', n, 'low') AS low, nth('works', n, 'high') AS high FROM numbers WHERE n <= 17),
s AS MATERIALIZED (SELECT n, nth('states', n) AS state FROM numbers WHERE n <= 20),
p AS MATERIALIZED (
  SELECT p.rowid AS n, p.parcel_id, s.state, k.n AS w,
         row_number() OVER (PARTITION BY p.rowid ORDER BY
           s.state = 'issued' AND p.rowid % 5 > 0 AND k.type NOT IN ('new_building', 'extension'),
           draw(1, 9999, 'work', p.rowid, k.n), k.n) AS choice
  FROM parcels p JOIN s ON s.n = 1 + p.rowid % 20 JOIN k
  WHERE p.rowid <= 60 AND k.use = CASE WHEN p.zone IN ('industrial', 'commercial') THEN 'trade' ELSE 'home' END
    AND NOT (p.zone = 'heritage' AND k.type IN ('demolition', 'solar'))),
q AS MATERIALIZED (
  SELECT p.*, person(20 + n) AS name, at(now(), '-' || CASE WHEN state = 'awaiting_payment' THEN draw(1, 12, 'made', n) WHEN state = 'under_review' THEN draw(4, 28, 'made', n)
                                  ELSE draw(130, 220, 'made', n) END || ' days', draw(8, 16, 'made hour', n) || ':25') AS made
  FROM p WHERE choice = 1)
SELECT 'BP' || substr(made, 3, 2) || '-' || digits(5, 'application', q.n), parcel_id, k.type, k.step * draw(k.low, k.high, 'cost', q.n), name,
       email(name, pick('mail', q.n)), phone(20 + q.n), k.text,
       CASE WHEN state = 'awaiting_payment' AND q.n % 3 = 0 THEN pick('declined', q.n) END,
       CASE WHEN state <> 'awaiting_payment' THEN pick('methods', q.n) END,
       CASE WHEN state <> 'awaiting_payment' THEN 'R-' || digits(7, 'receipt', q.n) END,
       CASE WHEN state IN ('issued', 'rejected', 'closed') THEN state END,
       CASE WHEN state = 'issued' THEN at(made, '+' || (730 + draw(20, 45, 'decided', q.n)) || ' days', 'date') END, made
FROM q JOIN k ON k.n = q.w
ORDER BY q.n;

INSERT INTO remarks
SELECT a.application_id, k.n,
       CASE a.work_type || CASE a.decision WHEN 'rejected' THEN ' objections' ELSE '' END
         WHEN 'fence' THEN nth('fence_requests', 1 + (a.rowid + k.n) % 3) WHEN 'fence objections' THEN nth('fence_objections', 1 + (a.rowid + k.n) % 2)
         WHEN 'demolition' THEN nth('demolition_requests', 1 + (a.rowid + k.n) % 3) WHEN 'demolition objections' THEN nth('demolition_objections', 1 + (a.rowid + k.n) % 2)
         WHEN 'solar' THEN nth('solar_requests', 1 + (a.rowid + k.n) % 3) WHEN 'solar objections' THEN nth('solar_objections', 1 + (a.rowid + k.n) % 2)
         WHEN 'electrical' THEN nth('electrical_requests', 1 + (a.rowid + k.n) % 3) WHEN 'electrical objections' THEN nth('electrical_objections', 1 + (a.rowid + k.n) % 2)
         ELSE CASE a.decision WHEN 'rejected' THEN nth('objections', 1 + (a.rowid + k.n) % 5) ELSE nth('requests', 1 + (a.rowid + k.n) % 5) END END
FROM applications a JOIN numbers k ON k.n <= CASE WHEN a.decision = 'rejected' THEN draw(1, 2, 'remarks', a.rowid)
                                                  WHEN a.decision IS NULL AND a.method IS NOT NULL THEN draw(0, 2, 'remarks', a.rowid) ELSE 0 END
ORDER BY a.rowid, k.n;

INSERT INTO inspectors SELECT person(400 + n) FROM numbers WHERE n <= 2 ORDER BY n;

-- Both are away on two working days of the next three weeks, one of them on two others.
INSERT INTO absences
SELECT i.inspector_name, d.day
FROM inspectors i JOIN (
  SELECT day, row_number() OVER (ORDER BY day) AS k FROM (SELECT at(now(), '+' || n || ' days', 'date') AS day FROM numbers WHERE n <= 25)
  WHERE weekday(day) NOT IN ('saturday', 'sunday')) d
WHERE d.k IN (4, 9) OR (d.k IN (6, 12) AND i.rowid = 1);

-- Stages that have passed under issued permits for buildings and extensions.
INSERT INTO inspections
SELECT 'INS' || digits(6, 'inspection', place * 4 + k), application_id, CASE k WHEN 1 THEN 'foundation' WHEN 2 THEN 'frame' ELSE 'final' END,
       at(day, '-' || CASE weekday(day) WHEN 'saturday' THEN 1 WHEN 'sunday' THEN 2 ELSE 0 END || ' days', 'date'), pick('halves', place, k),
       (SELECT inspector_name FROM inspectors i WHERE i.rowid = draw(1, 2, 'inspector', place, k)), 'passed', ''
FROM (
  SELECT a.rowid AS place, a.application_id, k.n AS k, at(a.created_at, '+' || (50 + 20 * k.n + draw(0, 9, 'passed', a.rowid, k.n)) || ' days', 'date') AS day
  FROM applications a JOIN numbers k ON k.n <= a.rowid % 3
  WHERE a.decision = 'issued' AND a.work_type IN ('new_building', 'extension'))
ORDER BY place, k;

-- Visits that are booked: the next stage of some of them, each in a slot of its own from tomorrow on.
INSERT INTO inspections
SELECT 'INS' || digits(6, 'inspection', 1000 + r), application_id,
       CASE passed WHEN 0 THEN 'foundation' WHEN 1 THEN 'frame' ELSE 'final' END, day, CASE slot / 2 % 2 WHEN 0 THEN 'morning' ELSE 'afternoon' END,
       (SELECT inspector_name FROM inspectors i WHERE i.rowid = 1 + slot % 2), 'booked', ''
FROM (
  SELECT *, (r * 7) % 40 AS slot FROM (
    SELECT a.application_id, row_number() OVER (ORDER BY a.rowid) AS r,
           (SELECT count(*) FROM inspections i WHERE i.application_id = a.application_id) AS passed
    FROM applications a WHERE a.decision = 'issued' AND a.work_type IN ('new_building', 'extension') AND chance(0.5, 'booked', a.rowid)))
JOIN (
  SELECT day, row_number() OVER (ORDER BY day) - 1 AS k FROM (SELECT at(now(), '+' || n || ' days', 'date') AS day FROM numbers WHERE n <= 25)
  WHERE weekday(day) NOT IN ('saturday', 'sunday') AND day NOT IN (SELECT day FROM absences)) ON k = slot / 4
ORDER BY r;

INSERT INTO inspections
SELECT 'INS' || digits(6, 'inspection', 2000 + a.rowid), a.application_id, 'foundation', at(now(), '-20 days', 'date'), 'morning',
       (SELECT min(inspector_name) FROM inspectors), 'cancelled', 'Concrete delivery late'
FROM applications a WHERE a.decision = 'issued' AND a.work_type IN ('new_building', 'extension') AND a.rowid % 3 = 0 ORDER BY a.rowid;

--- invariant a permit has been paid for
SELECT application_id FROM applications WHERE decision = 'issued' AND method IS NULL;
--- invariant a stage comes after the one before it
SELECT inspection_id FROM inspections i WHERE status IN ('booked', 'passed') AND stage <> 'foundation' AND NOT EXISTS (
  SELECT 1 FROM inspections b WHERE b.application_id = i.application_id AND b.status = 'passed'
  AND b.stage = CASE i.stage WHEN 'final' THEN 'frame' ELSE 'foundation' END AND b.inspection_date < i.inspection_date);
--- invariant an inspector makes one visit each half-day
SELECT inspector_name FROM inspections WHERE status = 'booked' GROUP BY inspector_name, inspection_date, half_day HAVING count(*) > 1;
--- invariant nobody inspects on a day off
SELECT inspection_id FROM inspections JOIN absences USING (inspector_name) WHERE status = 'booked' AND day = inspection_date;
--- invariant the zone allows the work
SELECT application_id FROM applications JOIN parcels USING (parcel_id)
WHERE zone = 'heritage' AND work_type IN ('demolition', 'solar');

--- tool find_parcels
--- error outside_town
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM parcels WHERE matches(address, :address));
--- page parcels
SELECT parcel_id, address, zone, area_m2 FROM parcels
WHERE CASE WHEN EXISTS (SELECT 1 FROM parcels e WHERE fold(e.address) = fold(:address)) THEN fold(address) = fold(:address)
           ELSE matches(address, :address) END
ORDER BY address, parcel_id;

--- tool estimate_permit_fee
--- error parcel_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM parcels WHERE parcel_id = :parcel_id);
--- error work_not_allowed
SELECT 1 FROM parcels WHERE parcel_id = :parcel_id
  AND zone = 'heritage' AND :work_type IN ('demolition', 'solar');
--- result
SELECT parcel_id, :work_type AS work_type,
       (base_cents + :construction_value_cents / 1000 * per_thousand) 
       * CASE WHEN zone = 'heritage' AND work_type <> 'electrical' THEN 3 ELSE 2 END / 2 AS fee_cents,
       days + CASE WHEN zone = 'heritage' AND work_type <> 'electrical' THEN 21 ELSE 0 END AS processing_days,
       zone = 'heritage' AND work_type <> 'electrical' AS heritage_review
FROM parcels JOIN rules ON work_type = :work_type WHERE parcel_id = :parcel_id;

--- tool create_permit_application
--- error parcel_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM parcels WHERE parcel_id = :parcel_id);
--- error work_not_allowed
SELECT 1 FROM parcels WHERE parcel_id = :parcel_id
  AND zone = 'heritage' AND :work_type IN ('demolition', 'solar');
--- error duplicate_application
SELECT 1 FROM applications WHERE parcel_id = :parcel_id AND work_type = :work_type AND decision IS NULL;
--- let
SELECT 'BP' || substr(now(), 3, 2) || '-' || digits(5, 'application', fresh(0)) AS application_id;
--- do
INSERT INTO applications VALUES
  (:application_id, :parcel_id, :work_type, :construction_value_cents, :applicant ->> '$.full_name', :applicant ->> '$.email',
   coalesce(:applicant ->> '$.phone', ''), :description_of_work, NULL, NULL, NULL, NULL, NULL, now());
--- result
SELECT application_id, parcel_id, work_type, construction_value_cents, description_of_work,
       (base_cents + construction_value_cents / 1000 * per_thousand) 
       * CASE WHEN zone = 'heritage' AND work_type <> 'electrical' THEN 3 ELSE 2 END / 2 AS fee_cents,
       'awaiting_payment' AS status
FROM applications JOIN parcels USING (parcel_id) JOIN rules USING (work_type) WHERE application_id = :application_id;

--- tool pay_permit_fee
--- error application_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM applications WHERE application_id = :application_id);
--- error already_paid
SELECT 1 FROM applications WHERE application_id = :application_id AND method IS NOT NULL;
--- error payment_declined
SELECT 1 FROM applications WHERE application_id = :application_id AND declines = :method;
--- let
SELECT 'R-' || digits(7, 'receipt', fresh(0)) AS receipt_number;
--- do
UPDATE applications SET method = :method, receipt_number = :receipt_number WHERE application_id = :application_id;
--- result
SELECT application_id, method,
       (base_cents + construction_value_cents / 1000 * per_thousand) 
       * CASE WHEN zone = 'heritage' AND work_type <> 'electrical' THEN 3 ELSE 2 END / 2 AS fee_cents,
       receipt_number, 'under_review' AS status
FROM applications JOIN parcels USING (parcel_id) JOIN rules USING (work_type) WHERE application_id = :application_id;

--- tool get_permit_application
--- error application_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM applications WHERE application_id = :application_id);
--- result
SELECT application_id, parcel_id, work_type, construction_value_cents, full_name AS "applicant.full_name", email AS "applicant.email",
       phone AS "applicant.phone", description_of_work,
       (base_cents + construction_value_cents / 1000 * per_thousand) 
       * CASE WHEN zone = 'heritage' AND work_type <> 'electrical' THEN 3 ELSE 2 END / 2 AS fee_cents,
       expires_on, CASE WHEN method IS NULL THEN 'awaiting_payment' ELSE coalesce(decision, 'under_review') END AS status, created_at
FROM applications JOIN parcels USING (parcel_id) JOIN rules USING (work_type) WHERE application_id = :application_id;
--- rows reviewer_remarks
SELECT remark FROM remarks WHERE application_id = :application_id ORDER BY place;

--- tool book_inspection
--- error application_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM applications WHERE application_id = :application_id);
--- error permit_not_issued
SELECT 1 FROM applications WHERE application_id = :application_id AND decision IS NOT 'issued';
--- error stage_done
SELECT 1 FROM inspections WHERE application_id = :application_id AND stage = :stage AND status IN ('booked', 'passed');
--- error stage_out_of_order
SELECT 1 WHERE :stage <> 'foundation' AND NOT EXISTS (
  SELECT 1 FROM inspections WHERE application_id = :application_id AND status = 'passed'
  AND stage = CASE :stage WHEN 'final' THEN 'frame' ELSE 'foundation' END);
--- error not_a_working_day
SELECT 1 WHERE :inspection_date <= substr(now(), 1, 10) OR weekday(:inspection_date) IN ('saturday', 'sunday');
--- error no_inspector
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM inspectors i
  WHERE NOT EXISTS (SELECT 1 FROM absences a WHERE a.inspector_name = i.inspector_name AND a.day = :inspection_date)
    AND NOT EXISTS (SELECT 1 FROM inspections b WHERE b.inspector_name = i.inspector_name AND b.inspection_date = :inspection_date
                    AND b.half_day = coalesce(:half_day, 'morning') AND b.status = 'booked'));
--- let
SELECT 'INS' || digits(6, 'inspection', fresh(0)) AS inspection_id, coalesce(:half_day, 'morning') AS half, (
  SELECT min(inspector_name) FROM inspectors i
  WHERE NOT EXISTS (SELECT 1 FROM absences a WHERE a.inspector_name = i.inspector_name AND a.day = :inspection_date)
    AND NOT EXISTS (SELECT 1 FROM inspections b WHERE b.inspector_name = i.inspector_name AND b.inspection_date = :inspection_date
                    AND b.half_day = coalesce(:half_day, 'morning') AND b.status = 'booked')) AS inspector_name;
--- do
INSERT INTO inspections VALUES (:inspection_id, :application_id, :stage, :inspection_date, :half, :inspector_name, 'booked', '');
--- result
SELECT inspection_id, application_id, stage, inspection_date, half_day, inspector_name, status
FROM inspections WHERE inspection_id = :inspection_id;

--- tool cancel_inspection
--- error inspection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM inspections WHERE inspection_id = :inspection_id);
--- error already_carried_out
SELECT 1 FROM inspections WHERE inspection_id = :inspection_id AND status <> 'cancelled'
  AND (status = 'passed' OR at(inspection_date, CASE half_day WHEN 'morning' THEN '08:00' ELSE '13:00' END) <= now());
--- error already_cancelled
SELECT 1 FROM inspections WHERE inspection_id = :inspection_id AND status = 'cancelled';
--- do
UPDATE inspections SET status = 'cancelled', reason = coalesce(:reason, '') WHERE inspection_id = :inspection_id;
--- result
SELECT inspection_id, reason,
       CASE WHEN at(inspection_date, CASE half_day WHEN 'morning' THEN '08:00' ELSE '13:00' END) < at(now(), '+24 hours') THEN 9500 ELSE 0 END
         AS charge_cents, status
FROM inspections WHERE inspection_id = :inspection_id;
