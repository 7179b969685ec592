-- Ferrowick Quotedesk: the inside sales desk of a pump maker. Moments are UTC, prices are euro cents unless a quote says otherwise.
-- A quote is a draft until it is sent, won once it is an order, and expired when its days have passed without one.

--- tables
CREATE TABLE models (
  model_id TEXT PRIMARY KEY,
  model_name TEXT NOT NULL UNIQUE,
  medium TEXT NOT NULL CHECK (medium IN ('water', 'wastewater', 'acid', 'food', 'fuel')),
  max_flow_m3h REAL NOT NULL CHECK (max_flow_m3h > 0),
  list_price_cents INTEGER NOT NULL CHECK (list_price_cents > 0),
  lead_time_days INTEGER NOT NULL,
  in_force INTEGER NOT NULL CHECK (in_force IN (0, 1))
);
CREATE TABLE option_prices (
  option TEXT PRIMARY KEY,
  share INTEGER NOT NULL               -- of the list price, in percent
);
CREATE TABLE rates (
  currency TEXT PRIMARY KEY,
  rate REAL NOT NULL
);
CREATE TABLE blocked (country_code TEXT PRIMARY KEY);
CREATE TABLE quotes (
  quote_id TEXT PRIMARY KEY,
  company_name TEXT NOT NULL,
  email TEXT NOT NULL,
  country_code TEXT NOT NULL,
  currency TEXT NOT NULL REFERENCES rates,
  valid_days INTEGER NOT NULL CHECK (valid_days BETWEEN 7 AND 180),
  discount_percent REAL NOT NULL CHECK (discount_percent BETWEEN 0 AND 35),
  approval TEXT NOT NULL CHECK (approval IN ('not_needed', 'waiting', 'granted', 'refused')),
  sent_at TEXT,
  created_at TEXT NOT NULL
);
CREATE TABLE lines (
  line_id TEXT PRIMARY KEY,
  quote_id TEXT NOT NULL REFERENCES quotes,
  model_id TEXT NOT NULL REFERENCES models,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  options TEXT NOT NULL,
  line_total_cents INTEGER NOT NULL CHECK (line_total_cents > 0)
);
CREATE INDEX lines_by_quote ON lines (quote_id);
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY,
  quote_id TEXT NOT NULL UNIQUE REFERENCES quotes,
  purchase_order_number TEXT NOT NULL,
  requested_delivery TEXT,
  promised_delivery TEXT NOT NULL
);

--- populate
INSERT INTO models
SELECT 'FW-' || nth('pumps', n, 'code'), nth('pumps', n, 'name'), nth('pumps', n, 'medium'), nth('pumps', n, 'flow'),
       nth('pumps', n, 'price') * 100, draw(3, 12, 'lead', n) * 7, nth('pumps', n, 'medium') <> 'fuel'
FROM numbers WHERE n <= 26 ORDER BY n;
-- The small series come after the others and stand on no quote yet.
INSERT INTO models
SELECT 'FW-' || nth('small_pumps', n, 'code'), nth('small_pumps', n, 'name'), nth('small_pumps', n, 'medium'), nth('small_pumps', n, 'flow'),
       nth('small_pumps', n, 'price') * 100, draw(1, 6, 'small lead', n) * 7, 1
FROM numbers WHERE n <= 30 ORDER BY n;
INSERT INTO option_prices
SELECT value ->> 0, value ->> 1 FROM json_each('[["ceramic_seal", 6], ["atex_motor", 18], ["variable_drive", 22], ["steel_base", 4], ["remote_monitoring", 9], ["extended_warranty", 5]]') ORDER BY key;
INSERT INTO rates SELECT value ->> 0, value ->> 1 FROM json_each('[["EUR", 1], ["GBP", 0.86], ["USD", 1.09], ["CHF", 0.96], ["SEK", 11.3]]') ORDER BY key;
INSERT INTO blocked SELECT value FROM json_each('["BY", "KP", "RU", "SY"]') ORDER BY key;

-- Drafts first (the last two of them empty), then sent ones, expired ones and orders.
INSERT INTO quotes
SELECT 'Q' || substr(now(), 3, 2) || '-' || digits(6, 'quote', n), firm, email(person(300 + n), slug(firm) || '.example'), pick('countries', n), 'EUR', pick('terms', n),
       CASE WHEN n IN (17, 18) THEN 0 WHEN n BETWEEN 11 AND 14 THEN draw(10, 20, 'off', n) WHEN chance(0.5, 'some off', n) THEN draw(2, 8, 'off', n) ELSE 0 END,
       CASE n WHEN 11 THEN 'waiting' WHEN 12 THEN 'waiting' WHEN 13 THEN 'waiting' WHEN 14 THEN 'granted' ELSE 'not_needed' END,
       CASE WHEN n <= 18 THEN NULL WHEN n <= 30 THEN at(now(), '-' || draw(1, 6, 'sent', n) || ' days', draw(8, 16, 'hour', n) || ':20')
            WHEN n <= 36 THEN at(now(), '-' || (pick('terms', n) + draw(2, 20, 'sent', n)) || ' days', draw(8, 16, 'hour', n) || ':20')
            ELSE at(now(), '-' || draw(8, 25, 'sent', n) || ' days', draw(8, 16, 'hour', n) || ':20') END,
       CASE WHEN n <= 18 THEN at(now(), '-' || draw(0, 5, 'made', n) || ' days', '07:40')
            WHEN n <= 30 THEN at(now(), '-' || draw(7, 12, 'made', n) || ' days', '09:10')
            ELSE at(now(), '-' || (pick('terms', n) + draw(27, 40, 'made', n)) || ' days', '09:10') END
