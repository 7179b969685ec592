-- Petrel Mast: forecast points, what their masts measure, and alerts on thresholds. Moments are UTC, values metric.
-- A forecast is not stored hour by hour: it is the outlook of a day, the shape of a day, and a little noise for each hour.

--- tables
CREATE TABLE points (
  point_id TEXT PRIMARY KEY,
  city TEXT NOT NULL UNIQUE,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  issued_at TEXT NOT NULL,          -- when the forecast was last issued
  run_late INTEGER NOT NULL CHECK (run_late IN (0, 1))
);
CREATE TABLE days (
  point_id TEXT NOT NULL REFERENCES points,
  forecast_date TEXT NOT NULL,
  mean_c REAL NOT NULL,
  gust_kmh INTEGER NOT NULL,        -- at its strongest
  rain_chance INTEGER NOT NULL CHECK (rain_chance BETWEEN 0 AND 100),
  PRIMARY KEY (point_id, forecast_date)
);
CREATE TABLE day_shape (
  hour INTEGER PRIMARY KEY,
  warmer_c REAL NOT NULL,           -- than the mean of the day
  gust_percent INTEGER NOT NULL
);
CREATE TABLE readings (
  point_id TEXT PRIMARY KEY REFERENCES points,
  measured_at TEXT NOT NULL,
  temperature_c REAL NOT NULL,
  wind_kmh REAL NOT NULL CHECK (wind_kmh >= 0),
  wind_direction_deg INTEGER NOT NULL CHECK (wind_direction_deg BETWEEN 0 AND 359),
  humidity_percent INTEGER NOT NULL CHECK (humidity_percent BETWEEN 0 AND 100),
  sky TEXT NOT NULL CHECK (sky IN ('clear', 'cloudy', 'fog', 'rain', 'snow', 'thunder'))
);
CREATE TABLE wind_powers (
  wind_kmh INTEGER PRIMARY KEY,
  power REAL NOT NULL               -- the wind speed to the power of 0.16
);
CREATE TABLE alerts (
  alert_id TEXT PRIMARY KEY,
  point_id TEXT NOT NULL REFERENCES points,
  quantity TEXT NOT NULL CHECK (quantity IN ('gust_kmh', 'temperature_c', 'rain_mm_per_hour', 'snow_cm_per_hour')),
  direction TEXT NOT NULL CHECK (direction IN ('above', 'below')),
  threshold REAL NOT NULL,
  owner_name TEXT,
  email TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (point_id, quantity, email)
);
CREATE TABLE firings (
  firing_id TEXT PRIMARY KEY,
  alert_id TEXT NOT NULL REFERENCES alerts,
  fired_at TEXT NOT NULL,
  forecast_value REAL NOT NULL,
  action_note TEXT,                 -- what the crew did; none until it is acknowledged
  UNIQUE (alert_id, fired_at)
);

--- populate
INSERT INTO points
SELECT 'pnt_' || alnum(8, 'point', n), nth('places', n, 'city'), nth('places', n, 'latitude'), nth('places', n, 'longitude'),
       max(at(now(), '-' || draw(5, 40, 'issued', n) || ' minutes'), substr(now(), 1, 13) || ':00:00Z'), n IN (2, 5)
FROM numbers WHERE n <= 16 ORDER BY n;

-- Today and the six days after it; the mean follows place and month.
INSERT INTO days
SELECT p.point_id, at(now(), (d.n - 1) || ' days', 'date'),
       round(nth('places', p.rowid, 'mean')
         + nth('places', p.rowid, 'swing')
           * CASE CAST(substr(at(now(), (d.n - 1) || ' days'), 6, 2) AS INTEGER)
             WHEN 1 THEN -9 WHEN 2 THEN -8 WHEN 3 THEN -5 WHEN 4 THEN -1 WHEN 5 THEN 3 WHEN 6 THEN 7 WHEN 7 THEN 9 WHEN 8 THEN 9
             WHEN 9 THEN 5 WHEN 10 THEN 1 WHEN 11 THEN -4 ELSE -8 END
         + draw(-25, 25, 'weather', p.rowid, d.n) / 10.0, 1),
       pick('gusts', p.rowid, d.n) + draw(0, 9, 'gust', p.rowid, d.n), pick('rain_chances', p.rowid, d.n)
