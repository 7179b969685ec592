-- Vellum Countersign: electronic signing for a property manager and the law office next door. Moments are UTC.
-- An envelope is a draft until it is dispatched; it is complete once everybody has signed, and lapses after its days.

--- tables
-- What lies on the file server, whether or not there is an envelope for it.
CREATE TABLE files (
  url TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  kind TEXT NOT NULL,
  page_count INTEGER NOT NULL CHECK (page_count BETWEEN 1 AND 400),
  readable INTEGER NOT NULL CHECK (readable IN (0, 1))
);
-- Why a document of a kind is taken back.
CREATE TABLE grounds (kind TEXT NOT NULL, void_reason TEXT NOT NULL, PRIMARY KEY (kind, void_reason));
CREATE TABLE envelopes (
  envelope_id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  url TEXT NOT NULL REFERENCES files,
  signing_order TEXT NOT NULL CHECK (signing_order IN ('parallel', 'sequential')),
  expires_in_days INTEGER NOT NULL CHECK (expires_in_days BETWEEN 1 AND 90),
  created_at TEXT NOT NULL,
  dispatched_at TEXT,
  reminder_every_days INTEGER,
  cover_message TEXT,
  voided_at TEXT,
  void_reason TEXT,
  CHECK ((voided_at IS NULL) = (void_reason IS NULL))
);
CREATE TABLE signers (
  signer_id TEXT PRIMARY KEY,
  envelope_id TEXT NOT NULL REFERENCES envelopes,
  signer_name TEXT NOT NULL,
  email TEXT NOT NULL,
  identity_check TEXT NOT NULL CHECK (identity_check IN ('none', 'sms_code', 'passport')),
  phone TEXT,
  position INTEGER NOT NULL CHECK (position BETWEEN 1 AND 20),
  signer_status TEXT NOT NULL CHECK (signer_status IN ('waiting', 'viewed', 'signed', 'declined')),
  UNIQUE (envelope_id, position),
  CHECK (identity_check = 'none' OR phone IS NOT NULL)
);
CREATE INDEX signers_by_envelope ON signers (envelope_id);
CREATE TABLE fields (
  field_id TEXT PRIMARY KEY,
  signer_id TEXT NOT NULL REFERENCES signers,
  field_kind TEXT NOT NULL CHECK (field_kind IN ('signature', 'initials', 'date', 'checkbox', 'text')),
  page_number INTEGER NOT NULL,
  left_percent REAL NOT NULL,
  top_percent REAL NOT NULL
);
CREATE INDEX fields_by_signer ON fields (signer_id);

--- populate
INSERT INTO grounds
SELECT nth('grounds', n, 'kind'), nth('grounds', n, 'reason') FROM numbers WHERE n <= 30 ORDER BY n;

-- Four are locked with a password; each of them lies there a second time, unlocked.
INSERT INTO files
SELECT 'https://files.' || CASE WHEN n % 3 = 0 THEN 'quillgate-law' ELSE 'fallowfield-lets' END || '.example/' || slug(kind || ' ' || address) || CASE WHEN unlocked THEN '-unlocked' ELSE '' END || '.pdf',
       kind || ' for ' || address, kind, max(2, pages + draw(-1, 2, 'pages', n)), unlocked OR n NOT BETWEEN 49 AND 52
FROM (SELECT n, 0 AS unlocked, nth('papers', 1 + n % 12, 'kind') AS kind, nth('papers', 1 + n % 12, 'pages') AS pages, street(300 + n) AS address FROM numbers WHERE n <= 64
      UNION ALL SELECT n, 1, nth('papers', 1 + n % 12, 'kind'), nth('papers', 1 + n % 12, 'pages'), street(300 + n) FROM numbers WHERE n BETWEEN 49 AND 52)
ORDER BY unlocked, n;

-- Six states in turn: draft, out with nobody's or some signatures, complete, void, lapsed.
INSERT INTO envelopes
SELECT 'env_' || upper(alnum(10, 'envelope', n)), subject, url, CASE WHEN n % 3 THEN 'sequential' ELSE 'parallel' END, expires,
       at(now(), '-' || age || ' days', draw(8, 16, 'hour', n) || ':' || draw(10, 55, 'minute', n)),
       CASE WHEN state <> 'draft' THEN at(now(), '-' || (age - 1) || ' days', '09:15') END, CASE WHEN state <> 'draft' THEN 3 END, NULL,
       CASE WHEN state = 'voided' THEN at(now(), '-' || (age - 2) || ' days', '11:40') END, CASE WHEN state = 'voided' THEN ground END