FROM (SELECT n, nth('stems', 1 + n % 24) || ' ' || nth('trades', 1 + n / 24) AS firm FROM numbers WHERE n <= 44) ORDER BY n;

INSERT INTO lines
SELECT 'QL' || digits(8, 'line', q.rowid * 4 + k.n), q.quote_id, m.model_id, draw(1, 6, 'quantity', q.rowid, k.n), json_array(o.option),
       m.list_price_cents * (100 + o.share) / 100 * draw(1, 6, 'quantity', q.rowid, k.n)
FROM quotes q JOIN numbers k ON k.n <= draw(1, 3, 'lines', q.rowid) JOIN models m ON m.rowid = 1 + (draw(0, 25, 'model', q.rowid) + k.n * 7) % 26
JOIN option_prices o ON o.rowid = draw(1, 6, 'option', q.rowid, k.n)
WHERE q.rowid NOT IN (17, 18) AND m.in_force ORDER BY q.rowid, k.n;
-- Who drew nothing but pumps of the old price book gets one of the new.
INSERT INTO lines
SELECT 'QL' || digits(8, 'line', 400 + q.rowid), q.quote_id, m.model_id, 2, '[]', m.list_price_cents * 2
FROM quotes q JOIN models m ON m.rowid = (SELECT min(rowid) FROM models WHERE in_force)
WHERE q.rowid NOT IN (17, 18) AND q.quote_id NOT IN (SELECT quote_id FROM lines) ORDER BY q.rowid;

INSERT INTO orders
SELECT 'SO' || digits(8, 'order', q.rowid), q.quote_id, 'PO-' || digits(5, 'po', q.rowid), NULL,
       at(q.sent_at, '+' || (5 + (SELECT max(lead_time_days) FROM lines JOIN models USING (model_id) WHERE lines.quote_id = q.quote_id)) || ' days', 'date')
FROM quotes q WHERE q.rowid > 36 ORDER BY q.rowid;

--- invariant only what was sent is ordered
SELECT order_id FROM orders JOIN quotes USING (quote_id) WHERE sent_at IS NULL;
--- invariant nothing goes out without lines or with a discount that waits
SELECT quote_id FROM quotes WHERE sent_at IS NOT NULL AND (approval = 'waiting' OR quote_id NOT IN (SELECT quote_id FROM lines));
--- invariant more than eight percent was decided by the director
SELECT quote_id FROM quotes WHERE discount_percent > 8 AND approval = 'not_needed';

--- tool search_models
--- error no_price_book
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM models WHERE medium = :medium AND in_force);
--- page models
SELECT model_id, model_name, max_flow_m3h, list_price_cents, lead_time_days FROM models
WHERE medium = :medium AND in_force AND (:min_flow_m3h IS NULL OR max_flow_m3h >= :min_flow_m3h)
ORDER BY max_flow_m3h, model_id;

--- tool create_quote
--- error export_blocked
SELECT 1 FROM blocked WHERE country_code = :country_code;
--- error currency_unsupported
SELECT 1 WHERE :currency NOT IN (SELECT currency FROM rates);
--- let
SELECT 'Q' || substr(now(), 3, 2) || '-' || digits(6, 'quote', 2000 + fresh(0)) AS quote_id;
--- do
INSERT INTO quotes VALUES (:quote_id, :company_name, :email, :country_code, :currency, :valid_days, 0, 'not_needed', NULL, now());
--- result
SELECT quote_id, company_name, email, country_code, currency, valid_days, 0 AS total_cents, 'draft' AS status FROM quotes WHERE quote_id = :quote_id;

--- tool add_quote_line
--- error quote_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM quotes WHERE quote_id = :quote_id);
--- error quote_locked
SELECT 1 FROM quotes WHERE quote_id = :quote_id AND sent_at IS NOT NULL;
--- error model_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM models WHERE model_id = :model_id AND in_force);
--- error option_conflict
SELECT 1 FROM json_each(coalesce(:options, '[]')) a, json_each(coalesce(:options, '[]')) b WHERE a.value = 'atex_motor' AND b.value = 'remote_monitoring';
--- let
SELECT 'QL' || digits(8, 'line', 2000 + fresh(0)) AS line_id,
       CAST(round(rate * (list_price_cents * (100 + coalesce((SELECT sum(share) FROM option_prices WHERE option IN (SELECT value FROM json_each(coalesce(:options, '[]')))), 0)) / 100)) AS INTEGER) * :quantity AS price
