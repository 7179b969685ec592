-- Thimble Agenda: appointments with consultants. Moments are UTC.
-- A slot belongs to one meeting type and is free until an appointment that is confirmed holds it; a host cannot be in two
-- meetings at once, so slots that overlap one of the host's appointments are not offered.

--- tables
CREATE TABLE hosts (
  host_email TEXT PRIMARY KEY,
  host_name TEXT NOT NULL,
  calendar_connected INTEGER NOT NULL CHECK (calendar_connected IN (0, 1))
);
CREATE TABLE meeting_types (
  meeting_type_id TEXT PRIMARY KEY,
  meeting_title TEXT NOT NULL,
  host_email TEXT NOT NULL REFERENCES hosts,
  duration_minutes INTEGER NOT NULL CHECK (duration_minutes IN (15, 20, 30, 45, 60, 90)),
  buffer_minutes INTEGER NOT NULL CHECK (buffer_minutes BETWEEN 0 AND 60),
  venue TEXT NOT NULL CHECK (venue IN ('office', 'phone', 'video')),
  UNIQUE (host_email, meeting_title)
);
CREATE TABLE slots (
  slot_id TEXT PRIMARY KEY,
  meeting_type_id TEXT NOT NULL REFERENCES meeting_types,
  starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL,
  UNIQUE (meeting_type_id, starts_at),
  CHECK (ends_at > starts_at)
);
CREATE TABLE blocked_clients (
  email TEXT PRIMARY KEY,
  full_name TEXT NOT NULL
);
CREATE TABLE appointments (
  appointment_id TEXT PRIMARY KEY,
  slot_id TEXT NOT NULL REFERENCES slots,
  client_name TEXT NOT NULL,
  email TEXT NOT NULL,
  agenda_note TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('confirmed', 'cancelled', 'held', 'no_show')),
  cancel_reason TEXT,
  created_at TEXT NOT NULL,
  cancelled_at TEXT
);
CREATE INDEX appointments_by_slot ON appointments (slot_id);

--- populate
INSERT INTO hosts
SELECT email(person(n), 'thimble-advisers.example'), person(n), n <= 5 FROM numbers WHERE n <= 6 ORDER BY n;

INSERT INTO meeting_types
SELECT 'mty_' || alnum(6, 'type', h.rowid * 3 + k.n), nth('meetings', (h.rowid - 1) * 2 + k.n, 'title'), h.host_email,
       nth('meetings', (h.rowid - 1) * 2 + k.n, 'minutes'), pick('buffers', h.rowid, k.n),
       nth('meetings', (h.rowid - 1) * 2 + k.n, 'venue')
FROM hosts h JOIN numbers k ON k.n <= 2
WHERE h.calendar_connected ORDER BY h.rowid, k.n;

-- Two weeks from yesterday on: working days, five starts a day and type.
INSERT INTO slots
WITH d AS MATERIALIZED (
  SELECT n, day FROM (SELECT n, at(now(), (n - 2) || ' days', 'date') AS day FROM numbers WHERE n <= 11) WHERE weekday(day) NOT IN ('saturday', 'sunday')),
s AS MATERIALIZED (SELECT n, nth('starts', n) AS start FROM numbers WHERE n <= 10),
t AS MATERIALIZED (
  SELECT m.rowid AS row, m.meeting_type_id, m.duration_minutes, d.n AS day, s.n AS place, d.day || 'T' || s.start || ':00Z' AS starts_at
  FROM meeting_types m JOIN d JOIN s ON s.n BETWEEN (m.rowid % 2) * 5 + 1 AND (m.rowid % 2) * 5 + 5)
SELECT 'slt_' || alnum(10, 'slot', (row * 20 + day) * 6 + place - (row % 2) * 5), meeting_type_id, starts_at, at(starts_at, '+' || duration_minutes || ' minutes')
FROM t
ORDER BY row, day, place;

INSERT INTO appointments
WITH t AS MATERIALIZED (
  SELECT s.rowid AS row, s.*, m.host_email FROM slots s JOIN meeting_types m USING (meeting_type_id) WHERE chance(0.3, 'taken', s.rowid)),
s AS MATERIALIZED (   -- the host has one meeting at a time: the earlier slot in the list wins
  SELECT row, slot_id, ends_at, person(100 + row) AS client_name FROM t
  WHERE NOT EXISTS (SELECT 1 FROM t o WHERE o.host_email = t.host_email AND o.row < t.row AND o.starts_at < t.ends_at AND t.starts_at < o.ends_at))
