-- Foxglove Marginalia: one reader's notebook. A source holds highlights, a note rests on highlights, notes point to notes.
-- The catalogue and what is printed in it is the world of books outside the notebook: what the reader may add and mark.

--- tables
CREATE TABLE catalogue (
  source_title TEXT PRIMARY KEY,
  source_kind TEXT NOT NULL CHECK (source_kind IN ('book', 'article', 'talk', 'web_page')),
  author TEXT,
  publication_year INTEGER,
  url TEXT,
  keyword TEXT NOT NULL
);
CREATE TABLE printed (
  passage TEXT PRIMARY KEY,
  source_title TEXT NOT NULL REFERENCES catalogue,
  locator TEXT NOT NULL,
  tag TEXT NOT NULL,
  note_title TEXT NOT NULL UNIQUE,
  note_body TEXT NOT NULL
);
CREATE TABLE thoughts (                -- how one note bears on another
  note_title TEXT NOT NULL,
  other_title TEXT NOT NULL,
  relation TEXT NOT NULL CHECK (relation IN ('supports', 'contradicts', 'extends', 'example_of')),
  PRIMARY KEY (note_title, other_title)
);
CREATE TABLE sources (
  source_id TEXT PRIMARY KEY,
  source_title TEXT NOT NULL UNIQUE,
  source_kind TEXT NOT NULL CHECK (source_kind IN ('book', 'article', 'talk', 'web_page')),
  author TEXT,
  publication_year INTEGER CHECK (publication_year BETWEEN 1450 AND 2100),
  url TEXT,
  reading_state TEXT NOT NULL CHECK (reading_state IN ('unread', 'reading', 'finished'))
);
CREATE TABLE highlights (
  highlight_id TEXT PRIMARY KEY,
  source_id TEXT NOT NULL REFERENCES sources,
  passage TEXT NOT NULL,
  locator TEXT,
  colour TEXT NOT NULL CHECK (colour IN ('yellow', 'green', 'blue', 'pink')),
  created_at TEXT NOT NULL,
  UNIQUE (source_id, passage)
);
CREATE TABLE notes (
  note_id TEXT PRIMARY KEY,
  note_title TEXT NOT NULL,
  note_body TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE TABLE note_highlights (
  note_id TEXT NOT NULL REFERENCES notes,
  highlight_id TEXT NOT NULL REFERENCES highlights,
  PRIMARY KEY (note_id, highlight_id)
);
CREATE TABLE note_tags (
  note_id TEXT NOT NULL REFERENCES notes,
  tag TEXT NOT NULL,
  PRIMARY KEY (note_id, tag)
);
CREATE TABLE links (
  note_id TEXT NOT NULL REFERENCES notes,
  target_note_id TEXT NOT NULL REFERENCES notes,
  relation TEXT NOT NULL CHECK (relation IN ('supports', 'contradicts', 'extends', 'example_of')),
  PRIMARY KEY (note_id, target_note_id)
);

--- populate
INSERT INTO catalogue
SELECT nth('works', n, 'title'), nth('works', n, 'kind'), nullif(nth('works', n, 'author'), ''), nullif(nth('works', n, 'year'), 0),
       CASE WHEN nth('works', n, 'kind') = 'web_page' THEN 'https://' || nth('works', n, 'site') || '/' || slug(nth('works', n, 'title'))
       END,
       nth('works', n, 'keyword')
FROM numbers WHERE n <= 29 ORDER BY n;

INSERT INTO printed
SELECT nth('passages', n, 'text'), nth('passages', n, 'work'), nth('passages', n, 'at'), nth('passages', n, 'tag'),
       nth('passages', n, 'title'), nth('passages', n, 'body')
FROM numbers WHERE n <= 46 ORDER BY n;

INSERT INTO thoughts SELECT nth('pairs', n, 'one'), nth('pairs', n, 'other'), nth('pairs', n, 'how') FROM numbers WHERE n <= 77 ORDER BY n;

INSERT INTO sources
SELECT 'src_' || alnum(7, 'source', n), nth('works', n, 'title'), nth('works', n, 'kind'), nullif(nth('works', n, 'author'), ''),
       nullif(nth('works', n, 'year'), 0),
       CASE WHEN nth('works', n, 'kind') = 'web_page' THEN 'https://' || nth('works', n, 'site') || '/' || slug(nth('works', n, 'title'))
       END,
       CASE n % 4 WHEN 0 THEN 'unread' WHEN 1 THEN 'reading' ELSE 'finished' END
FROM numbers WHERE n <= 22 OR n <= 29 AND nth('works', n, 'title') = 'Letters to an Apprentice' ORDER BY n;

-- Most passages of what was opened are marked, each on a day of the last ten weeks.
INSERT INTO highlights
SELECT 'hlt_' || alnum(9, 'highlight', p.rowid), s.source_id, p.passage, p.locator, pick('colours', p.rowid),
       at(now(), '-' || draw(4, 70, 'marked', p.rowid) || ' days', draw(7, 22, 'hour', p.rowid) || ':' || draw(10, 59, 'minute', p.rowid))
FROM printed p JOIN sources s USING (source_title)
WHERE s.reading_state <> 'unread' AND chance(0.85, 'marked', p.passage)
ORDER BY p.rowid;

INSERT INTO notes
SELECT 'nte_' || alnum(8, 'note', h.rowid), p.note_title, p.note_body, at(h.created_at, '+' || draw(2, 55, 'noted', h.rowid) || ' minutes')
FROM highlights h JOIN printed p USING (passage)
WHERE chance(0.8, 'noted', p.passage) ORDER BY h.rowid;

INSERT INTO note_highlights
SELECT n.note_id, h.highlight_id FROM notes n JOIN printed p USING (note_title) JOIN highlights h USING (passage);
INSERT OR IGNORE INTO note_highlights   -- some rest on another passage of the same source as well
SELECT n.note_id, o.highlight_id
FROM notes n JOIN printed p USING (note_title) JOIN highlights h USING (passage) JOIN highlights o ON o.source_id = h.source_id
WHERE o.created_at < n.created_at AND chance(0.4, 'both', n.note_id, o.highlight_id);

INSERT INTO note_tags SELECT n.note_id, p.tag FROM notes n JOIN printed p USING (note_title);
INSERT OR IGNORE INTO note_tags SELECT note_id, pick('more_tags', note_id) FROM notes WHERE chance(0.4, 'more tags', note_id);

-- Some are linked already, and not in the way in which the reader sees it today.
INSERT INTO links
SELECT a.note_id, b.note_id, CASE t.relation WHEN 'supports' THEN 'extends' ELSE 'supports' END
FROM thoughts t JOIN notes a USING (note_title) JOIN notes b ON b.note_title = t.other_title
WHERE chance(0.35, 'linked', a.note_id, b.note_id) ORDER BY t.rowid;

--- invariant no note points to itself
SELECT note_id FROM links WHERE note_id = target_note_id;
--- invariant every note rests on a highlight
SELECT note_id FROM notes WHERE note_id NOT IN (SELECT note_id FROM note_highlights);
--- invariant what is unread has no highlights
SELECT source_id FROM sources JOIN highlights USING (source_id) WHERE reading_state = 'unread';

--- tool add_source
--- error duplicate_source
SELECT 1 FROM sources WHERE fold(source_title) = fold(:source_title);
--- let
SELECT 'src_' || alnum(7, 'source', fresh(0)) AS source_id;
--- do
INSERT INTO sources VALUES (:source_id, :source_title, :source_kind, :author, :publication_year, :url, 'unread');
--- result
SELECT source_id, source_title, source_kind, author, publication_year, url, reading_state FROM sources WHERE source_id = :source_id;

--- tool find_sources
--- page sources
SELECT source_id, source_title, author, reading_state,
       (SELECT count(*) FROM highlights h WHERE h.source_id = s.source_id) AS highlight_count
FROM sources s
WHERE matches(source_title || ' ' || coalesce(author, ''), :query) AND (:reading_state IS NULL OR reading_state = :reading_state)
ORDER BY source_title, source_id;

--- tool add_highlight
--- error source_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sources WHERE source_id = :source_id);
--- error already_marked
SELECT 1 FROM highlights WHERE source_id = :source_id AND passage = :passage;
--- let
SELECT 'hlt_' || alnum(9, 'highlight', fresh(0)) AS highlight_id;
--- do
INSERT INTO highlights VALUES (:highlight_id, :source_id, :passage, :locator, :colour, now());
UPDATE sources SET reading_state = 'reading' WHERE source_id = :source_id AND reading_state = 'unread';
--- result
SELECT highlight_id, source_id, passage, locator, colour, created_at FROM highlights WHERE highlight_id = :highlight_id;

