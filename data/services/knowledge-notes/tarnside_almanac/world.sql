-- Tarnside Almanac: the handbook of a mail-order shop for bicycle parts. Moments are UTC.
-- Readers find what is published; an article is stale once the days between its verifications have passed. The calls are made
-- for one colleague, who is signed in: an editor of the support shelves and of those for everyone, and not in finance.

--- tables
CREATE TABLE staff (
  email TEXT PRIMARY KEY,
  full_name TEXT NOT NULL,
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  signed_in INTEGER NOT NULL CHECK (signed_in IN (0, 1))
);
CREATE TABLE shelves (
  shelf_id TEXT PRIMARY KEY,
  shelf_name TEXT NOT NULL UNIQUE,
  audience TEXT NOT NULL CHECK (audience IN ('everyone', 'support', 'operations', 'finance')),
  holds_records INTEGER NOT NULL CHECK (holds_records IN (0, 1))   -- what happened, and no instructions
);
-- What there is to know, whether or not somebody has written it down.
CREATE TABLE knowledge (
  matter TEXT PRIMARY KEY,
  query TEXT NOT NULL UNIQUE,
  article_title TEXT NOT NULL UNIQUE,
  article_body TEXT NOT NULL,
  shelf_id TEXT NOT NULL REFERENCES shelves,
  flag_kind TEXT NOT NULL,
  flag_comment TEXT NOT NULL,
  fix TEXT NOT NULL
);
CREATE TABLE articles (
  article_id TEXT PRIMARY KEY,
  shelf_id TEXT NOT NULL REFERENCES shelves,
  article_title TEXT NOT NULL,
  article_body TEXT NOT NULL,
  owner_email TEXT NOT NULL,
  verify_every_days INTEGER NOT NULL CHECK (verify_every_days IN (30, 90, 180, 365)),
  status TEXT NOT NULL CHECK (status IN ('draft', 'published', 'retired')),
  last_verified_on TEXT,
  created_at TEXT NOT NULL,
  CHECK ((status = 'draft') = (last_verified_on IS NULL))
);
CREATE TABLE flags (
  flag_id TEXT PRIMARY KEY,
  article_id TEXT NOT NULL REFERENCES articles,
  raised_by TEXT NOT NULL REFERENCES staff,
  flag_kind TEXT NOT NULL CHECK (flag_kind IN ('outdated', 'incorrect', 'unclear', 'duplicate')),
  flag_comment TEXT NOT NULL,
  resolution TEXT CHECK (resolution IN ('corrected', 'article_retired', 'rejected')),
  answer TEXT,
  resolved_at TEXT,
  CHECK ((resolution IS NULL) = (resolved_at IS NULL))
);
CREATE INDEX flags_by_article ON flags (article_id);

--- populate
INSERT INTO staff
SELECT email(person(n), 'example.com'), person(n), n <= 10, n = 1 FROM numbers WHERE n <= 13 ORDER BY n;

INSERT INTO shelves
SELECT 'shf-' || nth('shelves', n, 'code') || digits(3, 'shelf', n), nth('shelves', n, 'name'), nth('shelves', n, 'audience'),
       nth('shelves', n, 'audience') = 'everyone' AND nth('shelves', n, 'records')
FROM numbers WHERE n <= 14 ORDER BY n;

-- The first twenty are for support and everyone, the rest for operations.
INSERT INTO knowledge
SELECT nth(list, k, 'matter'), nth(list, k, 'query'), nth(list, k, 'title'), nth(list, k, 'body'),
       (SELECT shelf_id FROM shelves WHERE shelf_name = nth(list, k, 'shelf')),
       nth(list, k, 'kind'), nth(list, k, 'comment'), nth(list, k, 'fix')
FROM (SELECT n, CASE WHEN n <= 20 THEN 'front' ELSE 'back' END AS list, CASE WHEN n <= 20 THEN n ELSE n - 20 END AS k FROM numbers WHERE n <= 34)
ORDER BY n;

-- Of each group most are published, some drafts or retired; two or three are not written yet. A third belong to who is signed in.
INSERT INTO articles
SELECT 'art-' || digits(6, 'article', n), shelf_id, article_title, article_body,
       (SELECT email FROM staff s WHERE s.rowid = CASE WHEN n % 3 = 1 THEN 1 ELSE draw(2, 10, 'owner', n) END),
       every, status,
       CASE WHEN status <> 'draft' THEN at(now(), '-' || (draw(2, every * 9 / 10, 'verified', n) + CASE WHEN n % 4 = 2 THEN every ELSE 0 END) || ' days', 'date') END,
       at(now(), '-' || CASE status WHEN 'draft' THEN draw(1, 12, 'drafted', n) ELSE draw(760, 1500, 'written', n) END || ' days',
          draw(8, 16, 'hour', n) || ':' || draw(10, 55, 'minute', n))
