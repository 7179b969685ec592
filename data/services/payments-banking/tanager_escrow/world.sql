-- Tanager Escrow: money held while commissioned work is delivered. Amounts are in minor units of the escrow's currency.
-- A milestone is disputed, released, held (the escrow is funded) or unfunded; an escrow's status follows from its milestones.

--- tables
CREATE TABLE buyers (
  buyer_email TEXT PRIMARY KEY,
  buyer_name TEXT NOT NULL,
  contact TEXT NOT NULL,
  available_minor INTEGER NOT NULL CHECK (available_minor >= 0)    -- what the linked account covers, in the escrow's currency
);
CREATE TABLE sellers (
  seller_email TEXT PRIMARY KEY,
  seller_name TEXT NOT NULL,
  verified INTEGER NOT NULL CHECK (verified IN (0, 1))
);
CREATE TABLE escrows (
  escrow_id TEXT PRIMARY KEY,
  buyer_email TEXT NOT NULL,
  seller_email TEXT NOT NULL,
  subject TEXT NOT NULL,
  currency TEXT NOT NULL CHECK (currency IN ('EUR', 'GBP', 'USD', 'CHF')),
  inspection_days INTEGER NOT NULL CHECK (inspection_days BETWEEN 1 AND 30),
  created_at TEXT NOT NULL,
  funded_at TEXT,
  CHECK (lower(buyer_email) <> lower(seller_email))
);
CREATE TABLE milestones (
  milestone_id TEXT PRIMARY KEY,
  escrow_id TEXT NOT NULL REFERENCES escrows,
  deliverable TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor >= 1000),
  due_date TEXT NOT NULL,
  released_at TEXT
);
CREATE INDEX milestones_by_escrow ON milestones (escrow_id);
CREATE TABLE disputes (
  dispute_id TEXT PRIMARY KEY,
  milestone_id TEXT NOT NULL UNIQUE REFERENCES milestones,
  raised_by TEXT NOT NULL CHECK (raised_by IN ('buyer', 'seller')),
  statement TEXT NOT NULL,
  evidence_urls TEXT NOT NULL,
  opened_at TEXT NOT NULL
);

--- populate
-- The first 44 buyers have an escrow each, the others are new; every ninth has an account that covers next to nothing.
INSERT INTO buyers
SELECT CASE WHEN n % 3 = 0 THEN 'orders@' || slug(company(n)) || '.example' ELSE email(person(n), pick('mail', n)) END,
       CASE WHEN n % 3 = 0 THEN company(n) ELSE person(n) END, person(n),
       CASE WHEN n % 9 = 5 THEN 100 * draw(40, 280, 'low', n) ELSE 10000 * draw(1200, 9000, 'covers', n) END
FROM numbers WHERE n <= 80 ORDER BY n;

INSERT INTO sellers
SELECT nth('works', n, 'mail') || '@' || slug(nth('works', n, 'seller')) || '.example', nth('works', n, 'seller'), 1
FROM numbers WHERE n <= 22 ORDER BY n;

-- People who sell a thing of their own; a few have not shown who they are yet.
INSERT INTO sellers
SELECT email(person(200 + n), pick('mail', 'seller', n)), person(200 + n), n % 6 <> 3 FROM numbers WHERE n <= 30 ORDER BY n;

-- How far each one is: at milestone c of 2 or 3, which is due in d days; the ones before are g days apart.
-- Drafts, disputed ones, completed ones, some whose inspection is over, and some in good time.
INSERT INTO escrows
SELECT 'esc_' || alnum(9, 'escrow', n), buyer_email, seller_email, nth('works', work, 'subject'), nth('works', work, 'currency'), days,
       CASE WHEN state = 'draft' THEN at(now(), '-' || draw(1, 6, 'drafted', n) || ' days', draw(9, 17, 'hour', n) || ':20')
            ELSE at(now(), '-' || ((c - 1) * g - d + draw(20, 40, 'ahead', n)) || ' days', draw(9, 17, 'hour', n) || ':20') END,
       CASE WHEN state <> 'draft' THEN at(now(), '-' || ((c - 1) * g - d + draw(20, 40, 'ahead', n) - draw(1, 3, 'paid in', n)) || ' days', draw(9, 17, 'pay hour', n) || ':45') END
