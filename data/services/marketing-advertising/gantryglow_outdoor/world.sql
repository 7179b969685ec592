-- Gantryglow Outdoor: spots on digital billboards, as one media agency sees them. Money is in cents of the screen's currency.
-- A screen runs 18 hours a day. A flight is stored as reserved, confirmed or cancelled; lapsed, on_air and finished follow from the clock.

--- tables
CREATE TABLE cities (
  city TEXT PRIMARY KEY,
  currency TEXT NOT NULL CHECK (currency IN ('GBP', 'EUR')),
  euro_percent INTEGER NOT NULL           -- what a unit of the currency is in euros
);
CREATE TABLE screens (
  screen_id TEXT PRIMARY KEY,
  city TEXT NOT NULL REFERENCES cities,
  address TEXT NOT NULL,
  setting TEXT NOT NULL CHECK (setting IN ('roadside', 'station', 'mall', 'airport')),
  width_px INTEGER NOT NULL,
  height_px INTEGER NOT NULL,
  daily_contacts INTEGER NOT NULL,
  spot_cents INTEGER NOT NULL,
  capacity INTEGER NOT NULL,              -- spots an hour
  latitude REAL NOT NULL,
  longitude REAL NOT NULL,
  UNIQUE (city, address)
);
CREATE TABLE suspended_categories (category TEXT PRIMARY KEY);
CREATE TABLE artworks (
  artwork_id TEXT PRIMARY KEY,
  artwork_name TEXT NOT NULL,
  advertiser TEXT NOT NULL,
  url TEXT NOT NULL,
  media_format TEXT NOT NULL CHECK (media_format IN ('jpg', 'png', 'mp4')),
  category TEXT NOT NULL,
  width_px INTEGER NOT NULL,
  height_px INTEGER NOT NULL,
  clearance TEXT NOT NULL CHECK (clearance IN ('cleared', 'in_review'))
);
CREATE TABLE flights (
  flight_id TEXT PRIMARY KEY,
  screen_id TEXT NOT NULL REFERENCES screens,
  artwork_id TEXT NOT NULL REFERENCES artworks,
  start_date TEXT NOT NULL,
  end_date TEXT NOT NULL,
  spots_per_hour INTEGER NOT NULL CHECK (spots_per_hour BETWEEN 1 AND 60),
  price_cents INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('reserved', 'confirmed', 'cancelled')),
  billing_reference TEXT,
  confirmed_at TEXT,
  created_at TEXT NOT NULL,
  CHECK (end_date >= start_date),
  CHECK ((confirmed_at IS NULL) = (billing_reference IS NULL))
);
CREATE INDEX flights_by_screen ON flights (screen_id);
CREATE TABLE account (credit_limit_euro_cents INTEGER NOT NULL);

--- populate
INSERT INTO cities SELECT nth('cities', n, 'city'), nth('cities', n, 'currency'), CASE nth('cities', n, 'currency') WHEN 'GBP' THEN 117 ELSE 100 END
FROM numbers WHERE n <= 8 ORDER BY n;

INSERT INTO suspended_categories VALUES ('political');

INSERT INTO screens
SELECT 'GG' || nth('cities', c.n, 'code') || digits(4, 'screen', c.n * 10 + s.n), nth('cities', c.n, 'city'),
       CASE WHEN s.n <= 4 THEN street(c.n * 10 + s.n) ELSE nth('indoor', s.n - 4, 'address') END,
       CASE WHEN s.n <= 4 THEN 'roadside' ELSE nth('indoor', s.n - 4, 'setting') END,
       CASE WHEN s.n <= 4 THEN 1792 WHEN nth('indoor', s.n - 4, 'setting') = 'airport' THEN 3840 ELSE 1080 END,
       CASE WHEN s.n <= 4 THEN 896 WHEN nth('indoor', s.n - 4, 'setting') = 'airport' THEN 1080 ELSE 1920 END,
       draw(60, 420, 'contacts', c.n, s.n) * 100, draw(5, 16, 'rate', c.n, s.n) * 5, pick('capacities', c.n, s.n),
       round(nth('cities', c.n, 'lat') + draw(-200, 200, 'lat', c.n, s.n) / 10000.0, 5),
       round(nth('cities', c.n, 'lon') + draw(-300, 300, 'lon', c.n, s.n) / 10000.0, 5)
