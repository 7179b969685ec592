-- Sablewood Prompts: a registry of prompts with regression tests. Moments are UTC.
-- A version is judged by evaluations against suites of its prompt; it may serve a channel once a finished one passed 0.8 of all runs.

--- tables
CREATE TABLE teams (
  owner_team TEXT PRIMARY KEY
);
CREATE TABLE models (
  model_name TEXT PRIMARY KEY,
  answers INTEGER NOT NULL CHECK (answers IN (0, 1)),
  usual_ms INTEGER NOT NULL CHECK (usual_ms > 0)
);
CREATE TABLE prompts (
  prompt_id TEXT PRIMARY KEY,
  prompt_name TEXT NOT NULL UNIQUE,
  owner_team TEXT NOT NULL REFERENCES teams,
  purpose TEXT NOT NULL
);
CREATE TABLE versions (
  version_id TEXT PRIMARY KEY,
  prompt_id TEXT NOT NULL REFERENCES prompts,
  version_number INTEGER NOT NULL CHECK (version_number >= 1),
  template TEXT NOT NULL,
  variables TEXT NOT NULL,             -- a JSON list
  change_note TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (prompt_id, version_number)
);
CREATE TABLE suites (
  suite_id TEXT PRIMARY KEY,
  prompt_id TEXT NOT NULL REFERENCES prompts,
  suite_name TEXT NOT NULL,
  grader TEXT NOT NULL CHECK (grader IN ('exact_match', 'contains', 'rubric')),
  case_count INTEGER NOT NULL CHECK (case_count BETWEEN 1 AND 100),
  cases TEXT                           -- a JSON list; null for those that were imported from files
);
CREATE INDEX suites_by_prompt ON suites (prompt_id);
CREATE TABLE evaluations (
  evaluation_id TEXT PRIMARY KEY,
  version_id TEXT NOT NULL REFERENCES versions,
  suite_id TEXT NOT NULL REFERENCES suites,
  model_name TEXT NOT NULL REFERENCES models,
  repeat_count INTEGER NOT NULL CHECK (repeat_count BETWEEN 1 AND 10),
  status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'failed')),
  judged INTEGER NOT NULL,             -- runs that have a verdict so far
  passed INTEGER NOT NULL CHECK (passed BETWEEN 0 AND judged),
  median_latency_ms INTEGER NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX evaluations_by_version ON evaluations (version_id);
CREATE TABLE channels (
  prompt_id TEXT NOT NULL REFERENCES prompts,
  channel TEXT NOT NULL CHECK (channel IN ('canary', 'stable')),
  version_id TEXT NOT NULL REFERENCES versions,
  PRIMARY KEY (prompt_id, channel)
);
CREATE TABLE catalogue (               -- what there is to write: prompts that exist, and some that do not yet
  n INTEGER PRIMARY KEY,
  prompt_name TEXT NOT NULL UNIQUE,
  former_name TEXT NOT NULL,
  owner_team TEXT NOT NULL,
  purpose TEXT NOT NULL,
  topic TEXT NOT NULL,                 -- what people call what it deals with
  word TEXT NOT NULL,                  -- what finds it
  suite_name TEXT NOT NULL,
  grader TEXT NOT NULL,
  cases TEXT NOT NULL
);
CREATE TABLE wordings (                -- templates that people come with
  n INTEGER NOT NULL REFERENCES catalogue,
  k INTEGER NOT NULL,
  template TEXT NOT NULL,
  variables TEXT NOT NULL,
  change_note TEXT,
  PRIMARY KEY (n, k)
);

--- populate
INSERT INTO teams
SELECT nth('teams', n) FROM numbers WHERE n <= 6 ORDER BY n;

INSERT INTO models
SELECT nth('models', n, 'name'), n <> 5, nth('models', n, 'ms') FROM numbers WHERE n <= 5 ORDER BY n;

INSERT INTO catalogue
SELECT n, nth('prompts', n, 'name'), nth('prompts', n, 'former'), nth('prompts', n, 'team'), nth('prompts', n, 'purpose'),
       nth('prompts', n, 'topic'), nth('prompts', n, 'word'), nth('prompts', n, 'suite'), nth('prompts', n, 'grader'), nth('prompts', n, 'cases')
FROM numbers WHERE n <= 15 ORDER BY n;

INSERT INTO wordings
SELECT c.n, 1, nth('prompts', c.n, 'one'), nth('prompts', c.n, 'one_variables'), nth('prompts', c.n, 'one_note') FROM catalogue c
UNION ALL
SELECT c.n, 2, nth('prompts', c.n, 'two'), nth('prompts', c.n, 'two_variables'), NULL FROM catalogue c ORDER BY 1, 2;

INSERT INTO prompts
SELECT 'prm_' || alnum(8, 'prompt', n), prompt_name, owner_team, purpose FROM catalogue WHERE n <= 11 ORDER BY n;

