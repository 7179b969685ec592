-- Gneiss Dashboards: metrics over a trading firm's warehouse, charted on dashboards. Moments are UTC.
-- The warehouse holds two years of days up to yesterday. What a column comes to on a day is the same whatever asks for it,
-- so weeks and months are sums (or means) of their days; different values are those seen on any of them.

--- tables
CREATE TABLE people (
  email TEXT PRIMARY KEY,
  person_name TEXT NOT NULL,
  in_team INTEGER NOT NULL CHECK (in_team IN (0, 1))     -- of the analysts, who may open what is visible to the team
);
CREATE TABLE warehouse_tables (
  table_id TEXT PRIMARY KEY,
  table_name TEXT NOT NULL UNIQUE,
  topic TEXT NOT NULL,
  columns TEXT NOT NULL,                -- a JSON list
  row_count INTEGER NOT NULL CHECK (row_count > 0),
  certified INTEGER NOT NULL CHECK (certified IN (0, 1))
);
CREATE TABLE number_columns (
  table_id TEXT NOT NULL REFERENCES warehouse_tables,
  column TEXT NOT NULL,
  usual INTEGER NOT NULL CHECK (usual > 0),              -- a day, in all
  PRIMARY KEY (table_id, column)
);
CREATE TABLE metrics (
  metric_id TEXT PRIMARY KEY,
  table_id TEXT NOT NULL REFERENCES warehouse_tables,
  metric_name TEXT NOT NULL UNIQUE,
  aggregate TEXT NOT NULL CHECK (aggregate IN ('sum', 'average', 'count', 'count_distinct', 'median')),
  column TEXT NOT NULL,
  filter_sql TEXT NOT NULL
);
CREATE TABLE dashboards (
  dashboard_id TEXT PRIMARY KEY,
  dashboard_title TEXT NOT NULL UNIQUE,
  visibility TEXT NOT NULL CHECK (visibility IN ('private', 'team', 'company')),
  refresh_minutes INTEGER NOT NULL CHECK (refresh_minutes IN (15, 60, 360, 1440))
);
CREATE TABLE charts (
  chart_id TEXT PRIMARY KEY,
  dashboard_id TEXT NOT NULL REFERENCES dashboards,
  metric_id TEXT NOT NULL REFERENCES metrics,
  chart_kind TEXT NOT NULL CHECK (chart_kind IN ('line', 'bar', 'area', 'single_value')),
  window_days INTEGER NOT NULL CHECK (window_days BETWEEN 1 AND 730),
  group_by TEXT NOT NULL
);
CREATE INDEX charts_by_dashboard ON charts (dashboard_id);
CREATE TABLE deliveries (
  delivery_id TEXT PRIMARY KEY,
  dashboard_id TEXT NOT NULL REFERENCES dashboards,
  emails TEXT NOT NULL,                 -- a JSON list
  weekday TEXT NOT NULL,
  hour_utc INTEGER NOT NULL CHECK (hour_utc BETWEEN 0 AND 23)
);

--- populate
INSERT INTO people
SELECT email(person(n), slug(company(1)) || '.example'), person(n), n <= 9 FROM numbers WHERE n <= 16 ORDER BY n;

INSERT INTO warehouse_tables
SELECT 'tbl_' || alnum(8, 'table', n), nth('tables', n, 'name'), nth('tables', n, 'topic'),
       json_array(nth('tables', n, 'id'), 'created_on', nth('tables', n, 'one'), nth('tables', n, 'two'), nth('tables', n, 'three'), nth('tables', n, 'four')),
       draw(180, 960, 'rows', n) * 1000 + draw(1, 999, 'odd rows', n), nth('tables', n, 'certified')
FROM numbers WHERE n <= 16 ORDER BY n;

INSERT INTO number_columns
SELECT 'tbl_' || alnum(8, 'table', n), nth('tables', n, 'one'), nth('tables', n, 'a') FROM numbers WHERE n <= 16
UNION ALL
SELECT 'tbl_' || alnum(8, 'table', n), nth('tables', n, 'two'), nth('tables', n, 'b') FROM numbers WHERE n <= 16;

-- One total and one average on every table that is certified.
INSERT INTO metrics
SELECT 'met_' || alnum(7, 'metric', t.rowid * 2 + k.n), t.table_id,
       CASE k.n WHEN 1 THEN 'Total ' ELSE 'Average ' END || replace(replace(t.columns ->> ('$[' || (k.n + 1) || ']'), '_eur', ''), '_', ' '),
       CASE k.n WHEN 1 THEN 'sum' ELSE 'average' END, t.columns ->> ('$[' || (k.n + 1) || ']'), ''
FROM warehouse_tables t JOIN numbers k ON k.n <= 2 WHERE t.certified ORDER BY t.rowid, k.n;

INSERT INTO dashboards
SELECT 'dsh_' || alnum(7, 'dashboard', n), nth('titles', n),
       CASE n % 4 WHEN 1 THEN 'company' WHEN 2 THEN 'team' WHEN 3 THEN 'team' ELSE 'private' END, pick('refreshes', n)
