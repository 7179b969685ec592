-- Heronway Freight: part loads on pallets between European cities. Moments are UTC, money is in euro cents.
-- A load is a draft with offers until one of them is booked, which makes it a shipment. Distances are by road.

--- tables
CREATE TABLE cities (
  city TEXT PRIMARY KEY,
  country TEXT NOT NULL,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL
);
CREATE TABLE hubs (
  city TEXT PRIMARY KEY,
  latitude REAL NOT NULL,
  longitude REAL NOT NULL
);
CREATE TABLE lanes (
  origin_city TEXT NOT NULL REFERENCES cities,
  destination_city TEXT NOT NULL REFERENCES cities,
  km INTEGER NOT NULL,
  hub TEXT NOT NULL REFERENCES hubs,
  PRIMARY KEY (origin_city, destination_city)
);
CREATE TABLE carriers (
  carrier TEXT PRIMARY KEY,
  km_a_day INTEGER NOT NULL,
  price_percent INTEGER NOT NULL,       -- of the usual price
  takes_hazardous INTEGER NOT NULL CHECK (takes_hazardous IN (0, 1)),
  tail_lift INTEGER NOT NULL CHECK (tail_lift IN (0, 1))
);
CREATE TABLE full_days (
  carrier TEXT NOT NULL REFERENCES carriers,
  day TEXT NOT NULL,
  PRIMARY KEY (carrier, day)
);
CREATE TABLE loads (
  load_id TEXT PRIMARY KEY,
  origin_city TEXT NOT NULL,
  destination_city TEXT NOT NULL,
  pallet_count INTEGER NOT NULL CHECK (pallet_count BETWEEN 1 AND 33),
  weight_kg REAL NOT NULL,
  ready_date TEXT NOT NULL,
  hazardous INTEGER NOT NULL CHECK (hazardous IN (0, 1)),
  created_at TEXT NOT NULL,
  FOREIGN KEY (origin_city, destination_city) REFERENCES lanes,
  CHECK (weight_kg <= 1000 * pallet_count)
);
CREATE TABLE carrier_offers (
  carrier_offer_id TEXT PRIMARY KEY,
  load_id TEXT NOT NULL REFERENCES loads,
  carrier TEXT NOT NULL REFERENCES carriers,
  price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  transit_days INTEGER NOT NULL CHECK (transit_days BETWEEN 1 AND 21),
  valid_until TEXT NOT NULL
);
CREATE INDEX offers_by_load ON carrier_offers (load_id);
CREATE TABLE shipments (
  shipment_id TEXT PRIMARY KEY,
  carrier_offer_id TEXT NOT NULL UNIQUE REFERENCES carrier_offers,
  tracking_number TEXT NOT NULL UNIQUE,
  consignee_email TEXT NOT NULL,
  cargo_value_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('booked', 'pickup_scheduled', 'in_transit', 'delivered', 'cancelled')),
  window_start TEXT,
  window_hours INTEGER,
  loading_note TEXT,
  cancel_reason TEXT,
  created_at TEXT NOT NULL,
  CHECK (status NOT IN ('pickup_scheduled', 'in_transit', 'delivered') OR (window_start IS NOT NULL AND window_hours IS NOT NULL))
);
CREATE TABLE tracking_events (
  tracking_number TEXT NOT NULL,
  event TEXT NOT NULL,
  city TEXT NOT NULL,
  scanned_at TEXT NOT NULL,
  PRIMARY KEY (tracking_number, scanned_at)
);
CREATE TABLE working_days (
  day TEXT PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE
);
CREATE TABLE account (
  credit_limit_cents INTEGER NOT NULL
);

--- populate
INSERT INTO working_days
SELECT day, row_number() OVER (ORDER BY day) FROM (SELECT at(now(), (n - 35) || ' days', 'date') AS day FROM numbers WHERE n <= 95)
WHERE weekday(day) NOT IN ('saturday', 'sunday')
  AND day NOT IN ('2025-12-25', '2025-12-26', '2026-01-01', '2026-04-03', '2026-04-06', '2026-05-01', '2026-12-25') ORDER BY day;

INSERT INTO cities
SELECT nth('cities', n, 'city'), nth('cities', n, 'country'), nth('cities', n, 'lat'), nth('cities', n, 'lon') FROM numbers WHERE n <= 14 ORDER BY n;
INSERT INTO hubs SELECT nth('hubs', n, 'city'), nth('hubs', n, 'lat'), nth('hubs', n, 'lon') FROM numbers WHERE n <= 9 ORDER BY n;

