-- Larkfield Bonds: one buy-side desk that asks dealers for prices. Moments are UTC, prices are clean, in percent of face value.
-- Coupons are yearly. An inquiry is traded once a trade stands on one of its quotes; dealers' prices hold until they expire.

--- tables
CREATE TABLE bonds (
  bond_id TEXT PRIMARY KEY,
  issuer TEXT NOT NULL,
  coupon_percent REAL NOT NULL CHECK (coupon_percent > 0),
  maturity_date TEXT NOT NULL,
  rating TEXT NOT NULL CHECK (rating IN ('AAA', 'AA', 'A', 'BBB', 'BB', 'B')),
  currency TEXT NOT NULL,
  min_piece INTEGER NOT NULL,
  mid REAL NOT NULL CHECK (mid BETWEEN 40 AND 160),
  UNIQUE (issuer, coupon_percent),
  UNIQUE (issuer, maturity_date)
);
CREATE TABLE dealers (dealer TEXT PRIMARY KEY);
CREATE TABLE holidays (
  currency TEXT NOT NULL,
  day TEXT NOT NULL,
  PRIMARY KEY (currency, day)
);
CREATE TABLE inquiries (
  inquiry_id TEXT PRIMARY KEY,
  bond_id TEXT NOT NULL REFERENCES bonds,
  side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
  face_value INTEGER NOT NULL CHECK (face_value >= 100000),
  dealers TEXT NOT NULL,
  answer_within_seconds INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'cancelled', 'lapsed')),
  created_at TEXT NOT NULL
);
CREATE TABLE dealer_quotes (
  dealer_quote_id TEXT PRIMARY KEY,
  inquiry_id TEXT NOT NULL REFERENCES inquiries,
  dealer TEXT NOT NULL REFERENCES dealers,
  clean_price REAL NOT NULL,
  firm INTEGER NOT NULL CHECK (firm IN (0, 1)),
  expires_at TEXT NOT NULL,
  UNIQUE (inquiry_id, dealer)
);
CREATE TABLE trades (
  trade_id TEXT PRIMARY KEY,
  dealer_quote_id TEXT NOT NULL UNIQUE REFERENCES dealer_quotes,
  inquiry_id TEXT NOT NULL UNIQUE REFERENCES inquiries,
  settlement_date TEXT NOT NULL,
  desk_note TEXT,
  failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
  created_at TEXT NOT NULL,
  CHECK (settlement_date > substr(created_at, 1, 10))
);

--- populate
INSERT INTO dealers SELECT nth('dealers', n) FROM numbers WHERE n <= 8 ORDER BY n;

-- Two or three bonds for each issuer, a few years apart; the longer one pays more. The price follows from what the market pays.
INSERT INTO bonds
SELECT 'bnd_' || upper(alnum(9, 'bond', place * 4 + k)), issuer, coupon, maturity, rating, currency,
       CASE WHEN rating IN ('BB', 'B') THEN 200000 ELSE 100000 END,
       round(100 + (coupon - market) * 0.85 * min(years, 11), 2)
FROM (
  SELECT *, (round(market * 8) + draw(-5, 1, 'coupon', place) + k * 2) / 8.0 AS coupon,
         substr(at(now(), '+' || (years * 365 + draw(20, 340, 'matures', place, k)) || ' days', 'date'), 1, 8) || '15' AS maturity
  FROM (
    SELECT n AS place, k, nth('issuers', n, 'name') AS issuer, nth('issuers', n, 'rating') AS rating, nth('issuers', n, 'currency') AS currency,
           nth('issuers', n, 'market') AS market, k * 3 - 1 + draw(0, 1, 'years', n, k) AS years
    FROM (SELECT a.n AS n, b.n AS k FROM numbers a JOIN numbers b ON b.n <= 2 + chance(0.4, 'third', a.n) WHERE a.n <= 20)))
ORDER BY place, k;

INSERT INTO holidays
WITH d AS MATERIALIZED (
  SELECT n, day FROM (SELECT n, at(now(), n || ' days', 'date') AS day FROM numbers WHERE n BETWEEN 3 AND 9) WHERE weekday(day) NOT IN ('saturday', 'sunday')),
c AS MATERIALIZED (SELECT currency, draw(3, 5, 'holiday', currency) AS first FROM (SELECT DISTINCT currency FROM bonds))
SELECT c.currency, min(d.day) FROM c JOIN d ON d.n >= c.first GROUP BY c.currency ORDER BY c.currency;

