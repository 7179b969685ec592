-- Quillfern Evening School: sections of courses, learners, assignments and marks. Moments are UTC; money is in cents.
-- Term 0 is over, term 1 runs and is open for enrolment, term 2 is not open yet. Seats, fees due and grades are worked out.

--- tables
CREATE TABLE sections (
  section_id TEXT PRIMARY KEY,
  course_title TEXT NOT NULL,
  weekday TEXT NOT NULL CHECK (weekday IN ('mon', 'tue', 'wed', 'thu', 'fri')),
  term INTEGER NOT NULL CHECK (term IN (0, 1, 2)),
  first_day TEXT NOT NULL,
  capacity INTEGER NOT NULL CHECK (capacity BETWEEN 1 AND 40),
  fee_cents INTEGER NOT NULL CHECK (fee_cents BETWEEN 0 AND 200000),
  UNIQUE (course_title, weekday, term)
);
CREATE TABLE students (
  student_id TEXT PRIMARY KEY,
  full_name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  phone TEXT,
  concession TEXT NOT NULL CHECK (concession IN ('none', 'senior', 'unemployed', 'apprentice')),
  created_at TEXT NOT NULL
);
CREATE TABLE enrollments (
  enrollment_id TEXT PRIMARY KEY,
  student_id TEXT NOT NULL REFERENCES students,
  section_id TEXT NOT NULL REFERENCES sections,
  status TEXT NOT NULL CHECK (status IN ('enrolled', 'waitlisted', 'withdrawn', 'completed')),
  reason TEXT CHECK (reason IN ('schedule', 'level', 'moving', 'health', 'other')),
  created_at TEXT NOT NULL,
  CHECK ((status = 'withdrawn') = (reason IS NOT NULL))
);
CREATE INDEX enrollments_by_section ON enrollments (section_id, status);
CREATE INDEX enrollments_by_student ON enrollments (student_id);
CREATE TABLE assignments (
  assignment_id TEXT PRIMARY KEY,
  section_id TEXT NOT NULL REFERENCES sections,
  assignment_title TEXT NOT NULL,
  due_at TEXT NOT NULL,
  max_points INTEGER NOT NULL CHECK (max_points BETWEEN 1 AND 200),
  weight_percent INTEGER NOT NULL CHECK (weight_percent BETWEEN 0 AND 100),
  UNIQUE (section_id, assignment_title)
);
CREATE INDEX assignments_by_section ON assignments (section_id);
CREATE TABLE marks (
  enrollment_id TEXT NOT NULL REFERENCES enrollments,
  assignment_id TEXT NOT NULL REFERENCES assignments,
  points REAL NOT NULL CHECK (points >= 0),
  feedback TEXT NOT NULL,
  PRIMARY KEY (enrollment_id, assignment_id)
);

--- populate
-- Two evenings for each of fourteen courses of this term, one for three of the last and three of the next.
INSERT INTO sections
SELECT 'SEC' || digits(6, 'section', n), nth('courses', place, 'title'),
       nth('evenings', 1 + (place + later) % 5), term,
       at(start, '+' || ((instr('montuewedthufri', nth('evenings', 1 + (place + later) % 5)) - 1) / 3) || ' days', 'date'),
       draw(5, 8, 'capacity', n), 100 * nth('courses', place, 'fee')
FROM (
  SELECT n, term, later, place,
         at(monday, CASE term WHEN 0 THEN '-140 days' WHEN 1 THEN '-' || (7 * draw(0, 7, 'weeks', place)) || ' days' ELSE '+98 days' END) AS start
  FROM (
    SELECT n, CASE WHEN n <= 28 THEN 1 WHEN n <= 31 THEN 0 ELSE 2 END AS term,
           CASE WHEN n <= 28 THEN (n - 1) % 2 ELSE 0 END AS later, CASE WHEN n <= 28 THEN (n + 1) / 2 WHEN n <= 31 THEN n - 28 ELSE n - 17 END AS place,
           at(now(), '-' || ((instr('mondaytuesdaywednesdaythursdayfriday', weekday(now())) + 5) / 8) || ' days', '08:00') AS monday
    FROM numbers WHERE n <= 34))
ORDER BY n;

-- German and yoga have many sections: each of their courses runs on two evenings of this term.
-- Their tutors set no assignments.
INSERT INTO sections
SELECT 'SEC' || digits(6, 'section', 100 + n), nth('broad', place, 'title'), evening, 1,
       at(monday, '-' || (7 * draw(0, 7, 'broad weeks', place)) || ' days', '+' || ((instr('montuewedthufri', evening) - 1) / 3) || ' days', 'date'),
       draw(5, 8, 'capacity', 100 + n), 100 * nth('broad', place, 'fee')