-- A lane goes through the hub that is the smallest detour. Roads are a quarter longer than the flight of a heron.
INSERT INTO lanes
WITH w AS MATERIALIZED (
  SELECT c.city, h.city AS hub, distance(c.latitude, c.longitude, h.latitude, h.longitude) AS km FROM cities c JOIN hubs h),
l AS MATERIALIZED (
  SELECT a.city AS origin, b.city AS destination, distance(a.latitude, a.longitude, b.latitude, b.longitude) AS km
  FROM cities a JOIN cities b ON a.city <> b.city WHERE chance(0.6, 'lane', a.city, b.city))
SELECT origin, destination, CAST(round(km * 1.25) AS INTEGER),
       (SELECT x.hub FROM w x JOIN w y ON y.hub = x.hub AND y.city = l.destination WHERE x.city = l.origin ORDER BY x.km + y.km, x.hub LIMIT 1)
FROM l
WHERE km BETWEEN 280 AND 1700
ORDER BY origin, destination;

INSERT INTO carriers
SELECT nth('carriers', n, 'name'), nth('carriers', n, 'km'), nth('carriers', n, 'percent'), nth('carriers', n, 'adr'), nth('carriers', n, 'lift')
FROM numbers WHERE n <= 8 ORDER BY n;

INSERT OR IGNORE INTO full_days
SELECT carrier, at(now(), '+' || draw(1, 12, 'full', carrier, n) || ' days', 'date') FROM carriers JOIN numbers ON n <= 4;

-- Loads 1 to 12 are drafts. The others have been booked: eight wait for a pickup date, nine have one, nine are on the road,
-- eight have arrived and four were cancelled. Transit is in working days.
INSERT INTO loads
SELECT 'ld_' || digits(7, 'load', v.n), l.origin_city, l.destination_city, pallets, pallets * draw(9, 38, 'weight', v.n) * 20, w.day,
       chance(0.15, 'hazard', v.n),
       at(now(), CASE WHEN v.n <= 6 THEN '-' || (v.n * 20 + 5) || ' minutes' WHEN v.n <= 20 THEN '-1 days' ELSE '-' || (7 + v.n / 3) || ' days' END,
          CASE WHEN v.n <= 6 THEN '+0 days' ELSE draw(8, 15, 'made', v.n) || ':' || draw(10, 59, 'made', v.n) END)
FROM (
  SELECT n, 1 + draw(0, 9999, 'lane', n) % (SELECT count(*) FROM lanes) AS lane,
         CASE WHEN n % 4 = 0 THEN draw(14, 33, 'pallets', n) ELSE draw(1, 12, 'pallets', n) END AS pallets,
         (SELECT max(number) FROM working_days WHERE day <= at(now(), 'date'))
           + CASE WHEN n > 29 THEN -10 WHEN n > 20 AND n % 3 = 0 THEN NOT EXISTS (SELECT 1 FROM working_days WHERE day = at(now(), 'date')) ELSE draw(1, 5, 'ready', n) END AS ready
  FROM numbers WHERE n <= 50
) v JOIN lanes l ON l.rowid = lane JOIN working_days w ON w.number = ready
ORDER BY v.n;

-- Three to six carriers make an offer for a draft. What was offered more than four hours ago has expired, and they offer anew.
INSERT INTO carrier_offers
WITH d AS MATERIALIZED (
  SELECT d.rowid AS row, d.*, l.km, CASE WHEN d.rowid > 12 THEN (
    SELECT carrier FROM (SELECT k.carrier, draw(1, 1000, 'carrier', d.rowid, k.carrier) AS luck FROM carriers k WHERE k.takes_hazardous OR NOT d.hazardous)
    ORDER BY luck, carrier LIMIT 1) END AS chosen
  FROM loads d JOIN lanes l USING (origin_city, destination_city))
SELECT 'cof_' || alnum(8, 'offer', (d.row * 9 + c.rowid) * 3 + g.n), d.load_id, c.carrier,
       CAST((6000 + d.km * (22 + 3.5 * d.pallet_count)) * c.price_percent * (100 + 18 * d.hazardous)
            * draw(94, 106, 'price', d.row, c.rowid, g.n) / 100000000 AS INTEGER) * 100,
       1 + (d.km + c.km_a_day - 1) / c.km_a_day,
       CASE WHEN d.row > 6 AND g.n = 2 THEN at(now(), '+' || draw(70, 235, 'valid', d.row) || ' minutes') ELSE at(d.created_at, '+4 hours') END
