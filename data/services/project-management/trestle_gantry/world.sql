-- Trestle Gantry: programmes of works of a civil engineering contractor. Dates are days; there are no holidays.
-- Time is counted in working days: a programme's day number k of a week of w days is the day k / w * 7 + k % w after Monday, 1 January
-- 1990. An activity takes the day numbers from starts up to ends, ends left out. What was reported keeps its dates; the rest is worked
-- out from the links after every change. A programme is complete when all of its activities are, and baselined once it has a baseline.

--- tables
CREATE TABLE programmes (
  programme_id TEXT PRIMARY KEY,
  programme_name TEXT NOT NULL UNIQUE,
  contract_number TEXT NOT NULL UNIQUE,
  start_date TEXT NOT NULL,
  week_days INTEGER NOT NULL CHECK (week_days IN (5, 6, 7)),
  first_day INTEGER NOT NULL,
  created_at TEXT NOT NULL
);
-- The steps that works of a kind usually have.
CREATE TABLE steps (
  kind TEXT NOT NULL,
  step INTEGER NOT NULL,
  activity_name TEXT NOT NULL,
  usual_days INTEGER NOT NULL,
  crew TEXT NOT NULL,
  outdoors INTEGER NOT NULL CHECK (outdoors IN (0, 1)),
  PRIMARY KEY (kind, step)
);
CREATE TABLE activities (
  activity_id TEXT PRIMARY KEY,
  programme_id TEXT NOT NULL REFERENCES programmes,
  activity_name TEXT NOT NULL,
  duration_days INTEGER NOT NULL CHECK (duration_days BETWEEN 0 AND 400),
  crew TEXT NOT NULL,
  weather_sensitive INTEGER NOT NULL CHECK (weather_sensitive IN (0, 1)),
  starts INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  percent_complete INTEGER NOT NULL CHECK (percent_complete BETWEEN 0 AND 100),
  report_date TEXT,
  delay_reason TEXT NOT NULL CHECK (delay_reason IN ('none', 'weather', 'access', 'design', 'plant', 'labour'))
);
CREATE INDEX activities_by_programme ON activities (programme_id);
CREATE TABLE links (
  link_id TEXT PRIMARY KEY,
  activity_id TEXT NOT NULL REFERENCES activities,
  predecessor_activity_id TEXT NOT NULL REFERENCES activities,
  link_kind TEXT NOT NULL CHECK (link_kind IN ('finish_to_start', 'start_to_start', 'finish_to_finish')),
  lag_days INTEGER NOT NULL CHECK (lag_days BETWEEN -30 AND 120),
  UNIQUE (activity_id, predecessor_activity_id)
);
CREATE INDEX links_by_predecessor ON links (predecessor_activity_id);
CREATE TABLE baselines (
  baseline_id TEXT PRIMARY KEY,
  programme_id TEXT NOT NULL REFERENCES programmes,
  revision TEXT NOT NULL,
  finish INTEGER NOT NULL,
  UNIQUE (programme_id, revision)
);
CREATE TABLE frozen (
  baseline_id TEXT NOT NULL REFERENCES baselines,
  activity_id TEXT NOT NULL REFERENCES activities,
  ends INTEGER NOT NULL,
  PRIMARY KEY (baseline_id, activity_id)
);

--- populate
-- Five programmes are still planned (the fifth has no activities), seven under way, two complete. Each starts on a Monday.
INSERT INTO programmes
SELECT 'prg_' || digits(6, 'programme', n), place || ' ' || works, client || '-' || digits(4, 'contract', n), monday, week_days,
       (CAST(julianday(monday) - julianday('1990-01-01') AS INTEGER) / 7 * week_days + min(CAST(julianday(monday) - julianday('1990-01-01') AS INTEGER) % 7, week_days)), at(monday, '-' || draw(30, 60, 'made', n) || ' days', draw(8, 16, 'hour', n) || ':10')
FROM (
  SELECT n, nth('places', n) AS place, nth('kinds', 1 + n % 4, 'works') AS works, pick('clients', n) AS client,
         CASE WHEN n % 3 = 0 THEN 6 ELSE 5 END AS week_days,
         date('1990-01-01', '+' || (CAST(julianday(now()) - julianday('1990-01-01') AS INTEGER) / 7 * 7
           + 7 * CASE WHEN n <= 5 THEN draw(1, 6, 'ahead', n) WHEN n <= 12 THEN -draw(3, 8, 'behind', n) ELSE -draw(26, 34, 'long ago', n) END) || ' days') AS monday
  FROM numbers WHERE n <= 14)
