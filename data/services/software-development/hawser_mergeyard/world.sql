-- Hawser Mergeyard: code hosting with a merge queue, seen by one developer. Moments are UTC.
-- A change is merged, abandoned or queued where that happened to it, else approved once it lacks no approval, else in review.
-- What lands on a repository's main branch after a change was opened conflicts with it where it touches the same file.

--- tables
CREATE TABLE team (
  email TEXT PRIMARY KEY,
  full_name TEXT NOT NULL,
  is_me INTEGER NOT NULL CHECK (is_me IN (0, 1))
);
CREATE TABLE repositories (
  repository TEXT PRIMARY KEY,
  approvals_needed INTEGER NOT NULL CHECK (approvals_needed BETWEEN 1 AND 2),
  test_minutes INTEGER NOT NULL
);
CREATE TABLE main_files (
  repository TEXT NOT NULL REFERENCES repositories,
  file_path TEXT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (repository, file_path)
);
CREATE TABLE branches (
  branch_id TEXT PRIMARY KEY,
  repository TEXT NOT NULL REFERENCES repositories,
  branch_name TEXT NOT NULL,
  from_branch TEXT NOT NULL,
  head_commit TEXT NOT NULL UNIQUE,
  is_deleted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE branch_files (              -- what a branch changes
  branch_id TEXT NOT NULL REFERENCES branches,
  file_path TEXT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (branch_id, file_path)
);
CREATE TABLE changes (
  change_id TEXT PRIMARY KEY,
  branch_id TEXT NOT NULL REFERENCES branches,
  change_title TEXT NOT NULL,
  change_summary TEXT NOT NULL,
  author_email TEXT NOT NULL REFERENCES team,
  created_at TEXT NOT NULL,
  checks_done_at TEXT NOT NULL,
  checks_passed INTEGER NOT NULL CHECK (checks_passed IN (0, 1)),
  queued_at TEXT,
  merge_method TEXT CHECK (merge_method IN ('squash', 'rebase', 'merge_commit')),
  merged_at TEXT,
  abandoned_at TEXT,
  abandon_reason TEXT,
  CHECK (merged_at IS NULL OR abandoned_at IS NULL)
);
CREATE INDEX changes_by_branch ON changes (branch_id);
CREATE TABLE reviewers (
  change_id TEXT NOT NULL REFERENCES changes,
  email TEXT NOT NULL REFERENCES team,
  PRIMARY KEY (change_id, email)
);
CREATE TABLE reviews (
  review_id TEXT PRIMARY KEY,
  change_id TEXT NOT NULL REFERENCES changes,
  email TEXT NOT NULL REFERENCES team,
  verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'request_changes', 'comment')),
  review_text TEXT NOT NULL,
  anchor TEXT,
  stands INTEGER NOT NULL,               -- 0 once the reviewer has given another verdict
  created_at TEXT NOT NULL
);
CREATE INDEX reviews_by_change ON reviews (change_id);
CREATE TABLE landings (                  -- what reached main, through a change or as a hotfix
  repository TEXT NOT NULL REFERENCES repositories,
  file_path TEXT NOT NULL,
  landed_at TEXT NOT NULL
);

--- populate
INSERT INTO team
SELECT email(person(800 + n), nth('orgs', 1) || '.example'), person(800 + n), n = 7 FROM numbers WHERE n <= 7 ORDER BY n;

INSERT INTO repositories
SELECT nth('orgs', 1) || '/' || value, draw(1, 2, 'approvals', value), draw(5, 14, 'minutes', value)
FROM json_each('["quote-api", "parcel-web", "ledger-jobs", "fleet-app", "infra-modules"]') ORDER BY value;
INSERT INTO main_files SELECT repository, 'README.md', '# ' || repository || char(10) FROM repositories ORDER BY repository;

-- 1 to 10 are merged, 11 to 14 abandoned, 15 to 18 queued, 19 to 29 approved, 30 to 45 in review.
INSERT INTO branches
SELECT 'br_' || hexdigits(10, 'branch', n), nth('orgs', 1) || '/' || nth('changes', n, 'r'), nth('changes', n, 'b'), 'main',
       hexdigits(14, 'commit', n) || hexdigits(13, 'tree', n) || hexdigits(13, 'parent', n), n BETWEEN 11 AND 14
