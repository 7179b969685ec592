-- Saltmarsh Hiring: the vacancies of one company with offices in the euro area. Moments are UTC; salaries are gross euro cents a year.
-- A candidate's stage follows from what happened: rejected, hired or offered, interviewed, screened, or only applied.

--- tables
CREATE TABLE workdays (
  place INTEGER PRIMARY KEY,            -- 0 is today
  day TEXT NOT NULL UNIQUE
);
CREATE TABLE departments (
  department TEXT PRIMARY KEY,
  approved_heads INTEGER NOT NULL
);
CREATE TABLE staff (
  email TEXT PRIMARY KEY,
  staff_name TEXT NOT NULL
);
CREATE TABLE vacancies (
  vacancy_id TEXT PRIMARY KEY,
  job_title TEXT NOT NULL,
  department TEXT NOT NULL REFERENCES departments,
  city TEXT NOT NULL,
  contract_type TEXT NOT NULL CHECK (contract_type IN ('permanent', 'fixed_term', 'internship', 'freelance')),
  headcount INTEGER NOT NULL CHECK (headcount BETWEEN 1 AND 50),
  band_top_cents INTEGER NOT NULL,
  closed INTEGER NOT NULL CHECK (closed IN (0, 1)),
  opened_at TEXT NOT NULL
);
CREATE TABLE candidates (
  candidate_id TEXT PRIMARY KEY,
  vacancy_id TEXT NOT NULL REFERENCES vacancies,
  full_name TEXT NOT NULL,
  email TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('careers_page', 'referral', 'agency', 'job_board', 'sourced')),
  skills TEXT NOT NULL,
  screened INTEGER NOT NULL CHECK (screened IN (0, 1)),
  rejection_reason TEXT,
  erased INTEGER NOT NULL CHECK (erased IN (0, 1)),
  created_at TEXT NOT NULL,
  UNIQUE (vacancy_id, email)
);
CREATE TABLE interviews (
  interview_id TEXT PRIMARY KEY,
  candidate_id TEXT NOT NULL REFERENCES candidates,
  starts_at TEXT NOT NULL,
  duration_min INTEGER NOT NULL CHECK (duration_min BETWEEN 15 AND 240),
  interview_format TEXT NOT NULL CHECK (interview_format IN ('phone', 'video', 'on_site')),
  cancelled INTEGER NOT NULL CHECK (cancelled IN (0, 1))
);
CREATE INDEX interviews_by_candidate ON interviews (candidate_id);
CREATE TABLE panel (
  interview_id TEXT NOT NULL REFERENCES interviews,
  interviewer_email TEXT NOT NULL REFERENCES staff (email),
  PRIMARY KEY (interview_id, interviewer_email)
);
CREATE TABLE scorecards (
  scorecard_id TEXT PRIMARY KEY,
  interview_id TEXT NOT NULL,
  interviewer_email TEXT NOT NULL,
  score INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
  recommendation TEXT NOT NULL CHECK (recommendation IN ('hire', 'lean_hire', 'lean_reject', 'reject')),
  comment TEXT NOT NULL,
  UNIQUE (interview_id, interviewer_email),
  FOREIGN KEY (interview_id, interviewer_email) REFERENCES panel
);
CREATE TABLE offers (
  job_offer_id TEXT PRIMARY KEY,
  candidate_id TEXT NOT NULL UNIQUE REFERENCES candidates,
  annual_salary_cents INTEGER NOT NULL,
  currency TEXT NOT NULL,
  start_date TEXT NOT NULL,
  reply_by TEXT NOT NULL,
  accepted INTEGER NOT NULL CHECK (accepted IN (0, 1)),
  sent_at TEXT NOT NULL
);

--- populate
INSERT INTO workdays
SELECT -row_number() OVER (ORDER BY n), at(now(), '-' || n || ' days', 'date') FROM numbers
WHERE n <= 30 AND weekday(at(now(), '-' || n || ' days')) NOT IN ('saturday', 'sunday') ORDER BY n;
INSERT INTO workdays
SELECT row_number() OVER (ORDER BY n) - 1, at(now(), '+' || (n - 1) || ' days', 'date') FROM numbers
WHERE n <= 40 AND weekday(at(now(), '+' || (n - 1) || ' days')) NOT IN ('saturday', 'sunday') ORDER BY n;

