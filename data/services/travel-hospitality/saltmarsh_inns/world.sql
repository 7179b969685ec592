-- Saltmarsh Inns: rooms at inns by the sea. Money is in pence; dates are days of the inns, moments are UTC.
-- A stay holds its room from the night of its arrival to the night before its departure. One night is paid in advance.

--- tables
CREATE TABLE inns (
  inn_id TEXT PRIMARY KEY,
  inn_name TEXT NOT NULL UNIQUE,
  city TEXT NOT NULL,
  address TEXT NOT NULL,
  phone TEXT NOT NULL,
  closed_from TEXT,                     -- first night without guests
  closed_to TEXT,                       -- day on which it opens again
  CHECK ((closed_from IS NULL) = (closed_to IS NULL))
);
CREATE TABLE inn_amenities (
  inn_id TEXT NOT NULL REFERENCES inns,
  amenity TEXT NOT NULL CHECK (amenity IN ('sauna', 'restaurant', 'dogs_allowed', 'sea_view', 'step_free')),
  PRIMARY KEY (inn_id, amenity)
);
CREATE TABLE inn_extras (
  inn_id TEXT NOT NULL REFERENCES inns,
  extra TEXT NOT NULL CHECK (extra IN ('breakfast', 'late_departure', 'dog_bed', 'picnic_hamper', 'airport_transfer')),
  each_pence INTEGER NOT NULL,
  PRIMARY KEY (inn_id, extra)
);
CREATE TABLE rooms (
  room_id TEXT PRIMARY KEY,
  inn_id TEXT NOT NULL REFERENCES inns,
  room_name TEXT NOT NULL,
  beds TEXT NOT NULL,
  sleeps INTEGER NOT NULL CHECK (sleeps BETWEEN 1 AND 6),
  nightly_pence INTEGER NOT NULL,
  UNIQUE (inn_id, room_name)
);
CREATE TABLE stays (
  stay_id TEXT PRIMARY KEY,
  room_id TEXT NOT NULL REFERENCES rooms,
  guest_name TEXT NOT NULL,
  email TEXT NOT NULL,
  start_date TEXT NOT NULL,
  end_date TEXT NOT NULL,
  guests INTEGER NOT NULL CHECK (guests > 0),
  card_works INTEGER NOT NULL CHECK (card_works IN (0, 1)),
  status TEXT NOT NULL CHECK (status IN ('confirmed', 'in_house', 'departed', 'cancelled')),
  created_at TEXT NOT NULL,
  CHECK (end_date > start_date)
);
CREATE INDEX stays_by_room ON stays (room_id, start_date);
CREATE TABLE stay_extras (
  stay_extra_id TEXT PRIMARY KEY,
  stay_id TEXT NOT NULL REFERENCES stays,
  extra TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 20),
  serve_on TEXT,
  price_pence INTEGER NOT NULL
);
CREATE INDEX extras_by_stay ON stay_extras (stay_id);

--- populate
-- Two of the nine inns close for three weeks soon.
INSERT INTO inns
SELECT 'inn_' || nth('inns', n, 'code'), nth('inns', n, 'name'), nth('inns', n, 'city'), street(n), phone(900 + n),
       CASE WHEN n <= 2 THEN at(now(), '+' || draw(9, 14, 'closed', n) || ' days', 'date') END,
       CASE WHEN n <= 2 THEN at(now(), '+' || (draw(9, 14, 'closed', n) + 21) || ' days', 'date') END
FROM numbers WHERE n <= 9 ORDER BY n;

INSERT OR IGNORE INTO inn_amenities
SELECT inn_id, pick('amenities', i.inn_id, k.n) FROM inns i JOIN numbers k ON k.n <= 4;

INSERT INTO inn_extras
SELECT inn_id, e.value ->> '$.extra', 50 * draw(e.value ->> '$.low', e.value ->> '$.high', 'price', i.inn_id, e.key)
FROM inns i JOIN json_each('[{"extra":"breakfast","low":25,"high":36,"share":1},
  {"extra":"late_departure","low":40,"high":70,"share":0.8},{"extra":"picnic_hamper","low":56,"high":84,"share":0.7},
  {"extra":"airport_transfer","low":130,"high":190,"share":0.5},{"extra":"dog_bed","low":20,"high":30,"share":0}]') e
