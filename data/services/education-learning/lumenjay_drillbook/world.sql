-- Lumenjay Drillbook: one learner's decks of flashcards. Moments are UTC; a card is due from the morning of its day on.
-- New cards are drawn up to the number that a deck introduces each day.

--- tables
CREATE TABLE decks (
  deck_id TEXT PRIMARY KEY,
  deck_name TEXT NOT NULL UNIQUE,
  front_language TEXT,
  new_cards_per_day INTEGER NOT NULL CHECK (new_cards_per_day BETWEEN 0 AND 200)
);
CREATE TABLE cards (
  card_id TEXT PRIMARY KEY,
  deck_id TEXT NOT NULL REFERENCES decks,
  front TEXT NOT NULL,
  back TEXT NOT NULL,
  tags TEXT NOT NULL,                    -- JSON
  stage TEXT NOT NULL CHECK (stage IN ('new', 'learning', 'mature', 'leech')),
  next_due_date TEXT,
  interval_days INTEGER NOT NULL CHECK (interval_days BETWEEN 0 AND 3650),
  lapse_count INTEGER NOT NULL CHECK (lapse_count >= 0),
  created_at TEXT NOT NULL,
  UNIQUE (deck_id, front)
);
CREATE TABLE reviews (
  review_id TEXT PRIMARY KEY,
  deck_id TEXT NOT NULL REFERENCES decks,
  drawn_in TEXT NOT NULL CHECK (drawn_in IN ('due_first', 'random', 'hardest_first')),
  opened_at TEXT NOT NULL,
  is_open INTEGER NOT NULL CHECK (is_open IN (0, 1))
);
CREATE TABLE drawn (
  review_id TEXT NOT NULL REFERENCES reviews,
  card_id TEXT NOT NULL,                 -- of a card that may have been deleted since
  place INTEGER NOT NULL,
  recall TEXT CHECK (recall IN ('again', 'hard', 'good', 'easy')),
  answered_at TEXT,
  PRIMARY KEY (review_id, card_id),
  CHECK ((recall IS NULL) = (answered_at IS NULL))
);

--- populate
INSERT INTO decks
SELECT 'dk' || hexdigits(10, 'deck', n), nth('decks', n, 'name'), nth('decks', n, 'lang'), 5 * draw(1, 4, 'pace', n)
FROM numbers WHERE n <= 10 ORDER BY n;

-- Decks 4 and 9 have nothing due. Of the others about half of the cards are.
INSERT INTO cards
SELECT 'cd' || hexdigits(12, 'card', d.rowid * 20 + c.key), d.deck_id, c.value ->> '$[0]', c.value ->> '$[1]', '[]', k.stage,
       CASE WHEN k.stage = 'new' THEN NULL
            WHEN d.rowid IN (4, 9) THEN at(now(), '+' || draw(1, 9, 'due', d.rowid, c.key) || ' days', 'date')
            WHEN chance(0.5, 'is due', d.rowid, c.key) OR c.key <= 1 THEN at(now(), '-' || draw(0, 2, 'due', d.rowid, c.key) || ' days', 'date')
            ELSE at(now(), '+' || draw(1, 9, 'due', d.rowid, c.key) || ' days', 'date') END,
       CASE k.stage WHEN 'new' THEN 0 WHEN 'mature' THEN draw(21, 90, 'interval', d.rowid, c.key) ELSE draw(9, 16, 'interval', d.rowid, c.key) END,
       CASE k.stage WHEN 'new' THEN 0 WHEN 'leech' THEN draw(6, 9, 'lapses', d.rowid, c.key) ELSE draw(0, 3, 'lapses', d.rowid, c.key) END,
       at(now(), '-' || draw(100, 300, 'made', d.rowid) || ' days', draw(7, 21, 'hour', d.rowid) || ':' || draw(10, 59, 'minute', d.rowid, c.key))
FROM decks d JOIN json_each(nth('decks', d.rowid, 'cards')) c
JOIN (SELECT n, m, CASE WHEN draw(1, 10, 'stage', n, m) <= 4 THEN 'learning' WHEN draw(1, 10, 'stage', n, m) <= 8 THEN 'mature'
                        WHEN draw(1, 10, 'stage', n, m) = 9 OR m <= 2 OR n IN (4, 9) THEN 'leech' ELSE 'new' END AS stage
      FROM (SELECT n FROM numbers WHERE n <= 10) JOIN (SELECT n AS m FROM numbers WHERE n <= 12)) k ON k.n = d.rowid AND k.m = c.key + 1
ORDER BY d.rowid, c.key;

-- A session on each of the last days makes the streak; two more were left open.
INSERT INTO reviews
SELECT 'rv' || hexdigits(10, 'review', n), (SELECT deck_id FROM decks WHERE rowid = 1 + n % 8), 'due_first',
       at(now(), '-' || n || ' days', draw(6, 21, 'opened', n) || ':' || draw(10, 40, 'opened at', n)), 0
