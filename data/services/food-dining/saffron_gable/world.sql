-- Saffron Gable: tables at independent restaurants. Moments are UTC; money is in cents.
-- A sitting is one table at one time. It is free until a booking that is confirmed or seated holds it.

--- tables
CREATE TABLE restaurants (
  restaurant_id TEXT PRIMARY KEY,
  restaurant_name TEXT NOT NULL UNIQUE,
  cuisine TEXT NOT NULL,
  price_level INTEGER NOT NULL CHECK (price_level BETWEEN 1 AND 4),
  rating REAL NOT NULL CHECK (rating BETWEEN 1 AND 5),
  address TEXT NOT NULL,
  city TEXT NOT NULL,
  phone TEXT NOT NULL,
  cancel_hours INTEGER NOT NULL,
  late_fee_cents INTEGER NOT NULL,      -- a person
  largest_party INTEGER NOT NULL
);
CREATE TABLE closed_days (
  restaurant_id TEXT NOT NULL REFERENCES restaurants,
  weekday TEXT NOT NULL,
  PRIMARY KEY (restaurant_id, weekday)
);
CREATE TABLE diets (
  restaurant_id TEXT NOT NULL REFERENCES restaurants,
  diet TEXT NOT NULL,
  PRIMARY KEY (restaurant_id, diet)
);
CREATE TABLE sittings (
  sitting_id TEXT PRIMARY KEY,
  restaurant_id TEXT NOT NULL REFERENCES restaurants,
  starts_at TEXT NOT NULL,
  meal TEXT NOT NULL CHECK (meal IN ('lunch', 'dinner')),
  area TEXT NOT NULL CHECK (area IN ('main_room', 'terrace', 'counter', 'private_room')),
  seats INTEGER NOT NULL CHECK (seats BETWEEN 2 AND 12),
  UNIQUE (restaurant_id, starts_at, area)  -- one table of each area at a time
);
CREATE INDEX sittings_by_day ON sittings (restaurant_id, starts_at);
CREATE TABLE bookings (
  booking_id TEXT PRIMARY KEY,
  sitting_id TEXT NOT NULL REFERENCES sittings,
  diner_name TEXT NOT NULL,
  phone TEXT NOT NULL,
  party_size INTEGER NOT NULL CHECK (party_size > 0),
  note TEXT,
  status TEXT NOT NULL CHECK (status IN ('confirmed', 'seated', 'no_show', 'cancelled')),
  created_at TEXT NOT NULL
);
CREATE INDEX bookings_by_sitting ON bookings (sitting_id);
CREATE TABLE waitlist (
  waitlist_entry_id TEXT PRIMARY KEY,
  restaurant_id TEXT NOT NULL REFERENCES restaurants,
  dining_date TEXT NOT NULL,
  party_size INTEGER NOT NULL,
  phone TEXT NOT NULL,
  joined_at TEXT NOT NULL,
  UNIQUE (restaurant_id, dining_date, phone)
);

--- populate
INSERT INTO restaurants
SELECT 'rst_' || digits(5, 'restaurant', n), nth('restaurants', n, 'name'), nth('restaurants', n, 'cuisine'),
       draw(1, 4, 'price', n), draw(34, 49, 'rating', n) / 10.0, street(n), nth('cities', 1 + (n - 1) % 3),
       phone(900 + n), pick('cancel_hours', n), 100 * draw(10, 30, 'fee', n), draw(4, 5, 'party', n) * 2
FROM numbers WHERE n <= 14 ORDER BY n;

INSERT INTO closed_days
SELECT restaurant_id, pick('quiet_days', restaurant_id) FROM restaurants;

INSERT OR IGNORE INTO diets
SELECT restaurant_id, pick('diets', restaurant_id, n) FROM restaurants JOIN numbers ON n <= 2;

-- Nine days of sittings from yesterday on: five tables a restaurant and day, three of them at dinner.
INSERT OR IGNORE INTO sittings
WITH d AS MATERIALIZED (SELECT n, day, weekday(day) AS weekday FROM (SELECT n, at(now(), (n - 2) || ' days', 'date') AS day FROM numbers WHERE n <= 9)),
t AS MATERIALIZED (
  SELECT r.rowid AS row, r.restaurant_id, t.n, CASE WHEN t.n <= 2 THEN pick('lunch_times', r.rowid, t.n) END AS lunch, pick('areas', r.rowid, t.n) AS area,
         draw(1, r.largest_party / 2, 'seats', r.rowid, t.n) * 2 AS seats
  FROM restaurants r JOIN numbers t ON t.n <= 5)
SELECT 'sit_' || alnum(9, 'sitting', (t.row * 9 + d.n) * 5 + t.n), t.restaurant_id,
       d.day || 'T' || coalesce(t.lunch, pick('dinner_times', t.row, d.n, t.n)) || ':00Z', CASE WHEN t.n <= 2 THEN 'lunch' ELSE 'dinner' END, t.area, t.seats
