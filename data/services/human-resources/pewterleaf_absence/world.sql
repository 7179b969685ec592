-- Pewterleaf Absence: leave and sickness at one company. The calendar has the working days of the two open years.
-- Days taken are the working days of approved annual leave; what is left is less by pending requests too.
-- A team's staff on a day are its people less those on approved leave and those who are ill.

--- tables
CREATE TABLE workdays (
  place INTEGER PRIMARY KEY,
  day TEXT NOT NULL UNIQUE
);
CREATE TABLE teams (
  team TEXT PRIMARY KEY,
  minimum_staff INTEGER NOT NULL
);
CREATE TABLE employees (
  employee_id TEXT PRIMARY KEY,
  full_name TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL UNIQUE,
  team TEXT NOT NULL REFERENCES teams
);
CREATE TABLE entitlements (
  employee_id TEXT NOT NULL REFERENCES employees,
  year INTEGER NOT NULL,
  annual_days INTEGER NOT NULL CHECK (annual_days BETWEEN 20 AND 35),
  carried_days INTEGER NOT NULL CHECK (carried_days BETWEEN 0 AND 10),   -- of last year, lost after 31 March
  PRIMARY KEY (employee_id, year)
);
CREATE TABLE leave_requests (
  leave_request_id TEXT PRIMARY KEY,
  employee_id TEXT NOT NULL REFERENCES employees,
  leave_type TEXT NOT NULL CHECK (leave_type IN ('annual', 'unpaid', 'parental', 'study', 'bereavement')),
  start_date TEXT NOT NULL,
  end_date TEXT NOT NULL,
  note TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'declined', 'cancelled')),
  manager_comment TEXT,
  created_at TEXT NOT NULL,
  decided_at TEXT,
  CHECK (end_date >= start_date)
);
CREATE INDEX requests_by_employee ON leave_requests (employee_id, start_date);
CREATE TABLE absences (
  absence_id TEXT PRIMARY KEY,
  employee_id TEXT NOT NULL REFERENCES employees,
  start_date TEXT NOT NULL,
  expected_days INTEGER NOT NULL CHECK (expected_days BETWEEN 1 AND 90)
);

--- populate
INSERT INTO workdays (day)
SELECT day FROM (
  SELECT at(value, '+' || (n - 1) || ' days', 'date') AS day FROM json_each('["2025-01-01", "2026-01-01"]') JOIN numbers ON n <= 365)
WHERE weekday(day) NOT IN ('saturday', 'sunday')
  AND day NOT IN ('2025-01-01', '2025-04-18', '2025-04-21', '2025-05-01', '2025-06-09', '2025-12-25', '2025-12-26',
                  '2026-01-01', '2026-04-03', '2026-04-06', '2026-05-01', '2026-05-25', '2026-12-25')
ORDER BY day;

INSERT INTO teams SELECT nth('teams', n), 0 FROM numbers WHERE n <= 5 ORDER BY n;
-- The last four bear the first name of another.
INSERT INTO employees
SELECT 'E' || digits(6, 'employee', n), full_name, email(full_name, slug(company(1)) || '.example'), nth('teams', 1 + n % 5) FROM (
  SELECT n, CASE WHEN n <= 28 THEN person(n)
            ELSE substr(person(n - 28), 1, instr(person(n - 28), ' ')) || substr(person(n + 60), instr(person(n + 60), ' ') + 1) END AS full_name
  FROM numbers WHERE n <= 32)
ORDER BY n;
-- Three teams have people to spare, two are just staffed.
UPDATE teams SET minimum_staff = (SELECT count(*) FROM employees e WHERE e.team = teams.team) - CASE WHEN rowid <= 3 THEN 3 ELSE 5 - rowid END;

INSERT INTO entitlements
SELECT employee_id, value, draw(25, 30, 'days', employee_id), CASE WHEN chance(0.4, 'carried', employee_id, value) THEN draw(1, 5, 'carried', employee_id, value) ELSE 0 END
FROM employees JOIN json_each('[2025, 2026]') ORDER BY employees.rowid, value;

-- Last year's leave: a week in spring, two in summer.
INSERT INTO leave_requests
SELECT 'LR' || digits(8, 'request', e.rowid * 10 + k.n), e.employee_id, 'annual', a.day, b.day, '', 'approved', NULL,
       at(a.day, '-50 days', '09:20'), at(a.day, '-47 days', '14:05')