FROM numbers WHERE n <= draw(3, 9, 'streak') ORDER BY n;
INSERT INTO reviews
SELECT 'rv' || hexdigits(10, 'review', 20 + n), (SELECT deck_id FROM decks WHERE rowid = CASE n WHEN 1 THEN 10 ELSE 5 END), 'due_first',
       at(now(), '-' || (n * 45) || ' minutes'), 1
FROM numbers WHERE n <= 2 ORDER BY n;
INSERT INTO drawn
SELECT r.review_id, c.card_id, row_number() OVER (PARTITION BY r.review_id ORDER BY c.rowid),
       CASE WHEN draw(1, 5, 'recall', r.rowid, c.rowid) = 1 THEN 'again' ELSE 'good' END, at(r.opened_at, '+' || (c.rowid % 12) || ' minutes')
FROM reviews r JOIN cards c USING (deck_id) WHERE NOT r.is_open AND c.stage <> 'new' AND chance(0.6, 'in it', r.rowid, c.rowid)
ORDER BY r.rowid, c.rowid;
INSERT INTO drawn
SELECT review_id, card_id, place, CASE WHEN place <= 2 THEN CASE place WHEN 1 THEN 'good' ELSE nth('second_recalls', 1) END END,
       CASE WHEN place <= 2 THEN at(opened_at, '+' || place || ' minutes') END
FROM (
  SELECT r.review_id, r.opened_at, c.card_id, row_number() OVER (PARTITION BY r.review_id ORDER BY c.rowid) AS place
  FROM reviews r JOIN cards c USING (deck_id) WHERE r.is_open AND c.next_due_date <= at(now(), 'date'))
ORDER BY review_id, place;
UPDATE cards SET stage = CASE WHEN lapse_count >= 6 THEN 'leech' ELSE 'learning' END, interval_days = 2, next_due_date = at(now(), '+2 days', 'date')
WHERE card_id IN (SELECT card_id FROM drawn JOIN reviews USING (review_id) WHERE is_open AND recall IS NOT NULL);

--- invariant new cards have no date, others have one
SELECT card_id FROM cards WHERE (stage = 'new') <> (next_due_date IS NULL) OR (stage = 'new' AND interval_days > 0);
--- invariant an open review has drawn cards that exist
SELECT review_id FROM drawn JOIN reviews USING (review_id) WHERE is_open AND card_id NOT IN (SELECT card_id FROM cards);
--- invariant a review draws cards of its deck
SELECT review_id FROM drawn JOIN reviews r USING (review_id) JOIN cards c USING (card_id) WHERE c.deck_id <> r.deck_id;

--- tool create_deck
--- error deck_name_taken
SELECT 1 FROM decks WHERE fold(deck_name) = fold(:deck_name);
--- error deck_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM decks) >= 12;
--- let
SELECT 'dk' || hexdigits(10, 'deck', fresh(0)) AS deck_id;
--- do
INSERT INTO decks VALUES (:deck_id, :deck_name, :front_language, :new_cards_per_day);
--- result
SELECT deck_id, deck_name, front_language, new_cards_per_day, 0 AS card_count FROM decks WHERE deck_id = :deck_id;

--- tool list_decks
--- page decks
SELECT deck_id, deck_name, card_count, due_count FROM (
  SELECT d.deck_id, d.deck_name, (SELECT count(*) FROM cards c WHERE c.deck_id = d.deck_id) AS card_count,
         (SELECT count(*) FROM cards c WHERE c.deck_id = d.deck_id AND c.next_due_date <= at(now(), 'date'))
         + min(d.new_cards_per_day, (SELECT count(*) FROM cards c WHERE c.deck_id = d.deck_id AND c.stage = 'new')) AS due_count
  FROM decks d)
WHERE NOT :only_due OR due_count > 0
ORDER BY due_count DESC, deck_name;

--- tool add_card
--- error deck_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM decks WHERE deck_id = :deck_id);
--- error duplicate_front
SELECT 1 FROM cards WHERE deck_id = :deck_id AND lower(front) = lower(:front) LIMIT 1;
--- let
SELECT 'cd' || hexdigits(12, 'card', fresh(0)) AS card_id;
--- do
INSERT INTO cards VALUES (:card_id, :deck_id, :front, :back, coalesce(:tags, '[]'), 'new', NULL, 0, 0, now());
--- result
SELECT card_id, deck_id, front, back, tags, stage FROM cards WHERE card_id = :card_id;

--- tool open_review
--- error deck_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM decks WHERE deck_id = :deck_id);
--- error nothing_due
SELECT 1 FROM decks d WHERE deck_id = :deck_id
  AND NOT EXISTS (SELECT 1 FROM cards c WHERE c.deck_id = d.deck_id AND c.next_due_date <= at(now(), 'date'))
  AND (d.new_cards_per_day = 0 OR NOT EXISTS (SELECT 1 FROM cards c WHERE c.deck_id = d.deck_id AND c.stage = 'new'));
