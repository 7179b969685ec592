-- Quillmark Debits: direct debits for gyms, nurseries and housing associations. Money is in euro cents.
-- A collection is scheduled, then at the bank (submitted), then paid or bounced; it counts as refunded once all of it is back.

--- tables
CREATE TABLE banking_days (
  day TEXT PRIMARY KEY
);
CREATE TABLE banks (
  bank_code TEXT PRIMARY KEY,
  country TEXT NOT NULL CHECK (country IN ('AT', 'DE', 'NL')),
  as_digits TEXT NOT NULL,              -- the code with its letters as the checksum counts them
  takes_b2b INTEGER NOT NULL CHECK (takes_b2b IN (0, 1))
);
-- Whom payers are and where they bank: what stands on the forms in the office, whether or not there is a mandate yet.
CREATE TABLE accounts (
  iban TEXT PRIMARY KEY,
  payer_name TEXT NOT NULL,
  email TEXT NOT NULL,
  bank_code TEXT NOT NULL REFERENCES banks,
  kind TEXT NOT NULL CHECK (kind IN ('gym', 'nursery', 'housing', 'company')),
  plan TEXT NOT NULL,
  monthly_cents INTEGER NOT NULL
);
CREATE TABLE mandates (
  mandate_id TEXT PRIMARY KEY,
  payer_name TEXT NOT NULL,
  iban TEXT NOT NULL,
  email TEXT NOT NULL,
  scheme TEXT NOT NULL CHECK (scheme IN ('sepa_core', 'sepa_b2b')),
  status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'revoked')),
  signed_on TEXT,
  created_at TEXT NOT NULL,
  CHECK (status <> 'active' OR signed_on IS NOT NULL)
);
CREATE INDEX mandates_by_email ON mandates (email);
CREATE TABLE collections (
  collection_id TEXT PRIMARY KEY,
  mandate_id TEXT NOT NULL REFERENCES mandates,
  amount_cents INTEGER NOT NULL CHECK (amount_cents BETWEEN 50 AND 2500000),
  charge_date TEXT NOT NULL,
  reference TEXT NOT NULL,
  bank_status TEXT NOT NULL CHECK (bank_status IN ('scheduled', 'submitted', 'paid', 'bounced', 'cancelled')),
  created_at TEXT NOT NULL
);
CREATE INDEX collections_by_mandate ON collections (mandate_id);
CREATE TABLE refunds (
  refund_id TEXT PRIMARY KEY,
  collection_id TEXT NOT NULL REFERENCES collections,
  refund_cents INTEGER NOT NULL CHECK (refund_cents > 0),
  reason TEXT NOT NULL CHECK (reason IN ('overcharged', 'service_not_delivered', 'duplicate', 'goodwill')),
  created_at TEXT NOT NULL
);
CREATE INDEX refunds_by_collection ON refunds (collection_id);

--- populate
INSERT INTO banking_days
WITH h AS MATERIALIZED (SELECT nth('bank_holidays', n) AS day FROM numbers WHERE n <= 7)
SELECT day FROM (SELECT n, at(now(), (n - 110) || ' days', 'date') AS day FROM numbers WHERE n <= 160)
WHERE strftime('%w', day) NOT IN ('0', '6') AND day NOT IN (SELECT day FROM h)
ORDER BY n;

INSERT INTO banks
SELECT nth('banks', n, 'code'), nth('banks', n, 'country'), nth('banks', n, 'digits'), nth('banks', n, 'b2b')
FROM numbers WHERE n <= 9 ORDER BY n;

-- Every sixth account is a company's. An IBAN is country, two check digits, bank code and account number.
INSERT INTO accounts
WITH k AS MATERIALIZED (
  SELECT v.n, b.bank_code, b.country, b.as_digits, CASE b.country WHEN 'DE' THEN 131400 WHEN 'AT' THEN 102900 ELSE 232100 END AS suffix,
         CASE WHEN v.n % 6 = 5 THEN 'company' WHEN v.n % 6 IN (1, 4) THEN 'gym' WHEN v.n % 6 IN (0, 2) THEN 'nursery' ELSE 'housing' END AS kind
  FROM numbers v JOIN banks b ON b.rowid = 1 + draw(0, 8, 'bank', v.n) WHERE v.n <= 130),