SELECT 'apt_' || alnum(8, 'appointment', row), slot_id, client_name, email(client_name, pick('mail', row)), pick('notes', row),
       CASE WHEN ends_at > now() THEN 'confirmed' WHEN chance(0.15, 'no show', row) THEN 'no_show' ELSE 'held' END,
       NULL, at(now(), '-' || draw(2, 20, 'made', row) || ' days'), NULL
FROM s
ORDER BY row;

INSERT INTO appointments
WITH c AS MATERIALIZED (   -- who cancelled has mostly booked another time of the same kind
  SELECT s.meeting_type_id, a.client_name, a.email, row_number() OVER (PARTITION BY s.meeting_type_id ORDER BY a.rowid DESC) AS place
  FROM appointments a JOIN slots s USING (slot_id) WHERE a.status = 'confirmed'),
g AS MATERIALIZED (
  SELECT s.rowid AS row, s.slot_id, s.meeting_type_id, row_number() OVER (PARTITION BY s.meeting_type_id ORDER BY s.rowid) AS place
  FROM slots s WHERE chance(0.06, 'cancelled', s.rowid))
SELECT 'apt_' || alnum(8, 'appointment', 5000 + g.row), g.slot_id, coalesce(c.client_name, person(3000 + g.row)),
       coalesce(c.email, email(person(3000 + g.row), pick('mail', g.row))), pick('notes', g.row), 'cancelled', pick('reasons', g.row),
       at(now(), '-21 days'), at(now(), '-' || draw(1, 5, 'gone', g.row) || ' days')
FROM g LEFT JOIN c USING (meeting_type_id, place) ORDER BY g.row;

INSERT INTO blocked_clients
SELECT email(person(200 + n), 'mailbox.example'), person(200 + n) FROM numbers WHERE n <= 5 ORDER BY n;

--- invariant one confirmed appointment at most holds a slot
SELECT slot_id FROM appointments WHERE status = 'confirmed' GROUP BY slot_id HAVING count(*) > 1;
--- invariant no host is in two meetings at once
SELECT a.appointment_id FROM appointments a JOIN slots s USING (slot_id) JOIN meeting_types m USING (meeting_type_id),
  appointments b JOIN slots t ON t.slot_id = b.slot_id JOIN meeting_types o ON o.meeting_type_id = t.meeting_type_id
WHERE a.status = 'confirmed' AND b.status = 'confirmed' AND a.appointment_id < b.appointment_id
  AND m.host_email = o.host_email AND s.starts_at < t.ends_at AND t.starts_at < s.ends_at;
--- invariant a cancelled appointment says when and why
SELECT appointment_id FROM appointments WHERE (status = 'cancelled') <> (cancelled_at IS NOT NULL AND cancel_reason IS NOT NULL);

--- tool create_meeting_type
--- error host_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM hosts WHERE host_email = :host_email);
--- error calendar_not_connected
SELECT 1 FROM hosts WHERE host_email = :host_email AND NOT calendar_connected;
--- error title_taken
SELECT 1 FROM meeting_types WHERE host_email = :host_email AND fold(meeting_title) = fold(:meeting_title);
--- let
SELECT 'mty_' || alnum(6, 'type', fresh(0)) AS meeting_type_id, coalesce(:venue, 'video') AS place;
--- do
INSERT INTO meeting_types VALUES (:meeting_type_id, :meeting_title, :host_email, :duration_minutes, :buffer_minutes, :place);
--- result
SELECT meeting_type_id, meeting_title, host_email, duration_minutes, buffer_minutes, venue, 1 AS active
FROM meeting_types WHERE meeting_type_id = :meeting_type_id;

--- tool list_meeting_types
--- error host_unknown
SELECT 1 WHERE :host_email IS NOT NULL AND NOT EXISTS (SELECT 1 FROM hosts WHERE host_email = :host_email);
--- page meeting_types
SELECT meeting_type_id, meeting_title, host_email, duration_minutes, venue FROM meeting_types
WHERE (:host_email IS NULL OR host_email = :host_email) AND (:venue IS NULL OR venue = :venue)
ORDER BY meeting_title, meeting_type_id;

