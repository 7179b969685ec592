-- Osprey Charters: requests for charter flights, the operators' offers, and booked charters with their passengers. Moments are UTC.
-- Airfields are closed from 21:00 to 06:00, some on Sundays too. A return doubles the price; flight minutes are of one way.

--- tables
CREATE TABLE airfields (
  airfield_id TEXT PRIMARY KEY,
  airfield_name TEXT NOT NULL,
  place TEXT NOT NULL,
  country_code TEXT NOT NULL,
  country TEXT NOT NULL,
  runway_m INTEGER NOT NULL,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  sundays INTEGER NOT NULL CHECK (sundays IN (0, 1))
);
CREATE TABLE operators (
  operator TEXT PRIMARY KEY,
  currency TEXT NOT NULL
);
CREATE TABLE aircraft (
  tail_number TEXT PRIMARY KEY,
  operator TEXT NOT NULL REFERENCES operators,
  aircraft TEXT NOT NULL,
  seats INTEGER NOT NULL,
  cruise_kmh INTEGER NOT NULL,
  runway_need_m INTEGER NOT NULL,
  pressurised INTEGER NOT NULL CHECK (pressurised IN (0, 1)),
  hourly_cents INTEGER NOT NULL,
  payload_kg INTEGER NOT NULL
);
CREATE TABLE requests (
  charter_request_id TEXT PRIMARY KEY,
  departure_airfield TEXT NOT NULL REFERENCES airfields,
  arrival_airfield TEXT NOT NULL REFERENCES airfields,
  departs_at TEXT NOT NULL,
  seats INTEGER NOT NULL,
  baggage_kg INTEGER NOT NULL,
  return_at TEXT
);
CREATE TABLE offers (
  operator_offer_id TEXT PRIMARY KEY,
  charter_request_id TEXT NOT NULL REFERENCES requests,
  tail_number TEXT NOT NULL REFERENCES aircraft,
  flight_minutes INTEGER NOT NULL,
  price_cents INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1))
);
CREATE INDEX offers_by_request ON offers (charter_request_id);
CREATE TABLE clients_on_hold (client_name TEXT PRIMARY KEY);
CREATE TABLE charters (
  charter_id TEXT PRIMARY KEY,
  operator_offer_id TEXT NOT NULL UNIQUE REFERENCES offers,
  client_name TEXT NOT NULL,
  phone TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('booked', 'manifest_filed', 'flown', 'cancelled')),
  special_needs TEXT,
  created_at TEXT NOT NULL
);
CREATE TABLE passengers (
  passenger_id TEXT PRIMARY KEY,
  charter_id TEXT NOT NULL REFERENCES charters,
  passenger_name TEXT NOT NULL,
  weight_kg INTEGER NOT NULL,
  passport_number TEXT
);
CREATE INDEX passengers_by_charter ON passengers (charter_id);

