-- Tarnbrook Fixtures: an amateur football league in mid-season. Moments are UTC; fees are in euro cents.
-- Six teams play each other twice, a round each Sunday; round six was last Sunday. Two youth divisions begin in some weeks, on Saturdays;
-- their teams are of the clubs of another division, and share its grounds.

--- tables
CREATE TABLE divisions (
  division_id TEXT PRIMARY KEY,
  division_name TEXT NOT NULL UNIQUE,
  age_group TEXT NOT NULL CHECK (age_group IN ('u12', 'u15', 'u18', 'open', 'veterans')),
  season_year INTEGER NOT NULL
);
CREATE TABLE teams (
  team_id TEXT PRIMARY KEY,
  division_id TEXT NOT NULL REFERENCES divisions,
  place INTEGER NOT NULL,
  team_name TEXT NOT NULL,
  home_ground TEXT NOT NULL,
  email TEXT NOT NULL,
  withdrawn INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
  UNIQUE (division_id, team_name)
);
CREATE TABLE matches (
  match_id TEXT PRIMARY KEY,
  home_team_id TEXT NOT NULL REFERENCES teams,
  away_team_id TEXT NOT NULL REFERENCES teams,
  kickoff_at TEXT NOT NULL,
  matchday INTEGER NOT NULL CHECK (matchday BETWEEN 1 AND 46),
  referee_name TEXT,
  fee_cents INTEGER,
  home_goals INTEGER,
  away_goals INTEGER,
  walkover INTEGER NOT NULL CHECK (walkover IN (0, 1)),
  status TEXT NOT NULL CHECK (status IN ('scheduled', 'postponed', 'final')),
  CHECK ((status = 'final') = (home_goals IS NOT NULL) AND (status = 'final') = (away_goals IS NOT NULL)),
  CHECK ((referee_name IS NULL) = (fee_cents IS NULL)),
  CHECK (status <> 'final' OR referee_name IS NOT NULL)
);
CREATE INDEX matches_by_home ON matches (home_team_id);
CREATE INDEX matches_by_referee ON matches (referee_name);
CREATE TABLE referees (
  referee_name TEXT PRIMARY KEY
);

--- populate
INSERT INTO referees SELECT person(n) FROM numbers WHERE n <= 24 ORDER BY n;

INSERT INTO divisions
SELECT 'div-' || digits(5, 'division', key + 1), value ->> '$[0]', value ->> '$[1]', CAST(substr(now(), 1, 4) AS INTEGER)
FROM json_each('[["Division One", "open"], ["Division Two", "open"], ["Veterans A", "veterans"], ["Under 15 A", "u15"], ["Under 12 A", "u12"], ["Under 18 A", "u18"]]') ORDER BY key;

-- The last team of the veterans has withdrawn before the season.
INSERT INTO teams
SELECT 'team-' || digits(6, 'team', (division - 1) * 6 + place), division_id, place,
       nth('villages', (club - 1) * 6 + place) || ' ' || nth('clubs', 1 + (club * 2 + place) % 10),
       nth('grounds', (club - 1) * 6 + place), slug(nth('villages', (club - 1) * 6 + place)) || '@' || pick('mail', club, place),
       division = 3 AND place = 6
FROM (SELECT d.rowid AS division, d.division_id, k.n AS place, CASE d.rowid WHEN 5 THEN 4 WHEN 6 THEN 2 ELSE d.rowid END AS club
      FROM divisions d JOIN numbers k ON k.n <= 6)
ORDER BY division, place;

-- Who plays whom: the sixth team meets the others in turn, and the others pair off around it; the second half turns the sides.
INSERT INTO matches
SELECT 'mt-' || digits(7, 'match', division * 40 + (round - 1) * 3 + game), h.team_id, a.team_id,
       at(now(), ((round - 6) * 7 - (strftime('%w', now()) + 6) % 7 - 1) || ' days', CASE game WHEN 1 THEN '10:30' WHEN 2 THEN '13:00' ELSE '15:00' END), round,
       CASE WHEN named THEN referee END, CASE WHEN named THEN CASE division WHEN 1 THEN 5500 WHEN 4 THEN 3000 ELSE 4500 END END,
       CASE WHEN state = 'final' THEN CASE WHEN gave_up THEN 3 ELSE pick('goals', 'home', division, round, game) END END,
       CASE WHEN state = 'final' THEN CASE WHEN gave_up THEN 0 ELSE pick('goals', 'away', division, round, game) END END,
       state = 'final' AND gave_up, state
