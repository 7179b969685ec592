-- Wickerwork Sprints: backlogs and sprints of product teams at one company.
-- A story is in the backlog, or in a sprint and in one of its columns. A board runs one sprint at a time; what a sprint has
-- committed to is the sum of its points when it starts.

--- tables
CREATE TABLE boards (
  board_id TEXT PRIMARY KEY,
  board_name TEXT NOT NULL UNIQUE,
  story_prefix TEXT NOT NULL UNIQUE,
  parts TEXT NOT NULL,                  -- a JSON list of what the team builds
  is_archived INTEGER NOT NULL CHECK (is_archived IN (0, 1)),
  is_member INTEGER NOT NULL CHECK (is_member IN (0, 1)),
  doing_limit INTEGER NOT NULL,
  review_limit INTEGER NOT NULL
);
CREATE TABLE sprints (
  sprint_id TEXT PRIMARY KEY,
  board_id TEXT NOT NULL REFERENCES boards,
  sprint_goal TEXT NOT NULL,
  start_date TEXT NOT NULL,
  end_date TEXT NOT NULL,
  sprint_status TEXT NOT NULL CHECK (sprint_status IN ('planned', 'running', 'closed')),
  committed_points INTEGER,
  started_at TEXT,
  goal_reached INTEGER,
  retro_notes TEXT,
  CHECK (end_date > start_date),
  CHECK ((sprint_status = 'planned') = (committed_points IS NULL AND started_at IS NULL)),
  CHECK ((sprint_status = 'closed') = (goal_reached IS NOT NULL))
);
CREATE INDEX sprints_by_board ON sprints (board_id);
CREATE TABLE stories (
  story_id TEXT PRIMARY KEY,
  board_id TEXT NOT NULL REFERENCES boards,
  summary TEXT NOT NULL,
  story_kind TEXT NOT NULL CHECK (story_kind IN ('feature', 'bug', 'chore', 'spike')),
  points INTEGER CHECK (points IN (1, 2, 3, 5, 8, 13)),
  acceptance_criteria TEXT NOT NULL,
  "column" TEXT NOT NULL CHECK ("column" IN ('backlog', 'to_do', 'doing', 'review', 'done')),
  sprint_id TEXT REFERENCES sprints,
  owner_email TEXT,
  created_at TEXT NOT NULL,
  CHECK (("column" = 'backlog') = (sprint_id IS NULL)),
  CHECK (sprint_id IS NULL OR points IS NOT NULL)
);
CREATE INDEX stories_by_sprint ON stories (sprint_id);

--- populate
-- Nine boards; two have like names, the eighth is archived and the ninth belongs to others.
INSERT INTO boards
SELECT 'brd_' || alnum(6, 'board', n),
       CASE n WHEN 1 THEN 'Checkout Web' WHEN 2 THEN 'Checkout App' ELSE nth('boards', n - 2, 'name') END,
       CASE n WHEN 1 THEN 'CKW' WHEN 2 THEN 'CKA' ELSE nth('boards', n - 2, 'prefix') END,
       CASE n WHEN 1 THEN '["delivery address form","voucher field","order summary","payment page","receipt mail","basket"]'
              WHEN 2 THEN '["wallet button","address picker","order review","voucher scanner","payment sheet","basket badge"]'
              ELSE nth('boards', n - 2, 'parts') END,
       n = 8, n <> 9, 2 + n % 2, 3 - n % 2
FROM numbers WHERE n <= 9 ORDER BY n;

-- Two sprints of each board are closed. Four boards run their third; the others have it planned, and one more.
INSERT INTO sprints
SELECT 'spr_' || alnum(8, 'sprint', b * 5 + k), board_id,
       replace(pick('goals', b, k), '*', json_extract(parts, '$[' || ((b + k) % 6) || ']')),
       at(first, ((k - 3) * 14) || ' days', 'date'), at(first, ((k - 3) * 14 + 11) || ' days', 'date'),
       CASE WHEN k <= 2 THEN 'closed' WHEN k = 3 AND b <= 4 THEN 'running' ELSE 'planned' END,
       CASE WHEN k <= 2 OR (k = 3 AND b <= 4) THEN 1 END,
       CASE WHEN k <= 2 OR (k = 3 AND b <= 4) THEN at(first, ((k - 3) * 14) || ' days', '09:' || draw(10, 50, 'minute', b, k)) END,
       CASE WHEN k <= 2 THEN chance(0.7, 'reached', b, k) END,
       CASE WHEN k <= 2 THEN pick('retro', b, k) END
FROM (
  SELECT b.*, b.rowid AS b, k.n AS k,
         date(at(now(), 'date'), '-6 days', 'weekday 1', CASE WHEN b.rowid <= 4 AND chance(0.5, 'second week', b.rowid) THEN '-7 days' ELSE '+0 days' END) AS first
  FROM boards b JOIN numbers k ON k.n <= CASE WHEN b.rowid <= 7 THEN 4 ELSE 2 END
)
ORDER BY b, k;

