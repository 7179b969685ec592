-- Gavelmere Docket: the matters of one litigation firm. Court days are working days without the court's holidays; a period that
-- ends on another day ends on the next court day. A deadline is met, or missed once its day has passed, else pending.

--- tables
CREATE TABLE court_days (
  day TEXT PRIMARY KEY
);
CREATE TABLE rules (
  filing_type TEXT NOT NULL,
  response_type TEXT NOT NULL,
  days INTEGER NOT NULL,
  rule_cited TEXT NOT NULL,
  PRIMARY KEY (filing_type, response_type)
);
CREATE TABLE lawyers (
  email TEXT PRIMARY KEY,
  lawyer_name TEXT NOT NULL
);
CREATE TABLE matters (
  matter_id TEXT PRIMARY KEY,
  matter_name TEXT NOT NULL UNIQUE,
  client_name TEXT NOT NULL,
  opponent_name TEXT NOT NULL,
  court TEXT NOT NULL,
  practice_area TEXT NOT NULL CHECK (practice_area IN ('contract', 'employment', 'property', 'family', 'tort')),
  closed INTEGER NOT NULL CHECK (closed IN (0, 1)),
  lead_email TEXT REFERENCES lawyers (email)
);
CREATE TABLE witnesses (
  matter_id TEXT NOT NULL REFERENCES matters,
  witness_name TEXT NOT NULL,
  PRIMARY KEY (matter_id, witness_name)
);
CREATE TABLE filings (
  filing_id TEXT PRIMARY KEY,
  matter_id TEXT NOT NULL REFERENCES matters,
  docket_number INTEGER NOT NULL,
  filing_type TEXT NOT NULL CHECK (filing_type IN ('complaint', 'answer', 'motion', 'order', 'notice_of_appeal')),
  filed_on TEXT NOT NULL,
  filed_by TEXT NOT NULL CHECK (filed_by IN ('client', 'opponent', 'court')),
  file_path TEXT,
  UNIQUE (matter_id, docket_number)
);
CREATE TABLE deadlines (
  deadline_id TEXT PRIMARY KEY,
  filing_id TEXT NOT NULL REFERENCES filings,
  due_date TEXT NOT NULL,
  responsible_email TEXT NOT NULL,
  remind_days_before TEXT NOT NULL,
  response_filing_id TEXT REFERENCES filings (filing_id),
  completed_at TEXT,
  CHECK ((response_filing_id IS NULL) = (completed_at IS NULL))
);
CREATE INDEX deadlines_by_filing ON deadlines (filing_id);

--- populate
INSERT INTO court_days
SELECT day FROM (SELECT at(now(), (n - 130) || ' days', 'date') AS day FROM numbers WHERE n <= 330)
WHERE weekday(day) NOT IN ('saturday', 'sunday')
  AND substr(day, 6) NOT IN ('01-01', '01-06', '05-01', '08-31', '12-24', '12-25', '12-28', '12-31') AND day NOT IN ('2026-04-03', '2026-04-06', '2026-05-25')
ORDER BY day;

INSERT INTO rules VALUES
  ('complaint', 'answer', 28, 'Rule 12.3'), ('answer', 'reply', 14, 'Rule 15.1'), ('motion', 'opposition', 14, 'Rule 27.2'),
  ('order', 'appeal', 30, 'Rule 60.1'), ('notice_of_appeal', 'opposition', 21, 'Rule 63.4');

INSERT INTO lawyers SELECT email(person(n), 'harrow-stone.example'), person(n) FROM numbers WHERE n <= 5 ORDER BY n;

-- Clients of odd matters are sued, those of even ones sue. The last four matters are closed.
INSERT INTO matters
SELECT 'MAT-' || digits(6, 'matter', n),
       CASE WHEN n % 2 = 1 THEN substr(other, instr(other, ' ') * (other NOT LIKE '% Ltd') + 1) || ' v. ' || substr(client, instr(client, ' ') * (client NOT LIKE '% Ltd') + 1)
            ELSE substr(client, instr(client, ' ') * (client NOT LIKE '% Ltd') + 1) || ' v. ' || substr(other, instr(other, ' ') * (other NOT LIKE '% Ltd') + 1) END,
       client, other, nth('areas', 1 + n % 5, 'court'), nth('areas', 1 + n % 5, 'area'), n > 14, (SELECT email FROM lawyers WHERE rowid = 1 + n % 5)