-- The days on which all of these markets rest.
INSERT INTO holidays
SELECT c.currency, r.value FROM (SELECT DISTINCT currency FROM bonds) c
JOIN json_each('["2026-01-01", "2026-04-03", "2026-04-06", "2026-12-25", "2027-01-01", "2027-03-26", "2027-03-29", "2027-12-24", "2027-12-31"]') r
WHERE NOT EXISTS (SELECT 1 FROM holidays h WHERE h.currency = c.currency AND h.day = r.value) ORDER BY c.currency, r.value;

-- Seven are open since a few minutes ago; the older ones were traded, cancelled or lapsed.
INSERT INTO inquiries
WITH q AS MATERIALIZED (
  SELECT n, draw(1, 8, 'asked', n) AS s, pick('sides', n) AS side, draw(1, 9999, 'of', n) AS place, draw(1, 6, 'asked at', n) AS days FROM numbers WHERE n <= 34),
c AS MATERIALIZED (SELECT count(*) AS bonds FROM bonds)
SELECT 'inq_' || alnum(8, 'inquiry', n), bond_id, side, max(min_piece, draw(2, 50, 'size', n) * 100000),
       json_array(nth('dealers', s), nth('dealers', 1 + (s + 2) % 8), nth('dealers', 1 + (s + 5) % 8), nth('dealers', 1 + s % 8), nth('dealers', 1 + (s + 3) % 8)),
       pick('seconds', n), CASE WHEN n <= 7 THEN 'open' WHEN n % 5 = 0 THEN 'cancelled' WHEN n % 7 = 0 THEN 'lapsed' ELSE 'open' END,
       CASE WHEN n <= 7 THEN at(now(), '-' || draw(3, 25, 'asked at', n) || ' minutes')
            ELSE at(now(), '-' || (days + CASE weekday(at(now(), '-' || days || ' days'))
                                   WHEN 'saturday' THEN 1 WHEN 'sunday' THEN 2 ELSE 0 END) || ' days', draw(8, 16, 'hour', n) || ':' || draw(10, 59, 'minute', n)) END
FROM q JOIN c JOIN bonds ON bonds.rowid = 1 + q.place % c.bonds ORDER BY n;

-- Every dealer answers with a price of their own; on two of the open inquiries nobody is firm yet.
INSERT INTO dealer_quotes
SELECT 'dqt_' || alnum(8, 'quote', i.rowid * 6 + d.key), i.inquiry_id, d.value,
       round(b.mid + CASE i.side WHEN 'buy' THEN 1 ELSE -1 END * (0.12 + 0.05 * ((d.key * 3 + i.rowid) % 5) + 0.01 * draw(0, 3, 'off', i.rowid, d.key)), 2),
       CASE WHEN i.rowid IN (6, 7) THEN 0 ELSE d.key = 0 OR chance(0.8, 'firm', i.rowid, d.key) END,
       CASE WHEN i.rowid <= 7 THEN at(now(), '+' || draw(25, 55, 'holds', i.rowid, d.key) || ' minutes')
            ELSE at(i.created_at, '+' || draw(5, 15, 'holds', i.rowid, d.key) || ' minutes') END
FROM inquiries i JOIN bonds b USING (bond_id) JOIN json_each(i.dealers) d ORDER BY i.rowid, d.key;

-- The older ones went to the best firm price, to be settled two working days later.
INSERT INTO trades
SELECT 'trd_' || alnum(10, 'trade', i.rowid), CASE i.side
         WHEN 'buy' THEN (SELECT dealer_quote_id FROM dealer_quotes q WHERE q.inquiry_id = i.inquiry_id AND q.firm ORDER BY clean_price LIMIT 1)
         ELSE (SELECT dealer_quote_id FROM dealer_quotes q WHERE q.inquiry_id = i.inquiry_id AND q.firm ORDER BY clean_price DESC LIMIT 1) END,
       i.inquiry_id, at(i.created_at, '+' || CASE WHEN weekday(i.created_at) IN ('thursday', 'friday') THEN 4 ELSE 2 END || ' days', 'date'),
       CASE WHEN chance(0.4, 'note', i.rowid) THEN pick('notes', i.rowid) END, chance(0.25, 'failed', i.rowid), at(i.created_at, '+3 minutes')
FROM inquiries i WHERE i.rowid > 7 AND i.state = 'open' ORDER BY i.rowid;

