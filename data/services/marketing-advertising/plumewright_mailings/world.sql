-- Plumewright Mailings: the newsletters of one arts centre. Moments are UTC.
-- A segment has those confirmed subscribers who fit it at the moment; a campaign keeps the number it went to. A month's mails are
-- those of all campaigns that went out in it or are scheduled for it.

--- tables
CREATE TABLE plan (
  monthly_mails INTEGER NOT NULL
);
CREATE TABLE colleagues (
  test_email TEXT PRIMARY KEY,
  full_name TEXT NOT NULL
);
CREATE TABLE subscribers (
  subscriber_id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  first_name TEXT,
  city TEXT,
  status TEXT NOT NULL CHECK (status IN ('unconfirmed', 'confirmed', 'unsubscribed')),
  last_opened_at TEXT,
  reason TEXT CHECK (reason IN ('too_many', 'not_relevant', 'never_signed_up', 'other')),
  CHECK ((status = 'unsubscribed') = (reason IS NOT NULL))
);
CREATE TABLE interests (
  subscriber_id TEXT NOT NULL REFERENCES subscribers,
  interest TEXT NOT NULL CHECK (interest IN ('exhibitions', 'concerts', 'theatre', 'family', 'lectures', 'membership')),
  PRIMARY KEY (subscriber_id, interest)
);
CREATE TABLE segments (
  segment_id TEXT PRIMARY KEY,
  segment_name TEXT NOT NULL UNIQUE,
  interest TEXT NOT NULL,
  city TEXT,
  opened_within_days INTEGER
);
-- What the house usually writes about.
CREATE TABLE texts (
  interest TEXT NOT NULL,
  place INTEGER NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (interest, place)
);
CREATE TABLE campaigns (
  campaign_id TEXT PRIMARY KEY,
  segment_id TEXT NOT NULL REFERENCES segments,
  subject_line TEXT NOT NULL,
  body_markdown TEXT NOT NULL,
  reply_to TEXT,
  status TEXT NOT NULL CHECK (status IN ('draft', 'scheduled', 'sent', 'stopped')),
  send_at TEXT,
  recipient_count INTEGER NOT NULL DEFAULT 0,
  bounce_count INTEGER NOT NULL DEFAULT 0,
  opens INTEGER NOT NULL DEFAULT 0,
  clicks INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  CHECK (opens <= recipient_count - bounce_count AND clicks <= opens),
  CHECK ((status = 'draft') = (send_at IS NULL))
);
CREATE TABLE test_mails (
  campaign_id TEXT NOT NULL REFERENCES campaigns,
  test_email TEXT NOT NULL,
  sent_at TEXT NOT NULL
);

--- populate
INSERT INTO colleagues
SELECT email(person(n), 'stagehouse.example'), person(n) FROM numbers WHERE n <= 6 ORDER BY n;

INSERT INTO subscribers
WITH p AS MATERIALIZED (SELECT n, person(100 + n) AS name FROM numbers WHERE n <= 170)
SELECT 'sub_' || alnum(10, 'subscriber', n), email(name, pick('mail', n)), substr(name, 1, instr(name, ' ') - 1),
       CASE WHEN chance(0.9, 'city known', n) THEN pick('cities', n) END,
       CASE WHEN n % 14 = 3 THEN 'unconfirmed' WHEN n % 17 = 5 THEN 'unsubscribed' ELSE 'confirmed' END,
       CASE WHEN n % 14 <> 3 AND chance(0.85, 'opened', n) THEN at(now(), '-' || draw(2, 220, 'opened', n) || ' days') END,
       CASE WHEN n % 14 <> 3 AND n % 17 = 5 THEN pick('reasons', n) END
FROM p ORDER BY n;

INSERT OR IGNORE INTO interests
SELECT subscriber_id, pick('interests', s.rowid, k.n) FROM subscribers s JOIN numbers k ON k.n <= draw(1, 3, 'interests', s.rowid);

