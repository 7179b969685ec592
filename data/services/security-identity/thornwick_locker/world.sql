-- Thornwick Locker: secrets of one organisation. Values are never stored here: a secret is its versions and its age.
-- A workload may read a locker's secrets if it is named after the locker or has a grant. A lease is open until it expires,
-- is revoked, or the version it reads is replaced.

--- tables
CREATE TABLE quotas (
  environment TEXT PRIMARY KEY CHECK (environment IN ('development', 'staging', 'production')),
  most_lockers INTEGER NOT NULL
);
CREATE TABLE lockers (
  locker_id TEXT PRIMARY KEY,
  locker_name TEXT NOT NULL,
  environment TEXT NOT NULL REFERENCES quotas,
  owner_name TEXT,
  owner_email TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (locker_name, environment)
);
CREATE TABLE grants (
  locker_id TEXT NOT NULL REFERENCES lockers,
  workload_name TEXT NOT NULL,
  PRIMARY KEY (locker_id, workload_name)
);
CREATE TABLE secrets (
  secret_id TEXT PRIMARY KEY,
  locker_id TEXT NOT NULL REFERENCES lockers,
  secret_name TEXT NOT NULL,
  secret_kind TEXT NOT NULL CHECK (secret_kind IN ('password', 'api_token', 'signing_key')),
  rotation_days INTEGER NOT NULL CHECK (rotation_days BETWEEN 1 AND 730),
  version INTEGER NOT NULL CHECK (version >= 1),
  created_at TEXT NOT NULL,
  rotated_at TEXT NOT NULL,          -- when the value of this version was made
  grace_until TEXT,                  -- until when the value before it stays valid
  UNIQUE (locker_id, secret_name)
);
CREATE TABLE leases (
  lease_id TEXT PRIMARY KEY,
  secret_id TEXT NOT NULL REFERENCES secrets,
  workload_name TEXT NOT NULL,
  ttl_minutes INTEGER NOT NULL CHECK (ttl_minutes BETWEEN 5 AND 1440),
  issued_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  closed_at TEXT,                    -- ended by a rotation
  revoked_at TEXT,
  reason TEXT,
  CHECK ((revoked_at IS NULL) = (reason IS NULL))
);
CREATE INDEX leases_by_secret ON leases (secret_id);

--- populate
INSERT INTO quotas VALUES ('development', 12), ('staging', 9), ('production', 11);

-- Seven services: all of them have a production locker, most have the other two.
INSERT INTO lockers
SELECT 'lck_' || alnum(8, 'locker', t.n * 3 + e.key), nth('teams', t.n), e.value, person(t.n),
       email(person(t.n), 'larchmill.example'), at(now(), '-' || draw(800, 1600, 'created', t.n, e.key) || ' days', '10:20')
FROM numbers t JOIN json_each('["production", "staging", "development"]') e
WHERE t.n <= 7 AND (e.key = 0 OR t.n <= 2 OR chance(0.6, 'locker', t.n, e.key))
ORDER BY t.n, e.key;
-- One of the environments has no room left.
UPDATE quotas SET most_lockers = (SELECT count(*) FROM lockers l WHERE l.environment = quotas.environment)
WHERE environment = nth('environments', 1);

INSERT INTO grants
SELECT locker_id, 'svc-' || locker_name || '-worker' FROM lockers;
INSERT OR IGNORE INTO grants
SELECT locker_id, pick('helpers', locker_id, n) FROM lockers JOIN numbers ON n <= 2 WHERE chance(0.6, 'helper', locker_id, n);

INSERT INTO secrets
SELECT 'sec_' || alnum(8, 'secret', l.rowid * 10 + k.n), l.locker_id, nth('secrets', 1 + (o.place * 3 + k.n) % 15, 'name'),
       nth('secrets', 1 + (o.place * 3 + k.n) % 15, 'kind'), d.days, v.version,
       at(now(), '-' || (a.age + (v.version - 1) * d.days) || ' days', draw(8, 17, 'hour', l.rowid, k.n) || ':05'),
       at(now(), '-' || a.age || ' days', draw(8, 17, 'hour', l.rowid, k.n) || ':05'), NULL
FROM lockers l
JOIN (SELECT locker_name, min(rowid) AS place FROM lockers GROUP BY locker_name) o USING (locker_name)
JOIN numbers k ON k.n <= 4 + l.rowid % 2
JOIN (SELECT n, locker_id, pick('rotations', locker_id, n) AS days FROM lockers JOIN numbers ON n <= 5) d
  ON d.n = k.n AND d.locker_id = l.locker_id