--- invariant a trade stands on a firm quote of its inquiry
SELECT trade_id FROM trades t JOIN dealer_quotes q USING (dealer_quote_id) WHERE NOT q.firm OR q.inquiry_id <> t.inquiry_id;
--- invariant nothing settles at the weekend
SELECT trade_id FROM trades WHERE weekday(settlement_date) IN ('saturday', 'sunday');
--- invariant nothing was traded on an inquiry that was withdrawn or lapsed
SELECT trade_id FROM trades JOIN inquiries USING (inquiry_id) WHERE state <> 'open';

--- tool search_bonds
--- error empty_maturity_window
SELECT 1 WHERE :matures_before < :matures_after;
--- rows bonds
SELECT bond_id, issuer, coupon_percent, maturity_date, rating, currency FROM bonds
WHERE (:issuer IS NULL OR matches(issuer, :issuer))
  AND (:min_rating IS NULL OR instr('AAA  AA   A    BBB  BB   B    ', substr(rating || '     ', 1, 5)) <= instr('AAA  AA   A    BBB  BB   B    ', substr(:min_rating || '     ', 1, 5)))
  AND (:matures_after IS NULL OR maturity_date >= :matures_after) AND (:matures_before IS NULL OR maturity_date <= :matures_before)
ORDER BY issuer, maturity_date LIMIT coalesce(:limit, 25);
--- result
SELECT NULL AS next_cursor;

--- tool calculate_yield
--- error bond_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM bonds WHERE bond_id = :bond_id);
--- error settles_after_maturity
SELECT 1 FROM bonds WHERE bond_id = :bond_id AND maturity_date <= :settlement_date;
--- let
SELECT coupon_percent AS coupon, coupons,
       (julianday(date(maturity_date, (1 - coupons) || ' years')) - julianday(:settlement_date))
       / (julianday(date(maturity_date, (1 - coupons) || ' years')) - julianday(date(maturity_date, (0 - coupons) || ' years'))) AS wait
FROM (SELECT *, substr(maturity_date, 1, 4) - substr(:settlement_date, 1, 4) + (substr(maturity_date, 6) > substr(:settlement_date, 6)) AS coupons
      FROM bonds WHERE bond_id = :bond_id);
--- let
SELECT round(:coupon * (1 - :wait), 4) AS accrued;
-- The discount factor of a year at which all payments are worth the price, by halving.
--- let
WITH RECURSIVE guess (step, low, high) AS (
  SELECT 0, 0.5, 0.9999
  UNION ALL
  SELECT step + 1,
         CASE WHEN calculate('v^w * (c * (1 - v^n) / (1 - v) + 100 * v^(n - 1))', json_object('v', (low + high) / 2, 'w', :wait, 'c', :coupon, 'n', :coupons)) < :clean_price + :accrued THEN (low + high) / 2 ELSE low END,
         CASE WHEN calculate('v^w * (c * (1 - v^n) / (1 - v) + 100 * v^(n - 1))', json_object('v', (low + high) / 2, 'w', :wait, 'c', :coupon, 'n', :coupons)) < :clean_price + :accrued THEN high ELSE (low + high) / 2 END
  FROM guess WHERE step < 36)
SELECT (low + high) / 2 AS v FROM guess WHERE step = 36;
--- let
SELECT calculate('v^w * (c * (1 - v^n) / (1 - v) + 100 * v^(n - 1))', json_object('v', :v * 1.0001, 'w', :wait, 'c', :coupon, 'n', :coupons)) AS above,
       calculate('v^w * (c * (1 - v^n) / (1 - v) + 100 * v^(n - 1))', json_object('v', :v * 0.9999, 'w', :wait, 'c', :coupon, 'n', :coupons)) AS below;
--- result
SELECT :bond_id AS bond_id, :clean_price AS clean_price, :settlement_date AS settlement_date, round(100 / :v - 100, 3) AS yield_percent,
       round((:above - :below) / 0.0002 * :v / (:clean_price + :accrued), 2) AS modified_duration, round(:accrued, 3) AS accrued_interest;