FROM numbers c JOIN numbers s ON s.n <= 9 WHERE c.n <= 4 ORDER BY c.n, s.n;
-- The last four cities are large ones.
INSERT INTO screens
SELECT 'GG' || nth('cities', n, 'code') || digits(4, 'screen', n * 30 + k), nth('cities', n, 'city'), CASE WHEN k <= 6 THEN street(n * 30 + k) ELSE address END, setting,
       CASE setting WHEN 'roadside' THEN 1792 WHEN 'airport' THEN 3840 ELSE 1080 END, CASE setting WHEN 'roadside' THEN 896 WHEN 'airport' THEN 1080 ELSE 1920 END,
       draw(60, 420, 'contacts', n, k) * 100, draw(5, 16, 'rate', n, k) * 5, pick('capacities', n, k),
       round(nth('cities', n, 'lat') + draw(-200, 200, 'lat', n, k) / 10000.0, 5), round(nth('cities', n, 'lon') + draw(-300, 300, 'lon', n, k) / 10000.0, 5)
FROM (SELECT c.n, s.n AS k, nth('large', s.n - 6, 'address') AS address, CASE WHEN s.n <= 6 THEN 'roadside' ELSE nth('large', s.n - 6, 'setting') END AS setting
      FROM numbers c JOIN numbers s ON s.n <= 20 WHERE c.n BETWEEN 5 AND 8)
ORDER BY n, k;

-- Each campaign has artwork in the three sizes of the screens. Two campaigns are still in review.
INSERT INTO artworks
SELECT 'art_' || alnum(8, 'artwork', a.n * 3 + z.key), nth('campaigns', a.n, 'name'), nth('campaigns', a.n, 'advertiser'),
       'https://files.' || slug(nth('campaigns', a.n, 'advertiser')) || '.example/' || slug(nth('campaigns', a.n, 'name')) || '-' || z.value || '.' || m.format,
       m.format, nth('campaigns', a.n, 'category'),
       CASE z.key WHEN 0 THEN 1792 WHEN 1 THEN 1080 ELSE 3840 END, CASE z.key WHEN 0 THEN 896 WHEN 1 THEN 1920 ELSE 1080 END,
       CASE WHEN a.n > 10 THEN 'in_review' ELSE 'cleared' END
FROM numbers a JOIN json_each('["1792x896", "1080x1920", "3840x1080"]') z
JOIN (SELECT n AS campaign, pick('formats', n) AS format FROM numbers WHERE n <= 12) m ON m.campaign = a.n
WHERE a.n <= 12 ORDER BY a.n, z.key;

-- Flights 1 to 8 are reserved, 9 to 12 have lapsed, 13 to 22 are confirmed, 23 to 28 on air, 29 to 36 finished, 37 to 40 cancelled.
-- 5 and 6 are very large; 7 and 8 have artwork that is still in review.
INSERT INTO flights
SELECT 'fl_' || alnum(8, 'flight', n), screen_id, artwork_id, start_date, at(start_date, '+' || (days - 1) || ' days', 'date'), sph,
       days * 18 * sph * spot_cents,
       CASE WHEN n <= 12 THEN 'reserved' WHEN n <= 36 THEN 'confirmed' ELSE 'cancelled' END,
       CASE WHEN n BETWEEN 13 AND 36 THEN 'PO-' || digits(5, 'order', n) END,
       CASE WHEN n BETWEEN 13 AND 36 THEN at(start_date, '-' || (25 + n % 5) || ' days', nth('hours', 1 + n % 5)) END,
       CASE WHEN n <= 8 THEN at(now(), '-1 days', nth('hours', 1 + n % 5)) WHEN n <= 12 THEN at(now(), '-' || (3 + n % 3) || ' days', nth('hours', 1 + n % 5))
            ELSE at(start_date, '-' || (26 + n % 5) || ' days', nth('hours', 1 + n % 5)) END
FROM (
  SELECT n, s.screen_id, s.spot_cents,
         (SELECT artwork_id FROM (
            SELECT w.artwork_id, draw(1, 1000, 'art', n, w.artwork_id) AS luck FROM artworks w
            WHERE w.width_px = s.width_px AND (w.clearance = 'in_review') = (n IN (7, 8)))
          ORDER BY luck, artwork_id LIMIT 1) AS artwork_id,
         at(now(), CASE WHEN n <= 12 THEN '+' || draw(6, 20, 'start', n) WHEN n <= 17 THEN '+' || draw(2, 5, 'start', n) WHEN n <= 22 THEN '+' || draw(9, 24, 'start', n)
                        WHEN n <= 28 THEN '-' || draw(3, 8, 'start', n) WHEN n <= 36 THEN '-' || draw(25, 50, 'start', n) ELSE '+' || draw(3, 10, 'start', n) END || ' days', 'date') AS start_date,
         CASE WHEN n IN (5, 6) THEN 84 WHEN n BETWEEN 23 AND 28 THEN 14 ELSE pick('lengths', n) END AS days,
         CASE WHEN n IN (5, 6) THEN 20 ELSE pick('rhythms', n) END AS sph
  FROM numbers JOIN screens s ON s.rowid = 1 + (n * 11) % 36
  WHERE n <= 40
)
ORDER BY n;