FROM (SELECT n, CASE WHEN n % 3 = 0 AND nth('areas', 1 + n % 5, 'area') <> 'family' THEN company(n) || ' Ltd' ELSE person(100 + n) END AS client,
             CASE WHEN nth('areas', 1 + n % 5, 'area') = 'family' THEN person(200 + n) ELSE company(50 + n) || ' Ltd' END AS other
      FROM numbers WHERE n <= 18)
ORDER BY n;

INSERT INTO witnesses
SELECT m.matter_id, person(300 + m.rowid * 2 + k.n) FROM matters m JOIN numbers k ON k.n <= 2 WHERE m.rowid % 2 = 0 ORDER BY m.rowid, k.n;

-- What has been filed, by its kind: 1 complaint, 2 answer to it, 3 an older motion, 4 a new motion, 5 an order,
-- 6 our answer to the new motion, 7 our notice of appeal against the order.
INSERT INTO filings
SELECT 'FIL-' || digits(8, 'filing', place), matter_id, row_number() OVER (PARTITION BY matter_id ORDER BY day, kind),
       CASE kind WHEN 1 THEN 'complaint' WHEN 2 THEN 'answer' WHEN 3 THEN 'motion' WHEN 4 THEN 'motion' WHEN 5 THEN 'order' WHEN 6 THEN 'answer' ELSE 'notice_of_appeal' END,
       day,
       CASE WHEN kind = 5 THEN 'court' WHEN kind IN (6, 7) THEN 'client' WHEN kind IN (3, 4) THEN 'opponent'
            WHEN (m % 2 = 1) = (kind = 1) THEN 'opponent' ELSE 'client' END,
       '/' || slug(matter_name) || '/' || CASE kind WHEN 1 THEN 'complaint' WHEN 2 THEN 'answer' WHEN 3 THEN 'motion' WHEN 4 THEN 'motion-2' WHEN 5 THEN 'order'
       WHEN 6 THEN 'answer-to-motion' ELSE 'notice-of-appeal' END || '.pdf'
FROM (
  SELECT m.rowid AS m, k.n AS kind, m.rowid * 10 + k.n AS place, m.matter_id, m.matter_name,
         (SELECT max(c.day) FROM court_days c WHERE c.day <= at(now(), '-' || CASE k.n
            WHEN 1 THEN CASE WHEN m.rowid IN (9, 11, 13) THEN draw(4, 14, 'new', m.rowid) ELSE draw(60, 80, 'begun', m.rowid) END
            WHEN 2 THEN draw(36, 44, 'answered', m.rowid) WHEN 3 THEN draw(26, 30, 'old motion', m.rowid) WHEN 4 THEN draw(2, 6, 'motion', m.rowid)
            WHEN 5 THEN draw(3, 14, 'order', m.rowid) WHEN 6 THEN 1 ELSE 0 END || ' days', 'date')) AS day
  FROM matters m JOIN numbers k ON k.n <= 7
  WHERE m.rowid NOT IN (9, 11, 13) AND (k.n <= 2 OR NOT m.closed AND (k.n = 3 AND m.rowid IN (2, 5, 8, 12) OR k.n = 4 AND m.rowid % 4 <> 3 OR k.n = 5 AND m.rowid % 3 <> 1
        OR k.n = 6 AND m.rowid % 4 = 0 OR k.n = 7 AND m.rowid IN (2, 3, 5)))
     OR m.rowid IN (9, 11, 13) AND k.n = 1)
ORDER BY place;

