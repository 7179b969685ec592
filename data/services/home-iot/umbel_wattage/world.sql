-- Umbel Wattage: smart meters, tariffs and wall chargers of households in the euro area. Moments are UTC; money is in euro cents.
-- A day's consumption follows from what the household uses in a year, the season and the day itself; hours are shares of a day.
-- A charge runs in one go at full power. It is planned until it starts, charging until all is loaded, and then done; what has
-- flowed is read every quarter of an hour.

--- tables
CREATE TABLE countries (
  country_code TEXT PRIMARY KEY,
  mean_cents REAL NOT NULL              -- of a kWh
);
CREATE TABLE seasons (
  month INTEGER PRIMARY KEY CHECK (month BETWEEN 1 AND 12),
  use_share REAL NOT NULL,              -- of an average day
  sun_kwh REAL NOT NULL                 -- fed in on a fair day for each kW of solar roof
);
CREATE TABLE day_hours (
  hour INTEGER PRIMARY KEY CHECK (hour BETWEEN 0 AND 23),
  use_share REAL NOT NULL,              -- of the day's consumption
  sun_share REAL NOT NULL,              -- of the day's feed-in
  price_factor REAL NOT NULL            -- of the country's mean price
);
CREATE TABLE tariffs (
  tariff_id TEXT PRIMARY KEY,
  tariff_name TEXT NOT NULL,
  country_code TEXT NOT NULL REFERENCES countries,
  pricing TEXT NOT NULL CHECK (pricing IN ('flat', 'day_night', 'hourly')),
  green INTEGER NOT NULL CHECK (green IN (0, 1)),
  mean_cents_per_kwh REAL NOT NULL,
  monthly_fee_cents INTEGER NOT NULL,
  UNIQUE (country_code, tariff_name),
  UNIQUE (country_code, mean_cents_per_kwh)
);
CREATE TABLE meters (
  meter_id TEXT PRIMARY KEY,
  meter_serial TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL,
  country_code TEXT NOT NULL REFERENCES countries,
  has_solar INTEGER NOT NULL CHECK (has_solar IN (0, 1)),
  solar_kw REAL NOT NULL,
  yearly_kwh INTEGER NOT NULL,
  charging_kw REAL NOT NULL,            -- what the circuit can carry for chargers
  registered_at TEXT NOT NULL
);
CREATE TABLE chargers (
  charger_id TEXT PRIMARY KEY,
  meter_id TEXT NOT NULL REFERENCES meters,
  charger_name TEXT NOT NULL,
  max_power_kw REAL NOT NULL
);
CREATE TABLE charges (
  charge_id TEXT PRIMARY KEY,
  charger_id TEXT NOT NULL REFERENCES chargers,
  energy_kwh REAL NOT NULL CHECK (energy_kwh BETWEEN 1 AND 150),
  ready_by TEXT NOT NULL,
  planned_start_at TEXT NOT NULL,
  planned_end_at TEXT NOT NULL,
  cancelled_at TEXT,
  created_at TEXT NOT NULL,
  CHECK (planned_end_at <= ready_by AND planned_start_at < planned_end_at)
);
CREATE INDEX charges_by_charger ON charges (charger_id);

--- populate
INSERT INTO countries VALUES ('AT', 26.5), ('DE', 31.5), ('ES', 21.5), ('IE', 33.0), ('NL', 28.0);

INSERT INTO seasons VALUES
  (1, 1.34, 0.7), (2, 1.22, 1.2), (3, 1.09, 2.0), (4, 0.95, 2.9), (5, 0.86, 3.4), (6, 0.8, 3.7),
  (7, 0.78, 3.6), (8, 0.79, 3.2), (9, 0.88, 2.4), (10, 0.98, 1.5), (11, 1.13, 0.8), (12, 1.28, 0.5);

INSERT INTO day_hours VALUES
  (0, 0.025, 0, 0.96), (1, 0.02, 0, 0.72), (2, 0.02, 0, 0.68), (3, 0.02, 0, 0.66), (4, 0.02, 0, 0.7), (5, 0.03, 0, 0.76),
  (6, 0.045, 0.01, 1.1), (7, 0.05, 0.02, 1.28), (8, 0.045, 0.06, 1.24), (9, 0.04, 0.1, 1.08), (10, 0.04, 0.13, 0.95), (11, 0.05, 0.15, 0.86),
  (12, 0.055, 0.16, 0.82), (13, 0.045, 0.14, 0.84), (14, 0.04, 0.11, 0.9), (15, 0.04, 0.07, 1.0), (16, 0.05, 0.04, 1.15), (17, 0.065, 0.01, 1.36),
  (18, 0.075, 0, 1.44), (19, 0.07, 0, 1.38), (20, 0.055, 0, 1.2), (21, 0.045, 0, 1.04), (22, 0.03, 0, 0.94), (23, 0.025, 0, 1.0);

