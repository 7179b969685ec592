-- Osprey Citeworks: the reference library of a research group. Moments are UTC.
-- How often a paper is cited follows from the papers of the index that cite it; a record that was merged lives on under another id.

--- tables
CREATE TABLE papers (
  paper_id TEXT PRIMARY KEY,
  title TEXT NOT NULL UNIQUE,
  topic TEXT NOT NULL,
  year INTEGER NOT NULL,
  venue TEXT NOT NULL,
  doi TEXT,
  abstract TEXT NOT NULL,
  open_access INTEGER NOT NULL CHECK (open_access IN (0, 1))
);
CREATE TABLE authors (
  paper_id TEXT NOT NULL REFERENCES papers,
  place INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (paper_id, place)
);
CREATE TABLE citations (
  citing_id TEXT NOT NULL REFERENCES papers,
  cited_id TEXT NOT NULL REFERENCES papers,
  PRIMARY KEY (citing_id, cited_id)
);
CREATE INDEX citations_by_cited ON citations (cited_id);
CREATE TABLE merged (
  paper_id TEXT PRIMARY KEY,
  into_id TEXT NOT NULL REFERENCES papers
);
CREATE TABLE throttled (                -- searches that too many others make this minute
  query TEXT PRIMARY KEY,
  short TEXT NOT NULL                   -- fewer words that find the same papers
);
CREATE TABLE collections (
  collection_id TEXT PRIMARY KEY,
  collection_name TEXT NOT NULL UNIQUE,
  visibility TEXT NOT NULL CHECK (visibility IN ('private', 'group', 'public')),
  notes TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE TABLE entries (
  entry_id TEXT PRIMARY KEY,
  collection_id TEXT NOT NULL REFERENCES collections,
  paper_id TEXT NOT NULL REFERENCES papers,
  citation_key TEXT NOT NULL,
  reading_status TEXT NOT NULL CHECK (reading_status IN ('unread', 'skimmed', 'read')),
  annotation TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (collection_id, paper_id),
  UNIQUE (collection_id, citation_key)
);

--- populate
-- Seven papers on each of nine topics, each of another kind.
INSERT INTO papers
SELECT 'W' || digits(9, 'paper', n), replace(nth('kinds', kind, 'title'), '%', nth('topics', area, 'topic')), nth('topics', area, 'topic'), draw(2006, 2024, 'year', n),
       nth('topics', area, 'venue'), CASE WHEN chance(0.9, 'doi', n) THEN '10.' || (5100 + area * 13) || '/' || lowers(4, 'doi', n) || '.' || digits(5, 'doi', n) END,
       nth('kinds', kind, 'about') || ' ' || nth('topics', area, 'finding'), chance(0.55, 'open', n)
FROM (SELECT n, 1 + (n - 1) / 7 AS area, 1 + (n - 1) % 7 AS kind FROM numbers WHERE n <= 63)
ORDER BY n;

INSERT INTO authors
SELECT p.paper_id, k.n, person(1 + (p.rowid * 5 + k.n * 19) % 90) FROM papers p JOIN numbers k ON k.n <= draw(2, 5, 'authors', p.rowid) ORDER BY p.rowid, k.n;

INSERT INTO citations
WITH p AS MATERIALIZED (SELECT rowid AS row, paper_id, year, topic FROM papers)
SELECT a.paper_id, b.paper_id FROM p a JOIN p b ON a.year > b.year
WHERE chance(CASE WHEN a.topic = b.topic THEN 0.6 ELSE 0.01 END, 'cites', a.row, b.row)
ORDER BY a.row, b.row;

INSERT INTO merged
SELECT 'W' || digits(9, 'paper', 200 + p.rowid), p.paper_id FROM papers p WHERE p.rowid % 9 = 4 ORDER BY p.rowid;

INSERT INTO throttled
SELECT topic, short FROM (SELECT n, nth('topics', n, 'topic') AS topic, nth('topics', n, 'short') AS short FROM numbers WHERE n <= 9)
WHERE short <> '' ORDER BY n LIMIT 2;

-- The last collection is still empty.
INSERT INTO collections
SELECT 'col_' || alnum(6, 'collection', n), nth('shelves', n, 'name'), nth('shelves', n, 'visibility'), nth('shelves', n, 'notes'),
       at(now(), '-' || draw(CASE n WHEN 7 THEN 1 ELSE 40 END, CASE n WHEN 7 THEN 5 ELSE 400 END, 'age', n) || ' days', draw(8, 17, 'hour', n) || ':25')
FROM numbers WHERE n <= 7 ORDER BY n;

INSERT OR IGNORE INTO entries
WITH p AS MATERIALIZED (
  SELECT p.rowid AS row, (p.rowid - 1) / 7 AS area, p.paper_id, lower(replace(substr(a.name, instr(a.name, ' ') + 1), ' ', '')) || p.year AS citation_key
  FROM papers p JOIN authors a ON a.paper_id = p.paper_id AND a.place = 1),
q AS MATERIALIZED (
  SELECT c.rowid AS shelf, c.collection_id, p.*, json_array('unread', 'unread', 'skimmed', 'read', 'read') ->> draw(0, 4, 'state', c.rowid, p.row) AS state
  FROM collections c JOIN p ON p.area IN (c.rowid, c.rowid + 2) AND chance(0.55, 'kept', c.rowid, p.row) WHERE c.rowid < 7)
SELECT 'ent_' || alnum(8, 'entry', shelf * 70 + row), collection_id, paper_id, citation_key,
       state, CASE WHEN state <> 'unread' AND chance(0.6, 'remark', shelf, row) THEN pick('remarks', shelf, row) ELSE '' END,
       at(now(), '-' || draw(1, 38, 'filed', shelf, row) || ' days', draw(9, 18, 'filed hour', shelf, row) || ':40')
FROM q
ORDER BY shelf, row;

--- invariant nobody cites what came later
SELECT citing_id FROM citations JOIN papers a ON a.paper_id = citing_id JOIN papers b ON b.paper_id = cited_id WHERE a.year <= b.year;
--- invariant a merged record is no record
SELECT paper_id FROM merged JOIN papers USING (paper_id);
--- invariant every paper has a first author
SELECT paper_id FROM papers WHERE paper_id NOT IN (SELECT paper_id FROM authors WHERE place = 1);

--- tool search_papers
--- error rate_limited
SELECT 1 FROM throttled WHERE fold(query) = fold(:query);
--- page papers
SELECT p.paper_id, p.title, a.name AS first_author, p.year, (SELECT count(*) FROM citations c WHERE c.cited_id = p.paper_id) AS citation_count
FROM papers p JOIN authors a ON a.paper_id = p.paper_id AND a.place = 1
WHERE matches(p.title || ' ' || p.abstract, :query) AND (:year_from IS NULL OR p.year >= :year_from)
  AND (:author IS NULL OR EXISTS (SELECT 1 FROM authors x WHERE x.paper_id = p.paper_id AND fold(x.name) LIKE '% ' || fold(:author)))
ORDER BY citation_count DESC, p.year DESC, p.paper_id;

--- tool get_paper
--- error paper_merged
SELECT 1 FROM merged WHERE paper_id = :paper_id;
--- error paper_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM papers WHERE paper_id = :paper_id);
--- result
SELECT paper_id, title, year, venue, doi,
       abstract, (SELECT count(*) FROM citations c WHERE c.cited_id = p.paper_id) AS citation_count, open_access,
       CASE WHEN open_access THEN 'https://papers.citeworks.example/' || paper_id || '.pdf' END AS url
