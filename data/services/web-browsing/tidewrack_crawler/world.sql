-- Tidewrack Crawler: the web sites of eight towns, crawls of them, and what stands on their pages.
-- The text of a page is put together from its fields, so that what is extracted is what can be read.

--- tables
CREATE TABLE hosts (
  host TEXT PRIMARY KEY,
  town TEXT NOT NULL UNIQUE,
  district TEXT NOT NULL,
  delay_seconds INTEGER NOT NULL CHECK (delay_seconds >= 0),
  has_sitemap INTEGER NOT NULL CHECK (has_sitemap IN (0, 1)),
  reachable INTEGER NOT NULL CHECK (reachable IN (0, 1)),
  search_busy INTEGER NOT NULL CHECK (search_busy IN (0, 1)),
  closed_path TEXT NOT NULL
);
CREATE TABLE pages (
  url TEXT PRIMARY KEY,
  host TEXT NOT NULL REFERENCES hosts,
  topic TEXT NOT NULL,
  page_title TEXT NOT NULL,
  content_kind TEXT NOT NULL CHECK (content_kind IN ('html', 'pdf', 'feed')),
  intro TEXT NOT NULL,
  scanned INTEGER NOT NULL CHECK (scanned IN (0, 1)),
  published TEXT NOT NULL
);
CREATE TABLE page_fields (
  url TEXT NOT NULL REFERENCES pages,
  field_name TEXT NOT NULL,
  field_value TEXT NOT NULL,
  confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  PRIMARY KEY (url, field_name)
);
CREATE TABLE crawls (
  crawl_id TEXT PRIMARY KEY,
  seed_url TEXT NOT NULL,
  max_pages INTEGER NOT NULL,
  max_depth INTEGER NOT NULL,
  include_paths TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'stopped', 'failed')),
  skipped_count INTEGER NOT NULL CHECK (skipped_count >= 0),
  created_at TEXT NOT NULL
);
CREATE TABLE documents (
  document_id TEXT PRIMARY KEY,
  crawl_id TEXT NOT NULL REFERENCES crawls,
  url TEXT NOT NULL REFERENCES pages,
  fetched_at TEXT NOT NULL,
  UNIQUE (crawl_id, url)
);

--- populate
-- One host does not answer today, and searches on another one are used up for the moment.
INSERT INTO hosts
SELECT lower(nth('towns', n)) || '.example', nth('towns', n), nth('districts', 1 + n % 3), pick('delays', n), chance(0.6, 'sitemap', n), n <> 8, n = 7, '/members'
FROM numbers WHERE n <= 8 ORDER BY n;

INSERT INTO pages
SELECT 'https://www.' || h.host || nth('topics', k.n, 'path'), h.host, nth('topics', k.n, 'topic'), h.town || ': ' || nth('topics', k.n, 'title'), nth('topics', k.n, 'kind'),
       nth('topics', k.n, 'intro') || ' in ' || h.town || ', district of ' || h.district || '.', nth('topics', k.n, 'scanned'),
       at(now(), '-' || draw(6, 240, 'published', h.rowid, k.n) || ' days', 'date')
FROM hosts h JOIN numbers k ON k.n <= 9 ORDER BY h.rowid, k.n;