INSERT INTO versions
SELECT 'pvr_' || alnum(8, 'version', p.rowid * 4 + k.n), p.prompt_id, k.n,
       p.purpose || CASE k.n WHEN 1 THEN '' WHEN 2 THEN ', and be brief' ELSE ', in plain words' END || '. ' || (
         SELECT group_concat('{{' || value || '}}', ' ') FROM json_each(w.variables)),
       w.variables, CASE k.n WHEN 1 THEN 'First version' WHEN 2 THEN 'Shorter answers' ELSE 'Plain words' END,
       at(now(), '-' || (70 - k.n * 20 + draw(0, 9, 'written', p.rowid, k.n)) || ' days', draw(8, 17, 'hour', p.rowid, k.n) || ':20')
FROM prompts p JOIN numbers k ON k.n <= 3 JOIN wordings w ON w.n = p.rowid AND w.k = 1 ORDER BY p.rowid, k.n;

-- The first prompt has all ten suites that it may have, the others one or two.
INSERT INTO suites
SELECT 'sut_' || alnum(8, 'suite', p.rowid * 11 + k.n), p.prompt_id, nth('suite_names', k.n), pick('graders', p.rowid, k.n),
       5 * draw(4, 16, 'cases', p.rowid, k.n), NULL
FROM prompts p JOIN numbers k ON k.n <= CASE WHEN p.rowid = 1 THEN 10 ELSE draw(1, 2, 'suites', p.rowid) END ORDER BY p.rowid, k.n;

-- Every version was judged by the first two suites of its prompt, on two models; a few of these never got to an end.
INSERT INTO evaluations
SELECT evaluation_id, version_id, suite_id, model_name, repeat_count, status, judged,
       CAST(judged * share / 100 AS INTEGER), CASE WHEN judged > 0 THEN usual_ms + shift ELSE 0 END, created_at
FROM (
  SELECT e.*, CASE status WHEN 'finished' THEN case_count * repeat_count ELSE 0 END AS judged,
         min(99, draw(64, 92, 'share', e.version_id, e.suite_id, e.model_name) + 4 * (version_number - 1)) AS share,
         draw(-180, 420, 'latency', e.version_id, e.model_name) AS shift
  FROM (
    SELECT 'evl_' || alnum(8, 'evaluation', v.rowid * 8 + s.k * 2 + m.rowid) AS evaluation_id, v.version_id, v.version_number, v.rowid AS place, s.suite_id,
           s.case_count, m.model_name, m.usual_ms, s.k, m.rowid AS model, CASE WHEN m.rowid = 1 THEN 1 ELSE 3 END AS repeat_count,
           CASE WHEN v.version_number = 3 AND m.rowid = 2 AND v.rowid % 2 = 1 AND s.k = 1 THEN 'running'
                WHEN chance(0.1, 'failed', v.rowid, m.rowid) THEN 'failed' ELSE 'finished' END AS status,
           CASE WHEN v.version_number = 3 AND m.rowid = 2 AND v.rowid % 2 = 1 AND s.k = 1
                THEN at(now(), '-' || draw(2, 14, 'minutes', v.rowid) || ' minutes')
                ELSE at(v.created_at, '+' || (s.k * 7 + m.rowid * 3) || ' minutes') END AS created_at
    FROM versions v JOIN (SELECT suite_id, prompt_id, case_count, row_number() OVER (PARTITION BY prompt_id ORDER BY rowid) AS k FROM suites) s
      ON s.prompt_id = v.prompt_id AND s.k <= 2 JOIN models m ON m.rowid <= 2) e)
ORDER BY place, k, model;

-- Stable serves the oldest version that passes, canary the newest other one.
INSERT INTO channels
SELECT p.prompt_id, 'stable', v.version_id FROM prompts p JOIN versions v USING (prompt_id)
WHERE v.version_number = (
  SELECT min(o.version_number) FROM versions o JOIN evaluations e USING (version_id)
  WHERE o.prompt_id = p.prompt_id AND e.status = 'finished' AND round(1.0 * e.passed / e.judged, 2) >= 0.9)
ORDER BY p.rowid;
INSERT INTO channels
SELECT p.prompt_id, 'canary', v.version_id FROM prompts p JOIN versions v USING (prompt_id)
WHERE p.rowid % 3 <> 0 AND v.version_number = (
  SELECT max(o.version_number) FROM versions o JOIN evaluations e USING (version_id)
  WHERE o.prompt_id = p.prompt_id AND e.status = 'finished' AND round(1.0 * e.passed / e.judged, 2) >= 0.8 AND o.version_number < 3)
ORDER BY p.rowid;

--- invariant what is live has passed
SELECT version_id FROM channels c WHERE NOT EXISTS (
  SELECT 1 FROM evaluations e WHERE e.version_id = c.version_id AND e.status = 'finished' AND round(1.0 * e.passed / e.judged, 2) >= 0.8);
--- invariant a prompt has at most ten suites
SELECT prompt_id FROM suites GROUP BY prompt_id HAVING count(*) > 10;
--- invariant version and suite of an evaluation belong to one prompt
SELECT evaluation_id FROM evaluations JOIN versions v USING (version_id) JOIN suites s USING (suite_id) WHERE v.prompt_id <> s.prompt_id;