--- populate
INSERT INTO airfields
SELECT 'af_' || (value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
FROM json_each('[["EGPO","Stornoway Airport","Stornoway","GB","United Kingdom",2205,58.2156,-6.3311,0],
  ["EGPL","Benbecula Airport","Benbecula","GB","United Kingdom",1836,57.4811,-7.3628,0],
  ["EGPR","Barra Airport","Barra","GB","United Kingdom",799,57.0228,-7.4431,0],
  ["EGPU","Tiree Airport","Tiree","GB","United Kingdom",1472,56.4992,-6.8692,1],
  ["EGPI","Islay Airport","Islay","GB","United Kingdom",1545,55.6819,-6.2567,1],
  ["EGPB","Sumburgh Airport","Sumburgh","GB","United Kingdom",1500,59.8789,-1.2956,1],
  ["EGPA","Kirkwall Airport","Kirkwall","GB","United Kingdom",1427,58.9578,-2.905,1],
  ["EGPD","Aberdeen Airport","Aberdeen","GB","United Kingdom",1953,57.2019,-2.1978,1],
  ["EGPE","Inverness Airport","Inverness","GB","United Kingdom",1887,57.5425,-4.0475,1],
  ["EGPF","Glasgow Airport","Glasgow","GB","United Kingdom",2665,55.8719,-4.4331,1],
  ["EGPN","Dundee Airport","Dundee","GB","United Kingdom",1400,56.4525,-3.0258,1],
  ["EGPT","Perth Airport","Perth","GB","United Kingdom",853,56.4392,-3.3722,1],
  ["EGEO","Oban Airport","Oban","GB","United Kingdom",1264,56.4635,-5.3997,0],
  ["EGPC","Wick Airport","Wick","GB","United Kingdom",1825,58.4589,-3.0931,1],
  ["EGNT","Newcastle Airport","Newcastle","GB","United Kingdom",2329,55.0375,-1.6917,1],
  ["EINC","Newcastle Aerodrome","Newcastle","IE","Ireland",690,53.0728,-6.0389,1],
  ["EIDL","Donegal Airport","Donegal","IE","Ireland",1496,55.0442,-8.3411,1],
  ["EISG","Sligo Airport","Sligo","IE","Ireland",1199,54.2802,-8.5992,1],
  ["EKVG","Vagar Airport","Vagar","FO","Faroe Islands",1799,62.0636,-7.2772,1],
  ["ENZV","Stavanger Airport","Stavanger","NO","Norway",2706,58.8767,5.6378,1],
  ["ENBR","Bergen Airport","Bergen","NO","Norway",2990,60.2934,5.2181,1]]') ORDER BY key;

INSERT INTO operators
SELECT value ->> 0, value ->> 1 FROM json_each('[["Skerry Air","GBP"],["Minch Aviation","GBP"],["Fairlead Charter","GBP"],["Northlight Jets","GBP"],["Atlantic Wing","EUR"],["Corrib Air Taxi","EUR"]]') ORDER BY key;

INSERT INTO aircraft
SELECT 'G-' || letters(4, 'tail', n), (SELECT operator FROM operators o WHERE o.rowid = 1 + n % 6),
       nth('aircraft', n, 'name'), nth('aircraft', n, 'seats'), nth('aircraft', n, 'kmh'), nth('aircraft', n, 'runway'), nth('aircraft', n, 'pressurised'),
       nth('aircraft', n, 'hourly') * 100, nth('aircraft', n, 'seats') * 95
FROM numbers WHERE n <= 9 ORDER BY n;

-- Forty requests: the first six flew, the next eighteen are booked, the others wait for a choice.
INSERT INTO requests
SELECT 'chr_' || alnum(8, 'request', p.n), p.dep, p.arr,
       at(p.day, CASE weekday(p.day) WHEN 'sunday' THEN '+1 days' ELSE '+0 days' END, (7 + draw(0, 10, 'hour', p.n)) || ':' || pick('minutes', p.n)),
       draw(2, 6, 'party', p.n), 10 * draw(0, 12, 'bags', p.n),
       CASE WHEN chance(0.3, 'return', p.n) THEN at(p.day, '+3 days', CASE weekday(at(p.day, '+3 days')) WHEN 'sunday' THEN '+1 days' ELSE '+0 days' END, '15:30') END
FROM (
  SELECT n, 'af_' || (json_array('EGPF', 'EGPE', 'EGPD', 'EGPF', 'EGNT', 'EGPO') ->> draw(0, 5, 'dep', n)) AS dep,
         'af_' || (json_array('EGPU', 'EGPI', 'EGPL', 'EGPA', 'EGPB', 'EIDL', 'ENBR', 'EKVG', 'EGEO', 'EGPC') ->> draw(0, 9, 'arr', n)) AS arr,
         at(now(), CASE WHEN n <= 6 THEN '-' || (n + 1) ELSE '+' || draw(3, 20, 'day', n) END || ' days') AS day
  FROM numbers WHERE n <= 40
) p ORDER BY p.n;

INSERT INTO offers (operator_offer_id, charter_request_id, tail_number, flight_minutes, price_cents)
SELECT 'opo_' || alnum(7, 'offer', q.place * 10 + q.keen), q.charter_request_id, q.tail_number, q.flight_minutes,
       5000 * CAST((q.flight_minutes * q.hourly_cents / 60 + 60000 + draw(0, 90000, 'ferry', q.place, q.keen)) / 5000 AS INTEGER) * CASE WHEN q.return_at IS NULL THEN 1 ELSE 2 END
FROM (
  SELECT r.rowid AS place, r.charter_request_id, r.return_at, a.tail_number, a.hourly_cents,
         5 * CAST((distance(d.latitude, d.longitude, t.latitude, t.longitude) / a.cruise_kmh * 60 + 12) / 5 AS INTEGER) AS flight_minutes,
         row_number() OVER (PARTITION BY r.charter_request_id ORDER BY draw(1, 100000, 'keen', r.rowid, a.rowid), a.rowid) AS keen
  FROM requests r JOIN airfields d ON d.airfield_id = r.departure_airfield JOIN airfields t ON t.airfield_id = r.arrival_airfield
  JOIN aircraft a ON a.seats >= r.seats AND a.runway_need_m <= min(d.runway_m, t.runway_m) AND a.payload_kg >= r.seats * 90 + r.baggage_kg
) q WHERE q.keen <= 4 ORDER BY q.place, q.keen;
UPDATE offers SET withdrawn = 1 WHERE chance(0.1, 'withdrawn', operator_offer_id)
  AND charter_request_id IN (SELECT charter_request_id FROM requests WHERE requests.rowid > 24)
  AND operator_offer_id <> (SELECT min(o.operator_offer_id) FROM offers o WHERE o.charter_request_id = offers.charter_request_id);

INSERT INTO clients_on_hold SELECT company(400 + n) FROM numbers WHERE n <= 3 ORDER BY n;

INSERT INTO charters
SELECT 'cht_' || alnum(8, 'charter', p.place), p.operator_offer_id, company(p.place), phone(p.place),
       CASE WHEN p.place = 3 THEN 'cancelled' WHEN p.place <= 6 THEN 'flown' WHEN p.place % 5 = 4 THEN 'manifest_filed' ELSE 'booked' END, NULL,
       at(now(), '-' || draw(8, 30, 'made', p.place) || ' days')
FROM (
  SELECT r.rowid AS place, o.operator_offer_id, row_number() OVER (PARTITION BY r.charter_request_id ORDER BY a.seats, o.operator_offer_id) AS choice
  FROM requests r JOIN offers o USING (charter_request_id) JOIN aircraft a USING (tail_number) WHERE r.rowid <= 24
) p WHERE p.choice = 1 ORDER BY p.place;

-- Passengers: every sixth charter has none yet, every fourth is full; of those who fly abroad a few lack a passport number.
INSERT INTO passengers
SELECT 'pax_' || alnum(7, 'passenger', q.place * 20 + n), q.charter_id, person(1000 + q.place * 20 + n), draw(51, 88, 'weight', q.place, n),
       CASE WHEN q.abroad AND NOT (q.place % 5 = 3 AND n = 1 AND q.status = 'booked') THEN letters(1, 'pass', q.place * 20 + n) || digits(7, 'pass', q.place * 20 + n) END
FROM (
  SELECT r.rowid AS place, c.charter_id, c.status, d.country_code <> t.country_code AS abroad,
         CASE WHEN r.rowid % 6 = 5 AND c.status = 'booked' THEN 0 WHEN r.rowid % 4 = 1 THEN a.seats ELSE max(2, min(r.seats, a.seats - 1) - (r.rowid % 4 = 2)) END AS people
  FROM charters c JOIN offers o USING (operator_offer_id) JOIN aircraft a USING (tail_number) JOIN requests r USING (charter_request_id)
  JOIN airfields d ON d.airfield_id = r.departure_airfield JOIN airfields t ON t.airfield_id = r.arrival_airfield
) q JOIN numbers ON n <= q.people ORDER BY q.place, n;
UPDATE requests SET baggage_kg = CASE requests.rowid % 4 WHEN 1 THEN 2 * seats WHEN 0 THEN
  (SELECT a.payload_kg - sum(p.weight_kg) - draw(25, 45, 'spare', requests.rowid) FROM offers o JOIN charters c USING (operator_offer_id) JOIN aircraft a USING (tail_number)
   JOIN passengers p USING (charter_id) WHERE o.charter_request_id = requests.charter_request_id)
  ELSE 10 * (requests.rowid % 3) END
WHERE requests.rowid <= 24 AND EXISTS (SELECT 1 FROM offers o JOIN charters c USING (operator_offer_id) JOIN passengers p USING (charter_id) WHERE o.charter_request_id = requests.charter_request_id);

--- invariant no aircraft has more passengers than seats
SELECT charter_id FROM passengers JOIN charters USING (charter_id) JOIN offers USING (operator_offer_id) JOIN aircraft a USING (tail_number)
GROUP BY charter_id HAVING count(*) > max(a.seats);
--- invariant no aircraft carries more than its payload
SELECT charter_id FROM passengers JOIN charters USING (charter_id) JOIN offers USING (operator_offer_id) JOIN aircraft a USING (tail_number) JOIN requests USING (charter_request_id)
GROUP BY charter_id HAVING sum(weight_kg) + max(baggage_kg) > max(a.payload_kg);
--- invariant one offer at most is booked of a request
SELECT charter_request_id FROM charters JOIN offers USING (operator_offer_id) WHERE status <> 'cancelled' GROUP BY charter_request_id HAVING count(*) > 1;

--- tool find_airfields
--- error place_ambiguous
SELECT 1 FROM airfields WHERE matches(place || ' ' || airfield_name || ' ' || country, :place) GROUP BY fold(place) HAVING count(DISTINCT country) > 1;
--- page airfields
SELECT airfield_id, airfield_name, country_code, runway_m, latitude, longitude FROM airfields
WHERE matches(place || ' ' || airfield_name || ' ' || country, :place) AND runway_m >= :min_runway_m ORDER BY airfield_name;

--- tool create_charter_request
--- error airfield_unknown
SELECT 1 WHERE 2 > (SELECT count(*) FROM airfields WHERE airfield_id IN (:departure_airfield, :arrival_airfield)) AND :departure_airfield <> :arrival_airfield;
--- error same_airfield
SELECT 1 WHERE :departure_airfield = :arrival_airfield;
--- error too_short_notice
SELECT 1 WHERE strftime('%Y-%m-%dT%H:%M:%SZ', :departs_at) < at(now(), '+4 hours');
--- error airfield_closed
SELECT 1 FROM airfields WHERE airfield_id = :departure_airfield
  AND (strftime('%H:%M', :departs_at) < '06:00' OR strftime('%H:%M', :departs_at) >= '21:00' OR (NOT sundays AND strftime('%w', :departs_at) = '0'));
--- let
SELECT 'chr_' || alnum(8, 'request', fresh(0)) AS charter_request_id, fresh(0) AS place, coalesce(:baggage_kg, 0) AS bags,
       strftime('%Y-%m-%dT%H:%M:%SZ', :departs_at) AS leaves_at, strftime('%Y-%m-%dT%H:%M:%SZ', :return_at) AS comes_back;
--- do
INSERT INTO requests VALUES (:charter_request_id, :departure_airfield, :arrival_airfield, :leaves_at, :seats, :bags, :comes_back);
INSERT INTO offers (operator_offer_id, charter_request_id, tail_number, flight_minutes, price_cents)
SELECT 'opo_' || alnum(7, 'offer', :place * 10 + q.keen), :charter_request_id, q.tail_number, q.flight_minutes,
       5000 * CAST((q.flight_minutes * q.hourly_cents / 60 + 60000 + draw(0, 90000, 'ferry', :place, q.keen)) / 5000 AS INTEGER) * CASE WHEN :comes_back IS NULL THEN 1 ELSE 2 END
FROM (
  SELECT a.tail_number, a.hourly_cents,
         5 * CAST((distance(d.latitude, d.longitude, t.latitude, t.longitude) / a.cruise_kmh * 60 + 12) / 5 AS INTEGER) AS flight_minutes,
         row_number() OVER (ORDER BY draw(1, 100000, 'keen', :place, a.rowid), a.rowid) AS keen
  FROM airfields d JOIN airfields t ON t.airfield_id = :arrival_airfield
  JOIN aircraft a ON a.seats >= :seats AND a.runway_need_m <= min(d.runway_m, t.runway_m) AND a.payload_kg >= :seats * 90 + :bags
  WHERE d.airfield_id = :departure_airfield
) q WHERE q.keen <= 4 ORDER BY q.keen;
--- result
SELECT charter_request_id, departure_airfield, arrival_airfield, departs_at, seats, baggage_kg, return_at, 'sent' AS request_status
FROM requests WHERE charter_request_id = :charter_request_id;

--- tool list_operator_offers
--- error request_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM requests WHERE charter_request_id = :charter_request_id);
--- rows operator_offers
SELECT o.operator_offer_id, a.operator, a.aircraft, o.flight_minutes, o.price_cents, p.currency
FROM offers o JOIN aircraft a USING (tail_number) JOIN operators p USING (operator)
WHERE o.charter_request_id = :charter_request_id AND NOT o.withdrawn AND (NOT :pressurised_only OR a.pressurised)
ORDER BY o.price_cents * CASE p.currency WHEN 'GBP' THEN 116 ELSE 100 END, o.operator_offer_id;
--- result
SELECT NULL AS next_cursor;