INSERT INTO page_fields
SELECT p.url, nth('fields', f.n, 'field'),
       CASE nth('fields', f.n, 'form')
         WHEN 'past' THEN (SELECT CASE weekday(day) WHEN 'saturday' THEN at(day, '-1 days', 'date') WHEN 'sunday' THEN at(day, '-2 days', 'date') ELSE day END
                           FROM (SELECT at(now(), '-' || draw(7, 60, 'value', p.url, f.n) || ' days', 'date') AS day))
         WHEN 'coming' THEN (SELECT CASE weekday(day) WHEN 'saturday' THEN at(day, '-1 days', 'date') WHEN 'sunday' THEN at(day, '-2 days', 'date') ELSE day END
                             FROM (SELECT at(now(), '+' || draw(10, 120, 'value', p.url, f.n) || ' days', 'date') AS day))
         WHEN 'person' THEN person(p.rowid * 3 + f.n)
         WHEN 'grant' THEN (250 * draw(4, 24, 'value', p.url, f.n)) || ' euros'
         WHEN 'ticket' THEN draw(3, 8, 'value', p.url, f.n) || '.50 euros'
         WHEN 'million' THEN draw(11, 88, 'value', p.url, f.n) || '.' || draw(1, 9, 'tenth', p.url, f.n) || ' million euros'
         WHEN 'hours' THEN draw(8, 10, 'opens', p.url) || ' am to ' || draw(5, 9, 'closes', p.url) || ' pm'
         WHEN 'item' THEN pick('items', p.url)
         WHEN 'headline' THEN pick('headlines', p.url)
         WHEN 'mail' THEN nth('fields', f.n, 'box') || '@' || p.host
         ELSE CAST(draw(40, 900, 'value', p.url, f.n) AS TEXT) || nth('fields', f.n, 'box') END,
       draw(88, 99, 'sure', p.url, f.n) / 100.0
FROM pages p JOIN numbers f ON f.n <= 18 WHERE nth('fields', f.n, 'topic') = p.topic
ORDER BY p.rowid, f.n;

-- Two crawls of each site. Those of the host that does not answer failed, and four are so old that their documents are gone.
INSERT INTO crawls
SELECT 'crw_' || alnum(8, 'crawl', n), 'https://www.' || h.host || '/', pick('budgets', n), draw(1, 3, 'depth', n), '[]',
       CASE WHEN NOT h.reachable THEN 'failed' WHEN n IN (17, 18, 19, 20) THEN 'finished' ELSE CASE n % 4 WHEN 1 THEN 'running' WHEN 2 THEN 'stopped' ELSE 'finished' END END,
       CASE WHEN NOT h.reachable THEN 0 ELSE draw(0, 14, 'skipped', n) END,
       CASE WHEN n > 16 THEN at(now(), '-' || draw(38, 80, 'old', n) || ' days', draw(8, 17, 'hour', n) || ':30')
            WHEN n % 4 = 1 THEN at(now(), '-' || draw(62, 88, 'new', n) || ' minutes') ELSE at(now(), '-' || draw(2, 26, 'age', n) || ' days', draw(8, 17, 'hour', n) || ':30') END
FROM numbers JOIN hosts h ON h.rowid = 1 + (n - 1) % 8 WHERE n <= 20 ORDER BY n;

INSERT INTO documents
SELECT 'doc_' || alnum(8, 'document', c.rowid * 10 + k), c.crawl_id, p.url, at(c.created_at, '+' || (k * 9 + draw(0, 4, 'wait', c.rowid, k)) || ' minutes')
FROM (SELECT p.*, row_number() OVER (PARTITION BY host ORDER BY url) AS k FROM pages p) p JOIN crawls c ON c.seed_url = 'https://www.' || p.host || '/'
WHERE c.status <> 'failed' AND p.url NOT LIKE '%/members%' AND (c.status = 'finished' OR k <= 6)
ORDER BY c.rowid, k;

--- invariant what robots rules close was not fetched
SELECT document_id FROM documents WHERE url LIKE '%.example/members%';
--- invariant a crawl fetches no more than it may
SELECT crawl_id FROM crawls c WHERE (SELECT count(*) FROM documents d WHERE d.crawl_id = c.crawl_id) > max_pages;
--- invariant nothing was fetched before the crawl or in the future
SELECT document_id FROM documents JOIN crawls USING (crawl_id) WHERE fetched_at < created_at OR fetched_at > now();

--- tool search_web
--- error rate_limited
SELECT 1 FROM hosts WHERE search_busy AND :site IN (host, 'www.' || host);
--- page results
SELECT url, page_title, intro AS extract FROM pages JOIN hosts USING (host)
WHERE matches(page_title || ' ' || intro, :query) AND (:site IS NULL OR :site IN (host, 'www.' || host)) AND (:published_after IS NULL OR published > :published_after)
ORDER BY published DESC, url;

