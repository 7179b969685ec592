-- Larkspindle Browser: browser rooms with one tab each. The web is a handful of sites; moments are UTC.
-- A page is what was loaded at some time; its elements stay until the tab is led elsewhere. A cookie notice lies over some of them.

--- tables
CREATE TABLE exits (country_code TEXT PRIMARY KEY);
CREATE TABLE hosts (
  host TEXT PRIMARY KEY,
  site TEXT NOT NULL
);
CREATE TABLE documents (
  url TEXT PRIMARY KEY,
  host TEXT NOT NULL REFERENCES hosts,
  title TEXT NOT NULL,
  http_status INTEGER NOT NULL,
  seconds INTEGER NOT NULL,             -- until it settles
  height_px INTEGER NOT NULL            -- on a desktop
);
CREATE TABLE parts (
  url TEXT NOT NULL REFERENCES documents,
  position INTEGER NOT NULL,
  tag_name TEXT NOT NULL,
  words TEXT NOT NULL,                  -- text of a link or button, label of a field
  leads_to TEXT,
  behaviour TEXT NOT NULL CHECK (behaviour IN ('link', 'button', 'field', 'notice', 'covered', 'disabled')),
  PRIMARY KEY (url, position)
);
CREATE TABLE sessions (
  session_id TEXT PRIMARY KEY,
  device_profile TEXT NOT NULL CHECK (device_profile IN ('desktop', 'tablet', 'phone')),
  country_code TEXT NOT NULL REFERENCES exits,
  language TEXT NOT NULL,
  opened_at TEXT NOT NULL,
  used_at TEXT NOT NULL,
  closed_at TEXT
);
CREATE TABLE pages (
  page_id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions,
  url TEXT NOT NULL,
  number INTEGER NOT NULL UNIQUE
);
CREATE TABLE elements (
  element_id TEXT PRIMARY KEY,
  page_id TEXT NOT NULL REFERENCES pages,
  url TEXT NOT NULL,
  position INTEGER NOT NULL,
  gone INTEGER NOT NULL CHECK (gone IN (0, 1)),
  typed TEXT,
  FOREIGN KEY (url, position) REFERENCES parts
);
CREATE INDEX elements_by_page ON elements (page_id);
CREATE TABLE screenshots (
  screenshot_id TEXT PRIMARY KEY,
  page_id TEXT NOT NULL REFERENCES pages,
  full_page INTEGER NOT NULL,
  image_format TEXT NOT NULL
);

--- populate
INSERT INTO exits SELECT CASE n WHEN 1 THEN 'GB' ELSE nth('exits', n) END FROM numbers WHERE n <= 7 ORDER BY n;
INSERT INTO hosts SELECT nth('sites', n, 'host'), nth('sites', n, 'site') FROM numbers WHERE n <= 6 ORDER BY n;

INSERT INTO documents
SELECT 'https://' || h.host || (p.value ->> '$.path'), h.host,
       CASE p.value ->> '$.name' WHEN 'Home' THEN h.site ELSE (p.value ->> '$.name') || ' - ' || h.site END,
       p.value ->> '$.status',
       CASE WHEN p.value ->> '$.path' = '/gallery' THEN draw(28, 50, 'slow', h.host) ELSE draw(1, 4, 'quick', h.host, p.key) END,
       CASE p.value ->> '$.path' WHEN '/terms' THEN draw(180, 260, 'long', h.host) * 100 ELSE draw(12, 60, 'height', h.host, p.key) * 100 END
FROM hosts h JOIN json_each('[{"path": "/", "name": "Home", "status": 200}, {"path": "/prices", "name": "Prices", "status": 200}, {"path": "/search", "name": "Search", "status": 200}, {"path": "/contact", "name": "Contact", "status": 200}, {"path": "/login", "name": "Log in", "status": 200}, {"path": "/terms", "name": "Terms and conditions", "status": 200}, {"path": "/gallery", "name": "Gallery", "status": 200}, {"path": "/summer-sale", "name": "Page not found", "status": 404}, {"path": "/partners", "name": "Access denied", "status": 403}]') p
ORDER BY h.rowid, p.key;

-- Every page has the menu, and some parts of its own.
INSERT INTO parts
SELECT d.url, m.key, 'a', m.value ->> '$.words', 'https://' || d.host || (m.value ->> '$.to'), 'link'
FROM documents d JOIN json_each('[{"words": "Home", "to": "/"}, {"words": "Prices", "to": "/prices"}, {"words": "Search", "to": "/search"}, {"words": "Contact", "to": "/contact"}, {"words": "Log in", "to": "/login"}, {"words": "Terms and conditions", "to": "/terms"}]') m
ORDER BY d.rowid, m.key;