FROM (
  SELECT n, (n + 1) / 2 AS place, nth('evenings', 1 + ((n + 1) / 2 * 2 + n % 2 * 3) % 5) AS evening,
         at(now(), '-' || ((instr('mondaytuesdaywednesdaythursdayfriday', weekday(now())) + 5) / 8) || ' days', '08:00') AS monday
  FROM numbers WHERE n <= 28)
ORDER BY n;

INSERT INTO students
WITH p AS MATERIALIZED (SELECT n, person(n) AS name FROM numbers WHERE n <= 150)
SELECT 'STU' || digits(6, 'student', n), name, email(name, pick('mail', n)), CASE WHEN chance(0.7, 'phone', n) THEN phone(n) END,
       pick('concessions', n), at(now(), '-' || draw(40, 900, 'joined', n) || ' days', draw(9, 19, 'hour', n) || ':15')
FROM p ORDER BY n;

-- Both evenings of two courses are full, and the first evening of some others.
INSERT INTO enrollments
WITH x AS MATERIALIZED (
  SELECT x.rowid AS row, x.section_id, x.term, x.first_day, CASE
    WHEN x.term = 2 THEN 0 WHEN x.term = 0 THEN 4
    WHEN (x.rowid + 1) / 2 IN (3, 9) THEN x.capacity
    WHEN x.rowid % 2 = 1 AND chance(0.35, 'full', x.rowid) THEN x.capacity
    ELSE x.capacity - draw(1, 4, 'free', x.rowid) END AS people
  FROM sections x)
SELECT 'ENR' || digits(8, 'enrolment', r), (SELECT student_id FROM students s WHERE s.rowid = 1 + (r * 7) % 150), section_id,
       CASE term WHEN 0 THEN 'completed' ELSE 'enrolled' END, NULL,
       at(first_day, '-' || draw(8, 30, 'enrolled', r) || ' days', draw(9, 19, 'enrol hour', r) || ':40')
FROM (
  SELECT x.section_id, x.term, x.first_day, row_number() OVER (ORDER BY x.row, j.n) AS r
  FROM x JOIN numbers j ON j.n <= min(8, x.people))
ORDER BY r;

INSERT INTO enrollments
SELECT 'ENR' || digits(8, 'enrolment', 2000 + x.rowid * 3 + j.n), (SELECT student_id FROM students s WHERE s.rowid = 1 + (x.rowid * 11 + j.n * 40 + 60) % 150),
       x.section_id, 'waitlisted', NULL, at(x.first_day, '-' || (6 + j.n) || ' days', '12:30')
FROM sections x JOIN numbers j ON j.n <= 2 AND j.n <= draw(0, 2, 'queue', x.rowid)
WHERE x.term = 1 AND x.capacity = (SELECT count(*) FROM enrollments e WHERE e.section_id = x.section_id AND e.status = 'enrolled')
  AND NOT EXISTS (SELECT 1 FROM enrollments e JOIN students s USING (student_id)
                  WHERE e.section_id = x.section_id AND s.rowid = 1 + (x.rowid * 11 + j.n * 40 + 60) % 150)
ORDER BY x.rowid, j.n;

INSERT INTO enrollments
SELECT 'ENR' || digits(8, 'enrolment', 3000 + x.rowid), (SELECT student_id FROM students s WHERE s.rowid = 1 + (x.rowid * 13 + 31) % 150),
       x.section_id, 'withdrawn', pick('leaving', x.rowid), at(x.first_day, '-9 days', '18:10')
FROM sections x
WHERE x.term = 1 AND x.rowid % 3 = 0
  AND NOT EXISTS (SELECT 1 FROM enrollments e JOIN students s USING (student_id) WHERE e.section_id = x.section_id AND s.rowid = 1 + (x.rowid * 13 + 31) % 150)
ORDER BY x.rowid;

-- The first is handed in and marked in most sections; later ones are still to come.
INSERT INTO assignments
SELECT 'ASG' || digits(7, 'assignment', x.rowid * 4 + k.n), x.section_id, nth('pieces', k.n + x.rowid % 4),
       at(x.first_day, '+' || (14 * k.n - 1) || ' days', '21:00'), pick('maxima', x.rowid, k.n), 10 * draw(1, 3, 'weight', x.rowid, k.n)
