-- Willowmere Clinics: patients, clinicians, their slots, visits and referrals. Moments are UTC.
-- A slot is open while it lies ahead and no appointment but a cancelled one holds it.

--- tables
CREATE TABLE insured (
  insurance_number TEXT PRIMARY KEY
);
CREATE TABLE patients (
  patient_id TEXT PRIMARY KEY,
  given_name TEXT NOT NULL,
  family_name TEXT NOT NULL,
  birth_date TEXT NOT NULL,
  phone TEXT NOT NULL,
  insurance_number TEXT REFERENCES insured,
  UNIQUE (given_name, family_name, birth_date)
);
CREATE TABLE clinicians (
  clinician TEXT PRIMARY KEY,
  specialty TEXT NOT NULL
    CHECK (specialty IN ('general_practice', 'dermatology', 'cardiology', 'orthopaedics', 'physiotherapy')),
  site TEXT NOT NULL,
  minutes INTEGER NOT NULL
);
CREATE TABLE slots (
  slot_id TEXT PRIMARY KEY,
  clinician TEXT NOT NULL REFERENCES clinicians,
  starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL,
  UNIQUE (clinician, starts_at)
);
CREATE TABLE appointments (
  appointment_id TEXT PRIMARY KEY,
  patient_id TEXT NOT NULL REFERENCES patients,
  slot_id TEXT NOT NULL REFERENCES slots,
  visit_reason TEXT NOT NULL,
  visit_type TEXT NOT NULL CHECK (visit_type IN ('in_person', 'video')),
  status TEXT NOT NULL CHECK (status IN ('booked', 'arrived', 'completed', 'missed', 'cancelled')),
  cancelled_by TEXT CHECK (cancelled_by IN ('patient', 'clinic')),
  created_at TEXT NOT NULL,
  CHECK ((status = 'cancelled') = (cancelled_by IS NOT NULL))
);
CREATE INDEX appointments_by_slot ON appointments (slot_id);
CREATE INDEX appointments_by_patient ON appointments (patient_id);
CREATE TABLE referrals (
  referral_id TEXT PRIMARY KEY,
  appointment_id TEXT NOT NULL REFERENCES appointments,
  specialty TEXT NOT NULL,
  urgency TEXT NOT NULL CHECK (urgency IN ('routine', 'soon', 'urgent')),
  clinical_question TEXT NOT NULL,
  UNIQUE (appointment_id, specialty)
);

--- populate
INSERT INTO insured SELECT letters(1, 'insurer', n) || digits(9, 'insured', n) FROM numbers WHERE n <= 90 ORDER BY n;

-- Two patients or three share a family name.
INSERT INTO patients
SELECT 'pt_' || digits(7, 'patient', n), substr(person(n), 1, instr(person(n), ' ') - 1),
       substr(person(500 + n % 26), instr(person(500 + n % 26), ' ') + 1),
       at('1938-01-01', '+' || draw(0, 24800, 'born', n) || ' days', 'date'), phone(n),
       CASE WHEN n % 8 <> 0 THEN (SELECT insurance_number FROM insured WHERE rowid = n) END
FROM numbers WHERE n <= 60 ORDER BY n;

INSERT INTO clinicians
SELECT CASE c.value ->> '$.specialty' WHEN 'physiotherapy' THEN '' ELSE 'Dr ' END || person(800 + c.key), c.value ->> '$.specialty',
       nth('sites', 1 + c.key % 3), c.value ->> '$.minutes'
FROM json_each('[{"specialty":"general_practice","minutes":15},{"specialty":"general_practice","minutes":15},
  {"specialty":"general_practice","minutes":15},{"specialty":"dermatology","minutes":20},{"specialty":"dermatology","minutes":20},
  {"specialty":"cardiology","minutes":30},{"specialty":"cardiology","minutes":30},{"specialty":"orthopaedics","minutes":20},
  {"specialty":"physiotherapy","minutes":40},{"specialty":"physiotherapy","minutes":40}]') c
ORDER BY c.key;

-- Two weeks from four days ago on: working days, three slots a day; clinicians of one specialty sit at different times.
INSERT INTO slots
WITH d AS MATERIALIZED (
  SELECT n, day FROM (SELECT n, at(now(), (n - 5) || ' days', 'date') AS day FROM numbers WHERE n <= 15) WHERE weekday(day) NOT IN ('saturday', 'sunday')),
s AS MATERIALIZED (SELECT key + 1 AS n, value AS start FROM json_each('["08:30", "09:20", "10:10", "09:00", "11:10", "13:30", "10:40", "14:20", "16:00"]')),
t AS MATERIALIZED (
  SELECT c.rowid AS row, c.clinician, c.minutes, d.n AS day, s.n AS place, d.day || 'T' || s.start || ':00Z' AS starts_at
  FROM clinicians c JOIN d JOIN s ON s.n BETWEEN 3 * (c.rowid % 3) + 1 AND 3 * (c.rowid % 3) + 3)
