-- Gnomon Satchel: time zones, digests, short links and their printed codes. Moments are UTC.
-- A zone's offset at a moment is that of its last change before it; codes are scanned as long as their link works.

--- tables
CREATE TABLE places (
  city TEXT NOT NULL,
  country_code TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  PRIMARY KEY (city, country_code)
);
CREATE TABLE changes (
  time_zone TEXT NOT NULL,
  starts_at TEXT NOT NULL,
  utc_offset_minutes INTEGER NOT NULL,
  is_summer_time INTEGER NOT NULL CHECK (is_summer_time IN (0, 1)),
  PRIMARY KEY (time_zone, starts_at)
);
CREATE TABLE links (
  link_id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  slug TEXT NOT NULL UNIQUE,
  end_date TEXT,
  notice TEXT,
  disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE TABLE qr_codes (
  qr_code_id TEXT PRIMARY KEY,
  link_id TEXT NOT NULL REFERENCES links,
  size_px INTEGER NOT NULL,
  error_correction TEXT NOT NULL CHECK (error_correction IN ('low', 'medium', 'quartile', 'high')),
  image_format TEXT NOT NULL CHECK (image_format IN ('png', 'svg'))
);
CREATE TABLE scans (
  qr_code_id TEXT NOT NULL REFERENCES qr_codes,
  date TEXT NOT NULL,
  scan_count INTEGER NOT NULL CHECK (scan_count > 0),
  top_country_code TEXT NOT NULL,
  PRIMARY KEY (qr_code_id, date)
);
CREATE TABLE harmful (host TEXT PRIMARY KEY);

--- populate
INSERT INTO places SELECT nth('cities', n, 'city'), nth('cities', n, 'country'), nth('cities', n, 'zone') FROM numbers WHERE n <= 30 ORDER BY n;

-- Standard time first, then the changes of last year to the year after next.
INSERT INTO changes
SELECT DISTINCT nth('cities', n, 'zone'), '2000-01-01T00:00:00Z', nth('cities', n, 'offset'), 0 FROM numbers WHERE n <= 30 ORDER BY 1;
INSERT INTO changes
SELECT zone, CASE rule WHEN 'eu' THEN date(y || '-03-31', '-6 days', 'weekday 0') || 'T01:00:00Z'
                       WHEN 'us' THEN strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-03-08', 'weekday 0'), (120 - offset) || ' minutes')
                       WHEN 'au' THEN strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-10-01', 'weekday 0'), (120 - offset) || ' minutes')
                       WHEN 'nz' THEN strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-09-30', '-6 days', 'weekday 0'), (120 - offset) || ' minutes')
                       ELSE strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-09-02', 'weekday 0'), (0 - offset) || ' minutes') END, offset + 60, 1
FROM (SELECT DISTINCT nth('cities', n, 'zone') AS zone, nth('cities', n, 'offset') AS offset, nth('cities', n, 'rule') AS rule FROM numbers WHERE n <= 30)
JOIN (SELECT CAST(substr(now(), 1, 4) AS INTEGER) + n - 2 AS y FROM numbers WHERE n <= 4) WHERE rule <> 'none' ORDER BY 1, 2;
INSERT INTO changes
SELECT zone, CASE rule WHEN 'eu' THEN date(y || '-10-31', '-6 days', 'weekday 0') || 'T01:00:00Z'
                       WHEN 'us' THEN strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-11-01', 'weekday 0'), (60 - offset) || ' minutes')
                       WHEN 'au' THEN strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-04-01', 'weekday 0'), (120 - offset) || ' minutes')
                       WHEN 'nz' THEN strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-04-01', 'weekday 0'), (120 - offset) || ' minutes')
                       ELSE strftime('%Y-%m-%dT%H:%M:00Z', date(y || '-04-02', 'weekday 0'), (0 - offset - 60) || ' minutes') END, offset, 0
FROM (SELECT DISTINCT nth('cities', n, 'zone') AS zone, nth('cities', n, 'offset') AS offset, nth('cities', n, 'rule') AS rule FROM numbers WHERE n <= 30)
JOIN (SELECT CAST(substr(now(), 1, 4) AS INTEGER) + n - 2 AS y FROM numbers WHERE n <= 4) WHERE rule <> 'none' ORDER BY 1, 2;

INSERT INTO links
SELECT 'lnk_' || alnum(8, 'link', n), nth('pages', n, 'url'), nth('pages', n, 'slug'), CASE WHEN chance(0.3, 'ends', n) THEN at(now(), '+' || draw(20, 200, 'ends', n) || ' days', 'date') END,
       CASE WHEN n > 14 THEN pick('notices', n) END, n > 14, at(now(), '-' || draw(60, 300, 'made', n) || ' days')
FROM numbers WHERE n <= 18 ORDER BY n;
-- The plain endings are taken by others.
INSERT INTO links
SELECT 'lnk_' || alnum(8, 'link', 100 + n), 'https://' || nth('fresh', n, 'taken') || '-online.example/', nth('fresh', n, 'taken'), NULL, NULL, 0, at(now(), '-' || draw(60, 300, 'taken', n) || ' days')
FROM numbers WHERE n <= 10 ORDER BY n;

INSERT INTO qr_codes
SELECT 'qrc_' || alnum(8, 'code', l.rowid), l.link_id, pick('sizes', l.rowid), pick('levels', l.rowid), pick('formats', l.rowid)
FROM links l WHERE l.rowid <= 16 ORDER BY l.rowid;

-- The last thirty days of the codes that work; some days nobody came by.
INSERT INTO scans
SELECT q.qr_code_id, at(now(), '-' || d.n || ' days', 'date'), draw(1, draw(6, 90, 'popular', q.rowid), 'scans', q.rowid, d.n), pick('visitors', q.rowid, d.n)
FROM qr_codes q JOIN links l USING (link_id) JOIN numbers d ON d.n <= 30 WHERE NOT l.disabled AND NOT chance(0.2, 'quiet', q.rowid, d.n) ORDER BY q.rowid, d.n;

INSERT INTO harmful SELECT value FROM json_each('["free-prize.example", "account-check.example", "parcel-fee.example"]') ORDER BY key;

--- invariant what is switched off isn't scanned
SELECT qr_code_id FROM scans JOIN qr_codes USING (qr_code_id) JOIN links USING (link_id) WHERE disabled AND date > substr(now(), 1, 10);
--- invariant no offset is impossible
SELECT time_zone FROM changes WHERE utc_offset_minutes NOT BETWEEN -720 AND 840;

--- tool find_time_zones
--- error country_unknown
SELECT 1 WHERE :country_code NOT IN (SELECT country_code FROM places);
--- error city_unknown
SELECT 1 WHERE :city IS NOT NULL AND NOT EXISTS (SELECT 1 FROM places WHERE country_code = :country_code AND fold(city) = fold(:city));
--- rows time_zones
SELECT DISTINCT p.time_zone, c.utc_offset_minutes, c.is_summer_time FROM places p JOIN changes c USING (time_zone)
WHERE p.country_code = :country_code AND (:city IS NULL OR fold(p.city) = fold(:city))
  AND c.starts_at = (SELECT max(starts_at) FROM changes x WHERE x.time_zone = p.time_zone AND x.starts_at <= now())
ORDER BY p.time_zone;
--- result
SELECT NULL AS next_cursor;

--- tool convert_time
--- error time_zone_unknown
SELECT 1 WHERE :from_time_zone NOT IN (SELECT time_zone FROM changes) OR :to_time_zone NOT IN (SELECT time_zone FROM changes)
  OR julianday(:local_time) IS NULL OR julianday(:local_time) < julianday('2001-01-01');
-- The moment in UTC: of two that fit, when the clocks go back, the first.
--- let
SELECT (SELECT min(strftime('%Y-%m-%dT%H:%M:00Z', :local_time, (0 - c.utc_offset_minutes) || ' minutes')) FROM changes c WHERE c.time_zone = :from_time_zone
        AND c.starts_at = (SELECT max(starts_at) FROM changes x WHERE x.time_zone = c.time_zone
                           AND x.starts_at <= strftime('%Y-%m-%dT%H:%M:00Z', :local_time, (0 - c.utc_offset_minutes) || ' minutes'))) AS moment;
--- error time_skipped
SELECT 1 WHERE :moment IS NULL;
--- let
SELECT utc_offset_minutes AS shift FROM changes c WHERE c.time_zone = :to_time_zone
AND c.starts_at = (SELECT max(starts_at) FROM changes x WHERE x.time_zone = :to_time_zone AND x.starts_at <= :moment);
--- result
SELECT strftime('%Y-%m-%dT%H:%M:00', :moment, :shift || ' minutes') || CASE WHEN :shift < 0 THEN '-' ELSE '+' END || format('%02d:%02d', abs(:shift) / 60, abs(:shift) % 60) AS converted_time,
       :to_time_zone AS to_time_zone,
       CAST(round((julianday(:moment, :shift || ' minutes') - julianday(:local_time)) * 1440) AS INTEGER) AS difference_minutes;

--- tool compute_digest
--- error encoding_not_offered
SELECT 1 WHERE :algorithm = 'crc32' AND :encoding = 'base64';
--- result
SELECT digest(:text, :algorithm, :encoding) AS digest, :algorithm AS algorithm, :encoding AS encoding;

--- tool create_short_link
--- error url_blocked
SELECT 1 FROM harmful WHERE instr(:url, '//' || host || '/') OR :url LIKE '%//' || host;
--- error slug_taken
SELECT 1 FROM links WHERE slug = :slug;
--- let
SELECT 'lnk_' || alnum(8, 'link', 2000 + fresh(0)) AS link_id, coalesce(:slug, lowers(6, 'ending', 2000 + fresh(1))) AS ending;
--- do
INSERT INTO links VALUES (:link_id, :url, :ending, :end_date, NULL, 0, now());
--- result
SELECT link_id, url, slug, 'https://gnmn.example/' || slug AS short_url, end_date, 'active' AS status FROM links WHERE link_id = :link_id;

--- tool create_qr_code
--- error link_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM links WHERE link_id = :link_id);
--- error link_disabled
SELECT 1 FROM links WHERE link_id = :link_id AND disabled;
--- let
SELECT 'qrc_' || alnum(8, 'code', 2000 + fresh(0)) AS qr_code_id;
--- do
INSERT INTO qr_codes VALUES (:qr_code_id, :link_id, :size_px, :error_correction, :image_format);
--- result
SELECT qr_code_id, link_id, size_px, error_correction, image_format, 'https://satchel.example/codes/' || qr_code_id || '.' || image_format AS download_url
FROM qr_codes WHERE qr_code_id = :qr_code_id;

--- tool list_scans
--- error qr_code_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM qr_codes WHERE qr_code_id = :qr_code_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error range_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) > 92;
--- rows scans
SELECT date, scan_count, top_country_code FROM scans WHERE qr_code_id = :qr_code_id AND date BETWEEN :start_date AND :end_date ORDER BY date;
--- result
SELECT coalesce(sum(scan_count), 0) AS total_scans, NULL AS next_cursor FROM scans WHERE qr_code_id = :qr_code_id AND date BETWEEN :start_date AND :end_date;

--- tool disable_short_link
--- error link_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM links WHERE link_id = :link_id);
--- error already_disabled
SELECT 1 FROM links WHERE link_id = :link_id AND disabled;
--- do
UPDATE links SET disabled = 1, notice = :notice WHERE link_id = :link_id;
--- result
SELECT link_id, notice, 'disabled' AS status FROM links WHERE link_id = :link_id;