FROM models, quotes JOIN rates USING (currency) WHERE model_id = :model_id AND quote_id = :quote_id;
--- do
INSERT INTO lines VALUES (:line_id, :quote_id, :model_id, :quantity, coalesce(:options, '[]'), :price);
--- result
SELECT line_id, quote_id, model_id, quantity, options, line_total_cents,
       (SELECT CAST(round(sum(l.line_total_cents) * (1 - CASE q.approval WHEN 'refused' THEN 0 ELSE q.discount_percent END / 100.0)) AS INTEGER)
        FROM lines l JOIN quotes q USING (quote_id) WHERE l.quote_id = :quote_id) AS total_cents
FROM lines WHERE line_id = :line_id;

--- tool remove_quote_line
--- error line_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM lines WHERE line_id = :line_id AND quote_id = :quote_id);
--- error quote_locked
SELECT 1 FROM quotes WHERE quote_id = :quote_id AND sent_at IS NOT NULL;
--- do
DELETE FROM lines WHERE line_id = :line_id;
--- result
SELECT quote_id, :line_id AS line_id,
       coalesce((SELECT CAST(round(sum(line_total_cents) * (1 - CASE approval WHEN 'refused' THEN 0 ELSE discount_percent END / 100.0)) AS INTEGER)
        FROM lines l WHERE l.quote_id = :quote_id), 0) AS total_cents, 1 AS deleted
FROM quotes WHERE quote_id = :quote_id;

--- tool set_discount
--- error quote_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM quotes WHERE quote_id = :quote_id);
--- error quote_locked
SELECT 1 FROM quotes WHERE quote_id = :quote_id AND sent_at IS NOT NULL;
--- error justification_missing
SELECT 1 WHERE :discount_percent > 8 AND coalesce(:justification, '') = '';
--- do
UPDATE quotes SET discount_percent = :discount_percent, approval = CASE WHEN :discount_percent > 8 THEN 'waiting' ELSE 'not_needed' END WHERE quote_id = :quote_id;
--- result
SELECT quote_id, discount_percent, coalesce(:justification, '') AS justification, approval,
       coalesce((SELECT CAST(round(sum(line_total_cents) * (1 - discount_percent / 100.0)) AS INTEGER) FROM lines l WHERE l.quote_id = :quote_id), 0) AS total_cents
FROM quotes WHERE quote_id = :quote_id;

--- tool send_quote
--- error quote_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM quotes WHERE quote_id = :quote_id);
--- error quote_locked
SELECT 1 FROM quotes WHERE quote_id = :quote_id AND sent_at IS NOT NULL;
--- error quote_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM lines WHERE quote_id = :quote_id);
--- error approval_pending
SELECT 1 FROM quotes WHERE quote_id = :quote_id AND approval = 'waiting';
--- do
UPDATE quotes SET sent_at = now() WHERE quote_id = :quote_id;
--- result
SELECT quote_id, coalesce(:cover_note, '') AS cover_note, at(sent_at, '+' || valid_days || ' days', 'date') AS valid_until, sent_at, 'sent' AS status
FROM quotes WHERE quote_id = :quote_id;

--- tool convert_quote_to_order
--- error quote_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM quotes WHERE quote_id = :quote_id);
--- error already_ordered
SELECT 1 FROM orders WHERE quote_id = :quote_id;
--- error quote_not_sent
SELECT 1 FROM quotes WHERE quote_id = :quote_id AND sent_at IS NULL;
--- error quote_expired
SELECT 1 FROM quotes WHERE quote_id = :quote_id AND at(sent_at, '+' || valid_days || ' days', 'date') < substr(now(), 1, 10);
--- let
SELECT 'SO' || digits(8, 'order', 2000 + fresh(0)) AS order_id,
       max(coalesce(:requested_delivery, ''), at(now(), '+' || (SELECT max(lead_time_days) FROM lines JOIN models USING (model_id) WHERE quote_id = :quote_id) || ' days', 'date')) AS promised;
--- do
INSERT INTO orders VALUES (:order_id, :quote_id, :purchase_order_number, :requested_delivery, :promised);
--- result
SELECT order_id, quote_id, purchase_order_number, requested_delivery, promised_delivery, 'won' AS quote_status FROM orders WHERE order_id = :order_id;

--- tool get_quote
--- error quote_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM quotes WHERE quote_id = :quote_id);
--- result
SELECT quote_id, company_name, email, country_code, currency, valid_days, discount_percent, approval,
       coalesce((SELECT CAST(round(sum(line_total_cents) * (1 - CASE approval WHEN 'refused' THEN 0 ELSE discount_percent END / 100.0)) AS INTEGER)
        FROM lines l WHERE l.quote_id = :quote_id), 0) AS total_cents,
       CASE WHEN quote_id IN (SELECT quote_id FROM orders) THEN 'won' WHEN sent_at IS NULL THEN 'draft'
            WHEN at(sent_at, '+' || valid_days || ' days', 'date') < substr(now(), 1, 10) THEN 'expired' ELSE 'sent' END AS status, created_at
FROM quotes WHERE quote_id = :quote_id;
--- rows lines
SELECT line_id, model_id, quantity, line_total_cents FROM lines WHERE quote_id = :quote_id ORDER BY line_id;
