-- Pellgate Triage: assets of one company, their scans, and what the scans found. A scan waits a minute, then runs, and is finished or
-- failed once its time is over. A finding is fixed, accepted, assigned, or open. The scoring model is updated in the last minute of each hour.

--- tables
CREATE TABLE members (
  email TEXT PRIMARY KEY,
  member_name TEXT NOT NULL
);
CREATE TABLE assets (
  asset_id TEXT PRIMARY KEY,
  asset_kind TEXT NOT NULL CHECK (asset_kind IN ('host', 'container_image', 'repository')),
  locator TEXT NOT NULL UNIQUE,
  criticality TEXT NOT NULL CHECK (criticality IN ('low', 'medium', 'high'))
);
CREATE TABLE scans (
  scan_id TEXT PRIMARY KEY,
  asset_id TEXT NOT NULL REFERENCES assets,
  profile TEXT NOT NULL CHECK (profile IN ('quick', 'standard', 'deep')),
  created_at TEXT NOT NULL,
  over_at TEXT NOT NULL,
  failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
  CHECK (over_at > created_at)
);
CREATE INDEX scans_by_asset ON scans (asset_id);
CREATE TABLE findings (
  finding_id TEXT PRIMARY KEY,
  scan_id TEXT NOT NULL REFERENCES scans,
  cve TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  package_name TEXT NOT NULL,
  installed_version TEXT NOT NULL,
  fixed_version TEXT,
  assignee_email TEXT REFERENCES members (email),
  due_date TEXT,
  justification TEXT,
  accepted_until TEXT,
  fixed_at TEXT,
  UNIQUE (scan_id, package_name),
  CHECK ((assignee_email IS NULL) = (due_date IS NULL))
);
CREATE TABLE score_parts (
  part TEXT NOT NULL,
  word TEXT NOT NULL,
  points REAL NOT NULL,
  PRIMARY KEY (part, word)
);

--- populate
INSERT INTO members SELECT email(person(n), 'northquay.example'), person(n) FROM numbers WHERE n <= 9 ORDER BY n;

INSERT INTO assets
SELECT 'ast_' || alnum(8, 'asset', n), nth('assets', n, 'kind'), nth('assets', n, 'locator'), nth('assets', n, 'weight') FROM numbers WHERE n <= 14 ORDER BY n;

-- The last scan of each asset is from this week, the one before from two or three weeks ago. Some of the last ones still run, some failed.
INSERT INTO scans
SELECT 'scn_' || alnum(8, 'scan', a.rowid * 2 + k.n), a.asset_id, pick('profiles', a.rowid, k.n), began,
       at(began, '+' || CASE WHEN k.n = 2 AND a.rowid % 5 = 0 THEN 95 ELSE draw(8, 50, 'lasted', a.rowid, k.n) END || ' minutes'),
       k.n = 2 AND a.rowid % 5 = 3
FROM assets a JOIN numbers k ON k.n <= 2
JOIN (SELECT x.rowid AS place, y.n AS k,
             CASE WHEN y.n = 1 THEN at(now(), '-' || draw(14, 24, 'earlier', x.rowid) || ' days', '0' || draw(1, 6, 'h', x.rowid) || ':' || draw(10, 59, 'm', x.rowid))
                  WHEN x.rowid % 5 = 0 THEN at(now(), '-' || draw(6, 25, 'running', x.rowid) || ' minutes')
                  ELSE at(now(), '-' || draw(1, 5, 'lately', x.rowid) || ' days', '0' || draw(1, 6, 'h2', x.rowid) || ':' || draw(10, 59, 'm2', x.rowid)) END AS began
      FROM assets x JOIN numbers y ON y.n <= 2) t ON t.place = a.rowid AND t.k = k.n
ORDER BY a.rowid, k.n;

INSERT INTO findings
SELECT 'fnd_' || alnum(8, 'finding', place), scan_id, 'CVE-' || nth('weaknesses', v, 'year') || '-' || digits(5, 'cve', v), nth('weaknesses', v, 'severity'),
       nth('weaknesses', v, 'package'), nth('weaknesses', v, 'installed'), nth('weaknesses', v, 'fixed'),
       CASE WHEN state BETWEEN 4 AND 6 THEN (SELECT email FROM members m WHERE m.rowid = 1 + place % 9) END,
       CASE WHEN state BETWEEN 4 AND 6 THEN at(now(), '+' || (7 * draw(1, 3, 'due', place)) || ' days', 'date') END,
       CASE WHEN state = 7 AND nth('weaknesses', v, 'severity') <> 'critical' THEN pick('justifications', place) END,
       CASE WHEN state = 7 AND nth('weaknesses', v, 'severity') <> 'critical' THEN at(now(), '+' || (7 * draw(5, 30, 'until', place)) || ' days', 'date') END,
       CASE WHEN state = 8 THEN at(now(), '-' || draw(1, 6, 'fixed', place) || ' hours') END
FROM (
  SELECT s.scan_id, s.rowid * 10 + k.n AS place, 1 + (s.rowid * 3 + k.n * 5) % 16 AS v, CASE WHEN s.rowid % 2 = 1 AND k.n <= 2 THEN 8 ELSE draw(1, 8, 'state', s.rowid, k.n) END AS state
  FROM scans s JOIN numbers k ON k.n <= draw(4, 6, 'many', s.rowid) WHERE NOT s.failed AND s.over_at < now())
ORDER BY place;

INSERT INTO score_parts VALUES
  ('attack_vector', 'network', 5.0), ('attack_vector', 'adjacent', 3.9), ('attack_vector', 'local', 2.7), ('attack_vector', 'physical', 1.2),
  ('exploit_maturity', 'none', 0.0), ('exploit_maturity', 'proof_of_concept', 1.6), ('exploit_maturity', 'active', 3.2),
  ('criticality', 'low', 0.0), ('criticality', 'medium', 0.8), ('criticality', 'high', 1.7);