INSERT INTO account
SELECT 700000 + sum(price_cents * euro_percent / 100) FROM flights JOIN screens USING (screen_id) JOIN cities USING (city)
WHERE state = 'confirmed' AND end_date >= at(now(), 'date');

--- invariant no screen shows more spots than it has
SELECT f.flight_id FROM flights f JOIN screens s USING (screen_id) WHERE f.state = 'confirmed' AND f.spots_per_hour > s.capacity;
--- invariant a flight shows artwork of the size of its screen
SELECT flight_id FROM flights JOIN screens s USING (screen_id) JOIN artworks a USING (artwork_id)
WHERE s.width_px <> a.width_px OR s.height_px <> a.height_px;

--- tool search_screens
--- error city_not_covered
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM cities WHERE fold(city) = fold(:city));
--- error centre_incomplete
SELECT 1 WHERE (:latitude IS NULL) <> (:longitude IS NULL);
--- rows screens
SELECT screen_id, address, setting, width_px, height_px, daily_contacts FROM screens
WHERE fold(city) = fold(:city) AND (:setting IS NULL OR setting = :setting)
  AND (:latitude IS NULL OR distance(latitude, longitude, :latitude, :longitude) <= :radius_km)
ORDER BY daily_contacts DESC, screen_id;

--- tool quote_flight
--- error screen_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM screens WHERE screen_id = :screen_id);
--- error bad_period
SELECT 1 WHERE :end_date < :start_date;
--- error not_bookable
SELECT 1 WHERE :start_date <= at(now(), 'date') OR :end_date > at(now(), '+365 days', 'date');
--- let
SELECT 1 + CAST(julianday(:end_date) - julianday(:start_date) AS INTEGER) AS days,
       (SELECT coalesce(sum(f.spots_per_hour), 0) FROM flights f
        WHERE f.screen_id = :screen_id AND f.start_date <= :end_date AND f.end_date >= :start_date
          AND (f.state = 'confirmed' OR f.state = 'reserved' AND f.created_at > at(now(), '-48 hours'))) AS used;
--- result
SELECT screen_id, :start_date AS start_date, :end_date AS end_date, :spots_per_hour AS spots_per_hour,
       :days * 18 * :spots_per_hour * spot_cents AS price_cents, currency,
       :days * :spots_per_hour * daily_contacts / 30 AS expected_contacts, :spots_per_hour <= capacity - :used AS available
FROM screens JOIN cities USING (city) WHERE screen_id = :screen_id;

--- tool upload_artwork
--- error category_suspended
SELECT 1 FROM suspended_categories WHERE category = :category;
--- error fetch_failed
SELECT 1 WHERE :url NOT LIKE 'https://files.%' OR :url LIKE '%-draft.%' OR lower(:url) NOT LIKE '%.' || :media_format;
--- let
SELECT 'art_' || alnum(8, 'artwork', 20000 + fresh(0)) AS artwork_id,
       CASE WHEN :category = 'retail' AND :media_format <> 'mp4' THEN 'cleared' ELSE 'in_review' END AS clearance;
--- do
INSERT INTO artworks VALUES (:artwork_id, :artwork_name, :advertiser, :url, :media_format, :category,
  CASE WHEN :url LIKE '%1080x1920%' THEN 1080 WHEN :url LIKE '%3840x1080%' THEN 3840 ELSE 1792 END,
  CASE WHEN :url LIKE '%1080x1920%' THEN 1920 WHEN :url LIKE '%3840x1080%' THEN 1080 ELSE 896 END, :clearance);
--- result
SELECT artwork_id, artwork_name, advertiser, url, media_format, category, width_px, height_px, clearance
FROM artworks WHERE artwork_id = :artwork_id;

--- tool book_flight
--- error screen_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM screens WHERE screen_id = :screen_id);
--- error artwork_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM artworks WHERE artwork_id = :artwork_id);
--- error bad_period
SELECT 1 WHERE :end_date < :start_date OR :start_date <= at(now(), 'date') OR :end_date > at(now(), '+365 days', 'date');
--- error size_mismatch
SELECT 1 FROM screens s, artworks a
WHERE s.screen_id = :screen_id AND a.artwork_id = :artwork_id AND (s.width_px <> a.width_px OR s.height_px <> a.height_px);
--- error not_enough_spots
SELECT 1 FROM screens s WHERE s.screen_id = :screen_id AND :spots_per_hour > s.capacity - (
  SELECT coalesce(sum(f.spots_per_hour), 0) FROM flights f
  WHERE f.screen_id = :screen_id AND f.start_date <= :end_date AND f.end_date >= :start_date
    AND (f.state = 'confirmed' OR f.state = 'reserved' AND f.created_at > at(now(), '-48 hours')));
