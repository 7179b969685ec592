-- Plume Parlour: the social profiles of a few shops and clubs that share a desk. Moments are UTC.
-- A comment is unanswered until the profile has replied to it. The subscription covers three of the four kinds of network.

--- tables
CREATE TABLE businesses (
  place INTEGER PRIMARY KEY,
  business TEXT NOT NULL UNIQUE,
  stem TEXT NOT NULL,
  kind TEXT NOT NULL
);
CREATE TABLE covered (
  network_kind TEXT PRIMARY KEY CHECK (network_kind IN ('microblog', 'photo', 'video', 'forum')),
  longest INTEGER NOT NULL              -- characters of a post
);
CREATE TABLE profiles (
  profile_id TEXT PRIMARY KEY,
  place INTEGER NOT NULL REFERENCES businesses,
  handle TEXT NOT NULL UNIQUE,
  network_kind TEXT NOT NULL REFERENCES covered,
  follower_count INTEGER NOT NULL CHECK (follower_count >= 0)
);
CREATE TABLE posts (
  post_id TEXT PRIMARY KEY,
  profile_id TEXT NOT NULL REFERENCES profiles,
  body TEXT NOT NULL,
  hashtags TEXT NOT NULL,
  media_url TEXT,
  publish_at TEXT,
  status TEXT NOT NULL CHECK (status IN ('draft', 'scheduled', 'published', 'failed')),
  view_count INTEGER NOT NULL,
  like_count INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  CHECK ((status = 'draft') = (publish_at IS NULL)),
  CHECK (status = 'published' OR view_count + like_count = 0)
);
CREATE INDEX posts_by_profile ON posts (profile_id);
CREATE TABLE comments (
  comment_id TEXT PRIMARY KEY,
  post_id TEXT NOT NULL REFERENCES posts,
  author_handle TEXT NOT NULL,
  topic INTEGER,                        -- which line of the list of comments it is
  comment_text TEXT NOT NULL,
  takes_replies INTEGER NOT NULL CHECK (takes_replies IN (0, 1)),
  written_at TEXT NOT NULL
);
CREATE INDEX comments_by_post ON comments (post_id);
CREATE TABLE replies (
  reply_id TEXT PRIMARY KEY,
  comment_id TEXT NOT NULL REFERENCES comments,
  reply_text TEXT NOT NULL,
  written_at TEXT NOT NULL
);
CREATE INDEX replies_by_comment ON replies (comment_id);

--- populate
INSERT INTO businesses
SELECT n, nth('businesses', n, 'name'), nth('businesses', n, 'stem'), nth('businesses', n, 'kind') FROM numbers WHERE n <= 3 ORDER BY n;

INSERT INTO covered VALUES ('microblog', 280);
INSERT INTO covered
SELECT kind, CASE kind WHEN 'photo' THEN 2200 WHEN 'video' THEN 5000 ELSE 10000 END
FROM (SELECT nth('further_kinds', n) AS kind FROM numbers WHERE n <= 2) ORDER BY kind;

-- One profile of each kind for each business, and a new one that has hardly posted yet.
INSERT INTO profiles
SELECT 'prf_' || alnum(8, 'profile', place * 5 + k), place, handle, network_kind, CASE WHEN k = 4 THEN draw(20, 90, 'new followers') ELSE draw(180, 5200, 'followers', place, k) END
FROM (
  SELECT b.place, c.rowid AS k, c.network_kind,
         CASE c.network_kind WHEN 'microblog' THEN '@' || stem WHEN 'photo' THEN '@' || stem || '.photos' WHEN 'video' THEN '@' || stem || '_films' ELSE stem || '-forum' END AS handle
  FROM businesses b JOIN covered c
  UNION ALL
  SELECT place, 4, 'microblog', '@' || stem || '_daily' FROM businesses WHERE place = 3)
ORDER BY place, k;