-- Deadlines of the complaints against our clients were met, those of two older motions were missed and of two were met late.
INSERT INTO deadlines
SELECT 'DL-' || digits(7, 'deadline', row_number() OVER (ORDER BY f.rowid)), f.filing_id,
       (SELECT min(c.day) FROM court_days c WHERE c.day >= date(f.filed_on, '+' || r.days || ' days')), m.lead_email, '[7,1]',
       CASE WHEN f.filing_type = 'complaint' THEN a.filing_id END, CASE WHEN f.filing_type = 'complaint' THEN a.filed_on || 'T15:20:00Z' END
FROM filings f JOIN matters m USING (matter_id) JOIN rules r USING (filing_type)
LEFT JOIN filings a ON a.matter_id = f.matter_id AND a.filing_type = 'answer' AND a.docket_number = 2
WHERE NOT m.closed AND f.filed_by <> 'client'
  AND (f.filing_type = 'complaint' AND a.filing_id IS NOT NULL
       OR f.filing_type = 'motion' AND (m.rowid IN (2, 8) OR m.rowid % 4 = 0)
       OR f.filing_type = 'order' AND m.rowid IN (2, 3, 5, 6))
ORDER BY f.rowid;

--- invariant a deadline falls on a court day
SELECT deadline_id FROM deadlines WHERE due_date NOT IN (SELECT day FROM court_days) AND response_filing_id IS NULL
  AND due_date < at(now(), '+150 days', 'date') AND deadline_id IN (SELECT 'DL-' || digits(7, 'deadline', n) FROM numbers);
--- invariant a deadline is met by a filing of its own matter
SELECT d.deadline_id FROM deadlines d JOIN filings f USING (filing_id) JOIN filings r ON r.filing_id = d.response_filing_id WHERE f.matter_id <> r.matter_id;
--- invariant nobody is client and opponent in open matters
SELECT a.matter_id FROM matters a JOIN matters b ON a.client_name = b.opponent_name WHERE NOT a.closed AND NOT b.closed;

--- tool check_conflicts
--- error name_too_common
SELECT 1 WHERE length(trim(:party_name)) < 5 OR instr(trim(:party_name), ' ') = 0;
--- result
SELECT :party_name AS party_name,
       CASE WHEN EXISTS (SELECT 1 FROM matters WHERE NOT closed AND matches(client_name, :party_name)) THEN 'direct'
            WHEN EXISTS (SELECT 1 FROM matters WHERE (:include_closed OR NOT closed) AND (matches(client_name, :party_name) OR matches(opponent_name, :party_name)))
              OR EXISTS (SELECT 1 FROM witnesses JOIN matters USING (matter_id) WHERE (:include_closed OR NOT closed) AND matches(witness_name, :party_name))
            THEN 'possible' ELSE 'none' END AS conflict_level;
--- rows hits
SELECT matter_id, matter_name, role FROM (
  SELECT matter_id, matter_name, 'client' AS role, closed FROM matters WHERE matches(client_name, :party_name)
  UNION ALL SELECT matter_id, matter_name, 'opponent', closed FROM matters WHERE matches(opponent_name, :party_name)
  UNION ALL SELECT matter_id, matter_name, 'witness', closed FROM witnesses JOIN matters USING (matter_id) WHERE matches(witness_name, :party_name))
WHERE :include_closed OR NOT closed
ORDER BY matter_id, role;

--- tool open_matter
--- error direct_conflict
SELECT 1 FROM matters WHERE NOT closed AND matches(client_name, :opponent_name) LIMIT 1;
--- error name_taken
SELECT 1 FROM matters WHERE fold(matter_name) = fold(:matter_name);
--- let
SELECT 'MAT-' || digits(6, 'matter', fresh(0)) AS matter_id;
--- do
INSERT INTO matters VALUES (:matter_id, :matter_name, :client_name, :opponent_name, :court, :practice_area, 0, NULL);
--- result
SELECT matter_id, matter_name, client_name, opponent_name, court, practice_area, 'open' AS status FROM matters WHERE matter_id = :matter_id;