INSERT INTO tariffs
SELECT 'trf_' || alnum(8, 'tariff', place), nth('suppliers', (place - 1) / 3 + 1) || ' ' || nth('products', product, 'name'), country_code,
       nth('products', product, 'pricing'), nth('products', product, 'green'),
       round(mean_cents + nth('products', product, 'extra') + draw(-9, 9, 'cents', place) / 10.0 + (place - 1) % 9 / 100.0, 2),
       10 * draw(69, 139, 'fee', place)
FROM (SELECT c.country_code, c.mean_cents, s.n AS supplier, ((c.rowid - 1) * 3 + s.n - 1) * 3 + p.n AS place, 1 + (s.n * 2 + p.n) % 6 AS product
      FROM countries c JOIN numbers s ON s.n <= 3 JOIN numbers p ON p.n <= 3)
ORDER BY place;

INSERT INTO meters
SELECT 'mtr_' || alnum(8, 'meter', n), country_code || '-' || digits(7, 'serial', n), street(n) || ', ' || nth('towns', (n - 1) / 2 + 1, 'town'), country_code,
       solar_kw > 0, solar_kw, yearly_kwh, charging_kw, at(now(), '-' || days || ' days', '10:' || draw(10, 59, 'minute', n))
FROM (SELECT n, nth('towns', (n - 1) / 2 + 1, 'country') AS country_code, CASE WHEN n % 2 = 1 THEN draw(4, 10, 'solar', n) * 1.0 ELSE 0.0 END AS solar_kw,
             draw(26, 58, 'year', n) * 100 AS yearly_kwh,
             CASE n WHEN 1 THEN 22.0 WHEN 2 THEN 15.0 WHEN 3 THEN 24.0 WHEN 4 THEN 33.0 WHEN 5 THEN 15.0 WHEN 6 THEN 22.0 WHEN 7 THEN 24.0
                    WHEN 8 THEN 15.0 WHEN 9 THEN 26.0 ELSE 33.0 END AS charging_kw,
             CASE WHEN n IN (7, 8) THEN draw(6, 21, 'days', n) ELSE draw(420, 1100, 'days', n) END AS days
      FROM numbers WHERE n <= 10)
ORDER BY n;

INSERT INTO chargers
SELECT 'chg_' || alnum(8, 'charger', m.rowid * 2 + k.n), m.meter_id, nth('charger_names', 1 + (m.rowid * 2 + k.n) % 6),
       CASE WHEN m.rowid IN (5, 9) AND k.n = 1 OR m.rowid = 4 AND k.n = 2 THEN 7.4 ELSE 11.0 END
FROM meters m JOIN numbers k ON k.n <= CASE WHEN m.rowid IN (7, 8) THEN 0 WHEN m.rowid IN (1, 4, 9, 10) THEN 2 ELSE 1 END
ORDER BY m.rowid, k.n;

-- Two nights of the last week at each charger; some of the charges were called off before.
INSERT INTO charges
SELECT 'crg_' || alnum(8, 'charge', c.rowid * 2 + k.n), c.charger_id, energy.kwh, at(now(), '-' || (k.n * 3 - 2) || ' days', pick('mornings', c.rowid, k.n)),
       at(now(), '-' || (k.n * 3 - 2) || ' days', '01:00'),
       at(now(), '-' || (k.n * 3 - 2) || ' days', '01:00', '+' || CAST(round(energy.kwh * 60 / c.max_power_kw) AS INTEGER) || ' minutes'),
       CASE WHEN (c.rowid + k.n) % 4 = 0 THEN at(now(), '-' || (k.n * 3 - 1) || ' days', '21:40') END,
       at(now(), '-' || (k.n * 3 - 1) || ' days', '1' || draw(6, 9, 'hour', c.rowid, k.n) || ':' || draw(10, 59, 'made', c.rowid, k.n))
FROM chargers c JOIN numbers k ON k.n <= 2
JOIN (SELECT charger_id, n, draw(3, 7, 'kwh', charger_id, n) * 5.0 AS kwh FROM chargers JOIN numbers ON n <= 2) energy
  ON energy.charger_id = c.charger_id AND energy.n = k.n
