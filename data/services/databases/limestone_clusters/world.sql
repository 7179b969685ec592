-- Limestone Clusters: the clusters of one account, their nightly backups and their branches.
-- The data of a database is kept as counts: how many rows of a table have which value in one of its columns. A branch has
-- a copy of them, so that statements on it leave the cluster alone.

--- tables
CREATE TABLE account (
  quota_gib INTEGER NOT NULL PRIMARY KEY
);
CREATE TABLE clusters (
  cluster_id TEXT PRIMARY KEY,
  cluster_name TEXT NOT NULL UNIQUE,
  app TEXT,
  engine_version TEXT NOT NULL CHECK (engine_version IN ('15', '16', '17')),
  storage_gib INTEGER NOT NULL CHECK (storage_gib BETWEEN 10 AND 8192),
  used_gib REAL NOT NULL,
  replica_count INTEGER NOT NULL CHECK (replica_count BETWEEN 0 AND 5),
  backup_hour_utc INTEGER NOT NULL CHECK (backup_hour_utc BETWEEN 0 AND 23),
  created_at TEXT NOT NULL,
  restored_from TEXT,
  restoring_until TEXT,
  CHECK (used_gib <= storage_gib)
);
CREATE TABLE backups (
  backup_id TEXT PRIMARY KEY,
  cluster_id TEXT NOT NULL REFERENCES clusters,
  taken_at TEXT NOT NULL,
  size_gib REAL NOT NULL,
  verified INTEGER NOT NULL CHECK (verified IN (0, 1)),
  UNIQUE (cluster_id, taken_at)
);
CREATE TABLE cluster_rows (
  cluster_id TEXT NOT NULL REFERENCES clusters,
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  row_value TEXT NOT NULL,
  row_count INTEGER NOT NULL CHECK (row_count >= 0),
  hourly_growth INTEGER NOT NULL,
  PRIMARY KEY (cluster_id, table_name, column_name, row_value)
);
CREATE TABLE cluster_indexes (
  cluster_id TEXT NOT NULL REFERENCES clusters,
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  PRIMARY KEY (cluster_id, table_name, column_name)
);
CREATE TABLE branches (
  branch_id TEXT PRIMARY KEY,
  cluster_id TEXT NOT NULL REFERENCES clusters,
  branch_name TEXT NOT NULL,
  as_of TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_in_hours INTEGER NOT NULL,
  CHECK (as_of <= created_at)
);
CREATE TABLE branch_rows (
  branch_id TEXT NOT NULL REFERENCES branches,
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  row_value TEXT NOT NULL,
  row_count INTEGER NOT NULL CHECK (row_count >= 0),
  PRIMARY KEY (branch_id, table_name, column_name, row_value)
);
CREATE TABLE branch_indexes (
  branch_id TEXT NOT NULL REFERENCES branches,
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  PRIMARY KEY (branch_id, table_name, column_name)
);
CREATE TABLE statements (
  statement_number INTEGER PRIMARY KEY,
  branch_id TEXT NOT NULL REFERENCES branches,
  sql TEXT NOT NULL,
  run_at TEXT NOT NULL
);

--- populate
-- Twelve clusters: eight in production, two of them with a staging copy; one that is being restored, one that is new.
INSERT INTO clusters
SELECT 'clu_' || alnum(8, 'cluster', n),
       nth('apps', 1 + (n - 1) % 8) || CASE WHEN n <= 8 THEN '-prod' WHEN n <= 10 THEN '-staging' ELSE '-eu' END,
       nth('apps', 1 + (n - 1) % 8), pick('engines', n), z.storage,
       round(z.storage * CASE n WHEN 4 THEN 96.5 ELSE draw(180, 930, 'used', n) / 10.0 END / 100, 1),
       CASE WHEN n <= 8 THEN draw(1, 3, 'replicas', n) ELSE draw(0, 1, 'replicas', n) END, draw(0, 5, 'hour', n),
       at(now(), '-' || draw(60, 1100, 'age', n) || ' days', draw(8, 17, 'made', n) || ':20'), NULL, NULL
FROM (SELECT n, CASE WHEN n <= 8 THEN pick('storages', n) ELSE 100 END AS storage FROM numbers WHERE n <= 12) z ORDER BY n;