WHERE chance(e.value ->> '$.share', 'offers', i.inn_id, e.key)
   OR (e.value ->> '$.extra' = 'dog_bed'
       AND EXISTS (SELECT 1 FROM inn_amenities a WHERE a.inn_id = i.inn_id AND a.amenity = 'dogs_allowed'));

INSERT INTO rooms
SELECT 'rm_' || substr(i.inn_id, 5) || printf('%03d', k.n + CASE WHEN k.n > 3 THEN 197 ELSE 100 END), i.inn_id,
       nth('room_names', 1 + (i.rowid * 5 + k.n) % 18), b.value ->> '$.beds', b.value ->> '$.sleeps',
       100 * (draw(15, 22, 'rate', i.inn_id) * 5 + (b.value ->> '$.more') + draw(0, 3, 'view', i.inn_id, k.n) * 4)
FROM inns i JOIN numbers k ON k.n <= 6
JOIN json_each('[{"beds":"a double bed","sleeps":2,"more":0},{"beds":"a king-size bed","sleeps":2,"more":20},
  {"beds":"twin beds","sleeps":2,"more":5},{"beds":"a double bed and bunk beds","sleeps":4,"more":45},
  {"beds":"a king-size bed and two singles","sleeps":4,"more":60},{"beds":"a single bed","sleeps":1,"more":-20}]') b
  ON b.key = CASE WHEN k.n <= 4 THEN k.n - 1 ELSE draw(0, 5, 'beds', i.inn_id, k.n) END
ORDER BY i.rowid, k.n;

-- Nine windows of five days for each room, from twelve days ago on; a stay lies within its window.
INSERT INTO stays
WITH d AS MATERIALIZED (SELECT at(now(), 'date') AS today),
r AS MATERIALIZED (
  SELECT r.rowid AS room_row, w.n AS place, r.room_id, r.sleeps, i.closed_from, i.closed_to
  FROM rooms r JOIN inns i USING (inn_id) JOIN numbers w ON w.n <= 9 WHERE chance(0.48, 'taken', r.rowid, w.n)),
s AS MATERIALIZED (
  SELECT r.*, d.today, date(d.today, (place * 5 - 17 + draw(0, 1, 'from', room_row, place)) || ' days') AS start_date,
         date(d.today, (place * 5 - 16 + draw(1, 3, 'nights', room_row, place)) || ' days') AS end_date FROM r JOIN d),
p AS MATERIALIZED (
  SELECT *, 'sty_' || alnum(8, 'stay', room_row * 10 + place) AS stay_id, person(room_row * 10 + place) AS guest_name,
         draw(max(1, sleeps - 1), sleeps, 'guests', room_row, place) AS guests
  FROM s WHERE closed_from IS NULL OR end_date <= closed_from OR start_date >= closed_to)
SELECT stay_id, room_id, guest_name, email(guest_name, pick('mail', stay_id)), start_date, end_date, guests, chance(0.7, 'card', stay_id),
       CASE WHEN start_date >= today AND chance(0.1, 'cancelled', stay_id) THEN 'cancelled'
            WHEN start_date >= today THEN 'confirmed'
            WHEN end_date > today OR (end_date = today AND chance(0.7, 'still here', stay_id)) THEN 'in_house'
            ELSE 'departed' END,
       at(min(start_date, today), '-' || draw(4, 70, 'made', stay_id) || ' days', draw(9, 20, 'hour', stay_id) || ':' || draw(10, 59, 'minute', stay_id))
FROM p
ORDER BY room_row, place;

INSERT INTO stay_extras
SELECT 'xtr_' || alnum(6, 'extra', row_number() OVER (ORDER BY s.rowid, e.extra)), s.stay_id, e.extra,
       CASE WHEN e.extra = 'breakfast' THEN s.guests ELSE 1 END,
       CASE e.extra WHEN 'late_departure' THEN s.end_date WHEN 'airport_transfer' THEN s.end_date
                    ELSE at(s.start_date, '+1 days', 'date') END,
       e.each_pence * CASE WHEN e.extra = 'breakfast' THEN s.guests ELSE 1 END