--- tool create_note
--- error highlight_not_found
SELECT 1 FROM json_each(:highlight_ids) WHERE value NOT IN (SELECT highlight_id FROM highlights);
--- let
SELECT 'nte_' || alnum(8, 'note', fresh(0)) AS note_id;
--- do
INSERT INTO notes VALUES (:note_id, :note_title, :note_body, now());
INSERT INTO note_highlights SELECT :note_id, value FROM json_each(:highlight_ids);
INSERT OR IGNORE INTO note_tags SELECT :note_id, value FROM json_each(coalesce(:tags, '[]'));
--- result
SELECT note_id, note_title, note_body, created_at FROM notes WHERE note_id = :note_id;
--- rows highlight_ids
SELECT highlight_id FROM note_highlights WHERE note_id = :note_id ORDER BY highlight_id;
--- rows tags
SELECT tag FROM note_tags WHERE note_id = :note_id ORDER BY tag;

--- tool link_notes
--- error self_link
SELECT 1 WHERE :note_id = :target_note_id;
--- error note_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM notes WHERE note_id = :note_id)
   OR NOT EXISTS (SELECT 1 FROM notes WHERE note_id = :target_note_id);
--- error already_linked
SELECT 1 FROM links WHERE note_id = :note_id AND target_note_id = :target_note_id AND relation <> :relation;
--- do
INSERT OR IGNORE INTO links VALUES (:note_id, :target_note_id, :relation);
--- result
SELECT note_id, target_note_id, relation, 1 AS linked FROM links WHERE note_id = :note_id AND target_note_id = :target_note_id;

