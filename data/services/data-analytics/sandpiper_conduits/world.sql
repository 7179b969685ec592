-- Sandpiper Conduits: the data pipelines of a logistics firm. Moments are UTC.
-- A connection holds objects, an object has fields; a pipeline copies one object into one table of the warehouse.

--- tables
CREATE TABLE credentials (
  credential_alias TEXT PRIMARY KEY,
  works INTEGER NOT NULL CHECK (works IN (0, 1))      -- whether sources still accept it
);
CREATE TABLE connections (
  connection_id TEXT PRIMARY KEY,
  connection_name TEXT NOT NULL,
  source_kind TEXT NOT NULL CHECK (source_kind IN ('sftp_csv', 'rest_json', 'sql_table', 'spreadsheet')),
  url TEXT NOT NULL,
  credential_alias TEXT NOT NULL REFERENCES credentials
);
CREATE TABLE objects (
  object_id INTEGER PRIMARY KEY,
  connection_id TEXT NOT NULL REFERENCES connections,
  object_name TEXT NOT NULL,
  target_table TEXT NOT NULL,           -- where such data belongs
  key_field TEXT NOT NULL,
  readable INTEGER NOT NULL CHECK (readable IN (0, 1)),
  UNIQUE (connection_id, object_name)
);
CREATE TABLE fields (
  object_id INTEGER NOT NULL REFERENCES objects,
  place INTEGER NOT NULL,
  field_name TEXT NOT NULL,
  field_type TEXT NOT NULL,
  null_percent REAL NOT NULL CHECK (null_percent BETWEEN 0 AND 100),
  PRIMARY KEY (object_id, place)
);
CREATE TABLE pipelines (
  pipeline_id TEXT PRIMARY KEY,
  object_id INTEGER NOT NULL REFERENCES objects,
  target_table TEXT NOT NULL UNIQUE,
  load_mode TEXT NOT NULL CHECK (load_mode IN ('append', 'replace', 'upsert')),
  key_fields TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('idle', 'scheduled', 'paused')),
  every TEXT,
  alert_email TEXT,
  created_at TEXT NOT NULL,
  CHECK (status <> 'scheduled' OR every IS NOT NULL)
);
CREATE TABLE rules (
  quality_rule_id TEXT PRIMARY KEY,
  pipeline_id TEXT NOT NULL REFERENCES pipelines,
  field_name TEXT NOT NULL,
  rule_kind TEXT NOT NULL CHECK (rule_kind IN ('not_null', 'unique', 'in_range', 'fresh')),
  tolerance_percent REAL NOT NULL,
  on_breach TEXT NOT NULL CHECK (on_breach IN ('warn', 'quarantine', 'abort')),
  UNIQUE (pipeline_id, field_name, rule_kind)
);
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  pipeline_id TEXT NOT NULL REFERENCES pipelines,
  start_date TEXT NOT NULL,
  dry_run INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
  run_status TEXT NOT NULL CHECK (run_status IN ('running', 'succeeded', 'aborted', 'failed')),
  rows_read INTEGER NOT NULL,
  rows_quarantined INTEGER NOT NULL CHECK (rows_quarantined <= rows_read),
  started_at TEXT NOT NULL
);
CREATE INDEX runs_by_pipeline ON runs (pipeline_id);
CREATE TABLE breaches (
  run_id TEXT NOT NULL REFERENCES runs,
  quality_rule_id TEXT NOT NULL REFERENCES rules,
  breach_percent REAL NOT NULL CHECK (breach_percent > 0),
  PRIMARY KEY (run_id, quality_rule_id)
);

--- populate
INSERT INTO credentials SELECT nth('sources', n, 'alias'), 1 FROM numbers WHERE n <= 8 ORDER BY n;
INSERT INTO credentials SELECT nth('new_sources', n, 'alias'), n <= 4 FROM numbers WHERE n <= 6 ORDER BY n;
INSERT INTO credentials SELECT nth('new_sources', n, 'alias') || '-new', 1 FROM numbers WHERE n IN (5, 6) ORDER BY n;

INSERT INTO connections
SELECT 'con_' || alnum(6, 'connection', n), nth('sources', n, 'name'), nth('sources', n, 'kind'), nth('sources', n, 'url'), nth('sources', n, 'alias') FROM numbers WHERE n <= 8 ORDER BY n;

