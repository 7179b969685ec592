-- Ochre Splice: the cutting room of one marketing team. Moments are UTC, lengths are seconds.
-- A timeline is as long as its segments; it is locked while a render of it is queued or running.

--- tables
CREATE TABLE sources (
  url TEXT PRIMARY KEY,
  cuttable INTEGER NOT NULL CHECK (cuttable IN (0, 1)),
  size_gb REAL NOT NULL,
  duration_seconds REAL NOT NULL CHECK (duration_seconds > 0),
  media_kind TEXT NOT NULL CHECK (media_kind IN ('video', 'audio'))
);
CREATE TABLE clips (
  clip_id TEXT PRIMARY KEY,
  clip_title TEXT NOT NULL,
  url TEXT NOT NULL,
  tags TEXT NOT NULL,
  duration_seconds REAL NOT NULL CHECK (duration_seconds > 0),
  media_kind TEXT NOT NULL CHECK (media_kind IN ('video', 'audio'))
);
CREATE TABLE timelines (
  timeline_id TEXT PRIMARY KEY,
  timeline_title TEXT NOT NULL,
  aspect_ratio TEXT NOT NULL CHECK (aspect_ratio IN ('16:9', '9:16', '1:1', '4:5')),
  frame_rate INTEGER NOT NULL
);
CREATE TABLE segments (
  segment_id TEXT PRIMARY KEY,
  timeline_id TEXT NOT NULL REFERENCES timelines,
  clip_id TEXT NOT NULL REFERENCES clips,
  in_seconds REAL NOT NULL,
  out_seconds REAL NOT NULL,
  transition TEXT NOT NULL CHECK (transition IN ('cut', 'dissolve', 'fade_from_black')),
  place INTEGER NOT NULL,
  CHECK (out_seconds > in_seconds),
  UNIQUE (timeline_id, place)
);
CREATE TABLE renders (
  render_id TEXT PRIMARY KEY,
  timeline_id TEXT NOT NULL REFERENCES timelines,
  resolution TEXT NOT NULL CHECK (resolution IN ('720p', '1080p', '2160p')),
  container TEXT NOT NULL CHECK (container IN ('mp4', 'mov', 'webm')),
  loudness_lufs REAL NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'rendering', 'done', 'failed')),
  progress_percent INTEGER NOT NULL CHECK (progress_percent BETWEEN 0 AND 100),
  created_at TEXT NOT NULL
);
CREATE TABLE minutes (
  resolution TEXT PRIMARY KEY,
  minutes_left INTEGER NOT NULL CHECK (minutes_left >= 0)
);

--- populate
INSERT INTO sources
SELECT 'https://drive.splicefiles.example/' || alnum(6, 'source', n) || '/' || slug(title) || CASE kind WHEN 'audio' THEN '.wav' ELSE '.mp4' END, 1,
       draw(1, 60, 'size', n) / 10.0, draw(20, 180, 'source length', n), kind
FROM (SELECT n, nth('fresh', n, 'title') AS title, nth('fresh', n, 'kind') AS kind FROM numbers WHERE n <= 12) ORDER BY n;
INSERT INTO sources
SELECT 'https://drive.splicefiles.example/' || alnum(6, 'source', 30 + n) || '/' || slug(nth('fresh', n, 'title')) || '-raw.mxf', 0, draw(10, 90, 'size', 30 + n) / 10.0,
       draw(20, 180, 'source length', n), nth('fresh', n, 'kind') FROM numbers WHERE n <= 12 ORDER BY n;
INSERT INTO sources
SELECT 'https://drive.splicefiles.example/' || alnum(6, 'source', 60 + n) || '/' || slug(nth('fresh', n, 'title')) || '-master.mov', 1, draw(110, 300, 'size', 60 + n) / 10.0,
       draw(900, 3600, 'source length', n), nth('fresh', n, 'kind') FROM numbers WHERE n <= 12 ORDER BY n;

