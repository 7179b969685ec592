-- Sluicegate Flags: feature flags of one company. Moments are UTC. A flag is open in an environment as long as a rollout of more
-- than 0 percent stands there and it was not killed; a new rollout lifts a kill. Approvals are given in the web console.

--- tables
CREATE TABLE environments (
  environment_id TEXT PRIMARY KEY,
  environment_name TEXT NOT NULL UNIQUE,
  protected INTEGER NOT NULL CHECK (protected IN (0, 1))
);
CREATE TABLE flags (
  flag_id TEXT PRIMARY KEY,
  flag_key TEXT NOT NULL UNIQUE,
  purpose TEXT NOT NULL,
  repository TEXT,
  owner_email TEXT NOT NULL,
  remove_by TEXT,
  is_archived INTEGER NOT NULL CHECK (is_archived IN (0, 1)),
  last_evaluated_at TEXT,
  created_at TEXT NOT NULL
);
CREATE TABLE segments (
  segment_id TEXT PRIMARY KEY,
  segment_name TEXT NOT NULL UNIQUE,
  country_code TEXT,
  plan TEXT CHECK (plan IN ('free', 'plus', 'business')),
  emails TEXT,                           -- JSON
  CHECK (country_code IS NOT NULL OR plan IS NOT NULL OR emails IS NOT NULL)
);
CREATE TABLE audience (
  country_code TEXT NOT NULL,
  plan TEXT NOT NULL,
  users INTEGER NOT NULL,
  PRIMARY KEY (country_code, plan)
);
CREATE TABLE users (
  email TEXT PRIMARY KEY,
  country_code TEXT NOT NULL,
  plan TEXT NOT NULL
);
CREATE TABLE seen_users (
  email TEXT NOT NULL REFERENCES users,
  environment_id TEXT NOT NULL REFERENCES environments,
  PRIMARY KEY (email, environment_id)
);
CREATE TABLE rollouts (
  rollout_id TEXT PRIMARY KEY,
  flag_id TEXT NOT NULL REFERENCES flags,
  environment_id TEXT NOT NULL REFERENCES environments,
  segment_id TEXT NOT NULL REFERENCES segments,
  rollout_percent NUMERIC NOT NULL CHECK (rollout_percent BETWEEN 0 AND 100),
  UNIQUE (flag_id, environment_id, segment_id)
);
CREATE TABLE kills (
  flag_id TEXT NOT NULL REFERENCES flags,
  environment_id TEXT NOT NULL REFERENCES environments,
  kill_reason TEXT NOT NULL,
  killed_at TEXT NOT NULL,
  PRIMARY KEY (flag_id, environment_id)
);
CREATE TABLE approvals (
  flag_id TEXT NOT NULL REFERENCES flags,
  environment_id TEXT NOT NULL REFERENCES environments,
  PRIMARY KEY (flag_id, environment_id)
);

--- populate
INSERT INTO environments
SELECT 'envr_' || alnum(5, 'environment', e.key), e.value, e.value LIKE 'production%'
FROM json_each('["production", "staging", "preview", "beta"]') e ORDER BY e.key;

-- Flags 18 to 20 are archived, 16 and 17 so new that no code has asked for them.
INSERT INTO flags
SELECT 'flag_' || alnum(8, 'flag', n), nth('flags', n, 'key'), nth('flags', n, 'purpose'), nth('flags', n, 'repository'),
       email(person(n % 7 + 1), 'corvane.example'), at(now(), CASE WHEN n >= 18 THEN '-' ELSE '+' END || draw(8, 110, 'until', n) || ' days', 'date'), n >= 18,
       CASE WHEN n >= 18 THEN at(now(), '-' || draw(121, 140, 'asked', n) || ' days') WHEN n <= 15 THEN at(now(), '-' || draw(1, 200, 'asked', n) || ' minutes') END,
       at(now(), '-' || CASE WHEN n IN (16, 17) THEN draw(1, 3, 'made', n) ELSE draw(330, 400, 'made', n) - n * 9 END || ' days', draw(8, 17, 'hour', n) || ':' || draw(10, 59, 'minute', n))
FROM numbers WHERE n <= 20 ORDER BY n;

INSERT INTO segments
SELECT 'seg_' || alnum(8, 'segment', s.key), s.value ->> '$[0]', s.value ->> '$[1]', s.value ->> '$[2]',
       CASE WHEN s.key = 0 THEN (SELECT json_group_array(email(person(n), 'corvane.example')) FROM (SELECT n FROM numbers WHERE n <= 7 ORDER BY n)) END
FROM json_each('[["Corvane staff", null, null], ["Danish customers", "DK", null], ["Norwegian plus users", "NO", "plus"], ["Business customers", null, "business"],
  ["German free users", "DE", "free"], ["Dutch customers", "NL", null], ["Swedish business customers", "SE", "business"], ["French customers", "FR", null]]') s ORDER BY s.key;