-- Three posts are out on each profile, the newest from yesterday or so; one is planned, one is a draft, and on some one has failed.
INSERT INTO posts
SELECT 'pst_' || alnum(8, 'post', place * 7 + k), profile_id, body, CASE WHEN chance(0.6, 'tagged', place, k) THEN json_array(tag) ELSE '[]' END,
       CASE WHEN network_kind IN ('photo', 'video') THEN 'https://media.plume.example/' || lowers(10, 'media', place * 7 + k) || CASE network_kind WHEN 'photo' THEN '.jpg' ELSE '.mp4' END END,
       CASE WHEN status <> 'draft' THEN publish_at END, status,
       CASE WHEN status = 'published' THEN follower_count * views / 100 ELSE 0 END,
       CASE WHEN status = 'published' THEN follower_count * views * draw(2, 9, 'likes', place, k) / 10000 ELSE 0 END,
       min(at(publish_at, '-2 days', draw(9, 17, 'written', place, k) || ':20'), at(now(), '-3 hours'))
FROM (
  SELECT p.rowid AS place, k.n AS k, p.profile_id, p.network_kind, p.follower_count, b.kind AS tag, draw(25, 160, 'views', p.rowid, k.n) AS views,
         nth('past_' || b.kind, 1 + (k.n + p.rowid) % 5) AS body,
         CASE k.n WHEN 4 THEN 'scheduled' WHEN 5 THEN 'draft' WHEN 6 THEN 'failed' ELSE 'published' END AS status,
         CASE WHEN k.n <= 3 THEN at(now(), '-' || (k.n * k.n * 3 - 2 + draw(0, 2, 'days out', p.rowid, k.n)) || ' days', pick('hours', p.rowid, k.n))
              WHEN k.n = 6 THEN at(now(), '-' || draw(2, 9, 'failed', p.rowid) || ' days', pick('hours', p.rowid, 6))
              ELSE at(now(), '+' || draw(1, 6, 'planned', p.rowid) || ' days', pick('hours', p.rowid, k.n)) END AS publish_at
  FROM profiles p JOIN businesses b USING (place) JOIN numbers k
    ON k.n <= CASE WHEN p.handle LIKE '%_daily' THEN 1 WHEN p.rowid % 2 THEN 6 ELSE 5 END)
ORDER BY place, k;

INSERT INTO comments
SELECT 'cmt_' || alnum(8, 'comment', post * 7 + k), post_id, '@' || replace(slug(person(200 + post * 7 + k)), '-', CASE k % 2 WHEN 1 THEN '_' ELSE '' END),
       topic, nth('comments', topic, 'text'), NOT chance(0.09, 'closed', post, k), at(publish_at, '+' || draw(1, 13, 'after', post, k) || ' hours', '+' || (k * 7) || ' minutes')
FROM (
  SELECT p.rowid AS post, p.post_id, p.publish_at, k.n AS k, 1 + (p.rowid * 3 + k.n) % 12 AS topic
  FROM posts p JOIN numbers k ON k.n <= draw(0, 6, 'comments', p.rowid) WHERE p.status = 'published')
WHERE at(publish_at, '+' || draw(1, 13, 'after', post, k) || ' hours', '+' || (k * 7) || ' minutes') < at(now(), '-2 minutes')
ORDER BY post, k;

-- Most of the older comments have an answer, and few of the new ones; nobody answers one whose author takes no replies.
INSERT INTO replies
SELECT 'rpl_' || alnum(8, 'reply', c.rowid), comment_id, nth('comments', c.topic, 'reply'), min(at(c.written_at, '+' || draw(1, 20, 'reply', c.rowid) || ' hours'), at(now(), '-5 minutes'))
FROM comments c JOIN posts p USING (post_id)
WHERE c.takes_replies AND c.written_at < at(now(), '-30 minutes') AND (p.rowid % 4 = 1 OR chance(CASE WHEN c.written_at < at(now(), '-8 days') THEN 0.8 ELSE 0.25 END, 'replied', c.rowid))
ORDER BY c.rowid;

--- invariant two posts of a profile are at least five minutes apart
SELECT a.post_id FROM posts a JOIN posts b ON b.profile_id = a.profile_id AND b.post_id > a.post_id
WHERE a.status = 'scheduled' AND b.status = 'scheduled' AND abs(julianday(a.publish_at) - julianday(b.publish_at)) < 5 / 1440.0 - 0.00001;
--- invariant what is out was to be out by now
SELECT post_id FROM posts WHERE status IN ('published', 'failed') AND publish_at > now();
--- invariant only published posts have comments
SELECT comment_id FROM comments JOIN posts USING (post_id) WHERE status <> 'published' OR written_at < publish_at;
--- invariant nobody replies before there is a comment
SELECT reply_id FROM replies r JOIN comments c USING (comment_id) WHERE r.written_at < c.written_at;