INSERT INTO account SELECT (sum(storage_gib) / 100 + 12) * 100 FROM clusters;

-- Nightly backups of the last nine nights, this morning's last.
INSERT INTO backups
SELECT 'bkp_' || alnum(10, 'backup', c.rowid * 20 + d.n), c.cluster_id,
       at(now(), '-' || (9 - d.n) || ' days', c.backup_hour_utc || ':' || draw(10, 39, 'minute', c.rowid)),
       round(c.used_gib * (40 + d.n * 0.3) / 100, 1), chance(0.8, 'verified', c.rowid, d.n)
FROM clusters c JOIN numbers d ON d.n <= 9
WHERE c.rowid <= 11 ORDER BY c.rowid, d.n;

-- Four clusters in production keep theirs for six weeks.
INSERT INTO backups
SELECT 'bkp_' || alnum(10, 'backup', 1000 + c.rowid * 40 + d.n), c.cluster_id,
       at(now(), '-' || (8 + d.n) || ' days', c.backup_hour_utc || ':' || draw(10, 39, 'minute', c.rowid)),
       round(c.used_gib * (400 - d.n * 3 + draw(-9, 9, 'size', c.rowid, d.n)) / 1000, 1), chance(0.8, 'verified', c.rowid, d.n + 9)
FROM clusters c JOIN numbers d ON d.n <= 34
WHERE c.rowid BETWEEN 5 AND 8 ORDER BY c.rowid, d.n;

-- Every app has two or three tables; the first one is large.
INSERT INTO cluster_rows
SELECT c.cluster_id, t.table_name, t.column_name, v.value,
       draw(4000, 60000, 'rows', c.cluster_id, t.table_name, v.value) * t.scale,
       draw(1, 40, 'growth', c.cluster_id, t.table_name, v.value)
FROM clusters c
JOIN (SELECT nth('tables', n, 'app') AS app, nth('tables', n, 'table') AS table_name, nth('tables', n, 'column') AS column_name,
             nth('tables', n, 'values') AS row_values, nth('tables', n, 'scale') AS scale FROM numbers WHERE n <= 25) t USING (app)
JOIN json_each('["' || replace(t.row_values, ',', '","') || '"]') v
WHERE c.rowid <= 11 ORDER BY c.rowid, t.table_name, v.key;

INSERT INTO cluster_indexes
SELECT DISTINCT cluster_id, table_name, column_name FROM cluster_rows WHERE chance(0.4, 'index', cluster_id, table_name);

UPDATE clusters SET restored_from = (
  SELECT backup_id FROM backups b WHERE b.cluster_id = clusters.cluster_id AND verified ORDER BY taken_at DESC LIMIT 1),
  restoring_until = at(now(), '+' || draw(25, 70, 'restoring', cluster_id) || ' minutes')
WHERE rowid = 11;
UPDATE clusters SET created_at = at(now(), '-3 minutes'), used_gib = 0.1, app = NULL WHERE rowid = 12;

-- Branches: the first cluster has ten, most others one or two; a few have expired.
INSERT INTO branches
SELECT branch_id, cluster_id, branch_name, at(created_at, '-' || (p.number % 3 * 5) || ' hours'), created_at, hours
FROM (
  SELECT 'dbr_' || alnum(8, 'branch', c.rowid * 12 + k.n) AS branch_id, c.cluster_id, nth('branch_names', k.n) AS branch_name,
         c.rowid * 12 + k.n AS number,
         at(now(), '-' || CASE WHEN c.rowid > 1 AND k.n = 2 THEN draw(60, 90, 'gone', c.rowid) ELSE draw(1, 20, 'ago', c.rowid, k.n) END
            || ' hours') AS created_at, CASE WHEN c.rowid > 1 AND k.n = 2 THEN 48 ELSE pick('lifetimes', c.rowid, k.n) END AS hours
  FROM clusters c JOIN numbers k ON k.n <= CASE c.rowid WHEN 1 THEN 10 ELSE 1 + c.rowid % 2 END
  WHERE c.rowid <= 10) p
ORDER BY number;

INSERT INTO branch_rows
SELECT b.branch_id, r.table_name, r.column_name, r.row_value,
       max(0, r.row_count - r.hourly_growth * CAST((julianday(now()) - julianday(b.as_of)) * 24 AS INTEGER))
