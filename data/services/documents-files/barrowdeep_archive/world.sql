-- Barrowdeep Archive: the files of an architecture office. Moments are UTC.
-- A job has a folder with subfolders; the newest version of a file is its current one.

--- tables
CREATE TABLE folders (
  folder_id TEXT PRIMARY KEY,
  folder_name TEXT NOT NULL,
  parent_folder_id TEXT REFERENCES folders,
  retention_years INTEGER NOT NULL CHECK (retention_years BETWEEN 1 AND 30),
  file_path TEXT NOT NULL UNIQUE,
  internal INTEGER NOT NULL CHECK (internal IN (0, 1)),
  rebuilding INTEGER NOT NULL CHECK (rebuilding IN (0, 1))
);
CREATE TABLE files (
  file_id TEXT PRIMARY KEY,
  folder_id TEXT NOT NULL REFERENCES folders,
  file_name TEXT NOT NULL,
  media_kind TEXT NOT NULL CHECK (media_kind IN ('drawing', 'document', 'image', 'spreadsheet', 'model')),
  tags TEXT NOT NULL,
  on_hold INTEGER NOT NULL CHECK (on_hold IN (0, 1)),
  created_at TEXT NOT NULL,
  UNIQUE (folder_id, file_name)
);
CREATE TABLE versions (
  version_id TEXT PRIMARY KEY,
  file_id TEXT NOT NULL REFERENCES files,
  version_number INTEGER NOT NULL CHECK (version_number >= 1),
  url TEXT NOT NULL,
  digest TEXT NOT NULL,
  change_note TEXT,
  size_bytes INTEGER NOT NULL,
  UNIQUE (file_id, version_number)
);
CREATE TABLE links (
  share_link_id TEXT PRIMARY KEY,
  file_id TEXT NOT NULL REFERENCES files,
  email TEXT NOT NULL,
  valid_days INTEGER NOT NULL,
  allow_download INTEGER NOT NULL,
  open_count INTEGER NOT NULL,
  revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE INDEX links_by_file ON links (file_id);
-- What lies in the office's drop box, waiting to be fetched.
CREATE TABLE drops (
  url TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  about TEXT NOT NULL                   -- what its author says is new in it
);

--- populate
INSERT INTO folders SELECT 'fo-' || alnum(9, 'folder', 1), 'Archive', NULL, 7, '', 0, 0;
INSERT INTO folders
SELECT 'fo-' || alnum(9, 'folder', 10 + n), name, 'fo-' || alnum(9, 'folder', 1), pick('years', n), '/' || name, 0, 0
FROM (SELECT n, (2100 + n * 17 + draw(0, 15, 'job', n)) || ' ' || nth('jobs', n) AS name FROM numbers WHERE n <= 12) ORDER BY n;
-- What lies under Fees stays in the office.
INSERT INTO folders
SELECT 'fo-' || alnum(9, 'folder', 100 + f.rowid * 5 + k.key), k.value, f.folder_id, f.retention_years, f.file_path || '/' || k.value, k.value = 'Fees',
       f.rowid % 6 = 5 AND k.value = 'Photos'
FROM folders f, json_each('["Drawings", "Documents", "Photos", "Fees"]') k WHERE f.parent_folder_id IS NOT NULL ORDER BY f.rowid, k.key;

INSERT INTO files
WITH t AS MATERIALIZED (SELECT n, nth('docs', n, 'sub') AS sub, nth('docs', n, 'name') AS name, nth('docs', n, 'kind') AS kind, json_array(nth('docs', n, 'tag')) AS tags FROM numbers WHERE n <= 16),
f AS MATERIALIZED (
  SELECT f.rowid AS place, f.folder_id AS job, k.n AS k, 1 + (f.rowid * 3 + k.n) % 16 AS d
  FROM folders f JOIN numbers k ON k.n <= 8 WHERE f.parent_folder_id = (SELECT folder_id FROM folders WHERE parent_folder_id IS NULL)),
s AS MATERIALIZED (SELECT parent_folder_id, folder_name, folder_id FROM folders)
SELECT 'fi-' || alnum(9, 'file', place * 10 + k), (SELECT s.folder_id FROM s WHERE s.parent_folder_id = f.job AND s.folder_name = t.sub),
       t.name, t.kind, t.tags, chance(0.2, 'hold', place, k),
       at(now(), '-' || draw(40, 700, 'file age', place, k) || ' days', draw(8, 17, 'file hour', place, k) || ':35')
FROM f JOIN t ON t.n = f.d
ORDER BY place, k;

-- A file grows a little with each version.
INSERT INTO versions
WITH f AS MATERIALIZED (SELECT rowid AS place, file_id, media_kind, draw(1, 4, 'versions', rowid) AS most FROM files)
SELECT 've-' || alnum(11, 'version', f.place * 6 + k.n), f.file_id, k.n, 'https://files.barrowdeep.example/' || f.file_id || '/' || k.n,
       f.file_id || ' ' || k.n, CASE WHEN k.n > 1 THEN pick('notes', f.place, k.n) END, CASE f.media_kind WHEN 'model' THEN draw(60000000, 240000000, 'size', f.place) WHEN 'image' THEN draw(1800000, 9000000, 'size', f.place)
         WHEN 'spreadsheet' THEN draw(38000, 620000, 'size', f.place) ELSE draw(320000, 7400000, 'size', f.place) END + (k.n - 1) * draw(2000, 40000, 'grows', f.place)
FROM f JOIN numbers k ON k.n <= f.most ORDER BY f.place, k.n;

INSERT INTO links
SELECT 'sl-' || alnum(8, 'link', f.rowid), f.file_id, email(person(200 + f.rowid), pick('firms', f.rowid)), d.days, chance(0.4, 'download', f.rowid),
       draw(0, 9, 'opens', f.rowid), chance(0.2, 'revoked', f.rowid), at(now(), '-' || draw(1, d.days - 1, 'shared', f.rowid) || ' days', '14:05')
FROM files f JOIN folders o USING (folder_id) JOIN (SELECT rowid AS place, pick('days', rowid) AS days FROM files) d ON d.place = f.rowid
WHERE NOT o.internal AND chance(0.5, 'link', f.rowid) ORDER BY f.rowid;

INSERT INTO drops
SELECT 'https://drop.barrowdeep.example/' || lowers(6, 'drop', f.rowid) || '/' || slug(substr(file_name, 1, instr(file_name, '.') - 1)) || substr(file_name, instr(file_name, '.')),
       'new ' || f.rowid, CASE WHEN f.file_name LIKE '%photo%' THEN v.size_bytes * 3 / 4 ELSE v.size_bytes + draw(900, 30000, 'drop', f.rowid) END,
       (SELECT nth('docs', n, 'change') FROM numbers WHERE n <= 16 AND nth('docs', n, 'name') = f.file_name)
FROM files f JOIN versions v ON v.file_id = f.file_id
WHERE v.version_number = (SELECT max(version_number) FROM versions n WHERE n.file_id = f.file_id) ORDER BY f.rowid;
-- Every file was also uploaded once more as it is.
INSERT INTO drops
SELECT 'https://drop.barrowdeep.example/' || lowers(6, 'drop', 500 + f.rowid) || '/' || slug(substr(file_name, 1, instr(file_name, '.') - 1)) || substr(file_name, instr(file_name, '.')),
       v.digest, v.size_bytes,
       (SELECT nth('docs', n, 'change') FROM numbers WHERE n <= 16 AND nth('docs', n, 'name') = f.file_name)
FROM files f JOIN versions v ON v.file_id = f.file_id
WHERE v.version_number = (SELECT max(version_number) FROM versions n WHERE n.file_id = f.file_id) ORDER BY f.rowid;

--- invariant a file has a first version, and none is missing
SELECT file_id FROM files f WHERE (SELECT count(*) FROM versions v WHERE v.file_id = f.file_id) <>
  coalesce((SELECT max(version_number) FROM versions v WHERE v.file_id = f.file_id), -1);
--- invariant nothing that is internal was shared
SELECT share_link_id FROM links JOIN files USING (file_id) JOIN folders USING (folder_id) WHERE internal;

--- tool create_folder
--- error folder_not_found
SELECT 1 WHERE :parent_folder_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM folders WHERE folder_id = :parent_folder_id);
--- let
SELECT 'fo-' || alnum(9, 'folder', 2000 + fresh(0)) AS folder_id, folder_id AS parent, file_path || '/' || :folder_name AS path, internal AS closed
FROM folders WHERE folder_id = coalesce(:parent_folder_id, (SELECT folder_id FROM folders WHERE parent_folder_id IS NULL));
--- error name_conflict
SELECT 1 FROM folders WHERE fold(file_path) = fold(:path);
--- do
INSERT INTO folders VALUES (:folder_id, :folder_name, :parent, :retention_years, :path, :closed, 0);
--- result
SELECT folder_id, folder_name, parent_folder_id, retention_years, file_path FROM folders WHERE folder_id = :folder_id;