-- Stories 1 to 12 were finished in closed sprints; eight are in a running sprint (six in one that is only planned), three in the
-- next one, the others in the backlog, where two of five have no points yet.
INSERT INTO stories
WITH c AS MATERIALIZED (SELECT n, nth('actions', n, 'text') AS text, nth('actions', n, 'kind') AS kind FROM numbers WHERE n <= 14),
f AS MATERIALIZED (SELECT rowid AS b, board_id, story_prefix, parts, draw(90, 600, 'first', rowid) AS first FROM boards),
v AS MATERIALIZED (
  SELECT f.*, i.n AS i, 1 + ((i.n / 6) * 3 + (i.n % 6) * 2 + b) % 14 AS action,
         CASE WHEN i.n <= 6 THEN 1 WHEN i.n <= 12 THEN 2 WHEN b <= 7 AND i.n <= CASE WHEN b <= 4 THEN 20 ELSE 18 END THEN 3
              WHEN b <= 4 AND i.n <= 23 THEN 4 ELSE 0 END AS place
  FROM f JOIN numbers i ON i.n <= CASE WHEN b <= 7 THEN 32 ELSE 12 END)
SELECT story_prefix || '-' || (first + 2 * i + draw(0, 1, 'gap', b, i)), board_id,
       replace(c.text, '*', json_extract(parts, '$[' || (i % 6) || ']')),
       c.kind, CASE WHEN place > 0 OR chance(0.6, 'estimated', b, i) THEN pick('sizes', b, i) END, pick('criteria', b, i),
       CASE WHEN place = 0 THEN 'backlog' WHEN place <= 2 THEN 'done' WHEN place = 4 OR b > 4 THEN 'to_do'
            WHEN i <= 15 THEN 'done' WHEN i <= 17 THEN 'review' WHEN i <= 19 THEN 'doing' ELSE 'to_do' END,
       CASE WHEN place > 0 THEN 'spr_' || alnum(8, 'sprint', b * 5 + place) END,
       CASE WHEN place BETWEEN 1 AND 3 THEN email(person(b * 4 + i % 4), 'loomworks.example') END,
       at(now(), '-' || (90 - 2 * i) || ' days', draw(9, 16, 'hour', b, i) || ':40')
FROM v JOIN c ON c.n = v.action
ORDER BY b, i;

UPDATE sprints SET committed_points = (SELECT sum(points) FROM stories s WHERE s.sprint_id = sprints.sprint_id) + CASE sprint_status WHEN 'closed' THEN 3 ELSE 0 END
WHERE sprint_status <> 'planned';

--- invariant a board runs one sprint at a time
SELECT board_id FROM sprints WHERE sprint_status = 'running' GROUP BY board_id HAVING count(*) > 1;
--- invariant the sprints of a board do not overlap
SELECT a.sprint_id FROM sprints a JOIN sprints b ON a.board_id = b.board_id AND a.sprint_id < b.sprint_id
WHERE a.start_date <= b.end_date AND b.start_date <= a.end_date;
--- invariant a sprint holds stories of its own board
SELECT story_id FROM stories s JOIN sprints p USING (sprint_id) WHERE s.board_id <> p.board_id;

--- tool list_boards
--- error no_access
SELECT 1 WHERE EXISTS (SELECT 1 FROM boards WHERE matches(board_name, :query) AND NOT is_member)
  AND NOT EXISTS (SELECT 1 FROM boards WHERE matches(board_name, :query) AND is_member);
--- rows boards
SELECT board_id, board_name, story_prefix,
       coalesce((SELECT round(avg(finished), 1) FROM (
         SELECT (SELECT coalesce(sum(points), 0) FROM stories t WHERE t.sprint_id = s.sprint_id AND t."column" = 'done') AS finished
         FROM sprints s WHERE s.board_id = b.board_id AND s.sprint_status = 'closed')), 0) AS average_velocity
FROM boards b WHERE is_member AND (:include_archived OR NOT is_archived) AND matches(board_name, :query)
ORDER BY board_name LIMIT :limit;

--- tool create_story
--- error board_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM boards WHERE board_id = :board_id);
--- error board_archived
SELECT 1 FROM boards WHERE board_id = :board_id AND is_archived;
--- let
SELECT story_prefix || '-' || (1 + coalesce((SELECT max(CAST(substr(story_id, length(story_prefix) + 2) AS INTEGER)) FROM stories s
       WHERE s.board_id = b.board_id), 0)) AS story_id
FROM boards b WHERE board_id = :board_id;
--- do
INSERT INTO stories VALUES
  (:story_id, :board_id, :summary, :story_kind, :points, coalesce(:acceptance_criteria, '[]'), 'backlog', NULL, NULL, now());
--- result
SELECT story_id, board_id, summary, story_kind, points, acceptance_criteria, "column", created_at FROM stories WHERE story_id = :story_id;