FROM (
  SELECT p.*, CASE WHEN round <= 5 AND chance(0.05, 'rain', division, round, game) THEN 'postponed' WHEN round <= 5 THEN 'final'
                   WHEN round = 6 AND game = 1 THEN 'final' ELSE 'scheduled' END AS state,
         chance(0.04, 'no show', division, round, game) AS gave_up, person(1 + ((division - 1) * 3 + game + round * 5) % 24) AS referee,
         round <= 5 OR round = 6 AND NOT (game = 3 AND division <> 2) OR round = 7 AND game <> 2 AS named
  FROM (
    SELECT d.n AS division, r.n AS round, g.n AS game,
           CASE WHEN (r.n > 5) = (g.n = 1 AND (r.n - 1) % 5 % 2 = 1) THEN x ELSE y END AS home, CASE WHEN (r.n > 5) = (g.n = 1 AND (r.n - 1) % 5 % 2 = 1) THEN y ELSE x END AS away
    FROM numbers d JOIN numbers r ON r.n <= 10
    JOIN (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) g
    JOIN (SELECT r.n AS round, g.n AS game,
                 CASE g.n WHEN 1 THEN 6 ELSE 1 + (r.n - 1 + g.n - 1) % 5 END AS x,
                 CASE g.n WHEN 1 THEN 1 + (r.n - 1) % 5 ELSE 1 + (r.n + 5 - g.n) % 5 END AS y
          FROM numbers r JOIN numbers g ON g.n <= 3 WHERE r.n <= 10) q ON q.round = r.n AND q.game = g.n
    WHERE d.n <= 4) p)
JOIN divisions v ON v.rowid = division JOIN teams h ON h.division_id = v.division_id AND h.place = home JOIN teams a ON a.division_id = v.division_id AND a.place = away
WHERE NOT h.withdrawn AND NOT a.withdrawn
ORDER BY division, round, game;

-- The divisions that are to begin have their first round already.
INSERT INTO matches
SELECT 'mt-' || digits(7, 'match', 150 + d.rowid * 10 + k.n), h.team_id, a.team_id,
       at(now(), (19 - (strftime('%w', now()) + 6) % 7) || ' days', CASE d.rowid WHEN 5 THEN '10:00' ELSE '13:00' END), 1, NULL, NULL, NULL, NULL, 0, 'scheduled'
FROM numbers k JOIN divisions d ON d.rowid > 4 JOIN teams h ON h.division_id = d.division_id AND h.place = k.n
JOIN teams a ON a.division_id = d.division_id AND a.place = 7 - k.n WHERE k.n <= 3 ORDER BY d.rowid, k.n;

-- Up to twelve more divisions of the season have their teams but no fixtures so far. One age group has the larger divisions; no two have the same number of teams.
INSERT INTO divisions
SELECT 'div-' || digits(5, 'division', key + 20), value ->> '$[0]', value ->> '$[1]', CAST(substr(now(), 1, 4) AS INTEGER)
FROM json_each('[["Division Three", "open"], ["Division Four", "open"], ["Veterans B", "veterans"], ["Veterans C", "veterans"], ["Under 18 B", "u18"], ["Under 18 C", "u18"],
  ["Under 15 B", "u15"], ["Under 15 C", "u15"], ["Under 12 B", "u12"], ["Under 12 C", "u12"], ["Under 12 D", "u12"], ["Under 18 D", "u18"]]')
