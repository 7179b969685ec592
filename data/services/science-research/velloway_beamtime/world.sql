-- Velloway Beamtime: proposals, samples, shifts and scans at a synchrotron. A proposal's status follows from what was decided.

--- tables
CREATE TABLE beamlines (
  beamline_id TEXT PRIMARY KEY,
  technique TEXT NOT NULL CHECK (technique IN ('diffraction', 'tomography', 'absorption', 'small_angle_scattering', 'fluorescence')),
  energy_min_kev REAL NOT NULL,
  energy_max_kev REAL NOT NULL,
  contact_email TEXT NOT NULL,
  call_open INTEGER NOT NULL CHECK (call_open IN (0, 1)),
  CHECK (energy_max_kev > energy_min_kev)
);
CREATE TABLE shutdowns (
  technique TEXT PRIMARY KEY
);
CREATE TABLE licences (
  beamline_id TEXT NOT NULL REFERENCES beamlines,
  hazard TEXT NOT NULL,
  PRIMARY KEY (beamline_id, hazard)
);
CREATE TABLE proposals (
  proposal_id TEXT PRIMARY KEY,
  beamline_id TEXT NOT NULL REFERENCES beamlines,
  proposal_title TEXT NOT NULL,
  principal_investigator TEXT NOT NULL,
  email TEXT NOT NULL,
  shifts_requested INTEGER NOT NULL CHECK (shifts_requested BETWEEN 1 AND 30),
  rapid_access INTEGER NOT NULL CHECK (rapid_access IN (0, 1)),
  submitted_at TEXT,
  review_score REAL,
  shifts_awarded INTEGER,                -- null until it is decided, 0 where it was declined
  created_at TEXT NOT NULL,
  project INTEGER,                       -- what it is about, null where the assistant drafted it
  CHECK ((review_score IS NULL) = (shifts_awarded IS NULL)),
  CHECK (shifts_awarded IS NULL OR submitted_at IS NOT NULL)
);
CREATE TABLE samples (
  sample_id TEXT PRIMARY KEY,
  proposal_id TEXT NOT NULL REFERENCES proposals,
  sample_name TEXT NOT NULL,
  chemical_formula TEXT NOT NULL,
  hazard TEXT NOT NULL CHECK (hazard IN ('none', 'toxic', 'flammable', 'biological', 'radioactive')),
  mass_mg REAL,
  safety_status TEXT NOT NULL CHECK (safety_status IN ('pending', 'cleared', 'refused'))
);
CREATE TABLE shifts (
  shift_id TEXT PRIMARY KEY,
  proposal_id TEXT NOT NULL REFERENCES proposals,
  beamline_id TEXT NOT NULL REFERENCES beamlines,
  shift_date TEXT NOT NULL,
  slot TEXT NOT NULL CHECK (slot IN ('morning', 'evening', 'night')),
  remote INTEGER NOT NULL CHECK (remote IN (0, 1)),
  UNIQUE (beamline_id, shift_date, slot)
);
CREATE TABLE scans (
  scan_id TEXT PRIMARY KEY,
  shift_id TEXT NOT NULL REFERENCES shifts,
  sample_id TEXT NOT NULL REFERENCES samples,
  energy_kev REAL NOT NULL,
  file_path TEXT NOT NULL UNIQUE,
  size_mb INTEGER NOT NULL CHECK (size_mb > 0)
);

--- populate
-- Three lines for each technique. One technique is in maintenance, and two lines take no proposals any more.
INSERT INTO beamlines
SELECT 'BL' || printf('%02d', n) || substr('ABCD', 1 + n % 4, 1), nth('lines', n, 'technique'), nth('lines', n, 'low'), nth('lines', n, 'high'),
       email(person(400 + n), 'velloway.example'), 1
FROM numbers WHERE n <= 15 ORDER BY n;

INSERT INTO shutdowns SELECT technique FROM beamlines WHERE rowid = 15;
UPDATE beamlines SET call_open = 0 WHERE rowid IN (
  SELECT min(rowid) FROM beamlines WHERE technique NOT IN (SELECT technique FROM shutdowns) GROUP BY technique ORDER BY min(rowid) LIMIT 2);