FROM (
  SELECT n, state, work, buyer_email, seller_email, days, parts, g,
         CASE state WHEN 'draft' THEN 1 WHEN 'done' THEN parts + 1 ELSE draw(1, parts, 'reached', n) END AS c,
         CASE state WHEN 'draft' THEN 12 WHEN 'disputed' THEN 0 - draw(2, 4, 'due', n) WHEN 'over' THEN 0 - draw(12, 18, 'due', n)
                    WHEN 'delivered' THEN 0 - draw(1, 3, 'due', n) ELSE draw(2, 18, 'due', n) END AS d
  FROM (
    SELECT v.n, b.buyer_email, s.seller_email, 1 + (v.n - 1) % 22 AS work, pick('inspection', v.n) AS days, draw(2, 3, 'parts', v.n) AS parts,
           draw(26, 45, 'apart', v.n) AS g,
           CASE WHEN v.n = 44 THEN 'draft' ELSE CASE v.n % 8 WHEN 1 THEN 'draft' WHEN 2 THEN 'disputed' WHEN 4 THEN 'done' WHEN 6 THEN 'over'
                WHEN 0 THEN 'running' ELSE 'delivered' END END AS state
    FROM numbers v JOIN buyers b ON b.rowid = v.n JOIN sellers s ON s.rowid = 1 + (v.n - 1) % 22 WHERE v.n <= 44))
ORDER BY n;

INSERT INTO milestones
SELECT 'mls_' || alnum(7, 'milestone', n * 14 + k), escrow_id, nth('works', work, CASE k WHEN 1 THEN 'first' WHEN 2 THEN 'second' ELSE 'third' END),
       unit * CASE WHEN parts = 2 THEN 5 WHEN k = 2 THEN 4 ELSE 3 END,
       at(now(), (d + (k - c) * g) || ' days', 'date'),
       CASE WHEN k < c AND state <> 'draft' THEN at(now(), (d + (k - c) * g + draw(0, 3, 'released', n, k)) || ' days', draw(9, 16, 'release hour', n, k) || ':35') END
FROM (
  SELECT n, k, escrow_id, work, parts, g, state, 1000 * draw(nth('works', work, 'low'), nth('works', work, 'high'), 'unit', n) AS unit,
         CASE state WHEN 'draft' THEN 1 WHEN 'done' THEN parts + 1 ELSE draw(1, parts, 'reached', n) END AS c,
         CASE state WHEN 'draft' THEN draw(14, 30, 'due', n) WHEN 'disputed' THEN 0 - draw(2, 4, 'due', n) WHEN 'over' THEN 0 - draw(12, 18, 'due', n)
                    WHEN 'delivered' THEN 0 - draw(1, 3, 'due', n) ELSE draw(2, 18, 'due', n) END AS d
  FROM (
    SELECT e.rowid AS n, k.n AS k, e.escrow_id, 1 + (e.rowid - 1) % 22 AS work, draw(2, 3, 'parts', e.rowid) AS parts, draw(26, 45, 'apart', e.rowid) AS g,
           CASE e.rowid % 8 WHEN 1 THEN 'draft' WHEN 2 THEN 'disputed' WHEN 4 THEN 'done' WHEN 6 THEN 'over' WHEN 0 THEN 'running' ELSE 'delivered' END AS state
    FROM escrows e JOIN numbers k ON k.n <= 3
    WHERE e.rowid < 44 AND k.n <= draw(2, 3, 'parts', e.rowid) AND (e.rowid % 16 <> 9 OR k.n = 1) AND e.rowid <> 33))   -- some drafts lack parts as yet, one has none
ORDER BY n, k;

-- One draft has all the milestones that an escrow may have.
INSERT INTO milestones
SELECT 'mls_' || alnum(7, 'milestone', 44 * 14 + k.n), e.escrow_id, 'Part ' || k.n || ' of 12', 25000, at(now(), (k.n * 30) || ' days', 'date'), NULL
FROM escrows e JOIN numbers k ON k.n <= 12 WHERE e.rowid = 44 ORDER BY k.n;