--- let
SELECT 'rv' || hexdigits(10, 'review', fresh(0)) AS review_id, coalesce(:order, 'due_first') AS drawn_in;
--- do
INSERT INTO reviews VALUES (:review_id, :deck_id, :drawn_in, now(), 1);
INSERT INTO drawn
SELECT :review_id, card_id, place, NULL, NULL FROM (
  SELECT card_id, row_number() OVER (ORDER BY
    CASE :drawn_in WHEN 'random' THEN draw(1, 100000, 'shuffle', card_id) WHEN 'hardest_first' THEN -lapse_count ELSE 0 END,
    coalesce(next_due_date, '9999'), card_id) AS place
  FROM (
    SELECT c.card_id, c.lapse_count, c.next_due_date, c.stage, d.new_cards_per_day,
           row_number() OVER (PARTITION BY c.stage = 'new' ORDER BY c.created_at, c.card_id) AS nth_new
    FROM cards c JOIN decks d USING (deck_id) WHERE deck_id = :deck_id)
  WHERE next_due_date <= at(now(), 'date') OR (stage = 'new' AND nth_new <= new_cards_per_day))
WHERE place <= :max_cards;
--- result
SELECT review_id, deck_id, drawn_in AS "order", 'open' AS status FROM reviews WHERE review_id = :review_id;
--- rows cards
SELECT card_id, front, stage FROM drawn JOIN cards USING (card_id) WHERE review_id = :review_id ORDER BY place;

--- tool answer_card
--- error review_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM reviews WHERE review_id = :review_id);
--- error review_closed
SELECT 1 FROM reviews WHERE review_id = :review_id AND NOT is_open;
--- error card_not_drawn
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM drawn WHERE review_id = :review_id AND card_id = :card_id);
--- error already_answered
SELECT 1 FROM drawn WHERE review_id = :review_id AND card_id = :card_id AND recall IS NOT NULL;
--- let
SELECT CASE :recall WHEN 'again' THEN 1 WHEN 'hard' THEN max(1, CAST(round(interval_days * 1.2) AS INTEGER))
                    WHEN 'good' THEN max(3, min(3650, CAST(round(interval_days * 2.5) AS INTEGER)))
                    ELSE max(5, min(3650, CAST(round(interval_days * 3.5) AS INTEGER))) END AS gap,
       lapse_count + (:recall = 'again' AND stage <> 'new') AS lapses
FROM cards WHERE card_id = :card_id;
--- do
UPDATE drawn SET recall = :recall, answered_at = now() WHERE review_id = :review_id AND card_id = :card_id;
UPDATE cards SET interval_days = min(3650, :gap), next_due_date = at(now(), '+' || min(3650, :gap) || ' days', 'date'), lapse_count = :lapses,
  stage = CASE WHEN :lapses >= 6 AND :gap < 21 THEN 'leech' WHEN :gap >= 21 THEN 'mature' ELSE 'learning' END
WHERE card_id = :card_id;
--- result
SELECT :review_id AS review_id, card_id, :recall AS recall, back, next_due_date, interval_days, stage FROM cards WHERE card_id = :card_id;

--- tool close_review
--- error review_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM reviews WHERE review_id = :review_id);
--- error review_closed
SELECT 1 FROM reviews WHERE review_id = :review_id AND NOT is_open;
--- do
UPDATE reviews SET is_open = 0 WHERE review_id = :review_id;
--- result
SELECT review_id, (SELECT count(*) FROM drawn d WHERE d.review_id = r.review_id AND recall IS NOT NULL) AS answered_count,
       coalesce((SELECT round(100.0 * sum(recall <> 'again') / count(*), 1) FROM drawn d WHERE d.review_id = r.review_id AND recall IS NOT NULL), 0) AS correct_percent,
       (WITH RECURSIVE days AS (SELECT DISTINCT substr(answered_at, 1, 10) AS day FROM drawn WHERE answered_at IS NOT NULL),
          run(day) AS (
            SELECT max(day) FROM days WHERE day >= at(now(), '-1 days', 'date')
            UNION ALL
            SELECT at(run.day, '-1 days', 'date') FROM run WHERE at(run.day, '-1 days', 'date') IN (SELECT day FROM days))
        SELECT count(day) FROM run) AS streak_days,
       'closed' AS status
FROM reviews r WHERE review_id = :review_id;

--- tool get_card
--- error card_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM cards WHERE card_id = :card_id);
--- result
SELECT card_id, deck_id, front, back, tags, stage, next_due_date, interval_days, lapse_count, created_at FROM cards WHERE card_id = :card_id;

--- tool delete_card
--- error card_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM cards WHERE card_id = :card_id);
--- error card_in_review
SELECT 1 FROM drawn JOIN reviews USING (review_id) WHERE card_id = :card_id AND is_open LIMIT 1;
--- do
DELETE FROM cards WHERE card_id = :card_id;
--- result
SELECT :card_id AS card_id, 1 AS deleted;