INSERT INTO objects
SELECT 2 * c.rowid + k.n - 2, connection_id, nth('sources', c.rowid, CASE k.n WHEN 1 THEN 'first' ELSE 'second' END),
       nth('sources', c.rowid, CASE k.n WHEN 1 THEN 'first_table' ELSE 'second_table' END), nth('sources', c.rowid, CASE k.n WHEN 1 THEN 'first_key' ELSE 'second_key' END), k.n = 1 OR c.rowid <> coalesce((SELECT min(o.rowid) FROM connections o WHERE o.rowid > 4 AND o.source_kind IN ('sftp_csv', 'spreadsheet')), 0)
FROM connections c JOIN numbers k ON k.n <= 2 ORDER BY c.rowid, k.n;

-- The key is always there, the time nearly always, the rest not always.
INSERT INTO fields
SELECT object_id, 1, key_field, 'text', 0 FROM objects
UNION ALL SELECT object_id, 2, 'updated_at', 'timestamp', 0 FROM objects
UNION ALL SELECT o.object_id, 2 + j.key + 1, j.value ->> '$[0]', j.value ->> '$[1]', draw(0, 140, 'nulls', o.object_id, j.key) / 10.0
FROM objects o JOIN json_each(nth('sources', (o.object_id + 1) / 2, CASE o.object_id % 2 WHEN 1 THEN 'first_fields' ELSE 'second_fields' END)) j
ORDER BY 1, 2;

-- What can't be read lies there as a plain export too.
INSERT INTO objects
SELECT 17, connection_id, CASE WHEN object_name LIKE '%.csv' THEN replace(object_name, '.csv', '_plain.csv') ELSE object_name || ' (plain)' END, target_table, key_field, 1
FROM objects WHERE NOT readable;
INSERT INTO fields SELECT 17, place, field_name, field_type, null_percent FROM fields JOIN objects USING (object_id) WHERE NOT readable ORDER BY place;

-- The first object of every connection is copied, and the second one of four.
INSERT INTO pipelines
SELECT 'ppl_' || alnum(8, 'pipeline', object_id), object_id, target_table, CASE object_id % 3 WHEN 0 THEN 'replace' WHEN 1 THEN 'upsert' ELSE 'append' END,
       CASE object_id % 3 WHEN 1 THEN json_array(key_field) ELSE '[]' END,
       status, CASE status WHEN 'scheduled' THEN pick('periods', object_id) END, CASE WHEN status = 'scheduled' THEN email(person(object_id), 'keelhaven.example') END,
       at(now(), '-' || draw(40, 400, 'age', object_id) || ' days', '10:30')
FROM (SELECT o.*, CASE object_id % 6 WHEN 5 THEN 'paused' WHEN 3 THEN 'idle' WHEN 2 THEN 'idle' ELSE 'scheduled' END AS status FROM objects o WHERE object_id < 17 AND (object_id % 2 = 1 OR object_id <= 8))
ORDER BY object_id;

INSERT INTO rules
SELECT 'qrl_' || alnum(6, 'rule', p.rowid * 3 + 1), pipeline_id, key_field, CASE load_mode WHEN 'upsert' THEN 'unique' ELSE 'not_null' END, 0, 'abort' FROM pipelines p JOIN objects USING (object_id) ORDER BY p.rowid;
INSERT INTO rules
SELECT 'qrl_' || alnum(6, 'rule', p.rowid * 3 + 2), pipeline_id, field_name, 'not_null', draw(1, 10, 'tolerance', p.rowid) / 2.0, pick('breach_acts', p.rowid)
FROM pipelines p JOIN fields f ON f.object_id = p.object_id AND f.place = 3 ORDER BY p.rowid;

-- Four runs of each pipeline so far; some put rows aside, a few were aborted or failed, and two are going on.
INSERT INTO runs
SELECT 'run_' || alnum(10, 'run', pipeline * 5 + k), pipeline_id, at(began, '-1 days', 'date'), 0, run_status,
       CASE run_status WHEN 'failed' THEN 0 WHEN 'running' THEN 0 ELSE size + draw(0, size / 5, 'rows', pipeline, k) END,
       CASE WHEN run_status = 'succeeded' AND chance(0.4, 'aside', pipeline, k) THEN draw(3, max(4, size / 60), 'how many', pipeline, k) ELSE 0 END, began
