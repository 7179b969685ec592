-- Thistledoor Brokerage: homes for sale in four Austrian towns. Moments are UTC; money is in cents.
-- A viewing takes half an hour of the agent who looks after the home; a home is reserved once an offer on it was accepted.

--- tables
CREATE TABLE agents (
  agent_email TEXT PRIMARY KEY,
  agent_name TEXT NOT NULL UNIQUE,
  city TEXT NOT NULL
);
CREATE TABLE mandates (
  address TEXT NOT NULL,
  city TEXT NOT NULL,
  signed_on TEXT NOT NULL,
  PRIMARY KEY (address, city)
);
CREATE TABLE listings (
  listing_id TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  city TEXT NOT NULL,
  asking_price_cents INTEGER NOT NULL CHECK (asking_price_cents >= 100000),
  currency TEXT NOT NULL,
  property_type TEXT NOT NULL CHECK (property_type IN ('apartment', 'house', 'townhouse', 'plot')),
  bedrooms INTEGER NOT NULL CHECK (bedrooms BETWEEN 0 AND 20),
  floor_area_m2 REAL NOT NULL,
  headline TEXT,
  energy_class TEXT,
  status TEXT NOT NULL CHECK (status IN ('draft', 'active', 'reserved', 'sold', 'withdrawn')),
  agent_email TEXT NOT NULL REFERENCES agents,
  created_at TEXT NOT NULL,
  CHECK ((status = 'draft') = (headline IS NULL)),
  CHECK ((headline IS NULL) = (energy_class IS NULL))
);
CREATE INDEX listings_by_city ON listings (city, status);
CREATE TABLE viewings (
  viewing_id TEXT PRIMARY KEY,
  listing_id TEXT NOT NULL REFERENCES listings,
  agent_email TEXT NOT NULL REFERENCES agents,
  buyer_name TEXT NOT NULL,
  email TEXT NOT NULL,
  viewing_at TEXT NOT NULL,
  missed INTEGER NOT NULL CHECK (missed IN (0, 1)),
  UNIQUE (agent_email, viewing_at)
);
CREATE INDEX viewings_by_listing ON viewings (listing_id);
CREATE TABLE offers (
  offer_id TEXT PRIMARY KEY,
  viewing_id TEXT NOT NULL REFERENCES viewings,
  offer_price_cents INTEGER NOT NULL CHECK (offer_price_cents >= 100000),
  financing TEXT NOT NULL CHECK (financing IN ('cash', 'mortgage_approved', 'mortgage_pending')),
  valid_until TEXT NOT NULL,
  answer TEXT CHECK (answer IN ('accepted', 'declined')),
  completion_date TEXT,
  created_at TEXT NOT NULL,
  CHECK ((answer IS 'accepted') = (completion_date IS NOT NULL))
);
CREATE INDEX offers_by_viewing ON offers (viewing_id);

--- populate
INSERT INTO agents
SELECT email(person(n), 'thistledoor.example'), person(n), nth('cities', 1 + n % 4, 'city') FROM numbers WHERE n <= 8 ORDER BY n;

-- Eleven homes of each kind of state: six on the market, two drafts (the second without a mandate), and one each that is
-- reserved, sold and withdrawn.
INSERT INTO listings
SELECT 'lst_' || alnum(7, 'listing', n), nth('streets', n) || ' ' || draw(2, 78, 'house', n), city,
       500000 * max(20, CAST(area * rate * (1 - 0.05 * (type = 'townhouse')) / 5000.0 AS INTEGER)), 'EUR', type, bedrooms, area,
       CASE WHEN state <> 'draft' THEN CASE type WHEN 'apartment' THEN pick('flat_lines', n) ELSE pick('house_lines', n) END END,
       CASE WHEN state <> 'draft' THEN pick('classes', n) END, state,
       (SELECT agent_email FROM agents a WHERE a.city = h.city AND (a.rowid > 4) = h.n / 4 % 2),
       at(now(), '-' || (draw(5, 25, 'age', n) + CASE state WHEN 'draft' THEN 0 WHEN 'sold' THEN 120 ELSE 40 END) || ' days', draw(8, 16, 'hour', n) || ':20')
