-- Pewter Brokerage: one private investor's dealing accounts. Moments are UTC; money and prices are in hundredths.
-- Positions and cash are what has settled; fills of the last days are in them. Cash for open orders to buy is set aside.
-- An order is open while some of it is not filled, nobody has cancelled it and its last day has not passed.

--- tables
CREATE TABLE instruments (
  instrument_id TEXT PRIMARY KEY,
  ticker TEXT NOT NULL UNIQUE,
  instrument_name TEXT NOT NULL UNIQUE,
  short_name TEXT NOT NULL,
  asset_class TEXT NOT NULL CHECK (asset_class IN ('share', 'etf', 'investment_trust')),
  currency TEXT NOT NULL CHECK (currency IN ('GBP', 'USD', 'EUR')),
  last INTEGER NOT NULL CHECK (last > 0),
  bid INTEGER NOT NULL,
  ask INTEGER NOT NULL,
  halted INTEGER NOT NULL CHECK (halted IN (0, 1)),
  CHECK (bid <= last AND last <= ask)
);
CREATE TABLE accounts (
  account_id TEXT PRIMARY KEY,
  account_name TEXT NOT NULL UNIQUE,
  currency TEXT NOT NULL CHECK (currency IN ('GBP', 'USD', 'EUR')),
  cash INTEGER NOT NULL CHECK (cash >= 0),
  revaluing INTEGER NOT NULL CHECK (revaluing IN (0, 1))
);
CREATE TABLE positions (
  account_id TEXT NOT NULL REFERENCES accounts,
  instrument_id TEXT NOT NULL REFERENCES instruments,
  shares INTEGER NOT NULL CHECK (shares > 0),
  paid INTEGER NOT NULL CHECK (paid > 0),       -- for each share, on average
  PRIMARY KEY (account_id, instrument_id)
);
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts,
  instrument_id TEXT NOT NULL REFERENCES instruments,
  side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  limit_price INTEGER CHECK (limit_price > 0),
  valid_until TEXT NOT NULL,
  created_at TEXT NOT NULL,
  cancelled_at TEXT,
  filled INTEGER NOT NULL CHECK (filled BETWEEN 0 AND quantity),
  fill_price INTEGER,                           -- on average
  CHECK ((filled > 0) = (fill_price IS NOT NULL))
);
CREATE INDEX orders_by_account ON orders (account_id, instrument_id);

--- populate
INSERT INTO instruments
SELECT 'ins_' || digits(7, 'instrument', n), ticker, name, short, class, currency, last,
       bid - (bid % 10 = 0), ask + (ask % 10 = 0), 0
FROM (
  SELECT *, last - max(1, last / 800) AS bid, last + max(1, last / 800) AS ask
  FROM (
    SELECT n, nth('instruments', n, 'ticker') AS ticker, nth('instruments', n, 'name') AS name,
           nth('instruments', n, 'short') AS short, nth('instruments', n, 'class') AS class,
           nth('instruments', n, 'currency') AS currency,
           nth('instruments', n, 'price') * draw(93, 107, 'price', n) / 100 AS last
    FROM numbers WHERE n <= 46))
ORDER BY n;

-- Trading in two of them is halted, one of which trades in pounds.
UPDATE instruments SET halted = 1
WHERE instrument_id = (SELECT instrument_id FROM instruments WHERE currency = 'GBP' ORDER BY draw(1, 99999, 'halt', ticker), ticker LIMIT 1)
   OR instrument_id = (SELECT instrument_id FROM instruments WHERE currency <> 'GBP' ORDER BY draw(1, 99999, 'halt', ticker), ticker LIMIT 1);

INSERT INTO accounts
SELECT 'acc_' || digits(8, 'account', n), value ->> '$.name', value ->> '$.currency', draw(90000, 900000, 'cash', n),
       n = draw(2, 6, 'revaluing')
FROM (SELECT n, CASE n WHEN 1 THEN '{"name": "Stocks and Shares ISA", "currency": "GBP"}'
                       WHEN 2 THEN '{"name": "Dealing account", "currency": "GBP"}'
                       WHEN 3 THEN '{"name": "Pension", "currency": "GBP"}'
                       WHEN 4 THEN '{"name": "Junior ISA", "currency": "GBP"}'
                       WHEN 5 THEN '{"name": "Dollar account", "currency": "USD"}'
                       ELSE '{"name": "Euro account", "currency": "EUR"}' END AS value
      FROM numbers WHERE n <= 6)