--- tool log_filing
--- error matter_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM matters WHERE matter_id = :matter_id);
--- error matter_closed
SELECT 1 FROM matters WHERE matter_id = :matter_id AND closed;
--- let
SELECT 'FIL-' || digits(8, 'filing', fresh(0)) AS filing_id,
       1 + coalesce((SELECT max(docket_number) FROM filings WHERE matter_id = :matter_id), 0) AS docket_number;
--- do
INSERT INTO filings VALUES (:filing_id, :matter_id, :docket_number, :filing_type, :filed_on, :filed_by, :file_path);
--- result
SELECT filing_id, matter_id, docket_number, filing_type, filed_on, filed_by, file_path FROM filings WHERE filing_id = :filing_id;

--- tool calculate_deadline
--- error filing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM filings WHERE filing_id = :filing_id);
--- error no_rule
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM filings JOIN rules USING (filing_type) WHERE filing_id = :filing_id AND response_type = :response_type);
--- result
SELECT filing_id, response_type, rule_cited, due_date, CAST(julianday(due_date) - julianday(substr(now(), 1, 10)) AS INTEGER) AS days_left
FROM (
  SELECT f.filing_id, r.response_type, r.rule_cited,
         coalesce((SELECT min(c.day) FROM court_days c WHERE c.day >= date(f.filed_on, '+' || r.days || ' days')
                   AND f.filed_on >= (SELECT min(day) FROM court_days)), date(f.filed_on, '+' || r.days || ' days')) AS due_date
  FROM filings f JOIN rules r USING (filing_type) WHERE f.filing_id = :filing_id AND r.response_type = :response_type);

--- tool add_deadline
--- error filing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM filings WHERE filing_id = :filing_id);
--- error date_in_past
SELECT 1 WHERE :due_date < substr(now(), 1, 10);
--- let
SELECT 'DL-' || digits(7, 'deadline', fresh(0)) AS deadline_id;
--- do
INSERT INTO deadlines VALUES (:deadline_id, :filing_id, :due_date, :responsible_email, coalesce(:remind_days_before, '[]'), NULL, NULL);
--- result
SELECT deadline_id, filing_id, matter_id, due_date, responsible_email, remind_days_before, 'pending' AS status
FROM deadlines JOIN filings USING (filing_id) WHERE deadline_id = :deadline_id;

--- tool complete_deadline
--- error deadline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM deadlines WHERE deadline_id = :deadline_id);
--- error already_met
SELECT 1 FROM deadlines WHERE deadline_id = :deadline_id AND completed_at IS NOT NULL;
--- error filing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM filings WHERE filing_id = :response_filing_id);
--- error filing_mismatch
SELECT 1 FROM deadlines d JOIN filings f ON f.filing_id = d.filing_id, filings r
WHERE d.deadline_id = :deadline_id AND r.filing_id = :response_filing_id AND r.matter_id <> f.matter_id;
--- do
UPDATE deadlines SET response_filing_id = :response_filing_id, completed_at = now() WHERE deadline_id = :deadline_id;
--- result
SELECT deadline_id, response_filing_id, completed_at, 'met' AS status FROM deadlines WHERE deadline_id = :deadline_id;

--- tool list_deadlines
--- error matter_not_found
SELECT 1 WHERE :matter_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM matters WHERE matter_id = :matter_id);
--- page deadlines
SELECT deadline_id, matter_id, filing_id, due_date, responsible_email, status FROM (
  SELECT d.deadline_id, f.matter_id, d.filing_id, d.due_date, d.responsible_email,
         CASE WHEN d.completed_at IS NOT NULL THEN 'met' WHEN d.due_date < substr(now(), 1, 10) THEN 'missed' ELSE 'pending' END AS status
  FROM deadlines d JOIN filings f USING (filing_id))
WHERE (:matter_id IS NULL OR matter_id = :matter_id) AND (:due_before IS NULL OR due_date < :due_before) AND (:status IS NULL OR status = :status)
ORDER BY due_date, deadline_id;