FROM numbers WHERE n <= 45 ORDER BY n;
INSERT INTO branch_files
SELECT 'br_' || hexdigits(10, 'branch', n), value, ''
FROM (SELECT n, nth('changes', n, 'f') AS paths FROM numbers WHERE n <= 45), json_each('["' || replace(paths, ' ', '","') || '"]') ORDER BY n, value;

INSERT INTO changes
SELECT 'chg_' || digits(6, 'change', n), 'br_' || hexdigits(10, 'branch', n), nth('changes', n, 't'), nth('changes', n, 's'),
       CASE WHEN n IN (21, 24, 29) OR n > 37 OR n % 4 = 1 AND n < 19 THEN email(person(801 + n % 6), nth('orgs', 1) || '.example')
            ELSE (SELECT email FROM team WHERE is_me) END,
       opened, at(opened, CASE n WHEN 23 THEN '+200 hours' WHEN 31 THEN '+200 hours' ELSE '+' || draw(4, 19, 'checks', n) || ' minutes' END),
       n NOT IN (22, 25, 33, 36, 40, 44),
       CASE WHEN n <= 10 OR n BETWEEN 15 AND 18 THEN at(now(), '-' || CASE WHEN n <= 10 THEN (n + 11) || ' days' ELSE n || ' minutes' END) END,
       CASE WHEN n <= 10 OR n BETWEEN 15 AND 18 THEN pick('methods', n) END,
       CASE WHEN n <= 10 THEN at(now(), '-' || (n + 11) || ' days', '+' || draw(8, 55, 'landing', n) || ' minutes') END,
       CASE WHEN n BETWEEN 11 AND 14 THEN at(opened, '+3 days') END,
       CASE WHEN n BETWEEN 11 AND 14 THEN pick('abandoned', n) END
FROM (SELECT n, at(now(), '-' || CASE WHEN n <= 14 THEN draw(24, 40, 'age', n) WHEN n <= 29 THEN draw(3, 8, 'age', n) ELSE draw(1, 5, 'age', n) END || ' days',
                   pick('hours', n)) AS opened FROM numbers WHERE n <= 45)
ORDER BY n;

INSERT INTO reviewers
SELECT c.change_id, t.email FROM changes c JOIN team t
WHERE (NOT t.is_me AND t.email <> c.author_email AND (t.rowid + c.rowid) % 3 = 0) OR (t.is_me AND c.rowid > 37)
ORDER BY c.rowid, t.rowid;
-- Those past review have the approvals that they need, the others one less or a demand for changes.
INSERT INTO reviews
SELECT 'rev_' || hexdigits(8, 'review', number * 8 + place), change_id, email,
       CASE WHEN number > 29 AND number % 5 = 0 THEN 'request_changes' ELSE 'approve' END,
       CASE WHEN number > 29 AND number % 5 = 0 THEN pick('demands', number) ELSE pick('praises', number, place) END, NULL, 1,
       at(created_at, '+' || (place * draw(2, 9, 'slow', number)) || ' hours')
FROM (
  SELECT c.rowid AS number, c.change_id, c.created_at, t.email, r.approvals_needed,
         row_number() OVER (PARTITION BY c.change_id ORDER BY t.rowid) AS place
  FROM changes c JOIN branches b USING (branch_id) JOIN repositories r USING (repository) JOIN reviewers v USING (change_id) JOIN team t USING (email)
  WHERE NOT t.is_me AND (c.rowid < 11 OR c.rowid > 14))
WHERE place <= CASE WHEN number <= 29 THEN approvals_needed WHEN number % 5 = 0 THEN 1 ELSE approvals_needed - 1 END
ORDER BY number, place;
-- A second approval where only one reviewer was asked.
INSERT INTO reviews
SELECT 'rev_' || hexdigits(8, 'second', c.rowid), c.change_id,
       (SELECT t.email FROM team t WHERE NOT t.is_me AND t.email <> c.author_email
          AND t.email NOT IN (SELECT v.email FROM reviews v WHERE v.change_id = c.change_id) ORDER BY t.rowid LIMIT 1),
       'approve', pick('praises', c.rowid, 'second'), NULL, 1, at(c.created_at, '+30 hours')
FROM changes c JOIN branches b USING (branch_id) JOIN repositories r USING (repository)
WHERE (c.rowid <= 10 OR c.rowid BETWEEN 15 AND 29)
  AND (SELECT count(*) FROM reviews v WHERE v.change_id = c.change_id) < r.approvals_needed
