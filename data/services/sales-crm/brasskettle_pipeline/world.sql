-- Brasskettle Pipeline: the sales team of a coffee and tea roaster. Moments are UTC; money is in cents of the deal's currency.
-- A lead is converted once an account was made of it; how likely a deal is follows from its stage.

--- tables
CREATE TABLE reps (
  owner_email TEXT PRIMARY KEY,
  rep_name TEXT NOT NULL UNIQUE
);
CREATE TABLE leads (
  lead_id TEXT PRIMARY KEY,
  company_name TEXT NOT NULL,
  contact_name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  phone TEXT,
  lead_source TEXT NOT NULL CHECK (lead_source IN ('trade_fair', 'website', 'referral', 'cold_call', 'partner')),
  lead_score INTEGER NOT NULL CHECK (lead_score BETWEEN 0 AND 100),
  contacted INTEGER NOT NULL CHECK (contacted IN (0, 1)),
  lost INTEGER NOT NULL CHECK (lost IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE TABLE accounts (
  account_id TEXT PRIMARY KEY,
  lead_id TEXT NOT NULL UNIQUE REFERENCES leads,
  industry TEXT NOT NULL CHECK (industry IN ('hospitality', 'retail', 'manufacturing', 'public_sector', 'healthcare')),
  owner_email TEXT NOT NULL REFERENCES reps,
  on_hold INTEGER NOT NULL CHECK (on_hold IN (0, 1))
);
CREATE TABLE deals (
  deal_id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts,
  deal_name TEXT NOT NULL,
  value_cents INTEGER NOT NULL CHECK (value_cents >= 0),
  currency TEXT NOT NULL,
  expected_close TEXT NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('qualified', 'tasting', 'proposal', 'negotiation', 'won', 'lost')),
  lost_reason TEXT,
  created_at TEXT NOT NULL,
  CHECK ((stage = 'lost') = (lost_reason IS NOT NULL))
);
CREATE INDEX deals_by_account ON deals (account_id);
CREATE TABLE activities (
  activity_id TEXT PRIMARY KEY,
  deal_id TEXT NOT NULL REFERENCES deals,
  activity_type TEXT NOT NULL CHECK (activity_type IN ('call', 'visit', 'mail', 'sample_sent')),
  summary TEXT NOT NULL,
  follow_up_on TEXT,
  logged_at TEXT NOT NULL
);
CREATE INDEX activities_by_deal ON activities (deal_id);

--- populate
INSERT INTO reps
SELECT email(person(n), 'brasskettle.example'), person(n) FROM numbers WHERE n <= 6 ORDER BY n;

-- Two contacts at each of four companies; the fronts 45 to 64 are for companies that are not known yet.
INSERT INTO leads
WITH l AS MATERIALIZED (
  SELECT n, nth('fronts', place) || ' ' || nth('kinds', 1 + place % 20, 'kind') AS company_name, pick('sources', n) AS lead_source, person(20 + n) AS name
  FROM (SELECT n, CASE WHEN n > 48 THEN n + 16 WHEN n > 44 THEN n - 4 ELSE n END AS place FROM numbers WHERE n <= 76))
SELECT 'ld_' || alnum(9, 'lead', n), company_name, name, email(name, slug(company_name) || '.example'),
       CASE WHEN chance(0.7, 'phone', n) THEN phone(20 + n) END, lead_source,
       draw(0, 25, 'score', n) + CASE lead_source WHEN 'referral' THEN 60 WHEN 'partner' THEN 55 WHEN 'trade_fair' THEN 45
                                                  WHEN 'website' THEN 35 ELSE 20 END,
       chance(0.6, 'contacted', n), n % 9 = 4, at(now(), '-' || (draw(3, 20, 'lead age', n) + n % 4 * 30 + CASE WHEN n <= 26 THEN 160 ELSE 0 END) || ' days', draw(8, 17, 'lead hour', n) || ':20')
FROM l
ORDER BY n;

INSERT INTO accounts
SELECT 'ac_' || alnum(9, 'account', l.rowid), l.lead_id, nth('kinds', 1 + l.rowid % 20, 'industry'),
       (SELECT owner_email FROM reps r WHERE r.rowid = draw(1, 6, 'owner', l.rowid)), l.rowid % 11 = 2
FROM leads l WHERE l.rowid <= 26 AND NOT l.lost ORDER BY l.rowid;

-- One to three deals of different names on each account, in every stage.
INSERT INTO deals
WITH p AS MATERIALIZED (SELECT n, nth('products', n, 'name') AS name, nth('products', n, 'low') AS low, nth('products', n, 'high') AS high FROM numbers WHERE n <= 12),
a AS MATERIALIZED (SELECT rowid AS place, account_id, pick('currencies', rowid) AS currency, draw(1, 3, 'deals', rowid) AS most FROM accounts),
d AS MATERIALIZED (
  SELECT a.*, k.n AS k, pick('stages', a.place, k.n) AS stage, 1 + (a.place + k.n * 5) % 12 AS product FROM a JOIN numbers k ON k.n <= a.most),
e AS MATERIALIZED (SELECT d.*, CASE WHEN stage NOT IN ('won', 'lost') THEN draw(6, 90, 'closes', place, k) END AS closes FROM d)
SELECT 'dl_' || alnum(9, 'deal', place * 4 + k), account_id, p.name, 50000 * draw(p.low, p.high, 'value', place, k),
       currency,
       CASE WHEN stage IN ('won', 'lost') THEN at(now(), '-' || draw(3, 80, 'closed', place, k) || ' days', 'date')
            ELSE at(now(), '+' || (closes + CASE weekday(at(now(), '+' || closes || ' days')) WHEN 'saturday' THEN 2 WHEN 'sunday' THEN 1 ELSE 0 END) || ' days', 'date') END,
       stage, CASE WHEN stage = 'lost' THEN pick('lost_reasons', place, k) END,
       at(now(), '-' || (draw(12, 60, 'deal age', place, k) + CASE WHEN stage IN ('won', 'lost') THEN 90 ELSE 0 END) || ' days', draw(8, 16, 'deal hour', place, k) || ':40')
FROM e JOIN p ON p.n = e.product
ORDER BY place, k;

-- What has happened so far: nothing or a call at the first stage, samples before a tasting, more later on.
INSERT INTO activities
WITH d AS MATERIALIZED (
  SELECT rowid AS place, deal_id, stage, created_at, draw(CASE WHEN stage = 'qualified' THEN 0 ELSE 2 END,
           CASE stage WHEN 'qualified' THEN 1 WHEN 'tasting' THEN 3 ELSE 5 END, 'touches', rowid) AS most
  FROM deals),
a AS MATERIALIZED (
  SELECT d.*, k.n AS k, CASE WHEN d.stage <> 'qualified' AND k.n = 2 THEN 'sample_sent' ELSE pick('touch_types', d.place, k.n) END AS kind,
         CASE WHEN k.n = d.most AND d.stage NOT IN ('won', 'lost') AND chance(0.5, 'follow', d.place) THEN draw(1, 12, 'follow', d.place) END AS later
  FROM d JOIN numbers k ON k.n <= d.most)
SELECT 'av_' || alnum(9, 'activity', place * 6 + k), deal_id, kind,
       CASE kind WHEN 'call' THEN pick('calls', place, k) WHEN 'visit' THEN pick('visits', place, k)
                 WHEN 'mail' THEN pick('mails', place, k) ELSE pick('samples', place, k) END,
       CASE WHEN later IS NOT NULL THEN at(now(), '+' || (later
              + CASE weekday(at(now(), '+' || later || ' days')) WHEN 'saturday' THEN 2 WHEN 'sunday' THEN 1 ELSE 0 END) || ' days', 'date') END,
       at(created_at, '+' || (k * 2) || ' days', draw(8, 16, 'touch hour', place, k) || ':' || draw(10, 55, 'touch minute', place, k))
FROM a
ORDER BY place, k;

--- invariant a deal begins after its lead
SELECT deal_id FROM deals d JOIN accounts USING (account_id) JOIN leads l USING (lead_id) WHERE d.created_at < l.created_at;

--- invariant an account's lead was not lost
SELECT account_id FROM accounts JOIN leads USING (lead_id) WHERE lost;
--- invariant nothing was logged before there was a deal, or in the future
SELECT activity_id FROM activities JOIN deals USING (deal_id) WHERE logged_at < created_at OR logged_at > now();
--- invariant a deal that is open closes after it was opened
SELECT deal_id FROM deals WHERE expected_close < substr(created_at, 1, 10);

--- tool create_lead
--- error duplicate_lead
SELECT 1 FROM leads WHERE fold(email) = fold(:email);
--- let
SELECT 'ld_' || alnum(9, 'lead', fresh(0)) AS lead_id;
--- do
INSERT INTO leads VALUES (:lead_id, :company_name, :contact_name, :email, :phone, :lead_source,
  draw(8, 20, 'new score', :email) + CASE :lead_source WHEN 'referral' THEN 60 WHEN 'partner' THEN 55 WHEN 'trade_fair' THEN 45
                                                   WHEN 'website' THEN 35 ELSE 20 END, 0, 0, now());
--- result
SELECT lead_id, company_name, contact_name, email, phone, lead_source, lead_score, 'new' AS status
FROM leads WHERE lead_id = :lead_id;

--- tool search_leads
--- page leads
SELECT lead_id, company_name, contact_name, lead_score, CASE WHEN contacted THEN 'contacted' ELSE 'new' END AS status FROM leads l
WHERE NOT lost AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.lead_id = l.lead_id)
  AND (:query IS NULL OR matches(company_name || ' ' || contact_name, :query))
  AND (:lead_source IS NULL OR lead_source = :lead_source) AND lead_score >= :min_score