FROM (
  SELECT *, CASE type WHEN 'apartment' THEN 24 + bedrooms * 21 ELSE 40 + bedrooms * 24 END + draw(0, 18, 'area', n) AS area
  FROM (
    SELECT n, nth('cities', 1 + n % 4, 'city') AS city, nth('cities', 1 + n % 4, 'rate') + 100 * draw(-6, 8, 'rate', n) AS rate,
           pick('types', n) AS type,
           CASE WHEN pick('types', n) = 'apartment' THEN draw(1, 3, 'rooms', n) ELSE draw(3, 5, 'rooms', n) END AS bedrooms,
           CASE n % 11 WHEN 0 THEN 'reserved' WHEN 1 THEN 'draft' WHEN 2 THEN 'draft' WHEN 3 THEN 'withdrawn' WHEN 4 THEN 'sold'
                       ELSE 'active' END AS state
    FROM numbers WHERE n <= 44)) h
ORDER BY n;

-- More homes that came onto the market in these weeks, which makes twenty in each of the four cities; nobody has seen them yet.
INSERT INTO listings
SELECT 'lst_' || alnum(7, 'listing', 100 + n), nth('streets', 1 + n % 60) || ' ' || draw(120 + n / 60 * 20, 139 + n / 60 * 20, 'house', 100 + n), city,
       500000 * max(20, CAST(area * rate * (1 - 0.05 * (type = 'townhouse')) / 5000.0 AS INTEGER)), 'EUR', type, bedrooms, area,
       CASE type WHEN 'apartment' THEN pick('flat_lines', 100 + n) ELSE pick('house_lines', 100 + n) END, pick('classes', 100 + n), 'active',
       (SELECT agent_email FROM agents a WHERE a.city = h.city AND (a.rowid > 4) = h.n / 4 % 2), at(now(), '-' || draw(3, 30, 'age', 100 + n) || ' days', draw(8, 16, 'hour', 100 + n) || ':20')
FROM (
  SELECT *, CASE type WHEN 'apartment' THEN 24 + bedrooms * 21 ELSE 40 + bedrooms * 24 END + draw(0, 18, 'area', 100 + n) AS area
  FROM (
    SELECT n, nth('cities', 1 + n % 4, 'city') AS city, nth('cities', 1 + n % 4, 'rate') + 100 * draw(-6, 8, 'rate', 100 + n) AS rate,
           pick('types', 100 + n) AS type,
           CASE WHEN pick('types', 100 + n) = 'apartment' THEN draw(1, 3, 'rooms', 100 + n) ELSE draw(3, 5, 'rooms', 100 + n) END AS bedrooms
    FROM numbers WHERE n <= 56)) h
ORDER BY n;

-- Mandates of the homes on the books, and of some that are still to be entered.
INSERT INTO mandates
SELECT address, city, substr(created_at, 1, 10) FROM listings WHERE NOT (status = 'draft' AND rowid % 11 = 2) ORDER BY rowid;
INSERT INTO mandates
SELECT nth('streets', 44 + n) || ' ' || draw(2, 78, 'house', 44 + n), nth('cities', 1 + n % 4, 'city'),
       at(now(), '-' || draw(1, 6, 'signed', n) || ' days', 'date')
FROM numbers WHERE n <= 16 ORDER BY n;

-- Past viewings of homes that are or were on the market; the first one of each home was not missed.
INSERT OR IGNORE INTO viewings
SELECT 'vw_' || alnum(8, 'viewing', place * 8 + k), listing_id, agent_email, person(100 + place * 8 + k),
       email(person(100 + place * 8 + k), pick('mail', place, k)),
       at(now(), '-' || (days + CASE weekday(at(now(), '-' || days || ' days')) WHEN 'sunday' THEN 1 ELSE 0 END) || ' days',
          nth('times', 1 + (place * 3 + k * 7) % 20)),
       k > 1 AND chance(0.3, 'missed', place, k)
FROM (
  SELECT l.rowid AS place, l.*, k.n AS k, draw(3, 24, 'seen', l.rowid, k.n) + CASE l.status WHEN 'sold' THEN 80 ELSE 0 END AS days
  FROM listings l JOIN numbers k ON k.n <= draw(2, 4, 'viewings', l.rowid)
  WHERE l.rowid <= 44 AND l.status IN ('active', 'reserved', 'sold'))
ORDER BY status DESC, k, place;

INSERT OR IGNORE INTO viewings
SELECT 'vw_' || alnum(8, 'viewing', 500 + place * 8 + k), listing_id, agent_email, person(600 + place * 8 + k),
       email(person(600 + place * 8 + k), pick('mail', place, k)),
       at(now(), '+' || (days + CASE weekday(at(now(), '+' || days || ' days')) WHEN 'sunday' THEN 1 ELSE 0 END) || ' days',
          nth('times', 1 + (place * 3 + k * 7) % 20)), 0
FROM (
  SELECT l.rowid AS place, l.*, k.n AS k, draw(1, 8, 'to see', l.rowid, k.n) AS days
  FROM listings l JOIN numbers k ON k.n <= draw(1, 2, 'ahead', l.rowid) WHERE l.rowid <= 44 AND l.status = 'active')