INSERT INTO audience
SELECT c.value, p.value, CASE p.value WHEN 'free' THEN draw(9000, 90000, 'free', c.value) WHEN 'plus' THEN draw(2000, 15000, 'plus', c.value) ELSE draw(150, 1800, 'business', c.value) END
FROM json_each('["DK", "NO", "SE", "FI", "DE", "NL", "FR", "ES"]') c JOIN json_each('["free", "plus", "business"]') p ORDER BY c.key, p.key;

INSERT INTO users
SELECT email(person(n), 'corvane.example'), 'DK', 'business' FROM numbers WHERE n <= 7 ORDER BY n;
INSERT INTO users
SELECT email(person(300 + n), pick('mail', n)), nth('countries', 1 + n % 8), nth('plans', 1 + n % 3) FROM numbers WHERE n <= 36 ORDER BY n;

-- Everybody has been seen in production, colleagues and a few testers elsewhere as well.
INSERT INTO seen_users
SELECT u.email, e.environment_id FROM users u JOIN environments e
WHERE e.protected OR u.rowid <= 7 OR (e.environment_name = 'staging' AND u.rowid % 4 = 0) ORDER BY u.rowid, e.rowid;

INSERT INTO rollouts
SELECT 'rol_' || alnum(9, 'rollout', f.rowid * 40 + e.rowid * 10 + s.rowid), f.flag_id, e.environment_id, s.segment_id,
       CASE WHEN e.protected THEN nth('shares', 1 + draw(0, 5, 'share', f.rowid, s.rowid)) ELSE 100 END
FROM flags f JOIN environments e JOIN segments s
WHERE f.rowid <= 15 AND e.environment_name <> 'beta'
  AND CASE WHEN e.protected THEN f.rowid % 3 <> 0 AND s.rowid BETWEEN 2 AND 8 AND (f.rowid + s.rowid * 3) % 4 = 1 ELSE s.rowid = 1 AND (e.environment_name = 'staging' OR f.rowid % 2 = 0) END
ORDER BY f.rowid, e.rowid, s.rowid;

INSERT INTO kills
SELECT f.flag_id, e.environment_id, nth('flags', f.rowid, 'trouble'), at(now(), '-' || draw(1, 5, 'killed', f.rowid) || ' hours')
FROM flags f JOIN environments e WHERE e.protected AND f.rowid IN (4, 11) ORDER BY f.rowid;

INSERT INTO approvals
SELECT f.flag_id, e.environment_id FROM flags f JOIN environments e WHERE e.protected AND f.rowid % 2 = 0 AND f.rowid < 18 ORDER BY f.rowid;

--- invariant an archived flag has no rollout
SELECT flag_id FROM flags JOIN rollouts USING (flag_id) WHERE is_archived;
--- invariant only what was open can have been killed
SELECT flag_id FROM kills k WHERE NOT EXISTS (SELECT 1 FROM rollouts r WHERE r.flag_id = k.flag_id AND r.environment_id = k.environment_id);

--- tool list_environments
--- page environments
SELECT environment_id, environment_name, protected FROM environments WHERE NOT :protected_only OR protected ORDER BY environment_name;

--- tool create_flag
--- error key_taken
SELECT 1 FROM flags WHERE flag_key = :flag_key;
--- let
SELECT 'flag_' || alnum(8, 'flag', fresh(0)) AS flag_id;
--- do
INSERT INTO flags VALUES (:flag_id, :flag_key, :purpose, :repository, :owner_email, :remove_by, 0, NULL, now());
--- result
SELECT flag_id, flag_key, purpose, repository, owner_email, remove_by, 'off' AS status, created_at FROM flags WHERE flag_id = :flag_id;

--- tool get_flag
--- error flag_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flags WHERE flag_id = :flag_id);
--- result
SELECT flag_id, flag_key, purpose, repository, owner_email, remove_by,
       CASE WHEN is_archived THEN 'archived'
            WHEN NOT EXISTS (SELECT 1 FROM rollouts r WHERE r.flag_id = f.flag_id AND r.rollout_percent > 0
                             AND NOT EXISTS (SELECT 1 FROM kills k WHERE k.flag_id = r.flag_id AND k.environment_id = r.environment_id)) THEN 'off'
            WHEN EXISTS (SELECT 1 FROM rollouts r JOIN environments e USING (environment_id) WHERE r.flag_id = f.flag_id AND e.protected AND r.rollout_percent = 100
                         AND NOT EXISTS (SELECT 1 FROM kills k WHERE k.flag_id = r.flag_id AND k.environment_id = r.environment_id))
                 AND NOT EXISTS (SELECT 1 FROM rollouts r WHERE r.flag_id = f.flag_id AND r.rollout_percent < 100) THEN 'fully_on'
            ELSE 'rolling_out' END AS status,
       last_evaluated_at, created_at