INSERT INTO parts
SELECT d.url, 10 + o.key, o.value ->> '$.tag', o.value ->> '$.words',
       CASE WHEN o.value ->> '$.to' IS NOT NULL THEN 'https://' || d.host || (o.value ->> '$.to') END, o.value ->> '$.behaviour'
FROM documents d JOIN json_each('[
  {"path": "/", "tag": "button", "words": "Accept all cookies", "behaviour": "notice"}, {"path": "/", "tag": "button", "words": "Open the chat", "behaviour": "covered"},
  {"path": "/", "tag": "a", "words": "Visit our gallery", "to": "/gallery", "behaviour": "covered"}, {"path": "/", "tag": "input", "words": "E-mail for the newsletter", "behaviour": "field"},
  {"path": "/prices", "tag": "button", "words": "Accept all cookies", "behaviour": "notice"}, {"path": "/prices", "tag": "button", "words": "Show more prices", "behaviour": "covered"},
  {"path": "/prices", "tag": "button", "words": "Sort by price", "behaviour": "button"}, {"path": "/prices", "tag": "button", "words": "Print", "behaviour": "button"},
  {"path": "/search", "tag": "input", "words": "Search term", "behaviour": "field"}, {"path": "/search", "tag": "button", "words": "Search", "behaviour": "button"},
  {"path": "/search", "tag": "button", "words": "Clear", "behaviour": "button"},
  {"path": "/contact", "tag": "input", "words": "Your name", "behaviour": "field"}, {"path": "/contact", "tag": "input", "words": "Your e-mail", "behaviour": "field"},
  {"path": "/contact", "tag": "textarea", "words": "Message", "behaviour": "field"}, {"path": "/contact", "tag": "button", "words": "Attach a file", "behaviour": "button"},
  {"path": "/contact", "tag": "button", "words": "Send", "behaviour": "disabled"},
  {"path": "/login", "tag": "input", "words": "User name", "behaviour": "field"}, {"path": "/login", "tag": "button", "words": "Log in", "behaviour": "disabled"},
  {"path": "/login", "tag": "button", "words": "Show password", "behaviour": "button"}, {"path": "/login", "tag": "button", "words": "Forgot your password?", "behaviour": "button"},
  {"path": "/terms", "tag": "button", "words": "Print", "behaviour": "button"}, {"path": "/terms", "tag": "button", "words": "Expand all sections", "behaviour": "button"}]') o
  ON d.url = 'https://' || d.host || (o.value ->> '$.path')
ORDER BY d.rowid, o.key;

-- Four rooms are open, each with a page that was left and one that is shown; five are closed.
INSERT INTO sessions
SELECT 'brs_' || alnum(8, 'session', n), nth('devices', 1 + n % 3), (SELECT country_code FROM exits WHERE rowid = 1 + n % 7), pick('languages', n),
       at(now(), '-' || CASE WHEN n <= 4 THEN 4 + n ELSE 60 + 47 * n END || ' minutes'),
       at(now(), '-' || CASE WHEN n <= 4 THEN 1 ELSE 50 + 47 * n END || ' minutes'),
       CASE WHEN n > 4 THEN at(now(), '-' || (48 + 47 * n) || ' minutes') END
FROM numbers WHERE n <= 9 ORDER BY n;

INSERT INTO pages
SELECT 'pge_' || alnum(8, 'page', s.rowid * 4 + k.n), s.session_id,
       'https://' || h.host || CASE WHEN k.n = 1 THEN pick('paths', s.rowid)
         ELSE CASE s.rowid % 4 WHEN 1 THEN pick('forms', s.rowid) WHEN 2 THEN '/' WHEN 3 THEN '/prices' ELSE '/terms' END END, s.rowid * 4 + k.n
FROM sessions s JOIN numbers k ON k.n <= 2 JOIN hosts h ON h.rowid = 1 + s.rowid % 6
ORDER BY s.rowid, k.n;

INSERT INTO elements
SELECT 'elm_' || alnum(8, 'element', p.number * 40 + a.position), p.page_id, p.url, a.position, 0, NULL
FROM pages p JOIN parts a USING (url) ORDER BY p.number, a.position;

--- invariant no more than five rooms are open at once
SELECT count(*) FROM sessions WHERE closed_at IS NULL AND used_at > at(now(), '-10 minutes') HAVING count(*) > 5;
--- invariant nothing is typed into what is no field
SELECT element_id FROM elements JOIN parts USING (url, position) WHERE typed IS NOT NULL AND behaviour <> 'field';

