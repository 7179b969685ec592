-- Cinder Paceworks: athletes of a running club, their training plans and workouts. Moments are UTC, paces seconds a kilometre.
-- A plan is a draft until it is published, and finished once its race is over.

--- tables
CREATE TABLE athletes (
  athlete_id TEXT PRIMARY KEY,
  full_name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  birth_year INTEGER,
  threshold_pace_s_per_km INTEGER NOT NULL CHECK (threshold_pace_s_per_km BETWEEN 150 AND 600),
  status TEXT NOT NULL CHECK (status IN ('active', 'injured', 'archived'))
);
CREATE TABLE clubs (
  most_active INTEGER NOT NULL          -- athletes that the club's plan allows
);
CREATE TABLE plans (
  plan_id TEXT PRIMARY KEY,
  athlete_id TEXT NOT NULL REFERENCES athletes,
  start_date TEXT NOT NULL,
  race_date TEXT NOT NULL,
  race_distance TEXT NOT NULL CHECK (race_distance IN ('5k', '10k', 'half_marathon', 'marathon')),
  peak_weekly_km INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  published_at TEXT,
  CHECK (race_date > start_date)
);
CREATE INDEX plans_by_athlete ON plans (athlete_id);
CREATE TABLE workouts (
  workout_id TEXT PRIMARY KEY,
  plan_id TEXT NOT NULL REFERENCES plans,
  workout_date TEXT NOT NULL,
  workout_type TEXT NOT NULL CHECK (workout_type IN ('easy', 'long', 'tempo', 'intervals', 'hills', 'recovery')),
  distance_km REAL NOT NULL,
  coach_note TEXT NOT NULL,
  actual_km REAL,
  duration_s INTEGER,
  perceived_effort INTEGER,
  CHECK ((actual_km IS NULL) = (duration_s IS NULL))
);
CREATE INDEX workouts_by_plan ON workouts (plan_id, workout_date);

--- populate
INSERT INTO athletes
SELECT 'ath_' || alnum(8, 'athlete', n), person(n), email(person(n), pick('mail', n)), CASE WHEN chance(0.7, 'born', n) THEN draw(1958, 2006, 'year', n) END,
       draw(44, 78, 'pace', n) * 5, CASE WHEN n IN (21, 22, 23) THEN 'injured' WHEN n IN (24, 25) THEN 'archived' ELSE 'active' END
FROM numbers WHERE n <= 25 ORDER BY n;

-- Some clubs have filled every place that they pay for.
INSERT INTO clubs SELECT count(*) + CASE WHEN chance(0.25, 'full roster') THEN 0 ELSE draw(3, 9, 'room') END FROM athletes WHERE status = 'active';

-- Athletes 1 to 8 follow a published plan, 9 to 12 have a draft, 13 and 14 have run their race.
INSERT INTO plans
SELECT 'pln_' || alnum(8, 'plan', a.rowid), a.athlete_id, at(v.race, '-' || (7 * v.weeks - 1) || ' days', 'date'), v.race, v.goal,
       CASE v.goal WHEN '5k' THEN 40 WHEN '10k' THEN 50 WHEN 'half_marathon' THEN 60 ELSE 80 END,
       CASE WHEN a.rowid BETWEEN 9 AND 12 THEN at(now(), '-' || draw(1, 6, 'drafted', a.rowid) || ' days', '18:10') ELSE at(v.race, '-' || (7 * v.weeks + 4) || ' days', '18:10') END, CASE WHEN a.rowid <= 8 OR a.rowid >= 13 THEN at(v.race, '-' || (7 * v.weeks + 2) || ' days', '19:30') END
FROM athletes a JOIN (
  SELECT n, goal, weeks, at(day, CASE weekday(day) WHEN 'monday' THEN 6 WHEN 'tuesday' THEN 5 WHEN 'wednesday' THEN 4 WHEN 'thursday' THEN 3
           WHEN 'friday' THEN 2 WHEN 'saturday' THEN 1 ELSE 0 END || ' days', 'date') AS race       -- races are on Sundays
  FROM (SELECT rowid AS n, pick('goals', rowid) AS goal,
         CASE WHEN rowid <= 8 THEN draw(8, 14, 'weeks', rowid) WHEN rowid <= 12 THEN draw(9, 13, 'weeks', rowid) ELSE 10 END AS weeks,
         CASE WHEN rowid <= 8 THEN at(now(), '+' || draw(25, 40, 'race', rowid) || ' days', 'date')
              WHEN rowid <= 12 THEN at(now(), '+' || (7 * draw(9, 13, 'weeks', rowid) + 5) || ' days', 'date')
              ELSE at(now(), '-' || draw(9, 30, 'race', rowid) || ' days', 'date') END AS day
  FROM athletes)) v ON v.n = a.rowid
WHERE a.rowid <= 14 ORDER BY a.rowid;