FROM flags f WHERE flag_id = :flag_id;

--- tool create_segment
--- error segment_without_rule
SELECT 1 WHERE :country_code IS NULL AND :plan IS NULL AND :emails IS NULL;
--- error name_taken
SELECT 1 FROM segments WHERE fold(segment_name) = fold(:segment_name);
--- let
SELECT 'seg_' || alnum(8, 'segment', fresh(0)) AS segment_id;
--- do
INSERT INTO segments VALUES (:segment_id, :segment_name, :country_code, :plan, :emails);
--- result
SELECT segment_id, segment_name, country_code, plan, emails,
       CASE WHEN country_code IS NULL AND plan IS NULL THEN 0 ELSE
         coalesce((SELECT sum(a.users) FROM audience a WHERE (s.country_code IS NULL OR a.country_code = s.country_code) AND (s.plan IS NULL OR a.plan = s.plan)), 0) END
       + coalesce(json_array_length(emails), 0) AS estimated_users
FROM segments s WHERE segment_id = :segment_id;

--- tool set_rollout
--- error flag_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flags WHERE flag_id = :flag_id);
--- error environment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM environments WHERE environment_id = :environment_id);
--- error segment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM segments WHERE segment_id = :segment_id);
--- error flag_archived
SELECT 1 FROM flags WHERE flag_id = :flag_id AND is_archived;
--- error approval_required
SELECT 1 FROM environments e WHERE environment_id = :environment_id AND protected
  AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.flag_id = :flag_id AND a.environment_id = e.environment_id);
--- let
SELECT coalesce((SELECT rollout_id FROM rollouts WHERE flag_id = :flag_id AND environment_id = :environment_id AND segment_id = :segment_id),
                'rol_' || alnum(9, 'rollout', fresh(0))) AS rollout_id;
--- do
DELETE FROM kills WHERE flag_id = :flag_id AND environment_id = :environment_id;
INSERT OR REPLACE INTO rollouts VALUES (:rollout_id, :flag_id, :environment_id, :segment_id, :rollout_percent);
--- result
SELECT rollout_id, flag_id, environment_id, segment_id, rollout_percent, 'rolling_out' AS status FROM rollouts WHERE rollout_id = :rollout_id;

--- tool check_flag
--- error flag_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flags WHERE flag_id = :flag_id);
--- error environment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM environments WHERE environment_id = :environment_id);
--- error user_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM seen_users WHERE email = lower(:email) AND environment_id = :environment_id);
--- let
SELECT EXISTS (SELECT 1 FROM kills WHERE flag_id = :flag_id AND environment_id = :environment_id) AS killed,
       EXISTS (SELECT 1 FROM rollouts WHERE flag_id = :flag_id AND environment_id = :environment_id AND rollout_percent > 0) AS opened,
       (SELECT max(r.rollout_percent) FROM rollouts r JOIN segments s USING (segment_id) JOIN users u ON u.email = lower(:email)
        WHERE r.flag_id = :flag_id AND r.environment_id = :environment_id AND r.rollout_percent > 0
          AND (((s.country_code IS NOT NULL OR s.plan IS NOT NULL) AND (s.country_code IS NULL OR s.country_code = u.country_code) AND (s.plan IS NULL OR s.plan = u.plan))
               OR EXISTS (SELECT 1 FROM json_each(coalesce(s.emails, '[]')) m WHERE m.value = u.email))) AS share,
       draw(0, 9999, 'bucket', :flag_id, lower(:email)) / 100.0 AS bucket;
--- result
SELECT :flag_id AS flag_id, :environment_id AS environment_id, :email AS email,
       CASE WHEN :killed OR NOT :opened OR :share IS NULL THEN 0 ELSE :share = 100 OR :bucket < :share END AS enabled,
       CASE WHEN :killed THEN 'kill_switch' WHEN NOT :opened THEN 'off' WHEN :share IS NULL OR :share = 100 THEN 'segment' ELSE 'percentage' END AS decided_by;

--- tool kill_flag
--- error flag_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flags WHERE flag_id = :flag_id);
--- error environment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM environments WHERE environment_id = :environment_id);
--- error already_off
SELECT 1 WHERE EXISTS (SELECT 1 FROM kills WHERE flag_id = :flag_id AND environment_id = :environment_id)
  OR NOT EXISTS (SELECT 1 FROM rollouts WHERE flag_id = :flag_id AND environment_id = :environment_id AND rollout_percent > 0);
--- do
INSERT INTO kills VALUES (:flag_id, :environment_id, :kill_reason, now());
--- result
SELECT flag_id, environment_id, kill_reason, 'off' AS status, killed_at FROM kills WHERE flag_id = :flag_id AND environment_id = :environment_id;