--- tool get_note
--- error note_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM notes WHERE note_id = :note_id);
--- result
SELECT note_id, note_title, note_body, (SELECT count(*) FROM links l WHERE l.target_note_id = n.note_id) AS backlink_count, created_at
FROM notes n WHERE note_id = :note_id;
--- rows highlight_ids
SELECT highlight_id FROM note_highlights WHERE note_id = :note_id ORDER BY highlight_id;
--- rows tags
SELECT tag FROM note_tags WHERE note_id = :note_id ORDER BY tag;

--- tool format_citation
--- error source_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sources WHERE source_id = :source_id);
--- error details_missing
SELECT 1 FROM sources
WHERE source_id = :source_id AND :citation_style <> 'numeric'
  AND (author IS NULL OR (publication_year IS NULL AND :citation_style <> 'footnote'));
--- result
SELECT source_id, :citation_style AS citation_style,
       CASE :citation_style
       WHEN 'author_date' THEN
         substr(author, instr(author, ' ') + 1) || ', ' || substr(author, 1, instr(author, ' ') - 1) || ' (' || publication_year || '). '
         || source_title || '.' || coalesce(' ' || url, '')
       WHEN 'footnote' THEN author || ', ' || source_title || ' (' || coalesce(publication_year, 'n.d.') || ')' || coalesce(', ' || url, '') || '.'
       WHEN 'numeric' THEN
         '[1] ' || coalesce(substr(author, 1, 1) || '. ' || substr(author, instr(author, ' ') + 1) || ', ', '') || source_title
         || coalesce(', ' || publication_year, '') || coalesce(', ' || url, '') || '.'
       ELSE
         '@' || CASE source_kind WHEN 'book' THEN 'book' WHEN 'article' THEN 'article' ELSE 'misc' END || '{'
         || slug(substr(author, instr(author, ' ') + 1)) || publication_year || ', author = {' || substr(author, instr(author, ' ') + 1)
         || ', ' || substr(author, 1, instr(author, ' ') - 1) || '}, title = {' || source_title || '}, year = {' || publication_year || '}'
         || coalesce(', url = {' || url || '}', '') || '}'
       END AS citation
FROM sources WHERE source_id = :source_id;
