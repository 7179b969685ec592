-- Quernstone Pager: who is on call for which service, and the incidents that they are paged for. Moments are UTC.
-- A schedule changes hands on Mondays at 09:00; an override puts somebody else in for a part of it.

--- tables
CREATE TABLE schedules (
  schedule_id TEXT PRIMARY KEY,
  team TEXT NOT NULL UNIQUE
);
CREATE TABLE engineers (
  email TEXT PRIMARY KEY,
  engineer_name TEXT NOT NULL,
  phone TEXT NOT NULL,
  schedule_id TEXT NOT NULL REFERENCES schedules,
  place INTEGER NOT NULL,
  UNIQUE (schedule_id, place)
);
CREATE TABLE services (
  service_id TEXT PRIMARY KEY,
  service_name TEXT NOT NULL UNIQUE,
  former_name TEXT NOT NULL,
  tier INTEGER NOT NULL CHECK (tier IN (1, 2, 3)),
  repository TEXT NOT NULL,
  schedule_id TEXT NOT NULL REFERENCES schedules,
  refreshed_at TEXT NOT NULL           -- until then the catalogue does not show it
);
CREATE TABLE shifts (
  schedule_id TEXT NOT NULL REFERENCES schedules,
  starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL,
  primary_email TEXT NOT NULL REFERENCES engineers,
  backup_email TEXT NOT NULL REFERENCES engineers,
  PRIMARY KEY (schedule_id, starts_at),
  CHECK (primary_email <> backup_email)
);
CREATE TABLE overrides (
  override_id TEXT PRIMARY KEY,
  schedule_id TEXT NOT NULL REFERENCES schedules,
  email TEXT NOT NULL REFERENCES engineers,
  starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL,
  replaces_email TEXT NOT NULL REFERENCES engineers,
  CHECK (ends_at > starts_at)
);
CREATE TABLE maintenance (
  service_id TEXT NOT NULL REFERENCES services,
  starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL
);
CREATE TABLE incidents (
  incident_id TEXT PRIMARY KEY,
  service_id TEXT NOT NULL REFERENCES services,
  incident_title TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('sev1', 'sev2', 'sev3', 'sev4')),
  symptoms TEXT NOT NULL,
  paged_email TEXT NOT NULL REFERENCES engineers,
  created_at TEXT NOT NULL,
  commander_email TEXT REFERENCES engineers,
  acknowledged_at TEXT,
  root_cause TEXT,
  resolution_note TEXT,
  resolved_at TEXT,
  CHECK ((commander_email IS NULL) = (acknowledged_at IS NULL)),
  CHECK (resolved_at IS NULL OR acknowledged_at <= resolved_at)
);
CREATE INDEX incidents_by_service ON incidents (service_id);
CREATE TABLE entries (
  timeline_entry_id TEXT PRIMARY KEY,
  incident_id TEXT NOT NULL REFERENCES incidents,
  entry_text TEXT NOT NULL,
  publish INTEGER NOT NULL CHECK (publish IN (0, 1)),
  entered_at TEXT NOT NULL
);
CREATE INDEX entries_by_incident ON entries (incident_id);
CREATE TABLE stories (                 -- what goes wrong with services, and how people speak of it
  service_name TEXT NOT NULL,
  k INTEGER NOT NULL,
  title TEXT NOT NULL,
  severity TEXT NOT NULL,
  symptoms TEXT NOT NULL,
  step TEXT NOT NULL,
  public TEXT NOT NULL,
  clear TEXT NOT NULL,
  cause TEXT NOT NULL,
  fix TEXT NOT NULL,
  PRIMARY KEY (service_name, k)
);

--- populate
INSERT INTO schedules
SELECT 'sch_' || alnum(6, 'schedule', n), nth('teams', n) FROM numbers WHERE n <= 6 ORDER BY n;

INSERT INTO engineers
SELECT email(person(s.rowid * 5 + k.n), slug(company(1)) || '.example'), person(s.rowid * 5 + k.n), phone(s.rowid * 5 + k.n), s.schedule_id, k.n
FROM schedules s JOIN numbers k ON k.n <= 5 ORDER BY s.rowid, k.n;

INSERT INTO services
SELECT 'svc_' || alnum(7, 'service', n), nth('services', n, 'name'), nth('services', n, 'former'), nth('services', n, 'tier'),
       nth('services', n, 'team') || '/' || nth('services', n, 'name'), s.schedule_id,
       CASE n WHEN 14 THEN at(now(), '+1 minutes') ELSE at(now(), '-' || n || ' hours') END