ORDER BY n;

INSERT INTO steps
SELECT nth('steps', n, 'kind'), nth('steps', n, 'k'), nth('steps', n, 'name'), nth('steps', n, 'days'), nth('steps', n, 'crew'), nth('steps', n, 'outdoors')
FROM numbers WHERE n <= 32 ORDER BY n;

INSERT INTO activities
SELECT 'act_' || digits(7, 'activity', n * 10 + step), programme_id, activity_name, days, crew, outdoors, first_day, first_day + days, 0, NULL, 'none'
FROM (
  SELECT p.rowid AS n, p.programme_id, p.first_day, s.*, usual_days + draw(-1, 3, 'days', p.rowid, step) AS days
  FROM programmes p JOIN steps s ON s.kind = nth('kinds', 1 + p.rowid % 4, 'kind') WHERE p.rowid <> 5 AND p.rowid <= 14)
ORDER BY n, step;

-- Two programmes hold what is due in the office; three activities in a row each.
INSERT INTO programmes
SELECT 'prg_' || digits(6, 'programme', 20 + n), nth('house', n), 'INT-' || digits(4, 'contract', 20 + n), monday, 5, (CAST(julianday(monday) - julianday('1990-01-01') AS INTEGER) / 7 * 5 + min(CAST(julianday(monday) - julianday('1990-01-01') AS INTEGER) % 7, 5)),
       at(monday, '-20 days', '09:15')
FROM (SELECT n, date('1990-01-01', '+' || (CAST(julianday(now()) - julianday('1990-01-01') AS INTEGER) / 7 * 7 + 7 * n) || ' days') AS monday FROM numbers WHERE n <= 2)
ORDER BY n;
INSERT INTO activities
SELECT 'act_' || digits(7, 'activity', p.rowid * 10 + t.n), programme_id, CASE t.n WHEN 1 THEN 'Audit of the first site' WHEN 2 THEN 'Audit of the second site' ELSE 'Audit report' END,
       3 + t.n, 'Own staff', 0, first_day, first_day + 3 + t.n, 0, NULL, 'none'
FROM programmes p JOIN numbers t ON t.n <= 3 WHERE p.rowid > 14 ORDER BY p.rowid, t.n;
INSERT INTO links
SELECT 'lnk_' || digits(7, 'link', 400 + b.rowid), b.activity_id, a.activity_id, 'finish_to_start', 0
FROM activities a JOIN activities b ON b.rowid = a.rowid + 1 AND b.programme_id = a.programme_id JOIN programmes p ON p.programme_id = a.programme_id
WHERE p.rowid > 14 ORDER BY b.rowid;

-- One more activity, in the second programme, that waits for nothing so far.
INSERT INTO activities
SELECT 'act_' || digits(7, 'activity', 350), programme_id, 'Bird nesting check', 2, 'Ecologists', 0, first_day, first_day + 2, 0, NULL, 'none' FROM programmes WHERE rowid = 2;

-- The eight activities of a programme hang together in the same way; in the fourth one the last is not tied in yet.
INSERT INTO links
SELECT 'lnk_' || digits(7, 'link', (p.rowid * 20 + t.n)), b.activity_id, a.activity_id, nth('ties', t.n, 'kind'), nth('ties', t.n, 'lag')
FROM programmes p JOIN numbers t ON t.n <= 10
JOIN activities a ON a.programme_id = p.programme_id AND a.activity_id = 'act_' || digits(7, 'activity', p.rowid * 10 + nth('ties', t.n, 'first'))
JOIN activities b ON b.programme_id = p.programme_id AND b.activity_id = 'act_' || digits(7, 'activity', p.rowid * 10 + nth('ties', t.n, 'then'))
WHERE p.rowid <= 14 AND (p.rowid <> 4 OR nth('ties', t.n, 'then') <> 8)
ORDER BY p.rowid, t.n;

