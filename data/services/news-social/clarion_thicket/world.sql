-- Clarion Thicket: what the press writes, for the press office of a firm. Moments are UTC; ninety days of articles are kept.
-- What a watch has caught follows from its keywords, its reach and the day on which it was set up.

--- tables
CREATE TABLE outlets (
  outlet TEXT PRIMARY KEY,
  country_code TEXT NOT NULL,
  reach INTEGER NOT NULL CHECK (reach > 0)      -- daily readers
);
CREATE TABLE articles (
  article_id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  headline TEXT NOT NULL,
  byline TEXT,
  outlet TEXT NOT NULL REFERENCES outlets,
  summary TEXT NOT NULL,
  tone TEXT NOT NULL CHECK (tone IN ('negative', 'neutral', 'positive')),
  published_at TEXT NOT NULL,
  withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
  UNIQUE (outlet, headline)
);
CREATE INDEX articles_by_day ON articles (published_at);
CREATE TABLE watches (
  watch_id TEXT PRIMARY KEY,
  watch_name TEXT NOT NULL UNIQUE,
  keywords TEXT NOT NULL,               -- a JSON list
  min_reach INTEGER NOT NULL CHECK (min_reach >= 0),
  created_at TEXT NOT NULL
);
CREATE TABLE briefings (
  briefing_id TEXT PRIMARY KEY,
  briefing_title TEXT NOT NULL,
  article_ids TEXT NOT NULL,            -- a JSON list
  opening_note TEXT NOT NULL,
  recipient_emails TEXT,                -- a JSON list, once it is sent
  sent_at TEXT,
  CHECK ((recipient_emails IS NULL) = (sent_at IS NULL))
);

--- populate
INSERT INTO outlets
SELECT nth('outlets', n, 'name'), nth('outlets', n, 'country'), nth('outlets', n, 'reach') FROM numbers WHERE n <= 14 ORDER BY n;

-- Four stories on each of eight firms, then four on each of eight subjects.
INSERT INTO articles
SELECT 'art_' || alnum(8, 'article', place), subject, headline, CASE WHEN chance(0.7, 'byline', place) THEN person(300 + place % 25) END,
       (SELECT outlet FROM outlets o WHERE o.rowid = 1 + (place * 5 + draw(0, 2, 'outlet', place)) % 14), summary, tone,
       at(now(), '-' || draw(1, 84, 'age', place) || ' days', draw(5, 20, 'hour', place) || ':' || draw(10, 59, 'minute', place)),
       place % 12 = 5
FROM (
  SELECT (f.n - 1) * 4 + k.n AS place, company(f.n) AS subject,
         replace(replace(nth('firm_stories', 1 + (f.n * 5 + k.n * 2) % 12, 'headline'), 'FIRM', company(f.n)), 'TOWN', town(f.n * 7 + k.n)) AS headline,
         replace(replace(nth('firm_stories', 1 + (f.n * 5 + k.n * 2) % 12, 'summary'), 'FIRM', company(f.n)), 'TOWN', town(f.n * 7 + k.n)) AS summary,
         nth('firm_stories', 1 + (f.n * 5 + k.n * 2) % 12, 'tone') AS tone
  FROM numbers f JOIN numbers k ON k.n <= 4 WHERE f.n <= 8
  UNION ALL
  SELECT 32 + n, nth('stories', n, 'subject'), nth('stories', n, 'headline'), nth('stories', n, 'summary'), nth('stories', n, 'tone')
  FROM numbers WHERE n <= 32)
ORDER BY place;

-- A third of the stories is taken up by another outlet a day later.
INSERT INTO articles
SELECT 'art_' || alnum(8, 'article', 200 + a.rowid), subject, 'In brief: ' || headline, NULL,
       (SELECT o.outlet FROM outlets o JOIN outlets mine ON mine.outlet = a.outlet WHERE o.rowid = 1 + (mine.rowid + 4) % 14), summary, 'neutral',
       at(published_at, '+1 days', draw(6, 9, 'later', a.rowid) || ':' || draw(10, 59, 'minute later', a.rowid)), 0
FROM articles a WHERE a.rowid % 3 = 1 AND published_at < at(now(), '-2 days') ORDER BY a.rowid;

INSERT INTO watches
SELECT 'wat_' || alnum(8, 'watch', n), CASE WHEN n <= 6 THEN company(n) ELSE nth('subjects', n - 6, 'watch') END,
       CASE WHEN n <= 6 THEN json_array(company(n)) ELSE json_array(nth('subjects', n - 6, 'subject'), nth('subjects', n - 6, 'other')) END,
       CASE WHEN n % 4 = 3 THEN 50000 ELSE 0 END, at(now(), '-' || draw(70, 200, 'watch age', n) || ' days', '09:20')
FROM numbers WHERE n <= 10 ORDER BY n;