FROM d JOIN carriers c JOIN numbers g ON g.n <= CASE WHEN d.row BETWEEN 7 AND 12 THEN 2 ELSE 1 END
WHERE (c.takes_hazardous OR NOT d.hazardous)
  AND CASE WHEN d.row <= 12 THEN (d.row + c.rowid * 3) % 8 <= 2 + d.row % 4 ELSE c.carrier = d.chosen END
ORDER BY d.row, c.rowid, g.n;

INSERT INTO shipments
SELECT 'shp_' || alnum(9, 'shipment', n), carrier_offer_id, 'HWF' || digits(10, 'tracking', n),
       pick('docks', n) || '@' || slug(company(n)) || '.example', 10000 * draw(15, 480, 'value', n), state,
       CASE WHEN state IN ('pickup_scheduled', 'in_transit', 'delivered') THEN at(w.day, CASE WHEN n <= 29 AND n % 3 = 0 THEN '15:00' ELSE nth('starts', 1 + n % 4) END) END,
       CASE WHEN state IN ('pickup_scheduled', 'in_transit', 'delivered') THEN pick('hours', n) END,
       CASE WHEN state IN ('pickup_scheduled', 'in_transit', 'delivered') AND chance(0.5, 'note', n) THEN pick('notes', n) END,
       CASE state WHEN 'cancelled' THEN pick('reasons', n) END, at(created_at, '+35 minutes')
FROM (
  SELECT d.rowid AS n, d.created_at, o.carrier_offer_id, o.transit_days, r.number AS ready,
         (SELECT max(number) FROM working_days WHERE day <= at(now(), 'date')) AS today,
         CASE WHEN d.rowid <= 20 THEN 'booked' WHEN d.rowid <= 29 THEN 'pickup_scheduled' WHEN d.rowid <= 38 THEN 'in_transit'
              WHEN d.rowid <= 46 THEN 'delivered' ELSE 'cancelled' END AS state
  FROM loads d JOIN carrier_offers o USING (load_id) JOIN working_days r ON r.day = d.ready_date WHERE d.rowid > 12
) v
JOIN working_days w ON w.number = CASE state WHEN 'in_transit' THEN today - min(transit_days - 1, draw(1, 3, 'road', n))
                                             WHEN 'delivered' THEN today - transit_days - draw(1, 3, 'home', n) ELSE ready END
ORDER BY n;

-- A truck makes a kilometre as the heron flies in a minute. A pallet is scanned when it is picked up, in and out of the hub, at customs on the way into or out of Switzerland, and at its end.
INSERT INTO tracking_events
SELECT tracking_number, event, city, scanned_at FROM (
  SELECT s.tracking_number, s.rowid AS n, e.n AS k,
         CASE e.n WHEN 1 THEN 'picked_up' WHEN 2 THEN 'at_hub' WHEN 3 THEN 'left_hub' WHEN 4 THEN 'customs_hold' WHEN 5 THEN 'out_for_delivery' ELSE 'delivered' END AS event,
         CASE e.n WHEN 1 THEN d.origin_city WHEN 2 THEN l.hub WHEN 3 THEN l.hub ELSE d.destination_city END AS city,
         CASE e.n WHEN 1 THEN at(s.window_start, '+' || draw(20, 170, 'truck', s.rowid) || ' minutes')
                  WHEN 2 THEN r.reached
                  WHEN 3 THEN at(y.day, CASE WHEN r.reached < at(y.day, '04:30') THEN '05:' ELSE '18:' END || draw(10, 59, 'leave', s.rowid))
                  WHEN 4 THEN at(z.day, '11:' || draw(10, 59, 'customs', s.rowid))
                  WHEN 5 THEN at(a.day, '07:' || draw(10, 59, 'van', s.rowid))
                  ELSE at(a.day, draw(10, 14, 'dock', s.rowid) || ':' || draw(10, 59, 'dock', s.rowid)) END AS scanned_at,
         e.n = 4 AND (f.country = 'CH') = (t.country = 'CH') AS inland
  FROM shipments s JOIN carrier_offers o USING (carrier_offer_id) JOIN loads d USING (load_id) JOIN lanes l USING (origin_city, destination_city)
  JOIN cities f ON f.city = d.origin_city JOIN cities t ON t.city = d.destination_city
  JOIN (SELECT s.shipment_id, at(s.window_start, '+' || (CAST(distance(f.latitude, f.longitude, h.latitude, h.longitude) AS INTEGER) + draw(220, 300, 'hub', s.rowid)) || ' minutes') AS reached
        FROM shipments s JOIN carrier_offers o USING (carrier_offer_id) JOIN loads d USING (load_id) JOIN lanes l USING (origin_city, destination_city)
        JOIN cities f ON f.city = d.origin_city JOIN hubs h ON h.city = l.hub) r ON r.shipment_id = s.shipment_id
  JOIN working_days w ON w.day = substr(s.window_start, 1, 10) JOIN working_days y ON y.number = w.number + 1
  JOIN working_days z ON z.number = w.number + o.transit_days - 1 JOIN working_days a ON a.number = w.number + o.transit_days
  JOIN numbers e ON e.n <= 6
  WHERE s.status IN ('in_transit', 'delivered')
)
WHERE scanned_at <= now() AND NOT inland
ORDER BY n, k;