INSERT INTO departments
SELECT value, draw(1, 3, 'free heads', value) FROM json_each('["Finance","Engineering","Sales","People","Operations","Product","Support","Marketing"]');

INSERT INTO staff
SELECT email(person(n), 'northquay.example'), person(n) FROM numbers WHERE n <= 14 ORDER BY n;

INSERT INTO vacancies
SELECT 'vac_' || alnum(6, 'vacancy', n), nth('jobs', n, 'title'), nth('jobs', n, 'department'), pick('offices', n), pick('contracts', n),
       draw(1, 2, 'heads', n), nth('jobs', n, 'top') * 100000, n > 8, at(now(), '-' || draw(32, 60, 'opened', n) || ' days', '09:' || draw(10, 59, 'minute', n))
FROM numbers WHERE n <= 10 ORDER BY n;

UPDATE departments SET approved_heads = approved_heads + coalesce(
  (SELECT sum(v.headcount) FROM vacancies v WHERE v.department = departments.department AND NOT v.closed), 0);

-- Eight people for each vacancy: the first holds an offer or is hired, then three who have been interviewed, one who will be,
-- one whose interview was yesterday, and so on; the last is rejected.
INSERT INTO candidates
SELECT 'can_' || alnum(8, 'candidate', place), vacancy_id, person(100 + place), email(person(100 + place), pick('mail', place)), pick('sources', place),
       json_array(nth('jobs', v, 'one'), CASE WHEN (v + k) % 3 > 0 THEN nth('jobs', v, 'two') ELSE nth('jobs', v, 'three') END, pick('languages', place)),
       k <> 7, CASE WHEN k = 8 THEN pick('reasons', place) END, k = 7 AND v % 3 = 2,
       at(now(), '-' || draw(24, 31, 'applied', place) || ' days', draw(10, 21, 'hour', place) || ':' || draw(10, 59, 'min', place))
FROM (SELECT v.rowid AS v, v.vacancy_id, k.n AS k, (v.rowid - 1) * 8 + k.n AS place FROM vacancies v JOIN numbers k ON k.n <= 8)
ORDER BY place;

INSERT INTO interviews
SELECT 'int_' || alnum(8, 'interview', c.rowid * 2 + i.n), c.candidate_id,
       w.day || 'T' || nth('slots', 1 + (c.rowid / 8 + c.rowid / 40 + i.n) % 5) || ':00Z', pick('lengths', c.rowid, i.n), pick('formats', c.rowid, i.n), 0
FROM candidates c JOIN numbers i ON i.n <= CASE (c.rowid - 1) % 8 + 1 WHEN 1 THEN 2 WHEN 8 THEN (c.rowid / 8) % 2 WHEN 6 THEN 0 WHEN 7 THEN 0 ELSE 1 END
JOIN workdays w ON w.place = CASE (c.rowid - 1) % 8 + 1 WHEN 1 THEN -15 + i.n * 3 WHEN 4 THEN 1 + (c.rowid / 8) % 5 WHEN 5 THEN -1
                                  ELSE -draw(3, 8, 'held', c.rowid) END
ORDER BY c.rowid, i.n;

INSERT INTO panel
SELECT i.interview_id, s.email FROM interviews i JOIN numbers p ON p.n <= 2 JOIN staff s ON s.rowid = 1 + (i.rowid * 3 + p.n) % 14
ORDER BY i.rowid, p.n;

-- Of yesterday's interviews one scorecard is in, or none; of the others both.
INSERT INTO scorecards
SELECT 'sco_' || alnum(8, 'card', place), interview_id, interviewer_email,
       CASE WHEN weak THEN nth('low_verdicts', v, 'score') ELSE nth('high_verdicts', v, 'score') END,
       CASE WHEN weak THEN nth('low_verdicts', v, 'say') ELSE nth('high_verdicts', v, 'say') END,
       CASE WHEN weak THEN nth('low_verdicts', v, 'comment') ELSE nth('high_verdicts', v, 'comment') END
