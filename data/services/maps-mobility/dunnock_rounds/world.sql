-- Dunnock Rounds: rounds of many stops in four towns. Moments are UTC.
-- A round is planning until its stops are in order (optimized), and locked once it is with the driver (dispatched).
-- The order: stops that close come first, the earliest closing first, then always the nearest one. Roads are 1.3 times the air line.

--- tables
CREATE TABLE places (
  place_id TEXT PRIMARY KEY,
  address TEXT NOT NULL,                -- with the postcode where the street occurs twice in the town
  street_address TEXT NOT NULL,
  city TEXT NOT NULL,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  confidence TEXT NOT NULL CHECK (confidence IN ('rooftop', 'street', 'town')),
  UNIQUE (address, city)
);
CREATE TABLE vehicles (
  vehicle TEXT PRIMARY KEY CHECK (vehicle IN ('car', 'van', 'cargo_bike')),
  km_an_hour INTEGER NOT NULL
);
CREATE TABLE drivers (
  phone TEXT PRIMARY KEY,
  driver_name TEXT NOT NULL,
  reachable INTEGER NOT NULL CHECK (reachable IN (0, 1))
);
CREATE TABLE rounds (
  round_id TEXT PRIMARY KEY,
  round_name TEXT NOT NULL,
  place_id TEXT NOT NULL REFERENCES places,
  departs_at TEXT NOT NULL,
  vehicle TEXT NOT NULL REFERENCES vehicles,
  status TEXT NOT NULL CHECK (status IN ('planning', 'optimized', 'dispatched')),
  phone TEXT,
  created_at TEXT NOT NULL,
  CHECK ((status = 'dispatched') = (phone IS NOT NULL))
);
CREATE TABLE stops (
  stop_id TEXT PRIMARY KEY,
  round_id TEXT NOT NULL REFERENCES rounds,
  place_id TEXT NOT NULL REFERENCES places,
  minutes_on_site INTEGER NOT NULL CHECK (minutes_on_site BETWEEN 1 AND 240),
  opens TEXT,
  closes TEXT,
  position INTEGER,
  arrives_at TEXT
);
CREATE INDEX stops_by_round ON stops (round_id);

--- populate
INSERT INTO vehicles VALUES ('car', 32), ('van', 28), ('cargo_bike', 15);

INSERT INTO drivers
SELECT phone(n), person(n), n > 3 FROM numbers WHERE n <= 11 ORDER BY n;

INSERT OR IGNORE INTO places
SELECT 'plc_' || alnum(10, 'place', c.n * 40 + p.n), street(c.n * 40 + p.n), street(c.n * 40 + p.n), nth('cities', c.n, 'city'),
       round(nth('cities', c.n, 'lat') + draw(-300, 300, 'lat', c.n, p.n) / 10000.0, 5),
       round(nth('cities', c.n, 'lon') + draw(-450, 450, 'lon', c.n, p.n) / 10000.0, 5),
       'rooftop'
FROM numbers c JOIN numbers p ON p.n <= 32 WHERE c.n <= 4 ORDER BY c.n, p.n;

-- Three streets of each town occur twice, in different districts.
INSERT OR IGNORE INTO places
SELECT 'plc_' || alnum(10, 'place', 300 + (c.n * 3 + p.n) * 2 + k.n),
       street(400 + c.n * 3 + p.n) || ', ' || nth('cities', c.n, 'code') || (p.n * 4 + k.n * 3) || ' ' || draw(1, 9, 'sector', c.n, p.n, k.n) || pick('postcode_units', c.n, p.n, k.n),
       street(400 + c.n * 3 + p.n), nth('cities', c.n, 'city'),
       round(nth('cities', c.n, 'lat') + draw(-300, 300, 'lat', c.n, p.n, k.n) / 10000.0, 5),
       round(nth('cities', c.n, 'lon') + draw(-450, 450, 'lon', c.n, p.n, k.n) / 10000.0, 5), 'rooftop'
FROM numbers c JOIN numbers p ON p.n <= 3 JOIN numbers k ON k.n <= 2 WHERE c.n <= 4 ORDER BY c.n, p.n, k.n;