--- tool find_free_slots
--- error meeting_type_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meeting_types WHERE meeting_type_id = :meeting_type_id);
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error range_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) > 31;
--- rows slots
SELECT s.slot_id, s.starts_at, s.ends_at FROM slots s JOIN meeting_types m USING (meeting_type_id)
WHERE meeting_type_id = :meeting_type_id AND substr(s.starts_at, 1, 10) BETWEEN :start_date AND :end_date
  AND s.starts_at > now()
  AND NOT EXISTS (
    SELECT 1 FROM appointments a JOIN slots t USING (slot_id) JOIN meeting_types o ON o.meeting_type_id = t.meeting_type_id
    WHERE a.status = 'confirmed' AND o.host_email = m.host_email AND t.starts_at < s.ends_at AND s.starts_at < t.ends_at)
ORDER BY s.starts_at;

--- tool book_appointment
--- error slot_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM slots WHERE slot_id = :slot_id);
--- error client_blocked
SELECT 1 FROM blocked_clients WHERE email = :email;
--- error slot_taken
SELECT 1 FROM slots s JOIN meeting_types m USING (meeting_type_id)
WHERE s.slot_id = :slot_id AND (s.starts_at <= now() OR EXISTS (
  SELECT 1 FROM appointments a JOIN slots t USING (slot_id) JOIN meeting_types o ON o.meeting_type_id = t.meeting_type_id
  WHERE a.status = 'confirmed' AND o.host_email = m.host_email AND t.starts_at < s.ends_at AND s.starts_at < t.ends_at));
--- let
SELECT 'apt_' || alnum(8, 'appointment', 20000 + fresh(0)) AS appointment_id;
--- do
INSERT INTO appointments VALUES
  (:appointment_id, :slot_id, :client_name, :email, coalesce(:agenda_note, ''), 'confirmed', NULL, now(), NULL);
--- result
SELECT appointment_id, meeting_type_id, slot_id, client_name, email, agenda_note, starts_at, status
FROM appointments JOIN slots USING (slot_id) WHERE appointment_id = :appointment_id;

--- tool get_appointment
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE appointment_id = :appointment_id);
--- result
SELECT appointment_id, meeting_type_id, slot_id, client_name, email, agenda_note, starts_at, ends_at,
       'https://meet.thimble.example/' || appointment_id AS url, status, created_at
FROM appointments JOIN slots USING (slot_id) WHERE appointment_id = :appointment_id;

--- tool move_appointment
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE appointment_id = :appointment_id);
--- error not_confirmed
SELECT 1 FROM appointments WHERE appointment_id = :appointment_id AND status <> 'confirmed';
--- error too_late_to_move
SELECT 1 FROM appointments JOIN slots USING (slot_id)
WHERE appointment_id = :appointment_id AND starts_at < at(now(), '+2 hours');
--- error slot_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM slots WHERE slot_id = :slot_id);
--- error other_meeting_type
SELECT 1 FROM appointments a JOIN slots s ON s.slot_id = a.slot_id, slots n
WHERE a.appointment_id = :appointment_id AND n.slot_id = :slot_id AND n.meeting_type_id <> s.meeting_type_id;
--- error slot_taken
SELECT 1 FROM slots s JOIN meeting_types m USING (meeting_type_id)
WHERE s.slot_id = :slot_id AND (s.starts_at <= now() OR EXISTS (
  SELECT 1 FROM appointments a JOIN slots t USING (slot_id) JOIN meeting_types o ON o.meeting_type_id = t.meeting_type_id
  WHERE a.status = 'confirmed' AND a.appointment_id <> :appointment_id AND o.host_email = m.host_email
    AND t.starts_at < s.ends_at AND s.starts_at < t.ends_at));
--- do
UPDATE appointments SET slot_id = :slot_id WHERE appointment_id = :appointment_id;
--- result
SELECT appointment_id, slot_id, starts_at, ends_at, :notify_client AS notify_client, status
FROM appointments JOIN slots USING (slot_id) WHERE appointment_id = :appointment_id;

--- tool cancel_appointment
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE appointment_id = :appointment_id);
--- error already_held
SELECT 1 FROM appointments JOIN slots USING (slot_id) WHERE appointment_id = :appointment_id AND starts_at <= now();
--- error already_cancelled
SELECT 1 FROM appointments WHERE appointment_id = :appointment_id AND status = 'cancelled';
--- do
UPDATE appointments SET status = 'cancelled', cancel_reason = :cancel_reason, cancelled_at = now()
WHERE appointment_id = :appointment_id;
--- result
SELECT appointment_id, cancel_reason, status, cancelled_at FROM appointments WHERE appointment_id = :appointment_id;
