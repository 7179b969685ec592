-- Teasel Nearby: collections of short texts with similarity search. A record is near a query where its text or its gist has words of it;
-- the gist stands for what an embedding knows of a text beyond its words.

--- tables
CREATE TABLE models (
  embedding_model TEXT PRIMARY KEY,
  dimensions INTEGER NOT NULL,
  most_tokens INTEGER NOT NULL,
  in_plan INTEGER NOT NULL CHECK (in_plan IN (0, 1))
);
CREATE TABLE collections (
  collection_id TEXT PRIMARY KEY,
  collection_name TEXT NOT NULL UNIQUE,
  embedding_model TEXT NOT NULL REFERENCES models,
  distance TEXT NOT NULL CHECK (distance IN ('cosine', 'dot', 'euclidean'))
);
CREATE TABLE attributes (
  collection_id TEXT NOT NULL REFERENCES collections,
  attribute TEXT NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (collection_id, attribute)
);
CREATE TABLE records (
  record_id TEXT PRIMARY KEY,
  collection_id TEXT NOT NULL REFERENCES collections,
  text TEXT NOT NULL,
  gist TEXT NOT NULL,
  language TEXT NOT NULL,
  url TEXT,
  hit_count INTEGER NOT NULL CHECK (hit_count >= 0),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX records_by_collection ON records (collection_id);
CREATE TABLE corrections (              -- what the owners of a text would like it to say
  record_id TEXT PRIMARY KEY,
  new_text TEXT NOT NULL
);
CREATE TABLE queue (                    -- texts that jobs of the project are embedding
  job TEXT PRIMARY KEY,
  turn INTEGER NOT NULL                 -- the call just before which it began; it is through by the one after the next
);

--- populate
INSERT INTO models VALUES ('burr-small', 384, 128, 1), ('burr-multilingual', 768, 512, 1), ('burr-large', 1024, 512, 0);

INSERT INTO collections
SELECT 'col_' || alnum(7, 'collection', n), nth('collections', n, 'name'), nth('collections', n, 'model'), 'cosine' FROM numbers WHERE n <= 6 ORDER BY n;

INSERT INTO attributes
SELECT c.collection_id, a.value, a.key FROM collections c JOIN json_each('["language", "topic", "audience"]') a
WHERE (a.value <> 'language' OR c.embedding_model = 'burr-multilingual') AND (a.value <> 'audience' OR chance(0.5, 'audience', c.rowid))
ORDER BY c.rowid, a.key;

INSERT INTO records
SELECT 'rec_' || alnum(11, 'record', n), c.collection_id, nth('records', n, 'text'), nth('records', n, 'about'), nth('records', n, 'language'),
       'https://docs.' || replace(slug(company(1)), '-', '') || '.example/' || slug(nth('records', n, 'about')),
       CASE WHEN draw(1, 4, 'unseen', n) = 1 THEN 0 ELSE draw(3, 940, 'hits', n) END, p.made_at, p.made_at
FROM numbers JOIN collections c ON c.collection_name = nth('records', n, 'collection')
JOIN (SELECT n AS place, at(now(), '-' || draw(30, 500, 'made', n) || ' days', draw(7, 18, 'hour', n) || ':' || draw(10, 59, 'minute', n)) AS made_at FROM numbers) p ON p.place = n
WHERE n <= 40 AND chance(0.85, 'kept', n) ORDER BY n;

INSERT INTO corrections
SELECT r.record_id, nth('records', n, 'better') FROM numbers JOIN records r ON r.gist = nth('records', n, 'about') WHERE n <= 40 AND nth('records', n, 'better') <> '' ORDER BY n;

--- invariant a text fits the model of its collection
SELECT record_id FROM records JOIN collections USING (collection_id) JOIN models USING (embedding_model) WHERE length(text) / 4 + 1 > most_tokens AND updated_at = created_at;

--- tool create_collection
--- error collection_exists
SELECT 1 FROM collections WHERE collection_name = :collection_name;
--- error model_not_in_plan
SELECT 1 FROM models WHERE embedding_model = coalesce(:embedding_model, 'burr-small') AND NOT in_plan;
--- let
SELECT 'col_' || alnum(7, 'collection', fresh(0)) AS collection_id, coalesce(:embedding_model, 'burr-small') AS model, coalesce(:distance, 'cosine') AS measure;
--- do
INSERT INTO collections VALUES (:collection_id, :collection_name, :model, :measure);
INSERT OR IGNORE INTO attributes SELECT :collection_id, value, key FROM json_each(coalesce(:filterable_attributes, '[]')) ORDER BY key;
--- result
SELECT c.collection_id, c.collection_name, c.embedding_model, c.distance, m.dimensions, 0 AS record_count,
       (SELECT json_group_array(attribute) FROM (SELECT attribute FROM attributes a WHERE a.collection_id = c.collection_id ORDER BY place)) AS filterable_attributes
FROM collections c JOIN models m USING (embedding_model) WHERE c.collection_id = :collection_id;

--- tool list_collections
--- page collections
SELECT c.collection_id, c.collection_name, (SELECT count(*) FROM records r WHERE r.collection_id = c.collection_id) AS record_count,
       round((SELECT count(*) FROM records r WHERE r.collection_id = c.collection_id) * (m.dimensions * 4 + 600) / 1048576.0, 3) AS size_mib
FROM collections c JOIN models m USING (embedding_model)
WHERE :name_prefix IS NULL OR substr(c.collection_name, 1, length(:name_prefix)) = :name_prefix
ORDER BY c.collection_name;

--- tool add_record
--- error collection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM collections WHERE collection_id = :collection_id);
--- error text_too_long
SELECT 1 FROM collections JOIN models USING (embedding_model) WHERE collection_id = :collection_id AND length(:text) / 4 + 1 > most_tokens;
--- let
SELECT 'rec_' || alnum(11, 'record', fresh(0)) AS record_id;
--- do
INSERT INTO records VALUES (:record_id, :collection_id, :text, '', coalesce(:language, 'en'), :url, 0, now(), now());
--- result
SELECT record_id, collection_id, text, language, url, length(text) / 4 + 1 AS token_count FROM records WHERE record_id = :record_id;