INSERT INTO clips
SELECT 'clp_' || alnum(8, 'clip', n), nth('shots', n, 'title'), 'https://drive.splicefiles.example/' || alnum(6, 'source', 100 + n) || '/' || slug(nth('shots', n, 'title')) || '.mp4',
       CASE nth('shots', n, 'kind') WHEN 'audio' THEN json_array(nth('shots', n, 'word'))
         ELSE json_array(nth('shots', n, 'word'), CASE WHEN nth('shots', n, 'word') IN ('harbour', 'market', 'runner', 'bicycle', 'orchard', 'lighthouse') THEN 'outdoors' ELSE 'indoors' END,
                         CASE WHEN chance(0.5, 'season', n) THEN 'spring' ELSE 'autumn' END, CASE WHEN chance(0.5, 'graded', n) THEN 'graded' ELSE 'raw' END) END,
       14 + 3 * draw(0, 40, 'length', n) + n % 3, nth('shots', n, 'kind')
FROM numbers WHERE n <= 38 ORDER BY n;

-- The last three are still empty.
INSERT INTO timelines
SELECT 'tml_' || alnum(8, 'timeline', n), nth('films', n), nth('ratios', 1 + n % 4), pick('rates', n) FROM numbers WHERE n <= 18 ORDER BY n;

INSERT INTO segments
SELECT 'seg_' || alnum(8, 'segment', t.rowid * 8 + k.n), t.timeline_id, c.clip_id, c.begins, c.begins + draw(3, 9, 'cut', t.rowid, k.n),
       CASE WHEN k.n = 1 THEN 'fade_from_black' ELSE pick('transitions', t.rowid, k.n) END, k.n
FROM timelines t JOIN numbers k ON k.n <= draw(2, 6, 'cuts', t.rowid)
JOIN (SELECT rowid AS place, clip_id, draw(0, 4, 'begins', rowid) AS begins FROM clips) c ON c.place = 1 + draw(0, 37, 'which', t.rowid, k.n)
WHERE t.rowid <= 15 ORDER BY t.rowid, k.n;

INSERT INTO renders
SELECT 'rnd_' || alnum(8, 'render', n), timeline_id, pick('sizes', n), pick('containers', n), pick('levels', n), status,
       CASE status WHEN 'done' THEN 100 WHEN 'queued' THEN 0 ELSE draw(6, 94, 'progress', n) END,
       CASE WHEN status IN ('queued', 'rendering') THEN at(now(), '-' || draw(2, 25, 'began', n) || ' minutes')
            ELSE at(now(), '-' || draw(1, 12, 'began', n) || ' days', draw(8, 17, 'hour', n) || ':' || draw(10, 59, 'minute', n)) END
FROM (
  SELECT n, (SELECT timeline_id FROM timelines WHERE rowid = 1 + (n - 1) % 15) AS timeline_id,
         CASE WHEN n <= 2 THEN 'rendering' WHEN n = 3 THEN 'queued' WHEN n % 5 = 0 THEN 'failed' ELSE 'done' END AS status
  FROM numbers WHERE n <= 24) ORDER BY n;

INSERT INTO minutes SELECT value ->> 0, value ->> 1 FROM json_each('[["720p", 600], ["1080p", 240], ["2160p", 60]]') ORDER BY key;

--- invariant no cut reaches beyond its clip
SELECT segment_id FROM segments JOIN clips USING (clip_id) WHERE out_seconds > duration_seconds;
--- invariant nothing empty is being rendered
SELECT render_id FROM renders WHERE status IN ('queued', 'rendering') AND timeline_id NOT IN (SELECT timeline_id FROM segments);

--- tool import_clip
--- error source_unreachable
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sources WHERE url = :url);
--- error file_too_large
SELECT 1 FROM sources WHERE url = :url AND size_gb > 10;
--- error codec_unsupported
SELECT 1 FROM sources WHERE url = :url AND NOT cuttable;
--- let
SELECT 'clp_' || alnum(8, 'clip', 2000 + fresh(0)) AS clip_id;
--- do
INSERT INTO clips SELECT :clip_id, :clip_title, :url, coalesce(:tags, '[]'), duration_seconds, media_kind FROM sources WHERE url = :url;
--- result
SELECT clip_id, clip_title, url, tags, duration_seconds, media_kind, 'imported' AS status FROM clips WHERE clip_id = :clip_id;

