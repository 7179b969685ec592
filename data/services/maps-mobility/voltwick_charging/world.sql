-- Voltwick Charging: public chargers in a few towns of the euro area. Moments are UTC; money is in euro cents.
-- A car takes 120 kW at most, less a tenth on the way. A connector is reserved while a hold on it runs, and charging while a session is open; the meter is read every ten minutes.

--- tables
CREATE TABLE towns (
  town TEXT PRIMARY KEY,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL
);
CREATE TABLE stations (
  station_id TEXT PRIMARY KEY,
  station_name TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL,
  town TEXT NOT NULL REFERENCES towns,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  offline INTEGER NOT NULL CHECK (offline IN (0, 1))
);
CREATE TABLE connectors (
  connector_id TEXT PRIMARY KEY,
  station_id TEXT NOT NULL REFERENCES stations,
  plug TEXT NOT NULL CHECK (plug IN ('ccs2', 'type2', 'chademo')),
  power_kw INTEGER NOT NULL,
  price_per_kwh_cents INTEGER NOT NULL,
  out_of_order INTEGER NOT NULL CHECK (out_of_order IN (0, 1)),
  lock_sticks INTEGER NOT NULL CHECK (lock_sticks IN (0, 1))
);
CREATE INDEX connectors_by_station ON connectors (station_id);
CREATE TABLE holds (
  reservation_id TEXT PRIMARY KEY,
  connector_id TEXT NOT NULL REFERENCES connectors,
  licence_plate TEXT NOT NULL,
  hold_minutes INTEGER NOT NULL CHECK (hold_minutes BETWEEN 5 AND 45),
  held_until TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'used', 'cancelled')),
  plugged_in INTEGER NOT NULL CHECK (plugged_in IN (0, 1))
);
CREATE INDEX holds_by_connector ON holds (connector_id);
CREATE TABLE sessions (
  charging_session_id TEXT PRIMARY KEY,
  reservation_id TEXT NOT NULL UNIQUE REFERENCES holds,
  battery_kwh REAL NOT NULL,
  start_percent INTEGER NOT NULL CHECK (start_percent BETWEEN 0 AND 99),
  stop_at_percent INTEGER NOT NULL CHECK (stop_at_percent BETWEEN 10 AND 100),
  started_at TEXT NOT NULL,
  ended_at TEXT,
  faulted INTEGER NOT NULL CHECK (faulted IN (0, 1))
);
CREATE TABLE loose (                     -- cables that sit badly
  reservation_id TEXT NOT NULL REFERENCES holds,
  turn INTEGER NOT NULL                  -- the call just before which it was noticed; by the one after the next it sits well
);

--- populate
INSERT INTO towns
SELECT nth('towns', n, 'town'), nth('towns', n, 'latitude'), nth('towns', n, 'longitude') FROM numbers WHERE n <= 4 ORDER BY n;

INSERT INTO stations
SELECT 'vst_' || digits(5, 'station', n), nth('sites', n) || ' ' || town, street(n) || ', ' || town, town,
       round(latitude + draw(-260, 260, 'north', n) / 10000.0, 4), round(longitude + draw(-380, 380, 'east', n) / 10000.0, 4), n % 11 = 6
FROM (SELECT t.town, t.latitude, t.longitude, (t.rowid - 1) * 6 + k.n AS n FROM towns t JOIN numbers k ON k.n <= 6)
ORDER BY n;

INSERT INTO connectors
SELECT 'vcn_' || digits(7, 'connector', place * 10 + k), station_id, nth('kinds', kind, 'plug'), nth('kinds', kind, 'power'),
       nth('kinds', kind, 'low') + 2 * draw(0, 2, 'price', place), chance(0.06, 'broken', place, k), chance(0.12, 'lock', place, k)
FROM (
  SELECT s.rowid AS place, s.station_id, k.n AS k, 1 + (draw(0, 6, 'mix', s.rowid) + k.n) % 7 AS kind
  FROM stations s JOIN numbers k ON k.n <= draw(3, 6, 'size', s.rowid))
ORDER BY place, k;