--- tool open_session
--- error session_limit
SELECT 1 WHERE (SELECT count(*) FROM sessions WHERE closed_at IS NULL AND used_at > at(now(), '-10 minutes')) >= 5;
--- error no_exit_in_country
SELECT 1 WHERE :country_code IS NOT NULL AND NOT EXISTS (SELECT 1 FROM exits WHERE country_code = :country_code);
--- let
SELECT 'brs_' || alnum(8, 'session', 20000 + fresh(0)) AS session_id;
--- do
INSERT INTO sessions
VALUES (:session_id, coalesce(:device_profile, 'desktop'), coalesce(:country_code, (SELECT country_code FROM exits WHERE rowid = 1)), :language, now(), now(), NULL);
--- result
SELECT session_id, device_profile, country_code, language, at(used_at, '+10 minutes') AS expires_at, 'open' AS status
FROM sessions WHERE session_id = :session_id;

--- tool navigate_page
--- error session_closed
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE session_id = :session_id AND closed_at IS NULL AND used_at > at(now(), '-10 minutes'));
--- error host_unresolved
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM hosts WHERE :url = 'https://' || host OR :url LIKE 'https://' || host || '/%');
--- error navigation_timeout
SELECT 1 FROM documents WHERE url = :url
AND seconds * CASE coalesce(:wait_until, 'load') WHEN 'dom_ready' THEN 1 WHEN 'load' THEN 2 ELSE 3 END / 2 > :timeout_seconds;
--- let
SELECT 'pge_' || alnum(8, 'page', 20000 + fresh(0)) AS page_id, 1 + max(number) AS next FROM pages;
--- do
INSERT INTO pages VALUES (:page_id, :session_id, :url, :next);
INSERT INTO elements SELECT 'elm_' || alnum(8, 'element', 50000 + :next * 40 + position), :page_id, url, position, 0, NULL FROM parts WHERE url = :url ORDER BY position;
UPDATE sessions SET used_at = now() WHERE session_id = :session_id;
--- result
SELECT page_id, session_id, p.url, coalesce(d.title, 'Page not found') AS page_title, coalesce(d.http_status, 404) AS http_status
FROM pages p LEFT JOIN documents d USING (url) WHERE page_id = :page_id;

--- tool find_elements
--- error page_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pages WHERE page_id = :page_id);
--- error session_closed
SELECT 1 FROM pages JOIN sessions USING (session_id) WHERE page_id = :page_id AND (closed_at IS NOT NULL OR used_at <= at(now(), '-10 minutes'));
--- error page_gone
SELECT 1 FROM pages p WHERE page_id = :page_id AND EXISTS (SELECT 1 FROM pages o WHERE o.session_id = p.session_id AND o.number > p.number);
--- error invalid_selector
SELECT 1 WHERE :strategy = 'css' AND (:query GLOB '*[][<>{}()!? ]*' OR :query GLOB '[0-9]*' OR :query = '');
--- rows elements
SELECT element_id, tag_name, CASE behaviour WHEN 'field' THEN coalesce(typed, '') ELSE words END AS visible_text, behaviour <> 'disabled' AS is_enabled
FROM elements e JOIN parts USING (url, position)
WHERE page_id = :page_id AND NOT gone
  AND CASE :strategy WHEN 'css' THEN tag_name = lower(:query) WHEN 'text' THEN behaviour <> 'field' AND instr(fold(words), fold(:query)) > 0
                     ELSE behaviour = 'field' AND instr(fold(words), fold(:query)) > 0 END
ORDER BY position LIMIT :limit;

--- tool click_element
--- error element_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM elements WHERE element_id = :element_id);
--- error session_closed
SELECT 1 FROM elements JOIN pages USING (page_id) JOIN sessions USING (session_id)
WHERE element_id = :element_id AND (closed_at IS NOT NULL OR used_at <= at(now(), '-10 minutes'));
--- error element_stale
SELECT 1 FROM elements e JOIN pages p USING (page_id)
WHERE element_id = :element_id AND (gone OR EXISTS (SELECT 1 FROM pages o WHERE o.session_id = p.session_id AND o.number > p.number));
--- error element_covered
SELECT 1 FROM elements e JOIN parts USING (url, position)
WHERE element_id = :element_id AND behaviour = 'covered' AND EXISTS (
  SELECT 1 FROM elements n JOIN parts b ON b.url = n.url AND b.position = n.position WHERE n.page_id = e.page_id AND b.behaviour = 'notice' AND NOT n.gone);
