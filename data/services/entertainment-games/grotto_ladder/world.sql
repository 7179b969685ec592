-- Grotto Ladder: tournaments of a board-game cafe. Moments are UTC.
-- A tournament is open until its first round is paired. Points are a win each, and half for a draw; who has lost is out of a knockout.

--- tables
CREATE TABLE players (
  player_id TEXT PRIMARY KEY,
  nickname TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL,
  country_code TEXT,
  rating INTEGER NOT NULL
);
CREATE TABLE tournaments (
  tournament_id TEXT PRIMARY KEY,
  tournament_name TEXT NOT NULL,
  game_title TEXT NOT NULL,
  pairing_system TEXT NOT NULL CHECK (pairing_system IN ('swiss', 'knockout', 'round_robin')),
  max_players INTEGER NOT NULL CHECK (max_players BETWEEN 2 AND 256),
  starts_at TEXT NOT NULL
);
CREATE TABLE entries (
  entry_id TEXT PRIMARY KEY,
  tournament_id TEXT NOT NULL REFERENCES tournaments,
  player_id TEXT NOT NULL REFERENCES players,
  place INTEGER NOT NULL,               -- in the order of entering
  withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
  UNIQUE (tournament_id, player_id)
);
CREATE TABLE rounds (
  tournament_id TEXT NOT NULL REFERENCES tournaments,
  round_number INTEGER NOT NULL,
  minutes_per_match INTEGER NOT NULL,
  PRIMARY KEY (tournament_id, round_number)
);
CREATE TABLE matches (
  match_id TEXT PRIMARY KEY,
  tournament_id TEXT NOT NULL REFERENCES tournaments,
  round_number INTEGER NOT NULL,
  first_player TEXT NOT NULL REFERENCES players,
  second_player TEXT NOT NULL REFERENCES players,
  first_score INTEGER,
  second_score INTEGER,
  CHECK ((first_score IS NULL) = (second_score IS NULL)),
  CHECK (first_player <> second_player)
);
CREATE INDEX matches_by_tournament ON matches (tournament_id, round_number);

--- populate
INSERT INTO players
SELECT 'ply_' || alnum(8, 'player', n), nth('nicknames', n), email(person(n), pick('mail', n)), CASE WHEN chance(0.7, 'country', n) THEN pick('countries', n) END, 1200 + draw(-180, 420, 'rating', n)
FROM numbers WHERE n <= 44 ORDER BY n;

-- Five are open (one full, one with a single entry), six are going on, and one is over.
INSERT INTO tournaments
SELECT 'tou_' || alnum(8, 'tournament', n), nth('events', n, 'name'), nth('events', n, 'game'), kind, places,
       CASE WHEN key < 5 THEN at(now(), '+' || draw(2, 12, 'ahead', n) || ' days', pick('evenings', n)) WHEN key = 11 THEN at(now(), '-9 days', '17:00') ELSE at(now(), '-1 days', pick('evenings', n)) END
FROM (
  SELECT 1 + key AS n, key, value ->> '$[0]' AS kind, value ->> '$[1]' AS places
  FROM json_each('[["swiss",16],["knockout",8],["round_robin",6],["swiss",12],["knockout",8],["swiss",8],["swiss",8],["round_robin",6],["knockout",8],["knockout",8],["round_robin",6],["swiss",8]]'))
ORDER BY n;

INSERT INTO entries
SELECT 'ent_' || alnum(8, 'entry', t * 20 + k), tournament_id, player_id, k, 0
FROM (SELECT t.rowid AS t, t.tournament_id, p.player_id, k.n AS k
      FROM tournaments t JOIN numbers k ON k.n <= CASE t.rowid WHEN 1 THEN 6 WHEN 3 THEN 1 WHEN 4 THEN 5 WHEN 5 THEN 4 ELSE t.max_players END
      JOIN players p ON p.rowid = 1 + (t.rowid * 9 + k.n) % 44)
ORDER BY t, k;