FROM sections x JOIN numbers k ON k.n <= 3 AND k.n <= draw(1, 3, 'pieces', x.rowid)
WHERE x.term < 2 AND x.rowid <= 34 ORDER BY x.rowid, k.n;

INSERT INTO marks
SELECT e.enrollment_id, a.assignment_id, round(a.max_points * draw(45, 100, 'points', e.enrollment_id, a.assignment_id) / 50) / 2.0, pick('comments', e.enrollment_id, a.assignment_id)
FROM enrollments e JOIN assignments a USING (section_id)
WHERE e.status IN ('enrolled', 'completed') AND a.due_at < at(now(), '-1 days') AND chance(0.75, 'marked', e.enrollment_id, a.assignment_id)
ORDER BY e.rowid, a.rowid;

--- invariant no section has more learners than seats
SELECT section_id FROM sections s WHERE capacity < (SELECT count(*) FROM enrollments e WHERE e.section_id = s.section_id AND e.status = 'enrolled');
--- invariant nobody is in a section twice
SELECT student_id FROM enrollments WHERE status IN ('enrolled', 'waitlisted') GROUP BY student_id, section_id HAVING count(*) > 1;
--- invariant the weights of a section stay within 100 percent
SELECT section_id FROM assignments GROUP BY section_id HAVING sum(weight_percent) > 100;
--- invariant a mark belongs to its section and its maximum
SELECT m.enrollment_id FROM marks m JOIN enrollments e USING (enrollment_id) JOIN assignments a USING (assignment_id)
WHERE e.section_id <> a.section_id OR m.points > a.max_points;
--- invariant a section meets on its first day
SELECT section_id FROM sections WHERE substr(weekday(first_day), 1, 3) <> weekday;

--- tool search_sections
--- error no_open_term
SELECT 1 WHERE EXISTS (SELECT 1 FROM sections WHERE term = 2 AND matches(course_title, :subject))
  AND NOT EXISTS (SELECT 1 FROM sections WHERE term = 1 AND matches(course_title, :subject));
--- page sections
SELECT section_id, course_title, weekday, seats_free, fee_cents
FROM (
  SELECT s.*, capacity - (SELECT count(*) FROM enrollments e WHERE e.section_id = s.section_id AND e.status = 'enrolled') AS seats_free
  FROM sections s WHERE term = 1 AND matches(course_title, :subject) AND (:weekday IS NULL OR weekday = :weekday))
WHERE NOT :only_open OR seats_free > 0
ORDER BY course_title, instr('montuewedthufri', weekday), section_id;

--- tool register_student
--- error student_exists
SELECT 1 FROM students WHERE fold(email) = fold(:email);
--- let
SELECT 'STU' || digits(6, 'student', fresh(0)) AS student_id;
--- do
INSERT INTO students VALUES (:student_id, :full_name, :email, :phone, coalesce(:concession, 'none'), now());
--- result
SELECT student_id, full_name, email, phone, concession, created_at FROM students WHERE student_id = :student_id;

--- tool enroll_student
--- error student_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM students WHERE student_id = :student_id);
--- error section_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sections WHERE section_id = :section_id);
--- error section_not_open
SELECT 1 FROM sections WHERE section_id = :section_id AND term <> 1;
--- error already_enrolled
SELECT 1 FROM enrollments WHERE student_id = :student_id AND section_id = :section_id AND status IN ('enrolled', 'waitlisted');
--- error section_full
SELECT 1 FROM sections s WHERE section_id = :section_id AND NOT :waitlist
  AND capacity <= (SELECT count(*) FROM enrollments e WHERE e.section_id = s.section_id AND e.status = 'enrolled');
--- let
SELECT 'ENR' || digits(8, 'enrolment', fresh(0)) AS enrollment_id,
       CASE WHEN capacity <= (SELECT count(*) FROM enrollments e WHERE e.section_id = s.section_id AND e.status = 'enrolled')
            THEN 'waitlisted' ELSE 'enrolled' END AS state
FROM sections s WHERE section_id = :section_id;
--- do
INSERT INTO enrollments VALUES (:enrollment_id, :student_id, :section_id, :state, NULL, now());
--- result
SELECT enrollment_id, student_id, section_id,
       CASE status WHEN 'enrolled' THEN fee_cents * CASE concession WHEN 'senior' THEN 80 WHEN 'unemployed' THEN 50 WHEN 'apprentice' THEN 60 ELSE 100 END / 100
                   ELSE 0 END AS fee_due_cents, status
FROM enrollments JOIN students USING (student_id) JOIN sections USING (section_id) WHERE enrollment_id = :enrollment_id;