INSERT INTO licences
SELECT b.beamline_id, h.value FROM beamlines b JOIN json_each('["none","toxic","flammable","biological","radioactive"]') h
WHERE h.key <= 1 OR h.key = 2 AND b.rowid % 3 > 0 OR h.key = 3 AND b.rowid % 2 = 0 OR h.key = 4 AND b.rowid % 5 = 0
ORDER BY b.rowid, h.key;

-- Drafts, submitted ones, accepted ones and declined ones. People have two or three on one subject: one under review and
-- a draft, or two that were accepted and one that was declined.
INSERT INTO proposals
SELECT 'VB-' || substr(created, 1, 4) || '-' || digits(4, 'proposal', n), beamline_id,
       nth('projects', project, CASE n % 5 WHEN 0 THEN 'second' WHEN 3 THEN 'second' WHEN 4 THEN 'third' ELSE 'first' END), person(owner), email(person(owner), pick('universities', owner)), asked,
       asked <= 3 AND n % 10 = 6, CASE WHEN state <> 'draft' THEN at(created, '+' || CASE WHEN n % 10 = 6 THEN draw(1, 3, 'sent', n) ELSE draw(2, 9, 'sent', n) END || ' days') END,
       CASE state WHEN 'accepted' THEN draw(34, 49, 'score', n) / 10.0 WHEN 'declined' THEN draw(15, 30, 'score', n) / 10.0 END,
       CASE state WHEN 'accepted' THEN CASE WHEN n % 10 = 2 THEN 1 ELSE max(2, asked - draw(0, 2, 'cut', n)) END WHEN 'declined' THEN 0 END, created, project
FROM (
  SELECT v.n, v.owner, v.project, b.beamline_id,
         CASE WHEN v.n % 10 = 6 THEN draw(1, 3, 'rapid', v.n) WHEN v.n % 10 = 2 THEN draw(2, 3, 'few', v.n) WHEN v.n % 15 = 10 THEN draw(2, 3, 'short', v.n) ELSE draw(3, 12, 'asked', v.n) END AS asked,
         CASE v.n % 5 WHEN 0 THEN 'draft' WHEN 1 THEN 'submitted' WHEN 4 THEN 'declined' ELSE 'accepted' END AS state,
         at(now(), '-' || CASE v.n % 5 WHEN 0 THEN draw(1, 8, 'age', v.n) WHEN 1 THEN CASE WHEN v.n % 10 = 6 THEN draw(5, 7, 'age', v.n) ELSE draw(14, 30, 'age', v.n) END ELSE draw(90, 140, 'age', v.n) END || ' days', draw(8, 17, 'hour', v.n) || ':50') AS created
  FROM (SELECT n, CASE n % 5 WHEN 1 THEN n - 1 WHEN 3 THEN n - 1 WHEN 4 THEN n - 2 ELSE n END AS owner, 1 + (2 * (n / 5) + (n % 5 > 1)) % 15 AS project FROM numbers WHERE n <= 51 AND n > 1) v
  JOIN (SELECT *, row_number() OVER (PARTITION BY technique ORDER BY beamline_id) AS line FROM beamlines) b
    ON b.technique = nth('projects', v.project, 'technique') AND b.line = 1 + (v.n + v.n / 15) % 3)
ORDER BY n;

-- A line on which a proposal was made may take its samples.
INSERT OR IGNORE INTO licences SELECT beamline_id, nth('projects', project, 'hazard') FROM proposals ORDER BY rowid;

INSERT INTO samples
SELECT 'smp' || digits(7, 'sample', p.rowid * 3 + k.n), p.proposal_id, nth('projects', p.project, 'sample') || '-' || substr('abc', k.n, 1) || draw(1, 9, 'label', p.rowid, k.n),
       nth('projects', p.project, 'formula'), nth('projects', p.project, 'hazard'), draw(2, 400, 'mass', p.rowid, k.n),
       CASE WHEN p.shifts_awarded > 0 THEN 'cleared' WHEN p.shifts_awarded = 0 AND chance(0.3, 'refused', p.rowid, k.n) THEN 'refused' ELSE 'pending' END
