-- Brindle Trialdesk: clinical trials at three sites. Moments are UTC.
-- A visit of week w lies within three days of the randomisation plus w weeks.

--- tables
CREATE TABLE trials (
  trial_id TEXT PRIMARY KEY,
  trial_title TEXT NOT NULL UNIQUE,
  condition TEXT NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('1', '2', '3', '4')),
  city TEXT NOT NULL,
  site TEXT NOT NULL,
  places INTEGER NOT NULL,
  is_closed INTEGER NOT NULL CHECK (is_closed IN (0, 1)),
  min_age INTEGER NOT NULL,
  max_age INTEGER NOT NULL,
  max_bmi REAL,
  excluded TEXT NOT NULL,                -- JSON, active ingredients
  consent_version TEXT NOT NULL,
  weeks TEXT NOT NULL                    -- JSON, of the protocol's visits
);
CREATE TABLE participants (
  participant_id TEXT PRIMARY KEY,
  trial_id TEXT NOT NULL REFERENCES trials,
  initials TEXT NOT NULL,
  birth_year INTEGER NOT NULL,
  consent_date TEXT NOT NULL,
  consent_version TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('enrolled', 'randomized', 'withdrawn', 'completed')),
  stratum TEXT CHECK (stratum IN ('mild', 'moderate', 'severe')),
  kit_number TEXT UNIQUE,
  randomized_at TEXT,
  withdrawal_reason TEXT,
  withdrawal_date TEXT,
  created_at TEXT NOT NULL,
  CHECK ((randomized_at IS NULL) = (kit_number IS NULL) AND (stratum IS NULL) = (kit_number IS NULL)),
  CHECK ((status = 'withdrawn') = (withdrawal_date IS NOT NULL))
);
CREATE INDEX participants_by_trial ON participants (trial_id);
CREATE TABLE kits (
  kit_number TEXT PRIMARY KEY,
  trial_id TEXT NOT NULL REFERENCES trials,
  stratum TEXT NOT NULL CHECK (stratum IN ('mild', 'moderate', 'severe'))
);
CREATE TABLE visits (
  visit_id TEXT PRIMARY KEY,
  participant_id TEXT NOT NULL REFERENCES participants,
  visit_week INTEGER NOT NULL,
  visit_date TEXT NOT NULL,
  fasting INTEGER NOT NULL CHECK (fasting IN (0, 1)),
  visit_status TEXT NOT NULL CHECK (visit_status IN ('planned', 'done', 'missed')),
  UNIQUE (participant_id, visit_week)
);
CREATE TABLE adverse_events (
  adverse_event_id TEXT PRIMARY KEY,
  participant_id TEXT NOT NULL REFERENCES participants,
  event_term TEXT NOT NULL,
  onset_date TEXT NOT NULL,
  grade INTEGER NOT NULL CHECK (grade BETWEEN 1 AND 5),
  serious INTEGER NOT NULL CHECK (serious IN (0, 1)),
  CHECK (grade < 5 OR serious)
);

--- populate
INSERT INTO trials
SELECT 'trl_' || digits(6, 'trial', t.key), t.value ->> '$[0]', t.value ->> '$[1]', t.value ->> '$[2]', nth('sites', 1 + t.key % 3, 'city'),
       nth('sites', 1 + t.key % 3, 'number'), 10 + draw(1, 8, 'places', t.key), t.value ->> '$[3]', t.value ->> '$[4]', t.value ->> '$[5]',
       t.value ->> '$[6]', t.value ->> '$[7]', 'v' || draw(2, 3, 'version', t.key) || '.' || draw(0, 2, 'minor', t.key), t.value ->> '$[8]'