-- What goes on at each connector now: nothing, a hold (with or without a car), or a session. Cars and their batteries go together.
-- In the last town every CHAdeMO connector is in use.
INSERT INTO holds
SELECT 'vrs_' || alnum(8, 'hold', n), connector_id, letters(3, 'plate', n) || ' ' || digits(3, 'plate', n), minutes,
       CASE WHEN what <= 4 THEN at(now(), '+' || draw(9, minutes, 'left', n) || ' minutes')
            ELSE at(now(), '-' || CASE WHEN power_kw > 22 THEN draw(8, 15, 'begun', n) ELSE draw(15, 80, 'begun', n) END || ' minutes') END,
       CASE WHEN what <= 4 THEN 'held' ELSE 'used' END, what <> 4 AND what <> 3
FROM (
  SELECT c.rowid AS n, c.connector_id, c.power_kw, nth('hold_times', 1 + c.rowid % 4) AS minutes, CASE WHEN c.plug = 'chademo' AND stations.rowid > 18 THEN 6 ELSE draw(1, 20, 'use', c.rowid) END AS what
  FROM connectors c JOIN stations USING (station_id) WHERE NOT c.out_of_order AND NOT offline)
WHERE what <= 8
ORDER BY n;

INSERT INTO sessions
SELECT 'vcs_' || alnum(9, 'session', h.rowid), h.reservation_id, nth('batteries', 1 + h.rowid % 7), draw(8, 38, 'start', h.rowid),
       nth('stops', 1 + h.rowid % 4), at(h.held_until, '-2 minutes'), NULL, 0
FROM holds h WHERE h.state = 'used' ORDER BY h.rowid;

-- Earlier today and in the last days: sessions that are over, some by a fault, and holds that ran out or were given up.
INSERT INTO holds
SELECT 'vrs_' || alnum(8, 'hold', 400 + n), connector_id, letters(3, 'plate', 400 + n) || ' ' || digits(3, 'plate', 400 + n), nth('hold_times', 1 + n % 4),
       at(now(), '-' || draw(150, 4000, 'past', n) || ' minutes'), CASE WHEN what <= 7 THEN 'used' WHEN what <= 9 THEN 'cancelled' ELSE 'held' END, what <= 7
FROM (SELECT c.rowid AS n, c.connector_id, draw(1, 20, 'before', c.rowid) AS what FROM connectors c)
WHERE what <= 12
ORDER BY n;

INSERT INTO sessions
SELECT 'vcs_' || alnum(9, 'session', h.rowid), h.reservation_id, nth('batteries', 1 + h.rowid % 7), draw(8, 38, 'start', h.rowid),
       nth('stops', 1 + h.rowid % 4), at(h.held_until, '-2 minutes'), at(h.held_until, '+' || draw(20, 60, 'lasted', h.rowid) || ' minutes'),
       chance(0.12, 'fault', h.rowid)
FROM holds h WHERE h.state = 'used' AND h.reservation_id NOT IN (SELECT reservation_id FROM sessions) ORDER BY h.rowid;

--- invariant one session at most is open at a connector
SELECT connector_id FROM sessions JOIN holds USING (reservation_id) WHERE ended_at IS NULL GROUP BY connector_id HAVING count(*) > 1;
--- invariant one hold at most runs on a connector
SELECT connector_id FROM holds WHERE state = 'held' AND held_until > now() GROUP BY connector_id HAVING count(*) > 1;
--- invariant one hold at most runs for a car
SELECT licence_plate FROM holds WHERE state = 'held' AND held_until > now() GROUP BY licence_plate HAVING count(*) > 1;
--- invariant a hold is used where there is a session, and only there
SELECT reservation_id FROM holds LEFT JOIN sessions USING (reservation_id) WHERE (state = 'used') <> (charging_session_id IS NOT NULL);

--- tool search_stations
--- error outside_coverage
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stations WHERE distance(latitude, longitude, :latitude, :longitude) < 60);
--- result
SELECT NULL AS next_cursor;
--- rows stations
SELECT station_id, station_name, address, round(distance(latitude, longitude, :latitude, :longitude), 1) AS distance_km,
       CASE WHEN offline THEN 0 ELSE (
         SELECT count(*) FROM connectors c WHERE c.station_id = s.station_id AND NOT c.out_of_order
         AND (:plug IS NULL OR c.plug = :plug) AND (:min_power_kw IS NULL OR c.power_kw >= :min_power_kw)
         AND NOT EXISTS (
           SELECT 1 FROM holds h LEFT JOIN sessions e USING (reservation_id) WHERE h.connector_id = c.connector_id
           AND (h.state = 'held' AND h.held_until > now() OR h.state = 'used' AND e.ended_at IS NULL))) END AS free_connectors
