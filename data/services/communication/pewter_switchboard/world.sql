-- Pewter Switchboard: the shared text inbox of one heating firm. Moments are UTC.
-- A conversation is closed, or waiting for the customer where the firm wrote last, or else open.

--- tables
CREATE TABLE account (
  firm TEXT PRIMARY KEY,
  domain TEXT NOT NULL
);
CREATE TABLE rates (                     -- countries that texts can be sent to
  country_code TEXT PRIMARY KEY,
  dial TEXT NOT NULL UNIQUE,
  currency TEXT NOT NULL CHECK (currency IN ('EUR', 'GBP', 'USD')),
  segment_cents INTEGER NOT NULL CHECK (segment_cents > 0)
);
CREATE TABLE lines (
  line_id TEXT PRIMARY KEY,
  phone TEXT NOT NULL UNIQUE,
  label TEXT NOT NULL UNIQUE,
  country_code TEXT NOT NULL REFERENCES rates,
  can_text INTEGER NOT NULL CHECK (can_text IN (0, 1))
);
CREATE TABLE colleagues (
  assignee_email TEXT PRIMARY KEY,
  colleague TEXT NOT NULL UNIQUE
);
CREATE TABLE opted_out (
  phone TEXT PRIMARY KEY,
  contact_name TEXT NOT NULL
);
CREATE TABLE conversations (
  conversation_id TEXT PRIMARY KEY,
  line_id TEXT NOT NULL REFERENCES lines,
  phone TEXT NOT NULL,
  contact_name TEXT NOT NULL,
  topic TEXT NOT NULL,
  assignee_email TEXT REFERENCES colleagues,
  handover_note TEXT,
  created_at TEXT NOT NULL,
  closed_at TEXT,
  outcome TEXT CHECK (outcome IN ('resolved', 'booked', 'no_reply', 'spam')),
  CHECK ((closed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX conversations_by_phone ON conversations (phone);
CREATE TABLE messages (
  message_id TEXT PRIMARY KEY,
  conversation_id TEXT NOT NULL REFERENCES conversations,
  direction TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  body TEXT,                             -- null once the retention period is over
  media_urls TEXT NOT NULL,
  is_read INTEGER NOT NULL CHECK (is_read IN (0, 1)),
  delivery_status TEXT NOT NULL CHECK (delivery_status IN ('queued', 'sent', 'delivered', 'failed')),
  queued_at TEXT NOT NULL
);
CREATE INDEX messages_by_conversation ON messages (conversation_id, queued_at);
CREATE TABLE drafts (                    -- what the office has to tell customers these days
  draft_id INTEGER PRIMARY KEY,
  gist TEXT,
  starts_at TEXT,
  topic TEXT NOT NULL,
  wording TEXT NOT NULL,
  CHECK ((gist IS NULL) <> (starts_at IS NULL))
);

--- populate
INSERT INTO account SELECT nth('firms', 1), slug(nth('firms', 1)) || '.example';

INSERT INTO rates VALUES
  ('GB', '+44', 'GBP', 4), ('IE', '+353', 'EUR', 6), ('NL', '+31', 'EUR', 9), ('FR', '+33', 'EUR', 7), ('US', '+1', 'USD', 2);

INSERT INTO lines
SELECT 'lin_' || alnum(8, 'line', n), phone(900 + n), nth('labels', n), 'GB', 1 FROM numbers WHERE n <= 3 ORDER BY n;
INSERT INTO lines VALUES
  ('lin_' || alnum(8, 'line', 11), '+3538' || draw(5, 9, 'dublin') || digits(7, 'dublin', 1), 'Dublin', 'IE', 1),
  ('lin_' || alnum(8, 'line', 12), '+442079460' || digits(3, 'landline', 1), nth('landlines', 1), 'GB', 0);

INSERT INTO colleagues
SELECT email(person(800 + n), domain), person(800 + n) FROM account JOIN numbers ON n <= 6 ORDER BY n;

INSERT INTO opted_out SELECT phone(700 + n), person(700 + n) FROM numbers WHERE n <= 5 ORDER BY n;

INSERT INTO drafts (draft_id, gist, starts_at, topic, wording)
SELECT n, nth('errands', n, 'gist'), NULL, nth('errands', n, 'topic'), nth('errands', n, 'wording') FROM numbers WHERE n <= 10 ORDER BY n;
INSERT INTO drafts (draft_id, gist, starts_at, topic, wording)
SELECT 20 + n, NULL, moment, 'Visit on ' || day, nth('visits', 1 + n % 4) || ' on ' || named || ' ' || day || ' at ' || substr(moment, 12, 5) || '. '
       || nth('visit_ends', 1 + n % 3)
FROM (
  SELECT n, moment, upper(substr(weekday(moment), 1, 1)) || substr(weekday(moment), 2) AS named,
         CAST(substr(moment, 9, 2) AS INTEGER) || ' ' || json_extract(
           '["January","February","March","April","May","June","July","August","September","October","November","December"]',
           '$[' || (CAST(substr(moment, 6, 2) AS INTEGER) - 1) || ']') AS day
  FROM (SELECT n, at(now(), '+' || (1 + n / 2) || ' days', pick('visit_times', n)) AS moment FROM numbers WHERE n <= 22)
  WHERE weekday(moment) NOT IN ('saturday', 'sunday')
)
ORDER BY n;

-- 1 to 26 are going on, 27 to 50 were closed in the last weeks, 51 to 55 more than half a year ago.
INSERT INTO conversations
SELECT 'cnv_' || alnum(10, 'conversation', n), line_id, contact_phone, person(n), nth('exchanges', 1 + n % 14, 'topic'),
       CASE WHEN n > 22 AND n <= 26 THEN NULL ELSE email(person(801 + n % 6), domain) END, NULL,
       at(now(), '-' || CASE WHEN n <= 26 THEN draw(1, 6, 'age', n) WHEN n <= 50 THEN draw(9, 60, 'age', n) ELSE draw(200, 300, 'age', n) END
          || ' days', pick('hours', n)),
       NULL, NULL
FROM (SELECT n, CASE WHEN n % 9 = 0 THEN '+35387' || digits(7, 'irish', n) ELSE phone(n) END AS contact_phone FROM numbers WHERE n <= 55)
JOIN account
JOIN lines l ON l.can_text AND l.label = CASE WHEN n % 9 = 0 THEN 'Dublin' ELSE nth('labels', 1 + n % 3) END
ORDER BY n;
-- Advertisers who write to the firm.
INSERT INTO conversations
SELECT 'cnv_' || alnum(10, 'conversation', 60 + n), line_id, phone(60 + n), nth('adverts', n, 'name'), '', NULL, NULL,
       at(now(), '-' || n || ' days', pick('hours', 60 + n)), NULL, NULL
FROM numbers JOIN lines ON label = nth('labels', 1 + n % 3) WHERE n <= 3 ORDER BY n;

INSERT INTO messages
SELECT 'msg_' || alnum(12, 'message', c.rowid * 8 + j.n), c.conversation_id, CASE j.n WHEN 2 THEN 'outbound' ELSE 'inbound' END,
       CASE WHEN c.rowid > 50 AND c.rowid <= 55 THEN NULL
            WHEN c.rowid > 55 THEN nth('adverts', c.rowid - 55, 'text')
            WHEN j.n = 1 THEN nth('exchanges', 1 + c.rowid % 14, 'first')
            WHEN j.n = 2 THEN nth('exchanges', 1 + c.rowid % 14, 'answer')
            WHEN j.n = 4 THEN pick('nudges', c.rowid)
            WHEN c.rowid > 26 THEN pick('thanks', c.rowid)
            ELSE nth('exchanges', 1 + c.rowid % 14, 'again') END,
       CASE WHEN j.n = 1 AND c.rowid <= 50 AND c.rowid % 7 = 3
            THEN json_array('https://media.pewter-switchboard.example/' || hexdigits(12, 'photo', c.rowid) || '.jpg') ELSE '[]' END,
       CASE WHEN j.n = 2 OR c.rowid BETWEEN 27 AND 55 THEN 1 WHEN j.n = 1 AND c.length > 1 THEN 1
            WHEN c.rowid > 55 THEN 1 ELSE chance(0.4, 'read', c.rowid) END,
       CASE WHEN j.n = 2 THEN pick('deliveries', c.rowid) ELSE 'delivered' END,
       at(c.created_at, '+' || ((j.n - 1) * draw(12, 50, 'pace', c.rowid)) || ' minutes')
FROM (
  SELECT rowid, *, CASE WHEN rowid > 55 THEN 1 WHEN rowid > 26 THEN 2 + (rowid % 4 > 0) ELSE pick('lengths', rowid) END AS length
  FROM conversations
) c JOIN numbers j ON j.n <= c.length
ORDER BY c.rowid, j.n;

-- Customers of the closed ones have thanked, or never answered.
UPDATE conversations SET
  closed_at = at((SELECT max(queued_at) FROM messages m WHERE m.conversation_id = conversations.conversation_id),
                 '+' || draw(1, 4, 'closed', rowid) || ' days'),
  outcome = CASE WHEN (SELECT count(*) FROM messages m WHERE m.conversation_id = conversations.conversation_id) = 2 THEN 'no_reply'
                 WHEN chance(0.4, 'booked', rowid) THEN 'booked' ELSE 'resolved' END
WHERE rowid BETWEEN 27 AND 55;

--- invariant a line has one conversation at most with a number that is not closed
SELECT phone FROM conversations WHERE closed_at IS NULL GROUP BY line_id, phone HAVING count(*) > 1;
--- invariant conversations are on lines that can text
SELECT conversation_id FROM conversations JOIN lines USING (line_id) WHERE NOT can_text;
--- invariant nothing is unread in a closed conversation
SELECT message_id FROM messages JOIN conversations USING (conversation_id) WHERE closed_at IS NOT NULL AND NOT is_read;
--- invariant nothing was written before the conversation began
SELECT message_id FROM messages JOIN conversations USING (conversation_id) WHERE queued_at < created_at;

--- tool list_lines
--- page lines
SELECT line_id, phone, label, country_code, can_text FROM lines
WHERE (:country_code IS NULL OR country_code = :country_code) AND (:can_text IS NULL OR can_text = :can_text)
ORDER BY label;

--- tool open_conversation
--- error line_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM lines WHERE line_id = :line_id);
--- error line_cannot_text
SELECT 1 FROM lines WHERE line_id = :line_id AND NOT can_text;
--- error number_opted_out
SELECT 1 FROM opted_out WHERE phone = :phone;
--- error conversation_exists
SELECT 1 FROM conversations WHERE line_id = :line_id AND phone = :phone AND closed_at IS NULL;
--- let
SELECT 'cnv_' || alnum(10, 'conversation', fresh(0)) AS conversation_id;
--- do
INSERT INTO conversations VALUES
  (:conversation_id, :line_id, :phone, :contact_name, coalesce(:topic, ''), NULL, NULL, now(), NULL, NULL);
--- result
SELECT conversation_id, line_id, phone, contact_name, topic, 'open' AS status, created_at
FROM conversations WHERE conversation_id = :conversation_id;

--- tool search_conversations
--- error assignee_unknown
SELECT 1 WHERE :assignee_email IS NOT NULL AND NOT EXISTS (SELECT 1 FROM colleagues WHERE assignee_email = :assignee_email);
--- page conversations
SELECT conversation_id, phone, contact_name, status, unread_count, last_activity_at FROM (
  SELECT c.conversation_id, c.phone, c.contact_name, c.assignee_email,
         CASE WHEN c.closed_at IS NOT NULL THEN 'closed'
              WHEN (SELECT direction FROM messages m WHERE m.conversation_id = c.conversation_id
                    ORDER BY queued_at DESC, message_id LIMIT 1) = 'outbound' THEN 'waiting'
              ELSE 'open' END AS status,
         (SELECT count(*) FROM messages m WHERE m.conversation_id = c.conversation_id AND NOT is_read) AS unread_count,
         max(c.created_at, coalesce(c.closed_at, ''),
             coalesce((SELECT max(queued_at) FROM messages m WHERE m.conversation_id = c.conversation_id), '')) AS last_activity_at
  FROM conversations c
)
WHERE (:phone IS NULL OR phone = :phone) AND (:status IS NULL OR status = :status)
  AND (:assignee_email IS NULL OR assignee_email = :assignee_email)
ORDER BY last_activity_at DESC, conversation_id;

--- tool estimate_segments
--- error country_not_served
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM rates WHERE country_code = :country_code);
--- let
SELECT CASE WHEN :body GLOB '*[^ -_a-~£¥€èéùìòÇØøÅåÆæßÉÄÖÑÜ§¿äöñüà' || char(10) || ']*' THEN 'ucs2' ELSE 'gsm7' END AS encoding;
--- let
SELECT CASE WHEN :encoding = 'gsm7' THEN CASE WHEN length(:body) <= 160 THEN 1 ELSE (length(:body) + 152) / 153 END
            WHEN length(:body) <= 70 THEN 1 ELSE (length(:body) + 66) / 67 END AS segments;
--- result
SELECT :segments AS segments, :encoding AS encoding, :segments * segment_cents AS cost_cents, currency
FROM rates WHERE country_code = :country_code;

--- tool send_text
--- error conversation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM conversations WHERE conversation_id = :conversation_id);
--- error conversation_closed
SELECT 1 FROM conversations WHERE conversation_id = :conversation_id AND closed_at IS NOT NULL;
--- error rate_limited
SELECT 1 FROM conversations c JOIN conversations o ON o.line_id = c.line_id JOIN messages m ON m.conversation_id = o.conversation_id
WHERE c.conversation_id = :conversation_id AND m.direction = 'outbound' AND m.queued_at >= at(now(), '-60 seconds')
GROUP BY c.conversation_id HAVING count(*) >= 10;
--- let
SELECT 'msg_' || alnum(12, 'message', fresh(0)) AS message_id;
--- let
SELECT CASE WHEN :body GLOB '*[^ -_a-~£¥€èéùìòÇØøÅåÆæßÉÄÖÑÜ§¿äöñüà' || char(10) || ']*'
            THEN CASE WHEN length(:body) <= 70 THEN 1 ELSE (length(:body) + 66) / 67 END
            WHEN length(:body) <= 160 THEN 1 ELSE (length(:body) + 152) / 153 END AS segments;