--- tool create_assignment
--- error section_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sections WHERE section_id = :section_id);
--- error weight_exceeded
SELECT 1 WHERE :weight_percent + coalesce((SELECT sum(weight_percent) FROM assignments WHERE section_id = :section_id), 0) > 100;
--- error title_taken
SELECT 1 FROM assignments WHERE section_id = :section_id AND fold(assignment_title) = fold(:assignment_title);
--- let
SELECT 'ASG' || digits(7, 'assignment', fresh(0)) AS assignment_id;
--- do
INSERT INTO assignments VALUES (:assignment_id, :section_id, :assignment_title, :due_at, :max_points, :weight_percent);
--- result
SELECT assignment_id, section_id, assignment_title, due_at, max_points, weight_percent,
       100 - (SELECT sum(weight_percent) FROM assignments o WHERE o.section_id = a.section_id) AS weight_left_percent
FROM assignments a WHERE assignment_id = :assignment_id;

--- tool record_mark
--- error enrollment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM enrollments WHERE enrollment_id = :enrollment_id);
--- error assignment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM assignments WHERE assignment_id = :assignment_id);
--- error wrong_section
SELECT 1 FROM enrollments e, assignments a
WHERE e.enrollment_id = :enrollment_id AND a.assignment_id = :assignment_id AND e.section_id <> a.section_id;
--- error not_enrolled
SELECT status AS state FROM enrollments WHERE enrollment_id = :enrollment_id AND status IN ('waitlisted', 'withdrawn');
--- error points_too_high
SELECT 1 FROM assignments WHERE assignment_id = :assignment_id AND :points > max_points;
--- do
INSERT INTO marks VALUES (:enrollment_id, :assignment_id, :points, coalesce(:feedback, ''))
ON CONFLICT (enrollment_id, assignment_id) DO UPDATE SET points = excluded.points, feedback = excluded.feedback;
--- result
SELECT enrollment_id, assignment_id, points, feedback, 'recorded' AS mark_status
FROM marks WHERE enrollment_id = :enrollment_id AND assignment_id = :assignment_id;

--- tool get_enrollment
--- error enrollment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM enrollments WHERE enrollment_id = :enrollment_id);
--- result
SELECT enrollment_id, student_id, section_id, status = 'waitlisted' AS waitlist,
       CASE WHEN status IN ('enrolled', 'completed')
            THEN fee_cents * CASE concession WHEN 'senior' THEN 80 WHEN 'unemployed' THEN 50 WHEN 'apprentice' THEN 60 ELSE 100 END / 100
            ELSE 0 END AS fee_due_cents,
       (SELECT round(100.0 * sum(m.points / a.max_points * a.weight_percent) / sum(a.weight_percent), 1)
        FROM marks m JOIN assignments a USING (assignment_id) WHERE m.enrollment_id = e.enrollment_id AND a.weight_percent > 0) AS running_grade_percent,
       status, e.created_at
FROM enrollments e JOIN students USING (student_id) JOIN sections USING (section_id) WHERE enrollment_id = :enrollment_id;
--- rows marks
SELECT assignment_id, assignment_title, points, max_points FROM marks JOIN assignments USING (assignment_id)
WHERE enrollment_id = :enrollment_id ORDER BY due_at, assignment_id;

--- tool withdraw_enrollment
--- error enrollment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM enrollments WHERE enrollment_id = :enrollment_id);
--- error course_completed
SELECT 1 FROM enrollments WHERE enrollment_id = :enrollment_id AND status = 'completed';
--- error already_withdrawn
SELECT 1 FROM enrollments WHERE enrollment_id = :enrollment_id AND status = 'withdrawn';
--- let
SELECT CASE WHEN status = 'waitlisted' OR substr(now(), 1, 10) >= at(first_day, '+35 days', 'date') THEN 0
            ELSE fee_cents * CASE concession WHEN 'senior' THEN 80 WHEN 'unemployed' THEN 50 WHEN 'apprentice' THEN 60 ELSE 100 END / 100
                 / CASE WHEN substr(now(), 1, 10) < at(first_day, '+14 days', 'date') THEN 1 ELSE 2 END END AS refund
FROM enrollments JOIN students USING (student_id) JOIN sections USING (section_id) WHERE enrollment_id = :enrollment_id;
--- do
UPDATE enrollments SET status = 'withdrawn', reason = :reason WHERE enrollment_id = :enrollment_id;
--- result
SELECT enrollment_id, reason, :refund AS refund_cents, status FROM enrollments WHERE enrollment_id = :enrollment_id;