UPDATE activities SET starts = w.s, ends = w.e
FROM (
  WITH RECURSIVE walk(id, s, e) AS (
    SELECT a.activity_id, CASE WHEN a.report_date IS NULL THEN p.first_day ELSE a.starts END,
           CASE WHEN a.report_date IS NULL THEN p.first_day + a.duration_days ELSE a.ends END
    FROM activities a JOIN programmes p USING (programme_id)
    UNION
    SELECT b.activity_id,
           max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END),
           b.duration_days + max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END)
    FROM walk w JOIN links l ON l.predecessor_activity_id = w.id JOIN activities b ON b.activity_id = l.activity_id
    JOIN programmes p ON p.programme_id = b.programme_id
    WHERE b.report_date IS NULL
  )
  SELECT id, max(s) AS s, max(e) AS e FROM walk GROUP BY id
) w
WHERE w.id = activities.activity_id AND activities.report_date IS NULL;

INSERT INTO baselines
SELECT 'bsl_' || digits(5, 'baseline', p.rowid), programme_id, 'C01', (SELECT max(ends) FROM activities a WHERE a.programme_id = p.programme_id)
FROM programmes p WHERE p.rowid BETWEEN 6 AND 14 ORDER BY p.rowid;

INSERT INTO frozen
SELECT baseline_id, activity_id, ends FROM baselines JOIN activities USING (programme_id);

-- What the sites reported until yesterday: most programmes slipped by some days, each for a reason of its own.
UPDATE activities SET starts = starts + r.slip * (starts > r.first_day), ends = ends + r.slip + r.own, percent_complete = 100, delay_reason = CASE WHEN r.slip + r.own > 0 THEN r.reason ELSE 'none' END,
  report_date = date('1990-01-01', '+' || ((ends + r.slip + r.own - 1) / r.week_days * 7 + (ends + r.slip + r.own - 1) % r.week_days) || ' days')
FROM (
  SELECT a.activity_id, p.first_day, p.week_days, CASE WHEN p.rowid % 7 IN (1, 3) THEN 0 ELSE draw(1, 4, 'slip', p.rowid) END AS slip,
         CASE WHEN p.rowid % 7 IN (1, 3) THEN 0 ELSE draw(0, 1, 'own', a.rowid) END AS own, pick('reasons', p.rowid) AS reason,
         (CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) / 7 * p.week_days + min(CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) % 7, p.week_days)) AS today
  FROM activities a JOIN programmes p USING (programme_id) WHERE p.rowid BETWEEN 6 AND 14) r
WHERE r.activity_id = activities.activity_id AND activities.ends + r.slip + r.own <= r.today;

UPDATE activities SET starts = w.s, ends = w.e
FROM (
  WITH RECURSIVE walk(id, s, e) AS (
    SELECT a.activity_id, CASE WHEN a.report_date IS NULL THEN p.first_day ELSE a.starts END,
           CASE WHEN a.report_date IS NULL THEN p.first_day + a.duration_days ELSE a.ends END
    FROM activities a JOIN programmes p USING (programme_id)
    UNION
    SELECT b.activity_id,
           max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END),
           b.duration_days + max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END)
    FROM walk w JOIN links l ON l.predecessor_activity_id = w.id JOIN activities b ON b.activity_id = l.activity_id
    JOIN programmes p ON p.programme_id = b.programme_id
    WHERE b.report_date IS NULL
  )
  SELECT id, max(s) AS s, max(e) AS e FROM walk GROUP BY id
) w
WHERE w.id = activities.activity_id AND activities.report_date IS NULL;

UPDATE activities SET percent_complete = r.done, report_date = r.day, delay_reason = r.reason,
  ends = r.today + (duration_days * (100 - r.done) + 99) / 100
FROM (
  SELECT a.activity_id, at(now(), '-1 days', 'date') AS day, 5 * max(1, min(18, 20 * ((CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) / 7 * p.week_days + min(CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) % 7, p.week_days)) - a.starts) / max(1, a.duration_days) - draw(0, 3, 'behind', a.rowid))) AS done,
         (CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) / 7 * p.week_days + min(CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) % 7, p.week_days)) AS today,
         CASE WHEN chance(0.5, 'why', a.rowid) THEN pick('reasons', a.rowid) ELSE 'none' END AS reason
  FROM activities a JOIN programmes p USING (programme_id)
  WHERE p.rowid BETWEEN 6 AND 14 AND a.report_date IS NULL AND a.starts < (CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) / 7 * p.week_days + min(CAST(julianday(at(now(), 'date')) - julianday('1990-01-01') AS INTEGER) % 7, p.week_days)) AND a.duration_days > 3) r
WHERE r.activity_id = activities.activity_id;