ORDER BY n;

-- Four to seven positions in each account, many more in the dealing account and the pension.
INSERT INTO positions
SELECT account_id, instrument_id, shares, last * draw(68, 118, 'cost', place, ticker) / 100
FROM (
  SELECT a.account_id, a.rowid AS place, i.instrument_id, i.ticker, i.last,
         max(5, draw(60000, 400000, 'size', a.rowid, i.ticker) / i.last / 5 * 5) AS shares,
         row_number() OVER (PARTITION BY a.account_id ORDER BY draw(1, 999999, 'own', a.rowid, i.ticker), i.ticker) AS k
  FROM accounts a JOIN instruments i USING (currency))
WHERE k <= CASE WHEN place IN (2, 3) THEN draw(15, 21, 'many', place) ELSE draw(4, 7, 'holdings', place) END
ORDER BY place, k;

-- Orders in every state: to add to a position or sell a part of it, and to buy something new, which has not been filled.
INSERT INTO orders
SELECT 'ord_' || alnum(10, 'order', row_number() OVER (ORDER BY place, ticker)), account_id, instrument_id, side, quantity,
       limit_price, at(valid_until, '-' || CASE weekday(valid_until) WHEN 'saturday' THEN 1 WHEN 'sunday' THEN 2 ELSE 0 END || ' days', 'date'), made,
       CASE WHEN state = 'cancelled' THEN at(made, '+' || draw(40, 170, 'stopped', place, ticker) || ' minutes') END,
       CASE state WHEN 'filled' THEN quantity WHEN 'partially_filled' THEN max(1, quantity * draw(2, 7, 'share', place, ticker) / 10)
                  ELSE 0 END,
       CASE WHEN state IN ('filled', 'partially_filled')
            THEN coalesce(limit_price, last * draw(97, 103, 'price paid', place, ticker) / 100) END
FROM (
  SELECT *,
         CASE WHEN state IN ('working', 'partially_filled') OR chance(0.6, 'limited', place, ticker)
              THEN last * CASE side WHEN 'buy' THEN draw(90, 98, 'limit', place, ticker) ELSE draw(103, 112, 'limit', place, ticker) END / 100 END
           AS limit_price,
         CASE WHEN state = 'expired' THEN at(made, '+' || draw(1, 5, 'valid', place, ticker) || ' days', 'date')
              WHEN state IN ('working', 'partially_filled') THEN at(now(), '+' || draw(2, 25, 'valid', place, ticker) || ' days', 'date')
              ELSE at(made, '+' || draw(0, 14, 'valid', place, ticker) || ' days', 'date') END AS valid_until
  FROM (
    SELECT *, at(day, '-' || CASE weekday(day) WHEN 'saturday' THEN 1 WHEN 'sunday' THEN 2 ELSE 0 END || ' days',
                 draw(8, 12, 'hour', place, ticker) || ':' || draw(11, 58, 'minute', place, ticker)) AS made
    FROM (
      SELECT *, at(now(), '-' || CASE WHEN state = 'expired' THEN draw(9, 25, 'made', place, ticker)
                                      ELSE draw(1, 6, 'made', place, ticker) END || ' days') AS day
      FROM (
        SELECT a.rowid AS place, a.account_id, i.instrument_id, i.ticker, i.last, pick('sides', a.rowid, i.ticker) AS side,
               max(2, p.shares / draw(2, 5, 'part', a.rowid, i.ticker)) AS quantity, pick('order_states', a.rowid, i.ticker) AS state
        FROM positions p JOIN accounts a USING (account_id) JOIN instruments i USING (instrument_id)
        WHERE chance(0.7, 'ordered', a.rowid, i.ticker)
        UNION ALL
        SELECT place, account_id, instrument_id, ticker, last, 'buy',
               max(4, draw(40000, 180000, 'buy size', place, ticker) / last), pick('new_states', place, ticker)
        FROM (
          SELECT a.rowid AS place, a.account_id, i.instrument_id, i.ticker, i.last,
                 row_number() OVER (PARTITION BY a.account_id ORDER BY draw(1, 999999, 'buy', a.rowid, i.ticker), i.ticker) AS k
          FROM accounts a JOIN instruments i USING (currency)
          WHERE NOT i.halted
            AND NOT EXISTS (SELECT 1 FROM positions p WHERE p.account_id = a.account_id AND p.instrument_id = i.instrument_id))
        WHERE k <= 2))))