FROM (
  SELECT i.interview_id, p.interviewer_email, i.rowid * 2 + p.rowid % 2 AS place, (c.rowid - 1) % 8 + 1 AS k, c.rowid / 8 AS v8,
         (c.rowid - 1) % 8 + 1 IN (3, 8) AS weak, draw(1, 4, 'verdict', i.rowid, p.interviewer_email) AS v,
         row_number() OVER (PARTITION BY i.interview_id ORDER BY p.interviewer_email) AS seat
  FROM interviews i JOIN candidates c ON c.candidate_id = i.candidate_id JOIN panel p ON p.interview_id = i.interview_id
  WHERE i.starts_at < now())
WHERE k <> 5 OR v8 % 2 = 0 AND seat = 1
ORDER BY interview_id, interviewer_email;

INSERT INTO offers
SELECT 'jof_' || alnum(8, 'offer', c.rowid), c.candidate_id, v.band_top_cents * draw(86, 98, 'offered', c.rowid) / 100 / 50000 * 50000, 'EUR',
       at(now(), 'date', '+' || draw(40, 70, 'begins', c.rowid) || ' days', 'date'), (SELECT day FROM workdays WHERE place = draw(3, 7, 'answer', c.rowid)),
       v.rowid % 2 = 0 OR v.closed, (SELECT day FROM workdays WHERE place = -draw(2, 5, 'sent', c.rowid)) || 'T14:20:00Z'
FROM candidates c JOIN vacancies v USING (vacancy_id) WHERE (c.rowid - 1) % 8 = 0 ORDER BY c.rowid;

--- invariant nobody is in two interviews at once
SELECT a.interview_id FROM interviews a JOIN panel p USING (interview_id) JOIN panel q USING (interviewer_email) JOIN interviews b ON b.interview_id = q.interview_id
WHERE a.interview_id < b.interview_id AND NOT a.cancelled AND NOT b.cancelled AND a.starts_at > now() AND b.starts_at > now()
  AND a.starts_at < at(b.starts_at, '+' || b.duration_min || ' minutes') AND b.starts_at < at(a.starts_at, '+' || a.duration_min || ' minutes');
--- invariant a scorecard is about an interview that was held
SELECT scorecard_id FROM scorecards JOIN interviews USING (interview_id) WHERE starts_at > now() OR cancelled;
--- invariant no offer is above the band
SELECT job_offer_id FROM offers JOIN candidates USING (candidate_id) JOIN vacancies USING (vacancy_id) WHERE annual_salary_cents > band_top_cents;
--- invariant no rejected candidate has an interview to come
SELECT c.candidate_id FROM candidates c JOIN interviews USING (candidate_id) WHERE rejection_reason IS NOT NULL AND starts_at > at(now(), '+1 hours') AND NOT cancelled;

--- tool open_vacancy
--- error department_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM departments WHERE fold(department) = fold(:department));
--- error headcount_not_approved
SELECT 1 FROM departments d WHERE fold(d.department) = fold(:department)
  AND :headcount + coalesce((SELECT sum(v.headcount) FROM vacancies v WHERE v.department = d.department AND NOT v.closed), 0) > d.approved_heads;
--- let
SELECT 'vac_' || alnum(6, 'vacancy', fresh(0)) AS vacancy_id, (SELECT department FROM departments WHERE fold(department) = fold(:department)) AS unit;
--- do
INSERT INTO vacancies VALUES (:vacancy_id, :job_title, :unit, :city, :contract_type, :headcount, 7000000, 0, now());
--- result
SELECT vacancy_id, job_title, department, city, contract_type, headcount, 'https://careers.northquay.example/' || vacancy_id AS url, 'open' AS status
FROM vacancies WHERE vacancy_id = :vacancy_id;