FROM stays s JOIN rooms r USING (room_id) JOIN inn_extras e USING (inn_id)
WHERE s.status <> 'cancelled' AND chance(CASE e.extra WHEN 'breakfast' THEN 0.4 ELSE 0.12 END, 'extra', s.stay_id, e.extra);

--- invariant no room has two parties in one night
SELECT a.stay_id FROM stays a JOIN stays b USING (room_id)
WHERE a.stay_id < b.stay_id AND a.status IN ('confirmed', 'in_house') AND b.status IN ('confirmed', 'in_house')
  AND a.start_date < b.end_date AND b.start_date < a.end_date;
--- invariant no party is larger than its room
SELECT stay_id FROM stays JOIN rooms USING (room_id) WHERE guests > sleeps;
--- invariant nobody stays at an inn that is closed
SELECT stay_id FROM stays JOIN rooms USING (room_id) JOIN inns USING (inn_id)
WHERE status <> 'cancelled' AND start_date < closed_to AND end_date > closed_from;
--- invariant an extra is one that the inn offers, within the stay
SELECT stay_extra_id FROM stay_extras x JOIN stays s USING (stay_id) JOIN rooms r USING (room_id)
WHERE NOT EXISTS (SELECT 1 FROM inn_extras e WHERE e.inn_id = r.inn_id AND e.extra = x.extra)
   OR x.serve_on NOT BETWEEN s.start_date AND s.end_date;

--- tool search_inns
--- error no_inn_in_city
SELECT 1 WHERE :city IS NOT NULL AND NOT EXISTS (SELECT 1 FROM inns WHERE fold(city) = fold(:city));
--- page inns
SELECT inn_id, inn_name, city, address, phone FROM inns i
WHERE (:city IS NULL OR fold(city) = fold(:city))
  AND NOT EXISTS (
    SELECT 1 FROM json_each(coalesce(:amenities, '[]')) wanted
    WHERE wanted.value NOT IN (SELECT amenity FROM inn_amenities a WHERE a.inn_id = i.inn_id))
ORDER BY inn_name;

--- tool list_free_rooms
--- error inn_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM inns WHERE inn_id = :inn_id);
--- error dates_reversed
SELECT 1 WHERE :end_date <= :start_date;
--- error arrival_in_past
SELECT 1 WHERE :start_date < at(now(), 'date');
--- error inn_closed_for_season
SELECT 1 FROM inns WHERE inn_id = :inn_id AND :start_date < closed_to AND :end_date > closed_from;
--- page rooms
SELECT room_id, room_name, beds, nightly_pence FROM rooms r
WHERE inn_id = :inn_id AND sleeps >= :guests
  AND NOT EXISTS (SELECT 1 FROM stays s WHERE s.room_id = r.room_id AND s.status IN ('confirmed', 'in_house')
                  AND s.start_date < :end_date AND s.end_date > :start_date)
ORDER BY room_id;

--- tool book_stay
--- error room_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rooms WHERE room_id = :room_id);
--- error dates_reversed
SELECT 1 WHERE :end_date <= :start_date;
--- error arrival_in_past
SELECT 1 WHERE :start_date < at(now(), 'date');
--- error too_many_guests
SELECT 1 FROM rooms WHERE room_id = :room_id AND sleeps < :guests;
--- error room_no_longer_free
SELECT 1 FROM rooms r JOIN inns i USING (inn_id)
WHERE r.room_id = :room_id AND (
  (:start_date < i.closed_to AND :end_date > i.closed_from)
  OR EXISTS (SELECT 1 FROM stays s WHERE s.room_id = r.room_id AND s.status IN ('confirmed', 'in_house')
             AND s.start_date < :end_date AND s.end_date > :start_date));
--- let
SELECT 'sty_' || alnum(8, 'stay', 20000 + fresh(0)) AS stay_id;
--- do
INSERT INTO stays VALUES
  (:stay_id, :room_id, :guest_name, :email, :start_date, :end_date, :guests, 1, 'confirmed', now());
--- result
SELECT stay_id, room_id, guest_name, email, start_date, end_date, guests, nightly_pence AS deposit_pence, status
FROM stays JOIN rooms USING (room_id) WHERE stay_id = :stay_id;