--- tool book_charter
--- error offer_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM offers WHERE operator_offer_id = :operator_offer_id);
--- error offer_withdrawn
SELECT 1 FROM offers JOIN requests USING (charter_request_id) WHERE operator_offer_id = :operator_offer_id AND (withdrawn OR departs_at <= now());
--- error request_booked
SELECT 1 FROM offers o JOIN offers x USING (charter_request_id) JOIN charters c ON c.operator_offer_id = x.operator_offer_id
WHERE o.operator_offer_id = :operator_offer_id;
--- error client_on_hold
SELECT 1 FROM clients_on_hold WHERE fold(client_name) = fold(:client_name);
--- let
SELECT 'cht_' || alnum(8, 'charter', fresh(0)) AS charter_id;
--- do
INSERT INTO charters VALUES (:charter_id, :operator_offer_id, :client_name, :phone, 'booked', NULL, now());
--- result
SELECT c.charter_id, o.charter_request_id, c.operator_offer_id, c.client_name, c.phone, o.tail_number, c.status
FROM charters c JOIN offers o USING (operator_offer_id) WHERE c.charter_id = :charter_id;

--- tool add_passenger
--- error charter_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM charters WHERE charter_id = :charter_id);
--- error list_closed
SELECT 1 FROM charters WHERE charter_id = :charter_id AND status <> 'booked';
--- error aircraft_full
SELECT 1 FROM charters JOIN offers USING (operator_offer_id) JOIN aircraft a USING (tail_number)
WHERE charter_id = :charter_id AND a.seats <= (SELECT count(*) FROM passengers p WHERE p.charter_id = :charter_id);
--- error payload_exceeded
SELECT 1 FROM charters JOIN offers USING (operator_offer_id) JOIN aircraft a USING (tail_number) JOIN requests r USING (charter_request_id)
WHERE charter_id = :charter_id
  AND a.payload_kg < r.baggage_kg + :weight_kg + coalesce((SELECT sum(weight_kg) FROM passengers p WHERE p.charter_id = :charter_id), 0);
