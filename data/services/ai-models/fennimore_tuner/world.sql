-- Fennimore Tuner: fine-tuning of small language models for one team. Moments are UTC; money is in US dollars.
-- What a job costs and how long it takes follows from the tokens of its data set, its epochs and its base model.

--- tables
CREATE TABLE base_models (
  base_model TEXT PRIMARY KEY,
  parameters_b REAL NOT NULL,
  context_tokens INTEGER NOT NULL,
  cents_per_million REAL NOT NULL,      -- of training tokens
  minutes_per_million REAL NOT NULL
);
CREATE TABLE files (                    -- what can be fetched
  url TEXT PRIMARY KEY,
  subject INTEGER NOT NULL,
  row_format TEXT NOT NULL CHECK (row_format IN ('chat', 'prompt_completion', 'preference_pair')),
  row_count INTEGER NOT NULL CHECK (row_count > 0),
  rejected_row_count INTEGER NOT NULL CHECK (rejected_row_count BETWEEN 0 AND row_count),
  tokens INTEGER NOT NULL
);
CREATE TABLE datasets (
  dataset_id TEXT PRIMARY KEY,
  dataset_name TEXT NOT NULL,
  url TEXT NOT NULL REFERENCES files
);
CREATE TABLE jobs (
  tuning_job_id TEXT PRIMARY KEY,
  dataset_id TEXT NOT NULL REFERENCES datasets,
  base_model TEXT NOT NULL REFERENCES base_models,
  epochs INTEGER NOT NULL CHECK (epochs BETWEEN 1 AND 20),
  learning_rate REAL NOT NULL,
  model_suffix TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  progress_percent INTEGER NOT NULL CHECK (progress_percent BETWEEN 0 AND 100),
  training_loss REAL,
  model_id TEXT UNIQUE,
  created_at TEXT NOT NULL,
  CHECK ((status = 'succeeded') = (model_id IS NOT NULL))
);
CREATE TABLE regions (
  region TEXT PRIMARY KEY,
  room INTEGER NOT NULL CHECK (room >= 0)       -- replicas that it can still take, beside those that serve
);
CREATE TABLE endpoints (
  endpoint_id TEXT PRIMARY KEY,
  model_id TEXT NOT NULL REFERENCES jobs (model_id),
  replica_count INTEGER NOT NULL CHECK (replica_count BETWEEN 1 AND 16),
  region TEXT NOT NULL REFERENCES regions,
  requests_this_minute INTEGER NOT NULL CHECK (requests_this_minute BETWEEN 0 AND 60)
);

--- populate
INSERT INTO base_models
SELECT nth('bases', n, 'name'), nth('bases', n, 'size'), nth('bases', n, 'context'), nth('bases', n, 'cents'), nth('bases', n, 'minutes')
FROM numbers WHERE n <= 6 ORDER BY n;

-- Two versions of a file on each subject; the first is registered.
INSERT INTO files
SELECT 'https://files.' || slug(company(1)) || '.example/' || slug(nth('subjects', s.n, 'name')) || '-v' || v.n || '.jsonl', s.n,
       nth('subjects', s.n, 'format'), draw(30, 300, 'rows', s.n, v.n) * 100 + draw(3, 97, 'odd rows', s.n, v.n),
       CASE WHEN chance(0.5, 'clean', s.n, v.n) THEN 0 ELSE draw(2, 60, 'bad rows', s.n, v.n) END,
       0
FROM numbers s JOIN numbers v ON v.n <= 2 WHERE s.n <= 14 ORDER BY s.n, v.n;
UPDATE files SET tokens = (row_count - rejected_row_count) * draw(180, 520, 'tokens in a row', subject);

INSERT INTO datasets
SELECT 'dst_' || alnum(8, 'dataset', f.rowid), nth('subjects', f.subject, 'name') || ' v1', f.url
FROM files f WHERE f.rowid % 2 = 1 ORDER BY f.rowid;

-- Jobs that are over: one or two on each data set, the second after a failed or discarded first.
INSERT INTO jobs
SELECT 'tun_' || alnum(8, 'job', place * 2 + k), dataset_id, base_model, epochs, pick('rates', place, k),
       nth('subjects', place, 'suffix') || CASE WHEN k = 2 THEN '-2' ELSE '' END, status,
       CASE status WHEN 'succeeded' THEN 100 ELSE draw(6, 74, 'stopped', place, k) END,
       CASE status WHEN 'failed' THEN draw(520, 980, 'loss', place, k) / 100.0 ELSE draw(48, 140, 'loss', place, k) / 100.0 END,
       CASE status WHEN 'succeeded' THEN 'mdl_' || alnum(8, 'model', place * 2 + k) END,
       at(now(), '-' || (draw(2, 6, 'job age', place) + (2 - k) * 7) || ' days', draw(8, 18, 'job hour', place, k) || ':' || draw(10, 55, 'job minute', place, k))
