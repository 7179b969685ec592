-- Hearthwren Rooms: one home. Every floor has a hub; a floor whose hub is silent cannot be read or set.
-- Lights and plugs are switched, thermostats have a target, blinds and sensors are only read.

--- tables
CREATE TABLE hubs (
  floor TEXT PRIMARY KEY CHECK (floor IN ('basement', 'ground', 'upper', 'attic')),
  silent_since TEXT                      -- null where the hub is heard from
);
CREATE TABLE rooms (
  room_id TEXT PRIMARY KEY,
  room_name TEXT NOT NULL UNIQUE,
  floor TEXT NOT NULL REFERENCES hubs,
  temperature_c REAL NOT NULL
);
CREATE TABLE devices (
  device_id TEXT PRIMARY KEY,
  room_id TEXT NOT NULL REFERENCES rooms,
  device_name TEXT NOT NULL,
  device_kind TEXT NOT NULL CHECK (device_kind IN ('light', 'thermostat', 'blind', 'sensor', 'plug')),
  power TEXT CHECK (power IN ('on', 'off')),
  brightness_percent INTEGER CHECK (brightness_percent BETWEEN 1 AND 100),
  color_temperature_k INTEGER,
  target_temperature_c REAL CHECK (target_temperature_c BETWEEN 5 AND 30),
  hold_until TEXT,
  battery_percent INTEGER CHECK (battery_percent BETWEEN 1 AND 100),
  is_open INTEGER,                       -- of window sensors
  reachable INTEGER NOT NULL CHECK (reachable IN (0, 1)),
  UNIQUE (room_id, device_name),
  CHECK ((power IS NOT NULL) = (device_kind IN ('light', 'plug'))),
  CHECK ((brightness_percent IS NOT NULL) = (device_kind = 'light')),
  CHECK ((target_temperature_c IS NOT NULL) = (device_kind = 'thermostat'))
);
CREATE TABLE routines (
  routine_id TEXT PRIMARY KEY,
  routine_name TEXT NOT NULL UNIQUE,
  run_at TEXT
);
CREATE TABLE steps (
  routine_id TEXT NOT NULL REFERENCES routines,
  place INTEGER NOT NULL,
  device_id TEXT NOT NULL REFERENCES devices,
  power TEXT NOT NULL CHECK (power IN ('on', 'off')),
  PRIMARY KEY (routine_id, place)
);

--- populate
-- One floor that is little used has a silent hub.
INSERT INTO hubs
SELECT value, CASE WHEN value = nth('spare_floors', 1) THEN at(now(), '-' || draw(12, 900, 'silent') || ' minutes') END
FROM json_each('["basement", "ground", "upper", "attic"]') ORDER BY value;

-- Four rooms on each of the floors that people live on, two under the roof and two below.
INSERT INTO rooms
SELECT 'rom_' || alnum(8, 'room', n), room_name, floor,
       CASE floor WHEN 'basement' THEN draw(28, 34, 'warm', n) WHEN 'attic' THEN draw(34, 44, 'warm', n) ELSE draw(35, 44, 'warm', n) END / 2.0
       + draw(0, 4, 'tenths', n) / 10.0
FROM (SELECT n, nth('rooms', n, 'name') AS room_name, nth('rooms', n, 'floor') AS floor,
             row_number() OVER (PARTITION BY nth('rooms', n, 'floor') ORDER BY n) AS place FROM numbers WHERE n <= 22)
WHERE place <= CASE WHEN floor IN ('ground', 'upper') THEN 4 ELSE 2 END ORDER BY n;

INSERT INTO devices
SELECT 'dev_' || alnum(8, 'device', f.n), r.room_id, f.device_name, f.kind,
       CASE WHEN f.kind IN ('light', 'plug') THEN CASE WHEN chance(0.4, 'on', f.n) THEN 'on' ELSE 'off' END END,
       CASE WHEN f.kind = 'light' THEN pick('levels', f.n) END,
       CASE WHEN f.kind = 'light' THEN pick('warmths', f.n) END,
       CASE WHEN f.kind = 'thermostat' THEN round(r.temperature_c) - draw(0, 1, 'cooler', f.n) / 2.0 END,
       NULL,
       CASE WHEN f.kind IN ('thermostat', 'sensor') THEN draw(4, 98, 'battery', f.n) END,
       CASE WHEN f.device_name = 'Window sensor' THEN 0 END,
       r.floor <> nth('spare_floors', 1)
