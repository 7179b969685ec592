-- Burdock Chores: the duties of one large shared house. Moments are UTC.
-- Turns go round in the members' order; a turn is due until it is done, and counts as missed three days after its day.

--- tables
CREATE TABLE members (
  member_id TEXT PRIMARY KEY,
  member_name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE
);
CREATE TABLE rotas (
  rota_id TEXT PRIMARY KEY,
  rota_name TEXT NOT NULL UNIQUE,
  frequency TEXT NOT NULL CHECK (frequency IN ('daily', 'weekly', 'fortnightly', 'monthly')),
  effort_points INTEGER NOT NULL CHECK (effort_points BETWEEN 1 AND 10),
  steps TEXT NOT NULL
);
CREATE TABLE turns (
  rota_id TEXT NOT NULL REFERENCES rotas,
  turn_position INTEGER NOT NULL CHECK (turn_position BETWEEN 1 AND 40),
  member_id TEXT NOT NULL REFERENCES members,
  PRIMARY KEY (rota_id, turn_position),
  UNIQUE (rota_id, member_id)
);
CREATE TABLE tasks (
  task_id TEXT PRIMARY KEY,
  rota_id TEXT NOT NULL REFERENCES rotas,
  place INTEGER NOT NULL,               -- the n-th turn of its rota
  member_id TEXT NOT NULL REFERENCES members,
  due_date TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('due', 'done', 'missed')),
  done_by TEXT REFERENCES members,
  remark TEXT NOT NULL,
  completed_at TEXT,
  UNIQUE (rota_id, due_date),
  UNIQUE (rota_id, place),
  CHECK ((status = 'done') = (done_by IS NOT NULL) AND (status = 'done') = (completed_at IS NOT NULL))
);
CREATE INDEX tasks_by_member ON tasks (member_id, due_date);
CREATE TABLE swaps (
  task_id TEXT NOT NULL REFERENCES tasks,
  other_task_id TEXT NOT NULL REFERENCES tasks,
  agreed_by_both INTEGER NOT NULL CHECK (agreed_by_both IN (0, 1)),
  asked_at TEXT NOT NULL
);

--- populate
INSERT INTO members
SELECT 'mem-' || digits(5, 'member', n), person(n), email(person(n), pick('mail', n)) FROM numbers WHERE n <= 9 ORDER BY n;

-- Three daily rotas, which is all that a house may have, and nine others; the last one is new and has nobody yet.
INSERT INTO rotas
SELECT 'rota-' || digits(5, 'rota', n), nth('daily_rotas', n, 'name'), 'daily', nth('daily_rotas', n, 'points'), nth('daily_rotas', n, 'steps')
FROM numbers WHERE n <= 3 ORDER BY n;
INSERT INTO rotas
SELECT 'rota-' || digits(5, 'rota', 3 + n), nth('rotas', n, 'name'), nth('rotas', n, 'every'), nth('rotas', n, 'points'), nth('rotas', n, 'steps')
FROM numbers WHERE n <= 9 ORDER BY n;

INSERT INTO turns
SELECT r.rota_id, p.n, m.member_id
FROM rotas r JOIN numbers p ON p.n <= draw(3, 5, 'people', r.rowid) JOIN members m ON m.rowid = 1 + (r.rowid * 2 + p.n) % 9
WHERE r.rowid < 12 ORDER BY r.rowid, p.n;

-- From some weeks ago to some weeks ahead, each rota on its own weekday.
INSERT INTO tasks
SELECT 'task-' || digits(7, 'task', rota * 60 + k), rota_id, k, member_id, due_date, status,
       CASE WHEN status = 'done' THEN CASE WHEN chance(0.88, 'own turn', rota, k) THEN member_id ELSE helper END END,
       CASE WHEN status = 'done' AND chance(0.2, 'remark', rota, k) THEN pick('remarks', rota, k) ELSE '' END,
       CASE WHEN status = 'done' THEN min(at(due_date, draw(16, 21, 'hour', rota, k) || ':' || draw(10, 55, 'minute', rota, k)), at(now(), '-40 minutes')) END