FROM json_each('[
  ["VELORA-2", "plaque psoriasis", "3", 0, 18, 75, 40, ["methotrexate", "ciclosporin"], [0, 2, 4, 8, 12, 16]],
  ["DUNLIN", "plaque psoriasis", "2", 0, 18, 65, 35, ["ciclosporin"], [0, 1, 2, 4, 8]],
  ["GLUCOSTEP", "type 2 diabetes", "3", 0, 30, 75, 45, ["insulin", "semaglutide"], [0, 4, 8, 12, 24]],
  ["TARSIA", "type 2 diabetes", "2", 0, 18, 70, 40, ["insulin"], [0, 2, 4, 6, 8]],
  ["AURALIS", "migraine", "3", 0, 18, 65, null, ["topiramate", "propranolol"], [0, 4, 8, 12]],
  ["QUIETHEAD", "migraine", "4", 0, 18, 70, null, ["topiramate"], [0, 2, 6, 12]],
  ["JOINTWELL-1", "rheumatoid arthritis", "2", 0, 18, 75, 38, ["tofacitinib", "rituximab"], [0, 2, 4, 8, 12]],
  ["ORTOLAN", "rheumatoid arthritis", "3", 0, 18, 80, 42, ["rituximab"], [0, 4, 8, 16, 24]],
  ["BREVAIR", "asthma", "3", 0, 18, 75, null, ["omalizumab", "propranolol"], [0, 2, 4, 8, 12]],
  ["CLEARLUNG-3", "asthma", "4", 1, 18, 70, null, ["omalizumab"], [0, 4, 12]],
  ["SOFTSKIN", "atopic dermatitis", "3", 0, 18, 60, 40, ["ciclosporin", "dupilumab"], [0, 2, 4, 8, 16]],
  ["PELORIS", "ulcerative colitis", "2", 1, 18, 70, 35, ["infliximab"], [0, 2, 6, 10]],
  ["CALMCOLON", "ulcerative colitis", "3", 1, 18, 75, 38, ["infliximab", "azathioprine"], [0, 4, 8, 12]]
]') t ORDER BY t.key;

-- In each trial: 1 to 4 enrolled, 5 to 9 randomised, 10 completed, 11 withdrawn.
INSERT INTO participants
WITH k AS MATERIALIZED (
  SELECT t.*, t.rowid AS row, k.n,
         CASE WHEN k.n <= 4 THEN 0 WHEN k.n <= 9 THEN draw(2, 50, 'started', t.rowid, k.n) WHEN k.n = 10 THEN draw(190, 250, 'started', t.rowid) ELSE draw(30, 60, 'started', t.rowid) END AS started,
         draw(2, 12, 'waited', t.rowid, k.n) AS waited
  FROM trials t JOIN numbers k ON k.n <= 11 WHERE t.rowid <= 13)
SELECT 'par_' || site || '-' || printf('%04d', row * 20 + n), trial_id, letters(draw(2, 3, 'initials', row, n), 'initials', row * 20 + n),
       CAST(substr(now(), 1, 4) AS INTEGER) - draw(min_age + 4, max_age - 3, 'age', row, n), at(now(), '-' || (started + waited) || ' days', 'date'),
       CASE WHEN n <= 9 THEN consent_version ELSE 'v1.4' END,
       CASE WHEN n <= 4 THEN 'enrolled' WHEN n <= 9 THEN 'randomized' WHEN n = 10 THEN 'completed' ELSE 'withdrawn' END,
       CASE WHEN n > 4 THEN nth('strata', 1 + draw(0, 2, 'stratum', row, n)) END,
       CASE WHEN n > 4 THEN 'KIT-' || digits(5, 'kit', row * 40 + n) END,
       CASE WHEN n > 4 THEN at(now(), '-' || started || ' days', draw(9, 16, 'hour', row, n) || ':' || draw(10, 50, 'minute', row, n)) END,
       CASE WHEN n = 11 THEN pick('leaving', row) END, CASE WHEN n = 11 THEN at(now(), '-' || draw(2, 20, 'left', row) || ' days', 'date') END,
       at(now(), '-' || (started + waited) || ' days', draw(10, 17, 'enrolled', row, n) || ':20')