a AS MATERIALIZED (
  SELECT k.*, CASE country WHEN 'AT' THEN digits(11, 'account', n) ELSE digits(10, 'account', n) END AS number,
         CASE WHEN kind = 'company' THEN company(n) ELSE person(n) END AS name
  FROM k)
SELECT country || printf('%02d', 98 - ((CAST(as_digits || number AS INTEGER) % 97) * 1000000 + suffix) % 97) || bank_code || number,
       name,
       CASE WHEN kind = 'company' THEN 'accounts@' || slug(name) || '.example' ELSE email(name, pick('mail', n)) END,
       bank_code, kind,
       CASE kind WHEN 'gym' THEN nth('memberships', 1 + n % 4, 'plan') WHEN 'nursery' THEN nth('fees', 1 + n % 3, 'plan')
                 WHEN 'housing' THEN 'Rent flat ' || draw(1, 48, 'flat', n)
                 ELSE CASE n % 12 WHEN 5 THEN 'Corporate membership' ELSE 'Rent unit ' || draw(1, 9, 'unit', n) END END,
       CASE kind WHEN 'gym' THEN nth('memberships', 1 + n % 4, 'cents') WHEN 'nursery' THEN nth('fees', 1 + n % 3, 'cents')
                 WHEN 'housing' THEN 500 * draw(104, 236, 'rent', n)
                 ELSE CASE n % 12 WHEN 5 THEN 500 * draw(30, 60, 'corporate', n) ELSE 1000 * draw(45, 160, 'shop', n) END END
FROM a
ORDER BY n;

INSERT INTO mandates
SELECT 'mdt_' || alnum(8, 'mandate', n), payer_name, iban, email, scheme, state,
       CASE WHEN state <> 'pending' THEN at(now(), '-' || draw(100, 800, 'since', n) || ' days', 'date') END,
       at(now(), '-' || CASE state WHEN 'pending' THEN draw(3, 18, 'since', n) ELSE draw(100, 800, 'since', n) + draw(1, 9, 'paper', n) END || ' days',
          draw(9, 16, 'hour', n) || ':20')
FROM (
  SELECT a.rowid AS n, a.*, CASE WHEN a.kind = 'company' AND b.takes_b2b THEN 'sepa_b2b' ELSE 'sepa_core' END AS scheme,
         CASE a.rowid % 8 WHEN 0 THEN 'pending' WHEN 4 THEN CASE WHEN chance(0.25, 'late', a.rowid) THEN 'pending' ELSE 'revoked' END
                          ELSE 'active' END AS state
  FROM accounts a JOIN banks b USING (bank_code) WHERE a.rowid <= 72
)
ORDER BY n;

-- Some payers changed their bank: their old mandate is revoked.
INSERT INTO mandates
SELECT 'mdt_' || alnum(8, 'mandate', 300 + a.rowid), m.payer_name, a.iban, m.email, 'sepa_core', 'revoked',
       at(m.created_at, '-400 days', 'date'), at(m.created_at, '-405 days')
FROM accounts a JOIN mandates m ON m.rowid = (a.rowid - 124) * 8 + 1 WHERE a.rowid BETWEEN 125 AND 130 ORDER BY a.rowid;

-- Each month on the payer's own day, from two months back to the next; weekends and holidays are put off to the next banking day. One payer in eight
-- has a collection at the bank just now, and one in eight pauses: nothing after last month.
INSERT INTO collections
WITH t AS MATERIALIZED (SELECT at(now(), 'date') AS today, at(now(), '+1 days', 'date') AS tomorrow, at(now(), '-1 days', 'date') AS yesterday),
m AS MATERIALIZED (
  SELECT m.rowid AS mandate, m.mandate_id, m.status, a.plan, a.monthly_cents,
         CASE m.rowid % 8 WHEN 1 THEN CAST(substr(now(), 9, 2) AS INTEGER) ELSE pick('charge_days', m.rowid) - 1 END AS days
  FROM mandates m JOIN accounts a USING (iban) WHERE m.status <> 'pending' AND m.rowid <= 72),