ORDER BY place, ticker;

-- What is set aside for orders was there when they were placed.
UPDATE accounts SET cash = cash + coalesce((
  SELECT sum((o.quantity - o.filled) * coalesce(o.limit_price, i.ask)) FROM orders o JOIN instruments i USING (instrument_id)
  WHERE o.account_id = accounts.account_id AND o.side = 'buy' AND o.cancelled_at IS NULL
    AND o.filled < o.quantity AND o.valid_until >= substr(now(), 1, 10)), 0);

--- invariant cash covers the open orders to buy
SELECT account_id FROM accounts a WHERE a.cash - coalesce((
         SELECT sum((o.quantity - o.filled) * coalesce(o.limit_price, i.ask)) FROM orders o JOIN instruments i USING (instrument_id)
         WHERE o.account_id = a.account_id AND o.side = 'buy' AND o.cancelled_at IS NULL AND o.filled < o.quantity AND o.valid_until >= substr(now(), 1, 10)), 0) < 0;
--- invariant open orders to sell are covered by shares
SELECT p.account_id FROM positions p JOIN orders o USING (account_id, instrument_id)
WHERE o.side = 'sell' AND o.cancelled_at IS NULL AND o.filled < o.quantity AND o.valid_until >= substr(now(), 1, 10)
GROUP BY p.account_id, p.instrument_id HAVING sum(o.quantity - o.filled) > max(p.shares);
--- invariant an account trades in its own currency
SELECT a.account_id FROM accounts a JOIN orders o USING (account_id) JOIN instruments i USING (instrument_id) WHERE a.currency <> i.currency
UNION ALL SELECT a.account_id FROM accounts a JOIN positions p USING (account_id) JOIN instruments i USING (instrument_id)
WHERE a.currency <> i.currency;

--- tool search_instruments
--- error query_too_broad
SELECT count(*) AS found FROM instruments WHERE matches(instrument_name || ' ' || ticker, :query) HAVING count(*) > 8;
--- page instruments
SELECT instrument_id, ticker, instrument_name, asset_class, currency FROM instruments
WHERE matches(instrument_name || ' ' || ticker, :query) AND (:asset_class IS NULL OR asset_class = :asset_class)
ORDER BY instrument_name;

--- tool quote_instrument
--- error instrument_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM instruments WHERE instrument_id = :instrument_id);
--- error trading_halted
SELECT 1 FROM instruments WHERE instrument_id = :instrument_id AND halted;
--- result
SELECT instrument_id, ticker, bid / 100.0 AS bid, ask / 100.0 AS ask, currency,
       now() BETWEEN at(now(), '08:00') AND at(now(), '16:30') AS market_open,
       CASE WHEN now() > at(now(), '16:30') THEN at(now(), '16:30')
            WHEN now() < at(now(), '08:00') THEN at(now(), '-1 days', '16:30') ELSE now() END AS quoted_at
FROM instruments WHERE instrument_id = :instrument_id;

--- tool list_accounts
--- error currency_not_offered
SELECT 1 WHERE :currency IS NOT NULL AND :currency NOT IN ('GBP', 'USD', 'EUR');
--- page accounts
SELECT account_id, account_name, currency,
       (a.cash - coalesce((
         SELECT sum((o.quantity - o.filled) * coalesce(o.limit_price, i.ask)) FROM orders o JOIN instruments i USING (instrument_id)
         WHERE o.account_id = a.account_id AND o.side = 'buy' AND o.cancelled_at IS NULL AND o.filled < o.quantity AND o.valid_until >= substr(now(), 1, 10)), 0)) / 100.0 AS available_cash
FROM accounts a
WHERE :currency IS NULL OR currency = :currency
ORDER BY account_name;