--- tool search_files
--- error folder_not_found
SELECT 1 WHERE :folder_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM folders WHERE folder_id = :folder_id);
--- error index_rebuilding
SELECT 1 FROM folders WHERE folder_id = :folder_id AND rebuilding;
--- page files
SELECT f.file_id, o.file_path || '/' || f.file_name AS file_path, f.media_kind, v.size_bytes, v.version_number
FROM files f JOIN folders o USING (folder_id) JOIN versions v USING (file_id)
WHERE v.version_number = (SELECT max(version_number) FROM versions n WHERE n.file_id = f.file_id)
  AND matches(o.file_path || ' ' || f.file_name || ' ' || f.tags, :query) AND (:media_kind IS NULL OR f.media_kind = :media_kind)
  AND (:folder_id IS NULL OR o.file_path || '/' LIKE (SELECT file_path FROM folders WHERE folder_id = :folder_id) || '/%')
ORDER BY 2, f.file_id;

--- tool create_file
--- error folder_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM folders WHERE folder_id = :folder_id);
--- error name_conflict
SELECT 1 FROM files WHERE folder_id = :folder_id AND fold(file_name) = fold(:file_name);
--- error source_unreachable
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM drops WHERE url = :url);
--- let
SELECT 'fi-' || alnum(9, 'file', 2000 + fresh(0)) AS file_id, 've-' || alnum(11, 'version', 2000 + fresh(1)) AS version_id;
--- do
INSERT INTO files VALUES (:file_id, :folder_id, :file_name,
  CASE WHEN lower(:file_name) LIKE '%.jpg' OR lower(:file_name) LIKE '%.png' THEN 'image' WHEN lower(:file_name) LIKE '%.xlsx' THEN 'spreadsheet'
       WHEN lower(:file_name) LIKE '%.ifc' THEN 'model' WHEN lower(:file_name) LIKE '%.dwg' THEN 'drawing' ELSE 'document' END,
  coalesce(:tags, '[]'), 0, now());