--- tool get_story
--- error story_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stories WHERE story_id = :story_id);
--- result
SELECT story_id, board_id, sprint_id, summary, story_kind, points, acceptance_criteria, "column", owner_email, created_at
FROM stories WHERE story_id = :story_id;

--- tool create_sprint
--- error board_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM boards WHERE board_id = :board_id);
--- error board_archived
SELECT 1 FROM boards WHERE board_id = :board_id AND is_archived;
--- error dates_reversed
SELECT 1 WHERE :end_date <= :start_date;
--- error sprint_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) >= 28;
--- error sprint_overlap
SELECT 1 FROM sprints WHERE board_id = :board_id AND start_date <= :end_date AND end_date >= :start_date;
--- let
SELECT 'spr_' || alnum(8, 'sprint', fresh(0)) AS sprint_id;
--- do
INSERT INTO sprints VALUES (:sprint_id, :board_id, :sprint_goal, :start_date, :end_date, 'planned', NULL, NULL, NULL, NULL);
--- result
SELECT sprint_id, board_id, sprint_goal, start_date, end_date, sprint_status FROM sprints WHERE sprint_id = :sprint_id;

--- tool plan_story
--- error sprint_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sprints WHERE sprint_id = :sprint_id);
--- error story_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stories WHERE story_id = :story_id);
--- error sprint_closed
SELECT 1 FROM sprints WHERE sprint_id = :sprint_id AND sprint_status = 'closed';
--- error other_board
SELECT 1 FROM stories t, sprints s WHERE t.story_id = :story_id AND s.sprint_id = :sprint_id AND t.board_id <> s.board_id;
--- error already_planned
SELECT 1 FROM stories WHERE story_id = :story_id AND sprint_id IS NOT NULL;
--- error story_unestimated
SELECT 1 FROM stories WHERE story_id = :story_id AND points IS NULL;
--- do
UPDATE stories SET sprint_id = :sprint_id, "column" = 'to_do', owner_email = coalesce(:owner_email, owner_email) WHERE story_id = :story_id;
--- result
SELECT sprint_id, story_id, t.owner_email, t."column",
       (SELECT sum(points) FROM stories o WHERE o.sprint_id = s.sprint_id) AS committed_points
FROM stories t JOIN sprints s USING (sprint_id) WHERE story_id = :story_id;

--- tool start_sprint
--- error sprint_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sprints WHERE sprint_id = :sprint_id);
--- error sprint_not_planned
SELECT 1 FROM sprints WHERE sprint_id = :sprint_id AND sprint_status <> 'planned';
--- error sprint_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stories WHERE sprint_id = :sprint_id);
--- error another_sprint_running
SELECT 1 FROM sprints s JOIN sprints o USING (board_id) WHERE s.sprint_id = :sprint_id AND o.sprint_status = 'running';
--- do
UPDATE sprints SET sprint_status = 'running', started_at = now(),
  committed_points = (SELECT sum(points) FROM stories t WHERE t.sprint_id = :sprint_id)
WHERE sprint_id = :sprint_id;
--- result
SELECT sprint_id, sprint_status, committed_points, started_at FROM sprints WHERE sprint_id = :sprint_id;

--- tool move_story
--- error story_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stories WHERE story_id = :story_id);
--- error story_not_in_sprint
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stories JOIN sprints USING (sprint_id) WHERE story_id = :story_id AND sprint_status = 'running');
--- error wip_limit_reached
SELECT 1 FROM stories t JOIN boards b USING (board_id)
WHERE t.story_id = :story_id AND t."column" <> :column
  AND (SELECT count(*) FROM stories o WHERE o.sprint_id = t.sprint_id AND o."column" = :column)
      >= CASE :column WHEN 'doing' THEN b.doing_limit WHEN 'review' THEN b.review_limit ELSE 1000 END;
--- do
UPDATE stories SET "column" = :column WHERE story_id = :story_id;
--- result
SELECT story_id, sprint_id, "column", now() AS moved_at FROM stories WHERE story_id = :story_id;

--- tool close_sprint
--- error sprint_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sprints WHERE sprint_id = :sprint_id);
--- let
SELECT (SELECT sprint_status FROM sprints WHERE sprint_id = :sprint_id) AS state,
       (SELECT count(*) FROM stories WHERE sprint_id = :sprint_id AND "column" <> 'done') AS returned;
--- error sprint_not_running
SELECT 1 WHERE :state <> 'running';
--- do
UPDATE stories SET "column" = 'backlog', sprint_id = NULL WHERE sprint_id = :sprint_id AND "column" <> 'done';
UPDATE sprints SET sprint_status = 'closed', goal_reached = :goal_reached, retro_notes = :retro_notes WHERE sprint_id = :sprint_id;
--- result
SELECT sprint_id, sprint_status, goal_reached, retro_notes, committed_points,
       (SELECT coalesce(sum(points), 0) FROM stories t WHERE t.sprint_id = s.sprint_id) AS finished_points,
       :returned AS returned_story_count
FROM sprints s WHERE sprint_id = :sprint_id;