--- tool search_clips
--- error query_too_broad
SELECT 1 WHERE length(trim(:query)) < 3;
--- rows clips
SELECT clip_id, clip_title, media_kind, duration_seconds FROM clips
WHERE matches(clip_title || ' ' || tags, :query) AND (:media_kind IS NULL OR media_kind = :media_kind)
ORDER BY clip_title, clip_id LIMIT coalesce(:limit, 20);
--- result
SELECT NULL AS next_cursor;

--- tool create_timeline
--- error timeline_limit
SELECT 1 WHERE (SELECT count(*) FROM timelines) >= 24;
--- let
SELECT 'tml_' || alnum(8, 'timeline', 2000 + fresh(0)) AS timeline_id;
--- do
INSERT INTO timelines VALUES (:timeline_id, :timeline_title, :aspect_ratio, :frame_rate);
--- result
SELECT timeline_id, timeline_title, aspect_ratio, frame_rate, 0 AS duration_seconds, 'empty' AS status FROM timelines WHERE timeline_id = :timeline_id;

--- tool add_segment
--- error timeline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM timelines WHERE timeline_id = :timeline_id);
--- error timeline_rendering
SELECT 1 FROM renders WHERE timeline_id = :timeline_id AND status IN ('queued', 'rendering');
--- error clip_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM clips WHERE clip_id = :clip_id);
--- error cut_outside_clip
SELECT 1 FROM clips WHERE clip_id = :clip_id AND (:out_seconds > duration_seconds OR :out_seconds <= :in_seconds);
--- let
SELECT 'seg_' || alnum(8, 'segment', 2000 + fresh(0)) AS segment_id, 1 + (SELECT coalesce(max(place), 0) FROM segments WHERE timeline_id = :timeline_id) AS place;
--- do
INSERT INTO segments VALUES (:segment_id, :timeline_id, :clip_id, :in_seconds, :out_seconds, :transition, :place);
--- result
SELECT segment_id, timeline_id, clip_id, in_seconds, out_seconds, transition,
       (SELECT count(*) FROM segments s WHERE s.timeline_id = :timeline_id AND s.place <= :place) AS position
FROM segments WHERE segment_id = :segment_id;

--- tool remove_segment
--- error segment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM segments WHERE segment_id = :segment_id);
--- error timeline_rendering
SELECT 1 FROM segments JOIN renders USING (timeline_id) WHERE segment_id = :segment_id AND status IN ('queued', 'rendering');
--- let
SELECT timeline_id FROM segments WHERE segment_id = :segment_id;
--- do
DELETE FROM segments WHERE segment_id = :segment_id;
--- result
SELECT :segment_id AS segment_id, :timeline_id AS timeline_id, 1 AS deleted;

--- tool start_render
--- error timeline_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM timelines WHERE timeline_id = :timeline_id);
--- error timeline_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM segments WHERE timeline_id = :timeline_id);
--- let
SELECT CAST(sum(out_seconds - in_seconds) / 60 AS INTEGER) + 1 AS needed FROM segments WHERE timeline_id = :timeline_id;
--- error render_minutes_spent
SELECT 1 FROM minutes WHERE resolution = :resolution AND minutes_left < :needed;
--- let
SELECT 'rnd_' || alnum(8, 'render', 2000 + fresh(0)) AS render_id;
--- do
INSERT INTO renders VALUES (:render_id, :timeline_id, :resolution, coalesce(:container, 'mp4'), :loudness_lufs, 'queued', 0, now());
UPDATE minutes SET minutes_left = minutes_left - :needed WHERE resolution = :resolution;
--- result
SELECT render_id, timeline_id, resolution, container, loudness_lufs, status FROM renders WHERE render_id = :render_id;

--- tool get_render
--- error render_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM renders WHERE render_id = :render_id);
--- result
SELECT render_id, timeline_id, resolution, container, loudness_lufs, status, progress_percent,
       CASE WHEN status = 'done' THEN 'https://renders.ochre.example/' || render_id || '.' || container END AS download_url, created_at
FROM renders WHERE render_id = :render_id;