--- tool add_stay_extra
--- error stay_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stays WHERE stay_id = :stay_id);
--- error stay_has_ended
SELECT 1 FROM stays WHERE stay_id = :stay_id AND status IN ('departed', 'cancelled');
--- error extra_not_offered
SELECT 1 FROM stays s JOIN rooms r USING (room_id)
WHERE s.stay_id = :stay_id AND NOT EXISTS (SELECT 1 FROM inn_extras e WHERE e.inn_id = r.inn_id AND e.extra = :extra);
--- error outside_stay
SELECT 1 FROM stays WHERE stay_id = :stay_id AND :serve_on NOT BETWEEN start_date AND end_date;
--- let
SELECT 'xtr_' || alnum(6, 'extra', 20000 + fresh(0)) AS stay_extra_id, e.each_pence * :quantity AS price_pence
FROM stays s JOIN rooms r USING (room_id) JOIN inn_extras e USING (inn_id)
WHERE s.stay_id = :stay_id AND e.extra = :extra;
--- do
INSERT INTO stay_extras VALUES (:stay_extra_id, :stay_id, :extra, :quantity, :serve_on, :price_pence);
--- result
SELECT stay_extra_id, stay_id, extra, quantity, serve_on, price_pence FROM stay_extras WHERE stay_extra_id = :stay_extra_id;

--- tool get_stay
--- error stay_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stays WHERE stay_id = :stay_id);
--- result
SELECT stay_id, room_id, guest_name, email, start_date, end_date, guests, status,
       CASE WHEN status IN ('departed', 'cancelled') THEN 0
            ELSE (CAST(julianday(end_date) - julianday(start_date) AS INTEGER) - 1) * nightly_pence
                 + coalesce((SELECT sum(price_pence) FROM stay_extras x WHERE x.stay_id = s.stay_id), 0) END AS balance_pence,
       created_at
FROM stays s JOIN rooms USING (room_id) WHERE stay_id = :stay_id;
--- rows extras
SELECT stay_extra_id, extra, quantity, price_pence FROM stay_extras WHERE stay_id = :stay_id ORDER BY serve_on, stay_extra_id;

--- tool check_out_stay
--- error stay_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stays WHERE stay_id = :stay_id);
--- error guest_not_in_house
SELECT 1 FROM stays WHERE stay_id = :stay_id AND status <> 'in_house';
--- let
SELECT (CAST(julianday(end_date) - julianday(start_date) AS INTEGER) - 1) * nightly_pence
       + coalesce((SELECT sum(price_pence) FROM stay_extras x WHERE x.stay_id = s.stay_id), 0) AS charged_pence
FROM stays s JOIN rooms USING (room_id) WHERE stay_id = :stay_id;
--- error card_declined
SELECT 1 FROM stays
WHERE stay_id = :stay_id AND coalesce(:payment_method, 'card_on_file') = 'card_on_file' AND NOT card_works AND :charged_pence > 0;
--- do
UPDATE stays SET status = 'departed' WHERE stay_id = :stay_id;
--- result
SELECT stay_id, coalesce(:payment_method, 'card_on_file') AS payment_method, :charged_pence AS charged_pence,
       0 AS balance_pence, status
FROM stays WHERE stay_id = :stay_id;

--- tool cancel_stay
--- error stay_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM stays WHERE stay_id = :stay_id);
--- error already_cancelled
SELECT 1 FROM stays WHERE stay_id = :stay_id AND status = 'cancelled';
--- error stay_already_started
SELECT 1 FROM stays WHERE stay_id = :stay_id AND status IN ('in_house', 'departed');
--- let
SELECT CASE WHEN :waive_fee OR start_date >= at(now(), '+7 days', 'date') THEN nightly_pence ELSE 0 END AS refund_pence
FROM stays JOIN rooms USING (room_id) WHERE stay_id = :stay_id;
--- do
UPDATE stays SET status = 'cancelled' WHERE stay_id = :stay_id;
--- result
SELECT stay_id, :refund_pence AS refund_pence, status FROM stays WHERE stay_id = :stay_id;