-- Rounds 1 to 5 are being planned, 6 and 7 have one stop so far, 8 and 9 have a stop that closes before they leave,
-- 10 to 13 are in order, 14 to 17 are with their drivers, and 18 is full.
INSERT INTO rounds
SELECT 'rnd_' || alnum(8, 'round', n), CASE n WHEN 18 THEN 'Parish magazines' ELSE nth('rounds', n, 'name') END,
       'plc_' || alnum(10, 'place', (1 + n % 4) * 40 + 1),
       CASE WHEN n BETWEEN 14 AND 17 THEN at(now(), '+' || (n % 2) || ' days', nth('early', 1 + n % 4))
            ELSE at(now(), '+' || (1 + n % 4) || ' days', CASE weekday(at(now(), '+' || (1 + n % 4) || ' days')) WHEN 'sunday' THEN '+3 days' ELSE '+0 days' END,
                    nth('early', 1 + n % 4)) END,
       pick('vehicles', n), CASE WHEN n BETWEEN 10 AND 13 THEN 'optimized' WHEN n BETWEEN 14 AND 17 THEN 'dispatched' ELSE 'planning' END,
       CASE WHEN n BETWEEN 14 AND 17 THEN phone(n - 8) END,
       CASE WHEN n BETWEEN 14 AND 17 THEN at(now(), '-2 days', '15:20', '+' || n || ' minutes') ELSE at(now(), '-1 days', '12:40', '+' || (n * 14) || ' minutes') END
FROM numbers WHERE n <= 18 ORDER BY n;

INSERT INTO stops
SELECT 'stp_' || alnum(7, 'stop', r.rowid * 100 + k.n), r.round_id, p.place_id,
       CASE r.rowid WHEN 18 THEN draw(2, 4, 'minutes', k.n) ELSE max(1, nth('rounds', 1 + (r.rowid - 1) % 18, 'minutes') + draw(-1, 2, 'minutes', r.rowid, k.n) * CASE WHEN nth('rounds', 1 + (r.rowid - 1) % 18, 'minutes') >= 20 THEN 5 ELSE 1 END) END,
       CASE WHEN r.rowid IN (8, 9) AND k.n = 2 THEN '05:30' WHEN r.rowid <= 13 AND k.n = 1 THEN '08:00' END,
       CASE WHEN r.rowid IN (8, 9) AND k.n = 2 THEN '06:30' WHEN r.rowid <= 13 AND k.n = 1 THEN '17:00' END, NULL, NULL
FROM rounds r JOIN numbers k ON k.n <= CASE WHEN r.rowid IN (6, 7) THEN 1 WHEN r.rowid = 18 THEN 30 ELSE 4 + r.rowid % 3 END
JOIN places p ON p.place_id = 'plc_' || alnum(10, 'place', (1 + r.rowid % 4) * 40 + 2 + (r.rowid * 7 + k.n * 5) % 31)
ORDER BY r.rowid, k.n;

UPDATE stops SET position = w.position, arrives_at = w.arrives
FROM (
  WITH RECURSIVE walk (round_id, position, stop_id, visited, latitude, longitude, speed, arrives, leaves) AS (
    SELECT r.round_id, 0, '', '', p.latitude, p.longitude, v.km_an_hour, r.departs_at, r.departs_at
    FROM rounds r JOIN places p USING (place_id) JOIN vehicles v USING (vehicle) WHERE r.status <> 'planning'
    UNION ALL
    SELECT w.round_id, w.position + 1, s.stop_id, w.visited || s.stop_id, p.latitude, p.longitude, w.speed,
           max(at(w.leaves, '+' || (3 + CAST(distance(w.latitude, w.longitude, p.latitude, p.longitude) * 78 / w.speed AS INTEGER)) || ' minutes'),
               coalesce(substr(w.leaves, 1, 11) || s.opens || ':00Z', '')),
           at(max(at(w.leaves, '+' || (3 + CAST(distance(w.latitude, w.longitude, p.latitude, p.longitude) * 78 / w.speed AS INTEGER)) || ' minutes'),
                  coalesce(substr(w.leaves, 1, 11) || s.opens || ':00Z', '')), '+' || s.minutes_on_site || ' minutes')
    FROM walk w JOIN stops s ON s.round_id = w.round_id AND s.stop_id = (
      SELECT next FROM (
        SELECT n.stop_id AS next, coalesce(n.closes, '99') AS closing, distance(w.latitude, w.longitude, q.latitude, q.longitude) AS way,
               coalesce(substr(w.leaves, 1, 11) || n.opens || ':00Z', '')
               > at(w.leaves, '+' || (3 + CAST(distance(w.latitude, w.longitude, q.latitude, q.longitude) * 78 / w.speed AS INTEGER)) || ' minutes') AS shut
        FROM stops n JOIN places q USING (place_id) WHERE n.round_id = w.round_id AND instr(w.visited, n.stop_id) = 0)
      ORDER BY shut, closing, way, next LIMIT 1)
    JOIN places p ON p.place_id = s.place_id
  )
  SELECT * FROM walk
) w WHERE w.stop_id = stops.stop_id;

--- invariant stops have an hour where their round is in order
SELECT stop_id FROM stops JOIN rounds USING (round_id) WHERE (status = 'planning') <> (arrives_at IS NULL);
--- invariant a round has 30 stops at most
SELECT round_id FROM stops GROUP BY round_id HAVING count(*) > 30;