SELECT 'slt_' || alnum(9, 'slot', (row * 20 + day) * 4 + place - 3 * (row % 3)), clinician, starts_at, at(starts_at, '+' || minutes || ' minutes')
FROM t
ORDER BY row, day, place;

-- On one day every slot belongs to a different patient.
INSERT INTO appointments
SELECT 'apt_' || alnum(8, 'appointment', s.rowid), p.patient_id, s.slot_id, pick(CASE WHEN c.specialty NOT IN ('physiotherapy', 'orthopaedics') AND chance(0.2, 'video', s.rowid) THEN 'by_video_' ELSE 'reasons_' END || c.specialty, s.rowid),
       CASE WHEN c.specialty NOT IN ('physiotherapy', 'orthopaedics') AND chance(0.2, 'video', s.rowid) THEN 'video' ELSE 'in_person' END,
       CASE WHEN s.ends_at < now() THEN CASE WHEN chance(0.12, 'missed', s.rowid) THEN 'missed' ELSE 'completed' END
            WHEN s.starts_at < at(now(), '+90 minutes') AND chance(0.6, 'here', s.rowid) THEN 'arrived' ELSE 'booked' END,
       NULL, at(min(s.starts_at, now()), '-' || draw(2, 40, 'made', s.rowid) || ' days', draw(8, 16, 'hour', s.rowid) || ':' || draw(10, 59, 'minute', s.rowid))
FROM slots s JOIN clinicians c USING (clinician)
JOIN patients p ON p.rowid = 1 + (c.rowid * 6 + s.rowid % 3 + CAST(julianday(substr(s.starts_at, 1, 10)) AS INTEGER) * 17) % 60
WHERE chance(0.42, 'taken', s.rowid)
ORDER BY s.rowid;

INSERT INTO appointments
SELECT 'apt_' || alnum(8, 'appointment', 5000 + s.rowid), p.patient_id, s.slot_id, pick('reasons_' || c.specialty, 'off', s.rowid),
       'in_person', 'cancelled', CASE WHEN chance(0.7, 'by', s.rowid) THEN 'patient' ELSE 'clinic' END,
       at(min(s.starts_at, now()), '-' || draw(2, 20, 'first', s.rowid) || ' days')
FROM slots s JOIN clinicians c USING (clinician) JOIN patients p ON p.rowid = 1 + s.rowid * 11 % 60
WHERE chance(0.06, 'off', s.rowid) ORDER BY s.rowid;