FROM numbers JOIN schedules s ON s.team = CASE WHEN n <= 14 THEN nth('services', n, 'team') END WHERE n <= 14 ORDER BY n;

-- Shifts from three weeks ago to four weeks ahead; for one team the week after this one is not planned.
INSERT INTO shifts
SELECT s.schedule_id, at(m.monday, ((w.n - 5) * 7) || ' days'), at(m.monday, ((w.n - 4) * 7) || ' days'), a.email, b.email
FROM schedules s JOIN numbers w ON w.n <= 9
JOIN (SELECT at(now(), '-' || CASE weekday(now()) WHEN 'monday' THEN 0 WHEN 'tuesday' THEN 1 WHEN 'wednesday' THEN 2 WHEN 'thursday' THEN 3
               WHEN 'friday' THEN 4 WHEN 'saturday' THEN 5 ELSE 6 END || ' days', '09:00') AS monday) m
JOIN engineers a ON a.schedule_id = s.schedule_id AND a.place = 1 + (w.n + s.rowid) % 5
JOIN engineers b ON b.schedule_id = s.schedule_id AND b.place = 1 + (w.n + s.rowid + 1) % 5
WHERE NOT (s.rowid = 6 AND w.n = 6) ORDER BY s.rowid, w.n;

-- Four evenings that somebody else has taken over.
INSERT INTO overrides
SELECT 'ovr_' || alnum(8, 'override', s.rowid), s.schedule_id, e.email, at(now(), '+' || (1 + s.rowid) || ' days', '17:00'),
       at(now(), '+' || (1 + s.rowid) || ' days', '23:00'), f.primary_email
FROM schedules s JOIN shifts f ON f.schedule_id = s.schedule_id AND f.starts_at <= at(now(), '+' || (1 + s.rowid) || ' days', '17:00')
  AND f.ends_at > at(now(), '+' || (1 + s.rowid) || ' days', '17:00')
JOIN engineers e ON e.schedule_id = s.schedule_id AND e.place = 1 + (SELECT o.place + 1 FROM engineers o WHERE o.email = f.primary_email) % 5
WHERE s.rowid <= 4 ORDER BY s.rowid;

INSERT INTO maintenance
SELECT service_id, at(now(), '-' || draw(20, 50, 'since', rowid) || ' minutes'), at(now(), '+' || draw(60, 180, 'until', rowid) || ' minutes')
FROM services WHERE rowid IN (12, 13) ORDER BY rowid;

INSERT INTO stories
SELECT nth('stories', n, 'service'), nth('stories', n, 'k'), nth('stories', n, 'title'), nth('stories', n, 'severity'), nth('stories', n, 'symptoms'),
       nth('stories', n, 'step'), nth('stories', n, 'public'), nth('stories', n, 'clear'), nth('stories', n, 'cause'), nth('stories', n, 'fix')
FROM numbers WHERE n <= 28 ORDER BY 1, 2;

-- One incident a service; some still ring, some are being worked on, some are over, two of them since today.
INSERT INTO incidents
SELECT 'inc-' || digits(5, 'incident', v.rowid), v.service_id, t.title, t.severity, t.symptoms, f.primary_email, v.began,
       CASE WHEN v.state <> 'triggered' THEN f.primary_email END,
       CASE WHEN v.state <> 'triggered' THEN at(v.began, '+' || draw(40, 600, 'ack', v.rowid) || ' seconds') END,
       CASE WHEN v.state = 'resolved' THEN t.cause END, CASE WHEN v.state = 'resolved' THEN t.fix END,
       CASE WHEN v.state = 'resolved' THEN at(v.began, '+' || draw(30, 260, 'fixed', v.rowid) || ' minutes') END
FROM (
  SELECT s.rowid, s.*, CASE s.rowid % 3 WHEN 0 THEN 'triggered' WHEN 1 THEN 'acknowledged' ELSE 'resolved' END AS state,
         CASE s.rowid % 3 WHEN 0 THEN at(now(), '-' || draw(60, 900, 'rings', s.rowid) || ' seconds')
              WHEN 1 THEN at(now(), '-' || draw(30, 300, 'burns', s.rowid) || ' minutes')
              WHEN 2 THEN CASE WHEN s.rowid IN (5, 11) THEN at(now(), '-' || draw(310, 420, 'today', s.rowid) || ' minutes')
              ELSE at(now(), '-' || draw(1, 18, 'over', s.rowid) || ' days', draw(1, 22, 'hour', s.rowid) || ':' || draw(10, 59, 'minute', s.rowid)) END END AS began
  FROM services s) v