FROM (
  SELECT f.rowid AS n, f.subject, f.url, (SELECT min(void_reason) FROM grounds g WHERE g.kind = f.kind) AS ground, 14 + 7 * (f.rowid % 3) AS expires,
         CASE f.rowid % 6 WHEN 0 THEN 'draft' WHEN 3 THEN 'completed' WHEN 4 THEN CASE WHEN f.rowid % 12 = 4 THEN 'voided' ELSE 'lapsed' END ELSE 'out' END AS state,
         CASE f.rowid % 6 WHEN 0 THEN draw(1, 4, 'age', f.rowid) WHEN 3 THEN draw(6, 60, 'age', f.rowid) WHEN 4 THEN draw(36, 80, 'age', f.rowid) ELSE draw(2, 10, 'age', f.rowid) END AS age
  FROM files f WHERE f.rowid <= 42)
ORDER BY n;

INSERT INTO signers
SELECT 'sgn_' || upper(alnum(8, 'signer', e.rowid * 4 + k.n)), envelope_id, person(e.rowid * 4 + k.n), email(person(e.rowid * 4 + k.n), pick('mail', e.rowid, k.n)),
       CASE WHEN chance(0.25, 'check', e.rowid, k.n) THEN 'sms_code' ELSE 'none' END, CASE WHEN chance(0.25, 'check', e.rowid, k.n) OR chance(0.3, 'phone', e.rowid, k.n) THEN phone(e.rowid * 4 + k.n) END,
       k.n, CASE e.rowid % 6 WHEN 0 THEN 'waiting' WHEN 3 THEN 'signed'
              ELSE CASE WHEN k.n <= draw(0, 2, 'signed', e.rowid) AND k.n < draw(2, 3, 'people', e.rowid) THEN 'signed'
                        WHEN e.rowid % 6 = 4 AND k.n = draw(0, 2, 'signed', e.rowid) + 1 THEN 'declined'
                        WHEN k.n = draw(0, 2, 'signed', e.rowid) + 1 THEN pick('unsigned', e.rowid) ELSE 'waiting' END END
FROM envelopes e JOIN numbers k ON k.n <= CASE WHEN e.dispatched_at IS NULL THEN 2 ELSE draw(2, 3, 'people', e.rowid) END ORDER BY e.rowid, k.n;

-- In drafts the last person has no field yet.
INSERT INTO fields
SELECT 'fld_' || upper(alnum(8, 'field', s.rowid)), signer_id, 'signature', f.page_count, CASE WHEN position = 1 THEN 12 ELSE 55 END, 70 + 8 * (position / 3)
FROM signers s JOIN envelopes e USING (envelope_id) JOIN files f USING (url)
WHERE e.dispatched_at IS NOT NULL OR position < (SELECT max(o.position) FROM signers o WHERE o.envelope_id = s.envelope_id) ORDER BY s.rowid;

--- invariant what was dispatched can be signed by everybody in it
SELECT envelope_id FROM envelopes e WHERE dispatched_at IS NOT NULL AND EXISTS (
  SELECT 1 FROM signers s WHERE s.envelope_id = e.envelope_id AND NOT EXISTS (SELECT 1 FROM fields f WHERE f.signer_id = s.signer_id AND f.field_kind = 'signature'));
--- invariant nobody has signed a draft
SELECT signer_id FROM signers JOIN envelopes USING (envelope_id) WHERE dispatched_at IS NULL AND signer_status = 'signed';
--- invariant no field lies beyond the last page
SELECT field_id FROM fields JOIN signers USING (signer_id) JOIN envelopes USING (envelope_id) JOIN files USING (url) WHERE page_number > page_count;

--- tool create_envelope
--- error document_unreachable
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM files WHERE url = :url);
--- error not_a_pdf
SELECT 1 FROM files WHERE url = :url AND NOT readable;
--- let
SELECT 'env_' || upper(alnum(10, 'envelope', fresh(0))) AS envelope_id, coalesce(:signing_order, 'sequential') AS signing;
--- do
INSERT INTO envelopes (envelope_id, subject, url, signing_order, expires_in_days, created_at) VALUES (:envelope_id, :subject, :url, :signing, :expires_in_days, now());
--- result
SELECT envelope_id, e.subject, url, signing_order, expires_in_days, page_count, 'draft' AS status, created_at
FROM envelopes e JOIN files USING (url) WHERE envelope_id = :envelope_id;