--- let
SELECT 'pax_' || alnum(7, 'passenger', fresh(0)) AS passenger_id;
--- do
INSERT INTO passengers VALUES (:passenger_id, :charter_id, :passenger_name, :weight_kg, :passport_number);
--- result
SELECT p.passenger_id, p.charter_id, p.passenger_name, p.weight_kg,
       a.seats - (SELECT count(*) FROM passengers x WHERE x.charter_id = p.charter_id) AS seats_left
FROM passengers p JOIN charters USING (charter_id) JOIN offers USING (operator_offer_id) JOIN aircraft a USING (tail_number) WHERE p.passenger_id = :passenger_id;

--- tool get_charter
--- error charter_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM charters WHERE charter_id = :charter_id);
--- result
SELECT c.charter_id, o.charter_request_id, c.operator_offer_id, c.client_name, c.phone, o.tail_number, r.departs_at, c.status, c.created_at
FROM charters c JOIN offers o USING (operator_offer_id) JOIN requests r USING (charter_request_id) WHERE c.charter_id = :charter_id;
--- rows passengers
SELECT passenger_id, passenger_name, weight_kg FROM passengers WHERE charter_id = :charter_id ORDER BY passenger_name, passenger_id;

--- tool file_manifest
--- error charter_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM charters WHERE charter_id = :charter_id);
--- error already_filed
SELECT 1 FROM charters WHERE charter_id = :charter_id AND status <> 'booked';
--- error no_passengers
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM passengers WHERE charter_id = :charter_id);
--- error passport_missing
SELECT 1 FROM charters JOIN offers USING (operator_offer_id) JOIN requests r USING (charter_request_id)
JOIN airfields d ON d.airfield_id = r.departure_airfield JOIN airfields t ON t.airfield_id = r.arrival_airfield JOIN passengers p USING (charter_id)
WHERE charter_id = :charter_id AND d.country_code <> t.country_code AND p.passport_number IS NULL;
--- do
UPDATE charters SET status = 'manifest_filed', special_needs = :special_needs WHERE charter_id = :charter_id;
--- result
SELECT charter_id, special_needs, (SELECT count(*) FROM passengers p WHERE p.charter_id = c.charter_id) AS passenger_count, status
FROM charters c WHERE charter_id = :charter_id;