--- tool list_profiles
--- error desk_suspended
SELECT 1 WHERE :network_kind IS NOT NULL AND :network_kind NOT IN (SELECT network_kind FROM covered);
--- page profiles
SELECT profile_id, handle, network_kind, follower_count FROM profiles
WHERE :network_kind IS NULL OR network_kind = :network_kind
ORDER BY handle;

--- tool create_post
--- error profile_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM profiles WHERE profile_id = :profile_id);
--- error body_too_long
SELECT 1 FROM profiles JOIN covered USING (network_kind) WHERE profile_id = :profile_id AND length(:body) > longest;
--- let
SELECT 'pst_' || alnum(8, 'post', fresh(0)) AS post_id;
--- do
INSERT INTO posts VALUES (:post_id, :profile_id, :body, coalesce(:hashtags, '[]'), :media_url, NULL, 'draft', 0, 0, now());
--- result
SELECT post_id, profile_id, body, hashtags, media_url, status FROM posts WHERE post_id = :post_id;

--- tool suggest_slot
--- error profile_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM profiles WHERE profile_id = :profile_id);
--- error date_in_past
SELECT 1 WHERE :date < at(now(), 'date');
--- error too_little_history
SELECT 1 WHERE (SELECT count(*) FROM posts WHERE profile_id = :profile_id AND status = 'published') < 3;
--- result
SELECT profile_id, CASE WHEN :date = at(now(), 'date') THEN at(:date, '20:30') ELSE at(:date, pick('good_hours', profile_id, weekday(:date))) END AS publish_at,
       follower_count * draw(60, 150, 'expected', profile_id, weekday(:date)) / 100 AS expected_views
FROM profiles WHERE profile_id = :profile_id;

--- tool schedule_post
--- error post_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE post_id = :post_id);
--- error post_not_draft
SELECT 1 FROM posts WHERE post_id = :post_id AND status <> 'draft';
--- error moment_in_past
SELECT 1 WHERE julianday(:publish_at) <= julianday(now());
--- error slot_taken
SELECT 1 FROM posts p JOIN posts o ON o.profile_id = p.profile_id AND o.status = 'scheduled'
WHERE p.post_id = :post_id AND abs(julianday(o.publish_at) - julianday(:publish_at)) < 5 / 1440.0;
--- do
UPDATE posts SET publish_at = strftime('%Y-%m-%dT%H:%M:%SZ', :publish_at), status = 'scheduled' WHERE post_id = :post_id;
--- result
SELECT post_id, publish_at, status FROM posts WHERE post_id = :post_id;

--- tool get_post
--- error post_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE post_id = :post_id);
--- result
SELECT post_id, profile_id, body, hashtags, media_url, publish_at, status, view_count, like_count, created_at FROM posts WHERE post_id = :post_id;

--- tool list_comments
--- error post_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE post_id = :post_id);
--- error post_not_published
SELECT 1 FROM posts WHERE post_id = :post_id AND status <> 'published';
--- page comments
SELECT comment_id, author_handle, comment_text FROM comments c
WHERE post_id = :post_id AND NOT (:unanswered_only AND EXISTS (SELECT 1 FROM replies r WHERE r.comment_id = c.comment_id))
ORDER BY written_at, comment_id;

--- tool reply_to_comment
--- error comment_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM comments WHERE comment_id = :comment_id);
--- error replies_closed
SELECT 1 FROM comments WHERE comment_id = :comment_id AND NOT takes_replies;
--- let
SELECT 'rpl_' || alnum(8, 'reply', fresh(0)) AS reply_id;
--- do
INSERT INTO replies VALUES (:reply_id, :comment_id, :reply_text, now());
--- result
SELECT reply_id, comment_id, reply_text, 'published' AS status FROM replies WHERE reply_id = :reply_id;

--- tool delete_post
--- error post_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM posts WHERE post_id = :post_id);
--- do
DELETE FROM replies WHERE comment_id IN (SELECT comment_id FROM comments WHERE post_id = :post_id);
DELETE FROM comments WHERE post_id = :post_id;
DELETE FROM posts WHERE post_id = :post_id;
--- result
SELECT :post_id AS post_id, 1 AS deleted;