JOIN (SELECT n, locker_id, draw(1, 4, 'version', locker_id, n) AS version FROM lockers JOIN numbers ON n <= 5) v
  ON v.n = k.n AND v.locker_id = l.locker_id
JOIN (
  SELECT n, locker_id,
         CASE WHEN chance(0.3, 'late', locker_id, n) THEN pick('rotations', locker_id, n) + draw(1, 40, 'late', locker_id, n)
              ELSE draw(2, pick('rotations', locker_id, n) - 1, 'age', locker_id, n) END AS age
  FROM lockers JOIN numbers ON n <= 5) a ON a.n = k.n AND a.locker_id = l.locker_id
ORDER BY l.rowid, k.n;

-- A few were rotated within the last minutes, and their old value is still valid for a while.
UPDATE secrets SET version = version + 1, rotated_at = at(now(), '-' || draw(4, 25, 'fresh', secret_id) || ' minutes'),
       grace_until = at(now(), '+' || draw(95, 200, 'grace', secret_id) || ' minutes')
WHERE rowid % 15 = 4;

INSERT INTO leases
SELECT 'lse_' || alnum(8, 'lease', s.rowid * 6 + k.n), s.secret_id,
       CASE k.n WHEN 1 THEN 'svc-' || l.locker_name WHEN 2 THEN 'svc-' || l.locker_name || '-worker' ELSE pick('helpers', l.locker_id, k.n - 2) END,
       t.ttl, at(now(), '-' || t.ago || ' minutes'), at(now(), (t.ttl - t.ago) || ' minutes'), NULL, NULL, NULL
FROM secrets s JOIN lockers l USING (locker_id) JOIN numbers k ON k.n <= draw(0, 4, 'leases', s.secret_id)
JOIN (
  SELECT n, secret_id, pick('ttls', secret_id, n) AS ttl, draw(2, pick('ttls', secret_id, n) * 13 / 10, 'ago', secret_id, n) AS ago
  FROM secrets JOIN numbers ON n <= 4) t ON t.n = k.n AND t.secret_id = s.secret_id
WHERE s.grace_until IS NULL
  AND (k.n <= 2 OR EXISTS (
    SELECT 1 FROM grants g WHERE g.locker_id = l.locker_id AND g.workload_name = pick('helpers', l.locker_id, k.n - 2)))
ORDER BY s.rowid, k.n;
UPDATE leases SET revoked_at = at(issued_at, '+1 minutes'), reason = pick('reasons', lease_id) WHERE rowid % 9 = 3;

--- invariant no environment holds more lockers than it may
SELECT environment FROM quotas q WHERE (SELECT count(*) FROM lockers l WHERE l.environment = q.environment) > most_lockers;
--- invariant a lease ends as many minutes after it was issued as it says
SELECT lease_id FROM leases WHERE expires_at <> at(issued_at, '+' || ttl_minutes || ' minutes');
--- invariant nothing is rotated before it is made
SELECT secret_id FROM secrets WHERE rotated_at < created_at OR rotated_at > now();
--- invariant workloads hold leases only where they may read
SELECT lease_id FROM leases JOIN secrets USING (secret_id) JOIN lockers USING (locker_id)
WHERE workload_name <> 'svc-' || locker_name AND NOT EXISTS (
  SELECT 1 FROM grants g WHERE g.locker_id = lockers.locker_id AND g.workload_name = leases.workload_name);

--- tool create_locker
--- error locker_name_taken
SELECT 1 FROM lockers WHERE locker_name = :locker_name AND environment = :environment;
--- error locker_quota_reached
SELECT 1 FROM quotas q
WHERE environment = :environment AND (SELECT count(*) FROM lockers l WHERE l.environment = q.environment) >= most_lockers;
--- let
SELECT 'lck_' || alnum(8, 'locker', fresh(0)) AS locker_id;
--- do
INSERT INTO lockers VALUES (:locker_id, :locker_name, :environment, NULL, :owner_email, now());
--- result
SELECT locker_id, locker_name, environment, owner_email, created_at FROM lockers WHERE locker_id = :locker_id;

--- tool list_lockers
--- page lockers
SELECT locker_id, locker_name, environment, (SELECT count(*) FROM secrets s WHERE s.locker_id = l.locker_id) AS secret_count
FROM lockers l WHERE :environment IS NULL OR environment = :environment
ORDER BY locker_name, environment;