--- tool geocode_address
--- error address_not_found
SELECT 1 WHERE coalesce(:country_code, 'GB') <> 'GB' OR NOT EXISTS (
  SELECT 1 FROM places WHERE fold(city) = fold(:city) AND fold(:address) IN (fold(address), fold(street_address)));
--- error address_ambiguous
SELECT 1 WHERE (SELECT count(*) FROM places WHERE fold(city) = fold(:city) AND fold(:address) IN (fold(address), fold(street_address))) > 1;
--- result
SELECT place_id, address, city, latitude, longitude, confidence FROM places
WHERE fold(city) = fold(:city) AND fold(:address) IN (fold(address), fold(street_address));

--- tool estimate_travel_time
--- error place_not_found
SELECT 1 WHERE (SELECT count(*) FROM places WHERE place_id IN (:from_place, :to_place)) < 1 + (:from_place <> :to_place);
--- let
SELECT distance(a.latitude, a.longitude, b.latitude, b.longitude) * 1.3 AS road_km, coalesce(:vehicle, 'car') AS by_vehicle
FROM places a, places b WHERE a.place_id = :from_place AND b.place_id = :to_place;
--- error no_road_connection
SELECT 1 WHERE :by_vehicle = 'cargo_bike' AND :road_km > 60;
--- result
SELECT :from_place AS from_place, :to_place AS to_place, :by_vehicle AS vehicle,
       3 + CAST(:road_km * 60 / (km_an_hour + CASE WHEN :road_km > 30 THEN 40 ELSE 0 END) AS INTEGER) AS minutes, round(:road_km, 1) AS distance_km
FROM vehicles WHERE vehicle = :by_vehicle;

--- tool create_round
--- error place_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM places WHERE place_id = :place_id);
--- error departure_in_past
SELECT 1 WHERE :departs_at < now();
--- let
SELECT 'rnd_' || alnum(8, 'round', 20000 + fresh(0)) AS round_id;
--- do
INSERT INTO rounds VALUES (:round_id, :round_name, :place_id, :departs_at, coalesce(:vehicle, 'car'), 'planning', NULL, now());
--- result
SELECT round_id, round_name, place_id, departs_at, vehicle, status FROM rounds WHERE round_id = :round_id;

--- tool add_stop
--- error round_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rounds WHERE round_id = :round_id);
--- error place_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM places WHERE place_id = :place_id);
--- error open_hours_invalid
SELECT 1 WHERE :open_hours ->> '$.closes' <= :open_hours ->> '$.opens' OR :open_hours ->> '$.closes' > '23:59';
--- error round_dispatched
SELECT 1 FROM rounds WHERE round_id = :round_id AND status = 'dispatched';
--- error stop_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM stops WHERE round_id = :round_id) >= 30;
--- let
SELECT 'stp_' || alnum(7, 'stop', 20000 + fresh(0)) AS stop_id;
--- do
INSERT INTO stops VALUES (:stop_id, :round_id, :place_id, :minutes_on_site, :open_hours ->> '$.opens', :open_hours ->> '$.closes', NULL, NULL);
UPDATE stops SET position = NULL, arrives_at = NULL WHERE round_id = :round_id;
UPDATE rounds SET status = 'planning' WHERE round_id = :round_id;
--- result
SELECT stop_id, round_id, place_id, minutes_on_site, (SELECT count(*) FROM stops o WHERE o.round_id = s.round_id) AS stop_count
FROM stops s WHERE stop_id = :stop_id;

--- tool remove_stop
--- error stop_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stops WHERE stop_id = :stop_id);
--- error round_dispatched
SELECT 1 FROM stops JOIN rounds USING (round_id) WHERE stop_id = :stop_id AND status = 'dispatched';
--- let
SELECT round_id AS its_round FROM stops WHERE stop_id = :stop_id;
--- do
DELETE FROM stops WHERE stop_id = :stop_id;
UPDATE stops SET position = NULL, arrives_at = NULL WHERE round_id = :its_round;
UPDATE rounds SET status = 'planning' WHERE round_id = :its_round;
--- result
SELECT :stop_id AS stop_id, round_id, 1 AS removed, status FROM rounds WHERE round_id = :its_round;