FROM (SELECT n, nth('fixtures', n, 'room') AS room, nth('fixtures', n, 'name') AS device_name, nth('fixtures', n, 'kind') AS kind
      FROM numbers WHERE n <= 103) f
JOIN rooms r ON r.room_name = f.room
ORDER BY f.n;

-- On the other floors two lights and a thermostat do not answer, and the window is open in one heated room.
UPDATE devices SET reachable = 0 WHERE device_id IN (
  SELECT device_id FROM (
    SELECT d.device_id, d.device_kind, row_number() OVER (PARTITION BY d.device_kind ORDER BY d.device_name IN ('Window radiator', 'Corner radiator'), d.device_id) AS place
    FROM devices d JOIN rooms USING (room_id) WHERE floor IN ('ground', 'upper'))
  WHERE (device_kind = 'light' AND place <= 2) OR (device_kind = 'thermostat' AND place = 1) OR (device_kind = 'blind' AND place = 1));
UPDATE devices SET is_open = 1 WHERE device_id = (
  SELECT s.device_id FROM devices s JOIN rooms r USING (room_id) JOIN devices t ON t.room_id = s.room_id
  WHERE s.is_open = 0 AND r.floor IN ('ground', 'upper') AND t.device_kind = 'thermostat' AND t.reachable
  ORDER BY hexdigits(6, 'airing', s.rowid) LIMIT 1);

INSERT INTO routines
SELECT 'rtn_' || alnum(8, 'routine', n), nth('routines', n, 'name'), nth('routines', n, 'at') FROM numbers WHERE n <= 7 ORDER BY n;
INSERT INTO steps
SELECT routine_id, place, device_id, nth('routines', number, 'power') FROM (
  SELECT r.routine_id, r.rowid AS number, d.device_id,
         row_number() OVER (PARTITION BY r.rowid ORDER BY hexdigits(6, 'step', r.rowid * 100 + d.rowid)) AS place
  FROM routines r JOIN devices d ON d.device_kind IN ('light', 'plug') AND (d.reachable OR r.rowid > 5)
  JOIN rooms USING (room_id) WHERE floor IN ('ground', 'upper'))
WHERE place <= 2 + number % 3 ORDER BY number, place;
-- The last two have a step that cannot be done.
INSERT OR REPLACE INTO steps
SELECT r.routine_id, 2, (SELECT d.device_id FROM devices d JOIN rooms USING (room_id)
                         WHERE d.device_kind = 'light' AND NOT d.reachable AND floor IN ('ground', 'upper') ORDER BY d.device_id LIMIT 1),
       nth('routines', r.rowid, 'power')
FROM routines r WHERE r.rowid > 5 ORDER BY r.rowid;

--- invariant a step switches what can be switched
SELECT device_id FROM steps JOIN devices d USING (device_id) WHERE d.power IS NULL;
--- invariant heating is not set where a window is open
SELECT t.device_id FROM devices t JOIN devices s USING (room_id) WHERE s.is_open AND t.hold_until > now();

--- tool list_rooms
--- error hub_offline
SELECT 1 FROM hubs WHERE floor = :floor AND silent_since < at(now(), '-5 minutes');
--- rows rooms
SELECT room_id, room_name, floor, temperature_c FROM rooms JOIN hubs USING (floor)
WHERE (:floor IS NULL OR floor = :floor) AND silent_since IS NULL ORDER BY floor, room_name;

--- tool list_devices
--- error room_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rooms WHERE room_id = :room_id);
--- rows devices
SELECT device_id, device_name, device_kind, reachable FROM devices
WHERE room_id = :room_id AND (:device_kind IS NULL OR device_kind = :device_kind) ORDER BY device_kind, device_name;

--- tool get_device
--- error device_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM devices WHERE device_id = :device_id);
--- result
SELECT device_id, room_id, device_name, device_kind, power, brightness_percent, target_temperature_c, battery_percent, reachable
FROM devices WHERE device_id = :device_id;