FROM numbers WHERE n <= 11 ORDER BY n;

-- The first dashboard is full, the last two are empty, the others hold two to five charts.
INSERT INTO charts
SELECT 'cht_' || alnum(8, 'chart', d.rowid * 30 + k.n), d.dashboard_id, m.metric_id, pick('kinds', d.rowid, k.n), pick('windows', d.rowid, k.n), ''
FROM dashboards d JOIN numbers k ON k.n <= CASE WHEN d.rowid = 1 THEN 24 WHEN d.rowid > 9 THEN 0 ELSE draw(2, 5, 'charts', d.rowid) END
JOIN metrics m ON m.rowid = 1 + (d.rowid * 7 + k.n) % 24
ORDER BY d.rowid, k.n;

INSERT INTO deliveries
SELECT 'dlv_' || alnum(7, 'delivery', d.rowid), d.dashboard_id, json_array((SELECT email FROM people p WHERE p.rowid = d.rowid)),
       CASE d.rowid % 3 WHEN 0 THEN 'monday' WHEN 1 THEN 'wednesday' ELSE 'friday' END, 7
FROM dashboards d WHERE d.visibility <> 'private' AND d.rowid <= 6 ORDER BY d.rowid;

--- invariant no dashboard holds more than 24 charts
SELECT dashboard_id FROM charts GROUP BY dashboard_id HAVING count(*) > 24;
--- invariant dashboards are mailed to people of the company only
SELECT delivery_id FROM deliveries, json_each(emails) WHERE value NOT IN (SELECT email FROM people);
--- invariant a metric is taken over a column that its table has
SELECT metric_id FROM metrics m JOIN warehouse_tables t USING (table_id) WHERE m.column NOT IN (SELECT value FROM json_each(t.columns));

--- tool search_tables
--- error query_too_general
SELECT 1 WHERE length(trim(:query)) < 3;
--- rows tables
SELECT table_id, table_name, columns, row_count, certified FROM warehouse_tables
WHERE matches(replace(table_name, '_', ' ') || ' ' || topic || ' ' || replace(replace(columns, '_', ' '), '"', ' ') || ' ' || columns, :query)
  AND (NOT :certified_only OR certified)
ORDER BY certified DESC, row_count DESC, table_id LIMIT :limit;
--- result
SELECT NULL AS next_cursor;

--- tool create_metric
--- error table_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM warehouse_tables WHERE table_id = :table_id);
--- error column_not_found
SELECT 1 FROM warehouse_tables WHERE table_id = :table_id AND :column NOT IN (SELECT value FROM json_each(columns));
--- error aggregate_not_numeric
SELECT 1 WHERE :aggregate IN ('sum', 'average', 'median')
  AND NOT EXISTS (SELECT 1 FROM number_columns n WHERE n.table_id = :table_id AND n.column = :column);
--- error metric_name_taken
SELECT 1 FROM metrics WHERE fold(metric_name) = fold(:metric_name);
--- let
SELECT 'met_' || alnum(7, 'metric', 1000 + fresh(0)) AS metric_id;
--- do
INSERT INTO metrics VALUES (:metric_id, :table_id, :metric_name, :aggregate, :column, coalesce(:filter_sql, ''));
--- result
SELECT metric_id, table_id, metric_name, aggregate, column, filter_sql, 'valid' AS metric_status FROM metrics WHERE metric_id = :metric_id;

--- tool query_metric
--- error metric_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM metrics WHERE metric_id = :metric_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error too_many_buckets
SELECT 1 WHERE (julianday(:end_date) - julianday(:start_date) + 1) / CASE :bucket WHEN 'day' THEN 1 WHEN 'week' THEN 7 WHEN 'month' THEN 30 ELSE 91 END > 1000;
--- let
WITH RECURSIVE days(day) AS (
  SELECT max(:start_date, at(now(), '-730 days', 'date'))
  UNION ALL SELECT at(day || 'T00:00:00Z', '+1 days', 'date') FROM days WHERE day < min(:end_date, at(now(), '-1 days', 'date'))),
daily AS (
  SELECT day, coalesce(n.usual, 40) * draw(82, 118, 'value', m.table_id, m.column, day) / 100.0 * CASE WHEN weekday(day) IN ('saturday', 'sunday') THEN 0.6 ELSE 1 END
    * CASE WHEN m.filter_sql = '' THEN 1 ELSE draw(30, 80, 'filter', m.table_id, m.filter_sql) / 100.0 END AS value,
    m.aggregate IN ('average', 'median') AS level, m.aggregate = 'count_distinct' AS kinds,
    draw(4, 9, 'kinds', m.table_id, m.column) - draw(0, 1, 'kinds of a day', m.table_id, m.column, day) AS kinds_seen
  FROM days JOIN metrics m ON m.metric_id = :metric_id LEFT JOIN number_columns n ON n.table_id = m.table_id AND n.column = m.column
  WHERE day <= at(now(), '-1 days', 'date') AND day <= :end_date),