--- let
SELECT 'fl_' || alnum(8, 'flight', 20000 + fresh(0)) AS flight_id, 1 + CAST(julianday(:end_date) - julianday(:start_date) AS INTEGER) AS days;
--- do
INSERT INTO flights
SELECT :flight_id, :screen_id, :artwork_id, :start_date, :end_date, :spots_per_hour, :days * 18 * :spots_per_hour * spot_cents, 'reserved', NULL, NULL, now()
FROM screens WHERE screen_id = :screen_id;
--- result
SELECT flight_id, screen_id, artwork_id, start_date, end_date, spots_per_hour, price_cents, currency,
       at(created_at, '+48 hours') AS held_until, 'reserved' AS status
FROM flights JOIN screens USING (screen_id) JOIN cities USING (city) WHERE flight_id = :flight_id;

--- tool confirm_flight
--- error flight_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flights WHERE flight_id = :flight_id);
--- error already_confirmed
SELECT 1 FROM flights WHERE flight_id = :flight_id AND state <> 'reserved';
--- error reservation_lapsed
SELECT 1 FROM flights WHERE flight_id = :flight_id AND created_at <= at(now(), '-48 hours');
--- error artwork_not_cleared
SELECT 1 FROM flights JOIN artworks USING (artwork_id) WHERE flight_id = :flight_id AND clearance <> 'cleared';
--- error credit_limit_reached
SELECT 1 FROM account WHERE credit_limit_euro_cents < (
  SELECT sum(price_cents * euro_percent / 100) FROM flights JOIN screens USING (screen_id) JOIN cities USING (city)
  WHERE flight_id = :flight_id OR state = 'confirmed' AND end_date >= at(now(), 'date'));
--- do
UPDATE flights SET state = 'confirmed', billing_reference = :billing_reference, confirmed_at = now() WHERE flight_id = :flight_id;
--- result
SELECT flight_id, billing_reference, price_cents, confirmed_at, 'confirmed' AS status FROM flights WHERE flight_id = :flight_id;

--- tool cancel_flight
--- error flight_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flights WHERE flight_id = :flight_id);
--- error already_over
SELECT 1 FROM flights WHERE flight_id = :flight_id
AND (state = 'cancelled' OR end_date < at(now(), 'date') OR state = 'reserved' AND created_at <= at(now(), '-48 hours'));
--- error flight_on_air
SELECT 1 FROM flights WHERE flight_id = :flight_id AND state = 'confirmed' AND start_date <= at(now(), 'date');
--- let
SELECT CASE WHEN state = 'confirmed' AND start_date < at(now(), '+7 days', 'date') THEN price_cents / 2 ELSE 0 END AS fee
FROM flights WHERE flight_id = :flight_id;
--- do
UPDATE flights SET state = 'cancelled' WHERE flight_id = :flight_id;
--- result
SELECT flight_id, :fee AS cancellation_fee_cents, 'cancelled' AS status FROM flights WHERE flight_id = :flight_id;

--- tool get_flight
--- error flight_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flights WHERE flight_id = :flight_id);
--- let
SELECT CASE WHEN state = 'confirmed' AND start_date < at(now(), 'date')
            THEN 18 * spots_per_hour * CAST(julianday(min(at(now(), 'date'), at(end_date, '+1 days', 'date'))) - julianday(start_date) AS INTEGER) ELSE 0 END AS due,
       draw(0, 30, 'missed', flight_id) AS per_mille
FROM flights WHERE flight_id = :flight_id;
--- result
SELECT flight_id, screen_id, artwork_id, start_date, end_date, spots_per_hour, price_cents, currency, billing_reference,
       :due - :due * :per_mille / 1000 AS spots_shown, :due * :per_mille / 1000 AS spots_missed,
       (:due - :due * :per_mille / 1000) * daily_contacts / 540 AS contacts_reached,
       CASE WHEN state = 'cancelled' THEN 'cancelled'
            WHEN state = 'reserved' THEN CASE WHEN created_at <= at(now(), '-48 hours') THEN 'lapsed' ELSE 'reserved' END
            WHEN end_date < at(now(), 'date') THEN 'finished' WHEN start_date <= at(now(), 'date') THEN 'on_air' ELSE 'confirmed' END AS status,
       created_at
FROM flights JOIN screens USING (screen_id) JOIN cities USING (city) WHERE flight_id = :flight_id;