INSERT OR IGNORE INTO referrals
SELECT 'ref_' || alnum(7, 'referral', a.rowid), a.appointment_id, q.specialty, pick('urgencies', a.rowid), q.question
FROM appointments a JOIN slots s USING (slot_id) JOIN clinicians c USING (clinician)
JOIN (SELECT value ->> '$.specialty' AS specialty, value ->> '$.question' AS question, key
      FROM json_each('[{"specialty":"cardiology","question":"irregular pulse on examination, please assess"},
        {"specialty":"dermatology","question":"pigmented mole on the back, please check"},
        {"specialty":"physiotherapy","question":"weak thigh after a knee sprain, please treat"}]')) q
  ON q.key = draw(0, 2, 'sent to', a.rowid) AND q.specialty <> c.specialty
WHERE a.status = 'completed' AND chance(0.3, 'referred', a.rowid) ORDER BY a.rowid;

--- invariant one appointment at most holds a slot
SELECT slot_id FROM appointments WHERE status <> 'cancelled' GROUP BY slot_id HAVING count(*) > 1;
--- invariant no clinician has two slots at once
SELECT s.slot_id FROM slots s JOIN slots t ON t.clinician = s.clinician AND t.starts_at > s.starts_at WHERE t.starts_at < s.ends_at;
--- invariant nobody sees two clinicians at once
SELECT a.appointment_id FROM appointments a JOIN slots s USING (slot_id), appointments b JOIN slots t ON t.slot_id = b.slot_id
WHERE a.patient_id = b.patient_id AND a.appointment_id < b.appointment_id AND a.status <> 'cancelled' AND b.status <> 'cancelled'
  AND s.starts_at < t.ends_at AND t.starts_at < s.ends_at;
--- invariant nobody is referred from a visit that was not held
SELECT referral_id FROM referrals JOIN appointments USING (appointment_id) WHERE status NOT IN ('arrived', 'completed');

--- tool find_patients
--- error too_many_matches
SELECT 1 WHERE :birth_date IS NULL AND length(trim(:family_name)) < 3;
--- page patients
SELECT patient_id, given_name, family_name, birth_date FROM patients
WHERE matches(family_name, :family_name) AND (:birth_date IS NULL OR birth_date = :birth_date)
ORDER BY family_name, given_name, patient_id;

--- tool register_patient
--- error possible_duplicate
SELECT 1 FROM patients
WHERE fold(given_name) = fold(:given_name) AND fold(family_name) = fold(:family_name) AND birth_date = :birth_date;
--- error insurance_not_valid
SELECT 1 WHERE :insurance_number IS NOT NULL AND NOT EXISTS (SELECT 1 FROM insured WHERE insurance_number = :insurance_number);
--- let
SELECT 'pt_' || digits(7, 'patient', 20000 + fresh(0)) AS patient_id;
--- do
INSERT INTO patients VALUES (:patient_id, :given_name, :family_name, :birth_date, :phone, :insurance_number);
--- result
SELECT patient_id, given_name, family_name, birth_date, phone, insurance_number, 'active' AS patient_status
FROM patients WHERE patient_id = :patient_id;

--- tool list_open_slots
--- error dates_reversed
SELECT 1 WHERE :end_date < :start_date;
--- error period_too_long
SELECT 1 WHERE julianday(:end_date) - julianday(:start_date) > 60;
--- let
SELECT 12 AS "limit";
--- page slots
SELECT s.slot_id, s.clinician, c.site, s.starts_at, c.minutes FROM slots s JOIN clinicians c USING (clinician)
WHERE c.specialty = :specialty AND substr(s.starts_at, 1, 10) BETWEEN :start_date AND :end_date AND s.starts_at > now()
  AND (:clinician IS NULL OR matches(s.clinician, :clinician))
  AND NOT EXISTS (SELECT 1 FROM appointments a WHERE a.slot_id = s.slot_id AND a.status <> 'cancelled')
ORDER BY s.starts_at, s.slot_id;

--- tool book_appointment
--- error patient_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM patients WHERE patient_id = :patient_id);
--- error slot_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM slots WHERE slot_id = :slot_id);
--- error slot_taken
SELECT 1 FROM slots s
WHERE s.slot_id = :slot_id
  AND (s.starts_at <= now() OR EXISTS (SELECT 1 FROM appointments a WHERE a.slot_id = s.slot_id AND a.status <> 'cancelled'));
--- error overlapping_appointment
SELECT 1 FROM slots n, appointments a JOIN slots s ON s.slot_id = a.slot_id
WHERE n.slot_id = :slot_id AND a.patient_id = :patient_id AND a.status <> 'cancelled'
  AND s.starts_at < n.ends_at AND n.starts_at < s.ends_at;
--- let
SELECT 'apt_' || alnum(8, 'appointment', 20000 + fresh(0)) AS appointment_id;
--- do
INSERT INTO appointments VALUES
  (:appointment_id, :patient_id, :slot_id, :visit_reason, coalesce(:visit_type, 'in_person'), 'booked', NULL, now());
--- result
SELECT appointment_id, patient_id, slot_id, visit_reason, visit_type, starts_at, status
FROM appointments JOIN slots USING (slot_id) WHERE appointment_id = :appointment_id;

--- tool get_appointment
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE appointment_id = :appointment_id);
--- result
SELECT appointment_id, patient_id, slot_id, visit_reason, visit_type, clinician, starts_at, status, created_at
FROM appointments JOIN slots USING (slot_id) WHERE appointment_id = :appointment_id;

--- tool cancel_appointment
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE appointment_id = :appointment_id);
--- error patient_already_arrived
SELECT 1 FROM appointments WHERE appointment_id = :appointment_id AND status = 'arrived';
--- error visit_not_open
SELECT 1 FROM appointments WHERE appointment_id = :appointment_id AND status <> 'booked';
--- do
UPDATE appointments SET status = 'cancelled', cancelled_by = :cancelled_by WHERE appointment_id = :appointment_id;
--- result
SELECT appointment_id, slot_id, cancelled_by, status FROM appointments WHERE appointment_id = :appointment_id;

--- tool create_referral
--- error appointment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM appointments WHERE appointment_id = :appointment_id);
--- error visit_not_held
SELECT 1 FROM appointments WHERE appointment_id = :appointment_id AND status NOT IN ('arrived', 'completed');
--- error referral_exists
SELECT 1 FROM referrals WHERE appointment_id = :appointment_id AND specialty = :specialty;
--- let
SELECT 'ref_' || alnum(7, 'referral', 20000 + fresh(0)) AS referral_id;
--- do
INSERT INTO referrals VALUES (:referral_id, :appointment_id, :specialty, coalesce(:urgency, 'routine'), :clinical_question);
--- result
SELECT referral_id, appointment_id, patient_id, specialty, urgency, clinical_question, 'sent' AS referral_status
FROM referrals JOIN appointments USING (appointment_id) WHERE referral_id = :referral_id;