INSERT INTO disputes
SELECT 'dsp_' || alnum(7, 'dispute', e.rowid), (SELECT milestone_id FROM milestones m WHERE m.escrow_id = e.escrow_id AND m.released_at IS NULL ORDER BY due_date LIMIT 1),
       'buyer', pick('faults', e.rowid), '[]', at(now(), '-1 days', draw(9, 18, 'dispute hour', e.rowid) || ':10')
FROM escrows e WHERE e.rowid % 8 = 2 ORDER BY e.rowid;

--- invariant a draft has paid nothing out and nothing under dispute
SELECT milestone_id FROM milestones JOIN escrows USING (escrow_id) LEFT JOIN disputes USING (milestone_id)
WHERE funded_at IS NULL AND (released_at IS NOT NULL OR dispute_id IS NOT NULL);
--- invariant what is disputed is not released
SELECT milestone_id FROM milestones JOIN disputes USING (milestone_id) WHERE released_at IS NOT NULL;
--- invariant a funded escrow has milestones
SELECT escrow_id FROM escrows WHERE funded_at IS NOT NULL AND escrow_id NOT IN (SELECT escrow_id FROM milestones);
--- invariant nothing happens in the future or before the escrow
SELECT escrow_id FROM escrows LEFT JOIN milestones USING (escrow_id)
WHERE created_at > now() OR funded_at > now() OR funded_at < created_at OR released_at > now() OR released_at < funded_at;

--- tool open_escrow
--- error same_party
SELECT 1 WHERE fold(:buyer_email) = fold(:seller_email);
--- error party_not_verified
SELECT 1 FROM sellers WHERE seller_email = lower(:seller_email) AND NOT verified;
--- let
SELECT 'esc_' || alnum(9, 'escrow', fresh(0)) AS escrow_id;
--- do
INSERT INTO escrows VALUES (:escrow_id, :buyer_email, :seller_email, :subject, :currency, :inspection_days, now(), NULL);
--- result
SELECT escrow_id, buyer_email, seller_email, subject, currency, inspection_days, 'draft' AS status FROM escrows WHERE escrow_id = :escrow_id;

--- tool add_milestone
--- error escrow_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM escrows WHERE escrow_id = :escrow_id);
--- error escrow_already_funded
SELECT 1 FROM escrows WHERE escrow_id = :escrow_id AND funded_at IS NOT NULL;
--- error milestone_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM milestones WHERE escrow_id = :escrow_id) >= 12;
--- let
SELECT 'mls_' || alnum(7, 'milestone', fresh(0)) AS milestone_id;
--- do
INSERT INTO milestones VALUES (:milestone_id, :escrow_id, :deliverable, :amount_minor, :due_date, NULL);
--- result
SELECT milestone_id, escrow_id, deliverable, amount_minor, due_date, 'unfunded' AS milestone_status FROM milestones WHERE milestone_id = :milestone_id;

--- tool estimate_escrow_fee
--- error manual_pricing_needed
SELECT 1 WHERE :amount_minor > 5000000;
--- let
SELECT rate, CAST(round(:amount_minor * rate / 100) AS INTEGER) AS fee
FROM (SELECT CASE WHEN :amount_minor <= 100000 THEN 3.9 WHEN :amount_minor <= 500000 THEN 3.25 WHEN :amount_minor <= 2000000 THEN 2.6 ELSE 1.9 END AS rate);
--- result
SELECT :amount_minor AS amount_minor, :currency AS currency,
       CASE coalesce(:fee_payer, 'split') WHEN 'buyer' THEN :fee WHEN 'seller' THEN 0 ELSE :fee - :fee / 2 END AS buyer_fee_minor,
       CASE coalesce(:fee_payer, 'split') WHEN 'buyer' THEN 0 WHEN 'seller' THEN :fee ELSE :fee / 2 END AS seller_fee_minor,
       :rate AS rate_percent;

--- tool fund_escrow
--- error escrow_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM escrows WHERE escrow_id = :escrow_id);
--- error already_funded
SELECT 1 FROM escrows WHERE escrow_id = :escrow_id AND funded_at IS NOT NULL;
--- error no_milestones
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM milestones WHERE escrow_id = :escrow_id);
--- error insufficient_funds
SELECT 1 FROM escrows e WHERE escrow_id = :escrow_id
  AND (SELECT sum(amount_minor) FROM milestones m WHERE m.escrow_id = e.escrow_id)
      > coalesce((SELECT available_minor FROM buyers b WHERE b.buyer_email = lower(e.buyer_email)), 0);