INSERT INTO segments
SELECT 'seg_' || alnum(6, 'segment', n), nth('segments', n, 'name'), nth('segments', n, 'interest'), nullif(nth('segments', n, 'city'), ''), nullif(nth('segments', n, 'days'), 0)
FROM numbers WHERE n <= 13 ORDER BY n;

INSERT INTO texts
SELECT nth('mails', n, 'interest'), row_number() OVER (PARTITION BY nth('mails', n, 'interest') ORDER BY n), nth('mails', n, 'subject'), nth('mails', n, 'body')
FROM numbers WHERE n <= 24 ORDER BY n;

-- Each segment has had some mails: most were sent, the latest one or two are drafts or scheduled.
INSERT INTO campaigns
WITH m AS MATERIALIZED (SELECT i.interest, m.city, m.last_opened_at FROM subscribers m JOIN interests i USING (subscriber_id) WHERE m.status = 'confirmed'),
s AS MATERIALIZED (SELECT rowid AS row, *, CASE WHEN opened_within_days IS NOT NULL THEN at(now(), '-' || opened_within_days || ' days') END AS since FROM segments),
g AS MATERIALIZED (
  SELECT s.row, s.segment_id, s.interest, (
    SELECT count(*) FROM m WHERE m.interest = s.interest AND (s.city IS NULL OR m.city = s.city) AND (s.since IS NULL OR m.last_opened_at >= s.since)) AS members
  FROM s),
q AS MATERIALIZED (
  SELECT g.row * 4 + k.n AS n, g.segment_id, t.subject, t.body, g.members,
         CASE k.n WHEN 1 THEN 'sent' WHEN 2 THEN CASE WHEN g.row % 5 = 1 THEN 'stopped' ELSE 'sent' END WHEN 3 THEN CASE WHEN g.row % 3 = 0 THEN 'scheduled' ELSE 'draft' END ELSE 'draft' END AS state
  FROM g JOIN numbers k ON k.n <= 4 JOIN texts t ON t.interest = g.interest AND t.place = k.n)
SELECT 'cmp_' || alnum(8, 'campaign', n), segment_id, subject, body, CASE WHEN n % 3 THEN 'boxoffice@stagehouse.example' END, state,
       CASE state WHEN 'sent' THEN at(now(), '-' || (n * 9 % 70 + 1) || ' days', '09:30') WHEN 'scheduled' THEN at(now(), '+' || (n % 6 + 1) || ' days', '10:00')
                  WHEN 'stopped' THEN at(now(), '-' || (n % 20 + 5) || ' days', '08:00') END,
       CASE WHEN state IN ('sent', 'scheduled') THEN members ELSE 0 END, 0, 0, 0,
       at(now(), '-' || (CASE WHEN state IN ('draft', 'scheduled') THEN draw(1, 6, 'written', n) ELSE n * 9 % 70 + draw(21, 26, 'written', n) END) || ' days', draw(8, 16, 'hour', n) || ':25')
FROM q
WHERE state NOT IN ('sent', 'scheduled') OR members > 0
ORDER BY n;

UPDATE campaigns SET bounce_count = draw(0, 2, 'bounces', rowid) * (recipient_count > 9),
  opens = (recipient_count - 2) * draw(28, 60, 'opens', rowid) / 100 * (recipient_count > 4)
WHERE status = 'sent';
UPDATE campaigns SET clicks = opens * draw(10, 45, 'clicks', rowid) / 100 WHERE status = 'sent';

INSERT INTO test_mails
SELECT campaign_id, (SELECT test_email FROM colleagues WHERE colleagues.rowid = 1 + (campaigns.rowid + k.n) % 6), at(created_at, '+' || k.n || ' minutes')
FROM campaigns JOIN numbers k ON k.n <= CASE WHEN status <> 'draft' THEN 1 WHEN campaigns.rowid % 9 = 4 THEN 20 ELSE 0 END
ORDER BY campaigns.rowid, k.n;