--- tool set_light
--- error device_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM devices WHERE device_id = :device_id);
--- error not_a_light
SELECT 1 FROM devices WHERE device_id = :device_id AND device_kind <> 'light';
--- error device_unreachable
SELECT 1 FROM devices WHERE device_id = :device_id AND NOT reachable;
--- do
-- A light that is switched off keeps how bright and warm it was.
UPDATE devices SET power = :power,
  brightness_percent = CASE :power WHEN 'on' THEN :brightness_percent ELSE brightness_percent END,
  color_temperature_k = CASE :power WHEN 'on' THEN :color_temperature_k ELSE color_temperature_k END
WHERE device_id = :device_id;
--- result
SELECT device_id, power, brightness_percent, color_temperature_k FROM devices WHERE device_id = :device_id;

--- tool set_thermostat
--- error device_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM devices WHERE device_id = :device_id);
--- error not_a_thermostat
SELECT 1 FROM devices WHERE device_id = :device_id AND device_kind <> 'thermostat';
--- error device_unreachable
SELECT 1 FROM devices WHERE device_id = :device_id AND NOT reachable;
--- error window_open
SELECT 1 FROM devices t JOIN devices s USING (room_id) WHERE t.device_id = :device_id AND s.is_open;
--- do
UPDATE devices SET target_temperature_c = :target_temperature_c,
  hold_until = CASE WHEN :hold_hours > 0 THEN at(now(), '+' || :hold_hours || ' hours') END
WHERE device_id = :device_id;
--- result
SELECT device_id, target_temperature_c, :hold_hours AS hold_hours, 'manual' AS heating_mode FROM devices WHERE device_id = :device_id;

--- tool create_routine
--- error routine_name_taken
SELECT 1 FROM routines WHERE fold(routine_name) = fold(:routine_name);
--- error step_device_unknown
SELECT 1 FROM json_each(:steps) WHERE value ->> '$.device_id' NOT IN (SELECT device_id FROM devices);
--- error step_not_switchable
SELECT 1 FROM json_each(:steps) JOIN devices ON device_id = value ->> '$.device_id' WHERE power IS NULL;
--- let
SELECT 'rtn_' || alnum(8, 'routine', fresh(0)) AS routine_id;
--- do
INSERT INTO routines VALUES (:routine_id, :routine_name, :run_at);
INSERT INTO steps SELECT :routine_id, key + 1, value ->> '$.device_id', value ->> '$.power' FROM json_each(:steps) ORDER BY key;
--- result
SELECT routine_id, routine_name, (SELECT count(*) FROM steps s WHERE s.routine_id = r.routine_id) AS step_count, run_at, 'enabled' AS status
FROM routines r WHERE routine_id = :routine_id;

--- tool run_routine
--- error routine_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM routines WHERE routine_id = :routine_id);
--- error step_failed
SELECT 1 FROM steps JOIN devices USING (device_id) WHERE routine_id = :routine_id AND NOT reachable AND NOT :skip_unreachable;
--- do
UPDATE devices SET power = (SELECT s.power FROM steps s WHERE s.routine_id = :routine_id AND s.device_id = devices.device_id
                            ORDER BY place DESC LIMIT 1)
WHERE reachable AND power IS NOT NULL AND device_id IN (SELECT device_id FROM steps WHERE routine_id = :routine_id);
--- result
SELECT :routine_id AS routine_id, (SELECT count(*) FROM steps JOIN devices USING (device_id) WHERE routine_id = :routine_id AND reachable) AS steps_done,
       'completed' AS run_status;
--- rows failed_device_ids
SELECT device_id FROM steps JOIN devices USING (device_id) WHERE routine_id = :routine_id AND NOT reachable ORDER BY place;

--- tool delete_routine
--- error routine_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM routines WHERE routine_id = :routine_id);
--- do
DELETE FROM steps WHERE routine_id = :routine_id;
DELETE FROM routines WHERE routine_id = :routine_id;
--- result
SELECT :routine_id AS routine_id, 1 AS deleted;