ORDER BY c.rowid, k.n;

-- What hangs on the chargers now: a charge that runs, one planned for tonight, or nothing. The second charger of a house is free, except in the last house.
INSERT INTO charges
SELECT 'crg_' || alnum(8, 'charge', 500 + place), charger_id, kwh, ready_by, start_at,
       at(start_at, '+' || CAST(round(kwh * 60 / max_power_kw) AS INTEGER) || ' minutes'), NULL,
       CASE WHEN runs THEN start_at ELSE at(now(), '-' || draw(20, 90, 'just', place) || ' minutes') END
FROM (SELECT c.rowid AS place, c.charger_id, c.max_power_kw, c.runs,
             CASE WHEN c.runs THEN round(c.max_power_kw * draw(28, 40, 'run', c.rowid) / 10.0) ELSE draw(3, 7, 'plan', c.rowid) * 5.0 END AS kwh,
             CASE WHEN c.runs THEN at(now(), '-' || draw(61, 66, 'begun', c.rowid) || ' minutes')
                  ELSE at(now(), '+1 days', nth('night_starts', 1 + c.rowid % 3)) END AS start_at,
             CASE WHEN c.runs THEN substr(at(now(), '+' || draw(4, 5, 'away', c.rowid) || ' hours'), 1, 13) || ':00:00Z'
                  ELSE at(now(), '+1 days', pick('mornings', 'plan', c.rowid)) END AS ready_by
      FROM (SELECT k.rowid, k.charger_id, k.max_power_kw, m.rowid AS house, k.rowid = (SELECT min(o.rowid) FROM chargers o WHERE o.meter_id = k.meter_id) AS is_first,
                   m.rowid IN (2, 5, 10) AND k.rowid = (SELECT min(o.rowid) FROM chargers o WHERE o.meter_id = k.meter_id) AS runs
            FROM chargers k JOIN meters m USING (meter_id)) c
      WHERE c.house IN (1, 2, 4, 5, 6) AND c.is_first OR c.house = 10)
ORDER BY place;

--- invariant a charger serves one car at a time
SELECT a.charge_id FROM charges a JOIN charges b USING (charger_id)
WHERE a.charge_id < b.charge_id AND a.cancelled_at IS NULL AND b.cancelled_at IS NULL
  AND a.planned_start_at < b.planned_end_at AND b.planned_start_at < a.planned_end_at;
--- invariant chargers do not overload the circuit
SELECT meter_id FROM meters JOIN chargers USING (meter_id) GROUP BY meter_id HAVING sum(max_power_kw) > charging_kw;
--- invariant a charge is planned before it starts
SELECT charge_id FROM charges WHERE created_at > planned_start_at;

--- tool register_meter
--- error serial_in_use
SELECT 1 FROM meters WHERE meter_serial = :meter_serial;
--- error country_not_served
SELECT 1 WHERE :country_code NOT IN (SELECT country_code FROM countries);
--- let
SELECT 'mtr_' || alnum(8, 'meter', fresh(0)) AS meter_id;
--- do
INSERT INTO meters VALUES (:meter_id, :meter_serial, :address, :country_code, :has_solar, CASE WHEN :has_solar THEN 6.0 ELSE 0.0 END, 3800, 22.0, now());
--- result
SELECT meter_id, meter_serial, address, country_code, has_solar, 'registered' AS status FROM meters WHERE meter_id = :meter_id;

--- tool list_consumption
--- error meter_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meters WHERE meter_id = :meter_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error span_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) >= CASE coalesce(:granularity, 'day') WHEN 'hour' THEN 3 WHEN 'day' THEN 62 ELSE 400 END;
--- result
WITH days AS (
  SELECT day, round(m.yearly_kwh / 365.0 * s.use_share * draw(78, 124, 'use', m.meter_id, day) / 100.0, 1) AS used
  FROM (SELECT date(:start_date, '+' || (n - 1) || ' days') AS day FROM numbers) JOIN meters m ON m.meter_id = :meter_id
  JOIN seasons s ON s.month = CAST(substr(day, 6, 2) AS INTEGER)
  WHERE day <= :end_date AND day > substr(m.registered_at, 1, 10))
SELECT coalesce(CASE WHEN :granularity = 'hour'
                     THEN (SELECT round(sum(round(used * h.use_share, 2)), 2) FROM days JOIN day_hours h
                           WHERE day || printf('T%02d:59:59Z', h.hour) < now())
                     ELSE (SELECT round(sum(used), 1) FROM days WHERE day < substr(now(), 1, 10)) END, 0.0) AS total_kwh,
       NULL AS next_cursor;