INSERT INTO versions SELECT :version_id, :file_id, 1, :url, digest, NULL, size_bytes FROM drops WHERE url = :url;
--- result
SELECT file_id, folder_id, file_name, url, file_path || '/' || file_name AS file_path, tags, size_bytes, version_number
FROM files JOIN folders USING (folder_id) JOIN versions USING (file_id) WHERE file_id = :file_id;

--- tool add_version
--- error file_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM files WHERE file_id = :file_id);
--- error file_on_hold
SELECT 1 FROM files WHERE file_id = :file_id AND on_hold;
--- error source_unreachable
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM drops WHERE url = :url);
--- error identical_content
SELECT 1 FROM drops WHERE url = :url
AND digest = (SELECT digest FROM versions WHERE file_id = :file_id ORDER BY version_number DESC LIMIT 1);
--- let
SELECT 've-' || alnum(11, 'version', 2000 + fresh(0)) AS version_id, 1 + max(version_number) AS number FROM versions WHERE file_id = :file_id;
--- do
INSERT INTO versions SELECT :version_id, :file_id, :number, :url, digest, :change_note, size_bytes FROM drops WHERE url = :url;
--- result
SELECT version_id, file_id, url, change_note, version_number, size_bytes FROM versions WHERE version_id = :version_id;

--- tool create_share_link
--- error file_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM files WHERE file_id = :file_id);
--- error sharing_forbidden
SELECT 1 FROM files JOIN folders USING (folder_id) WHERE file_id = :file_id AND internal;
--- let
SELECT 'sl-' || alnum(8, 'link', 2000 + fresh(0)) AS share_link_id;
--- do
INSERT INTO links VALUES (:share_link_id, :file_id, :email, :valid_days, :allow_download, 0, 0, now());
--- result
SELECT share_link_id, file_id, email, valid_days, allow_download, 'https://share.barrowdeep.example/' || share_link_id AS share_url, 'active' AS link_status
FROM links WHERE share_link_id = :share_link_id;

--- tool revoke_share_link
--- error share_link_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM links WHERE share_link_id = :share_link_id);
--- error link_not_active
SELECT 1 FROM links WHERE share_link_id = :share_link_id AND (revoked OR at(created_at, '+' || valid_days || ' days') <= now());
--- do
UPDATE links SET revoked = 1 WHERE share_link_id = :share_link_id;
--- result
SELECT share_link_id, file_id, open_count, 'revoked' AS link_status FROM links WHERE share_link_id = :share_link_id;

--- tool get_file
--- error file_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM files WHERE file_id = :file_id);
--- result
SELECT f.file_id, folder_id, file_name, url, file_path || '/' || file_name AS file_path, tags, size_bytes, version_number, on_hold, created_at
FROM files f JOIN folders USING (folder_id) JOIN versions v USING (file_id) WHERE f.file_id = :file_id ORDER BY version_number DESC LIMIT 1;

--- tool delete_file
--- error file_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM files WHERE file_id = :file_id);
--- error file_on_hold
SELECT 1 FROM files WHERE file_id = :file_id AND on_hold;
--- do
DELETE FROM links WHERE file_id = :file_id;
DELETE FROM versions WHERE file_id = :file_id;
DELETE FROM files WHERE file_id = :file_id;
--- result
SELECT :file_id AS file_id, 1 AS deleted;