FROM t JOIN d
WHERE NOT EXISTS (SELECT 1 FROM closed_days c WHERE c.restaurant_id = t.restaurant_id AND c.weekday = d.weekday)
ORDER BY t.row, d.n, t.n;

-- About half of the sittings are taken; every restaurant has one evening with nothing left.
INSERT INTO bookings
WITH r AS MATERIALIZED (SELECT restaurant_id, at(now(), '+' || draw(1, 6, 'full', restaurant_id) || ' days', 'date') AS full FROM restaurants)
SELECT 'bkg_' || alnum(7, 'booking', s.rowid), s.sitting_id, person(s.rowid), phone(s.rowid),
       max(2, s.seats - draw(0, 1, 'spare', s.rowid)), CASE WHEN chance(0.2, 'note', s.rowid) THEN pick('notes', s.rowid) END,
       CASE WHEN s.starts_at < at(now(), '-30 minutes') THEN 'seated' ELSE 'confirmed' END,
       at(now(), '-' || draw(2, 20, 'booked', s.rowid) || ' days', draw(9, 21, 'hour', s.rowid) || ':15')
FROM sittings s JOIN r USING (restaurant_id)
WHERE s.meal = 'dinner' AND substr(s.starts_at, 1, 10) = r.full OR chance(0.5, 'taken', s.rowid)
ORDER BY s.rowid;

INSERT INTO bookings
SELECT 'bkg_' || alnum(7, 'booking', 9000 + s.rowid), s.sitting_id, person(4000 + s.rowid), phone(4000 + s.rowid), 2, NULL,
       'cancelled', at(now(), '-' || draw(2, 15, 'cancelled', s.rowid) || ' days')
FROM sittings s WHERE chance(0.05, 'gone', s.rowid);

INSERT INTO waitlist
SELECT 'wle_' || alnum(7, 'waiting', row_number() OVER (ORDER BY r.restaurant_id, w.n)), r.restaurant_id,
       at(now(), '+' || draw(1, 6, 'full', r.restaurant_id) || ' days', 'date'), draw(1, 2, 'wait', r.restaurant_id, w.n) * 2,
       phone(7000 + r.rowid * 5 + w.n), at(now(), '-' || w.n || ' hours')
FROM restaurants r JOIN numbers w ON w.n <= draw(1, 3, 'line', r.restaurant_id);

--- invariant one booking at most holds a sitting
SELECT sitting_id FROM bookings WHERE status IN ('confirmed', 'seated') GROUP BY sitting_id HAVING count(*) > 1;
--- invariant no party is larger than its table
SELECT booking_id FROM bookings JOIN sittings USING (sitting_id) WHERE party_size > seats;
--- invariant nobody sat down before the booking was made
SELECT booking_id FROM bookings JOIN sittings USING (sitting_id) WHERE status = 'seated' AND created_at > starts_at;
--- invariant nobody sits at a restaurant that is closed
SELECT sitting_id FROM sittings JOIN closed_days USING (restaurant_id) WHERE weekday(starts_at) = weekday;

--- tool search_restaurants
--- error city_not_covered
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM restaurants WHERE fold(city) = fold(:city));
--- page restaurants
SELECT restaurant_id, restaurant_name, cuisine, price_level, rating
FROM restaurants r
WHERE fold(city) = fold(:city)
  AND (:cuisine IS NULL OR matches(cuisine, :cuisine))
  AND (:max_price_level IS NULL OR price_level <= :max_price_level)
  AND NOT EXISTS (
    SELECT 1 FROM json_each(coalesce(:dietary, '[]')) wanted
    WHERE wanted.value NOT IN (SELECT diet FROM diets d WHERE d.restaurant_id = r.restaurant_id)
  )
ORDER BY rating DESC, restaurant_name;

--- tool get_restaurant
--- error restaurant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM restaurants WHERE restaurant_id = :restaurant_id);
--- result
SELECT restaurant_id, restaurant_name, cuisine, price_level, rating, address, city, phone, cancel_hours
FROM restaurants WHERE restaurant_id = :restaurant_id;
--- rows closed_days
SELECT weekday FROM closed_days WHERE restaurant_id = :restaurant_id ORDER BY weekday;

--- tool find_free_tables
--- error restaurant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM restaurants WHERE restaurant_id = :restaurant_id);
--- error closed_that_day
SELECT 1 FROM closed_days WHERE restaurant_id = :restaurant_id AND weekday = weekday(:dining_date);
--- error party_needs_call
SELECT 1 FROM restaurants WHERE restaurant_id = :restaurant_id AND :party_size > largest_party;
--- rows sittings
SELECT sitting_id, starts_at, area, seats FROM sittings s
WHERE restaurant_id = :restaurant_id AND substr(starts_at, 1, 10) = :dining_date AND starts_at > now()
  AND seats >= :party_size AND (:meal IS NULL OR meal = :meal)
  AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.sitting_id = s.sitting_id AND b.status IN ('confirmed', 'seated'))
