-- Fathom Tannoy: alerts to people on campuses and industrial sites. Moments are UTC.
-- An audience belongs to a site and is called after it. Whoever has not answered a live alert that asks for a reply is silent.

--- tables
CREATE TABLE sites (
  site TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('works', 'campus'))
);
CREATE TABLE audiences (
  audience_id TEXT PRIMARY KEY,
  audience_name TEXT NOT NULL,
  site TEXT NOT NULL REFERENCES sites,
  crew TEXT NOT NULL,                   -- the name without the site
  is_desk INTEGER NOT NULL CHECK (is_desk IN (0, 1)),   -- an office that reads mail, not people in danger
  default_language TEXT NOT NULL,
  UNIQUE (site, audience_name)
);
CREATE TABLE recipients (
  recipient_id TEXT PRIMARY KEY,
  audience_id TEXT NOT NULL REFERENCES audiences,
  full_name TEXT NOT NULL,
  email TEXT,
  phone TEXT,
  needs_assistance INTEGER NOT NULL CHECK (needs_assistance IN (0, 1)),
  from_directory INTEGER NOT NULL CHECK (from_directory IN (0, 1)),
  CHECK (email IS NOT NULL OR phone IS NOT NULL)
);
CREATE INDEX recipients_by_audience ON recipients (audience_id);
CREATE TABLE alerts (
  alert_id TEXT PRIMARY KEY,
  audience_id TEXT NOT NULL REFERENCES audiences,
  severity TEXT NOT NULL CHECK (severity IN ('information', 'advisory', 'urgent')),
  headline TEXT NOT NULL,
  instructions TEXT NOT NULL,
  channels TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('draft', 'live', 'ended')),
  require_reply INTEGER,
  reached INTEGER,                      -- how many people it went to
  created_at TEXT NOT NULL,
  broadcast_at TEXT,
  ended_at TEXT,
  all_clear_text TEXT,
  CHECK ((status = 'draft') = (broadcast_at IS NULL)),
  CHECK ((status = 'ended') = (ended_at IS NOT NULL))
);
-- Recipients may be removed later, and what they answered stays.
CREATE TABLE answers (
  alert_id TEXT NOT NULL REFERENCES alerts,
  recipient_id TEXT NOT NULL,
  answer TEXT NOT NULL CHECK (answer IN ('safe', 'help')),
  PRIMARY KEY (alert_id, recipient_id)
);

--- populate
INSERT INTO sites SELECT nth('sites', n, 'name'), nth('sites', n, 'kind') FROM numbers WHERE n <= 5 ORDER BY n;

-- Four crews and two offices at each site; the last one has as many audiences as its plan allows, eight.
INSERT INTO audiences
SELECT 'aud_' || hexdigits(8, 'audience', place * 10 + k), site || ' ' || crew, site, crew, is_desk, CASE WHEN chance(0.8, 'english', place, k) THEN 'en' ELSE pick('languages', place, k) END
FROM (
  SELECT s.rowid AS place, s.site, k.n AS k, k.n > 4 AND k.n <= 6 AS is_desk,
         CASE WHEN k.n IN (5, 6) THEN nth('desks', 1 + (k.n + s.rowid * 2) % 5)
              WHEN s.kind = 'works' THEN nth('works_crews', 1 + (k.n + s.rowid) % 8) ELSE nth('campus_crews', 1 + (k.n + s.rowid) % 8) END AS crew
  FROM sites s JOIN numbers k ON k.n <= CASE WHEN s.rowid = 5 THEN 8 ELSE 6 END)
ORDER BY place, k;

-- The fourth crew of the first three sites was set up, but nobody is in it yet.
INSERT INTO recipients
WITH a AS MATERIALIZED (
  SELECT rowid AS place, audience_id, is_desk, CASE WHEN is_desk THEN draw(3, 8, 'size', rowid) ELSE draw(7, 18, 'size', rowid) END AS size, pick('domains', 'ours') AS domain
  FROM audiences WHERE rowid NOT IN (4, 10, 16)),
r AS MATERIALIZED (
  SELECT a.*, k.n AS k, person(a.place * 20 + k.n) AS full_name,
         CASE WHEN a.is_desk OR chance(0.6, 'both', a.place, k.n) THEN 'both' WHEN chance(0.7, 'only phone', a.place, k.n) THEN 'phone' ELSE 'mail' END AS reached
  FROM a JOIN numbers k ON k.n <= a.size)