--- tool add_secret
--- error locker_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM lockers WHERE locker_id = :locker_id);
--- error secret_name_taken
SELECT 1 FROM secrets WHERE locker_id = :locker_id AND secret_name = :secret_name;
--- let
SELECT 'sec_' || alnum(8, 'secret', fresh(0)) AS secret_id;
--- do
INSERT INTO secrets VALUES (:secret_id, :locker_id, :secret_name, :secret_kind, :rotation_days, 1, now(), now(), NULL);
--- result
SELECT secret_id, locker_id, secret_name, secret_kind, rotation_days, version, 'active' AS status
FROM secrets WHERE secret_id = :secret_id;

--- tool search_secrets
--- error locker_not_found
SELECT 1 WHERE :locker_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lockers WHERE locker_id = :locker_id);
--- page secrets
SELECT secret_id, secret_name, version, at(rotated_at, '+' || rotation_days || ' days') < now() AS overdue
FROM secrets
WHERE (:locker_id IS NULL OR locker_id = :locker_id)
  AND (:name_contains IS NULL OR instr(upper(secret_name), upper(:name_contains)) > 0)
  AND (NOT :overdue_only OR at(rotated_at, '+' || rotation_days || ' days') < now())
ORDER BY secret_name, secret_id;

--- tool get_secret
--- error secret_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM secrets WHERE secret_id = :secret_id);
--- result
SELECT secret_id, locker_id, secret_name, secret_kind, rotation_days, version,
       CASE WHEN at(rotated_at, '+' || rotation_days || ' days') < now() THEN 'overdue' ELSE 'active' END AS status,
       (SELECT count(*) FROM leases l WHERE l.secret_id = s.secret_id AND l.expires_at > now() AND l.revoked_at IS NULL
        AND (l.closed_at IS NULL OR l.closed_at > now())) AS open_lease_count,
       created_at
FROM secrets s WHERE secret_id = :secret_id;

--- tool issue_lease
--- error secret_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM secrets WHERE secret_id = :secret_id);
--- error workload_denied
SELECT 1 FROM secrets JOIN lockers l USING (locker_id)
WHERE secret_id = :secret_id AND :workload_name <> 'svc-' || locker_name AND NOT EXISTS (
  SELECT 1 FROM grants g WHERE g.locker_id = l.locker_id AND g.workload_name = :workload_name);
--- let
SELECT 'lse_' || alnum(8, 'lease', fresh(0)) AS lease_id;
--- do
INSERT INTO leases VALUES
  (:lease_id, :secret_id, :workload_name, :ttl_minutes, now(), at(now(), '+' || :ttl_minutes || ' minutes'), NULL, NULL, NULL);
--- result
SELECT lease_id, secret_id, workload_name, ttl_minutes, expires_at, 'open' AS status FROM leases WHERE lease_id = :lease_id;

--- tool revoke_lease
--- error lease_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM leases WHERE lease_id = :lease_id);
--- error already_revoked
SELECT 1 FROM leases WHERE lease_id = :lease_id AND revoked_at IS NOT NULL;
--- error lease_expired
SELECT 1 FROM leases WHERE lease_id = :lease_id AND (expires_at <= now() OR closed_at <= now());
--- do
UPDATE leases SET revoked_at = now(), reason = :reason WHERE lease_id = :lease_id;
--- result
SELECT lease_id, reason, revoked_at, 'revoked' AS status FROM leases WHERE lease_id = :lease_id;

--- tool rotate_secret
--- error secret_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM secrets WHERE secret_id = :secret_id);
--- error rotation_in_progress
SELECT 1 FROM secrets WHERE secret_id = :secret_id AND grace_until > now();
--- let
SELECT count(*) AS closed_lease_count FROM leases
WHERE secret_id = :secret_id AND expires_at > now() AND revoked_at IS NULL AND (closed_at IS NULL OR closed_at > now());
--- do
UPDATE leases SET closed_at = at(now(), '+' || :grace_minutes || ' minutes')
WHERE secret_id = :secret_id AND expires_at > now() AND revoked_at IS NULL AND closed_at IS NULL;
UPDATE secrets SET version = version + 1, rotated_at = now(),
       grace_until = CASE WHEN :grace_minutes > 0 THEN at(now(), '+' || :grace_minutes || ' minutes') END
WHERE secret_id = :secret_id;
--- result
SELECT secret_id, version, :grace_minutes AS grace_minutes, :closed_lease_count AS closed_lease_count, rotated_at, 'active' AS status
FROM secrets WHERE secret_id = :secret_id;