ORDER BY c.rowid;

INSERT INTO landings
SELECT b.repository, f.file_path, c.merged_at FROM changes c JOIN branches b USING (branch_id) JOIN branch_files f USING (branch_id)
WHERE c.merged_at IS NOT NULL ORDER BY c.rowid, f.file_path;
INSERT INTO landings
SELECT b.repository, min(f.file_path), at(now(), '-' || draw(3, 20, 'hotfix', c.rowid) || ' hours')
FROM changes c JOIN branches b USING (branch_id) JOIN branch_files f USING (branch_id) WHERE c.rowid IN (20, 27) GROUP BY c.rowid ORDER BY c.rowid;

-- Branches without a change: one has nothing of its own, two bear names that somebody may want to use.
INSERT INTO branches
SELECT 'br_' || hexdigits(10, 'branch', 60 + n), repository,
       CASE n WHEN 1 THEN 'spike/empty' ELSE nth('additions', n, 'branch') END, 'main', hexdigits(14, 'commit', 60 + n) || hexdigits(13, 'tree', 60 + n) || hexdigits(13, 'parent', 60 + n), 0
FROM (SELECT repository, row_number() OVER (ORDER BY repository) AS n FROM repositories) WHERE n <= 4 ORDER BY n;

--- invariant nobody approves a change of their own
SELECT change_id FROM changes JOIN reviews USING (change_id) WHERE author_email = email AND verdict = 'approve';
--- invariant a reviewer has one standing verdict at most
SELECT change_id FROM reviews WHERE stands AND verdict <> 'comment' GROUP BY change_id, email HAVING count(*) > 1;
--- invariant what is queued or merged has passed its checks
SELECT change_id FROM changes WHERE queued_at IS NOT NULL AND NOT checks_passed;
--- invariant a branch has one open change at most
SELECT branch_id FROM changes WHERE merged_at IS NULL AND abandoned_at IS NULL GROUP BY branch_id HAVING count(*) > 1;

--- tool create_branch
--- error repository_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM repositories WHERE repository = :repository);
--- error branch_exists
SELECT 1 WHERE :branch_name = 'main' OR EXISTS (
  SELECT 1 FROM branches WHERE repository = :repository AND branch_name = :branch_name AND NOT is_deleted);
--- error from_branch_not_found
SELECT 1 WHERE :from_branch <> 'main' AND NOT EXISTS (
  SELECT 1 FROM branches WHERE repository = :repository AND branch_name = :from_branch AND NOT is_deleted);
--- let
SELECT 'br_' || hexdigits(10, 'branch', fresh(0)) AS branch_id;
--- do
INSERT INTO branches VALUES (:branch_id, :repository, :branch_name, :from_branch, hexdigits(14, 'commit', fresh(0)) || hexdigits(13, 'tree', fresh(0)) || hexdigits(13, 'parent', fresh(0)), 0);
--- result
SELECT branch_id, repository, branch_name, from_branch, head_commit FROM branches WHERE branch_id = :branch_id;

--- tool commit_file
--- error branch_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM branches WHERE branch_id = :branch_id AND NOT is_deleted);
--- error secret_detected
SELECT 1 WHERE :content GLOB '*BEGIN*PRIVATE KEY*' OR :content GLOB '*AKIA[A-Z0-9][A-Z0-9][A-Z0-9][A-Z0-9]*'
  OR fold(:content) GLOB '*password [a-z0-9]*' OR fold(:content) GLOB '*token [a-z0-9]*';
--- let
SELECT coalesce((SELECT content FROM branch_files WHERE branch_id = :branch_id AND file_path = :file_path),
                (SELECT content FROM main_files JOIN branches USING (repository) WHERE branch_id = :branch_id AND file_path = :file_path)) AS old_content;