ORDER BY k, place;

-- Offers the day after a viewing: the first one is accepted where the home is reserved or sold, and the others declined.
INSERT INTO offers
SELECT 'off_' || alnum(8, 'offer', place), viewing_id,
       100000 * CAST(asking_price_cents / 10000000.0 * draw(91, 101, 'offer', place) AS INTEGER),
       pick('financing', place), at(created_at, '+' || draw(9, 35, 'stands', place) || ' days', 'date'),
       CASE WHEN status = 'active' THEN NULL WHEN first THEN 'accepted' ELSE 'declined' END,
       CASE WHEN status <> 'active' AND first THEN
         at(created_at, '+' || (draw(8, 10, 'weeks', place) * 7 + CASE weekday(created_at) WHEN 'saturday' THEN 2 WHEN 'sunday' THEN 1 ELSE 0 END) || ' days', 'date') END,
       created_at
FROM (
  SELECT v.rowid AS place, v.viewing_id, l.asking_price_cents, l.status,
         at(v.viewing_at, '+1 days', draw(9, 17, 'offered', v.rowid) || ':25') AS created_at,
         v.rowid = (SELECT min(o.rowid) FROM viewings o WHERE o.listing_id = v.listing_id AND NOT o.missed) AS first
  FROM viewings v JOIN listings l USING (listing_id) WHERE v.viewing_at < at(now(), '-2 days') AND NOT v.missed)
WHERE first AND status <> 'active' OR chance(0.5, 'offers', place)
ORDER BY place;

--- invariant a home is reserved or sold where one offer on it was accepted
SELECT listing_id FROM listings l WHERE (status IN ('reserved', 'sold')) <>
  ((SELECT count(*) FROM offers JOIN viewings v USING (viewing_id) WHERE v.listing_id = l.listing_id AND answer = 'accepted') = 1);
--- invariant nobody makes an offer before the viewing
SELECT offer_id FROM offers JOIN viewings USING (viewing_id) WHERE missed OR created_at < viewing_at;
--- invariant only what has a mandate is on the market
SELECT listing_id FROM listings l WHERE status = 'active'
AND NOT EXISTS (SELECT 1 FROM mandates m WHERE fold(m.address) = fold(l.address) AND fold(m.city) = fold(l.city));

--- tool create_listing
--- error address_listed
SELECT 1 FROM listings WHERE fold(address) = fold(:address) AND fold(city) = fold(:city);
--- let
SELECT 'lst_' || alnum(7, 'listing', fresh(0)) AS listing_id,
       coalesce((SELECT agent_email FROM agents WHERE fold(city) = fold(:city) ORDER BY rowid LIMIT 1),
                (SELECT agent_email FROM agents ORDER BY rowid LIMIT 1)) AS agent_email;
--- do
INSERT INTO listings VALUES (:listing_id, :address, :city, :asking_price_cents, :currency, :home ->> '$.property_type',
  :home ->> '$.bedrooms', :home ->> '$.floor_area_m2', NULL, NULL, 'draft', :agent_email, now());
--- result
SELECT listing_id, address, city, asking_price_cents, currency,
       json_object('property_type', property_type, 'bedrooms', bedrooms, 'floor_area_m2', floor_area_m2) AS home, status
FROM listings WHERE listing_id = :listing_id;

--- tool publish_listing
--- error listing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM listings WHERE listing_id = :listing_id);
--- error not_a_draft
SELECT 1 FROM listings WHERE listing_id = :listing_id AND status <> 'draft';
--- error mandate_missing
SELECT 1 FROM listings l WHERE listing_id = :listing_id
AND NOT EXISTS (SELECT 1 FROM mandates m WHERE fold(m.address) = fold(l.address) AND fold(m.city) = fold(l.city));
--- do
UPDATE listings SET status = 'active', headline = :headline, energy_class = :energy_class WHERE listing_id = :listing_id;
--- result
SELECT listing_id, headline, energy_class, 'https://homes.thistledoor.example/' || substr(listing_id, 5) AS url, status
FROM listings WHERE listing_id = :listing_id;

--- tool search_listings
--- error city_not_served
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM agents WHERE fold(city) = fold(:city));
--- page listings
SELECT listing_id, headline, address, asking_price_cents, currency, bedrooms FROM listings
WHERE status = 'active' AND fold(city) = fold(:city) AND (:max_price_cents IS NULL OR asking_price_cents <= :max_price_cents)
  AND (:min_bedrooms IS NULL OR bedrooms >= :min_bedrooms)