-- Published plans hold workouts from ten days ago to a week ahead, two of the drafts some for their first week, the other two none.
INSERT INTO workouts
SELECT 'wko_' || alnum(8, 'workout', p.rowid * 12 + k.n), p.plan_id,
       CASE WHEN p.rowid <= 8 THEN at(now(), (2 * k.n - 11) || ' days', 'date') WHEN p.rowid <= 12 THEN at(p.start_date, '+' || (2 * k.n) || ' days', 'date')
            ELSE at(p.race_date, '-' || (2 * k.n + 2) || ' days', 'date') END,
       pick('types', p.rowid, k.n), v.km, '',
       CASE WHEN v.done THEN round(v.km + draw(-4, 5, 'ran', p.rowid, k.n) / 10.0, 1) END,
       CASE WHEN v.done THEN v.km * draw(300, 370, 'pace', p.rowid, k.n) END, CASE WHEN v.done THEN draw(3, 8, 'effort', p.rowid, k.n) END
FROM plans p JOIN numbers k ON k.n <= CASE WHEN p.rowid <= 8 THEN 8 WHEN p.rowid <= 10 THEN 3 WHEN p.rowid <= 12 THEN 0 ELSE 6 END
JOIN (SELECT p2.rowid AS r, k2.n AS n, (p2.rowid >= 13 OR (p2.rowid <= 8 AND k2.n <= 4)) AND chance(0.7, 'done', p2.rowid, k2.n) AS done,
             CASE pick('types', p2.rowid, k2.n) WHEN 'recovery' THEN draw(4, 6, 'km', p2.rowid, k2.n) WHEN 'hills' THEN draw(6, 9, 'km', p2.rowid, k2.n)
               WHEN 'intervals' THEN draw(7, 11, 'km', p2.rowid, k2.n) WHEN 'tempo' THEN draw(7, 12, 'km', p2.rowid, k2.n) ELSE draw(6, 13, 'km', p2.rowid, k2.n) END AS km
      FROM plans p2 JOIN numbers k2 ON k2.n <= 8) v ON v.r = p.rowid AND v.n = k.n
ORDER BY p.rowid, k.n;

--- invariant no day of a plan holds more than two workouts
SELECT plan_id FROM workouts GROUP BY plan_id, workout_date HAVING count(*) > 2;
--- invariant workouts lie within their plan
SELECT workout_id FROM workouts JOIN plans USING (plan_id) WHERE workout_date NOT BETWEEN start_date AND race_date;
--- invariant no plan was made after now
SELECT plan_id FROM plans WHERE created_at > now() OR published_at < created_at;
--- invariant only published plans have results
SELECT workout_id FROM workouts JOIN plans USING (plan_id) WHERE actual_km IS NOT NULL AND published_at IS NULL;
--- invariant plans of an athlete do not overlap
SELECT a.plan_id FROM plans a JOIN plans b ON b.athlete_id = a.athlete_id AND b.plan_id > a.plan_id WHERE a.start_date <= b.race_date AND b.start_date <= a.race_date;

--- tool register_athlete
--- error email_in_use
SELECT 1 FROM athletes WHERE fold(email) = fold(:email);
--- error roster_full
SELECT 1 FROM clubs WHERE (SELECT count(*) FROM athletes WHERE status = 'active') >= most_active;
--- let
SELECT 'ath_' || alnum(8, 'athlete', fresh(0)) AS athlete_id;
--- do
INSERT INTO athletes VALUES (:athlete_id, :full_name, :email, :birth_year, :threshold_pace_s_per_km, 'active');
--- result
SELECT athlete_id, full_name, email, birth_year, threshold_pace_s_per_km, status FROM athletes WHERE athlete_id = :athlete_id;

--- tool find_athletes
--- page athletes
SELECT athlete_id, full_name, email, threshold_pace_s_per_km, status FROM athletes
WHERE matches(full_name, :query) OR fold(email) = fold(:query) ORDER BY full_name, athlete_id;

--- tool create_training_plan
--- error athlete_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM athletes WHERE athlete_id = :athlete_id);
--- error athlete_not_active
SELECT 1 FROM athletes WHERE athlete_id = :athlete_id AND status <> 'active';
--- error plan_too_short
SELECT 1 WHERE julianday(:race_date) - julianday(:start_date) < 27;
--- error plan_too_long
SELECT 1 WHERE julianday(:race_date) - julianday(:start_date) > 210;
--- error plan_exists
SELECT 1 FROM plans WHERE athlete_id = :athlete_id AND start_date <= :race_date AND race_date >= :start_date;
--- let
SELECT 'pln_' || alnum(8, 'plan', fresh(0)) AS plan_id;
--- do
INSERT INTO plans VALUES (:plan_id, :athlete_id, :start_date, :race_date, :race_distance, :peak_weekly_km, now(), NULL);
--- result
SELECT plan_id, athlete_id, start_date, race_date, race_distance, peak_weekly_km,
       CAST((julianday(race_date) - julianday(start_date) + 1) / 7 AS INTEGER) AS week_count, 'draft' AS status
FROM plans WHERE plan_id = :plan_id;

