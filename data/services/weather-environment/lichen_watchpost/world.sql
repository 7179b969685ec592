-- Lichen Watchpost: air quality posts in some cities, and reports of bad air that inspectors work. Moments are UTC.
-- Daily means exist up to yesterday; what a post measured on a day is the same whoever asks for it.

--- tables
CREATE TABLE cities (
  city TEXT PRIMARY KEY,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL
);
CREATE TABLE posts (
  air_post_id TEXT PRIMARY KEY,
  street TEXT NOT NULL,
  city TEXT NOT NULL REFERENCES cities,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  in_calibration INTEGER NOT NULL CHECK (in_calibration IN (0, 1)),
  UNIQUE (city, street)
);
CREATE TABLE measures (
  air_post_id TEXT NOT NULL REFERENCES posts,
  pollutant TEXT NOT NULL CHECK (pollutant IN ('pm2_5', 'pm10', 'no2', 'o3', 'so2')),
  usual REAL NOT NULL CHECK (usual > 0),      -- micrograms per cubic metre
  PRIMARY KEY (air_post_id, pollutant)
);
CREATE TABLE latest (
  air_post_id TEXT PRIMARY KEY REFERENCES posts,
  index_value INTEGER NOT NULL CHECK (index_value BETWEEN 0 AND 500),
  pollutant TEXT NOT NULL,
  measured_at TEXT NOT NULL
);
CREATE TABLE inspectors (
  inspector_name TEXT PRIMARY KEY,
  city TEXT NOT NULL REFERENCES cities
);
CREATE TABLE reports (
  report_id TEXT PRIMARY KEY,
  air_post_id TEXT NOT NULL REFERENCES posts,
  nuisance TEXT NOT NULL CHECK (nuisance IN ('smoke', 'dust', 'smell', 'haze')),
  address TEXT NOT NULL,
  noticed_at TEXT NOT NULL,
  remarks TEXT NOT NULL,
  created_at TEXT NOT NULL,
  outcome TEXT CHECK (outcome IN ('no_source_found', 'warning_given', 'source_fined', 'natural_cause')),
  closed_at TEXT,
  CHECK (noticed_at <= created_at),
  CHECK ((outcome IS NULL) = (closed_at IS NULL))
);
CREATE INDEX reports_by_post ON reports (air_post_id);
CREATE TABLE inspections (
  inspection_id TEXT PRIMARY KEY,
  report_id TEXT NOT NULL REFERENCES reports,
  visit_date TEXT NOT NULL,
  bring_sampler INTEGER NOT NULL CHECK (bring_sampler IN (0, 1)),
  inspector_name TEXT NOT NULL REFERENCES inspectors,
  UNIQUE (inspector_name, visit_date)         -- one visit a day
);
CREATE INDEX inspections_by_report ON inspections (report_id);

--- populate
INSERT INTO cities
SELECT nth('cities', n, 'name'), nth('cities', n, 'latitude'), nth('cities', n, 'longitude') FROM numbers WHERE n <= 4 ORDER BY n;

INSERT INTO posts
SELECT 'air_' || alnum(8, 'post', c.rowid * 6 + k.n), nth('streets', k.n + (c.rowid - 1) * 6), c.city,
       round(c.latitude + draw(-320, 320, 'north', c.rowid, k.n) / 10000.0, 4), round(c.longitude + draw(-420, 420, 'east', c.rowid, k.n) / 10000.0, 4),
       k.n = 6
FROM cities c JOIN numbers k ON k.n <= 6 ORDER BY c.rowid, k.n;

INSERT INTO measures
SELECT p.air_post_id, m.value ->> '$[0]', round((m.value ->> '$[1]') * draw(70, 150, 'usual', p.rowid, m.key) / 100.0, 1)
FROM posts p JOIN json_each('[["no2", 22], ["pm2_5", 11], ["pm10", 19], ["o3", 55], ["so2", 4]]') m
WHERE m.key < 2 OR (p.rowid + m.key) % 3 = 0 ORDER BY p.rowid, m.key;

INSERT INTO latest
SELECT p.air_post_id, CASE p.rowid % 6 WHEN 1 THEN draw(12, 49, 'index', p.rowid) WHEN 2 THEN draw(52, 99, 'index', p.rowid) WHEN 3 THEN draw(101, 180, 'index', p.rowid)
         WHEN 4 THEN draw(20, 95, 'index', p.rowid) ELSE draw(60, 260, 'index', p.rowid) END,
       (SELECT pollutant FROM measures m WHERE m.air_post_id = p.air_post_id AND m.pollutant <> 'so2' ORDER BY draw(1, 99, m.pollutant, m.air_post_id), m.pollutant LIMIT 1),
       substr(at(now(), '-12 minutes'), 1, 14) || '00:00Z'