--- do
UPDATE buyers SET available_minor = available_minor - (SELECT sum(amount_minor) FROM milestones WHERE escrow_id = :escrow_id)
WHERE buyer_email = (SELECT lower(buyer_email) FROM escrows WHERE escrow_id = :escrow_id);
UPDATE escrows SET funded_at = now() WHERE escrow_id = :escrow_id;
--- result
SELECT escrow_id, (SELECT sum(amount_minor) FROM milestones m WHERE m.escrow_id = e.escrow_id) AS held_minor, 'funded' AS status, funded_at
FROM escrows e WHERE escrow_id = :escrow_id;

--- tool get_escrow
--- error escrow_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM escrows WHERE escrow_id = :escrow_id);
--- result
SELECT escrow_id, buyer_email, seller_email, subject, currency, inspection_days,
       CASE WHEN funded_at IS NULL THEN 'draft'
            WHEN EXISTS (SELECT 1 FROM milestones m JOIN disputes USING (milestone_id) WHERE m.escrow_id = e.escrow_id) THEN 'disputed'
            WHEN EXISTS (SELECT 1 FROM milestones m WHERE m.escrow_id = e.escrow_id AND released_at IS NULL) THEN 'funded' ELSE 'completed' END AS status,
       CASE WHEN funded_at IS NULL THEN 0
            ELSE coalesce((SELECT sum(amount_minor) FROM milestones m WHERE m.escrow_id = e.escrow_id AND released_at IS NULL), 0) END AS held_minor,
       created_at
FROM escrows e WHERE escrow_id = :escrow_id;
--- rows milestones
SELECT milestone_id, deliverable, amount_minor, due_date,
       CASE WHEN dispute_id IS NOT NULL THEN 'disputed' WHEN released_at IS NOT NULL THEN 'released' WHEN funded_at IS NOT NULL THEN 'held'
            ELSE 'unfunded' END AS milestone_status
FROM milestones JOIN escrows USING (escrow_id) LEFT JOIN disputes USING (milestone_id)
WHERE escrow_id = :escrow_id ORDER BY due_date, milestone_id;

--- tool release_milestone
--- error milestone_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM milestones WHERE milestone_id = :milestone_id);
--- error milestone_disputed
SELECT 1 FROM disputes WHERE milestone_id = :milestone_id;
--- error milestone_not_held
SELECT 1 FROM milestones JOIN escrows USING (escrow_id) WHERE milestone_id = :milestone_id AND (released_at IS NOT NULL OR funded_at IS NULL);
--- do
UPDATE milestones SET released_at = now() WHERE milestone_id = :milestone_id;
--- result
SELECT milestone_id, escrow_id, amount_minor, 'released' AS milestone_status, released_at FROM milestones WHERE milestone_id = :milestone_id;

--- tool open_dispute
--- error milestone_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM milestones WHERE milestone_id = :milestone_id);
--- error already_disputed
SELECT 1 FROM disputes WHERE milestone_id = :milestone_id;
--- error milestone_not_held
SELECT 1 FROM milestones JOIN escrows USING (escrow_id) WHERE milestone_id = :milestone_id AND (released_at IS NOT NULL OR funded_at IS NULL);
--- error inspection_window_closed
SELECT 1 FROM milestones JOIN escrows USING (escrow_id)
WHERE milestone_id = :milestone_id AND at(due_date, '+' || inspection_days || ' days', 'date') < at(now(), 'date');
--- let
SELECT 'dsp_' || alnum(7, 'dispute', fresh(0)) AS dispute_id;
--- do
INSERT INTO disputes VALUES (:dispute_id, :milestone_id, :raised_by, :statement, coalesce(:evidence_urls, '[]'), now());
--- result
SELECT dispute_id, milestone_id, raised_by, statement, 'disputed' AS milestone_status, at(opened_at, '+7 days', 'date') AS respond_by
FROM disputes WHERE dispute_id = :dispute_id;