ORDER BY lead_score DESC, company_name, lead_id;

--- tool convert_lead
--- error lead_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leads WHERE lead_id = :lead_id);
--- error already_converted
SELECT 1 FROM accounts WHERE lead_id = :lead_id;
--- error owner_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM reps WHERE owner_email = lower(:owner_email));
--- let
SELECT 'ac_' || alnum(9, 'account', fresh(0)) AS account_id;
--- do
INSERT INTO accounts VALUES (:account_id, :lead_id, :industry, lower(:owner_email), 0);
UPDATE leads SET lost = 0 WHERE lead_id = :lead_id;
--- result
SELECT account_id, lead_id, company_name, industry, owner_email, 'converted' AS lead_status
FROM accounts JOIN leads USING (lead_id) WHERE account_id = :account_id;

--- tool create_deal
--- error account_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE account_id = :account_id);
--- error account_on_hold
SELECT 1 FROM accounts WHERE account_id = :account_id AND on_hold;
--- error close_date_passed
SELECT 1 WHERE :expected_close < substr(now(), 1, 10);
--- let
SELECT 'dl_' || alnum(9, 'deal', fresh(0)) AS deal_id;
--- do
INSERT INTO deals VALUES
  (:deal_id, :account_id, :deal_name, :value_cents, :currency, :expected_close, 'qualified', NULL, now());