buckets AS (
  SELECT CASE :bucket WHEN 'day' THEN day
              WHEN 'week' THEN at(day || 'T00:00:00Z', '-' || CASE weekday(day) WHEN 'monday' THEN 0 WHEN 'tuesday' THEN 1 WHEN 'wednesday' THEN 2 WHEN 'thursday' THEN 3
                                                  WHEN 'friday' THEN 4 WHEN 'saturday' THEN 5 ELSE 6 END || ' days', 'date')
              WHEN 'month' THEN substr(day, 1, 8) || '01'
              ELSE substr(day, 1, 5) || CASE WHEN substr(day, 6, 2) < '04' THEN '01' WHEN substr(day, 6, 2) < '07' THEN '04' WHEN substr(day, 6, 2) < '10' THEN '07' ELSE '10' END || '-01'
         END AS bucket_start,
         CASE WHEN kinds THEN round(max(kinds_seen)) WHEN level THEN round(avg(value) / 100, 1) ELSE round(sum(value)) END AS value
  FROM daily GROUP BY 1 ORDER BY 1)
SELECT coalesce((SELECT json_group_array(json_object('bucket_start', bucket_start, 'value', value)) FROM (SELECT * FROM buckets ORDER BY bucket_start)), '[]') AS points,
       coalesce(round(100.0 * ((SELECT value FROM buckets ORDER BY bucket_start DESC LIMIT 1) / (SELECT value FROM buckets ORDER BY bucket_start LIMIT 1) - 1), 1), 0) AS change_percent;
--- result
SELECT :metric_id AS metric_id, :bucket AS bucket, :change_percent AS change_percent;
--- rows points
SELECT value ->> '$.bucket_start' AS bucket_start, value ->> '$.value' AS value FROM json_each(:points) ORDER BY bucket_start;

--- tool create_dashboard
--- error title_taken
SELECT 1 FROM dashboards WHERE fold(dashboard_title) = fold(:dashboard_title);
--- let
SELECT 'dsh_' || alnum(7, 'dashboard', 1000 + fresh(0)) AS dashboard_id;
--- do
INSERT INTO dashboards VALUES (:dashboard_id, :dashboard_title, :visibility, :refresh_minutes);
--- result
SELECT dashboard_id, dashboard_title, visibility, refresh_minutes, 0 AS chart_count, 'https://gneiss.example/d/' || dashboard_id AS url
FROM dashboards WHERE dashboard_id = :dashboard_id;

--- tool add_chart
--- error dashboard_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM dashboards WHERE dashboard_id = :dashboard_id);
--- error metric_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM metrics WHERE metric_id = :metric_id);
--- error column_not_found
SELECT 1 FROM metrics m JOIN warehouse_tables t USING (table_id)
WHERE m.metric_id = :metric_id AND :group_by IS NOT NULL AND :group_by NOT IN (SELECT value FROM json_each(t.columns));
--- error dashboard_full
SELECT 1 WHERE (SELECT count(*) FROM charts WHERE dashboard_id = :dashboard_id) >= 24;
--- let
SELECT 'cht_' || alnum(8, 'chart', 1000 + fresh(0)) AS chart_id;
--- do
INSERT INTO charts VALUES (:chart_id, :dashboard_id, :metric_id, :chart_kind, :window_days, coalesce(:group_by, ''));
--- result
SELECT chart_id, dashboard_id, metric_id, chart_kind, window_days, group_by FROM charts WHERE chart_id = :chart_id;

--- tool remove_chart
--- error chart_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM charts WHERE chart_id = :chart_id);
--- let
SELECT dashboard_id FROM charts WHERE chart_id = :chart_id;
--- do
DELETE FROM charts WHERE chart_id = :chart_id;
--- result
SELECT :chart_id AS chart_id, :dashboard_id AS dashboard_id, 1 AS removed;

--- tool schedule_delivery
--- error dashboard_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM dashboards WHERE dashboard_id = :dashboard_id);
--- error dashboard_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM charts WHERE dashboard_id = :dashboard_id);
--- error recipient_without_access
SELECT 1 FROM json_each(:emails) e, dashboards d WHERE d.dashboard_id = :dashboard_id
  AND NOT EXISTS (SELECT 1 FROM people p WHERE p.email = e.value AND (d.visibility = 'company' OR d.visibility = 'team' AND p.in_team));
--- let
SELECT 'dlv_' || alnum(7, 'delivery', 1000 + fresh(0)) AS delivery_id;
--- do
INSERT INTO deliveries VALUES (:delivery_id, :dashboard_id, :emails, :weekday, :hour_utc);
--- result
SELECT delivery_id, dashboard_id, emails, d.weekday, hour_utc, 'scheduled' AS delivery_status,
       (SELECT at(now(), '+' || n || ' days', printf('%02d:00', hour_utc)) FROM numbers WHERE n <= 7 AND weekday(at(now(), '+' || n || ' days')) = d.weekday) AS next_delivery_at
FROM deliveries d WHERE delivery_id = :delivery_id;