FROM papers p WHERE paper_id = :paper_id;
--- rows authors
SELECT name FROM authors WHERE paper_id = :paper_id ORDER BY place;

--- tool list_citing_papers
--- error paper_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM papers WHERE paper_id = :paper_id);
--- page papers
SELECT p.paper_id, p.title, a.name AS first_author, p.year
FROM citations c JOIN papers p ON p.paper_id = c.citing_id JOIN authors a ON a.paper_id = p.paper_id AND a.place = 1
WHERE c.cited_id = :paper_id ORDER BY p.year DESC, p.paper_id;

--- tool create_collection
--- error name_taken
SELECT 1 FROM collections WHERE fold(collection_name) = fold(:collection_name);
--- let
SELECT 'col_' || alnum(6, 'collection', fresh(0)) AS collection_id;
--- do
INSERT INTO collections VALUES (:collection_id, :collection_name, :visibility, coalesce(:notes, ''), now());
--- result
SELECT collection_id, collection_name, visibility, notes, created_at FROM collections WHERE collection_id = :collection_id;

--- tool add_paper_to_collection
--- error collection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM collections WHERE collection_id = :collection_id);
--- error paper_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM papers WHERE paper_id = :paper_id);
--- error already_filed
SELECT 1 FROM entries WHERE collection_id = :collection_id AND paper_id = :paper_id;
--- error key_in_use
SELECT 1 FROM entries WHERE collection_id = :collection_id AND citation_key = :citation_key;
--- let
SELECT 'ent_' || alnum(8, 'entry', fresh(0)) AS entry_id;
--- do
INSERT INTO entries VALUES (:entry_id, :collection_id, :paper_id, :citation_key, 'unread', '', now());
--- result
SELECT entry_id, collection_id, paper_id, citation_key, reading_status FROM entries WHERE entry_id = :entry_id;

--- tool update_entry
--- error entry_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entry_id = :entry_id);
--- do
UPDATE entries SET reading_status = :reading_status, annotation = coalesce(:annotation, annotation), updated_at = now() WHERE entry_id = :entry_id;
--- result
SELECT entry_id, reading_status, annotation, updated_at FROM entries WHERE entry_id = :entry_id;

--- tool export_bibliography
--- error collection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM collections WHERE collection_id = :collection_id);
--- error collection_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM entries WHERE collection_id = :collection_id AND (NOT :only_read OR reading_status = 'read'));
--- result
SELECT :collection_id AS collection_id, :style AS style, count(*) AS entry_count, group_concat(line, char(10)) AS bibliography
FROM (
  SELECT CASE :style
           WHEN 'bibtex' THEN '@article{' || citation_key || ', author = {' || names || '}, title = {' || title || '}, journal = {' || venue || '}, year = {' || year || '}}'
           WHEN 'ris' THEN 'TY  - JOUR' || char(10) || 'AU  - ' || names || char(10) || 'TI  - ' || title || char(10) || 'JO  - ' || venue || char(10) || 'PY  - ' || year || char(10) || 'ER  -'
           WHEN 'numeric' THEN '[' || row_number() OVER (ORDER BY citation_key) || '] ' || names || ': ' || title || CASE WHEN title LIKE '%?' THEN ' ' ELSE '. ' END || venue || ', ' || year || '.'
           ELSE names || ' (' || year || '). ' || title || CASE WHEN title LIKE '%?' THEN ' ' ELSE '. ' END || venue || '.' END AS line
  FROM (
    SELECT e.citation_key, p.title, p.venue, p.year,
           (SELECT group_concat(name, ' and ') FROM (SELECT name FROM authors a WHERE a.paper_id = p.paper_id ORDER BY place)) AS names
    FROM entries e JOIN papers p USING (paper_id) WHERE e.collection_id = :collection_id AND (NOT :only_read OR e.reading_status = 'read'))
  ORDER BY citation_key);