FROM (
  SELECT d.*, t.member_id,
         (SELECT o.member_id FROM turns o WHERE o.rota_id = d.rota_id AND o.turn_position = 1 + (k + draw(0, 1, 'helper', rota, k)) % people) AS helper,
         CASE WHEN due_date >= at(now(), '+1 days', 'date') THEN 'due'
              WHEN due_date >= at(now(), '-2 days', 'date') THEN CASE WHEN chance(0.35, 'early', rota, k) THEN 'done' ELSE 'due' END
              WHEN chance(0.13, 'missed', rota, k) THEN 'missed' ELSE 'done' END AS status
  FROM (
    SELECT r.rowid AS rota, r.rota_id, n AS k, (SELECT count(*) FROM turns c WHERE c.rota_id = r.rota_id) AS people,
           CASE frequency WHEN 'daily' THEN at(now(), (n - 17) || ' days', 'date')
                          WHEN 'weekly' THEN at(now(), (n * 7 - 42 - draw(0, 6, 'weekday', r.rowid)) || ' days', 'date')
                          WHEN 'fortnightly' THEN at(now(), (n * 14 - 70 - draw(0, 13, 'weekday', r.rowid)) || ' days', 'date')
                          ELSE date(at(now(), 'date'), 'start of month', (n - 5) || ' months', '+' || draw(0, 27, 'weekday', r.rowid) || ' days') END AS due_date
    FROM rotas r JOIN numbers ON n <= CASE frequency WHEN 'daily' THEN 25 WHEN 'weekly' THEN 11 WHEN 'fortnightly' THEN 9 ELSE 8 END
    WHERE r.rowid < 12
  ) d JOIN turns t ON t.rota_id = d.rota_id AND t.turn_position = 1 + (k - 1) % people
)
ORDER BY rota, k;

--- invariant nothing was done in the future
SELECT task_id FROM tasks WHERE completed_at > now();
--- invariant there are no more than three daily rotas
SELECT 1 WHERE (SELECT count(*) FROM rotas WHERE frequency = 'daily') > 3;
--- invariant members take turns one after the other
SELECT rota_id FROM turns GROUP BY rota_id HAVING max(turn_position) <> count(*);

--- tool create_rota
--- error rota_exists
SELECT 1 FROM rotas WHERE fold(rota_name) = fold(:rota_name);
--- error rota_limit_reached
SELECT 1 WHERE :frequency = 'daily' AND (SELECT count(*) FROM rotas WHERE frequency = 'daily') >= 3;
--- let
SELECT 'rota-' || digits(5, 'rota', fresh(0)) AS rota_id;
--- do
INSERT INTO rotas VALUES (:rota_id, :rota_name, :frequency, :effort_points, coalesce(:steps, '[]'));
--- result
SELECT rota_id, rota_name, frequency, effort_points, steps, 0 AS member_count FROM rotas WHERE rota_id = :rota_id;

--- tool add_member
--- error rota_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rotas WHERE rota_id = :rota_id);
--- error already_member
SELECT 1 FROM turns JOIN members USING (member_id) WHERE rota_id = :rota_id AND fold(email) = fold(:email);
--- let
SELECT coalesce((SELECT member_id FROM members WHERE fold(email) = fold(:email)), 'mem-' || digits(5, 'member', fresh(0))) AS member_id;
--- do
INSERT OR IGNORE INTO members VALUES (:member_id, :member_name, :email);
INSERT INTO turns SELECT :rota_id, count(*) + 1, :member_id FROM turns WHERE rota_id = :rota_id;
--- result
SELECT m.member_id, t.rota_id, m.member_name, m.email, t.turn_position
FROM turns t JOIN members m USING (member_id) WHERE t.rota_id = :rota_id AND t.member_id = :member_id;

--- tool schedule_tasks
--- error rota_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rotas WHERE rota_id = :rota_id);
--- error no_members
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM turns WHERE rota_id = :rota_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error span_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) > 365;
--- let
SELECT (SELECT count(*) FROM tasks WHERE rota_id = :rota_id) AS before,
       (SELECT count(*) FROM turns WHERE rota_id = :rota_id) AS people,
       (SELECT CASE frequency WHEN 'daily' THEN 1 WHEN 'weekly' THEN 7 WHEN 'fortnightly' THEN 14 END FROM rotas WHERE rota_id = :rota_id) AS step;
--- error already_scheduled
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM numbers
  WHERE CASE WHEN :step IS NULL THEN date(:start_date, '+' || (n - 1) || ' months') ELSE date(:start_date, '+' || ((n - 1) * :step) || ' days') END
        BETWEEN :start_date AND :end_date
    AND CASE WHEN :step IS NULL THEN date(:start_date, '+' || (n - 1) || ' months') ELSE date(:start_date, '+' || ((n - 1) * :step) || ' days') END
        NOT IN (SELECT due_date FROM tasks WHERE rota_id = :rota_id));
--- do
INSERT INTO tasks
SELECT 'task-' || digits(7, 'task', fresh(0) * 400 + place), :rota_id, :before + place,
       (SELECT member_id FROM turns WHERE rota_id = :rota_id AND turn_position = 1 + (:before + place - 1) % :people), due_date,
       CASE WHEN due_date < at(now(), '-2 days', 'date') THEN 'missed' ELSE 'due' END, NULL, '', NULL
FROM (
  SELECT due_date, row_number() OVER (ORDER BY due_date) AS place
  FROM (
    SELECT CASE WHEN :step IS NULL THEN date(:start_date, '+' || (n - 1) || ' months')
                ELSE date(:start_date, '+' || ((n - 1) * :step) || ' days') END AS due_date
    FROM numbers WHERE n <= 367)
  WHERE due_date <= :end_date AND due_date NOT IN (SELECT due_date FROM tasks WHERE rota_id = :rota_id)
)
ORDER BY place;
--- result
SELECT :rota_id AS rota_id, :start_date AS start_date, :end_date AS end_date, count(*) AS task_count,
       (SELECT task_id FROM tasks WHERE rota_id = :rota_id AND place > :before ORDER BY place LIMIT 1) AS first_task_id