FROM k
ORDER BY row, n;

-- Kits that are left: none for severe cases in every second trial.
INSERT INTO kits
SELECT 'KIT-' || digits(5, 'kit', t.rowid * 40 + 20 + s.key * 5 + k.n), t.trial_id, s.value
FROM trials t JOIN json_each('["mild", "moderate", "severe"]') s JOIN numbers k ON k.n <= 4
WHERE NOT (s.value = 'severe' AND t.rowid % 2 = 0) ORDER BY t.rowid, s.key, k.n;

-- Past visits took place, of the next ones about half are planned.
INSERT INTO visits
WITH w AS MATERIALIZED (
  SELECT p.participant_id, w.value AS week, p.status, date(substr(p.randomized_at, 1, 10), (7 * w.value) || ' days') AS day
  FROM participants p JOIN trials t USING (trial_id) JOIN json_each(t.weeks) w WHERE p.randomized_at IS NOT NULL),
v AS MATERIALIZED (SELECT participant_id, week, status, date(day, CASE strftime('%w', day) WHEN '6' THEN '-1 days' WHEN '0' THEN '+1 days' ELSE '+0 days' END) AS day FROM w)
SELECT 'vis_' || alnum(8, 'visit', row_number() OVER (ORDER BY participant_id, week)), participant_id, week, day, chance(0.3, 'fasting', participant_id, week),
       CASE WHEN day >= at(now(), 'date') THEN 'planned' WHEN week > 0 AND chance(0.07, 'missed', participant_id, week) THEN 'missed' ELSE 'done' END
FROM v
WHERE (status = 'completed' OR day < at(now(), CASE status WHEN 'withdrawn' THEN '-21 days' ELSE '+0 days' END, 'date')
       OR (status = 'randomized' AND day < at(now(), '+20 days', 'date') AND chance(0.5, 'planned', participant_id, week)))
ORDER BY participant_id, week;

INSERT INTO adverse_events
SELECT 'aev_' || alnum(7, 'event', p.rowid), p.participant_id, nth('events', 1 + draw(0, 7, 'which', p.rowid), 'term'),
       at(p.randomized_at, '+' || draw(0, CAST(julianday(at(now(), 'date')) - julianday(substr(p.randomized_at, 1, 10)) AS INTEGER) - 1, 'onset', p.rowid) || ' days', 'date'),
       nth('events', 1 + draw(0, 7, 'which', p.rowid), 'grade'), nth('events', 1 + draw(0, 7, 'which', p.rowid), 'serious')
FROM participants p WHERE p.status IN ('randomized', 'completed') AND chance(0.3, 'event', p.rowid) ORDER BY p.rowid;

--- invariant a trial has no more participants than places
SELECT trial_id FROM trials t WHERE (SELECT count(*) FROM participants p WHERE p.trial_id = t.trial_id AND p.status <> 'withdrawn') > t.places;
--- invariant nobody who left has a visit planned
SELECT visit_id FROM visits JOIN participants USING (participant_id) WHERE visit_status = 'planned' AND status IN ('withdrawn', 'completed');
--- invariant a kit is used once
SELECT kit_number FROM kits WHERE kit_number IN (SELECT kit_number FROM participants WHERE kit_number IS NOT NULL);
--- invariant events begin after consent
SELECT adverse_event_id FROM adverse_events JOIN participants USING (participant_id) WHERE onset_date < consent_date;
--- invariant treatment begins after consent
SELECT participant_id FROM participants WHERE substr(randomized_at, 1, 10) < consent_date;

--- tool search_trials
--- error condition_not_coded
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM trials WHERE matches(condition, :condition));
--- page trials
SELECT trial_id, trial_title, phase, city, places_left FROM (
  SELECT t.*, CASE WHEN is_closed THEN 0 ELSE places - (SELECT count(*) FROM participants p WHERE p.trial_id = t.trial_id AND p.status <> 'withdrawn') END AS places_left
  FROM trials t)