UPDATE activities SET starts = w.s, ends = w.e
FROM (
  WITH RECURSIVE walk(id, s, e) AS (
    SELECT a.activity_id, CASE WHEN a.report_date IS NULL THEN p.first_day ELSE a.starts END,
           CASE WHEN a.report_date IS NULL THEN p.first_day + a.duration_days ELSE a.ends END
    FROM activities a JOIN programmes p USING (programme_id)
    UNION
    SELECT b.activity_id,
           max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END),
           b.duration_days + max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END)
    FROM walk w JOIN links l ON l.predecessor_activity_id = w.id JOIN activities b ON b.activity_id = l.activity_id
    JOIN programmes p ON p.programme_id = b.programme_id
    WHERE b.report_date IS NULL
  )
  SELECT id, max(s) AS s, max(e) AS e FROM walk GROUP BY id
) w
WHERE w.id = activities.activity_id AND activities.report_date IS NULL;

-- Three large schemes are over. Each was built in four sections, whose activities were staggered; many took longer than planned.
INSERT INTO programmes
SELECT 'prg_' || digits(6, 'programme', 30 + n), nth('schemes', n), pick('clients', 'scheme', n) || '-' || digits(4, 'contract', 30 + n), monday, 5,
       CAST(julianday(monday) - julianday('1990-01-01') AS INTEGER) / 7 * 5, at(monday, '-50 days', '10:40')
FROM (SELECT n, date('1990-01-01', '+' || (CAST(julianday(now()) - julianday('1990-01-01') AS INTEGER) / 7 * 7 - 7 * draw(44, 58, 'scheme', n)) || ' days') AS monday FROM numbers WHERE n <= 3)
ORDER BY n;
INSERT INTO activities
SELECT 'act_' || digits(7, 'activity', 1000 + n * 40 + k * 8 + step), programme_id, activity_name || ', section ' || k, days, crew, outdoors, starts, starts + days + slip, 100,
       date('1990-01-01', '+' || ((starts + days + slip - 1) / 5 * 7 + (starts + days + slip - 1) % 5) || ' days'), CASE WHEN slip > 0 THEN pick('reasons', n, k, step) ELSE 'none' END
FROM (
  SELECT p.rowid AS n, k.n AS k, p.programme_id, s.*, usual_days + draw(-1, 3, 'scheme days', p.rowid, k.n, step) AS days, first_day + (k.n - 1) * 24 + (step - 1) * 7 AS starts,
         CASE WHEN chance(0.7, 'late', p.rowid, k.n, step) THEN draw(1, 9, 'late by', p.rowid, k.n, step) ELSE 0 END AS slip
  FROM programmes p JOIN numbers k ON k.n <= 4 JOIN steps s ON s.kind = nth('kinds', 1 + p.rowid % 4, 'kind') WHERE p.rowid > 16)
ORDER BY n, k, step;
INSERT INTO links
SELECT 'lnk_' || digits(7, 'link', 1000 + b.rowid), b.activity_id, a.activity_id, 'start_to_start', b.starts - a.starts
FROM activities a JOIN activities b ON b.rowid = a.rowid + 1 AND b.programme_id = a.programme_id AND b.starts > a.starts JOIN programmes p ON p.programme_id = a.programme_id
WHERE p.rowid > 16 ORDER BY b.rowid;
INSERT INTO baselines
SELECT 'bsl_' || digits(5, 'baseline', p.rowid), programme_id, 'C01', (SELECT max(starts + duration_days) FROM activities a WHERE a.programme_id = p.programme_id)
FROM programmes p WHERE p.rowid > 16 ORDER BY p.rowid;
INSERT INTO frozen
SELECT baseline_id, activity_id, starts + duration_days FROM baselines JOIN activities USING (programme_id) JOIN programmes p USING (programme_id) WHERE p.rowid > 16;

--- invariant no activity ends before it starts
SELECT activity_id FROM activities WHERE ends < starts - 1 AND report_date IS NULL;
--- invariant links stay within a programme
SELECT link_id FROM links l JOIN activities a ON a.activity_id = l.activity_id JOIN activities b ON b.activity_id = l.predecessor_activity_id
WHERE a.programme_id <> b.programme_id;
--- invariant nothing waits for itself, not even in a circle
WITH RECURSIVE before(id, root) AS (
  SELECT predecessor_activity_id, activity_id FROM links
  UNION
  SELECT l.predecessor_activity_id, b.root FROM before b JOIN links l ON l.activity_id = b.id)