FROM points p JOIN numbers d ON d.n <= 7 ORDER BY p.rowid, d.n;

INSERT INTO day_shape
SELECT n - 1, CASE WHEN n <= 6 THEN -3 WHEN n <= 9 THEN -1.5 WHEN n <= 12 THEN 1 WHEN n <= 17 THEN 3 WHEN n <= 20 THEN 1.5 ELSE -1 END,
       CASE WHEN n <= 7 THEN 65 WHEN n <= 10 THEN 80 WHEN n <= 13 THEN 92 WHEN n <= 17 THEN 100 WHEN n <= 21 THEN 85 ELSE 72 END
FROM numbers WHERE n <= 24;

-- The masts report every ten minutes; one of them has been silent since the night.
INSERT INTO readings
SELECT p.point_id,
       at(now(), CASE p.rowid WHEN 3 THEN '-' || draw(4, 9, 'silent', p.rowid) || ' hours' ELSE '-' || draw(1, 9, 'measured', p.rowid) || ' minutes' END),
       round(d.mean_c + s.warmer_c + draw(-8, 8, 'measured', p.rowid) / 10.0, 1),
       round(max(6, d.gust_kmh * s.gust_percent * draw(50, 68, 'mean wind', p.rowid) / 10000.0), 1),
       draw(0, 35, 'direction', p.rowid) * 10, min(99, 48 + d.rain_chance / 2 + draw(0, 8, 'humidity', p.rowid)),
       CASE WHEN d.rain_chance >= 60 THEN CASE WHEN d.mean_c + s.warmer_c < 0.5 THEN 'snow' WHEN chance(0.15, 'thunder', p.rowid) THEN 'thunder' ELSE 'rain' END
            WHEN d.rain_chance >= 25 THEN CASE WHEN d.gust_kmh < 25 AND chance(0.3, 'fog', p.rowid) THEN 'fog' ELSE 'cloudy' END
            ELSE 'clear' END
FROM points p JOIN days d ON d.point_id = p.point_id AND d.forecast_date = at(now(), 'date')
JOIN day_shape s ON s.hour = CAST(substr(now(), 12, 2) AS INTEGER)
ORDER BY p.rowid;

INSERT INTO wind_powers VALUES
  (5, 1.2937), (10, 1.44544), (15, 1.54232), (20, 1.61497), (25, 1.67367), (30, 1.72321), (35, 1.76624),
  (40, 1.80439), (45, 1.83871), (50, 1.86997), (55, 1.89871), (60, 1.92533), (70, 1.9734), (80, 2.01602),
  (90, 2.05437), (100, 2.0893), (120, 2.15114), (150, 2.22933), (200, 2.33434);

-- Two or three alerts at a point, each of another person.
INSERT INTO alerts
SELECT 'alt_' || alnum(8, 'alert', p.rowid * 4 + k.n), p.point_id, l.quantity, l.direction, l.threshold, person(p.rowid * 4 + k.n),
       email(person(p.rowid * 4 + k.n), pick('domains', p.rowid, k.n)), at(now(), '-' || draw(40, 400, 'alert', p.rowid, k.n) || ' days')
FROM points p JOIN numbers k ON k.n <= 2 + p.rowid % 2
JOIN (SELECT n, nth('limits', n, 'quantity') AS quantity, nth('limits', n, 'direction') AS direction, nth('limits', n, 'threshold') AS threshold
      FROM numbers WHERE n <= 11) l ON l.n = draw(1, 11, 'limit', p.rowid, k.n)
WHERE (p.latitude < 48 OR l.threshold <> 32) AND (p.latitude > 50 OR l.quantity <> 'snow_cm_per_hour')
ORDER BY p.rowid, k.n;