-- Briefings of the last weeks, all but the last two sent.
INSERT INTO briefings
SELECT 'brf_' || alnum(8, 'briefing', n), nth('titles', n),
       (SELECT json_group_array(article_id) FROM (SELECT article_id FROM articles a WHERE a.rowid % 20 = n ORDER BY article_id LIMIT 3)), '',
       CASE WHEN n <= 6 THEN json_array('board@' || slug(company(1)) || '.example') END,
       CASE WHEN n <= 6 THEN at(now(), '-' || (n * 7) || ' days', '07:45') END
FROM numbers WHERE n <= 8 ORDER BY n;

--- invariant nothing was published in the future
SELECT article_id FROM articles WHERE published_at > now();
--- invariant a plan has at most twelve watches
SELECT 1 WHERE (SELECT count(*) FROM watches) > 12;
--- invariant every briefing has articles that exist
SELECT briefing_id FROM briefings, json_each(article_ids) WHERE value NOT IN (SELECT article_id FROM articles);

--- tool search_articles
--- error country_not_covered
SELECT 1 WHERE :country_code IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outlets WHERE country_code = :country_code);
--- error range_too_old
SELECT 1 WHERE :start_date < at(now(), '-90 days', 'date');
--- error query_too_general
SELECT 1 WHERE length(trim(:query)) < 3;
--- rows articles
SELECT article_id, headline, outlet, published_at FROM articles JOIN outlets USING (outlet)
WHERE matches(headline || ' ' || summary || ' ' || subject, :query)
  AND (:country_code IS NULL OR country_code = :country_code)
  AND (:start_date IS NULL OR substr(published_at, 1, 10) >= :start_date) AND (:end_date IS NULL OR substr(published_at, 1, 10) <= :end_date)
ORDER BY matches(headline, :query) DESC, published_at DESC, article_id LIMIT :limit;
--- result
SELECT NULL AS next_cursor;

--- tool get_article
--- error article_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM articles WHERE article_id = :article_id);
--- error article_withdrawn
SELECT 1 FROM articles WHERE article_id = :article_id AND withdrawn;
--- result
SELECT article_id, headline, byline, outlet, 'https://' || slug(outlet) || '.example/' || slug(headline) AS url, summary, tone, published_at
FROM articles WHERE article_id = :article_id;

--- tool create_watch
--- error watch_name_taken
SELECT 1 FROM watches WHERE fold(watch_name) = fold(:watch_name);
--- error watch_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM watches) >= 12;
--- let
SELECT 'wat_' || alnum(8, 'watch', 1000 + fresh(0)) AS watch_id;
--- do
INSERT INTO watches VALUES (:watch_id, :watch_name, :keywords, :min_reach, now());
--- result
SELECT watch_id, watch_name, keywords, min_reach, 'watching' AS status FROM watches WHERE watch_id = :watch_id;

--- tool list_watch_matches
--- error watch_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM watches WHERE watch_id = :watch_id);
--- page articles
SELECT article_id, headline, outlet, matched_keyword FROM (
  SELECT a.article_id, a.headline, a.outlet, a.published_at,
         (SELECT k.value FROM json_each(w.keywords) k WHERE matches(a.headline || ' ' || a.summary || ' ' || a.subject, k.value) ORDER BY k.key LIMIT 1) AS matched_keyword
  FROM watches w JOIN articles a ON a.published_at >= w.created_at JOIN outlets o ON o.outlet = a.outlet AND o.reach >= w.min_reach
  WHERE w.watch_id = :watch_id AND (:tone IS NULL OR a.tone = :tone))
WHERE matched_keyword IS NOT NULL ORDER BY published_at DESC, article_id;

--- tool create_briefing
--- error article_not_found
SELECT 1 FROM json_each(:article_ids) WHERE value NOT IN (SELECT article_id FROM articles);
--- let
SELECT 'brf_' || alnum(8, 'briefing', 1000 + fresh(0)) AS briefing_id;
--- do
INSERT INTO briefings VALUES (:briefing_id, :briefing_title, :article_ids, coalesce(:opening_note, ''), NULL, NULL);
--- result
SELECT briefing_id, briefing_title, article_ids, opening_note, 'draft' AS status FROM briefings WHERE briefing_id = :briefing_id;

--- tool send_briefing
--- error briefing_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM briefings WHERE briefing_id = :briefing_id);
--- error briefing_already_sent
SELECT 1 FROM briefings WHERE briefing_id = :briefing_id AND sent_at IS NOT NULL;
--- do
UPDATE briefings SET recipient_emails = :recipient_emails, sent_at = now() WHERE briefing_id = :briefing_id;
--- result
SELECT briefing_id, recipient_emails, sent_at, 'sent' AS status FROM briefings WHERE briefing_id = :briefing_id;

--- tool delete_watch
--- error watch_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM watches WHERE watch_id = :watch_id);
--- do
DELETE FROM watches WHERE watch_id = :watch_id;
--- result
SELECT :watch_id AS watch_id, 1 AS deleted;