SELECT 'rcp_' || hexdigits(10, 'recipient', place * 20 + k), audience_id, full_name,
       CASE WHEN reached <> 'phone' THEN email(full_name, domain) END, CASE WHEN reached <> 'mail' THEN phone(place * 20 + k) END,
       chance(0.06, 'assistance', place, k), chance(0.3, 'directory', place, k)
FROM r
ORDER BY place, k;

-- Three alerts at each site: live since this morning, live since an hour, or of last week; and a draft here and there.
INSERT INTO alerts
SELECT 'alr_' || hexdigits(8, 'alert', n), audience_id, severity, headline, instructions, channels, status,
       CASE WHEN status <> 'draft' THEN severity = 'urgent' END, CASE WHEN status <> 'draft' THEN people END, at(began, '-3 minutes'),
       CASE WHEN status <> 'draft' THEN began END, CASE WHEN status = 'ended' THEN at(began, '+' || draw(40, 190, 'lasted', n) || ' minutes') END,
       CASE WHEN status = 'ended' THEN pick('past_clears', n) END
FROM (
  SELECT n.n, a.audience_id, (SELECT count(*) FROM recipients r WHERE r.audience_id = a.audience_id) AS people,
         CASE WHEN n.n <= 10 THEN 'live' WHEN n.n <= 15 THEN 'ended' ELSE 'draft' END AS status,
         CASE WHEN n.n <= 10 OR n.n > 15 THEN at(now(), '-' || draw(14, 170, 'ago', n.n) || ' minutes')
              ELSE at(now(), '-' || draw(2, 30, 'days ago', n.n) || ' days', draw(7, 20, 'hour', n.n) || ':' || draw(10, 59, 'minute', n.n)) END AS began,
         nth('incidents_' || s.kind, 1 + n.n % 7, 'severity') AS severity, nth('incidents_' || s.kind, 1 + n.n % 7, 'headline') AS headline,
         nth('incidents_' || s.kind, 1 + n.n % 7, 'instructions') AS instructions, pick('channel_sets', n.n) AS channels
  FROM numbers n JOIN audiences a ON a.rowid = CASE WHEN n.n = 18 THEN 4 ELSE (n.n % 5) * 6 + 1 + n.n % 3 END JOIN sites s USING (site) WHERE n.n <= 18)
ORDER BY n;

-- Most people answer; on every third alert somebody asks for help.
INSERT INTO answers
SELECT alert_id, recipient_id, CASE WHEN alert % 3 = 1 AND (place = 2 OR chance(0.1, 'help', alert, recipient)) THEN 'help' ELSE 'safe' END
FROM (
  SELECT l.rowid AS alert, r.rowid AS recipient, alert_id, recipient_id, row_number() OVER (PARTITION BY l.alert_id ORDER BY r.rowid) AS place
  FROM alerts l JOIN recipients r USING (audience_id) WHERE l.require_reply)
WHERE place = 2 OR chance(0.72, 'answered', alert, recipient)
ORDER BY alert, recipient;

--- invariant nobody answers an alert that has not been sent or asks for no answer
SELECT alert_id FROM answers JOIN alerts USING (alert_id) WHERE status = 'draft' OR NOT require_reply;
--- invariant no more people answer than it went to
SELECT alert_id FROM alerts JOIN answers USING (alert_id) GROUP BY alert_id HAVING count(*) > max(reached);
--- invariant nobody is told before the alert was written
SELECT alert_id FROM alerts WHERE broadcast_at < created_at OR ended_at < broadcast_at OR coalesce(ended_at, broadcast_at, created_at) > now();
--- invariant a phone is in an audience once
SELECT phone FROM recipients WHERE phone IS NOT NULL GROUP BY audience_id, phone HAVING count(*) > 1;

--- tool create_audience
--- error site_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sites WHERE fold(site) = fold(:site));
--- error name_taken
SELECT 1 FROM audiences WHERE fold(site) = fold(:site) AND fold(audience_name) = fold(:audience_name);
--- error audience_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM audiences WHERE fold(site) = fold(:site)) >= 8;
--- let
SELECT 'aud_' || hexdigits(8, 'audience', fresh(0)) AS audience_id, site AS place FROM sites WHERE fold(site) = fold(:site);
--- do
INSERT INTO audiences VALUES (:audience_id, :audience_name, :place, trim(replace(:audience_name, :place, '')), 0, coalesce(:default_language, 'en'));
--- result
SELECT audience_id, audience_name, site, default_language, 0 AS recipient_count FROM audiences WHERE audience_id = :audience_id;