SELECT root FROM before WHERE id = root;
--- invariant what follows begins after what it waits for
SELECT l.link_id FROM links l JOIN activities b ON b.activity_id = l.activity_id JOIN activities a ON a.activity_id = l.predecessor_activity_id
WHERE b.report_date IS NULL AND l.link_kind = 'finish_to_start' AND b.starts < a.ends + l.lag_days;

--- tool create_programme
--- error contract_in_use
SELECT 1 FROM programmes WHERE contract_number = :contract_number;
--- error not_a_working_day
SELECT 1 WHERE weekday(:start_date) = 'sunday' AND coalesce(:working_week, 'mon_fri') <> 'seven_day'
  OR weekday(:start_date) = 'saturday' AND coalesce(:working_week, 'mon_fri') = 'mon_fri';
--- let
SELECT 'prg_' || digits(6, 'programme', fresh(0)) AS programme_id, CASE :working_week WHEN 'seven_day' THEN 7 WHEN 'mon_sat' THEN 6 ELSE 5 END AS w,
  :programme_name || CASE WHEN EXISTS (SELECT 1 FROM programmes WHERE programme_name = :programme_name) THEN ' ' || :contract_number ELSE '' END AS name;
--- do
INSERT INTO programmes VALUES (:programme_id, :name, :contract_number, :start_date, :w, (CAST(julianday(:start_date) - julianday('1990-01-01') AS INTEGER) / 7 * :w + min(CAST(julianday(:start_date) - julianday('1990-01-01') AS INTEGER) % 7, :w)), now());
--- result
SELECT programme_id, programme_name, contract_number, start_date, CASE week_days WHEN 5 THEN 'mon_fri' WHEN 6 THEN 'mon_sat' ELSE 'seven_day' END AS working_week,
       'planning' AS status, created_at
FROM programmes WHERE programme_id = :programme_id;

--- tool search_programmes
--- error query_too_broad
SELECT 1 WHERE (SELECT count(*) FROM programmes WHERE matches(programme_name || ' ' || contract_number, :query)) > 6;
--- page programmes
SELECT programme_id, programme_name, contract_number, status
FROM (SELECT p.*, CASE WHEN NOT EXISTS (SELECT 1 FROM activities x WHERE x.programme_id = p.programme_id AND x.percent_complete < 100)
              AND EXISTS (SELECT 1 FROM activities x WHERE x.programme_id = p.programme_id) THEN 'complete'
            WHEN EXISTS (SELECT 1 FROM baselines x WHERE x.programme_id = p.programme_id) THEN 'baselined' ELSE 'planning' END AS status FROM programmes p)
WHERE matches(programme_name || ' ' || contract_number || ' ' || status, :query) AND (:status IS NULL OR status = :status)
ORDER BY programme_name, programme_id;

--- tool add_activity
--- error programme_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM programmes WHERE programme_id = :programme_id);
--- error programme_locked
SELECT 1 FROM (SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM activities x WHERE x.programme_id = p.programme_id AND x.percent_complete < 100)
              AND EXISTS (SELECT 1 FROM activities x WHERE x.programme_id = p.programme_id) THEN 'complete'
            WHEN EXISTS (SELECT 1 FROM baselines x WHERE x.programme_id = p.programme_id) THEN 'baselined' ELSE 'planning' END AS status FROM programmes p WHERE programme_id = :programme_id) WHERE status = 'complete';
--- let
SELECT 'act_' || digits(7, 'activity', fresh(0)) AS activity_id;
--- do
INSERT INTO activities SELECT :activity_id, programme_id, :activity_name, :duration_days, coalesce(:crew, ''), :weather_sensitive, first_day,
  first_day + :duration_days, 0, NULL, 'none' FROM programmes WHERE programme_id = :programme_id;
--- result
SELECT activity_id, programme_id, activity_name, duration_days, crew, weather_sensitive, date('1990-01-01', '+' || ((starts) / week_days * 7 + (starts) % week_days) || ' days') AS planned_start, percent_complete
FROM activities JOIN programmes USING (programme_id) WHERE activity_id = :activity_id;

--- tool link_activities
--- error activity_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM activities WHERE activity_id = :activity_id)
  OR NOT EXISTS (SELECT 1 FROM activities WHERE activity_id = :predecessor_activity_id);