FROM branches b JOIN cluster_rows r USING (cluster_id);
INSERT INTO branch_indexes SELECT b.branch_id, i.table_name, i.column_name FROM branches b JOIN cluster_indexes i USING (cluster_id);

--- invariant the account has no more storage than its quota
SELECT quota_gib FROM account WHERE (SELECT sum(storage_gib) FROM clusters) > quota_gib;
--- invariant no cluster has more than ten branches that live
SELECT cluster_id FROM branches WHERE at(created_at, '+' || expires_in_hours || ' hours') > now() GROUP BY cluster_id HAVING count(*) > 10;
--- invariant a cluster is restored from one of its own backups
SELECT c.cluster_id FROM clusters c JOIN backups b ON b.backup_id = c.restored_from WHERE b.cluster_id <> c.cluster_id;

--- tool create_cluster
--- error name_taken
SELECT 1 FROM clusters WHERE cluster_name = :cluster_name;
--- error storage_quota_exceeded
SELECT 1 FROM account WHERE (SELECT sum(storage_gib) FROM clusters) + :storage_gib > quota_gib;
--- let
SELECT 'clu_' || alnum(8, 'cluster', fresh(0)) AS cluster_id;
--- do
INSERT INTO clusters VALUES
  (:cluster_id, :cluster_name, NULL, :engine_version, :storage_gib, 0.1, :replica_count, :backup_hour_utc, now(), NULL, NULL);
--- result
SELECT cluster_id, cluster_name, engine_version, storage_gib, replica_count, backup_hour_utc, 'provisioning' AS status, created_at
FROM clusters WHERE cluster_id = :cluster_id;

--- tool get_cluster
--- error cluster_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM clusters WHERE cluster_id = :cluster_id);
--- result
SELECT cluster_id, cluster_name, engine_version, storage_gib, round(100 * used_gib / storage_gib, 1) AS storage_used_percent,
       replica_count, backup_hour_utc,
       CASE WHEN created_at > at(now(), '-15 minutes') THEN 'provisioning' WHEN restoring_until > now() THEN 'restoring'
            WHEN used_gib >= 0.95 * storage_gib THEN 'read_only' ELSE 'available' END AS status, created_at
FROM clusters WHERE cluster_id = :cluster_id;

--- tool create_branch
--- error cluster_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM clusters WHERE cluster_id = :cluster_id);
--- error cluster_busy
SELECT 1 FROM clusters WHERE cluster_id = :cluster_id AND (created_at > at(now(), '-15 minutes') OR restoring_until > now());
--- error outside_history
SELECT 1 FROM clusters
WHERE cluster_id = :cluster_id AND (:as_of < at(now(), '-7 days') OR :as_of < created_at OR :as_of > now());
--- error branch_name_taken
SELECT 1 FROM branches
WHERE cluster_id = :cluster_id AND branch_name = :branch_name AND at(created_at, '+' || expires_in_hours || ' hours') > now();
--- error branch_limit_reached
SELECT 1 WHERE (
  SELECT count(*) FROM branches WHERE cluster_id = :cluster_id AND at(created_at, '+' || expires_in_hours || ' hours') > now()) >= 10;
--- let
SELECT 'dbr_' || alnum(8, 'branch', fresh(0)) AS branch_id, coalesce(:as_of, now()) AS moment;
--- do
INSERT INTO branches VALUES (:branch_id, :cluster_id, :branch_name, :moment, now(), :expires_in_hours);
INSERT INTO branch_rows
SELECT :branch_id, table_name, column_name, row_value,
       max(0, row_count - hourly_growth * CAST((julianday(now()) - julianday(:moment)) * 24 AS INTEGER))
FROM cluster_rows WHERE cluster_id = :cluster_id;
INSERT INTO branch_indexes SELECT :branch_id, table_name, column_name FROM cluster_indexes WHERE cluster_id = :cluster_id;
--- result
SELECT branch_id, cluster_id, branch_name, as_of, expires_in_hours, 'ready' AS branch_status FROM branches WHERE branch_id = :branch_id;