--- tool add_candidate
--- error vacancy_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM vacancies WHERE vacancy_id = :vacancy_id);
--- error vacancy_closed
SELECT 1 FROM vacancies WHERE vacancy_id = :vacancy_id AND closed;
--- error already_applied
SELECT 1 FROM candidates WHERE vacancy_id = :vacancy_id AND fold(email) = fold(:email);
--- let
SELECT 'can_' || alnum(8, 'candidate', fresh(0)) AS candidate_id;
--- do
INSERT INTO candidates VALUES (:candidate_id, :vacancy_id, :full_name, :email, :source, coalesce(:skills, '[]'), 0, NULL, 0, now());
--- result
SELECT candidate_id, vacancy_id, full_name, email, source, skills, 'applied' AS stage FROM candidates WHERE candidate_id = :candidate_id;

--- tool search_candidates
--- error vacancy_not_found
SELECT 1 WHERE :vacancy_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vacancies WHERE vacancy_id = :vacancy_id);
--- page candidates
SELECT candidate_id, vacancy_id, full_name, stage FROM (
  SELECT c.candidate_id, c.vacancy_id, c.full_name, c.skills,
         CASE WHEN c.rejection_reason IS NOT NULL THEN 'rejected' WHEN o.accepted THEN 'hired' WHEN o.candidate_id IS NOT NULL THEN 'offer'
              WHEN EXISTS (SELECT 1 FROM interviews i WHERE i.candidate_id = c.candidate_id AND NOT i.cancelled) THEN 'interview'
              WHEN c.screened THEN 'screening' ELSE 'applied' END AS stage
  FROM candidates c LEFT JOIN offers o USING (candidate_id) WHERE NOT c.erased)
WHERE (:vacancy_id IS NULL OR vacancy_id = :vacancy_id) AND (:stage IS NULL OR stage = :stage)
  AND (:skill IS NULL OR EXISTS (SELECT 1 FROM json_each(skills) s WHERE fold(s.value) = fold(:skill)))
ORDER BY full_name, candidate_id;

--- tool schedule_interview
--- error candidate_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM candidates WHERE candidate_id = :candidate_id AND NOT erased);
--- error candidate_rejected
SELECT 1 FROM candidates WHERE candidate_id = :candidate_id AND rejection_reason IS NOT NULL;
--- error past_interviews
SELECT 1 FROM offers WHERE candidate_id = :candidate_id;
--- error starts_in_past
SELECT 1 WHERE julianday(:starts_at) <= julianday(now());
--- error interviewer_unknown
SELECT 1 FROM json_each(:interviewer_emails) e WHERE e.value NOT IN (SELECT email FROM staff) LIMIT 1;
--- error panel_busy
SELECT 1 FROM json_each(:interviewer_emails) e JOIN panel p ON p.interviewer_email = e.value JOIN interviews i USING (interview_id)
WHERE NOT i.cancelled AND julianday(i.starts_at) < julianday(:starts_at) + :duration_min / 1440.0 - 0.00001
  AND julianday(:starts_at) < julianday(i.starts_at) + i.duration_min / 1440.0 - 0.00001 LIMIT 1;
--- let
SELECT 'int_' || alnum(8, 'interview', fresh(0)) AS interview_id, coalesce(:interview_format, 'video') AS way;
--- do
INSERT INTO interviews VALUES (:interview_id, :candidate_id, at(:starts_at), :duration_min, :way, 0);
INSERT OR IGNORE INTO panel SELECT :interview_id, value FROM json_each(:interviewer_emails);
--- result
SELECT interview_id, candidate_id, starts_at, duration_min, interview_format, 'interview' AS stage,
       (SELECT json_group_array(interviewer_email) FROM (SELECT interviewer_email FROM panel p WHERE p.interview_id = i.interview_id ORDER BY interviewer_email))
       AS interviewer_emails
FROM interviews i WHERE interview_id = :interview_id;

--- tool submit_scorecard
--- error interview_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM interviews WHERE interview_id = :interview_id AND NOT cancelled);
--- error interview_not_held
SELECT 1 FROM interviews WHERE interview_id = :interview_id AND starts_at > now();
--- error not_on_panel
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM panel WHERE interview_id = :interview_id AND interviewer_email = :interviewer_email);
--- error already_submitted
SELECT 1 FROM scorecards WHERE interview_id = :interview_id AND interviewer_email = :interviewer_email;
--- let
SELECT 'sco_' || alnum(8, 'card', fresh(0)) AS scorecard_id;
--- do
INSERT INTO scorecards VALUES (:scorecard_id, :interview_id, :interviewer_email, :score, :recommendation, coalesce(:comment, ''));
--- result
SELECT scorecard_id, interview_id, interviewer_email, score, recommendation, comment,
       (SELECT count(*) FROM panel p WHERE p.interview_id = s.interview_id)
       - (SELECT count(*) FROM scorecards o WHERE o.interview_id = s.interview_id) AS scorecards_missing