--- error element_disabled
SELECT 1 FROM elements JOIN parts USING (url, position) WHERE element_id = :element_id AND behaviour = 'disabled';
--- let
SELECT p.page_id AS its_page, p.session_id AS its_session, p.url AS its_url, a.leads_to, a.behaviour,
       CASE WHEN a.leads_to IS NULL THEN p.page_id ELSE 'pge_' || alnum(8, 'page', 20000 + fresh(0)) END AS page_id,
       (SELECT 1 + max(number) FROM pages) AS next
FROM elements e JOIN pages p USING (page_id) JOIN parts a ON a.url = e.url AND a.position = e.position WHERE element_id = :element_id;
--- do
UPDATE elements SET gone = 1 WHERE element_id = :element_id AND :behaviour = 'notice';
INSERT INTO pages SELECT :page_id, :its_session, :leads_to, :next WHERE :leads_to IS NOT NULL;
INSERT INTO elements SELECT 'elm_' || alnum(8, 'element', 50000 + :next * 40 + position), :page_id, url, position, 0, NULL FROM parts WHERE url = :leads_to ORDER BY position;
UPDATE sessions SET used_at = now() WHERE session_id = :its_session;
--- result
SELECT :element_id AS element_id, :page_id AS page_id, coalesce(:leads_to, :its_url) AS url, :leads_to IS NOT NULL AS page_changed;

--- tool fill_field
--- error element_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM elements WHERE element_id = :element_id);
--- error session_closed
SELECT 1 FROM elements JOIN pages USING (page_id) JOIN sessions USING (session_id)
WHERE element_id = :element_id AND (closed_at IS NOT NULL OR used_at <= at(now(), '-10 minutes'));
--- error element_stale
SELECT 1 FROM elements e JOIN pages p USING (page_id)
WHERE element_id = :element_id AND (gone OR EXISTS (SELECT 1 FROM pages o WHERE o.session_id = p.session_id AND o.number > p.number));
--- error not_an_input
SELECT 1 FROM elements JOIN parts USING (url, position) WHERE element_id = :element_id AND behaviour <> 'field';
--- do
UPDATE elements SET typed = :field_value WHERE element_id = :element_id;
UPDATE sessions SET used_at = now() WHERE session_id = (SELECT session_id FROM elements JOIN pages USING (page_id) WHERE element_id = :element_id);
--- result
SELECT element_id, typed AS field_value, page_id, 'filled' AS status FROM elements WHERE element_id = :element_id;

--- tool capture_screenshot
--- error page_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pages WHERE page_id = :page_id);
--- error session_closed
SELECT 1 FROM pages JOIN sessions USING (session_id) WHERE page_id = :page_id AND (closed_at IS NOT NULL OR used_at <= at(now(), '-10 minutes'));
--- error page_gone
SELECT 1 FROM pages p WHERE page_id = :page_id AND EXISTS (SELECT 1 FROM pages o WHERE o.session_id = p.session_id AND o.number > p.number);
--- error page_too_long
SELECT 1 FROM pages JOIN documents USING (url) WHERE page_id = :page_id AND :full_page AND height_px > 16000;
--- let
SELECT 'sht_' || alnum(8, 'shot', 20000 + fresh(0)) AS screenshot_id;
--- do
INSERT INTO screenshots VALUES (:screenshot_id, :page_id, :full_page, coalesce(:image_format, 'png'));
UPDATE sessions SET used_at = now() WHERE session_id = (SELECT session_id FROM pages WHERE page_id = :page_id);
--- result
SELECT screenshot_id, page_id, image_format, CASE device_profile WHEN 'desktop' THEN 1440 WHEN 'tablet' THEN 820 ELSE 390 END AS width_px,
       CASE WHEN full_page THEN max(900, coalesce(height_px, 900)) * CASE device_profile WHEN 'desktop' THEN 10 WHEN 'tablet' THEN 13 ELSE 21 END / 10
            ELSE CASE device_profile WHEN 'desktop' THEN 900 WHEN 'tablet' THEN 1180 ELSE 844 END END AS height_px,
       'https://shots.larkspindle.example/' || substr(screenshot_id, 5) || '.' || image_format AS download_url
FROM screenshots JOIN pages USING (page_id) JOIN sessions USING (session_id) LEFT JOIN documents USING (url) WHERE screenshot_id = :screenshot_id;

--- tool close_session
--- error session_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE session_id = :session_id);
--- error already_closed
SELECT 1 FROM sessions WHERE session_id = :session_id AND (closed_at IS NOT NULL OR used_at <= at(now(), '-10 minutes'));
--- do
UPDATE sessions SET closed_at = now() WHERE session_id = :session_id;
--- result
SELECT session_id, CAST(round((julianday(closed_at) - julianday(opened_at)) * 86400) AS INTEGER) AS billed_seconds, 'closed' AS status
FROM sessions WHERE session_id = :session_id;