--- result
SELECT deal_id, account_id, deal_name, value_cents, currency, expected_close, stage FROM deals WHERE deal_id = :deal_id;

--- tool move_deal
--- error deal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM deals WHERE deal_id = :deal_id);
--- error deal_closed
SELECT 1 FROM deals WHERE deal_id = :deal_id AND stage IN ('won', 'lost');
--- error lost_reason_missing
SELECT 1 WHERE :stage = 'lost' AND coalesce(trim(:lost_reason), '') = '';
--- do
UPDATE deals SET stage = :stage, lost_reason = CASE WHEN :stage = 'lost' THEN :lost_reason END WHERE deal_id = :deal_id;
--- result
SELECT deal_id, stage, coalesce(lost_reason, '') AS lost_reason,
       CASE stage WHEN 'qualified' THEN 10 WHEN 'tasting' THEN 30 WHEN 'proposal' THEN 50 WHEN 'negotiation' THEN 75
                  WHEN 'won' THEN 100 ELSE 0 END AS win_percent, now() AS moved_at
FROM deals WHERE deal_id = :deal_id;

--- tool log_activity
--- error deal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM deals WHERE deal_id = :deal_id);
--- error follow_up_in_past
SELECT 1 WHERE :follow_up_on < substr(now(), 1, 10);
--- let
SELECT 'av_' || alnum(9, 'activity', fresh(0)) AS activity_id;
--- do
INSERT INTO activities VALUES (:activity_id, :deal_id, :activity_type, :summary, :follow_up_on, now());
--- result
SELECT activity_id, deal_id, activity_type, summary, follow_up_on, logged_at FROM activities WHERE activity_id = :activity_id;

--- tool get_deal
--- error deal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM deals WHERE deal_id = :deal_id);
--- result
SELECT deal_id, account_id, deal_name, value_cents, currency, expected_close, stage, lost_reason,
       CASE stage WHEN 'qualified' THEN 10 WHEN 'tasting' THEN 30 WHEN 'proposal' THEN 50 WHEN 'negotiation' THEN 75
                  WHEN 'won' THEN 100 ELSE 0 END AS win_percent, created_at
FROM deals WHERE deal_id = :deal_id;
--- rows activities
SELECT activity_id, activity_type, summary, logged_at FROM activities WHERE deal_id = :deal_id ORDER BY logged_at, activity_id;