--- tool add_workout
--- error plan_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM plans WHERE plan_id = :plan_id);
--- error plan_finished
SELECT 1 FROM plans WHERE plan_id = :plan_id AND race_date < substr(now(), 1, 10);
--- error date_outside_plan
SELECT 1 FROM plans WHERE plan_id = :plan_id AND :workout_date NOT BETWEEN start_date AND race_date;
--- error day_full
SELECT 1 WHERE (SELECT count(*) FROM workouts WHERE plan_id = :plan_id AND workout_date = :workout_date) >= 2;
--- let
SELECT 'wko_' || alnum(8, 'workout', fresh(0)) AS workout_id;
--- do
INSERT INTO workouts VALUES (:workout_id, :plan_id, :workout_date, :workout_type, :distance_km, coalesce(:coach_note, ''), NULL, NULL, NULL);
--- result
SELECT workout_id, plan_id, workout_date, workout_type, distance_km, coach_note, 'planned' AS status FROM workouts WHERE workout_id = :workout_id;

--- tool publish_training_plan
--- error plan_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM plans WHERE plan_id = :plan_id);
--- error already_published
SELECT 1 FROM plans WHERE plan_id = :plan_id AND published_at IS NOT NULL;
--- error plan_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM workouts WHERE plan_id = :plan_id);
--- do
UPDATE plans SET published_at = now() WHERE plan_id = :plan_id;
--- result
SELECT plan_id, (SELECT count(*) FROM workouts w WHERE w.plan_id = p.plan_id) AS workout_count, published_at, 'published' AS status
FROM plans p WHERE plan_id = :plan_id;

--- tool log_workout_result
--- error workout_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM workouts WHERE workout_id = :workout_id);
--- error plan_not_published
SELECT 1 FROM workouts JOIN plans USING (plan_id) WHERE workout_id = :workout_id AND published_at IS NULL;
--- error workout_ahead
SELECT 1 FROM workouts WHERE workout_id = :workout_id AND workout_date > substr(now(), 1, 10);
--- error already_logged
SELECT 1 FROM workouts WHERE workout_id = :workout_id AND actual_km IS NOT NULL;
--- do
UPDATE workouts SET actual_km = :actual_km, duration_s = :duration_s, perceived_effort = :perceived_effort WHERE workout_id = :workout_id;
--- result
SELECT workout_id, actual_km, duration_s, perceived_effort, 'done' AS status,
       max(120, min(1200, CAST(round(duration_s / actual_km) AS INTEGER))) AS average_pace_s_per_km FROM workouts WHERE workout_id = :workout_id;

--- tool get_training_plan
--- error plan_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM plans WHERE plan_id = :plan_id);
--- result
SELECT plan_id, athlete_id, start_date, race_date, race_distance, peak_weekly_km, CAST((julianday(race_date) - julianday(start_date) + 1) / 7 AS INTEGER) AS week_count,
       (SELECT CASE count(*) WHEN 0 THEN 0 ELSE round(100.0 * sum(actual_km IS NOT NULL) / count(*), 1) END FROM workouts w WHERE w.plan_id = p.plan_id) AS completion_percent,
       CASE WHEN published_at IS NULL THEN 'draft' WHEN race_date < substr(now(), 1, 10) THEN 'finished' ELSE 'published' END AS status, created_at
FROM plans p WHERE plan_id = :plan_id;
--- rows workouts
SELECT workout_id, workout_date, workout_type, distance_km,
       CASE WHEN actual_km IS NOT NULL THEN 'done' WHEN workout_date < substr(now(), 1, 10) THEN 'missed' ELSE 'planned' END AS status
FROM workouts WHERE plan_id = :plan_id ORDER BY workout_date, workout_id;

--- tool estimate_race_time
--- error athlete_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM athletes WHERE athlete_id = :athlete_id);
--- let
SELECT (SELECT count(*) FROM workouts w JOIN plans p USING (plan_id) WHERE p.athlete_id = :athlete_id AND w.actual_km IS NOT NULL
          AND w.workout_date >= at(now(), '-42 days', 'date')) AS runs,
       CASE :race_distance WHEN '5k' THEN 5.0 WHEN '10k' THEN 10.0 WHEN 'half_marathon' THEN 21.1 ELSE 42.2 END AS km,
       CASE :race_distance WHEN '5k' THEN 0.95 WHEN '10k' THEN 1.0 WHEN 'half_marathon' THEN 1.05 ELSE 1.13 END
         * (1 + max(0, :temperature_c - 15) * 0.004) * (SELECT threshold_pace_s_per_km FROM athletes WHERE athlete_id = :athlete_id) AS pace;
--- error distance_unsupported
SELECT 1 WHERE :race_distance IN ('half_marathon', 'marathon') AND :runs = 0;
--- result
SELECT :athlete_id AS athlete_id, :race_distance AS race_distance, max(700, min(36000, CAST(round(:km * :pace) AS INTEGER))) AS estimated_time_s,
       max(140, min(900, CAST(round(:pace) AS INTEGER))) AS target_pace_s_per_km, CASE WHEN :runs >= 4 THEN 'high' WHEN :runs >= 1 THEN 'medium' ELSE 'low' END AS confidence;