-- The plan leaves room for a few dozen mails this month.
INSERT INTO plan
SELECT (coalesce(sum(recipient_count), 0) + 45) / 50 * 50 + 20 FROM campaigns
WHERE status IN ('sent', 'scheduled') AND substr(send_at, 1, 7) = substr(now(), 1, 7);

--- invariant what was sent lies in the past
SELECT campaign_id FROM campaigns WHERE status = 'sent' AND send_at > now();
--- invariant no month has more mails than the plan, the present one apart from what it had
SELECT substr(send_at, 1, 7) FROM campaigns, plan WHERE status = 'scheduled' AND substr(send_at, 1, 7) > substr(now(), 1, 7)
GROUP BY substr(send_at, 1, 7) HAVING sum(recipient_count) > max(monthly_mails) + 400;

--- tool add_subscriber
--- error address_suppressed
SELECT 1 FROM subscribers WHERE fold(email) = fold(:email) AND status = 'unsubscribed';
--- error already_subscribed
SELECT 1 FROM subscribers WHERE fold(email) = fold(:email);
--- let
SELECT 'sub_' || alnum(10, 'subscriber', fresh(0)) AS subscriber_id;
--- do
INSERT INTO subscribers VALUES (:subscriber_id, :email, :first_name, :city, 'unconfirmed', NULL, NULL);
INSERT OR IGNORE INTO interests SELECT :subscriber_id, value FROM json_each(coalesce(:interests, '[]'));
--- result
SELECT subscriber_id, email, first_name, city, status FROM subscribers WHERE subscriber_id = :subscriber_id;
--- rows interests
SELECT interest FROM interests WHERE subscriber_id = :subscriber_id ORDER BY interest;

--- tool unsubscribe
--- error subscriber_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM subscribers WHERE subscriber_id = :subscriber_id);
--- error already_unsubscribed
SELECT 1 FROM subscribers WHERE subscriber_id = :subscriber_id AND status = 'unsubscribed';
--- do
UPDATE subscribers SET status = 'unsubscribed', reason = :reason WHERE subscriber_id = :subscriber_id;
--- result
SELECT subscriber_id, reason, status FROM subscribers WHERE subscriber_id = :subscriber_id;

--- tool create_segment
--- error name_taken
SELECT 1 FROM segments WHERE fold(segment_name) = fold(:segment_name);
--- let
SELECT 'seg_' || alnum(6, 'segment', fresh(0)) AS segment_id;
--- do
INSERT INTO segments VALUES (:segment_id, :segment_name, :interest, :city, :opened_within_days);
--- result
SELECT segment_id, segment_name, s.interest, s.city, opened_within_days,
       (SELECT count(*) FROM subscribers m JOIN interests i USING (subscriber_id)
        WHERE m.status = 'confirmed' AND i.interest = s.interest AND (s.city IS NULL OR fold(m.city) = fold(s.city))
          AND (opened_within_days IS NULL OR m.last_opened_at >= at(now(), '-' || opened_within_days || ' days'))) AS member_count
FROM segments s WHERE segment_id = :segment_id;

--- tool list_segments
--- page segments
SELECT segment_id, segment_name,
       (SELECT count(*) FROM subscribers m JOIN interests i USING (subscriber_id)
        WHERE m.status = 'confirmed' AND i.interest = s.interest AND (s.city IS NULL OR fold(m.city) = fold(s.city))
          AND (opened_within_days IS NULL OR m.last_opened_at >= at(now(), '-' || opened_within_days || ' days'))) AS member_count
FROM segments s WHERE :name_contains IS NULL OR instr(fold(segment_name), fold(:name_contains)) > 0
ORDER BY segment_name, segment_id;