--- error different_programmes
SELECT 1 FROM activities a, activities b
WHERE a.activity_id = :activity_id AND b.activity_id = :predecessor_activity_id AND a.programme_id <> b.programme_id;
--- error already_linked
SELECT 1 FROM links WHERE activity_id = :activity_id AND predecessor_activity_id = :predecessor_activity_id;
--- error circular_link
WITH RECURSIVE before(id) AS (
  SELECT :predecessor_activity_id
  UNION
  SELECT l.predecessor_activity_id FROM before b JOIN links l ON l.activity_id = b.id)
SELECT 1 FROM before WHERE id = :activity_id;
--- let
SELECT 'lnk_' || digits(7, 'link', fresh(0)) AS link_id, coalesce(:link_kind, 'finish_to_start') AS kind;
--- do
INSERT INTO links VALUES (:link_id, :activity_id, :predecessor_activity_id, :kind, :lag_days);
UPDATE activities SET starts = w.s, ends = w.e
FROM (
  WITH RECURSIVE walk(id, s, e) AS (
    SELECT a.activity_id, CASE WHEN a.report_date IS NULL THEN p.first_day ELSE a.starts END,
           CASE WHEN a.report_date IS NULL THEN p.first_day + a.duration_days ELSE a.ends END
    FROM activities a JOIN programmes p USING (programme_id) WHERE a.programme_id = (SELECT programme_id FROM activities WHERE activity_id = :activity_id)
    UNION
    SELECT b.activity_id,
           max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END),
           b.duration_days + max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END)
    FROM walk w JOIN links l ON l.predecessor_activity_id = w.id JOIN activities b ON b.activity_id = l.activity_id
    JOIN programmes p ON p.programme_id = b.programme_id
    WHERE b.report_date IS NULL
  )
  SELECT id, max(s) AS s, max(e) AS e FROM walk GROUP BY id
) w
WHERE w.id = activities.activity_id AND activities.report_date IS NULL;
--- result
SELECT link_id, l.activity_id, predecessor_activity_id, link_kind, lag_days, date('1990-01-01', '+' || ((starts) / week_days * 7 + (starts) % week_days) || ' days') AS planned_start
FROM links l JOIN activities a ON a.activity_id = l.activity_id JOIN programmes USING (programme_id) WHERE link_id = :link_id;

--- tool get_critical_path
--- error programme_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM programmes WHERE programme_id = :programme_id);
--- error no_activities
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM activities WHERE programme_id = :programme_id);
--- let
SELECT max(ends) AS finish FROM activities WHERE programme_id = :programme_id;
--- result
SELECT programme_id, date('1990-01-01', '+' || ((max(first_day, :finish - 1)) / week_days * 7 + (max(first_day, :finish - 1)) % week_days) || ' days') AS finish_date, min(4000, max(0, :finish - first_day)) AS length_days
FROM programmes WHERE programme_id = :programme_id;
--- rows activities
WITH RECURSIVE back(id, late) AS (
  SELECT activity_id, :finish FROM activities WHERE programme_id = :programme_id
  UNION
  SELECT a.activity_id, CASE l.link_kind WHEN 'finish_to_start' THEN w.late - (b.ends - b.starts) - l.lag_days
                                         WHEN 'start_to_start' THEN w.late - (b.ends - b.starts) - l.lag_days + a.ends - a.starts
                                         ELSE w.late - l.lag_days END
  FROM back w JOIN activities b ON b.activity_id = w.id JOIN links l ON l.activity_id = w.id
  JOIN activities a ON a.activity_id = l.predecessor_activity_id)
SELECT a.activity_id, activity_name, date('1990-01-01', '+' || ((starts) / week_days * 7 + (starts) % week_days) || ' days') AS planned_start, max(0, min(late) - ends) AS float_days
FROM back JOIN activities a ON a.activity_id = back.id JOIN programmes USING (programme_id)
GROUP BY a.activity_id HAVING max(0, min(late) - ends) <= :near_critical_days
ORDER BY starts, a.activity_id;

--- tool freeze_baseline
--- error programme_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM programmes WHERE programme_id = :programme_id);
--- error no_activities
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM activities WHERE programme_id = :programme_id);
--- error revision_exists
SELECT 1 FROM baselines WHERE programme_id = :programme_id AND revision = :revision;
--- error unlinked_activities
SELECT 1 FROM activities a WHERE programme_id = :programme_id
  AND NOT EXISTS (SELECT 1 FROM links l WHERE a.activity_id IN (l.activity_id, l.predecessor_activity_id))
  AND EXISTS (SELECT 1 FROM activities o WHERE o.programme_id = a.programme_id AND o.activity_id <> a.activity_id);