--- error no_changes
SELECT 1 WHERE :old_content = :content;
--- let
SELECT replace(json_array(rtrim(replace(:content, '\', '/'), char(10))), '\n', '","') AS new_lines,
       CASE WHEN :old_content IS NULL THEN '[]' ELSE replace(json_array(rtrim(replace(:old_content, '\', '/'), char(10))), '\n', '","') END AS old_lines;
--- let
SELECT coalesce(sum(max(0, added - removed)), 0) AS lines_added, coalesce(sum(max(0, removed - added)), 0) AS lines_removed FROM (
  SELECT sum(is_new) AS added, sum(1 - is_new) AS removed
  FROM (SELECT value, 1 AS is_new FROM json_each(:new_lines) UNION ALL SELECT value, 0 FROM json_each(:old_lines)) GROUP BY value);
--- do
INSERT OR REPLACE INTO branch_files VALUES (:branch_id, :file_path, :content);
UPDATE branches SET head_commit = hexdigits(14, 'commit', fresh(1)) || hexdigits(13, 'tree', fresh(1)) || hexdigits(13, 'parent', fresh(1)) WHERE branch_id = :branch_id;
--- result
SELECT branch_id, :file_path AS file_path, :commit_message AS commit_message, head_commit, :lines_added AS lines_added, :lines_removed AS lines_removed
FROM branches WHERE branch_id = :branch_id;

--- tool open_change
--- error branch_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM branches WHERE branch_id = :branch_id AND NOT is_deleted);
--- error change_already_open
SELECT 1 FROM changes WHERE branch_id = :branch_id AND merged_at IS NULL AND abandoned_at IS NULL;
--- error nothing_to_merge
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM branch_files WHERE branch_id = :branch_id);
--- error reviewer_unknown
SELECT 1 FROM json_each(:reviewers) WHERE value NOT IN (SELECT email FROM team);
--- let
SELECT 'chg_' || digits(6, 'change', fresh(0)) AS change_id;
--- do
INSERT INTO changes VALUES
  (:change_id, :branch_id, :change_title, coalesce(:change_summary, ''), (SELECT email FROM team WHERE is_me), now(), at(now(), '+9 minutes'), 1,
   NULL, NULL, NULL, NULL, NULL);
INSERT INTO reviewers SELECT :change_id, value FROM json_each(:reviewers) ORDER BY key;
--- result
SELECT change_id, branch_id, repository, change_title, change_summary, 'in_review' AS status, created_at
FROM changes JOIN branches USING (branch_id) WHERE change_id = :change_id;
--- rows reviewers
SELECT email FROM reviewers WHERE change_id = :change_id ORDER BY email;

--- tool list_changes
--- error repository_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM repositories WHERE repository = :repository);
--- page changes
SELECT change_id, change_title, status, checks FROM (
  SELECT c.change_id, c.change_title,
         CASE WHEN c.merged_at IS NOT NULL THEN 'merged' WHEN c.abandoned_at IS NOT NULL THEN 'abandoned' WHEN c.queued_at IS NOT NULL THEN 'queued'
              WHEN r.approvals_needed <= (SELECT coalesce(sum(verdict = 'approve') - sum(verdict = 'request_changes'), 0) FROM reviews v
                                          WHERE v.change_id = c.change_id AND v.stands) THEN 'approved' ELSE 'in_review' END AS status,
         CASE WHEN c.checks_done_at > now() THEN 'running' WHEN c.checks_passed THEN 'passed' ELSE 'failed' END AS checks,
         max(c.created_at, coalesce(c.queued_at, ''), coalesce(c.merged_at, ''), coalesce(c.abandoned_at, ''),
             coalesce((SELECT max(created_at) FROM reviews v WHERE v.change_id = c.change_id), '')) AS active_at
  FROM changes c JOIN branches b USING (branch_id) JOIN repositories r USING (repository) WHERE repository = :repository)
WHERE :status IS NULL OR status = :status
ORDER BY active_at DESC, change_id;

--- tool get_change
--- error change_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM changes WHERE change_id = :change_id);
--- result
SELECT change_id, branch_id, repository, change_title, change_summary,
       CASE WHEN merged_at IS NOT NULL THEN 'merged' WHEN abandoned_at IS NOT NULL THEN 'abandoned' WHEN queued_at IS NOT NULL THEN 'queued'
            WHEN missing <= 0 THEN 'approved' ELSE 'in_review' END AS status,
       CASE WHEN checks_done_at > now() THEN 'running' WHEN checks_passed THEN 'passed' ELSE 'failed' END AS checks,
       (SELECT count(*) FROM branch_files f WHERE f.branch_id = c.branch_id) AS files_changed, max(0, missing) AS approvals_missing, created_at
FROM (
  SELECT changes.*, repository, approvals_needed - (SELECT coalesce(sum(verdict = 'approve') - sum(verdict = 'request_changes'), 0) FROM reviews v
                                                    WHERE v.change_id = changes.change_id AND v.stands) AS missing
  FROM changes JOIN branches USING (branch_id) JOIN repositories USING (repository)
) c WHERE change_id = :change_id;
--- rows reviewers
SELECT email FROM reviewers WHERE change_id = :change_id ORDER BY email;

--- tool add_review
--- error change_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM changes WHERE change_id = :change_id);
--- error change_closed
SELECT 1 FROM changes WHERE change_id = :change_id AND (merged_at IS NOT NULL OR abandoned_at IS NOT NULL);
--- error own_change
SELECT 1 FROM changes JOIN team ON email = author_email WHERE change_id = :change_id AND is_me AND :verdict = 'approve';
--- let
SELECT 'rev_' || hexdigits(8, 'review', fresh(0)) AS review_id;
--- do
UPDATE reviews SET stands = 0 WHERE change_id = :change_id AND :verdict <> 'comment' AND email = (SELECT email FROM team WHERE is_me);
INSERT INTO reviews VALUES (:review_id, :change_id, (SELECT email FROM team WHERE is_me), :verdict, :review_text, :anchor, 1, now());
--- result
SELECT review_id, change_id, verdict, review_text, anchor, max(0, approvals_needed - (
         SELECT coalesce(sum(o.verdict = 'approve') - sum(o.verdict = 'request_changes'), 0) FROM reviews o WHERE o.change_id = v.change_id AND o.stands)
       ) AS approvals_missing
FROM reviews v JOIN changes USING (change_id) JOIN branches USING (branch_id) JOIN repositories USING (repository) WHERE review_id = :review_id;

--- tool enqueue_merge
--- error change_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM changes WHERE change_id = :change_id);
--- error change_closed
SELECT 1 FROM changes WHERE change_id = :change_id AND (merged_at IS NOT NULL OR abandoned_at IS NOT NULL);
--- error already_queued
SELECT 1 FROM changes WHERE change_id = :change_id AND queued_at IS NOT NULL;
--- error approvals_missing
SELECT 1 FROM changes c JOIN branches USING (branch_id) JOIN repositories USING (repository)
WHERE change_id = :change_id AND approvals_needed > (
  SELECT coalesce(sum(verdict = 'approve') - sum(verdict = 'request_changes'), 0) FROM reviews v WHERE v.change_id = c.change_id AND v.stands);
--- error checks_running
SELECT 1 FROM changes WHERE change_id = :change_id AND checks_done_at > now();
--- error checks_failed
SELECT 1 FROM changes WHERE change_id = :change_id AND NOT checks_passed;
--- error merge_conflict
SELECT 1 FROM changes c JOIN branches b USING (branch_id) JOIN branch_files f USING (branch_id)
JOIN landings l ON l.repository = b.repository AND l.file_path = f.file_path AND l.landed_at > c.created_at
WHERE c.change_id = :change_id;
--- do
UPDATE changes SET queued_at = now(), merge_method = coalesce(:merge_method, 'squash') WHERE change_id = :change_id;
--- result
SELECT change_id, merge_method, 'queued' AS status, place AS queue_position, place * test_minutes AS estimated_minutes FROM (
  SELECT c.change_id, c.merge_method, r.test_minutes,
         (SELECT count(*) FROM changes o JOIN branches p USING (branch_id)
          WHERE p.repository = r.repository AND o.queued_at <= c.queued_at AND o.merged_at IS NULL AND o.abandoned_at IS NULL) AS place
  FROM changes c JOIN branches USING (branch_id) JOIN repositories r USING (repository) WHERE c.change_id = :change_id);

--- tool abandon_change
--- error change_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM changes WHERE change_id = :change_id);
--- error already_merged
SELECT 1 FROM changes WHERE change_id = :change_id AND merged_at IS NOT NULL;
--- error already_abandoned
SELECT 1 FROM changes WHERE change_id = :change_id AND abandoned_at IS NOT NULL;
--- do
UPDATE changes SET abandoned_at = now(), abandon_reason = :abandon_reason, queued_at = NULL WHERE change_id = :change_id;
UPDATE branches SET is_deleted = 1 WHERE branch_id = (SELECT branch_id FROM changes WHERE change_id = :change_id);
--- result
SELECT change_id, abandon_reason, 'abandoned' AS status, 1 AS branch_deleted FROM changes WHERE change_id = :change_id;