--- rows intervals
WITH days AS (
  SELECT day, round(m.yearly_kwh / 365.0 * s.use_share * draw(78, 124, 'use', m.meter_id, day) / 100.0, 1) AS used,
         round(m.solar_kw * s.sun_kwh * draw(15, 110, 'sun', m.meter_id, day) / 100.0, 1) AS fed
  FROM (SELECT date(:start_date, '+' || (n - 1) || ' days') AS day FROM numbers) JOIN meters m ON m.meter_id = :meter_id
  JOIN seasons s ON s.month = CAST(substr(day, 6, 2) AS INTEGER)
  WHERE day <= :end_date AND day > substr(m.registered_at, 1, 10))
SELECT starts_at, consumed_kwh, fed_in_kwh FROM (
  SELECT day || printf('T%02d:00:00Z', h.hour) AS starts_at, round(used * h.use_share, 2) AS consumed_kwh, round(fed * h.sun_share, 2) AS fed_in_kwh
  FROM days JOIN day_hours h WHERE :granularity = 'hour' AND day || printf('T%02d:59:59Z', h.hour) < now()
  UNION ALL
  SELECT day || 'T00:00:00Z', used, fed FROM days WHERE coalesce(:granularity, 'day') = 'day' AND day < substr(now(), 1, 10)
  UNION ALL
  SELECT min(day) || 'T00:00:00Z', round(sum(used), 1), round(sum(fed), 1) FROM days
  WHERE :granularity = 'month' AND day < substr(now(), 1, 10) GROUP BY substr(day, 1, 7))
ORDER BY starts_at;

--- tool search_tariffs
--- error country_not_served
SELECT 1 WHERE :country_code NOT IN (SELECT country_code FROM countries);
--- result
SELECT NULL AS next_cursor;
--- rows tariffs
SELECT tariff_id, tariff_name, pricing, mean_cents_per_kwh FROM tariffs
WHERE country_code = :country_code AND (:pricing IS NULL OR pricing = :pricing) AND (NOT :green_only OR green)
ORDER BY mean_cents_per_kwh, tariff_id LIMIT :limit;

--- tool estimate_bill
--- error meter_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meters WHERE meter_id = :meter_id);
--- error tariff_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tariffs WHERE tariff_id = :tariff_id);
--- error too_little_history
SELECT 1 FROM meters WHERE meter_id = :meter_id AND registered_at > at(now(), '-30 days');
--- let
SELECT round(sum(round(m.yearly_kwh / 365.0 * s.use_share * draw(78, 124, 'use', m.meter_id, day) / 100.0, 1)), 1) AS expected_kwh
FROM (SELECT date(substr(now(), 1, 10), '-' || n || ' days') AS day FROM numbers WHERE n <= 365) JOIN meters m ON m.meter_id = :meter_id
JOIN seasons s ON s.month = CAST(substr(day, 6, 2) AS INTEGER)
WHERE s.month = :month;
--- result
SELECT :meter_id AS meter_id, tariff_id, :expected_kwh AS expected_kwh,
       CAST(round(:expected_kwh * mean_cents_per_kwh) AS INTEGER) + monthly_fee_cents AS bill_cents, 'EUR' AS currency
FROM tariffs WHERE tariff_id = :tariff_id;

--- tool add_charger
--- error meter_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meters WHERE meter_id = :meter_id);
--- error circuit_overloaded
SELECT 1 FROM meters m WHERE m.meter_id = :meter_id
  AND :max_power_kw + coalesce((SELECT sum(c.max_power_kw) FROM chargers c WHERE c.meter_id = m.meter_id), 0) > m.charging_kw;
--- let
SELECT 'chg_' || alnum(8, 'charger', fresh(0)) AS charger_id;
--- do
INSERT INTO chargers VALUES (:charger_id, :meter_id, :charger_name, :max_power_kw);
--- result
SELECT charger_id, meter_id, charger_name, max_power_kw, 'idle' AS status FROM chargers WHERE charger_id = :charger_id;

--- tool book_charge
--- error charger_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM chargers WHERE charger_id = :charger_id);
--- error charger_busy
SELECT 1 FROM charges WHERE charger_id = :charger_id AND cancelled_at IS NULL AND planned_end_at > now() AND planned_start_at < :ready_by;
--- error not_enough_time
SELECT 1 FROM chargers WHERE charger_id = :charger_id
  AND at(substr(at(now(), '+20 minutes'), 1, 15) || '0:00Z', '+' || CAST(round(:energy_kwh * 60 / max_power_kw) AS INTEGER) || ' minutes') > :ready_by;