r AS MATERIALIZED (
  SELECT m.*, k.n AS month, t.*, date(t.today, 'start of month', (k.n - 3) || ' months', '+' || m.days || ' days') AS raw
  FROM m JOIN t JOIN numbers k ON k.n <= 4 WHERE m.mandate % 8 <> 3 OR k.n <= 2),
c AS MATERIALIZED (
  SELECT r.*, (SELECT min(day) FROM banking_days WHERE day >= raw) AS charge_date,
         plan || ' ' || trim(substr('January  February March    April    May      June     July     August   SeptemberOctober  November December ',
                                    9 * substr(date(today, 'start of month', (month - 3) || ' months'), 6, 2) - 8, 9)) AS reference
  FROM r
  WHERE raw <= at(now(), '+24 days', 'date') AND NOT (status = 'revoked' AND raw BETWEEN at(now(), '-3 days', 'date') AND at(now(), '+2 days', 'date')))
SELECT 'col_' || alnum(10, 'collection', mandate * 5 + month), mandate_id, monthly_cents, charge_date, reference,
       CASE WHEN status = 'revoked' AND charge_date > today THEN 'cancelled'
            WHEN raw > tomorrow THEN 'scheduled'
            WHEN charge_date >= yesterday THEN 'submitted'
            WHEN chance(0.07, 'bounced', mandate, month) THEN 'bounced' ELSE 'paid' END,
       min(date(raw, '-12 days') || 'T10:05:00Z', at(now(), '-' || (1 + mandate % 3) || ' days', '10:05'))
FROM c
ORDER BY mandate, month;

-- About one paid collection in six has money given back: all of it, or a part.
INSERT INTO refunds
SELECT 'rfd_' || alnum(8, 'refund', c.rowid), c.collection_id,
       CASE WHEN chance(0.4, 'all', c.rowid) THEN c.amount_cents ELSE c.amount_cents * draw(2, 7, 'part', c.rowid) / 1000 * 100 END,
       pick('reasons', c.rowid), min(at(c.charge_date, '+' || draw(3, 12, 'after', c.rowid) || ' days', '14:10'), at(now(), '-2 hours'))
FROM collections c WHERE c.bank_status = 'paid' AND chance(0.17, 'refund', c.rowid) ORDER BY c.rowid;

--- invariant a revoked mandate has nothing scheduled
SELECT collection_id FROM collections JOIN mandates USING (mandate_id) WHERE status = 'revoked' AND bank_status IN ('scheduled', 'submitted');
--- invariant no more is given back than was taken
SELECT collection_id FROM collections JOIN refunds USING (collection_id) GROUP BY collection_id HAVING sum(refund_cents) > max(amount_cents);
--- invariant only paid collections have refunds
SELECT refund_id FROM refunds JOIN collections USING (collection_id) WHERE bank_status <> 'paid';
--- invariant nobody signs before the mandate exists on paper or after today
SELECT mandate_id FROM mandates WHERE signed_on > at(now(), 'date');

--- tool create_mandate
--- error iban_checksum_failed
WITH RECURSIVE moved(digits) AS (SELECT substr(:iban, 5) || substr(:iban, 1, 4)),
sums(place, rest) AS (
  SELECT 0, 0
  UNION ALL
  SELECT place + 1, CASE WHEN substr(digits, place + 1, 1) BETWEEN '0' AND '9' THEN (rest * 10 + substr(digits, place + 1, 1)) % 97
                         ELSE (rest * 100 + unicode(substr(digits, place + 1, 1)) - 55) % 97 END
  FROM sums, moved WHERE place < length(digits)
)
SELECT 1 FROM sums WHERE place = length(:iban) AND rest <> 1;
--- error scheme_not_reachable
SELECT 1 WHERE :scheme = 'sepa_b2b' AND NOT EXISTS (SELECT 1 FROM banks WHERE takes_b2b AND :iban GLOB country || '??' || bank_code || '*');
--- let
SELECT 'mdt_' || alnum(8, 'mandate', fresh(0)) AS mandate_id;
--- do
INSERT INTO mandates VALUES (:mandate_id, :payer_name, :iban, :email, :scheme, 'pending', NULL, now());
--- result
SELECT mandate_id, payer_name, iban, email, scheme, status FROM mandates WHERE mandate_id = :mandate_id;