FROM proposals p JOIN numbers k ON k.n <= draw(1, 3, 'samples', p.rowid) WHERE p.rowid NOT IN (14, 29, 44) ORDER BY p.rowid, k.n;

-- Part of what was awarded is booked, some of it over, some to come.
INSERT OR IGNORE INTO shifts
SELECT 'sft' || digits(7, 'shift', p.rowid * 13 + k.n), p.proposal_id, p.beamline_id,
       at(now(), (k.n * 8 - 16 + draw(0, 5, 'day', p.rowid, k.n)) || ' days', 'date'), nth('slots', 1 + (p.rowid / 5 + k.n) % 3), chance(0.3, 'remote', p.rowid)
FROM proposals p JOIN numbers k ON k.n <= CASE WHEN p.shifts_awarded = 1 THEN 1 ELSE min(3, p.shifts_awarded - 1) END
WHERE p.shifts_awarded > 0 ORDER BY p.rowid, k.n;

-- Most shifts end with a few large scans; two of five run through a series.
INSERT INTO scans
SELECT 'scn' || digits(9, 'scan', s.rowid * 70 + k.n), s.shift_id,
       CASE k.n % 2 WHEN 0 THEN (SELECT max(sample_id) FROM samples m WHERE m.proposal_id = s.proposal_id)
                    ELSE (SELECT min(sample_id) FROM samples m WHERE m.proposal_id = s.proposal_id) END,
       round(b.energy_min_kev + (b.energy_max_kev - b.energy_min_kev) * draw(20, 80, 'energy', s.rowid, k.n) / 100, 1),
       '/archive/' || s.proposal_id || '/' || s.shift_id || '/scan_' || printf('%03d', k.n) || '.h5', draw(120, 2400, 'size', s.rowid, k.n)
FROM shifts s JOIN beamlines b USING (beamline_id) JOIN numbers k ON k.n <= CASE WHEN s.rowid % 5 IN (1, 3) THEN draw(24, 64, 'series', s.rowid) ELSE draw(3, 7, 'scans', s.rowid) END
WHERE s.shift_date < at(now(), 'date') ORDER BY s.rowid, k.n;

--- invariant nobody has more shifts than were awarded
SELECT proposal_id FROM proposals p WHERE (SELECT count(*) FROM shifts s WHERE s.proposal_id = p.proposal_id) > coalesce(shifts_awarded, 0);
--- invariant what was submitted declares a sample
SELECT proposal_id FROM proposals WHERE submitted_at IS NOT NULL AND proposal_id NOT IN (SELECT proposal_id FROM samples);
--- invariant scans are of shifts that have begun, and of the proposal's samples
SELECT scan_id FROM scans JOIN shifts USING (shift_id) JOIN samples m USING (sample_id) WHERE shift_date > at(now(), 'date') OR m.proposal_id <> shifts.proposal_id;

--- tool list_beamlines
--- error facility_shutdown
SELECT 1 FROM shutdowns WHERE technique = :technique;
--- page beamlines
SELECT beamline_id, technique, energy_min_kev, energy_max_kev, contact_email FROM beamlines
WHERE (:technique IS NULL OR technique = :technique) AND technique NOT IN (SELECT technique FROM shutdowns)
  AND (:energy_kev IS NULL OR :energy_kev BETWEEN energy_min_kev AND energy_max_kev)
ORDER BY beamline_id;

--- tool create_proposal
--- error beamline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM beamlines WHERE beamline_id = :beamline_id);
--- error call_closed
SELECT 1 FROM beamlines WHERE beamline_id = :beamline_id AND NOT call_open;
--- let
SELECT 'VB-' || substr(now(), 1, 4) || '-' || digits(4, 'proposal', fresh(0)) AS proposal_id;
--- do
INSERT INTO proposals VALUES (:proposal_id, :beamline_id, :proposal_title, :principal_investigator, :email, :shifts_requested, 0, NULL, NULL, NULL, now(), NULL);
--- result
SELECT proposal_id, beamline_id, proposal_title, principal_investigator, email, shifts_requested, 'draft' AS status FROM proposals WHERE proposal_id = :proposal_id;