FROM employees e JOIN numbers k ON k.n <= 2
JOIN workdays a ON a.place = CASE k.n WHEN 1 THEN 30 + draw(1, 30, 'spring', e.rowid) ELSE 125 + draw(1, 35, 'summer', e.rowid) END
JOIN workdays b ON b.place = a.place + CASE k.n WHEN 1 THEN 4 ELSE 9 END
ORDER BY e.rowid, k.n;
-- This year's, counted in working days from today: some are away now, some will be, some wait for an answer.
INSERT INTO leave_requests
SELECT 'LR' || digits(8, 'request', e.rowid * 10 + p.kind), e.employee_id,
       CASE WHEN p.kind = 6 AND e.rowid % 8 = 1 THEN pick('other_types', e.rowid) ELSE 'annual' END,
       a.day, b.day, '', p.status, CASE p.status WHEN 'declined' THEN pick('declines', e.rowid) END,
       at(now(), '-' || (draw(1, 9, 'asked', e.rowid, p.kind) + CASE p.kind WHEN 4 THEN 20 ELSE 0 END) || ' days', pick('hours', e.rowid, p.kind)),
       CASE p.status WHEN 'pending' THEN NULL ELSE at(now(), '-' || (draw(1, 15, 'answered', e.rowid) + CASE p.kind WHEN 4 THEN 400 ELSE 0 END) || ' hours') END
FROM employees e
JOIN (SELECT value ->> '$.k' AS kind, value ->> '$.s' AS status, value ->> '$.from' AS low, value ->> '$.to' AS high, value ->> '$.len' AS longest, value ->> '$.mod' AS divisor, value ->> '$.is' AS rest
      FROM json_each('[{"k": 4, "s": "approved", "from": -2, "to": -1, "len": 4, "mod": 8, "is": 4},
                       {"k": 5, "s": "approved", "from": 14, "to": 18, "len": 3, "mod": 3, "is": 0},
                       {"k": 6, "s": "pending", "from": 3, "to": 8, "len": 5, "mod": 4, "is": 1},
                       {"k": 7, "s": "declined", "from": 2, "to": 9, "len": 2, "mod": 8, "is": 3},
                       {"k": 8, "s": "cancelled", "from": 5, "to": 12, "len": 3, "mod": 8, "is": 7}]')) p ON e.rowid % p.divisor = p.rest
JOIN workdays a ON a.place = (SELECT max(place) FROM workdays WHERE day <= substr(now(), 1, 10)) + draw(p.low, p.high, 'start', e.rowid, p.kind)
JOIN workdays b ON b.place = a.place + draw(1, p.longest, 'length', e.rowid, p.kind) - CASE WHEN p.kind = 4 THEN -2 ELSE 0 END
WHERE substr(a.day, 1, 4) = substr(b.day, 1, 4) AND substr(a.day, 1, 4) = substr(now(), 1, 4)
ORDER BY e.rowid, p.kind;
-- And a week some time ago, where the year is old enough.
INSERT INTO leave_requests
SELECT 'LR' || digits(8, 'request', e.rowid * 10 + 9), e.employee_id, 'annual', a.day, b.day, '', 'approved', NULL, at(a.day, '-30 days', '10:10'), at(a.day, '-28 days', '11:40')
FROM employees e JOIN workdays a ON a.place = (SELECT max(place) FROM workdays WHERE day <= substr(now(), 1, 10)) - draw(15, 60, 'earlier', e.rowid)
JOIN workdays b ON b.place = a.place + 4
WHERE a.day > '2026-01-01' ORDER BY e.rowid;

INSERT INTO absences
SELECT 'AB' || digits(8, 'absence', n), (SELECT employee_id FROM employees WHERE rowid = 1 + (n * 7) % 32),
       at(now(), '-' || CASE WHEN n <= 4 THEN n - 1 ELSE draw(20, 200, 'ill', n) END || ' days', 'date'), CASE WHEN n <= 4 THEN 3 + n ELSE draw(1, 9, 'ill for', n) END
FROM numbers WHERE n <= 22 ORDER BY n;

--- invariant no two requests of one employee that count overlap
SELECT a.leave_request_id FROM leave_requests a JOIN leave_requests b USING (employee_id)
WHERE a.leave_request_id < b.leave_request_id AND a.status IN ('pending', 'approved') AND b.status IN ('pending', 'approved')
  AND a.start_date <= b.end_date AND b.start_date <= a.end_date;
--- invariant what is decided says when, and nothing else does
SELECT leave_request_id FROM leave_requests WHERE status IN ('approved', 'declined') AND decided_at IS NULL OR status = 'pending' AND decided_at IS NOT NULL;

--- tool find_employees
--- error team_not_found
SELECT 1 WHERE :team IS NOT NULL AND NOT EXISTS (SELECT 1 FROM teams WHERE fold(team) = fold(:team));
--- page employees
SELECT employee_id, full_name, email, team FROM employees
WHERE (matches(full_name, :query) OR instr(lower(email), lower(:query)) > 0) AND (:team IS NULL OR fold(team) = fold(:team))
ORDER BY full_name;

--- tool get_leave_balance
--- error employee_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM employees WHERE employee_id = :employee_id);
--- error year_not_open
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM entitlements WHERE employee_id = :employee_id AND year = :year);
--- let
SELECT count(*) FILTER (WHERE status = 'approved') AS taken, count(*) AS spoken_for,
       count(*) FILTER (WHERE status = 'approved' AND day <= :year || '-03-31') AS by_march