INSERT INTO rounds
SELECT tournament_id, k.n, 50 FROM tournaments t JOIN numbers k ON k.n <= CASE t.rowid WHEN 6 THEN 2 WHEN 7 THEN 3 WHEN 8 THEN 2 WHEN 9 THEN 1 WHEN 10 THEN 1 WHEN 11 THEN 3 WHEN 12 THEN 4 ELSE 0 END
ORDER BY t.rowid, k.n;

-- Everybody meets somebody else in every round. Of the round that is on, some matches are still played in every other tournament.
INSERT INTO matches
SELECT 'mch_' || alnum(8, 'match', t * 100 + r * 10 + m), tournament_id, r, first_player, second_player,
       CASE WHEN playing THEN NULL WHEN result = 5 THEN 1 ELSE 2 * (result <= 2) + (result = 4) END, CASE WHEN playing THEN NULL WHEN result = 5 THEN 1 ELSE 2 * (result IN (3, 4)) + (result = 2) END
FROM (
  SELECT t.rowid AS t, t.tournament_id, o.round_number AS r, m.n AS m, a.player_id AS first_player, b.player_id AS second_player,
         t.rowid IN (7, 9, 11) AND m.n <= CASE t.rowid WHEN 11 THEN 2 ELSE 1 END AND o.round_number = (SELECT max(round_number) FROM rounds x WHERE x.tournament_id = t.tournament_id) AS playing,
         draw(1, CASE t.pairing_system WHEN 'knockout' THEN 4 ELSE 5 END, 'result', t.rowid, o.round_number, m.n) AS result
  FROM tournaments t JOIN rounds o USING (tournament_id) JOIN numbers m ON m.n <= t.max_players / 2
  JOIN entries a ON a.tournament_id = t.tournament_id AND a.place = CASE m.n WHEN 1 THEN t.max_players ELSE 1 + (o.round_number + m.n - 1) % (t.max_players - 1) END
  JOIN entries b ON b.tournament_id = t.tournament_id AND b.place = 1 + (o.round_number - m.n + 1 + t.max_players - 1) % (t.max_players - 1))
ORDER BY t, r, m;

--- invariant nobody plays twice in a round
SELECT p FROM (SELECT tournament_id, round_number, first_player AS p FROM matches UNION ALL SELECT tournament_id, round_number, second_player FROM matches)
GROUP BY tournament_id, round_number, p HAVING count(*) > 1;
--- invariant no tournament has more players than places
SELECT tournament_id FROM tournaments t WHERE (SELECT count(*) FROM entries e WHERE e.tournament_id = t.tournament_id AND NOT withdrawn) > max_players;
--- invariant earlier rounds have all their results
SELECT match_id FROM matches m WHERE first_score IS NULL AND round_number < (SELECT max(round_number) FROM rounds r WHERE r.tournament_id = m.tournament_id);
--- invariant a knockout has no draws
SELECT match_id FROM matches JOIN tournaments USING (tournament_id) WHERE pairing_system = 'knockout' AND first_score = second_score;

--- tool register_player
--- error nickname_taken
SELECT 1 FROM players WHERE lower(nickname) = lower(:nickname);
--- let
SELECT 'ply_' || alnum(8, 'player', fresh(0)) AS player_id;
--- do
INSERT INTO players VALUES (:player_id, :nickname, :email, :country_code, 1200);
--- result
SELECT player_id, nickname, email, country_code, rating FROM players WHERE player_id = :player_id;

--- tool create_tournament
--- error odd_bracket
SELECT 1 WHERE :pairing_system = 'knockout' AND :max_players NOT IN (2, 4, 8, 16, 32, 64, 128, 256);
--- error start_in_past
SELECT 1 WHERE julianday(:starts_at) <= julianday(now());
--- let
SELECT 'tou_' || alnum(8, 'tournament', fresh(0)) AS tournament_id;
--- do
INSERT INTO tournaments VALUES (:tournament_id, :tournament_name, :game_title, :pairing_system, :max_players, strftime('%Y-%m-%dT%H:%M:%SZ', :starts_at));
--- result
SELECT tournament_id, tournament_name, game_title, pairing_system, max_players, starts_at, 'open' AS status FROM tournaments WHERE tournament_id = :tournament_id;