WHERE key < 2 OR chance(0.8, 'formed', key) ORDER BY key;
INSERT INTO teams
WITH e AS (
  SELECT d.rowid AS division, division_id, age_group, draw(4, 7, 'entries', d.rowid) + 3 * (age_group = pick('keen')) AS entries,
         row_number() OVER (PARTITION BY age_group ORDER BY d.rowid DESC) AS back
  FROM divisions d WHERE d.rowid > 6),
g AS (
  SELECT age_group, sum(entries) + (SELECT count(*) FROM teams t JOIN divisions o USING (division_id) WHERE o.age_group = e.age_group AND NOT withdrawn) AS total,
         row_number() OVER (ORDER BY age_group) AS place
  FROM e GROUP BY age_group)
SELECT 'team-' || digits(6, 'team', division * 20 + k.n), division_id, k.n,
       nth('villages', 1 + (division * 11 + k.n) % 35) || ' ' || nth('clubs', 1 + (division * 3 + k.n) % 10),
       nth('grounds', 1 + (division * 11 + k.n) % 30), slug(nth('villages', 1 + (division * 11 + k.n) % 35)) || '@' || pick('mail', division, k.n), 0
FROM e JOIN g USING (age_group) JOIN numbers k ON k.n <= entries + CASE WHEN back = 1 THEN (place + draw(0, 6, 'last entries') + 700 - total) % 7 ELSE 0 END
ORDER BY division, k.n;

--- invariant nobody plays against themselves or outside the division
SELECT match_id FROM matches m JOIN teams h ON h.team_id = m.home_team_id JOIN teams a ON a.team_id = m.away_team_id
WHERE h.team_id = a.team_id OR h.division_id <> a.division_id;
--- invariant a referee has one match at a time
SELECT a.match_id FROM matches a JOIN matches b USING (referee_name)
WHERE a.match_id < b.match_id AND a.status = 'scheduled' AND b.status = 'scheduled' AND abs(julianday(a.kickoff_at) - julianday(b.kickoff_at)) * 24 < 2.9;

--- tool list_divisions
--- error season_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM divisions WHERE season_year = :season_year);
--- result
SELECT NULL AS next_cursor;
--- rows divisions
SELECT division_id, division_name, age_group, (SELECT count(*) FROM teams t WHERE t.division_id = d.division_id AND NOT withdrawn) AS team_count
FROM divisions d WHERE season_year = :season_year AND (:age_group IS NULL OR age_group = :age_group) ORDER BY division_name;

--- tool register_team
--- error division_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM divisions WHERE division_id = :division_id);
--- error entries_closed
SELECT 1 FROM matches JOIN teams ON team_id = home_team_id WHERE division_id = :division_id AND status = 'final';
--- error name_taken
SELECT 1 FROM teams WHERE division_id = :division_id AND fold(team_name) = fold(:team_name);
--- let
SELECT 'team-' || digits(6, 'team', fresh(0)) AS team_id;
--- do
INSERT INTO teams SELECT :team_id, :division_id, max(place) + 1, :team_name, :home_ground, :email, 0 FROM teams WHERE division_id = :division_id;
--- result
SELECT team_id, division_id, team_name, home_ground, email, 'entered' AS status FROM teams WHERE team_id = :team_id;

--- tool list_teams
--- error division_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM divisions WHERE division_id = :division_id);
--- result
SELECT NULL AS next_cursor;
--- rows teams
SELECT team_id, team_name, home_ground, CASE WHEN withdrawn THEN 'withdrawn' ELSE 'entered' END AS status FROM teams WHERE division_id = :division_id ORDER BY team_name, team_id;

--- tool create_match
--- error team_not_found
SELECT 1 WHERE (SELECT count(*) FROM teams WHERE team_id IN (:home_team_id, :away_team_id) AND NOT withdrawn) < 2;
--- error different_divisions
SELECT 1 FROM teams h, teams a WHERE h.team_id = :home_team_id AND a.team_id = :away_team_id AND h.division_id <> a.division_id;
--- error ground_occupied
SELECT 1 FROM matches m JOIN teams t ON t.team_id = m.home_team_id
WHERE t.home_ground = (SELECT home_ground FROM teams WHERE team_id = :home_team_id) AND m.status <> 'postponed'
  AND abs(julianday(m.kickoff_at) - julianday(:kickoff_at)) * 24 < 2;