-- Each alert has fired up to seven times in the last weeks, heat in summer and frost in winter; the last two are often open.
INSERT INTO firings
SELECT 'fir_' || alnum(8, 'firing', a.rowid * 9 + k.n), a.alert_id,
       at(now(), '-' || (k.n * 4 + draw(0, 3, 'fired', a.rowid, k.n)) || ' days', draw(0, 23, 'fired at', a.rowid, k.n) || ':' || draw(10, 59, 'fired at', a.rowid, k.n)),
       round(a.threshold + CASE a.direction WHEN 'above' THEN 1 ELSE -1 END
             * CASE a.quantity WHEN 'gust_kmh' THEN draw(10, 190, 'value', a.rowid, k.n) / 10.0
               WHEN 'temperature_c' THEN draw(2, 45, 'value', a.rowid, k.n) / 10.0 ELSE draw(1, 25, 'value', a.rowid, k.n) / 10.0 END, 1),
       CASE WHEN k.n > 2 OR chance(0.4, 'done', a.rowid, k.n) THEN
         CASE a.quantity WHEN 'gust_kmh' THEN pick('gust_actions', a.rowid, k.n) WHEN 'temperature_c' THEN pick('heat_actions', a.rowid, k.n)
              ELSE pick('wet_actions', a.rowid, k.n) END END
FROM alerts a JOIN numbers k ON k.n <= draw(0, 7, 'firings', a.rowid)
WHERE a.quantity IN ('gust_kmh', 'rain_mm_per_hour')
   OR (a.threshold = 32) = (substr(now(), 6, 2) BETWEEN '06' AND '09') AND (a.threshold = 32 OR substr(now(), 6, 2) NOT BETWEEN '05' AND '10')
ORDER BY a.rowid, k.n;

--- invariant an alert fires on its side of the threshold
SELECT firing_id FROM firings JOIN alerts USING (alert_id)
WHERE (direction = 'above' AND forecast_value <= threshold) OR (direction = 'below' AND forecast_value >= threshold);
--- invariant nothing fires before its alert was made
SELECT firing_id FROM firings JOIN alerts USING (alert_id) WHERE fired_at < created_at;

--- tool find_forecast_points
--- error place_unknown
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM points
  WHERE matches(city, :city) OR (:latitude IS NOT NULL AND :longitude IS NOT NULL AND distance(latitude, longitude, :latitude, :longitude) < 60));
--- page forecast_points
SELECT point_id, city, latitude, longitude FROM points
WHERE matches(city, :city) OR (:latitude IS NOT NULL AND :longitude IS NOT NULL AND distance(latitude, longitude, :latitude, :longitude) < 60)
ORDER BY coalesce(distance(latitude, longitude, :latitude, :longitude), 0), city;

--- tool get_conditions
--- error point_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM points WHERE point_id = :point_id);
--- error sensor_silent
SELECT 1 FROM readings WHERE point_id = :point_id AND measured_at < at(now(), '-3 hours');
--- result
SELECT point_id, :unit_system AS unit_system,
       CASE :unit_system WHEN 'imperial' THEN round(temperature_c * 9 / 5 + 32, 1) ELSE temperature_c END AS temperature,
       CASE :unit_system WHEN 'imperial' THEN round(wind_kmh * 0.621371, 1) ELSE wind_kmh END AS wind_speed,
       wind_direction_deg, humidity_percent, sky, measured_at
FROM readings WHERE point_id = :point_id;

--- tool list_hourly_forecast
--- error point_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM points WHERE point_id = :point_id);
--- error model_run_late
SELECT 1 FROM points WHERE point_id = :point_id AND run_late AND :hours_ahead > 48;
--- result
SELECT :unit_system AS unit_system;
--- rows hours
SELECT h.valid_at,
       CASE :unit_system WHEN 'imperial' THEN round((d.mean_c + s.warmer_c + draw(-6, 6, 'hour', h.valid_at, d.point_id) / 10.0) * 9 / 5 + 32, 1)
            ELSE round(d.mean_c + s.warmer_c + draw(-6, 6, 'hour', h.valid_at, d.point_id) / 10.0, 1) END AS temperature,
       CASE :unit_system WHEN 'imperial' THEN round((d.gust_kmh * s.gust_percent / 100.0 + draw(-25, 25, 'gusts', h.valid_at, d.point_id) / 10.0) * 0.621371, 1)
            ELSE round(d.gust_kmh * s.gust_percent / 100.0 + draw(-25, 25, 'gusts', h.valid_at, d.point_id) / 10.0, 1) END AS gust_speed,
       max(0, min(100, d.rain_chance + draw(-2, 2, 'rain', h.valid_at, d.point_id) * 3)) AS rain_chance_percent