--- let
SELECT 'crg_' || alnum(8, 'charge', fresh(0)) AS charge_id, CAST(round(:energy_kwh * 60 / max_power_kw) AS INTEGER) AS minutes
FROM chargers WHERE charger_id = :charger_id;
--- let
SELECT start_at FROM (
  SELECT start_at,
         (SELECT sum(h.price_factor) FROM day_hours h JOIN numbers k ON k.n <= (:minutes + 59) / 60
          WHERE h.hour = (CAST(substr(start_at, 12, 2) AS INTEGER) + k.n - 1) % 24) AS price
  FROM (SELECT substr(at(now(), '+20 minutes'), 1, 15) || '0:00Z' AS start_at UNION ALL
        SELECT substr(at(now(), '+' || n || ' hours'), 1, 13) || ':00:00Z' FROM numbers WHERE n <= 48)
  WHERE at(start_at, '+' || :minutes || ' minutes') <= :ready_by)
ORDER BY round(price, 4), start_at LIMIT 1;
--- do
INSERT INTO charges VALUES (:charge_id, :charger_id, :energy_kwh, :ready_by, :start_at, at(:start_at, '+' || :minutes || ' minutes'), NULL, now());
--- result
SELECT charge_id, charger_id, energy_kwh, ready_by, planned_start_at, 'planned' AS status,
       CAST(round(energy_kwh * mean_cents * (
         SELECT avg(h.price_factor) FROM day_hours h JOIN numbers k ON k.n <= (:minutes + 59) / 60
         WHERE h.hour = (CAST(substr(planned_start_at, 12, 2) AS INTEGER) + k.n - 1) % 24)) AS INTEGER) AS planned_cost_cents
FROM charges JOIN chargers USING (charger_id) JOIN meters USING (meter_id) JOIN countries USING (country_code) WHERE charge_id = :charge_id;

--- tool get_charge
--- error charge_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM charges WHERE charge_id = :charge_id);
--- let
SELECT CAST((julianday(min(coalesce(cancelled_at, now()), planned_end_at, now())) - julianday(planned_start_at)) * 1440 + 0.01 AS INTEGER) / 15 * 15 AS minutes
FROM charges WHERE charge_id = :charge_id;
--- result
SELECT charge_id, charger_id, energy_kwh, ready_by, planned_start_at, created_at,
       CAST(round(energy_kwh * mean_cents * (
         SELECT avg(h.price_factor) FROM day_hours h JOIN numbers k ON k.n <= (CAST(round(energy_kwh * 60 / max_power_kw) AS INTEGER) + 59) / 60
         WHERE h.hour = (CAST(substr(planned_start_at, 12, 2) AS INTEGER) + k.n - 1) % 24)) AS INTEGER) AS planned_cost_cents,
       CASE WHEN cancelled_at IS NULL AND planned_end_at <= now() THEN energy_kwh
            ELSE round(max(0, :minutes) * max_power_kw / 60.0, 1) END AS loaded_kwh,
       CASE WHEN cancelled_at IS NOT NULL THEN 'cancelled' WHEN planned_start_at > now() THEN 'planned' WHEN planned_end_at > now() THEN 'charging'
            ELSE 'done' END AS status
FROM charges JOIN chargers USING (charger_id) JOIN meters USING (meter_id) JOIN countries USING (country_code) WHERE charge_id = :charge_id;

--- tool cancel_charge
--- error charge_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM charges WHERE charge_id = :charge_id);
--- error already_cancelled
SELECT 1 FROM charges WHERE charge_id = :charge_id AND cancelled_at IS NOT NULL;
--- error charge_done
SELECT 1 FROM charges WHERE charge_id = :charge_id AND planned_end_at <= now();
--- let
SELECT CAST((julianday(now()) - julianday(planned_start_at)) * 1440 + 0.01 AS INTEGER) / 15 * 15 AS minutes FROM charges WHERE charge_id = :charge_id;
--- do
UPDATE charges SET cancelled_at = now() WHERE charge_id = :charge_id;
--- result
SELECT charge_id, round(max(0, :minutes) * max_power_kw / 60.0, 1) AS loaded_kwh, 'cancelled' AS status
FROM charges JOIN chargers USING (charger_id) WHERE charge_id = :charge_id;