--- let
SELECT 'mt-' || digits(7, 'match', fresh(0)) AS match_id;
--- do
INSERT INTO matches VALUES (:match_id, :home_team_id, :away_team_id, :kickoff_at, :matchday, NULL, NULL, NULL, NULL, 0, 'scheduled');
--- result
SELECT match_id, home_team_id, away_team_id, kickoff_at, matchday, status FROM matches WHERE match_id = :match_id;

--- tool assign_referee
--- error match_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM matches WHERE match_id = :match_id);
--- error match_not_scheduled
SELECT 1 FROM matches WHERE match_id = :match_id AND status <> 'scheduled';
--- error referee_busy
SELECT 1 FROM matches m, matches o WHERE m.match_id = :match_id AND o.match_id <> m.match_id AND o.status = 'scheduled'
  AND fold(o.referee_name) = fold(:referee_name) AND abs(julianday(m.kickoff_at) - julianday(o.kickoff_at)) * 24 < 3;
--- do
UPDATE matches SET referee_name = :referee_name, fee_cents = :fee_cents WHERE match_id = :match_id;
--- result
SELECT match_id, referee_name, fee_cents, 'appointed' AS referee_status FROM matches WHERE match_id = :match_id;

--- tool confirm_result
--- error match_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM matches WHERE match_id = :match_id);
--- error already_final
SELECT 1 FROM matches WHERE match_id = :match_id AND status = 'final';
--- error no_referee
SELECT 1 FROM matches WHERE match_id = :match_id AND referee_name IS NULL;
--- do
UPDATE matches SET home_goals = :home_goals, away_goals = :away_goals, walkover = :walkover, status = 'final' WHERE match_id = :match_id;
--- result
SELECT match_id, home_goals, away_goals, walkover,
       CASE WHEN home_goals > away_goals THEN 3 WHEN home_goals = away_goals THEN 1 ELSE 0 END AS home_points,
       CASE WHEN home_goals < away_goals THEN 3 WHEN home_goals = away_goals THEN 1 ELSE 0 END AS away_points, status
FROM matches WHERE match_id = :match_id;

--- tool get_match
--- error match_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM matches WHERE match_id = :match_id);
--- result
SELECT match_id, division_id, home_team_id, away_team_id, kickoff_at, matchday, referee_name, fee_cents, home_goals, away_goals, walkover, status
FROM matches JOIN teams ON team_id = home_team_id WHERE match_id = :match_id;

--- tool get_standings
--- error division_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM divisions WHERE division_id = :division_id);
--- error round_not_reached
SELECT 1 WHERE :after_matchday IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM matches JOIN teams ON team_id = home_team_id WHERE division_id = :division_id AND status = 'final' AND matchday >= :after_matchday);
--- result
SELECT :division_id AS division_id;
--- rows standings
SELECT row_number() OVER (ORDER BY points DESC, goal_difference DESC, team_name) AS rank, team_id, team_name, played, goal_difference, points
FROM (
  SELECT t.team_id, t.team_name, count(m.match_id) AS played,
         coalesce(sum(CASE WHEN m.home_team_id = t.team_id THEN m.home_goals - m.away_goals ELSE m.away_goals - m.home_goals END), 0) AS goal_difference,
         coalesce(sum(CASE WHEN m.home_goals = m.away_goals THEN 1 WHEN (m.home_team_id = t.team_id) = (m.home_goals > m.away_goals) THEN 3 ELSE 0 END), 0) AS points
  FROM teams t LEFT JOIN matches m ON t.team_id IN (m.home_team_id, m.away_team_id) AND m.status = 'final' AND (:after_matchday IS NULL OR m.matchday <= :after_matchday)
  WHERE t.division_id = :division_id AND NOT t.withdrawn GROUP BY t.team_id)
ORDER BY rank;