INSERT INTO account
SELECT (coalesce(sum(price_cents), 0) / 50000 + 4) * 50000
FROM shipments JOIN carrier_offers USING (carrier_offer_id) WHERE status IN ('booked', 'pickup_scheduled', 'in_transit');

--- invariant a load is booked once at most
SELECT load_id FROM shipments JOIN carrier_offers USING (carrier_offer_id) GROUP BY load_id HAVING count(*) > 1;
--- invariant nothing is picked up before it is ready
SELECT shipment_id FROM shipments JOIN carrier_offers USING (carrier_offer_id) JOIN loads USING (load_id)
WHERE status IN ('pickup_scheduled', 'in_transit', 'delivered') AND substr(window_start, 1, 10) < ready_date;
--- invariant what has arrived has been scanned there, and nothing else has
SELECT shipment_id FROM shipments s WHERE (status = 'delivered') <> EXISTS (
  SELECT 1 FROM tracking_events e WHERE e.tracking_number = s.tracking_number AND event = 'delivered');
--- invariant hazardous goods travel with carriers who take them
SELECT carrier_offer_id FROM carrier_offers JOIN loads USING (load_id) JOIN carriers USING (carrier) WHERE hazardous AND NOT takes_hazardous;

--- tool create_load
--- error lane_not_served
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM lanes WHERE fold(origin_city) = fold(:origin_city) AND fold(destination_city) = fold(:destination_city));
--- error pallets_overweight
SELECT 1 WHERE :weight_kg > 1000 * :pallet_count;
--- let
SELECT 'ld_' || digits(7, 'load', fresh(0)) AS load_id, origin_city AS from_city, destination_city AS to_city, km
FROM lanes WHERE fold(origin_city) = fold(:origin_city) AND fold(destination_city) = fold(:destination_city);
--- do
INSERT INTO loads VALUES (:load_id, :from_city, :to_city, :pallet_count, :weight_kg, :ready_date, :hazardous, now());
INSERT INTO carrier_offers
SELECT 'cof_' || alnum(8, 'offer', fresh(c.rowid)), :load_id, c.carrier,
       CAST((6000 + :km * (22 + 3.5 * :pallet_count)) * c.price_percent * (100 + 18 * :hazardous) * draw(94, 106, 'price', :load_id, c.carrier) / 100000000 AS INTEGER) * 100,
       1 + (:km + c.km_a_day - 1) / c.km_a_day, at(now(), '+4 hours')
FROM carriers c WHERE (c.takes_hazardous OR NOT :hazardous) AND (draw(0, 7, 'who', :load_id) + c.rowid * 3) % 8 <= 2 + draw(0, 3, 'how many', :load_id)
ORDER BY c.rowid;
--- result
SELECT load_id, origin_city, destination_city, pallet_count, weight_kg, ready_date, hazardous, 'draft' AS status FROM loads WHERE load_id = :load_id;

--- tool list_carrier_offers
--- error load_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM loads WHERE load_id = :load_id);
--- error load_already_booked
SELECT 1 FROM shipments JOIN carrier_offers USING (carrier_offer_id) WHERE load_id = :load_id;
--- rows carrier_offers
SELECT carrier_offer_id, carrier, price_cents, 'EUR' AS currency, transit_days
FROM carrier_offers JOIN carriers USING (carrier)
WHERE load_id = :load_id AND valid_until > now() AND (:max_transit_days IS NULL OR transit_days <= :max_transit_days)
  AND (tail_lift OR NOT :tail_lift)
ORDER BY price_cents, carrier;