--- let
SELECT 'bsl_' || digits(5, 'baseline', fresh(0)) AS baseline_id, max(ends) AS finish FROM activities WHERE programme_id = :programme_id;
--- do
INSERT INTO baselines VALUES (:baseline_id, :programme_id, :revision, :finish);
INSERT INTO frozen SELECT :baseline_id, activity_id, ends FROM activities WHERE programme_id = :programme_id;
--- result
SELECT baseline_id, programme_id, revision, date('1990-01-01', '+' || ((max(first_day, finish - 1)) / week_days * 7 + (max(first_day, finish - 1)) % week_days) || ' days') AS finish_date, 'baselined' AS status
FROM baselines JOIN programmes USING (programme_id) WHERE baseline_id = :baseline_id;

--- tool update_progress
--- error activity_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM activities WHERE activity_id = :activity_id);
--- error report_in_future
SELECT 1 WHERE :report_date > at(now(), 'date');
--- error progress_falls
SELECT 1 FROM activities WHERE activity_id = :activity_id AND percent_complete > :percent_complete;
--- let
SELECT (CAST(julianday(at(:report_date, '+1 days', 'date')) - julianday('1990-01-01') AS INTEGER) / 7 * week_days + min(CAST(julianday(at(:report_date, '+1 days', 'date')) - julianday('1990-01-01') AS INTEGER) % 7, week_days)) AS day_after
FROM activities JOIN programmes USING (programme_id) WHERE activity_id = :activity_id;
--- do
UPDATE activities SET percent_complete = :percent_complete, report_date = :report_date, delay_reason = :delay_reason,
  ends = :day_after + (duration_days * (100 - :percent_complete) + 99) / 100,
  starts = min(starts, :day_after + (duration_days * (100 - :percent_complete) + 99) / 100)
WHERE activity_id = :activity_id;
UPDATE activities SET starts = w.s, ends = w.e
FROM (
  WITH RECURSIVE walk(id, s, e) AS (
    SELECT a.activity_id, CASE WHEN a.report_date IS NULL THEN p.first_day ELSE a.starts END,
           CASE WHEN a.report_date IS NULL THEN p.first_day + a.duration_days ELSE a.ends END
    FROM activities a JOIN programmes p USING (programme_id) WHERE a.programme_id = (SELECT programme_id FROM activities WHERE activity_id = :activity_id)
    UNION
    SELECT b.activity_id,
           max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END),
           b.duration_days + max(p.first_day, CASE l.link_kind WHEN 'finish_to_start' THEN w.e + l.lag_days WHEN 'start_to_start' THEN w.s + l.lag_days
                                             ELSE w.e + l.lag_days - b.duration_days END)
    FROM walk w JOIN links l ON l.predecessor_activity_id = w.id JOIN activities b ON b.activity_id = l.activity_id
    JOIN programmes p ON p.programme_id = b.programme_id
    WHERE b.report_date IS NULL
  )
  SELECT id, max(s) AS s, max(e) AS e FROM walk GROUP BY id
) w
WHERE w.id = activities.activity_id AND activities.report_date IS NULL;
--- result
SELECT activity_id, percent_complete, report_date, delay_reason, date('1990-01-01', '+' || ((ends - 1) / week_days * 7 + (ends - 1) % week_days) || ' days') AS forecast_finish
FROM activities JOIN programmes USING (programme_id) WHERE activity_id = :activity_id;

--- tool compare_baseline
--- error baseline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM baselines WHERE baseline_id = :baseline_id);
--- result
SELECT baseline_id, programme_id,
       max(-200, min(400, (SELECT max(ends) FROM activities a WHERE a.programme_id = b.programme_id) - finish)) AS finish_slip_days
FROM baselines b WHERE baseline_id = :baseline_id;
--- rows slipped
SELECT activity_id, activity_name, min(400, a.ends - f.ends) AS slip_days, delay_reason FROM frozen f JOIN activities a USING (activity_id)
WHERE baseline_id = :baseline_id AND a.ends - f.ends >= :minimum_slip_days
ORDER BY a.ends - f.ends DESC, activity_id;