--- tool enter_player
--- error tournament_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tournaments WHERE tournament_id = :tournament_id);
--- error player_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM players WHERE player_id = :player_id);
--- error entries_closed
SELECT 1 FROM rounds WHERE tournament_id = :tournament_id;
--- error already_entered
SELECT 1 FROM entries WHERE tournament_id = :tournament_id AND player_id = :player_id;
--- error tournament_full
SELECT 1 FROM tournaments t WHERE tournament_id = :tournament_id AND max_players <= (SELECT count(*) FROM entries e WHERE e.tournament_id = t.tournament_id AND NOT withdrawn);
--- let
SELECT 'ent_' || alnum(8, 'entry', fresh(0)) AS entry_id, 1 + coalesce((SELECT max(place) FROM entries WHERE tournament_id = :tournament_id), 0) AS place;
--- do
INSERT INTO entries VALUES (:entry_id, :tournament_id, :player_id, :place, 0);
--- result
SELECT entry_id, tournament_id, e.player_id, 'entered' AS status,
       1 + (SELECT count(*) FROM entries o JOIN players q USING (player_id) WHERE o.tournament_id = e.tournament_id AND NOT o.withdrawn AND q.rating > p.rating) AS seed
FROM entries e JOIN players p USING (player_id) WHERE entry_id = :entry_id;

--- tool start_round
--- error tournament_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tournaments WHERE tournament_id = :tournament_id);
--- error results_missing
SELECT 1 FROM matches WHERE tournament_id = :tournament_id AND first_score IS NULL;
--- let
SELECT 1 + coalesce((SELECT max(round_number) FROM rounds WHERE tournament_id = :tournament_id), 0) AS round_number, pairing_system AS paired_by,
       (SELECT count(*) FROM entries e WHERE e.tournament_id = t.tournament_id AND NOT withdrawn
        AND NOT (t.pairing_system = 'knockout' AND EXISTS (SELECT 1 FROM matches m WHERE m.tournament_id = t.tournament_id
          AND (m.first_player = e.player_id AND m.first_score < m.second_score OR m.second_player = e.player_id AND m.second_score < m.first_score)))) AS still_in
FROM tournaments t WHERE tournament_id = :tournament_id;
--- error tournament_over
SELECT 1 WHERE :round_number > CASE :paired_by WHEN 'swiss' THEN 4 WHEN 'knockout' THEN 8 ELSE max(1, :still_in - 1 + :still_in % 2) END OR :round_number > 1 AND :still_in < 2;
--- error too_few_players
SELECT 1 WHERE :still_in < 2;
--- do
INSERT INTO rounds VALUES (:tournament_id, :round_number, :minutes_per_match);
INSERT INTO matches
WITH alive AS (
  SELECT e.player_id, row_number() OVER (ORDER BY e.place) - 1 AS i
  FROM entries e JOIN tournaments t USING (tournament_id)
  WHERE e.tournament_id = :tournament_id AND NOT withdrawn
    AND NOT (t.pairing_system = 'knockout' AND EXISTS (SELECT 1 FROM matches m WHERE m.tournament_id = t.tournament_id
      AND (m.first_player = e.player_id AND m.first_score < m.second_score OR m.second_player = e.player_id AND m.second_score < m.first_score)))
),
pairs AS (
  SELECT a.player_id AS one, b.player_id AS two, a.i AS place FROM alive a JOIN alive b ON :paired_by = 'knockout' AND b.i = :still_in - 1 - a.i AND a.i < b.i
  UNION ALL
  SELECT a.player_id, b.player_id, m.n FROM numbers m
  JOIN alive a ON a.i = CASE m.n WHEN 1 THEN :still_in + :still_in % 2 - 1 ELSE (:round_number + m.n - 1) % (:still_in + :still_in % 2 - 1) END
  JOIN alive b ON b.i = (:round_number - m.n + 1 + :still_in + :still_in % 2 - 1) % (:still_in + :still_in % 2 - 1)
  WHERE :paired_by <> 'knockout' AND m.n <= (:still_in + 1) / 2 AND a.i <> b.i
)
SELECT 'mch_' || alnum(8, 'match', fresh(0) * 200 + row_number() OVER (ORDER BY place)), :tournament_id, :round_number, one, two, NULL, NULL FROM pairs ORDER BY place;
--- result
SELECT tournament_id, round_number, minutes_per_match, 'in_progress' AS status,
       (SELECT count(*) FROM matches m WHERE m.tournament_id = r.tournament_id AND m.round_number = r.round_number) AS match_count