--- invariant no critical finding is accepted
SELECT finding_id FROM findings WHERE severity = 'critical' AND justification IS NOT NULL;
--- invariant nothing is found before a scan is over
SELECT finding_id FROM findings JOIN scans USING (scan_id) WHERE failed OR over_at > now();

--- tool register_asset
--- error asset_exists
SELECT 1 FROM assets WHERE fold(locator) = fold(:locator);
--- error locator_unreachable
SELECT 1 WHERE :locator LIKE '%.lan' OR :locator LIKE '%.internal' OR :locator LIKE '%.local' OR :locator LIKE '%.lan/%';
--- let
SELECT 'ast_' || alnum(8, 'asset', fresh(0)) AS asset_id;
--- do
INSERT INTO assets VALUES (:asset_id, :asset_kind, :locator, :criticality);
--- result
SELECT asset_id, asset_kind, locator, criticality, 'never_scanned' AS status FROM assets WHERE asset_id = :asset_id;

--- tool start_scan
--- error asset_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM assets WHERE asset_id = :asset_id);
--- error scan_already_running
SELECT 1 FROM scans WHERE asset_id = :asset_id AND over_at > now();
--- let
SELECT 'scn_' || alnum(8, 'scan', fresh(0)) AS scan_id;
--- do
INSERT INTO scans VALUES (:scan_id, :asset_id, :profile, now(), at(now(), '+' || CASE :profile WHEN 'quick' THEN 15 WHEN 'standard' THEN 45 ELSE 180 END || ' minutes'), 0);
--- result
SELECT scan_id, asset_id, profile, 'queued' AS status FROM scans WHERE scan_id = :scan_id;

--- tool get_scan
--- error scan_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM scans WHERE scan_id = :scan_id);
--- result
SELECT scan_id, asset_id, profile, created_at,
       CASE WHEN over_at <= now() THEN CASE WHEN failed THEN 'failed' ELSE 'finished' END WHEN at(created_at, '+1 minutes') > now() THEN 'queued' ELSE 'running' END AS status,
       (SELECT count(*) FROM findings f WHERE f.scan_id = s.scan_id AND f.severity = 'critical') AS critical_count,
       (SELECT count(*) FROM findings f WHERE f.scan_id = s.scan_id AND f.severity = 'high') AS high_count
FROM scans s WHERE scan_id = :scan_id;

--- tool list_findings
--- error scan_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM scans WHERE scan_id = :scan_id);
--- error scan_not_finished
SELECT 1 FROM scans WHERE scan_id = :scan_id AND over_at > now();
--- page findings
SELECT finding_id, cve, severity, package_name FROM findings
WHERE scan_id = :scan_id
  AND instr('low medium high critical', severity) >= instr('low medium high critical', :min_severity)
ORDER BY instr('critical high medium low', severity), package_name, finding_id;

--- tool get_finding
--- error finding_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM findings WHERE finding_id = :finding_id);
--- result
SELECT finding_id, scan_id, cve, severity, package_name, installed_version, fixed_version, assignee_email, due_date,
       CASE WHEN fixed_at IS NOT NULL THEN 'fixed' WHEN justification IS NOT NULL THEN 'risk_accepted' WHEN assignee_email IS NOT NULL THEN 'assigned' ELSE 'open' END AS status
FROM findings WHERE finding_id = :finding_id;

--- tool assign_finding
--- error finding_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM findings WHERE finding_id = :finding_id);
--- error finding_fixed
SELECT 1 FROM findings WHERE finding_id = :finding_id AND fixed_at IS NOT NULL;
--- error assignee_unknown
SELECT 1 WHERE :assignee_email NOT IN (SELECT email FROM members);
--- error due_date_passed
SELECT 1 WHERE :due_date < substr(now(), 1, 10);
--- do
UPDATE findings SET assignee_email = :assignee_email, due_date = :due_date, justification = NULL, accepted_until = NULL WHERE finding_id = :finding_id;
--- result
SELECT finding_id, assignee_email, due_date, 'assigned' AS status FROM findings WHERE finding_id = :finding_id;

--- tool accept_risk
--- error finding_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM findings WHERE finding_id = :finding_id);
--- error finding_fixed
SELECT 1 FROM findings WHERE finding_id = :finding_id AND fixed_at IS NOT NULL;
--- error severity_too_high
SELECT 1 FROM findings WHERE finding_id = :finding_id AND severity = 'critical';
--- error end_date_passed
SELECT 1 WHERE :end_date < substr(now(), 1, 10);
--- error end_date_too_far
SELECT 1 WHERE :end_date > at(now(), '+365 days', 'date');
--- do
UPDATE findings SET justification = :justification, accepted_until = :end_date, assignee_email = NULL, due_date = NULL WHERE finding_id = :finding_id;
--- result
SELECT finding_id, justification, accepted_until AS end_date, 'risk_accepted' AS status FROM findings WHERE finding_id = :finding_id;

--- tool score_exposure
--- error model_unavailable
SELECT 1 WHERE substr(now(), 15, 2) = '59';
--- result
SELECT score, CASE WHEN score >= 9 THEN 3 WHEN score >= 7 THEN 14 WHEN score >= 5 THEN 30 WHEN score >= 3 THEN 60 ELSE 120 END AS suggested_days
FROM (SELECT round(sum(points), 1) AS score FROM score_parts
      WHERE part = 'attack_vector' AND word = :attack_vector OR part = 'exploit_maturity' AND word = :exploit_maturity OR part = 'criticality' AND word = :criticality);