--- tool add_sample
--- error proposal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM proposals WHERE proposal_id = :proposal_id);
--- error not_a_draft
SELECT 1 FROM proposals WHERE proposal_id = :proposal_id AND submitted_at IS NOT NULL;
--- error hazard_not_permitted
SELECT 1 FROM proposals p WHERE proposal_id = :proposal_id
  AND NOT EXISTS (SELECT 1 FROM licences l WHERE l.beamline_id = p.beamline_id AND l.hazard = coalesce(:hazard, 'none'));
--- let
SELECT 'smp' || digits(7, 'sample', fresh(0)) AS sample_id;
--- do
INSERT INTO samples VALUES (:sample_id, :proposal_id, :sample_name, :chemical_formula, coalesce(:hazard, 'none'), :mass_mg, 'pending');
--- result
SELECT sample_id, proposal_id, sample_name, chemical_formula, hazard, mass_mg, safety_status FROM samples WHERE sample_id = :sample_id;

--- tool submit_proposal
--- error proposal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM proposals WHERE proposal_id = :proposal_id);
--- error not_a_draft
SELECT 1 FROM proposals WHERE proposal_id = :proposal_id AND submitted_at IS NOT NULL;
--- error no_samples
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM samples WHERE proposal_id = :proposal_id);
--- do
UPDATE proposals SET submitted_at = now(), rapid_access = :rapid_access WHERE proposal_id = :proposal_id;
--- result
SELECT proposal_id, rapid_access, at(submitted_at, CASE WHEN rapid_access THEN '+7 days' ELSE '+42 days' END, 'date') AS decision_due_date, 'submitted' AS status
FROM proposals WHERE proposal_id = :proposal_id;

--- tool get_proposal
--- error proposal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM proposals WHERE proposal_id = :proposal_id);
--- result
SELECT proposal_id, beamline_id, proposal_title, principal_investigator, email, shifts_requested, rapid_access, shifts_awarded, review_score,
       CASE WHEN submitted_at IS NULL THEN 'draft' WHEN shifts_awarded IS NULL THEN 'submitted' WHEN shifts_awarded = 0 THEN 'declined' ELSE 'accepted' END AS status, created_at
FROM proposals WHERE proposal_id = :proposal_id;
--- rows samples
SELECT sample_id, sample_name, safety_status FROM samples WHERE proposal_id = :proposal_id ORDER BY sample_id;

--- tool book_shift
--- error proposal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM proposals WHERE proposal_id = :proposal_id);
--- error proposal_not_accepted
SELECT 1 FROM proposals WHERE proposal_id = :proposal_id AND coalesce(shifts_awarded, 0) = 0;
--- error date_passed
SELECT 1 WHERE :shift_date <= at(now(), 'date');
--- error allocation_used
SELECT 1 FROM proposals p WHERE proposal_id = :proposal_id AND (SELECT count(*) FROM shifts s WHERE s.proposal_id = p.proposal_id) >= shifts_awarded;
--- error slot_taken
SELECT 1 FROM shifts JOIN proposals p USING (beamline_id) WHERE p.proposal_id = :proposal_id AND shift_date = :shift_date AND slot = :slot;
--- let
SELECT 'sft' || digits(7, 'shift', fresh(0)) AS shift_id;
--- do
INSERT INTO shifts SELECT :shift_id, proposal_id, beamline_id, :shift_date, :slot, :remote FROM proposals WHERE proposal_id = :proposal_id;
--- result
SELECT shift_id, proposal_id, shift_date, slot, remote,
       (SELECT shifts_awarded - (SELECT count(*) FROM shifts o WHERE o.proposal_id = p.proposal_id) FROM proposals p WHERE p.proposal_id = s.proposal_id) AS shifts_left, 'booked' AS status
FROM shifts s WHERE shift_id = :shift_id;

--- tool list_scans
--- error shift_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shifts WHERE shift_id = :shift_id);
--- error shift_not_started
SELECT 1 FROM shifts WHERE shift_id = :shift_id AND shift_date >= at(now(), 'date');
--- page scans
SELECT scan_id, sample_id, energy_kev, file_path, size_mb FROM scans WHERE shift_id = :shift_id AND (:sample_id IS NULL OR sample_id = :sample_id) ORDER BY file_path;