FROM rounds r WHERE tournament_id = :tournament_id AND round_number = :round_number;

--- tool list_matches
--- error tournament_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tournaments WHERE tournament_id = :tournament_id);
--- error round_not_started
SELECT 1 WHERE :round_number IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rounds WHERE tournament_id = :tournament_id AND round_number = :round_number);
--- page matches
SELECT match_id, a.nickname AS first_nickname, b.nickname AS second_nickname, CASE WHEN first_score IS NULL THEN 'playing' ELSE 'reported' END AS match_status
FROM matches m JOIN players a ON a.player_id = first_player JOIN players b ON b.player_id = second_player
WHERE tournament_id = :tournament_id
  AND round_number = coalesce(:round_number, (SELECT max(round_number) FROM rounds r WHERE r.tournament_id = :tournament_id))
  AND (:match_status IS NULL OR :match_status = CASE WHEN first_score IS NULL THEN 'playing' ELSE 'reported' END)
ORDER BY a.nickname, match_id;

--- tool report_result
--- error match_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM matches WHERE match_id = :match_id);
--- error already_reported
SELECT 1 FROM matches WHERE match_id = :match_id AND first_score IS NOT NULL;
--- error draw_not_allowed
SELECT 1 FROM matches JOIN tournaments USING (tournament_id) WHERE match_id = :match_id AND pairing_system = 'knockout' AND :first_score = :second_score;
--- let
SELECT CAST(round(16 * (CASE WHEN :first_score > :second_score THEN 1.0 WHEN :first_score = :second_score THEN 0.5 ELSE 0.0 END
                        - max(0.05, min(0.95, 0.5 + (a.rating - b.rating) / 800.0)))) AS INTEGER) AS rating_change
FROM matches JOIN players a ON a.player_id = first_player JOIN players b ON b.player_id = second_player WHERE match_id = :match_id;
--- do
UPDATE matches SET first_score = :first_score, second_score = :second_score WHERE match_id = :match_id;
UPDATE players SET rating = rating + :rating_change WHERE player_id = (SELECT first_player FROM matches WHERE match_id = :match_id);
UPDATE players SET rating = rating - :rating_change WHERE player_id = (SELECT second_player FROM matches WHERE match_id = :match_id);
--- result
SELECT match_id, tournament_id, first_score, second_score, :rating_change AS rating_change, 'reported' AS match_status FROM matches WHERE match_id = :match_id;

--- tool list_standings
--- error tournament_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tournaments WHERE tournament_id = :tournament_id);
--- page standings
SELECT player_id, nickname, row_number() OVER (ORDER BY points DESC, rating DESC, nickname) AS place, points
FROM (
  SELECT p.player_id, p.nickname, p.rating,
         coalesce((SELECT sum(CASE WHEN m.first_score = m.second_score THEN 0.5 WHEN (m.first_player = p.player_id) = (m.first_score > m.second_score) THEN 1.0 ELSE 0.0 END)
                   FROM matches m WHERE m.tournament_id = e.tournament_id AND p.player_id IN (m.first_player, m.second_player) AND m.first_score IS NOT NULL), 0) AS points
  FROM entries e JOIN players p USING (player_id) WHERE e.tournament_id = :tournament_id AND NOT withdrawn)
ORDER BY points DESC, rating DESC, nickname;

--- tool withdraw_entry
--- error entry_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entry_id = :entry_id);
--- error already_withdrawn
SELECT 1 FROM entries WHERE entry_id = :entry_id AND withdrawn;
--- do
UPDATE entries SET withdrawn = 1 WHERE entry_id = :entry_id;
--- result
SELECT entry_id, tournament_id, 'withdrawn' AS status FROM entries WHERE entry_id = :entry_id;