--- tool find_audiences
--- error site_unknown
SELECT 1 WHERE :site IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sites WHERE fold(site) = fold(:site));
--- page audiences
SELECT audience_id, audience_name, site, (SELECT count(*) FROM recipients r WHERE r.audience_id = a.audience_id) AS recipient_count FROM audiences a
WHERE (:query IS NULL OR matches(audience_name, :query)) AND (:site IS NULL OR fold(site) = fold(:site))
ORDER BY audience_name, audience_id;

--- tool add_recipient
--- error audience_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM audiences WHERE audience_id = :audience_id);
--- error no_channel
SELECT 1 WHERE :email IS NULL AND :phone IS NULL;
--- error already_member
SELECT 1 FROM recipients WHERE audience_id = :audience_id AND phone = :phone;
--- let
SELECT 'rcp_' || hexdigits(10, 'recipient', fresh(0)) AS recipient_id;
--- do
INSERT INTO recipients VALUES (:recipient_id, :audience_id, :full_name, :email, :phone, :needs_assistance, 0);
--- result
SELECT recipient_id, audience_id, full_name, email, phone, needs_assistance FROM recipients WHERE recipient_id = :recipient_id;

--- tool remove_recipient
--- error recipient_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM recipients WHERE recipient_id = :recipient_id);
--- error managed_by_directory
SELECT 1 FROM recipients WHERE recipient_id = :recipient_id AND from_directory;
--- let
SELECT audience_id AS was_in FROM recipients WHERE recipient_id = :recipient_id;
--- do
DELETE FROM recipients WHERE recipient_id = :recipient_id;
--- result
SELECT :recipient_id AS recipient_id, :was_in AS audience_id, 1 AS removed;

--- tool create_alert
--- error audience_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM audiences WHERE audience_id = :audience_id);
--- error severity_not_permitted
SELECT 1 WHERE :severity = 'life_safety';
--- let
SELECT 'alr_' || hexdigits(8, 'alert', fresh(0)) AS alert_id;
--- do
INSERT INTO alerts VALUES (:alert_id, :audience_id, :severity, :headline, :instructions, :channels, 'draft', NULL, NULL, now(), NULL, NULL, NULL);
--- result
SELECT alert_id, audience_id, severity, headline, instructions, channels, status, created_at FROM alerts WHERE alert_id = :alert_id;

--- tool broadcast_alert
--- error alert_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alert_id = :alert_id);
--- error alert_not_draft
SELECT 1 FROM alerts WHERE alert_id = :alert_id AND status <> 'draft';
--- error audience_empty
SELECT 1 FROM alerts l WHERE alert_id = :alert_id AND NOT EXISTS (SELECT 1 FROM recipients r WHERE r.audience_id = l.audience_id);
--- do
UPDATE alerts SET status = 'live', require_reply = :require_reply, broadcast_at = now(),
  reached = (SELECT count(*) FROM recipients r WHERE r.audience_id = alerts.audience_id)
WHERE alert_id = :alert_id;
--- result
SELECT alert_id, status, require_reply, reached AS recipient_count, broadcast_at FROM alerts WHERE alert_id = :alert_id;

--- tool get_alert
--- error alert_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alert_id = :alert_id);
--- result
SELECT alert_id, audience_id, severity, headline, instructions, channels, status, safe_count, help_count,
       CASE WHEN require_reply THEN reached - safe_count - help_count ELSE 0 END AS silent_count, created_at
FROM (
  SELECT l.*, (SELECT count(*) FROM answers w WHERE w.alert_id = l.alert_id AND answer = 'safe') AS safe_count,
         (SELECT count(*) FROM answers w WHERE w.alert_id = l.alert_id AND answer = 'help') AS help_count
  FROM alerts l WHERE alert_id = :alert_id);

--- tool end_alert
--- error alert_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alert_id = :alert_id);
--- error alert_not_live
SELECT 1 FROM alerts WHERE alert_id = :alert_id AND status <> 'live';
--- do
UPDATE alerts SET status = 'ended', all_clear_text = :all_clear_text, ended_at = now() WHERE alert_id = :alert_id;
--- result
SELECT alert_id, all_clear_text, status, ended_at FROM alerts WHERE alert_id = :alert_id;