--- tool add_signer
--- error envelope_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id);
--- error envelope_not_draft
SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id AND (dispatched_at IS NOT NULL OR voided_at IS NOT NULL);
--- error phone_required
SELECT 1 WHERE coalesce(:identity_check, 'none') <> 'none' AND :phone IS NULL;
--- let
SELECT 'sgn_' || upper(alnum(8, 'signer', fresh(0))) AS signer_id, 1 + coalesce(max(position), 0) AS place FROM signers WHERE envelope_id = :envelope_id;
--- do
INSERT INTO signers VALUES (:signer_id, :envelope_id, :signer_name, :email, coalesce(:identity_check, 'none'), :phone, :place, 'waiting');
--- result
SELECT signer_id, envelope_id, signer_name, email, identity_check, phone, position FROM signers WHERE signer_id = :signer_id;

--- tool place_field
--- error signer_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM signers WHERE signer_id = :signer_id);
--- error fields_fixed
SELECT 1 FROM signers JOIN envelopes USING (envelope_id) WHERE signer_id = :signer_id AND dispatched_at IS NOT NULL;
--- error page_out_of_range
SELECT 1 FROM signers JOIN envelopes USING (envelope_id) JOIN files USING (url) WHERE signer_id = :signer_id AND :page_number > page_count;
--- let
SELECT 'fld_' || upper(alnum(8, 'field', fresh(0))) AS field_id;
--- do
INSERT INTO fields VALUES (:field_id, :signer_id, :field_kind, :page_number, :corner ->> '$.left_percent', :corner ->> '$.top_percent');
--- result
SELECT field_id, signer_id, field_kind, page_number, json_object('left_percent', left_percent, 'top_percent', top_percent) AS corner, 0 AS filled
FROM fields WHERE field_id = :field_id;

--- tool dispatch_envelope
--- error envelope_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id);
--- error already_dispatched
SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id AND dispatched_at IS NOT NULL;
--- error no_signers
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM signers WHERE envelope_id = :envelope_id);
--- error signature_field_missing
SELECT 1 FROM signers s WHERE envelope_id = :envelope_id AND NOT EXISTS (SELECT 1 FROM fields f WHERE f.signer_id = s.signer_id AND f.field_kind = 'signature');
--- do
UPDATE envelopes SET dispatched_at = now(), reminder_every_days = :reminder_every_days, cover_message = :cover_message WHERE envelope_id = :envelope_id;
--- result
SELECT envelope_id, coalesce(cover_message, '') AS cover_message, reminder_every_days, 'out_for_signature' AS status, dispatched_at FROM envelopes WHERE envelope_id = :envelope_id;

--- tool get_envelope
--- error envelope_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id);
--- result
SELECT envelope_id, subject, url, signing_order, expires_in_days,
       CASE WHEN voided_at IS NOT NULL THEN 'voided' WHEN dispatched_at IS NULL THEN 'draft'
            WHEN NOT EXISTS (SELECT 1 FROM signers s WHERE s.envelope_id = e.envelope_id AND signer_status <> 'signed') THEN 'completed'
            WHEN at(dispatched_at, '+' || expires_in_days || ' days') < now() THEN 'expired' ELSE 'out_for_signature' END AS status, created_at
FROM envelopes e WHERE envelope_id = :envelope_id;
--- rows signers
SELECT signer_id, signer_name, signer_status FROM signers WHERE envelope_id = :envelope_id ORDER BY position;

--- tool void_envelope
--- error envelope_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id);
--- error not_out
SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id AND (dispatched_at IS NULL OR voided_at IS NOT NULL);
--- error envelope_completed
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM signers WHERE envelope_id = :envelope_id AND signer_status <> 'signed');
--- do
UPDATE envelopes SET voided_at = now(), void_reason = :void_reason WHERE envelope_id = :envelope_id;
--- result
SELECT envelope_id, void_reason, 'voided' AS status, voided_at FROM envelopes WHERE envelope_id = :envelope_id;

--- tool get_sealed_copy
--- error envelope_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM envelopes WHERE envelope_id = :envelope_id);
--- error not_completed
SELECT 1 FROM envelopes e WHERE envelope_id = :envelope_id AND (dispatched_at IS NULL OR voided_at IS NOT NULL
  OR EXISTS (SELECT 1 FROM signers s WHERE s.envelope_id = e.envelope_id AND signer_status <> 'signed'));
--- result
SELECT envelope_id, 'https://sealed.vellum.example/' || lower(substr(envelope_id, 5)) || CASE WHEN :include_audit_trail THEN '-audit.pdf' ELSE '.pdf' END AS sealed_url,
       hexdigits(32, 'seal', rowid) || hexdigits(32, 'seal too', rowid) AS sha256, :include_audit_trail AS include_audit_trail, at(now(), '+1 hours') AS link_expires_at
FROM envelopes WHERE envelope_id = :envelope_id;