--- tool book_carrier
--- error offer_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM carrier_offers WHERE carrier_offer_id = :carrier_offer_id);
--- error load_already_booked
SELECT 1 FROM carrier_offers mine JOIN carrier_offers other USING (load_id) JOIN shipments s ON s.carrier_offer_id = other.carrier_offer_id
WHERE mine.carrier_offer_id = :carrier_offer_id;
--- error offer_expired
SELECT 1 FROM carrier_offers WHERE carrier_offer_id = :carrier_offer_id AND valid_until <= now();
--- error credit_limit_reached
SELECT 1 FROM carrier_offers o, account
WHERE carrier_offer_id = :carrier_offer_id AND o.price_cents + (
  SELECT coalesce(sum(p.price_cents), 0) FROM shipments s JOIN carrier_offers p USING (carrier_offer_id)
  WHERE s.status IN ('booked', 'pickup_scheduled', 'in_transit')) > credit_limit_cents;
--- let
SELECT 'shp_' || alnum(9, 'shipment', fresh(0)) AS shipment_id, 'HWF' || digits(10, 'tracking', fresh(0)) AS tracking_number;
--- do
INSERT INTO shipments VALUES
  (:shipment_id, :carrier_offer_id, :tracking_number, :consignee_email, :cargo_value_cents, 'booked', NULL, NULL, NULL, NULL, now());
--- result
SELECT shipment_id, load_id, carrier_offer_id, tracking_number, consignee_email, cargo_value_cents, status
FROM shipments JOIN carrier_offers USING (carrier_offer_id) WHERE shipment_id = :shipment_id;

--- tool schedule_pickup
--- error shipment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shipments WHERE shipment_id = :shipment_id);
--- error pickup_not_possible
SELECT 1 FROM shipments WHERE shipment_id = :shipment_id AND status NOT IN ('booked', 'pickup_scheduled');
--- error before_ready_date
SELECT 1 FROM shipments JOIN carrier_offers USING (carrier_offer_id) JOIN loads USING (load_id)
WHERE shipment_id = :shipment_id AND substr(:window_start, 1, 10) < ready_date;
--- error carrier_fully_planned
SELECT 1 FROM shipments JOIN carrier_offers USING (carrier_offer_id)
WHERE shipment_id = :shipment_id AND (
  EXISTS (SELECT 1 FROM full_days f WHERE f.carrier = carrier_offers.carrier AND f.day = substr(:window_start, 1, 10))
  OR NOT EXISTS (SELECT 1 FROM working_days WHERE day = substr(:window_start, 1, 10))
  OR substr(:window_start, 1, 19) < substr(now(), 1, 19));
--- do
UPDATE shipments SET window_start = :window_start, window_hours = :window_hours, loading_note = :loading_note, status = 'pickup_scheduled'
WHERE shipment_id = :shipment_id;
--- result
SELECT shipment_id, window_start, window_hours, loading_note, status FROM shipments WHERE shipment_id = :shipment_id;

--- tool get_shipment
--- error shipment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shipments WHERE shipment_id = :shipment_id);
--- result
SELECT s.shipment_id, o.load_id, s.carrier_offer_id, s.tracking_number, s.consignee_email, s.cargo_value_cents, s.status, s.window_start,
       s.window_hours, s.loading_note,
       (SELECT a.day FROM working_days w JOIN working_days a ON a.number = w.number + o.transit_days WHERE w.day = substr(s.window_start, 1, 10)) AS expected_arrival,
       s.created_at
FROM shipments s JOIN carrier_offers o USING (carrier_offer_id) WHERE s.shipment_id = :shipment_id;

--- tool list_tracking_events
--- error tracking_number_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shipments WHERE tracking_number = :tracking_number);
--- rows tracking_events
SELECT event, city, scanned_at FROM tracking_events WHERE tracking_number = :tracking_number ORDER BY scanned_at DESC LIMIT :limit;

--- tool cancel_shipment
--- error shipment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shipments WHERE shipment_id = :shipment_id);
--- error already_in_transit
SELECT 1 FROM shipments WHERE shipment_id = :shipment_id AND status IN ('in_transit', 'delivered');
--- error already_cancelled
SELECT 1 FROM shipments WHERE shipment_id = :shipment_id AND status = 'cancelled';
--- let
SELECT CASE WHEN s.window_start < at(now(), '+24 hours') THEN o.price_cents / 500 * 100 ELSE 0 END AS fee_cents
FROM shipments s JOIN carrier_offers o USING (carrier_offer_id) WHERE s.shipment_id = :shipment_id;
--- do
UPDATE shipments SET status = 'cancelled', cancel_reason = :reason WHERE shipment_id = :shipment_id;
--- result
SELECT shipment_id, cancel_reason AS reason, :fee_cents AS fee_cents, status FROM shipments WHERE shipment_id = :shipment_id;