FROM (
  SELECT p.rowid AS pipeline, k.n AS k, pipeline_id, draw(400, 90000, 'size', p.rowid) AS size,
         CASE WHEN k.n = 1 AND p.rowid % 6 = 1 THEN 'running' WHEN chance(0.12, 'aborted', p.rowid, k.n) THEN 'aborted' WHEN chance(0.1, 'failed', p.rowid, k.n) THEN 'failed' ELSE 'succeeded' END AS run_status,
         CASE WHEN k.n = 1 AND p.rowid % 6 = 1 THEN at(now(), '-7 minutes') ELSE at(now(), '-' || (k.n * 2 - 1) || ' days', draw(1, 5, 'hour', p.rowid) || ':00') END AS began
  FROM pipelines p JOIN numbers k ON k.n <= 4)
ORDER BY pipeline, k;

INSERT INTO breaches
SELECT run_id, quality_rule_id, CASE run_status WHEN 'aborted' THEN draw(2, 90, 'breach', r.rowid) / 10.0 ELSE round(100.0 * rows_quarantined / rows_read, 2) END
FROM runs r JOIN rules q USING (pipeline_id)
WHERE run_status = 'aborted' AND on_breach = 'abort' AND tolerance_percent = 0 OR rows_quarantined > 0 AND tolerance_percent > 0 AND round(100.0 * rows_quarantined / rows_read, 2) > 0
ORDER BY r.rowid, q.rowid;

--- invariant one run of a pipeline at most goes on at a time
SELECT pipeline_id FROM runs WHERE run_status = 'running' GROUP BY pipeline_id HAVING count(*) > 1;
--- invariant an upsert has keys
SELECT pipeline_id FROM pipelines WHERE load_mode = 'upsert' AND key_fields = '[]';
--- invariant rules look at fields that there are
SELECT quality_rule_id FROM rules JOIN pipelines p USING (pipeline_id) WHERE field_name NOT IN (SELECT field_name FROM fields f WHERE f.object_id = p.object_id);
--- invariant no run begins in the future
SELECT run_id FROM runs WHERE started_at > now();

--- tool register_connection
--- error credential_missing
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM credentials WHERE credential_alias = :credential_alias);
--- error login_refused
SELECT 1 FROM credentials WHERE credential_alias = :credential_alias AND NOT works;
--- let
SELECT 'con_' || alnum(6, 'connection', fresh(0)) AS connection_id;
--- do
INSERT INTO connections VALUES (:connection_id, :connection_name, :source_kind, :url, :credential_alias);
--- result
SELECT connection_id, connection_name, source_kind, url, credential_alias, 'verified' AS connection_status FROM connections WHERE connection_id = :connection_id;

--- tool preview_source
--- error connection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM connections WHERE connection_id = :connection_id);
--- error object_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM objects WHERE connection_id = :connection_id AND object_name = :object_name);
--- error unreadable_format
SELECT 1 FROM objects WHERE connection_id = :connection_id AND object_name = :object_name AND NOT readable;
--- result
SELECT connection_id, object_name FROM objects WHERE connection_id = :connection_id AND object_name = :object_name;
--- rows fields
SELECT field_name, field_type, null_percent FROM fields JOIN objects USING (object_id) WHERE connection_id = :connection_id AND object_name = :object_name ORDER BY place;

--- tool create_pipeline
--- error connection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM connections WHERE connection_id = :connection_id);
--- error object_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM objects WHERE connection_id = :connection_id AND object_name = :object_name);
--- error keys_required
SELECT 1 WHERE :load_mode = 'upsert' AND :key_fields IS NULL;
--- error target_in_use
SELECT 1 FROM pipelines WHERE target_table = :target_table;
--- let
SELECT 'ppl_' || alnum(8, 'pipeline', fresh(0)) AS pipeline_id, object_id FROM objects WHERE connection_id = :connection_id AND object_name = :object_name;
--- do
INSERT INTO pipelines VALUES (:pipeline_id, :object_id, :target_table, :load_mode, coalesce(:key_fields, '[]'), 'idle', NULL, NULL, now());
--- result
SELECT pipeline_id, connection_id, object_name, p.target_table, load_mode, key_fields, status, created_at
FROM pipelines p JOIN objects USING (object_id) WHERE pipeline_id = :pipeline_id;