--- tool check_robots
--- error host_unreachable
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM hosts WHERE reachable AND :url LIKE 'https://www.' || host || '/%');
--- result
SELECT :url AS url, :url NOT LIKE 'https://www.' || host || closed_path || '%' AS allowed, delay_seconds AS crawl_delay_seconds,
       CASE WHEN has_sitemap THEN 'https://www.' || host || '/sitemap.xml' END AS sitemap_url
FROM hosts WHERE :url LIKE 'https://www.' || host || '/%';

--- tool create_crawl
--- error seed_forbidden
SELECT 1 FROM hosts WHERE :seed_url LIKE 'https://www.' || host || closed_path || '%';
--- error page_budget_spent
SELECT 1 WHERE :max_pages > 4800 - (SELECT coalesce(sum(max_pages), 0) FROM crawls WHERE created_at > at(now(), '-30 days') AND status <> 'failed');
--- let
SELECT 'crw_' || alnum(8, 'crawl', fresh(0)) AS crawl_id;
--- do
INSERT INTO crawls VALUES (:crawl_id, :seed_url, :max_pages, :max_depth, coalesce(:include_paths, '[]'), 'running', 0, now());
--- result
SELECT crawl_id, seed_url, max_pages, max_depth, include_paths, status FROM crawls WHERE crawl_id = :crawl_id;

--- tool get_crawl
--- error crawl_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM crawls WHERE crawl_id = :crawl_id);
--- result
SELECT crawl_id, seed_url, max_pages, max_depth, include_paths, status, (SELECT count(*) FROM documents d WHERE d.crawl_id = c.crawl_id) AS fetched_count,
       skipped_count, created_at
FROM crawls c WHERE crawl_id = :crawl_id;

--- tool list_documents
--- error crawl_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM crawls WHERE crawl_id = :crawl_id);
--- error crawl_expired
SELECT 1 FROM crawls WHERE crawl_id = :crawl_id AND created_at < at(now(), '-30 days');
--- page documents
SELECT document_id, url, page_title, content_kind FROM documents JOIN pages USING (url)
WHERE crawl_id = :crawl_id AND (:content_kind IS NULL OR content_kind = :content_kind)
ORDER BY fetched_at DESC, document_id;

--- tool get_document
--- error document_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM documents JOIN crawls USING (crawl_id) WHERE document_id = :document_id AND created_at >= at(now(), '-30 days'));
--- let
SELECT CASE WHEN scanned THEN '' ELSE intro || ' ' || (
         SELECT group_concat(upper(substr(field_name, 1, 1)) || substr(field_name, 2) || ': ' || field_value || '.', ' ')
         FROM (SELECT * FROM page_fields f WHERE f.url = p.url ORDER BY field_name)) END AS body
FROM documents JOIN pages p USING (url) WHERE document_id = :document_id;
--- result
SELECT document_id, crawl_id, url, page_title, content_kind, substr(:body, 1, :max_characters) AS text, length(:body) > :max_characters AS truncated, fetched_at
FROM documents JOIN pages USING (url) WHERE document_id = :document_id;

--- tool extract_fields
--- error document_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM documents JOIN crawls USING (crawl_id) WHERE document_id = :document_id AND created_at >= at(now(), '-30 days'));
--- error no_readable_text
SELECT 1 FROM documents JOIN pages USING (url) WHERE document_id = :document_id AND scanned;
--- result
SELECT :document_id AS document_id;
--- rows fields
SELECT w.value AS field_name, f.field_value, coalesce(f.confidence, 0) AS confidence
FROM json_each(:field_names) w
LEFT JOIN page_fields f ON f.url = (SELECT url FROM documents WHERE document_id = :document_id) AND fold(f.field_name) = fold(w.value)
ORDER BY w.key;

--- tool stop_crawl
--- error crawl_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM crawls WHERE crawl_id = :crawl_id);
--- error crawl_not_running
SELECT 1 FROM crawls WHERE crawl_id = :crawl_id AND status <> 'running';
--- do
UPDATE crawls SET status = 'stopped' WHERE crawl_id = :crawl_id;
--- result
SELECT crawl_id, (SELECT count(*) FROM documents d WHERE d.crawl_id = c.crawl_id) AS fetched_count, status FROM crawls c WHERE crawl_id = :crawl_id;