--- tool search_similar
--- error collection_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM collections WHERE collection_id = :collection_id);
--- error attribute_not_indexed
SELECT 1 WHERE :language IS NOT NULL AND NOT EXISTS (SELECT 1 FROM attributes WHERE collection_id = :collection_id AND attribute = 'language');
--- let
SELECT '["' || replace(fold(:query_text), ' ', '","') || '"]' AS words,
       (SELECT count(*) FROM json_each('["' || replace(fold(:query_text), ' ', '","') || '"]') WHERE length(value) >= 4) AS asked;
--- page records
SELECT record_id, text, score, url FROM (
  SELECT h.record_id, h.text, h.url, round(0.22 + 0.68 * h.hits / :asked + draw(0, 70, 'near', h.record_id) / 1000.0, 3) AS score, h.hits
  FROM (
    SELECT r.record_id, r.text, r.url,
           (SELECT count(*) FROM json_each(:words) w WHERE length(w.value) >= 4 AND matches(r.text || ' ' || r.gist, w.value)) AS hits
    FROM records r WHERE r.collection_id = :collection_id AND (:language IS NULL OR r.language = :language)
  ) h
) WHERE hits > 0 AND score >= :minimum_score
ORDER BY score DESC, record_id;

--- tool get_record
--- error record_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM records WHERE record_id = :record_id);
--- result
SELECT record_id, collection_id, text, language, url, hit_count, created_at FROM records WHERE record_id = :record_id;

--- tool update_record
--- error record_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM records WHERE record_id = :record_id);
--- error embedding_rate_limited
SELECT 1 WHERE 20 <= (SELECT count(*) FROM queue WHERE turn = turn() - 1);
--- do
UPDATE records SET text = :text, updated_at = now() WHERE record_id = :record_id;
--- result
SELECT record_id, text, length(text) / 4 + 1 AS token_count, updated_at FROM records WHERE record_id = :record_id;

--- tool delete_record
--- error record_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM records WHERE record_id = :record_id);
--- do
DELETE FROM corrections WHERE record_id = :record_id;
DELETE FROM records WHERE record_id = :record_id;
--- result
SELECT :record_id AS record_id, 1 AS deleted;