--- tool search_prompts
--- error team_not_found
SELECT 1 WHERE :owner_team IS NOT NULL AND NOT EXISTS (SELECT 1 FROM teams WHERE fold(owner_team) = fold(:owner_team));
--- rows prompts
SELECT prompt_id, prompt_name, owner_team FROM prompts p
WHERE (:owner_team IS NULL OR fold(owner_team) = fold(:owner_team))
  AND (matches(prompt_name || ' ' || purpose, :query)
       OR matches((SELECT template FROM versions v WHERE v.prompt_id = p.prompt_id ORDER BY version_number DESC LIMIT 1), :query))
ORDER BY prompt_name LIMIT :limit;
--- result
SELECT NULL AS next_cursor;

--- tool create_prompt
--- error team_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM teams WHERE fold(owner_team) = fold(:owner_team));
--- error prompt_name_taken
SELECT 1 FROM prompts WHERE prompt_name = :prompt_name;
--- let
SELECT 'prm_' || alnum(8, 'prompt', fresh(0)) AS prompt_id, (SELECT owner_team FROM teams WHERE fold(owner_team) = fold(:owner_team)) AS team;
--- do
INSERT INTO prompts VALUES (:prompt_id, :prompt_name, :team, coalesce(:purpose, ''));
--- result
SELECT prompt_id, prompt_name, owner_team, purpose, 'empty' AS status FROM prompts WHERE prompt_id = :prompt_id;

--- tool add_prompt_version
--- error prompt_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM prompts WHERE prompt_id = :prompt_id);
--- error undeclared_placeholder
SELECT 1 WHERE (length(:template) - length(replace(:template, '{{', ''))) / 2 > (
  SELECT coalesce(sum((length(:template) - length(replace(:template, '{{' || value || '}}', ''))) / (length(value) + 4)), 0)
  FROM (SELECT DISTINCT value FROM json_each(:variables)));
--- let
SELECT 'pvr_' || alnum(8, 'version', fresh(0)) AS version_id,
       (SELECT 1 + coalesce(max(version_number), 0) FROM versions WHERE prompt_id = :prompt_id) AS version_number;
--- do
INSERT INTO versions VALUES (:version_id, :prompt_id, :version_number, :template, :variables, coalesce(:change_note, ''), now());
--- result
SELECT version_id, prompt_id, version_number, variables, (length(template) + 3) / 4 AS template_tokens, 'candidate' AS status
FROM versions WHERE version_id = :version_id;

--- tool create_test_suite
--- error prompt_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM prompts WHERE prompt_id = :prompt_id);
--- error suite_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM suites WHERE prompt_id = :prompt_id) >= 10;
--- let
SELECT 'sut_' || alnum(8, 'suite', fresh(0)) AS suite_id;
--- do
INSERT INTO suites VALUES (:suite_id, :prompt_id, :suite_name, :grader, json_array_length(:cases), :cases);
--- result
SELECT suite_id, prompt_id, suite_name, grader, case_count FROM suites WHERE suite_id = :suite_id;

--- tool run_evaluation
--- error version_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM versions WHERE version_id = :version_id);
--- error suite_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM suites WHERE suite_id = :suite_id);
--- error prompt_mismatch
SELECT 1 FROM versions v, suites s WHERE v.version_id = :version_id AND s.suite_id = :suite_id AND v.prompt_id <> s.prompt_id;
--- error model_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM models WHERE model_name = :model_name);
--- error model_unavailable
SELECT 1 FROM models WHERE model_name = :model_name AND NOT answers;
--- let
SELECT 'evl_' || alnum(8, 'evaluation', fresh(0)) AS evaluation_id;
--- do
INSERT INTO evaluations VALUES (:evaluation_id, :version_id, :suite_id, :model_name, :repeat_count, 'running', 0, 0, 0, now());
--- result
SELECT evaluation_id, version_id, suite_id, model_name, repeat_count, status FROM evaluations WHERE evaluation_id = :evaluation_id;

--- tool get_evaluation
--- error evaluation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM evaluations WHERE evaluation_id = :evaluation_id);
--- result
SELECT evaluation_id, version_id, suite_id, model_name, repeat_count, status,
       CASE WHEN judged = 0 THEN 0.0 ELSE round(1.0 * passed / judged, 2) END AS pass_rate, median_latency_ms, created_at
FROM evaluations WHERE evaluation_id = :evaluation_id;

--- tool promote_version
--- error version_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM versions WHERE version_id = :version_id);
--- error pass_rate_too_low
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM evaluations WHERE version_id = :version_id AND status = 'finished' AND round(1.0 * passed / judged, 2) >= 0.8);
--- error already_live
SELECT 1 FROM channels WHERE version_id = :version_id AND channel = :channel;
--- do
INSERT OR REPLACE INTO channels SELECT prompt_id, :channel, version_id FROM versions WHERE version_id = :version_id;
--- result
SELECT version_id, prompt_id, :channel AS channel, 'live' AS status FROM versions WHERE version_id = :version_id;