--- tool activate_mandate
--- error mandate_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM mandates WHERE mandate_id = :mandate_id);
--- error mandate_revoked
SELECT 1 FROM mandates WHERE mandate_id = :mandate_id AND status = 'revoked';
--- error signature_in_future
SELECT 1 WHERE :signed_on > at(now(), 'date');
--- do
UPDATE mandates SET status = 'active', signed_on = :signed_on WHERE mandate_id = :mandate_id AND status = 'pending';
--- result
SELECT mandate_id, signed_on, status FROM mandates WHERE mandate_id = :mandate_id;

--- tool search_mandates
--- error filter_missing
SELECT 1 WHERE :email IS NULL AND :status IS NULL;
--- page mandates
SELECT mandate_id, payer_name, email, status FROM mandates
WHERE (:email IS NULL OR fold(email) = fold(:email)) AND (:status IS NULL OR status = :status)
ORDER BY created_at DESC, mandate_id;

--- tool create_collection
--- error mandate_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM mandates WHERE mandate_id = :mandate_id);
--- error mandate_not_active
SELECT 1 FROM mandates WHERE mandate_id = :mandate_id AND status <> 'active';
--- error charge_date_too_soon
SELECT 1 WHERE :charge_date < (SELECT day FROM banking_days WHERE day > at(now(), 'date') ORDER BY day LIMIT 1 OFFSET 1);
--- let
SELECT 'col_' || alnum(10, 'collection', fresh(0)) AS collection_id;
--- do
INSERT INTO collections VALUES (:collection_id, :mandate_id, :amount_cents, :charge_date, :reference, 'scheduled', now());
--- result
SELECT collection_id, mandate_id, amount_cents, charge_date, reference, bank_status AS status FROM collections WHERE collection_id = :collection_id;

--- tool get_collection
--- error collection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM collections WHERE collection_id = :collection_id);
--- result
SELECT collection_id, mandate_id, amount_cents, charge_date, reference,
       CASE WHEN coalesce(refunded, 0) = amount_cents THEN 'refunded' ELSE bank_status END AS status,
       coalesce(refunded, 0) AS refunded_cents, created_at
FROM collections LEFT JOIN (SELECT collection_id, sum(refund_cents) AS refunded FROM refunds GROUP BY collection_id) USING (collection_id)
WHERE collection_id = :collection_id;

--- tool refund_collection
--- error collection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM collections WHERE collection_id = :collection_id);
--- error collection_not_paid
SELECT 1 FROM collections WHERE collection_id = :collection_id AND bank_status <> 'paid';
--- error refund_exceeds_balance
SELECT 1 FROM collections c WHERE collection_id = :collection_id
  AND :refund_cents > amount_cents - coalesce((SELECT sum(refund_cents) FROM refunds r WHERE r.collection_id = c.collection_id), 0);
--- let
SELECT 'rfd_' || alnum(8, 'refund', fresh(0)) AS refund_id;
--- do
INSERT INTO refunds VALUES (:refund_id, :collection_id, :refund_cents, :reason, now());
--- result
SELECT refund_id, collection_id, refund_cents, reason, 'queued' AS refund_status FROM refunds WHERE refund_id = :refund_id;

--- tool revoke_mandate
--- error mandate_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM mandates WHERE mandate_id = :mandate_id);
--- error already_revoked
SELECT 1 FROM mandates WHERE mandate_id = :mandate_id AND status = 'revoked';
--- error collection_in_flight
SELECT 1 FROM collections WHERE mandate_id = :mandate_id AND bank_status = 'submitted';
--- let
SELECT count(*) AS cancelled FROM collections WHERE mandate_id = :mandate_id AND bank_status = 'scheduled';
--- do
UPDATE collections SET bank_status = 'cancelled' WHERE mandate_id = :mandate_id AND bank_status = 'scheduled';
UPDATE mandates SET status = 'revoked' WHERE mandate_id = :mandate_id;
--- result
SELECT mandate_id, status, :cancelled AS cancelled_collections FROM mandates WHERE mandate_id = :mandate_id;