FROM stations s
WHERE distance(latitude, longitude, :latitude, :longitude) <= :radius_km AND EXISTS (
  SELECT 1 FROM connectors c WHERE c.station_id = s.station_id AND (:plug IS NULL OR c.plug = :plug)
  AND (:min_power_kw IS NULL OR c.power_kw >= :min_power_kw))
ORDER BY distance(latitude, longitude, :latitude, :longitude), station_id;

--- tool list_connectors
--- error station_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stations WHERE station_id = :station_id);
--- error station_offline
SELECT 1 FROM stations WHERE station_id = :station_id AND offline;
--- result
SELECT NULL AS next_cursor;
--- rows connectors
SELECT * FROM (
  SELECT c.connector_id, c.plug, c.power_kw, c.price_per_kwh_cents,
         CASE WHEN c.out_of_order THEN 'out_of_order'
              WHEN EXISTS (SELECT 1 FROM holds h JOIN sessions e USING (reservation_id) WHERE h.connector_id = c.connector_id AND e.ended_at IS NULL)
              THEN 'charging'
              WHEN EXISTS (SELECT 1 FROM holds h WHERE h.connector_id = c.connector_id AND h.state = 'held' AND h.held_until > now())
              THEN 'reserved' ELSE 'free' END AS connector_status
  FROM connectors c WHERE c.station_id = :station_id)
WHERE NOT :free_only OR connector_status = 'free'
ORDER BY power_kw DESC, connector_id;

--- tool estimate_charge
--- error connector_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM connectors WHERE connector_id = :connector_id);
--- error levels_reversed
SELECT 1 WHERE :to_percent <= :from_percent;
--- let
SELECT round(:battery_kwh * (:to_percent - :from_percent) / 100.0, 1) AS kwh;
--- result
SELECT connector_id, :kwh AS energy_kwh, CAST(:kwh * 60 / (min(power_kw, 120) * 0.9) + 1 AS INTEGER) AS minutes,
       CAST(round(:kwh * price_per_kwh_cents) AS INTEGER) AS cost_cents, 'EUR' AS currency
FROM connectors WHERE connector_id = :connector_id;

--- tool reserve_connector
--- error connector_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM connectors WHERE connector_id = :connector_id);
--- error connector_not_free
SELECT 1 FROM connectors c JOIN stations USING (station_id) WHERE c.connector_id = :connector_id AND (c.out_of_order OR offline OR EXISTS (
  SELECT 1 FROM holds h LEFT JOIN sessions e USING (reservation_id) WHERE h.connector_id = c.connector_id
  AND (h.state = 'held' AND h.held_until > now() OR h.state = 'used' AND e.ended_at IS NULL)));
--- error one_hold_per_car
SELECT 1 FROM holds WHERE fold(licence_plate) = fold(:licence_plate) AND state = 'held' AND held_until > now();
--- let
SELECT 'vrs_' || alnum(8, 'hold', fresh(0)) AS reservation_id;
--- do
INSERT INTO holds VALUES (:reservation_id, :connector_id, :licence_plate, :hold_minutes, at(now(), '+' || :hold_minutes || ' minutes'), 'held', 0);
--- result
SELECT reservation_id, connector_id, licence_plate, hold_minutes, held_until, 'held' AS reservation_status FROM holds WHERE reservation_id = :reservation_id;

--- tool cancel_reservation
--- error reservation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM holds WHERE reservation_id = :reservation_id);
--- error reservation_used
SELECT 1 FROM holds WHERE reservation_id = :reservation_id AND state = 'used';
--- error reservation_over
SELECT 1 FROM holds WHERE reservation_id = :reservation_id AND (state = 'cancelled' OR held_until <= now());
--- do
UPDATE holds SET state = 'cancelled', plugged_in = 0 WHERE reservation_id = :reservation_id;
--- result
SELECT reservation_id, connector_id, 'cancelled' AS reservation_status FROM holds WHERE reservation_id = :reservation_id;