JOIN stories t ON t.service_name = v.service_name AND t.k = 1
JOIN shifts f ON f.schedule_id = v.schedule_id AND f.starts_at <= v.began AND f.ends_at > v.began
ORDER BY v.rowid;

INSERT INTO entries
SELECT 'tle_' || alnum(9, 'entry', i.rowid * 4 + k.n), i.incident_id, pick('entries', i.rowid, k.n), 0,
       at(i.acknowledged_at, '+' || (k.n * 4) || ' minutes')
FROM incidents i JOIN numbers k ON k.n <= draw(1, 4, 'entries', i.rowid)
WHERE i.acknowledged_at IS NOT NULL ORDER BY i.rowid, k.n;

-- What the status page says of the two that ended today.
INSERT INTO entries
SELECT 'tle_' || alnum(9, 'entry', 400 + i.rowid), i.incident_id, t.public, 1, at(i.acknowledged_at, '+' || draw(2, 18, 'told', i.rowid) || ' minutes')
FROM incidents i JOIN services v USING (service_id) JOIN stories t ON t.service_name = v.service_name AND t.k = 1
WHERE i.resolved_at IS NOT NULL AND v.rowid IN (5, 11) ORDER BY i.rowid;

--- invariant no two overrides of a schedule overlap
SELECT a.override_id FROM overrides a JOIN overrides b ON b.schedule_id = a.schedule_id AND b.override_id > a.override_id
WHERE a.starts_at < b.ends_at AND b.starts_at < a.ends_at;
--- invariant whoever stands in is on the team
SELECT override_id FROM overrides o JOIN engineers e USING (email) WHERE e.schedule_id <> o.schedule_id;
--- invariant only incidents with a commander are on the status page
SELECT timeline_entry_id FROM entries JOIN incidents USING (incident_id) WHERE publish AND commander_email IS NULL;
--- invariant what is resolved says why
SELECT incident_id FROM incidents WHERE (resolved_at IS NULL) <> (root_cause IS NULL);

--- tool search_services
--- error catalogue_unavailable
SELECT 1 FROM services WHERE matches(service_name || ' ' || repository, :query) AND refreshed_at > now()
  AND NOT EXISTS (SELECT 1 FROM services o WHERE matches(o.service_name || ' ' || o.repository, :query) AND o.refreshed_at <= now());
--- rows services
SELECT service_id, service_name, tier, repository, schedule_id FROM services
WHERE matches(service_name || ' ' || repository, :query) AND (:tier IS NULL OR tier = :tier) AND refreshed_at <= now()
ORDER BY tier, service_name LIMIT :limit;
--- result
SELECT NULL AS next_cursor;

--- tool get_on_call
--- error schedule_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM schedules WHERE schedule_id = :schedule_id);
--- let
SELECT coalesce(:at, now()) AS moment;
--- error uncovered_shift
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shifts WHERE schedule_id = :schedule_id AND starts_at <= :moment AND ends_at > :moment);
--- result
SELECT f.schedule_id, e.email AS primary_email, CASE f.backup_email WHEN e.email THEN f.primary_email ELSE f.backup_email END AS backup_email, e.phone,
       coalesce(o.ends_at, f.ends_at) AS shift_ends_at
FROM shifts f LEFT JOIN overrides o ON o.schedule_id = f.schedule_id AND o.starts_at <= :moment AND o.ends_at > :moment
JOIN engineers e ON e.email = coalesce(o.email, f.primary_email)
WHERE f.schedule_id = :schedule_id AND f.starts_at <= :moment AND f.ends_at > :moment;

--- tool add_override
--- error schedule_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM schedules WHERE schedule_id = :schedule_id);
--- error times_reversed
SELECT 1 WHERE :ends_at <= :starts_at;
--- error not_on_team
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM engineers WHERE schedule_id = :schedule_id AND email = :email);
--- error override_overlap
SELECT 1 FROM overrides WHERE schedule_id = :schedule_id AND starts_at < :ends_at AND ends_at > :starts_at;
--- error uncovered_shift
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shifts WHERE schedule_id = :schedule_id AND starts_at <= :starts_at AND ends_at > :starts_at);
--- let
SELECT 'ovr_' || alnum(8, 'override', fresh(0)) AS override_id;
--- do
INSERT INTO overrides
SELECT :override_id, :schedule_id, :email, :starts_at, :ends_at, primary_email FROM shifts
WHERE schedule_id = :schedule_id AND starts_at <= :starts_at AND ends_at > :starts_at;
--- result
SELECT override_id, schedule_id, email, starts_at, ends_at, replaces_email FROM overrides WHERE override_id = :override_id;