FROM posts p ORDER BY p.rowid;

INSERT INTO inspectors
SELECT person(c.rowid * 2 + k.n), c.city FROM cities c JOIN numbers k ON k.n <= 2 ORDER BY c.rowid, k.n;

-- Reports 1 to 12 wait for a visit, 13 to 20 have one ahead, 21 to 30 had one, 31 to 38 are closed, the last four were just made.
INSERT INTO reports
SELECT 'rpt_' || alnum(8, 'report', n), p.air_post_id, pick('nuisances', n), (10 + n) || ' ' || p.street || ', ' || p.city,
       substr(at(v.made, '-' || draw(20, 400, 'noticed', n) || ' minutes'), 1, 15) || '0:00Z', '', v.made,
       CASE WHEN n BETWEEN 31 AND 38 THEN pick('outcomes', n) END, CASE WHEN n BETWEEN 31 AND 38 THEN at(v.made, '+' || draw(9, 14, 'closed', n) || ' days', '15:40') END
FROM (
  SELECT n, CASE WHEN n <= 20 THEN at(now(), '-' || draw(1, 8, 'made', n) || ' days', draw(7, 21, 'made hour', n) || ':25')
                 WHEN n <= 30 THEN at(now(), '-' || draw(12, 25, 'made', n) || ' days', draw(7, 21, 'made hour', n) || ':25')
                 WHEN n <= 38 THEN at(now(), '-' || draw(30, 60, 'made', n) || ' days', draw(7, 21, 'made hour', n) || ':25')
                 ELSE at(now(), '-' || draw(8, 30, 'made', n) || ' minutes') END AS made
  FROM numbers WHERE n <= 42) v
JOIN posts p ON p.rowid = 1 + (v.n * 5) % 24 ORDER BY n;

-- Visits of the past and of the days to come, one inspector of the report's city each.
INSERT OR IGNORE INTO inspections
SELECT 'isp_' || alnum(8, 'inspection', r.rowid), r.report_id,
       CASE WHEN r.rowid <= 20 THEN at(now(), '+' || d.n || ' days', 'date') ELSE at(now(), '-' || d.n || ' days', 'date') END,
       chance(0.4, 'sampler', r.rowid), i.inspector_name
FROM reports r JOIN posts p USING (air_post_id) JOIN inspectors i ON i.city = p.city AND i.rowid % 2 = r.rowid % 2
JOIN numbers d ON d.n = 1 + (r.rowid * 3) % 9
WHERE r.rowid BETWEEN 13 AND 30 ORDER BY r.rowid;

-- One weekday in each city on which nobody is free.
INSERT OR IGNORE INTO inspections
SELECT 'isp_' || alnum(8, 'inspection', 100 + i.rowid), (SELECT report_id FROM reports r JOIN posts p USING (air_post_id) WHERE p.city = i.city AND r.rowid BETWEEN 13 AND 20 ORDER BY r.rowid LIMIT 1),
       (SELECT at(now(), '+' || n || ' days', 'date') FROM numbers WHERE n >= 4 AND weekday(at(now(), '+' || n || ' days')) NOT IN ('saturday', 'sunday') ORDER BY n LIMIT 1),
       0, i.inspector_name
FROM inspectors i WHERE EXISTS (SELECT 1 FROM reports r JOIN posts p USING (air_post_id) WHERE p.city = i.city AND r.rowid BETWEEN 13 AND 20) ORDER BY i.rowid;

--- invariant a report is closed after its visits
SELECT report_id FROM reports JOIN inspections USING (report_id) WHERE closed_at IS NOT NULL AND visit_date > substr(closed_at, 1, 10);
--- invariant an inspector works in one city
SELECT inspection_id FROM inspections JOIN inspectors i USING (inspector_name) JOIN reports USING (report_id) JOIN posts p USING (air_post_id) WHERE p.city <> i.city;

--- tool search_posts
--- error no_post_in_range
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE distance(:latitude, :longitude, latitude, longitude) <= :radius_km);
--- rows posts
SELECT air_post_id, street, city, distance(:latitude, :longitude, latitude, longitude) AS distance_km FROM posts p
WHERE distance(:latitude, :longitude, latitude, longitude) <= :radius_km
  AND (:pollutant IS NULL OR EXISTS (SELECT 1 FROM measures m WHERE m.air_post_id = p.air_post_id AND m.pollutant = :pollutant))
ORDER BY distance_km, air_post_id;
--- result
SELECT NULL AS next_cursor;

--- tool get_air_quality
--- error post_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE air_post_id = :air_post_id);
--- error post_in_calibration
SELECT 1 FROM posts WHERE air_post_id = :air_post_id AND in_calibration;
--- result
SELECT air_post_id, index_value,
       CASE WHEN index_value <= 50 THEN 'good' WHEN index_value <= 100 THEN 'fair' WHEN index_value <= 200 THEN 'poor' WHEN index_value <= 300 THEN 'very_poor' ELSE 'hazardous' END AS category,
       pollutant, measured_at