FROM (
  SELECT *, rowid AS n, CASE draw(1, 5, 'every', rowid) WHEN 1 THEN 30 WHEN 2 THEN 365 WHEN 3 THEN 180 ELSE 90 END AS every,
         CASE WHEN rowid <= 13 OR rowid BETWEEN 21 AND 28 THEN 'published' WHEN rowid <= 16 OR rowid BETWEEN 29 AND 31 THEN 'draft' ELSE 'retired' END AS status
  FROM knowledge WHERE rowid NOT IN (19, 20, 34))
ORDER BY n;

-- Older entries on the shelves that keep records.
INSERT INTO articles
SELECT 'art-' || digits(6, 'article', 100 + n), shelf_id,
       nth('records', n, 'title'), nth('records', n, 'body'), (SELECT email FROM staff s WHERE s.rowid = draw(2, 10, 'record owner', n)),
       365, 'published', at(now(), '-' || draw(20, 300, 'record', n) || ' days', 'date'), at(now(), '-' || draw(20, 300, 'record', n) || ' days', '09:40')
FROM numbers JOIN (SELECT shelf_id, row_number() OVER (ORDER BY shelf_id) - 1 AS place FROM shelves WHERE holds_records) ON place = n % 4
WHERE n <= 10 ORDER BY n;

-- Every second published article was flagged by a colleague; some flags are settled.
INSERT INTO flags
SELECT 'flg-' || digits(6, 'flag', n), article_id, (SELECT email FROM staff s WHERE s.rowid = draw(2, 10, 'raised', n)),
       flag_kind, flag_comment, CASE WHEN settled THEN 'corrected' END, CASE WHEN settled THEN fix END,
       CASE WHEN settled THEN at(last_verified_on, '10:20') END
FROM (SELECT a.rowid AS n, a.article_id, a.last_verified_on, k.flag_kind, k.flag_comment, k.fix, a.rowid % 4 = 3 AS settled
      FROM articles a JOIN knowledge k USING (article_title) WHERE a.status = 'published' AND (a.rowid % 2 = 1 OR a.rowid % 3 = 1))
ORDER BY n;

INSERT INTO flags
SELECT 'flg-' || digits(6, 'flag', 100 + n), article_id, (SELECT email FROM staff s WHERE s.rowid = draw(2, 10, 'raised too', n)),
       nth('remarks', 1 + n % 6, 'kind'), nth('remarks', 1 + n % 6, 'comment'), NULL, NULL, NULL
FROM (SELECT rowid AS n, article_id FROM articles WHERE status = 'published' AND rowid <= 28 AND rowid % 3 <> 2)
ORDER BY n;

-- Who is signed in has raised as many flags as one may on two articles.
INSERT INTO flags
SELECT 'flg-' || digits(6, 'flag', 200 + a.rowid * 6 + k.n), article_id, (SELECT email FROM staff WHERE signed_in),
       nth('remarks', k.n, 'kind'), nth('remarks', k.n, 'comment'), NULL, NULL, NULL
FROM articles a JOIN numbers k ON k.n <= 5 WHERE a.rowid IN (2, 5) ORDER BY a.rowid, k.n;

--- invariant nobody has more than five open flags on an article
SELECT article_id FROM flags WHERE resolution IS NULL GROUP BY article_id, raised_by HAVING count(*) > 5;
--- invariant nothing was verified before it was written or in the future
SELECT article_id FROM articles WHERE last_verified_on < substr(created_at, 1, 10) OR last_verified_on > at(now(), 'date');

--- tool list_shelves
--- error audience_hidden
SELECT 1 WHERE :audience = 'finance';
--- page shelves
SELECT shelf_id, shelf_name, audience,
       (SELECT count(*) FROM articles a WHERE a.shelf_id = s.shelf_id AND a.status = 'published') AS article_count
FROM shelves s WHERE audience <> 'finance' AND (:audience IS NULL OR audience = :audience)
ORDER BY shelf_name;

--- tool create_article
--- error shelf_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shelves WHERE shelf_id = :shelf_id AND audience <> 'finance');
--- error owner_inactive
SELECT 1 FROM staff WHERE email = lower(:owner_email) AND NOT active;
--- let
SELECT 'art-' || digits(6, 'article', fresh(0)) AS article_id;
--- do
INSERT INTO articles VALUES (:article_id, :shelf_id, :article_title, :article_body, lower(:owner_email), :verify_every_days, 'draft', NULL, now());
--- result
SELECT article_id, shelf_id, article_title, article_body, owner_email, verify_every_days, status, created_at
FROM articles WHERE article_id = :article_id;