--- tool create_campaign
--- error segment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM segments WHERE segment_id = :segment_id);
--- error unknown_placeholder
SELECT 1 WHERE replace(replace(:body_markdown, '{{first_name}}', ''), '{{city}}', '') LIKE '%{{%';
--- let
SELECT 'cmp_' || alnum(8, 'campaign', fresh(0)) AS campaign_id;
--- do
INSERT INTO campaigns (campaign_id, segment_id, subject_line, body_markdown, reply_to, status, created_at)
VALUES (:campaign_id, :segment_id, :subject_line, :body_markdown, :reply_to, 'draft', now());
--- result
SELECT campaign_id, segment_id, subject_line, body_markdown, reply_to,
       min(10, round(0.4 + 0.9 * (length(subject_line || body_markdown) - length(replace(subject_line || body_markdown, '!', '')))
         + 1.1 * (body_markdown LIKE '%free%') + 0.8 * (subject_line LIKE '%\%%' ESCAPE '\') + 0.6 * (reply_to IS NULL) + (length(body_markdown) % 5) / 10.0, 1)) AS spam_score, status
FROM campaigns WHERE campaign_id = :campaign_id;

--- tool send_test_mail
--- error campaign_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM campaigns WHERE campaign_id = :campaign_id);
--- error not_a_draft
SELECT 1 FROM campaigns WHERE campaign_id = :campaign_id AND status <> 'draft';
--- error test_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM test_mails WHERE campaign_id = :campaign_id) >= 20;
--- do
INSERT INTO test_mails VALUES (:campaign_id, :test_email, now());
--- result
SELECT :campaign_id AS campaign_id, :test_email AS test_email, 1 AS delivered;

--- tool schedule_campaign
--- error campaign_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM campaigns WHERE campaign_id = :campaign_id);
--- error not_a_draft
SELECT 1 FROM campaigns WHERE campaign_id = :campaign_id AND status <> 'draft';
--- error time_in_past
SELECT 1 WHERE :send_at <= now();
--- let
SELECT (SELECT count(*) FROM subscribers m JOIN interests i USING (subscriber_id)
        WHERE m.status = 'confirmed' AND i.interest = s.interest AND (s.city IS NULL OR fold(m.city) = fold(s.city))
          AND (opened_within_days IS NULL OR m.last_opened_at >= at(now(), '-' || opened_within_days || ' days'))) AS members
FROM campaigns JOIN segments s USING (segment_id) WHERE campaign_id = :campaign_id;
--- error segment_empty
SELECT 1 WHERE :members = 0;
--- error quota_exceeded
SELECT 1 FROM plan WHERE monthly_mails < :members + coalesce((SELECT sum(recipient_count) FROM campaigns
  WHERE status IN ('sent', 'scheduled') AND substr(send_at, 1, 7) = substr(:send_at, 1, 7)), 0);
--- do
UPDATE campaigns SET status = 'scheduled', send_at = :send_at, recipient_count = :members WHERE campaign_id = :campaign_id;
--- result
SELECT campaign_id, send_at, recipient_count, status FROM campaigns WHERE campaign_id = :campaign_id;

--- tool get_campaign
--- error campaign_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM campaigns WHERE campaign_id = :campaign_id);
--- result
SELECT campaign_id, segment_id, subject_line, body_markdown, reply_to, send_at,
       CASE WHEN c.status = 'draft' THEN
         (SELECT count(*) FROM subscribers m JOIN interests i USING (subscriber_id)
          WHERE m.status = 'confirmed' AND i.interest = s.interest AND (s.city IS NULL OR fold(m.city) = fold(s.city))
            AND (opened_within_days IS NULL OR m.last_opened_at >= at(now(), '-' || opened_within_days || ' days')))
         ELSE recipient_count END AS recipient_count,
       CASE WHEN c.status = 'sent' THEN round(100.0 * opens / max(1, recipient_count - bounce_count), 1) END AS open_percent,
       CASE WHEN c.status = 'sent' THEN round(100.0 * clicks / max(1, recipient_count - bounce_count), 1) END AS click_percent,
       bounce_count, CASE WHEN c.status = 'scheduled' AND send_at <= now() THEN 'sending' ELSE c.status END AS status, created_at
FROM campaigns c JOIN segments s USING (segment_id) WHERE campaign_id = :campaign_id;