--- tool start_charging
--- error reservation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM holds WHERE reservation_id = :reservation_id);
--- error reservation_used
SELECT 1 FROM holds WHERE reservation_id = :reservation_id AND state = 'used';
--- error hold_expired
SELECT 1 FROM holds WHERE reservation_id = :reservation_id AND (state = 'cancelled' OR held_until <= now());
--- error no_car_plugged_in
SELECT 1 FROM holds WHERE reservation_id = :reservation_id AND (NOT plugged_in OR reservation_id IN (SELECT reservation_id FROM loose WHERE turn = turn() - 1));
--- let
SELECT 'vcs_' || alnum(9, 'session', fresh(0)) AS charging_session_id;
--- do
UPDATE holds SET state = 'used' WHERE reservation_id = :reservation_id;
INSERT INTO sessions
SELECT :charging_session_id, :reservation_id, nth('batteries', 1 + draw(0, 6, 'car', :reservation_id)),
       min(draw(8, 38, 'level', :reservation_id), :stop_at_percent - 1), :stop_at_percent, now(), NULL, 0;
--- result
SELECT charging_session_id, reservation_id, connector_id, stop_at_percent, started_at, 'charging' AS status
FROM sessions JOIN holds USING (reservation_id) WHERE charging_session_id = :charging_session_id;

--- tool get_charging_session
--- error session_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE charging_session_id = :charging_session_id);
--- result
SELECT charging_session_id, reservation_id, connector_id, stop_at_percent, started_at,
       CASE WHEN ended_at IS NULL THEN 'charging' WHEN faulted THEN 'faulted' ELSE 'stopped' END AS status,
       start_percent + CAST(kwh * 100 / battery_kwh + 0.5 AS INTEGER) AS battery_percent, kwh AS energy_kwh,
       CAST(round(kwh * price_per_kwh_cents) AS INTEGER) AS cost_cents, 'EUR' AS currency
FROM (
  SELECT e.*, h.connector_id, c.price_per_kwh_cents,
         round(min(min(c.power_kw, 120) * 0.9 * ((CAST(strftime('%s', coalesce(e.ended_at, now())) AS INTEGER) - CAST(strftime('%s', e.started_at) AS INTEGER)) / 600) / 6.0,
                   e.battery_kwh * (e.stop_at_percent - e.start_percent) / 100.0), 1) AS kwh
  FROM sessions e JOIN holds h USING (reservation_id) JOIN connectors c USING (connector_id)
  WHERE e.charging_session_id = :charging_session_id);

--- tool stop_charging
--- error session_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE charging_session_id = :charging_session_id);
--- error session_over
SELECT 1 FROM sessions WHERE charging_session_id = :charging_session_id AND ended_at IS NOT NULL;
--- error cable_lock_stuck
SELECT 1 FROM sessions JOIN holds USING (reservation_id) JOIN connectors USING (connector_id) WHERE charging_session_id = :charging_session_id
  AND (lock_sticks OR reservation_id IN (SELECT reservation_id FROM loose WHERE turn = turn() - 1));
--- do
UPDATE sessions SET ended_at = now() WHERE charging_session_id = :charging_session_id;
UPDATE holds SET plugged_in = 0 WHERE reservation_id = (SELECT reservation_id FROM sessions WHERE charging_session_id = :charging_session_id);
--- result
SELECT charging_session_id, 'stopped' AS status, kwh AS energy_kwh, CAST(round(kwh * price_per_kwh_cents) AS INTEGER) AS cost_cents, 'EUR' AS currency
FROM (
  SELECT e.charging_session_id, c.price_per_kwh_cents,
         round(min(min(c.power_kw, 120) * 0.9 * ((CAST(strftime('%s', e.ended_at) AS INTEGER) - CAST(strftime('%s', e.started_at) AS INTEGER)) / 600) / 6.0,
                   e.battery_kwh * (e.stop_at_percent - e.start_percent) / 100.0), 1) AS kwh
  FROM sessions e JOIN holds h USING (reservation_id) JOIN connectors c USING (connector_id)
  WHERE e.charging_session_id = :charging_session_id);