--- tool search_articles
--- error shelf_not_found
SELECT 1 WHERE :shelf_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM shelves WHERE shelf_id = :shelf_id AND audience <> 'finance');
--- error query_too_broad
SELECT 1 WHERE (SELECT count(*) FROM articles WHERE status = 'published' AND matches(article_title || ' ' || article_body, :query)) > 12;
--- page articles
SELECT a.article_id, a.article_title, rtrim(substr(a.article_body, 1, instr(a.article_body || ' ', '. ')) || CASE WHEN instr(a.article_body, '. ') THEN '' ELSE a.article_body END) AS snippet,
       round(0.97 - 0.2 * (NOT matches(a.article_title, :query)) - 0.002 * length(a.article_title), 2) AS match_score,
       at(a.last_verified_on, '+' || a.verify_every_days || ' days', 'date') < at(now(), 'date') AS stale
FROM articles a LEFT JOIN knowledge k USING (article_title)
WHERE a.status = 'published' AND matches(a.article_title || ' ' || a.article_body || ' ' || coalesce(k.matter || ' ' || k.query, ''), :query)
  AND (:shelf_id IS NULL OR a.shelf_id = :shelf_id)
  AND (NOT :verified_only OR at(a.last_verified_on, '+' || a.verify_every_days || ' days', 'date') >= at(now(), 'date'))
ORDER BY match_score DESC, a.article_id;

--- tool get_article
--- error article_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM articles WHERE article_id = :article_id);
--- result
SELECT article_id, shelf_id, article_title, article_body, owner_email, verify_every_days, status, last_verified_on,
       (SELECT count(*) FROM flags f WHERE f.article_id = a.article_id AND f.resolution IS NULL) AS open_flag_count, created_at
FROM articles a WHERE article_id = :article_id;

--- tool publish_article
--- error article_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM articles WHERE article_id = :article_id);
--- error article_retired
SELECT 1 FROM articles WHERE article_id = :article_id AND status = 'retired';
--- error already_published
SELECT 1 FROM articles WHERE article_id = :article_id AND status = 'published';
--- error not_an_editor
SELECT 1 FROM articles JOIN shelves USING (shelf_id) WHERE article_id = :article_id AND audience = 'operations';
--- do
UPDATE articles SET status = 'published', last_verified_on = at(now(), 'date') WHERE article_id = :article_id;
--- result
SELECT article_id, :announce AS announce, status, last_verified_on, 'https://almanac.example/' || article_id AS url
FROM articles WHERE article_id = :article_id;

--- tool open_flag
--- error article_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM articles WHERE article_id = :article_id);
--- error not_published
SELECT 1 FROM articles WHERE article_id = :article_id AND status <> 'published';
--- error flag_limit_reached
SELECT 1 WHERE 5 <= (SELECT count(*) FROM flags JOIN staff ON staff.email = flags.raised_by
                     WHERE article_id = :article_id AND signed_in AND resolution IS NULL);
--- let
SELECT 'flg-' || digits(6, 'flag', fresh(0)) AS flag_id;
--- do
INSERT INTO flags VALUES (:flag_id, :article_id, (SELECT email FROM staff WHERE signed_in), :flag_kind, :flag_comment, NULL, NULL, NULL);
--- result
SELECT flag_id, article_id, flag_kind, flag_comment, 'open' AS flag_status FROM flags WHERE flag_id = :flag_id;

--- tool resolve_flag
--- error flag_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM flags WHERE flag_id = :flag_id);
--- error not_the_owner
SELECT 1 FROM flags JOIN articles USING (article_id)
WHERE flag_id = :flag_id AND owner_email <> (SELECT email FROM staff WHERE signed_in);
--- error already_resolved
SELECT 1 FROM flags WHERE flag_id = :flag_id AND resolution IS NOT NULL;
--- do
UPDATE flags SET resolution = :resolution, answer = :answer, resolved_at = now() WHERE flag_id = :flag_id;
UPDATE articles SET last_verified_on = at(now(), 'date')
WHERE :resolution = 'corrected' AND status = 'published' AND article_id = (SELECT article_id FROM flags WHERE flag_id = :flag_id);
UPDATE articles SET status = 'retired'
WHERE :resolution = 'article_retired' AND status = 'published' AND article_id = (SELECT article_id FROM flags WHERE flag_id = :flag_id);
--- result
SELECT flag_id, article_id, resolution, answer, 'resolved' AS flag_status, resolved_at FROM flags WHERE flag_id = :flag_id;