WHERE matches(condition, :condition) AND (:phase IS NULL OR phase = :phase) AND (NOT :recruiting_only OR places_left > 0)
ORDER BY trial_title;

--- tool check_eligibility
--- error trial_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM trials WHERE trial_id = :trial_id);
--- result
SELECT trial_id,
       (:age_years BETWEEN min_age AND max_age) AND (max_bmi IS NULL OR coalesce(:bmi <= max_bmi, 0)) AND :medications IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM json_each(coalesce(:medications, '[]')) m JOIN json_each(t.excluded) x ON fold(x.value) = fold(m.value)) AS eligible
FROM trials t WHERE trial_id = :trial_id;
--- rows failed_criteria
SELECT text FROM (
  SELECT 1 AS place, 'age between ' || min_age || ' and ' || max_age AS text FROM trials WHERE trial_id = :trial_id AND :age_years NOT BETWEEN min_age AND max_age
  UNION ALL
  SELECT 2, 'body mass index of at most ' || CAST(max_bmi AS INTEGER) FROM trials WHERE trial_id = :trial_id AND :bmi > max_bmi
  UNION ALL
  SELECT 3, 'no treatment with ' || x.value FROM trials t JOIN json_each(t.excluded) x
  WHERE t.trial_id = :trial_id AND EXISTS (SELECT 1 FROM json_each(coalesce(:medications, '[]')) m WHERE fold(m.value) = fold(x.value)))
ORDER BY place, text;
--- rows missing_data
SELECT text FROM (
  SELECT 'bmi' AS text FROM trials WHERE trial_id = :trial_id AND max_bmi IS NOT NULL AND :bmi IS NULL
  UNION ALL SELECT 'medications' WHERE :medications IS NULL)
ORDER BY text;

--- tool enrol_participant
--- error trial_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM trials WHERE trial_id = :trial_id);
--- error enrolment_closed
SELECT 1 FROM trials t WHERE trial_id = :trial_id
  AND (is_closed OR (SELECT count(*) FROM participants p WHERE p.trial_id = t.trial_id AND p.status <> 'withdrawn') >= places);
--- error not_yet_signed
SELECT 1 WHERE :consent_date > at(now(), 'date');
--- error consent_outdated
SELECT 1 FROM trials WHERE trial_id = :trial_id AND consent_version <> :consent_version;
--- let
SELECT 'par_' || site || '-' || printf('%04d', 400 + (SELECT count(*) FROM participants)) AS participant_id FROM trials WHERE trial_id = :trial_id;
--- do
INSERT INTO participants VALUES
  (:participant_id, :trial_id, :initials, :birth_year, :consent_date, :consent_version, 'enrolled', NULL, NULL, NULL, NULL, NULL, now());
--- result
SELECT participant_id, trial_id, initials, birth_year, consent_date, consent_version, status FROM participants WHERE participant_id = :participant_id;

--- tool randomize_participant
--- error participant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM participants WHERE participant_id = :participant_id);
--- error already_randomized
SELECT 1 FROM participants WHERE participant_id = :participant_id AND kit_number IS NOT NULL AND status = 'randomized';
--- error not_enrolled
SELECT 1 FROM participants WHERE participant_id = :participant_id AND status <> 'enrolled';
--- error no_kits_at_site
SELECT 1 FROM participants p WHERE participant_id = :participant_id
  AND NOT EXISTS (SELECT 1 FROM kits k WHERE k.trial_id = p.trial_id AND k.stratum = :stratum);
--- let
SELECT min(k.kit_number) AS kit_number FROM kits k JOIN participants p USING (trial_id) WHERE p.participant_id = :participant_id AND k.stratum = :stratum;
--- do
DELETE FROM kits WHERE kit_number = :kit_number;
UPDATE participants SET status = 'randomized', stratum = :stratum, kit_number = :kit_number, randomized_at = now() WHERE participant_id = :participant_id;
--- result
SELECT participant_id, stratum, kit_number, randomized_at, status FROM participants WHERE participant_id = :participant_id;