--- tool run_query
--- error branch_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM branches WHERE branch_id = :branch_id);
--- error branch_expired
SELECT 1 FROM branches WHERE branch_id = :branch_id AND at(created_at, '+' || expires_in_hours || ' hours') <= now();
--- let
SELECT replace(fold(:sql), 'count 1 ', 'count ') AS words,
       (SELECT group_concat(item, ', ') FROM (
         SELECT DISTINCT table_name || ' (' || column_name || ')' AS item FROM branch_rows WHERE branch_id = :branch_id ORDER BY item)) AS tables;
--- error syntax_error
SELECT 1 WHERE (length(:sql) - length(replace(:sql, '''', ''))) % 2 = 1
   OR length(replace(:sql, '(', '')) <> length(replace(:sql, ')', ''))
   OR NOT (:words GLOB 'select *' OR :words GLOB 'delete from *' OR :words GLOB 'insert into *' OR :words GLOB 'update * set *'
           OR :words GLOB 'create *' OR :words GLOB 'alter *' OR :words GLOB 'drop *' OR :words GLOB 'truncate *'
           OR :words GLOB 'with *' OR :words GLOB 'explain *' OR :words GLOB 'analyze*' OR :words GLOB 'vacuum*');
--- let
SELECT f.kind, f.table_name, f.column_name, f.row_value, f.new_value, coalesce(f.total, 0) AS total, coalesce(f.matched, 0) AS matched,
       f.table_name IS NOT NULL AND EXISTS (
         SELECT 1 FROM branch_indexes i
         WHERE i.branch_id = :branch_id AND i.table_name = f.table_name AND i.column_name = f.column_name) AS indexed
FROM (SELECT 1) LEFT JOIN (
  WITH t AS (
    SELECT table_name, column_name, sum(row_count) AS total FROM branch_rows WHERE branch_id = :branch_id
    GROUP BY table_name, column_name
  ), v AS (
    SELECT t.*, r.row_value, r.row_count FROM t JOIN branch_rows r USING (table_name, column_name) WHERE r.branch_id = :branch_id
  ), forms AS (
    SELECT 'count' AS kind, table_name, column_name, NULL AS row_value, NULL AS new_value, total, total AS matched,
           'select count from ' || table_name AS form FROM t
    UNION ALL
    SELECT 'count', table_name, column_name, NULL, NULL, total, total, 'select count as * from ' || table_name FROM t
    UNION ALL
    SELECT 'group', table_name, column_name, NULL, NULL, total, total,
           'select ' || column_name || ' count* from ' || table_name || ' group by ' || column_name || '*' FROM t
    UNION ALL
    SELECT 'count', table_name, column_name, row_value, NULL, total, row_count,
           'select count* from ' || table_name || ' where ' || column_name || ' ' || fold(row_value) FROM v
    UNION ALL
    SELECT 'delete', table_name, column_name, row_value, NULL, total, row_count,
           'delete from ' || table_name || ' where ' || column_name || ' ' || fold(row_value) FROM v
    UNION ALL
    SELECT 'update', v.table_name, v.column_name, v.row_value, n.row_value, v.total, v.row_count,
           'update ' || v.table_name || ' set ' || v.column_name || ' ' || fold(n.row_value) || ' where ' || v.column_name || ' '
           || fold(v.row_value)
    FROM v JOIN v n ON n.table_name = v.table_name AND n.column_name = v.column_name
    UNION ALL
    SELECT 'index', table_name, column_name, NULL, NULL, total, 0, 'create index on ' || table_name || ' ' || column_name FROM t
    UNION ALL
    SELECT 'index', table_name, column_name, NULL, NULL, total, 0, 'create index * on ' || table_name || ' ' || column_name FROM t
  )
  SELECT * FROM forms
  WHERE :words GLOB form AND instr(:sql, '<') = 0 AND instr(:sql, '>') = 0 AND instr(:sql, '!') = 0
  ORDER BY length(form) DESC, kind, table_name, row_value, new_value LIMIT 1) f;
--- error not_supported
SELECT 1 WHERE :kind IS NULL;
--- let
SELECT round(0.4 + CASE WHEN :indexed AND :row_value IS NOT NULL THEN :matched * 0.0005 ELSE :total * 0.002 END, 1) AS elapsed_ms,
       CASE :kind WHEN 'count' THEN json_array(json_array(CAST(:matched AS TEXT)))
       WHEN 'group' THEN (
         SELECT json_group_array(json_array(row_value, CAST(row_count AS TEXT))) FROM (
           SELECT row_value, row_count FROM branch_rows WHERE branch_id = :branch_id AND table_name = :table_name
           AND column_name = :column_name AND row_count > 0 ORDER BY row_value LIMIT :max_rows))
       ELSE '[]' END AS answer;
--- error statement_timeout
SELECT 1 WHERE :elapsed_ms > :timeout_ms;
--- do
INSERT INTO statements SELECT coalesce(max(statement_number), 0) + 1, :branch_id, :sql, now() FROM statements;
UPDATE branch_rows SET row_count = row_count + :matched
WHERE :kind = 'update' AND :row_value <> :new_value AND branch_id = :branch_id AND table_name = :table_name
  AND column_name = :column_name AND row_value = :new_value;
UPDATE branch_rows SET row_count = 0
WHERE (:kind = 'delete' OR (:kind = 'update' AND :row_value <> :new_value)) AND branch_id = :branch_id AND table_name = :table_name
  AND column_name = :column_name AND row_value = :row_value;
INSERT OR IGNORE INTO branch_indexes SELECT :branch_id, :table_name, :column_name WHERE :kind = 'index';
--- result
SELECT :branch_id AS branch_id,
       CASE :kind WHEN 'count' THEN '["count"]' WHEN 'group' THEN json_array(:column_name, 'count') ELSE '[]' END AS columns,
       :answer AS rows,
       CASE WHEN :kind IN ('update', 'delete') THEN :matched ELSE 0 END AS rows_affected, :elapsed_ms AS elapsed_ms;

--- tool explain_query
--- error branch_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM branches WHERE branch_id = :branch_id);
--- error branch_expired
SELECT 1 FROM branches WHERE branch_id = :branch_id AND at(created_at, '+' || expires_in_hours || ' hours') <= now();
--- let
SELECT replace(fold(:sql), 'count 1 ', 'count ') AS words,
       (SELECT group_concat(item, ', ') FROM (
         SELECT DISTINCT table_name || ' (' || column_name || ')' AS item FROM branch_rows WHERE branch_id = :branch_id ORDER BY item)) AS tables;
--- error syntax_error
SELECT 1 WHERE (length(:sql) - length(replace(:sql, '''', ''))) % 2 = 1
   OR length(replace(:sql, '(', '')) <> length(replace(:sql, ')', ''))
   OR NOT (:words GLOB 'select *' OR :words GLOB 'delete from *' OR :words GLOB 'insert into *' OR :words GLOB 'update * set *'
           OR :words GLOB 'create *' OR :words GLOB 'alter *' OR :words GLOB 'drop *' OR :words GLOB 'truncate *'
           OR :words GLOB 'with *' OR :words GLOB 'explain *' OR :words GLOB 'analyze*' OR :words GLOB 'vacuum*');
--- let
SELECT f.kind, f.table_name, f.column_name, f.row_value, f.new_value, coalesce(f.total, 0) AS total, coalesce(f.matched, 0) AS matched,
       f.table_name IS NOT NULL AND EXISTS (
         SELECT 1 FROM branch_indexes i
         WHERE i.branch_id = :branch_id AND i.table_name = f.table_name AND i.column_name = f.column_name) AS indexed
FROM (SELECT 1) LEFT JOIN (
  WITH t AS (
    SELECT table_name, column_name, sum(row_count) AS total FROM branch_rows WHERE branch_id = :branch_id
    GROUP BY table_name, column_name
  ), v AS (
    SELECT t.*, r.row_value, r.row_count FROM t JOIN branch_rows r USING (table_name, column_name) WHERE r.branch_id = :branch_id
  ), forms AS (
    SELECT 'count' AS kind, table_name, column_name, NULL AS row_value, NULL AS new_value, total, total AS matched,
           'select count from ' || table_name AS form FROM t
    UNION ALL
    SELECT 'count', table_name, column_name, NULL, NULL, total, total, 'select count as * from ' || table_name FROM t
    UNION ALL
    SELECT 'group', table_name, column_name, NULL, NULL, total, total,
           'select ' || column_name || ' count* from ' || table_name || ' group by ' || column_name || '*' FROM t
    UNION ALL
    SELECT 'count', table_name, column_name, row_value, NULL, total, row_count,
           'select count* from ' || table_name || ' where ' || column_name || ' ' || fold(row_value) FROM v
    UNION ALL
    SELECT 'delete', table_name, column_name, row_value, NULL, total, row_count,
           'delete from ' || table_name || ' where ' || column_name || ' ' || fold(row_value) FROM v
    UNION ALL
    SELECT 'update', v.table_name, v.column_name, v.row_value, n.row_value, v.total, v.row_count,
           'update ' || v.table_name || ' set ' || v.column_name || ' ' || fold(n.row_value) || ' where ' || v.column_name || ' '
           || fold(v.row_value)
    FROM v JOIN v n ON n.table_name = v.table_name AND n.column_name = v.column_name
    UNION ALL
    SELECT 'index', table_name, column_name, NULL, NULL, total, 0, 'create index on ' || table_name || ' ' || column_name FROM t
    UNION ALL
    SELECT 'index', table_name, column_name, NULL, NULL, total, 0, 'create index * on ' || table_name || ' ' || column_name FROM t
  )
  SELECT * FROM forms
  WHERE :words GLOB form AND instr(:sql, '<') = 0 AND instr(:sql, '>') = 0 AND instr(:sql, '!') = 0
  ORDER BY length(form) DESC, kind, table_name, row_value, new_value LIMIT 1) f;
--- error not_supported
SELECT 1 WHERE :kind IS NULL OR :kind = 'index';
--- result
SELECT :branch_id AS branch_id,
       CASE :kind WHEN 'count' THEN 'Aggregate' WHEN 'group' THEN 'HashAggregate (' || :column_name || ')'
            WHEN 'delete' THEN 'Delete on ' || :table_name ELSE 'Update on ' || :table_name END || ' -> '
       || CASE WHEN :indexed AND :row_value IS NOT NULL
               THEN 'Index Scan using ' || :table_name || '_' || :column_name || '_idx, Index Cond: ' || :column_name || ' = ''' || :row_value || ''''
               ELSE 'Seq Scan on ' || :table_name || coalesce(', Filter: ' || :column_name || ' = ''' || :row_value || '''', '') END AS plan,
       round(8.3 + CASE WHEN :indexed AND :row_value IS NOT NULL THEN :matched * 0.004 ELSE :total * 0.0125 END, 2) AS estimated_cost,
       :matched AS estimated_rows;
--- rows suggested_indexes
SELECT 'CREATE INDEX ON ' || :table_name || ' (' || :column_name || ')' WHERE NOT :indexed AND :row_value IS NOT NULL;

--- tool list_backups
--- error cluster_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM clusters WHERE cluster_id = :cluster_id);
--- page backups
SELECT backup_id, taken_at, size_gib, verified FROM backups
WHERE cluster_id = :cluster_id AND (:start_date IS NULL OR substr(taken_at, 1, 10) >= :start_date)
ORDER BY taken_at DESC;

--- tool restore_backup
--- error cluster_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM clusters WHERE cluster_id = :cluster_id);
--- error name_mismatch
SELECT 1 FROM clusters WHERE cluster_id = :cluster_id AND cluster_name <> :confirm_cluster_name;
--- error backup_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM backups WHERE backup_id = :backup_id AND cluster_id = :cluster_id);
--- error cluster_busy
SELECT 1 FROM clusters WHERE cluster_id = :cluster_id AND (created_at > at(now(), '-15 minutes') OR restoring_until > now());
--- let
SELECT max(4, CAST(size_gib / 3 AS INTEGER) + 2) AS estimated_minutes FROM backups WHERE backup_id = :backup_id;
--- do
UPDATE clusters SET restored_from = :backup_id, restoring_until = at(now(), '+' || :estimated_minutes || ' minutes')
WHERE cluster_id = :cluster_id;
--- result
SELECT cluster_id, :backup_id AS backup_id, 'restoring' AS status, :estimated_minutes AS estimated_minutes
FROM clusters WHERE cluster_id = :cluster_id;