FROM tasks WHERE rota_id = :rota_id AND place > :before;

--- tool list_tasks
--- error rota_not_found
SELECT 1 WHERE :rota_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rotas WHERE rota_id = :rota_id);
--- error member_not_found
SELECT 1 WHERE :member_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM members WHERE member_id = :member_id);
--- page tasks
SELECT task_id, rota_id, (SELECT rota_name FROM rotas r WHERE r.rota_id = t.rota_id) AS rota_name,
       member_id, (SELECT member_name FROM members m WHERE m.member_id = t.member_id) AS member_name, due_date, status FROM tasks t
WHERE (:rota_id IS NULL OR rota_id = :rota_id) AND (:member_id IS NULL OR member_id = :member_id) AND (:status IS NULL OR status = :status)
ORDER BY due_date, task_id;

--- tool complete_task
--- error task_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE task_id = :task_id);
--- error member_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM members WHERE member_id = :member_id);
--- error task_missed
SELECT 1 FROM tasks WHERE task_id = :task_id AND status = 'missed';
--- error task_done
SELECT 1 FROM tasks WHERE task_id = :task_id AND status = 'done';
--- do
UPDATE tasks SET status = 'done', done_by = :member_id, remark = coalesce(:remark, ''), completed_at = now() WHERE task_id = :task_id;
--- result
SELECT task_id, done_by AS member_id, remark, effort_points AS points_earned, status, completed_at
FROM tasks JOIN rotas USING (rota_id) WHERE task_id = :task_id;

--- tool swap_turns
--- error task_not_found
SELECT 1 WHERE (SELECT count(*) FROM tasks WHERE task_id IN (:task_id, :other_task_id)) < CASE WHEN :task_id = :other_task_id THEN 1 ELSE 2 END;
--- error same_person
SELECT 1 FROM tasks a, tasks b WHERE a.task_id = :task_id AND b.task_id = :other_task_id AND a.member_id = b.member_id;
--- error task_not_due
SELECT 1 FROM tasks WHERE task_id IN (:task_id, :other_task_id) AND status <> 'due';
--- let
SELECT (SELECT member_id FROM tasks WHERE task_id = :task_id) AS mine, (SELECT member_id FROM tasks WHERE task_id = :other_task_id) AS theirs;
--- do
INSERT INTO swaps VALUES (:task_id, :other_task_id, :agreed_by_both, now());
UPDATE tasks SET member_id = CASE task_id WHEN :task_id THEN :theirs ELSE :mine END
WHERE :agreed_by_both AND task_id IN (:task_id, :other_task_id);
--- result
SELECT :task_id AS task_id, :other_task_id AS other_task_id, :agreed_by_both AS agreed_by_both,
       CASE WHEN :agreed_by_both THEN 'swapped' ELSE 'awaiting_consent' END AS swap_status;

--- tool check_fairness
--- error rota_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rotas WHERE rota_id = :rota_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error no_history
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM tasks WHERE rota_id = :rota_id AND status = 'done' AND substr(completed_at, 1, 10) BETWEEN :start_date AND :end_date);
--- result
SELECT :rota_id AS rota_id, (SELECT rota_name FROM rotas WHERE rota_id = :rota_id) AS rota_name, round(100.0 * (max(points) - min(points)) / sum(points), 1) AS spread_percent
FROM (
  SELECT (SELECT count(*) FROM tasks d WHERE d.rota_id = :rota_id AND d.done_by = m.member_id
          AND substr(d.completed_at, 1, 10) BETWEEN :start_date AND :end_date) AS points
  FROM members m
  WHERE m.member_id IN (SELECT member_id FROM turns WHERE rota_id = :rota_id UNION SELECT done_by FROM tasks WHERE rota_id = :rota_id));
--- rows shares
SELECT m.member_id, m.member_name,
       (SELECT count(*) FROM tasks d WHERE d.rota_id = :rota_id AND d.done_by = m.member_id
        AND substr(d.completed_at, 1, 10) BETWEEN :start_date AND :end_date)
       * (SELECT effort_points FROM rotas WHERE rota_id = :rota_id) AS points_earned,
       (SELECT count(*) FROM tasks d WHERE d.rota_id = :rota_id AND d.member_id = m.member_id AND d.status = 'missed'
        AND d.due_date BETWEEN :start_date AND :end_date) AS missed_count
FROM members m
WHERE m.member_id IN (SELECT member_id FROM turns WHERE rota_id = :rota_id UNION SELECT done_by FROM tasks WHERE rota_id = :rota_id)
ORDER BY points_earned DESC, m.member_id;