FROM leave_requests JOIN workdays ON day BETWEEN start_date AND end_date
WHERE employee_id = :employee_id AND leave_type = 'annual' AND status IN ('approved', 'pending') AND CAST(substr(day, 1, 4) AS INTEGER) = :year;
--- let
SELECT CASE WHEN substr(now(), 1, 10) <= :year || '-03-31' THEN carried_days ELSE min(carried_days, :by_march) END AS carried
FROM entitlements WHERE employee_id = :employee_id AND year = :year;
--- result
SELECT employee_id, year, max(0, annual_days + :carried - :spoken_for) AS annual_days_left, :taken AS annual_days_taken, :carried AS carried_over_days,
       (SELECT count(*) FROM workdays WHERE CAST(substr(day, 1, 4) AS INTEGER) = :year AND EXISTS (
          SELECT 1 FROM absences a WHERE a.employee_id = :employee_id AND day BETWEEN a.start_date AND at(a.start_date, '+' || (a.expected_days - 1) || ' days', 'date')
       )) AS sick_days_taken
FROM entitlements WHERE employee_id = :employee_id AND year = :year;

--- tool check_coverage
--- error team_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM teams WHERE team = :team);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error period_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) > 60;
--- result
SELECT team, :start_date AS start_date, :end_date AS end_date, minimum_staff,
       (SELECT count(*) FROM employees e WHERE e.team = t.team) - coalesce((
         SELECT max(away) FROM (
           SELECT count(*) AS away FROM workdays w JOIN employees e ON e.team = t.team
           WHERE w.day BETWEEN :start_date AND :end_date AND (
             EXISTS (SELECT 1 FROM leave_requests q WHERE q.employee_id = e.employee_id AND q.status = 'approved' AND w.day BETWEEN q.start_date AND q.end_date)
             OR EXISTS (SELECT 1 FROM absences a WHERE a.employee_id = e.employee_id
                        AND w.day BETWEEN a.start_date AND at(a.start_date, '+' || (a.expected_days - 1) || ' days', 'date')))
           GROUP BY w.day)), 0) AS lowest_staff
FROM teams t WHERE team = :team;
--- rows short_dates
SELECT day FROM (
  SELECT w.day, (SELECT count(*) FROM employees e WHERE e.team = t.team AND NOT (
           EXISTS (SELECT 1 FROM leave_requests q WHERE q.employee_id = e.employee_id AND q.status = 'approved' AND w.day BETWEEN q.start_date AND q.end_date)
           OR EXISTS (SELECT 1 FROM absences a WHERE a.employee_id = e.employee_id
                      AND w.day BETWEEN a.start_date AND at(a.start_date, '+' || (a.expected_days - 1) || ' days', 'date')))) AS staff, t.minimum_staff
  FROM workdays w JOIN teams t ON t.team = :team WHERE w.day BETWEEN :start_date AND :end_date)
WHERE staff < minimum_staff ORDER BY day;