FROM latest WHERE air_post_id = :air_post_id;

--- tool list_readings
--- error post_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE air_post_id = :air_post_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error pollutant_not_measured
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM measures WHERE air_post_id = :air_post_id AND pollutant = :pollutant);
--- error span_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) > 92;
--- rows readings
WITH RECURSIVE days(day) AS (
  SELECT max(:start_date, at(now(), '-400 days', 'date'))
  UNION ALL SELECT at(day, '+1 days', 'date') FROM days WHERE day < min(:end_date, at(now(), '-1 days', 'date')))
SELECT day AS date, round(usual * draw(55, 150, 'mean', air_post_id, pollutant, day) / 100.0, 1) AS mean_ug_m3,
       round(usual * draw(160, 260, 'peak', air_post_id, pollutant, day) / 100.0, 1) AS peak_ug_m3
FROM days JOIN measures ON air_post_id = :air_post_id AND pollutant = :pollutant
WHERE day <= min(:end_date, at(now(), '-1 days', 'date')) ORDER BY day;
--- result
SELECT :pollutant AS pollutant, NULL AS next_cursor;

--- tool convert_concentration
--- error unphysical_value
SELECT 1 WHERE :concentration > CASE :from_unit WHEN 'ppb' THEN 2000 ELSE 4000 END;
--- let
SELECT CASE :gas WHEN 'no2' THEN 46.0055 WHEN 'o3' THEN 47.9982 ELSE 64.066 END / (22.414 * (273.15 + :temperature_c) / 273.15) AS factor;
--- result
SELECT CASE :from_unit WHEN 'ppb' THEN round(:concentration * :factor, 1) ELSE round(:concentration / :factor, 1) END AS converted_value,
       CASE :from_unit WHEN 'ppb' THEN 'ug_m3' ELSE 'ppb' END AS to_unit;

--- tool open_report
--- error post_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE air_post_id = :air_post_id);
--- error noticed_in_future
SELECT 1 WHERE :noticed_at > now();
--- error duplicate_report
SELECT 1 FROM reports WHERE nuisance = :nuisance AND fold(address) = fold(:address) AND created_at > at(now(), '-1 hours');
--- let
SELECT 'rpt_' || alnum(8, 'report', fresh(0)) AS report_id;
--- do
INSERT INTO reports VALUES (:report_id, :air_post_id, :nuisance, :address, :noticed_at, coalesce(:remarks, ''), now(), NULL, NULL);
--- result
SELECT report_id, air_post_id, nuisance, address, noticed_at, remarks, 'open' AS status FROM reports WHERE report_id = :report_id;

--- tool book_inspection
--- error report_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM reports WHERE report_id = :report_id);
--- error report_closed
SELECT 1 FROM reports WHERE report_id = :report_id AND closed_at IS NOT NULL;
--- error visit_booked_already
SELECT 1 FROM inspections WHERE report_id = :report_id AND visit_date >= substr(now(), 1, 10);
--- error date_in_past
SELECT 1 WHERE :visit_date <= substr(now(), 1, 10);
--- let
SELECT 'isp_' || alnum(8, 'inspection', fresh(0)) AS inspection_id, min(i.inspector_name) AS inspector_name
FROM reports r JOIN posts p USING (air_post_id) JOIN inspectors i ON i.city = p.city
WHERE r.report_id = :report_id AND weekday(:visit_date) NOT IN ('saturday', 'sunday')
  AND NOT EXISTS (SELECT 1 FROM inspections o WHERE o.inspector_name = i.inspector_name AND o.visit_date = :visit_date);
--- error no_inspector_free
SELECT 1 WHERE :inspector_name IS NULL;
--- do
INSERT INTO inspections VALUES (:inspection_id, :report_id, :visit_date, :bring_sampler, :inspector_name);
--- result
SELECT inspection_id, report_id, visit_date, bring_sampler, inspector_name, 'booked' AS status FROM inspections WHERE inspection_id = :inspection_id;

--- tool close_report
--- error report_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM reports WHERE report_id = :report_id);
--- error report_closed_already
SELECT 1 FROM reports WHERE report_id = :report_id AND closed_at IS NOT NULL;
--- error inspection_pending
SELECT 1 FROM inspections WHERE report_id = :report_id AND visit_date >= substr(now(), 1, 10);
--- do
UPDATE reports SET outcome = :outcome, closed_at = now() WHERE report_id = :report_id;
--- result
SELECT report_id, outcome, closed_at, 'closed' AS status FROM reports WHERE report_id = :report_id;