--- tool schedule_visit
--- error participant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM participants WHERE participant_id = :participant_id);
--- error not_randomized
SELECT 1 FROM participants WHERE participant_id = :participant_id AND status <> 'randomized';
--- error week_not_in_protocol
SELECT 1 FROM participants p JOIN trials t USING (trial_id)
WHERE participant_id = :participant_id AND NOT EXISTS (SELECT 1 FROM json_each(t.weeks) w WHERE w.value = :visit_week);
--- error visit_exists
SELECT 1 FROM visits WHERE participant_id = :participant_id AND visit_week = :visit_week;
--- error outside_visit_window
SELECT 1 FROM participants WHERE participant_id = :participant_id
  AND (:visit_date < at(now(), 'date') OR abs(julianday(:visit_date) - julianday(substr(randomized_at, 1, 10)) - 7 * :visit_week) > 3);
--- let
SELECT 'vis_' || alnum(8, 'visit', fresh(0)) AS visit_id;
--- do
INSERT INTO visits VALUES (:visit_id, :participant_id, :visit_week, :visit_date, :fasting, 'planned');
--- result
SELECT visit_id, participant_id, visit_week, visit_date, fasting, visit_status FROM visits WHERE visit_id = :visit_id;

--- tool report_adverse_event
--- error participant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM participants WHERE participant_id = :participant_id);
--- error onset_in_future
SELECT 1 WHERE :onset_date > at(now(), 'date');
--- error onset_before_consent
SELECT 1 FROM participants WHERE participant_id = :participant_id AND :onset_date < consent_date;
--- error fatal_must_be_serious
SELECT 1 WHERE :grade = 5 AND NOT :serious;
--- let
SELECT 'aev_' || alnum(7, 'event', fresh(0)) AS adverse_event_id;
--- do
INSERT INTO adverse_events VALUES (:adverse_event_id, :participant_id, :event_term, :onset_date, :grade, :serious);
--- result
SELECT adverse_event_id, participant_id, event_term, onset_date, grade, serious, 'reported' AS event_status FROM adverse_events WHERE adverse_event_id = :adverse_event_id;

--- tool get_participant
--- error participant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM participants WHERE participant_id = :participant_id);
--- result
SELECT participant_id, trial_id, initials, birth_year, consent_date, consent_version, status, stratum, kit_number, created_at
FROM participants WHERE participant_id = :participant_id;
--- rows visits
SELECT visit_id, visit_week, visit_date, visit_status FROM visits WHERE participant_id = :participant_id ORDER BY visit_week;
--- rows adverse_events
SELECT adverse_event_id, event_term, grade, serious FROM adverse_events WHERE participant_id = :participant_id ORDER BY onset_date, adverse_event_id;

--- tool withdraw_participant
--- error participant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM participants WHERE participant_id = :participant_id);
--- error already_completed
SELECT 1 FROM participants WHERE participant_id = :participant_id AND status = 'completed';
--- error already_withdrawn
SELECT 1 FROM participants WHERE participant_id = :participant_id AND status = 'withdrawn';
--- error date_in_future
SELECT 1 WHERE :withdrawal_date > at(now(), 'date');
--- let
SELECT count(*) AS cancelled FROM visits WHERE participant_id = :participant_id AND visit_status = 'planned';
--- do
DELETE FROM visits WHERE participant_id = :participant_id AND visit_status = 'planned';
UPDATE participants SET status = 'withdrawn', withdrawal_reason = :withdrawal_reason, withdrawal_date = :withdrawal_date WHERE participant_id = :participant_id;
--- result
SELECT participant_id, withdrawal_reason, withdrawal_date, :cancelled AS cancelled_visits, status FROM participants WHERE participant_id = :participant_id;