FROM (
  SELECT d.rowid AS place, k.n AS k, d.dataset_id, nth('bases', draw(1, 6, 'base', d.rowid, k.n), 'name') AS base_model,
         draw(2, 5, 'epochs', d.rowid, k.n) AS epochs,
         CASE WHEN k.n = 2 OR d.rowid % 3 <> 1 THEN 'succeeded' WHEN d.rowid % 2 = 1 THEN 'failed' ELSE 'cancelled' END AS status
  FROM datasets d JOIN numbers k ON k.n <= CASE WHEN d.rowid % 3 = 1 THEN 2 ELSE 1 END)
ORDER BY place, k;

-- Seven jobs under way: two on the first base model, which is full with them, and one on each of the others.
INSERT INTO jobs
SELECT 'tun_' || alnum(8, 'job', 100 + n), dataset_id, base_model, epochs, 0.0001, suffix || '-next', status, progress,
       CASE status WHEN 'running' THEN (draw(60, 110, 'loss', 'under way', n) + (100 - progress)) / 100.0 END, NULL,
       at(now(), '-' || (CASE status WHEN 'queued' THEN draw(2, 9, 'waits', n)
                                     ELSE 5 + cast(tokens * epochs / 1000000.0 * minutes * progress / 100 AS INTEGER) END) || ' minutes')
FROM (
  SELECT n, d.dataset_id, f.tokens, b.base_model, b.minutes_per_million AS minutes, draw(2, 6, 'epochs', 'under way', n) AS epochs,
         nth('subjects', f.subject, 'suffix') AS suffix,
         CASE WHEN n IN (2, 5) THEN 'queued' ELSE 'running' END AS status,
         CASE WHEN n IN (2, 5) THEN 0 ELSE draw(7, 94, 'progress', n) END AS progress
  FROM numbers JOIN datasets d ON d.rowid = n * 2 - 1 JOIN files f USING (url) JOIN base_models b ON b.rowid = max(1, n - 1)
  WHERE n <= 7)
ORDER BY n;

INSERT INTO regions VALUES ('eu-north', draw(5, 8, 'room', 'eu')), ('us-east', draw(9, 14, 'room', 'us')), ('ap-south', draw(1, 2, 'room', 'ap'));

INSERT INTO endpoints
SELECT 'ept_' || alnum(8, 'endpoint', j.rowid), j.model_id, draw(1, 3, 'replicas', j.rowid), nth('places', 1 + j.rowid % 3),
       CASE WHEN j.rowid % 7 = 2 THEN 60 ELSE draw(0, 40, 'requests', j.rowid) END
FROM jobs j WHERE j.status = 'succeeded' AND j.rowid % 7 IN (1, 2, 4, 5) ORDER BY j.rowid;
-- What is busy serves in a second region as well.
INSERT INTO endpoints
SELECT 'ept_' || alnum(8, 'endpoint', 500 + e.rowid), e.model_id, 1, CASE e.region WHEN 'us-east' THEN 'eu-north' ELSE 'us-east' END, draw(0, 40, 'second', e.rowid)
FROM endpoints e WHERE e.requests_this_minute = 60 ORDER BY e.rowid;

--- invariant no base model has more than two jobs under way
SELECT base_model FROM jobs WHERE status IN ('queued', 'running') GROUP BY base_model HAVING count(*) > 2;
--- invariant a suffix belongs to one model or job
SELECT model_suffix FROM jobs WHERE status IN ('queued', 'running', 'succeeded') GROUP BY model_suffix HAVING count(*) > 1;
--- invariant a job that waits has made no progress
SELECT tuning_job_id FROM jobs WHERE status = 'queued' AND (progress_percent > 0 OR training_loss IS NOT NULL);

--- tool list_base_models
--- error modality_not_enabled
SELECT 1 WHERE :modality = 'text_image';
--- rows base_models
SELECT base_model, parameters_b, context_tokens FROM base_models
WHERE :max_parameters_b IS NULL OR parameters_b <= :max_parameters_b ORDER BY parameters_b, base_model;
--- result
SELECT NULL AS next_cursor;

--- tool register_dataset
--- error download_failed
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM files WHERE url = :url);
--- error rows_malformed
SELECT 1 FROM files WHERE url = :url AND row_format <> :row_format;
--- let
SELECT 'dst_' || alnum(8, 'dataset', 1000 + fresh(0)) AS dataset_id;
--- do
INSERT INTO datasets VALUES (:dataset_id, :dataset_name, :url);
--- result
SELECT dataset_id, dataset_name, url, row_format, row_count, rejected_row_count, 'ready' AS status
FROM datasets JOIN files USING (url) WHERE dataset_id = :dataset_id;