--- tool create_inquiry
--- error bond_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM bonds WHERE bond_id = :bond_id);
--- error dealer_unknown
SELECT 1 FROM json_each(:dealers) WHERE value NOT IN (SELECT dealer FROM dealers);
--- error below_minimum_piece
SELECT 1 FROM bonds WHERE bond_id = :bond_id AND :face_value < min_piece;
--- error open_inquiry_limit
SELECT 1 WHERE (SELECT count(*) FROM inquiries WHERE state = 'open' AND inquiry_id NOT IN (SELECT inquiry_id FROM trades)) >= 10;
--- let
SELECT 'inq_' || alnum(8, 'inquiry', 2000 + fresh(0)) AS inquiry_id, fresh(1) AS place;
--- do
INSERT INTO inquiries VALUES (:inquiry_id, :bond_id, :side, :face_value, :dealers, :answer_within_seconds, 'open', now());
INSERT INTO dealer_quotes
SELECT 'dqt_' || alnum(8, 'quote', 3000 + :place * 6 + d.key), :inquiry_id, d.value,
       round(b.mid + CASE :side WHEN 'buy' THEN 1 ELSE -1 END * (0.12 + 0.05 * ((d.key * 3 + :place) % 5) + 0.01 * draw(0, 3, 'off', :place, d.key)), 2),
       1, at(now(), '+' || draw(15, 40, 'holds', :place, d.key) || ' minutes')
FROM bonds b JOIN json_each(:dealers) d WHERE b.bond_id = :bond_id;
--- result
SELECT inquiry_id, bond_id, side, face_value, dealers, answer_within_seconds, 'open' AS status FROM inquiries WHERE inquiry_id = :inquiry_id;

--- tool list_dealer_quotes
--- error inquiry_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM inquiries WHERE inquiry_id = :inquiry_id);
--- rows dealer_quotes
SELECT dealer_quote_id, dealer, clean_price, firm, expires_at FROM dealer_quotes JOIN inquiries USING (inquiry_id)
WHERE inquiry_id = :inquiry_id AND state = 'open' AND expires_at > now() AND (firm OR NOT :firm_only)
  AND inquiry_id NOT IN (SELECT inquiry_id FROM trades)
ORDER BY clean_price * CASE side WHEN 'buy' THEN 1 ELSE -1 END, dealer;
--- result
SELECT NULL AS next_cursor;

--- tool accept_dealer_quote
--- error dealer_quote_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM dealer_quotes WHERE dealer_quote_id = :dealer_quote_id);
--- error quote_expired
SELECT 1 FROM dealer_quotes JOIN inquiries USING (inquiry_id) WHERE dealer_quote_id = :dealer_quote_id
AND (NOT firm OR expires_at <= now() OR state <> 'open' OR inquiry_id IN (SELECT inquiry_id FROM trades));
--- error not_a_settlement_day
SELECT 1 FROM dealer_quotes JOIN inquiries USING (inquiry_id) JOIN bonds USING (bond_id) WHERE dealer_quote_id = :dealer_quote_id
AND (:settlement_date <= substr(now(), 1, 10) OR weekday(:settlement_date) IN ('saturday', 'sunday')
     OR :settlement_date IN (SELECT day FROM holidays h WHERE h.currency = bonds.currency));
--- let
SELECT 'trd_' || alnum(10, 'trade', 2000 + fresh(0)) AS trade_id, inquiry_id FROM dealer_quotes WHERE dealer_quote_id = :dealer_quote_id;
--- do
INSERT INTO trades VALUES (:trade_id, :dealer_quote_id, :inquiry_id, :settlement_date, :desk_note, 0, now());
--- result
SELECT trade_id, dealer_quote_id, t.inquiry_id, clean_price, settlement_date, desk_note, 'booked' AS trade_status
FROM trades t JOIN dealer_quotes q USING (dealer_quote_id) WHERE trade_id = :trade_id;

--- tool get_trade
--- error trade_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM trades WHERE trade_id = :trade_id);
--- result
SELECT trade_id, t.dealer_quote_id, t.inquiry_id, i.bond_id, side, face_value, dealer, clean_price, settlement_date, desk_note,
       CASE WHEN settlement_date < substr(now(), 1, 10) THEN CASE WHEN failed THEN 'failed' ELSE 'settled' END
            WHEN t.created_at < at(now(), '-20 hours') THEN 'matched' ELSE 'booked' END AS trade_status, t.created_at
FROM trades t JOIN dealer_quotes q USING (dealer_quote_id) JOIN inquiries i ON i.inquiry_id = t.inquiry_id WHERE trade_id = :trade_id;

--- tool cancel_inquiry
--- error inquiry_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM inquiries WHERE inquiry_id = :inquiry_id);
--- error inquiry_already_traded
SELECT 1 FROM trades WHERE inquiry_id = :inquiry_id;
--- error inquiry_not_open
SELECT 1 FROM inquiries WHERE inquiry_id = :inquiry_id AND state <> 'open';
--- do
UPDATE inquiries SET state = 'cancelled' WHERE inquiry_id = :inquiry_id;
--- result
SELECT inquiry_id, 'cancelled' AS status FROM inquiries WHERE inquiry_id = :inquiry_id;