--- tool add_quality_rule
--- error pipeline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pipelines WHERE pipeline_id = :pipeline_id);
--- error field_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pipelines JOIN fields USING (object_id) WHERE pipeline_id = :pipeline_id AND field_name = :field_name);
--- error rule_exists
SELECT 1 FROM rules WHERE pipeline_id = :pipeline_id AND field_name = :field_name AND rule_kind = :rule_kind;
--- let
SELECT 'qrl_' || alnum(6, 'rule', fresh(0)) AS quality_rule_id;
--- do
INSERT INTO rules VALUES (:quality_rule_id, :pipeline_id, :field_name, :rule_kind, :tolerance_percent, coalesce(:on_breach, 'warn'));
--- result
SELECT quality_rule_id, pipeline_id, field_name, rule_kind, tolerance_percent, on_breach FROM rules WHERE quality_rule_id = :quality_rule_id;

--- tool trigger_run
--- error pipeline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pipelines WHERE pipeline_id = :pipeline_id);
--- error pipeline_paused
SELECT 1 FROM pipelines WHERE pipeline_id = :pipeline_id AND status = 'paused';
--- error run_in_progress
SELECT 1 FROM runs WHERE pipeline_id = :pipeline_id AND run_status = 'running';
--- error start_in_future
SELECT 1 WHERE :start_date > at(now(), 'date');
--- let
SELECT 'run_' || alnum(10, 'run', fresh(0)) AS run_id;
--- do
INSERT INTO runs VALUES (:run_id, :pipeline_id, coalesce(:start_date, (SELECT at(max(started_at), 'date') FROM runs r WHERE r.pipeline_id = :pipeline_id AND run_status = 'succeeded'), at(now(), 'date')),
  :dry_run, 'running', 0, 0, now());
--- result
SELECT run_id, pipeline_id, start_date, dry_run, run_status, started_at FROM runs WHERE run_id = :run_id;

--- tool get_run
--- error run_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM runs WHERE run_id = :run_id);
--- result
SELECT run_id, pipeline_id, start_date, dry_run, run_status, rows_read, CASE WHEN run_status = 'succeeded' AND NOT dry_run THEN rows_read - rows_quarantined ELSE 0 END AS rows_written,
       rows_quarantined, started_at
FROM runs WHERE run_id = :run_id;
--- rows broken_rules
SELECT quality_rule_id, breach_percent FROM breaches WHERE run_id = :run_id ORDER BY quality_rule_id;

--- tool list_pipelines
--- error connection_not_found
SELECT 1 WHERE :connection_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM connections WHERE connection_id = :connection_id);
--- page pipelines
SELECT pipeline_id, connection_id, p.target_table, status FROM pipelines p JOIN objects USING (object_id)
WHERE (:connection_id IS NULL OR connection_id = :connection_id) AND (:status IS NULL OR status = :status)
ORDER BY p.target_table;

--- tool set_schedule
--- error pipeline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pipelines WHERE pipeline_id = :pipeline_id);
--- error frequency_not_in_plan
SELECT 1 WHERE :every = '15_minutes';
--- error pipeline_paused
SELECT 1 FROM pipelines WHERE pipeline_id = :pipeline_id AND status = 'paused';
--- do
UPDATE pipelines SET status = 'scheduled', every = :every, alert_email = :alert_email WHERE pipeline_id = :pipeline_id;
--- result
SELECT pipeline_id, every, alert_email, status,
       CASE every WHEN 'hour' THEN at(now(), '+1 hours', strftime('%H:00', at(now(), '+1 hours'))) WHEN 'day' THEN at(now(), '+1 days', '03:00')
                  ELSE at(now(), '+' || (8 - (strftime('%w', now()) + 6) % 7 - 1) || ' days', '03:00') END AS next_run_at
FROM pipelines WHERE pipeline_id = :pipeline_id;