--- tool create_leave_request
--- error employee_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM employees WHERE employee_id = :employee_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error crosses_year
SELECT 1 WHERE substr(:start_date, 1, 4) <> substr(:end_date, 1, 4);
--- error year_not_open
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM entitlements WHERE employee_id = :employee_id AND year = CAST(substr(:start_date, 1, 4) AS INTEGER));
--- let
SELECT count(*) AS working_days FROM workdays WHERE day BETWEEN :start_date AND :end_date;
--- error no_working_days
SELECT 1 WHERE :working_days = 0;
--- error overlapping_request
SELECT 1 FROM leave_requests WHERE employee_id = :employee_id AND status IN ('pending', 'approved') AND start_date <= :end_date AND end_date >= :start_date;
--- let
SELECT count(*) AS spoken_for, count(*) FILTER (WHERE status = 'approved' AND day <= substr(:start_date, 1, 4) || '-03-31') AS by_march
FROM leave_requests JOIN workdays ON day BETWEEN start_date AND end_date
WHERE employee_id = :employee_id AND leave_type = 'annual' AND status IN ('approved', 'pending') AND substr(day, 1, 4) = substr(:start_date, 1, 4);
--- error balance_too_low
SELECT 1 FROM entitlements
WHERE :leave_type = 'annual' AND employee_id = :employee_id AND year = CAST(substr(:start_date, 1, 4) AS INTEGER)
  AND :working_days > annual_days - :spoken_for
      + CASE WHEN substr(now(), 1, 10) <= year || '-03-31' THEN carried_days ELSE min(carried_days, :by_march) END;
--- let
SELECT 'LR' || digits(8, 'request', fresh(0)) AS leave_request_id;
--- do
INSERT INTO leave_requests VALUES
  (:leave_request_id, :employee_id, :leave_type, :start_date, :end_date, coalesce(:note, ''), 'pending', NULL, now(), NULL);
--- result
SELECT leave_request_id, employee_id, leave_type, start_date, end_date, note, :working_days AS working_days, status
FROM leave_requests WHERE leave_request_id = :leave_request_id;

--- tool decide_leave_request
--- error request_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leave_requests WHERE leave_request_id = :leave_request_id);
--- let
SELECT (SELECT status FROM leave_requests WHERE leave_request_id = :leave_request_id) AS status;
--- error already_decided
SELECT 1 WHERE :status <> 'pending';
--- do
UPDATE leave_requests SET status = :decision, manager_comment = :manager_comment, decided_at = now() WHERE leave_request_id = :leave_request_id;
--- result
SELECT leave_request_id, status AS decision, coalesce(manager_comment, '') AS manager_comment, decided_at, status
FROM leave_requests WHERE leave_request_id = :leave_request_id;

--- tool list_leave_requests
--- error employee_not_found
SELECT 1 WHERE :employee_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM employees WHERE employee_id = :employee_id);
--- page leave_requests
SELECT leave_request_id, employee_id, leave_type, start_date, end_date, status FROM leave_requests
WHERE (:employee_id IS NULL OR employee_id = :employee_id) AND (:status IS NULL OR status = :status)
ORDER BY created_at DESC, leave_request_id;

--- tool cancel_leave_request
--- error request_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leave_requests WHERE leave_request_id = :leave_request_id);
--- error already_closed
SELECT 1 FROM leave_requests WHERE leave_request_id = :leave_request_id AND status IN ('declined', 'cancelled');
--- error leave_started
SELECT 1 FROM leave_requests WHERE leave_request_id = :leave_request_id AND start_date <= substr(now(), 1, 10);
--- do
UPDATE leave_requests SET status = 'cancelled' WHERE leave_request_id = :leave_request_id;
--- result
SELECT leave_request_id, CASE leave_type WHEN 'annual' THEN (SELECT count(*) FROM workdays WHERE day BETWEEN start_date AND end_date) ELSE 0 END AS days_returned, status
FROM leave_requests WHERE leave_request_id = :leave_request_id;

--- tool report_sick
--- error employee_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM employees WHERE employee_id = :employee_id);
--- error already_absent
SELECT 1 FROM absences WHERE employee_id = :employee_id
  AND :start_date BETWEEN start_date AND at(start_date, '+' || (expected_days - 1) || ' days', 'date');
--- let
SELECT 'AB' || digits(8, 'absence', fresh(0)) AS absence_id;
--- do
INSERT INTO absences VALUES (:absence_id, :employee_id, :start_date, :expected_days);
--- result
SELECT absence_id, employee_id, start_date, expected_days, CASE WHEN expected_days > 3 THEN at(start_date, '+3 days', 'date') END AS doctor_note_due,
       'open' AS status
FROM absences WHERE absence_id = :absence_id;