ORDER BY asking_price_cents, address, listing_id;

--- tool book_viewing
--- error listing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM listings WHERE listing_id = :listing_id);
--- error listing_not_active
SELECT 1 FROM listings WHERE listing_id = :listing_id AND status <> 'active';
--- error viewing_in_past
SELECT 1 WHERE at(:viewing_at, '+0 days') <= now();
--- error outside_hours
SELECT 1 WHERE weekday(at(:viewing_at, '+0 days')) = 'sunday' OR substr(at(:viewing_at, '+0 days'), 12, 5) NOT BETWEEN '09:00' AND '18:30'
  OR substr(at(:viewing_at, '+0 days'), 15, 2) NOT IN ('00', '30');
--- error slot_taken
SELECT 1 FROM viewings v JOIN listings l ON l.listing_id = :listing_id
WHERE v.agent_email = l.agent_email AND v.viewing_at = at(:viewing_at, '+0 days');
--- let
SELECT 'vw_' || alnum(8, 'viewing', 4000 + fresh(0)) AS viewing_id, at(:viewing_at, '+0 days') AS start;
--- do
INSERT INTO viewings SELECT :viewing_id, listing_id, agent_email, :buyer_name, :email, :start, 0 FROM listings WHERE listing_id = :listing_id;
--- result
SELECT viewing_id, listing_id, buyer_name, email, viewing_at, agent_name, 'confirmed' AS status
FROM viewings JOIN agents USING (agent_email) WHERE viewing_id = :viewing_id;

--- tool create_offer
--- error viewing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM viewings WHERE viewing_id = :viewing_id);
--- error viewing_upcoming
SELECT 1 FROM viewings WHERE viewing_id = :viewing_id AND viewing_at > now();
--- error viewing_missed
SELECT 1 FROM viewings WHERE viewing_id = :viewing_id AND missed;
--- error listing_reserved
SELECT 1 FROM viewings JOIN listings USING (listing_id) WHERE viewing_id = :viewing_id AND status = 'reserved';
--- error listing_gone
SELECT 1 FROM viewings JOIN listings USING (listing_id) WHERE viewing_id = :viewing_id AND status <> 'active';
--- error last_day_passed
SELECT 1 WHERE :valid_until < substr(now(), 1, 10);
--- let
SELECT 'off_' || alnum(8, 'offer', 4000 + fresh(0)) AS offer_id;
--- do
INSERT INTO offers VALUES (:offer_id, :viewing_id, :offer_price_cents, :financing, :valid_until, NULL, NULL, now());
--- result
SELECT offer_id, listing_id, viewing_id, offer_price_cents, financing, valid_until, 'presented' AS status
FROM offers JOIN viewings USING (viewing_id) WHERE offer_id = :offer_id;

--- tool accept_offer
--- error offer_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM offers WHERE offer_id = :offer_id);
--- error offer_not_open
SELECT 1 FROM offers WHERE offer_id = :offer_id AND answer IS NOT NULL;
--- error offer_expired
SELECT 1 FROM offers WHERE offer_id = :offer_id AND valid_until < substr(now(), 1, 10);
--- error completion_in_past
SELECT 1 WHERE :completion_date < substr(now(), 1, 10);
--- let
SELECT listing_id FROM offers JOIN viewings USING (viewing_id) WHERE offer_id = :offer_id;
--- do
UPDATE offers SET answer = 'declined' WHERE answer IS NULL AND offer_id <> :offer_id
  AND viewing_id IN (SELECT viewing_id FROM viewings WHERE listing_id = :listing_id);
UPDATE offers SET answer = 'accepted', completion_date = :completion_date WHERE offer_id = :offer_id;
UPDATE listings SET status = 'reserved' WHERE listing_id = :listing_id;
--- result
SELECT offer_id, :listing_id AS listing_id, completion_date, 'reserved' AS listing_status, answer AS status
FROM offers WHERE offer_id = :offer_id;

--- tool get_listing
--- error listing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM listings WHERE listing_id = :listing_id);
--- result
SELECT listing_id, address, city, asking_price_cents, currency,
       json_object('property_type', property_type, 'bedrooms', bedrooms, 'floor_area_m2', floor_area_m2) AS home, headline, energy_class,
       (SELECT count(*) FROM viewings v WHERE v.listing_id = l.listing_id) AS viewing_count,
       (SELECT count(*) FROM offers JOIN viewings v USING (viewing_id) WHERE v.listing_id = l.listing_id) AS offer_count,
       status, created_at
FROM listings l WHERE listing_id = :listing_id;