FROM (SELECT substr(at(p.issued_at, '+' || n || ' hours'), 1, 13) || ':00:00Z' AS valid_at FROM points p JOIN numbers ON n <= :hours_ahead
      WHERE p.point_id = :point_id) h
JOIN days d ON d.point_id = :point_id AND d.forecast_date = substr(h.valid_at, 1, 10)
JOIN day_shape s ON s.hour = CAST(substr(h.valid_at, 12, 2) AS INTEGER)
ORDER BY h.valid_at;

--- tool create_threshold_alert
--- error point_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM points WHERE point_id = :point_id);
--- error alert_duplicate
SELECT 1 FROM alerts WHERE point_id = :point_id AND quantity = :quantity AND email = :email;
--- let
SELECT 'alt_' || alnum(8, 'alert', fresh(0)) AS alert_id;
--- do
INSERT INTO alerts VALUES (:alert_id, :point_id, :quantity, :direction, :threshold, NULL, :email, now());
--- result
SELECT alert_id, point_id, quantity, direction, threshold, email, 'armed' AS status FROM alerts WHERE alert_id = :alert_id;

--- tool list_alert_firings
--- error alert_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alert_id = :alert_id);
--- page firings
SELECT firing_id, fired_at, forecast_value, action_note IS NOT NULL AS acknowledged FROM firings
WHERE alert_id = :alert_id AND (:start_date IS NULL OR substr(fired_at, 1, 10) >= :start_date)
ORDER BY fired_at DESC;

--- tool acknowledge_firing
--- error firing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM firings WHERE firing_id = :firing_id);
--- error already_acknowledged
SELECT 1 FROM firings WHERE firing_id = :firing_id AND action_note IS NOT NULL;
--- do
UPDATE firings SET action_note = :action_note WHERE firing_id = :firing_id;
--- result
SELECT firing_id, alert_id, action_note, 1 AS acknowledged FROM firings WHERE firing_id = :firing_id;

--- tool delete_alert
--- error alert_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alert_id = :alert_id);
--- do
DELETE FROM firings WHERE alert_id = :alert_id;
DELETE FROM alerts WHERE alert_id = :alert_id;
--- result
SELECT :alert_id AS alert_id, 1 AS deleted;

--- tool estimate_wind_chill
--- error outside_formula
SELECT 1 WHERE :wind_kmh > 150 OR :temperature_c < -50;
--- let
SELECT low.power + (high.power - low.power) * (:wind_kmh - low.wind_kmh) / max(1.0, high.wind_kmh - low.wind_kmh) AS power
FROM (SELECT wind_kmh, power FROM wind_powers WHERE wind_kmh <= :wind_kmh ORDER BY wind_kmh DESC LIMIT 1) low,
     (SELECT wind_kmh, power FROM wind_powers WHERE wind_kmh >= :wind_kmh ORDER BY wind_kmh LIMIT 1) high;
--- let
SELECT round(13.12 + 0.6215 * :temperature_c - 11.37 * :power + 0.3965 * :temperature_c * :power, 1) AS felt;
--- result
SELECT :felt AS felt_temperature_c,
       CASE WHEN :felt > -27 THEN NULL WHEN :felt > -40 THEN 30 WHEN :felt > -48 THEN 10 ELSE 5 END AS safe_minutes,
       CASE WHEN :felt > -10 THEN 'low' WHEN :felt > -27 THEN 'moderate' WHEN :felt > -40 THEN 'high' ELSE 'extreme' END AS risk_level;