--- tool place_order
--- error account_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE account_id = :account_id);
--- error instrument_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM instruments WHERE instrument_id = :instrument_id);
--- error other_currency
SELECT a.currency FROM accounts a, instruments i
WHERE a.account_id = :account_id AND i.instrument_id = :instrument_id AND a.currency <> i.currency;
--- error trading_halted
SELECT 1 FROM instruments WHERE instrument_id = :instrument_id AND halted;
--- error valid_until_passed
SELECT 1 WHERE :valid_until < substr(now(), 1, 10);
--- error limit_price_off_market
SELECT 1 FROM instruments WHERE instrument_id = :instrument_id AND abs(:limit_price * 100 - last) > 0.2 * last;
--- error insufficient_cash
SELECT 1 FROM accounts a, instruments x
WHERE a.account_id = :account_id AND x.instrument_id = :instrument_id AND :side = 'buy'
  AND :quantity * coalesce(:limit_price * 100, x.ask) > a.cash - coalesce((
         SELECT sum((o.quantity - o.filled) * coalesce(o.limit_price, i.ask)) FROM orders o JOIN instruments i USING (instrument_id)
         WHERE o.account_id = a.account_id AND o.side = 'buy' AND o.cancelled_at IS NULL AND o.filled < o.quantity AND o.valid_until >= substr(now(), 1, 10)), 0);
--- error position_too_small
SELECT 1 WHERE :side = 'sell' AND :quantity > coalesce((
  SELECT p.shares - coalesce((
    SELECT sum(o.quantity - o.filled) FROM orders o
    WHERE o.account_id = p.account_id AND o.instrument_id = p.instrument_id AND o.side = 'sell' AND o.cancelled_at IS NULL
      AND o.filled < o.quantity AND o.valid_until >= substr(now(), 1, 10)), 0)
  FROM positions p WHERE p.account_id = :account_id AND p.instrument_id = :instrument_id), 0);
--- let
SELECT 'ord_' || alnum(10, 'order', fresh(0)) AS order_id, coalesce(:valid_until, substr(now(), 1, 10)) AS last_day,
       CAST(round(:limit_price * 100) AS INTEGER) AS hundredths;
--- do
INSERT INTO orders VALUES
  (:order_id, :account_id, :instrument_id, :side, :quantity, :hundredths, :last_day, now(), NULL, 0, NULL);
--- result
SELECT order_id, account_id, instrument_id, side, quantity, limit_price / 100.0 AS limit_price, valid_until, 'working' AS status
FROM orders WHERE order_id = :order_id;

--- tool get_order
--- error order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id);
--- result
SELECT order_id, account_id, instrument_id, side, quantity, limit_price / 100.0 AS limit_price, valid_until,
       CASE WHEN filled = quantity THEN 'filled' WHEN cancelled_at IS NOT NULL THEN 'cancelled'
            WHEN valid_until < substr(now(), 1, 10) THEN 'expired' WHEN filled > 0 THEN 'partially_filled' ELSE 'working' END AS status,
       filled AS filled_quantity, fill_price / 100.0 AS average_price, created_at
FROM orders WHERE order_id = :order_id;

--- tool cancel_order
--- error order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id);
--- error order_already_filled
SELECT 1 FROM orders WHERE order_id = :order_id AND filled = quantity;
--- error order_not_open
SELECT CASE WHEN cancelled_at IS NULL THEN 'expired' ELSE 'cancelled' END AS state FROM orders
WHERE order_id = :order_id AND (cancelled_at IS NOT NULL OR valid_until < substr(now(), 1, 10));
--- do
UPDATE orders SET cancelled_at = now() WHERE order_id = :order_id;
--- result
SELECT order_id, 'cancelled' AS status, filled AS filled_quantity FROM orders WHERE order_id = :order_id;

--- tool list_positions
--- error account_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE account_id = :account_id);
--- error valuation_pending
SELECT 1 FROM accounts WHERE account_id = :account_id AND revaluing;
--- page positions
SELECT p.instrument_id, i.ticker, p.shares AS quantity, p.shares * i.last / 100.0 AS market_value,
       p.shares * (i.last - p.paid) / 100.0 AS unrealised_gain
FROM positions p JOIN instruments i USING (instrument_id)
WHERE p.account_id = :account_id AND p.shares * i.last >= :min_value * 100
ORDER BY p.shares * i.last DESC, i.ticker;