--- tool open_incident
--- error service_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM services WHERE service_id = :service_id);
--- error maintenance_window
SELECT 1 FROM maintenance WHERE service_id = :service_id AND starts_at <= now() AND ends_at > now();
--- let
SELECT 'inc-' || digits(5, 'incident', fresh(0)) AS incident_id, coalesce(o.email, f.primary_email) AS on_call
FROM services s JOIN shifts f ON f.schedule_id = s.schedule_id AND f.starts_at <= now() AND f.ends_at > now()
LEFT JOIN overrides o ON o.schedule_id = f.schedule_id AND o.starts_at <= now() AND o.ends_at > now()
WHERE s.service_id = :service_id;
--- do
INSERT INTO incidents VALUES (:incident_id, :service_id, :incident_title, :severity, coalesce(:symptoms, ''), :on_call, now(), NULL, NULL, NULL, NULL, NULL);
--- result
SELECT incident_id, service_id, incident_title, severity, symptoms, paged_email, 'triggered' AS status, created_at
FROM incidents WHERE incident_id = :incident_id;

--- tool acknowledge_incident
--- error incident_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE incident_id = :incident_id);
--- error incident_resolved
SELECT 1 FROM incidents WHERE incident_id = :incident_id AND resolved_at IS NOT NULL;
--- error already_acknowledged
SELECT 1 FROM incidents WHERE incident_id = :incident_id AND acknowledged_at IS NOT NULL;
--- error unknown_engineer
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM engineers WHERE email = :commander_email);
--- do
UPDATE incidents SET commander_email = :commander_email, acknowledged_at = now() WHERE incident_id = :incident_id;
--- result
SELECT incident_id, commander_email, 'acknowledged' AS status,
       min(86400, CAST(round((julianday(acknowledged_at) - julianday(created_at)) * 86400) AS INTEGER)) AS seconds_to_acknowledge
FROM incidents WHERE incident_id = :incident_id;

--- tool add_timeline_entry
--- error incident_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE incident_id = :incident_id);
--- error publish_not_permitted
SELECT 1 FROM incidents WHERE incident_id = :incident_id AND :publish AND commander_email IS NULL;
--- let
SELECT 'tle_' || alnum(9, 'entry', fresh(0)) AS timeline_entry_id;
--- do
INSERT INTO entries VALUES (:timeline_entry_id, :incident_id, :entry_text, :publish, now());
--- result
SELECT timeline_entry_id, incident_id, entry_text, publish, entered_at FROM entries WHERE timeline_entry_id = :timeline_entry_id;

--- tool resolve_incident
--- error incident_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE incident_id = :incident_id);
--- error already_resolved
SELECT 1 FROM incidents WHERE incident_id = :incident_id AND resolved_at IS NOT NULL;
--- error not_acknowledged
SELECT 1 FROM incidents WHERE incident_id = :incident_id AND acknowledged_at IS NULL;
--- do
UPDATE incidents SET root_cause = :root_cause, resolution_note = :resolution_note, resolved_at = now() WHERE incident_id = :incident_id;
--- result
SELECT incident_id, root_cause, resolution_note, 'resolved' AS status,
       CAST((julianday(resolved_at) - julianday(created_at)) * 1440 AS INTEGER) AS minutes_open,
       CASE WHEN severity IN ('sev1', 'sev2') THEN at(resolved_at, '+5 days', 'date') END AS review_due_on
FROM incidents WHERE incident_id = :incident_id;

--- tool get_incident
--- error incident_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE incident_id = :incident_id);
--- result
SELECT i.incident_id, i.service_id, i.incident_title, i.severity, i.symptoms, i.commander_email,
       CASE WHEN i.resolved_at IS NOT NULL THEN 'resolved' WHEN i.acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'triggered' END AS status,
       (SELECT count(*) FROM entries e WHERE e.incident_id = i.incident_id) AS timeline_entry_count, i.created_at
FROM incidents i WHERE i.incident_id = :incident_id;