--- tool estimate_tuning
--- error dataset_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM datasets WHERE dataset_id = :dataset_id);
--- error base_model_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM base_models WHERE base_model = :base_model);
--- result
SELECT f.tokens * :epochs AS training_tokens,
       5 + cast(f.tokens * :epochs / 1000000.0 * b.minutes_per_million AS INTEGER) AS estimated_minutes,
       round(f.tokens * :epochs / 100000000.0 * b.cents_per_million, 2) AS estimated_cost, 'USD' AS currency
FROM datasets d JOIN files f USING (url), base_models b WHERE d.dataset_id = :dataset_id AND b.base_model = :base_model;

--- tool create_tuning_job
--- error dataset_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM datasets WHERE dataset_id = :dataset_id);
--- error base_model_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM base_models WHERE base_model = :base_model);
--- error suffix_in_use
SELECT 1 FROM jobs WHERE model_suffix = :model_suffix AND status IN ('queued', 'running', 'succeeded');
--- error concurrency_limit
SELECT 1 WHERE (SELECT count(*) FROM jobs WHERE base_model = :base_model AND status IN ('queued', 'running')) >= 2;
--- let
SELECT 'tun_' || alnum(8, 'job', 1000 + fresh(0)) AS tuning_job_id;
--- do
INSERT INTO jobs VALUES
  (:tuning_job_id, :dataset_id, :base_model, :epochs, :learning_rate, :model_suffix, 'queued', 0, NULL, NULL, now());
--- result
SELECT tuning_job_id, dataset_id, base_model, epochs, learning_rate, model_suffix, status FROM jobs WHERE tuning_job_id = :tuning_job_id;

--- tool get_tuning_job
--- error tuning_job_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE tuning_job_id = :tuning_job_id);
--- result
SELECT tuning_job_id, dataset_id, base_model, epochs, learning_rate, model_suffix, status, progress_percent, training_loss, model_id, created_at
FROM jobs WHERE tuning_job_id = :tuning_job_id;

--- tool cancel_tuning_job
--- error tuning_job_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE tuning_job_id = :tuning_job_id);
--- error job_already_finished
SELECT 1 FROM jobs WHERE tuning_job_id = :tuning_job_id AND status IN ('succeeded', 'failed', 'cancelled');
--- do
UPDATE jobs SET status = 'cancelled' WHERE tuning_job_id = :tuning_job_id;
--- result
SELECT j.tuning_job_id, round(f.tokens * j.epochs / 100000000.0 * b.cents_per_million * j.progress_percent / 100, 2) AS charged_cost,
       'USD' AS currency, j.status
FROM jobs j JOIN datasets d USING (dataset_id) JOIN files f USING (url) JOIN base_models b USING (base_model)
WHERE j.tuning_job_id = :tuning_job_id;

--- tool deploy_model
--- error model_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE model_id = :model_id);
--- let
SELECT 'ept_' || alnum(8, 'endpoint', 1000 + fresh(0)) AS endpoint_id, coalesce(:region, 'eu-north') AS place;
--- error no_capacity
SELECT 1 FROM regions WHERE region = :place AND room < :replica_count;
--- do
INSERT INTO endpoints VALUES (:endpoint_id, :model_id, :replica_count, :place, 0);
UPDATE regions SET room = room - :replica_count WHERE region = :place;
--- result
SELECT endpoint_id, model_id, replica_count, region,
       'https://' || region || '.fennimore.example/v1/' || endpoint_id AS url, 'serving' AS status
FROM endpoints WHERE endpoint_id = :endpoint_id;

--- tool complete_text
--- error endpoint_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM endpoints WHERE endpoint_id = :endpoint_id);
--- error rate_limited
SELECT 1 FROM endpoints WHERE endpoint_id = :endpoint_id AND requests_this_minute >= 60;
--- let
SELECT coalesce((
  SELECT nth('subjects', f.subject, 'completion')
  FROM endpoints e JOIN jobs j USING (model_id) JOIN datasets d USING (dataset_id) JOIN files f USING (url)
  WHERE e.endpoint_id = :endpoint_id AND fold(nth('subjects', f.subject, 'prompt')) = fold(:prompt)),
  'Could you give me a little more detail? Then I can answer that properly.') AS completion;
--- result
SELECT :endpoint_id AS endpoint_id, CASE WHEN length(:completion) / 4 > :max_tokens THEN substr(:completion, 1, :max_tokens * 4) ELSE :completion END AS completion,
       min(length(:completion) / 4, :max_tokens) AS completion_tokens,
       CASE WHEN length(:completion) / 4 > :max_tokens THEN 'length' ELSE 'stop' END AS finish_reason;