FROM scorecards s WHERE scorecard_id = :scorecard_id;

--- tool send_job_offer
--- error candidate_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM candidates WHERE candidate_id = :candidate_id AND NOT erased);
--- error offer_pending
SELECT 1 FROM offers WHERE candidate_id = :candidate_id;
--- error candidate_rejected
SELECT 1 FROM candidates WHERE candidate_id = :candidate_id AND rejection_reason IS NOT NULL;
--- error no_recommendation
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM scorecards JOIN interviews USING (interview_id) WHERE candidate_id = :candidate_id AND recommendation IN ('hire', 'lean_hire'));
--- error above_band
SELECT 1 FROM candidates JOIN vacancies USING (vacancy_id) WHERE candidate_id = :candidate_id AND :annual_salary_cents > band_top_cents;
--- let
SELECT 'jof_' || alnum(8, 'offer', fresh(0)) AS job_offer_id;
--- do
INSERT INTO offers VALUES (:job_offer_id, :candidate_id, :annual_salary_cents, :currency, :start_date, :reply_by, 0, now());
--- result
SELECT job_offer_id, candidate_id, annual_salary_cents, currency, start_date, reply_by, 'offer' AS stage, 'sent' AS status
FROM offers WHERE job_offer_id = :job_offer_id;

--- tool reject_candidate
--- error candidate_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM candidates WHERE candidate_id = :candidate_id AND NOT erased);
--- error already_rejected
SELECT 1 FROM candidates WHERE candidate_id = :candidate_id AND rejection_reason IS NOT NULL;
--- error offer_pending
SELECT 1 FROM offers WHERE candidate_id = :candidate_id AND NOT accepted;
--- error candidate_hired
SELECT 1 FROM offers WHERE candidate_id = :candidate_id;
--- let
SELECT count(*) AS interviews_cancelled FROM interviews WHERE candidate_id = :candidate_id AND starts_at > now() AND NOT cancelled;
--- do
UPDATE candidates SET rejection_reason = :rejection_reason WHERE candidate_id = :candidate_id;
UPDATE interviews SET cancelled = 1 WHERE candidate_id = :candidate_id AND starts_at > now() AND NOT cancelled;
--- result
SELECT candidate_id, rejection_reason, :interviews_cancelled AS interviews_cancelled, 'rejected' AS stage FROM candidates WHERE candidate_id = :candidate_id;

--- tool get_candidate
--- error candidate_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM candidates WHERE candidate_id = :candidate_id);
--- error data_erased
SELECT 1 FROM candidates WHERE candidate_id = :candidate_id AND erased;
--- result
SELECT c.candidate_id, c.vacancy_id, c.full_name, c.email, c.source, c.skills, c.created_at,
       (SELECT round(avg(s.score), 1) FROM scorecards s JOIN interviews i USING (interview_id) WHERE i.candidate_id = c.candidate_id) AS average_score,
       CASE WHEN c.rejection_reason IS NOT NULL THEN 'rejected' WHEN o.accepted THEN 'hired' WHEN o.candidate_id IS NOT NULL THEN 'offer'
            WHEN EXISTS (SELECT 1 FROM interviews i WHERE i.candidate_id = c.candidate_id AND NOT i.cancelled) THEN 'interview'
            WHEN c.screened THEN 'screening' ELSE 'applied' END AS stage
FROM candidates c LEFT JOIN offers o USING (candidate_id) WHERE c.candidate_id = :candidate_id;
--- rows interviews
SELECT interview_id, starts_at, interview_format FROM interviews WHERE candidate_id = :candidate_id AND NOT cancelled ORDER BY starts_at, interview_id;