ORDER BY starts_at, seats, sitting_id;

--- tool book_table
--- error sitting_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sittings WHERE sitting_id = :sitting_id);
--- error sitting_taken
SELECT 1 FROM bookings WHERE sitting_id = :sitting_id AND status IN ('confirmed', 'seated');
--- error table_too_small
SELECT 1 FROM sittings WHERE sitting_id = :sitting_id AND seats < :party_size;
--- let
SELECT 'bkg_' || alnum(7, 'booking', 20000 + fresh(0)) AS booking_id;
--- do
INSERT INTO bookings VALUES
  (:booking_id, :sitting_id, :diner_name, :phone, :party_size, :note, 'confirmed', now());
--- result
SELECT booking_id, sitting_id, restaurant_id, diner_name, phone, party_size, note, status
FROM bookings JOIN sittings USING (sitting_id) WHERE booking_id = :booking_id;

--- tool get_booking
--- error booking_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM bookings WHERE booking_id = :booking_id);
--- result
SELECT booking_id, sitting_id, restaurant_id, diner_name, phone, party_size, note, starts_at, status, created_at
FROM bookings JOIN sittings USING (sitting_id) WHERE booking_id = :booking_id;

--- tool move_booking
--- error booking_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM bookings WHERE booking_id = :booking_id);
--- error booking_not_confirmed
SELECT 1 FROM bookings WHERE booking_id = :booking_id AND status <> 'confirmed';
--- error sitting_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sittings WHERE sitting_id = :sitting_id);
--- error other_restaurant
SELECT 1 FROM bookings b JOIN sittings old ON old.sitting_id = b.sitting_id, sittings new
WHERE b.booking_id = :booking_id AND new.sitting_id = :sitting_id AND old.restaurant_id <> new.restaurant_id;
--- error sitting_taken
SELECT 1 FROM bookings
WHERE sitting_id = :sitting_id AND booking_id <> :booking_id AND status IN ('confirmed', 'seated');
--- error table_too_small
SELECT 1 FROM bookings b, sittings s
WHERE b.booking_id = :booking_id AND s.sitting_id = :sitting_id AND s.seats < coalesce(:party_size, b.party_size);
--- do
UPDATE bookings SET sitting_id = :sitting_id, party_size = coalesce(:party_size, party_size)
WHERE booking_id = :booking_id;
--- result
SELECT booking_id, sitting_id, party_size, starts_at, status
FROM bookings JOIN sittings USING (sitting_id) WHERE booking_id = :booking_id;

--- tool cancel_booking
--- error booking_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM bookings WHERE booking_id = :booking_id);
--- error party_already_seated
SELECT 1 FROM bookings WHERE booking_id = :booking_id AND status = 'seated';
--- error already_cancelled
SELECT 1 FROM bookings WHERE booking_id = :booking_id AND status IN ('cancelled', 'no_show');
--- let
SELECT CASE WHEN s.starts_at < at(now(), '+' || r.cancel_hours || ' hours') THEN r.late_fee_cents * b.party_size ELSE 0 END
       AS fee_cents
FROM bookings b JOIN sittings s USING (sitting_id) JOIN restaurants r USING (restaurant_id)
WHERE b.booking_id = :booking_id;
--- do
UPDATE bookings SET status = 'cancelled' WHERE booking_id = :booking_id;
--- result
SELECT booking_id, :fee_cents AS fee_cents, status FROM bookings WHERE booking_id = :booking_id;

--- tool join_waitlist
--- error restaurant_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM restaurants WHERE restaurant_id = :restaurant_id);
--- error closed_that_day
SELECT 1 FROM closed_days WHERE restaurant_id = :restaurant_id AND weekday = weekday(:dining_date);
--- error tables_still_free
SELECT 1 FROM sittings s
WHERE restaurant_id = :restaurant_id AND substr(starts_at, 1, 10) = :dining_date AND starts_at > now()
  AND seats >= :party_size
  AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.sitting_id = s.sitting_id AND b.status IN ('confirmed', 'seated'));
--- error already_waiting
SELECT 1 FROM waitlist
WHERE restaurant_id = :restaurant_id AND dining_date = :dining_date AND phone = :phone;
--- let
SELECT 'wle_' || alnum(7, 'waiting', fresh(0)) AS waitlist_entry_id;
--- do
INSERT INTO waitlist VALUES (:waitlist_entry_id, :restaurant_id, :dining_date, :party_size, :phone, now());
--- result
SELECT waitlist_entry_id, restaurant_id, dining_date, party_size, phone, 'waiting' AS waitlist_status,
       (SELECT count(*) FROM waitlist o WHERE o.restaurant_id = w.restaurant_id AND o.dining_date = w.dining_date
        AND o.joined_at <= w.joined_at) AS place_in_line
FROM waitlist w WHERE waitlist_entry_id = :waitlist_entry_id;