--- tool optimize_round
--- error round_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rounds WHERE round_id = :round_id);
--- error round_dispatched
SELECT 1 FROM rounds WHERE round_id = :round_id AND status = 'dispatched';
--- error too_few_stops
SELECT 1 WHERE (SELECT count(*) FROM stops WHERE round_id = :round_id) < 2;
--- let
WITH RECURSIVE walk (position, stop_id, visited, latitude, longitude, speed, arrives, leaves, km, late) AS (
  SELECT 0, '', '', p.latitude, p.longitude, v.km_an_hour, r.departs_at, r.departs_at, 0.0, 0
  FROM rounds r JOIN places p USING (place_id) JOIN vehicles v USING (vehicle) WHERE r.round_id = :round_id
  UNION ALL
  SELECT w.position + 1, s.stop_id, w.visited || s.stop_id, p.latitude, p.longitude, w.speed,
         max(at(w.leaves, '+' || (3 + CAST(distance(w.latitude, w.longitude, p.latitude, p.longitude) * 78 / w.speed AS INTEGER)) || ' minutes'),
             coalesce(substr(w.leaves, 1, 11) || s.opens || ':00Z', '')),
         at(max(at(w.leaves, '+' || (3 + CAST(distance(w.latitude, w.longitude, p.latitude, p.longitude) * 78 / w.speed AS INTEGER)) || ' minutes'),
                coalesce(substr(w.leaves, 1, 11) || s.opens || ':00Z', '')), '+' || s.minutes_on_site || ' minutes'),
         w.km + distance(w.latitude, w.longitude, p.latitude, p.longitude) * 1.3,
         w.late + (at(w.leaves, '+' || (3 + CAST(distance(w.latitude, w.longitude, p.latitude, p.longitude) * 78 / w.speed AS INTEGER)) || ' minutes')
                   > coalesce(substr(w.leaves, 1, 11) || s.closes || ':00Z', '9999'))
  FROM walk w JOIN stops s ON s.round_id = :round_id AND s.stop_id = (
    SELECT next FROM (
      SELECT n.stop_id AS next, coalesce(n.closes, '99') AS closing, distance(w.latitude, w.longitude, q.latitude, q.longitude) AS way,
             coalesce(substr(w.leaves, 1, 11) || n.opens || ':00Z', '')
             > at(w.leaves, '+' || (3 + CAST(distance(w.latitude, w.longitude, q.latitude, q.longitude) * 78 / w.speed AS INTEGER)) || ' minutes') AS shut
      FROM stops n JOIN places q USING (place_id) WHERE n.round_id = :round_id AND instr(w.visited, n.stop_id) = 0)
    ORDER BY shut, closing, way, next LIMIT 1)
  JOIN places p ON p.place_id = s.place_id
),
home AS (
  SELECT w.leaves, w.km, w.late, w.speed, distance(w.latitude, w.longitude, p.latitude, p.longitude) * 1.3 AS way_back, r.departs_at
  FROM walk w, rounds r JOIN places p USING (place_id)
  WHERE r.round_id = :round_id AND w.position = (SELECT count(*) FROM stops WHERE round_id = :round_id)
)
SELECT (SELECT json_group_array(json_object('stop_id', stop_id, 'position', position, 'arrives', arrives)) FROM walk WHERE position > 0) AS way,
       late, round(km + way_back, 1) AS total_km,
       CAST(round((julianday(leaves) - julianday(departs_at)) * 1440) AS INTEGER) + 3 + CAST(way_back * 60 / speed AS INTEGER) AS total_minutes
FROM home;
--- error open_hours_unreachable
SELECT 1 WHERE :late > 0;
--- do
UPDATE stops SET position = w.value ->> '$.position', arrives_at = w.value ->> '$.arrives'
FROM json_each(:way) w WHERE stops.stop_id = w.value ->> '$.stop_id';
UPDATE rounds SET status = 'optimized' WHERE round_id = :round_id;
--- result
SELECT round_id, coalesce(:goal, 'shortest_time') AS goal, :total_minutes AS total_minutes, :total_km AS total_km, status
FROM rounds WHERE round_id = :round_id;

--- tool get_round
--- error round_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rounds WHERE round_id = :round_id);
--- result
SELECT round_id, round_name, place_id, departs_at, vehicle, status, created_at FROM rounds WHERE round_id = :round_id;
--- rows stops
SELECT stop_id, address, minutes_on_site, arrives_at FROM stops s JOIN places USING (place_id)
WHERE round_id = :round_id ORDER BY position, s.rowid;

--- tool dispatch_round
--- error round_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rounds WHERE round_id = :round_id);
--- error already_dispatched
SELECT 1 FROM rounds WHERE round_id = :round_id AND status = 'dispatched';
--- error not_optimized
SELECT 1 FROM rounds WHERE round_id = :round_id AND status = 'planning';
--- error phone_unreachable
SELECT 1 FROM drivers WHERE phone = :phone AND NOT reachable;
--- do
UPDATE rounds SET status = 'dispatched', phone = :phone WHERE round_id = :round_id;
--- result
SELECT round_id, phone, 'https://go.dunnock.example/' || substr(round_id, 5) AS url, status FROM rounds WHERE round_id = :round_id;