--- do
-- Its delivery is what the carrier will have reported when somebody looks.
INSERT INTO messages VALUES
  (:message_id, :conversation_id, 'outbound', :body, coalesce(:media_urls, '[]'), 1, pick('reports', :message_id), now());
--- result
SELECT message_id, conversation_id, body, :segments AS segments, 'queued' AS delivery_status, queued_at
FROM messages WHERE message_id = :message_id;

--- tool get_message
--- error message_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE message_id = :message_id);
--- error message_purged
SELECT 1 FROM messages WHERE message_id = :message_id AND body IS NULL;
--- result
SELECT message_id, conversation_id, direction, body, media_urls,
       CASE WHEN body GLOB '*[^ -_a-~£¥€èéùìòÇØøÅåÆæßÉÄÖÑÜ§¿äöñüà' || char(10) || ']*'
            THEN CASE WHEN length(body) <= 70 THEN 1 ELSE (length(body) + 66) / 67 END
            WHEN length(body) <= 160 THEN 1 ELSE (length(body) + 152) / 153 END AS segments,
       delivery_status, queued_at
FROM messages WHERE message_id = :message_id;

--- tool assign_conversation
--- error conversation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM conversations WHERE conversation_id = :conversation_id);
--- error conversation_closed
SELECT 1 FROM conversations WHERE conversation_id = :conversation_id AND closed_at IS NOT NULL;
--- error assignee_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM colleagues WHERE assignee_email = :assignee_email);
--- do
UPDATE conversations SET assignee_email = :assignee_email, handover_note = coalesce(:handover_note, '')
WHERE conversation_id = :conversation_id;
--- result
SELECT conversation_id, assignee_email, handover_note,
       CASE WHEN (SELECT direction FROM messages m WHERE m.conversation_id = c.conversation_id
                  ORDER BY queued_at DESC, message_id LIMIT 1) = 'outbound' THEN 'waiting' ELSE 'open' END AS status,
       now() AS assigned_at
FROM conversations c WHERE conversation_id = :conversation_id;

--- tool close_conversation
--- error conversation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM conversations WHERE conversation_id = :conversation_id);
--- error already_closed
SELECT 1 FROM conversations WHERE conversation_id = :conversation_id AND closed_at IS NOT NULL;
--- error unread_messages
SELECT 1 FROM messages WHERE conversation_id = :conversation_id AND NOT is_read;
--- do
UPDATE conversations SET closed_at = now(), outcome = :outcome WHERE conversation_id = :conversation_id;
--- result
SELECT conversation_id, outcome, 'closed' AS status, closed_at FROM conversations WHERE conversation_id = :conversation_id;
