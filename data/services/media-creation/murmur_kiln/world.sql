-- Murmur Kiln: short recordings, what was said in them, subtitles and voice-overs.
-- What a recording says is in "spoken"; the engine mishears some lines, and is then less sure of them.

--- tables
CREATE TABLE spoken (
  script TEXT NOT NULL,
  place INTEGER NOT NULL,
  speaker INTEGER NOT NULL,
  line TEXT NOT NULL,
  heard TEXT,                            -- null: heard as it was said
  PRIMARY KEY (script, place)
);
CREATE TABLE audio_files (
  url TEXT PRIMARY KEY,
  script TEXT,                           -- null: not audio
  hours INTEGER NOT NULL                 -- 0 for the short ones
);
CREATE TABLE recordings (
  recording_id TEXT PRIMARY KEY,
  url TEXT NOT NULL REFERENCES audio_files,
  recording_title TEXT NOT NULL,
  recorded_on TEXT,
  created_at TEXT NOT NULL
);
CREATE TABLE languages (
  language TEXT PRIMARY KEY
);
CREATE TABLE transcripts (
  transcript_id TEXT PRIMARY KEY,
  recording_id TEXT NOT NULL REFERENCES recordings,
  language TEXT NOT NULL REFERENCES languages,
  speaker_count INTEGER NOT NULL CHECK (speaker_count BETWEEN 1 AND 12),
  keep_fillers INTEGER NOT NULL CHECK (keep_fillers IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE TABLE passages (
  passage_id TEXT PRIMARY KEY,
  transcript_id TEXT NOT NULL REFERENCES transcripts,
  speaker_label TEXT NOT NULL,
  true_label TEXT NOT NULL,              -- who speaks; the engine mixes up some
  start_seconds INTEGER NOT NULL,
  passage_text TEXT NOT NULL,
  confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  UNIQUE (transcript_id, start_seconds)
);
CREATE TABLE subtitles (
  subtitle_id TEXT PRIMARY KEY,
  transcript_id TEXT NOT NULL REFERENCES transcripts,
  subtitle_format TEXT NOT NULL CHECK (subtitle_format IN ('srt', 'vtt')),
  max_line_characters INTEGER NOT NULL,
  cue_count INTEGER NOT NULL
);
CREATE TABLE voices (
  voice_id TEXT PRIMARY KEY,
  voice_name TEXT NOT NULL UNIQUE,
  language TEXT NOT NULL REFERENCES languages,
  timbre TEXT NOT NULL CHECK (timbre IN ('warm', 'bright', 'grave'))
);
CREATE TABLE voiceovers (
  voiceover_id TEXT PRIMARY KEY,
  voice_id TEXT NOT NULL REFERENCES voices,
  script_text TEXT NOT NULL,
  speed REAL NOT NULL,
  audio_format TEXT NOT NULL,
  characters INTEGER NOT NULL,
  created_at TEXT NOT NULL
);

--- populate
INSERT INTO spoken VALUES
  ('bees', 1, 1, 'Today we talk about the first warm days of the year.', NULL),
  ('bees', 2, 2, 'I opened the hives on Sunday, and two were very quiet.', 'I opened the highs on Sunday, and two were very quiet.'),
  ('bees', 3, 1, 'Quiet is not a good sign in spring, is it?', NULL),
  ('bees', 4, 2, 'No, usually it means that the queen is gone.', 'No, usually it means that the green is gone.'),
  ('bees', 5, 1, 'What do you do then?', NULL),
  ('bees', 6, 2, 'I join the colony with a strong one, with a sheet of paper between them.', 'I join the colony with a strong one, with a sheep of paper between them.'),
  ('bees', 7, 2, 'They chew through the paper within three days.', NULL),
  ('bees', 8, 1, 'And by then they smell alike.', 'And by then they sell alike.'),
  ('bees', 9, 2, 'Exactly. After a week nobody knows who came from where.', NULL),
  ('bees', 10, 1, 'Next week we look at willow pollen.', 'Next week we look at pillow pollen.'),
  ('mills', 1, 1, 'This street had eleven mills in 1840.', NULL),
  ('mills', 2, 1, 'Only one of them still has its wheel.', 'Only one of them still has its will.'),
  ('mills', 3, 2, 'My grandmother carried the flour across this bridge.', 'My grandmother carried the flower across this bridge.'),
  ('mills', 4, 1, 'How heavy was one sack?', NULL),
  ('mills', 5, 2, 'Fifty kilos, and she was sixteen.', NULL),
  ('mills', 6, 1, 'The miller kept a tenth of it as his fee.', 'The miller kept a tent of it as his fee.'),
  ('mills', 7, 2, 'People said his thumb was always on the scale.', NULL),
  ('mills', 8, 1, 'In 1891 the railway arrived, and the small mills closed.', 'In 1891 the railway arrived, and the small meals closed.'),
  ('mills', 9, 2, 'My family went to work at the dye works then.', 'My family went to work at the die works then.'),
  ('mills', 10, 1, 'You can still see the blue stain on the wall there.', NULL),
  ('books', 1, 1, 'In this lesson we book a purchase on credit.', NULL),
  ('books', 2, 1, 'You buy paper for eighty euros and pay in thirty days.', 'You buy paper for eighteen euros and pay in thirty days.'),
  ('books', 3, 1, 'The expense counts today, although no money moves.', NULL),
  ('books', 4, 1, 'So we debit office supplies.', 'So we edit office supplies.'),
  ('books', 5, 1, 'And we credit the accounts payable.', 'And we credit the accounts playable.'),
  ('books', 6, 1, 'When you pay, the liability goes away.', NULL),
  ('books', 7, 1, 'The bank account is credited, payables are debited.', NULL),
  ('books', 8, 1, 'Check that both sides are equal.', 'Check that both sites are equal.'),
  ('books', 9, 1, 'If they are not, look for a swapped digit first.', 'If they are not, look for a swamped digit first.'),
  ('books', 10, 1, 'Pause here and try it with a phone bill.', NULL),
  ('start', 1, 1, 'Our guest today sells lamps made of old bicycle parts.', NULL),
  ('start', 2, 2, 'Thanks for having me. The first one was for my own desk.', NULL),
  ('start', 3, 1, 'When did you sell the first lamp?', 'When did you sell the first lamb?'),
  ('start', 4, 3, 'A cafe owner saw it and ordered twelve.', 'A cafe owner saw it and ordered twelfth.'),
  ('start', 5, 2, 'We had no workshop then, only a garage without heating.', NULL),
  ('start', 6, 1, 'What was the hardest part?', NULL),
  ('start', 7, 2, 'The cables. Every country wants another certificate.', 'The tables. Every country wants another certificate.'),
  ('start', 8, 3, 'And the margins were thin in the first year.', 'And the margins were fin in the first year.'),
  ('start', 9, 1, 'Would you do it again?', NULL),
  ('start', 10, 3, 'Yes, but I would hire an accountant on day one.', 'Yes, but I would fire an accountant on day one.'),
  ('soup', 1, 1, 'We start with two onions and a little patience.', NULL),
  ('soup', 2, 1, 'Cut them thin and leave them on a low flame.', 'Cut them thin and leave them on a low frame.'),
  ('soup', 3, 2, 'How long does that take?', NULL),
  ('soup', 4, 1, 'Forty minutes, until they are the colour of honey.', 'Fourteen minutes, until they are the colour of honey.'),
  ('soup', 5, 2, 'And the bread goes in at the end?', NULL),
  ('soup', 6, 1, 'Toast it first, or it falls apart.', NULL),
  ('soup', 7, 1, 'Then comes the broth, two litres of it.', 'Then comes the broth, two liters of wit.'),
  ('soup', 8, 2, 'Is there wine in it?', 'Is there vine in it?'),
  ('soup', 9, 1, 'A glass of dry white, yes.', 'A glass of dry white mice.'),
  ('soup', 10, 1, 'Grate the cheese at the very last moment.', NULL),
  ('de', 1, 1, 'Willkommen zu einer neuen Folge.', NULL),
  ('de', 2, 1, 'Heute geht es um alte Apfelsorten.', NULL),
  ('de', 3, 2, 'In unserem Garten stehen elf davon.', NULL),
  ('de', 4, 1, 'Und welche schmeckt am besten?', NULL),
  ('de', 5, 2, 'Die graue, sie sieht nur nicht so aus.', NULL),
  ('fr', 1, 1, 'Bonjour et bienvenue dans notre atelier.', NULL),
  ('fr', 2, 1, 'Cette semaine, nous parlons de la reliure.', NULL),
  ('fr', 3, 2, 'Il faut du papier, du fil et de la colle.', NULL),
  ('fr', 4, 1, 'Et surtout du temps.', NULL),
  ('fr', 5, 2, 'Oui, une journée par livre.', NULL),
  ('es', 1, 1, 'Hola y bienvenidos a otro episodio.', NULL),
  ('es', 2, 1, 'Hoy visitamos un faro en la costa.', NULL),
  ('es', 3, 2, 'Vivo aquí desde hace veinte años.', NULL),
  ('es', 4, 1, '¿Y qué hace en invierno?', NULL),
  ('es', 5, 2, 'Leo, y limpio la lámpara cada mañana.', NULL);

INSERT INTO languages VALUES ('en'), ('de'), ('fr'), ('es');

-- Each of eight shows has eight short pieces; five of them are stored already. Pages and whole recording days are not for transcribing.
INSERT INTO audio_files
SELECT 'https://' || nth('shows', s.n, 'host') || '.example/audio/' || nth('pieces', p.n, 'slug') || '.mp3', nth('shows', s.n, 'script'), 0
FROM numbers s JOIN numbers p ON p.n <= 8 WHERE s.n <= 8 ORDER BY s.n, p.n;
INSERT INTO audio_files
SELECT 'https://' || nth('shows', s.n, 'host') || '.example/episodes/' || nth('pieces', p.n, 'slug'), NULL, 0
FROM numbers s JOIN numbers p ON p.n BETWEEN 6 AND 8 WHERE s.n <= 8 ORDER BY s.n, p.n;
INSERT INTO audio_files
SELECT 'https://' || nth('shows', s.n, 'host') || '.example/raw/studio-day-' || p.n || '.wav', nth('shows', s.n, 'script'), draw(7, 11, 'raw', s.n, p.n)
FROM numbers s JOIN numbers p ON p.n <= 2 WHERE s.n <= 8 ORDER BY s.n, p.n;

-- What is worth keeping of a recording day.
INSERT INTO audio_files
SELECT 'https://' || nth('shows', s.n, 'host') || '.example/raw/studio-day-' || p.n || '-highlights.wav', nth('shows', s.n, 'script'), 0
FROM numbers s JOIN numbers p ON p.n <= 2 WHERE s.n <= 8 ORDER BY s.n, p.n;

INSERT INTO audio_files
SELECT nth('abroad', n, 'url'), 'start', 0 FROM numbers WHERE n <= 4 ORDER BY n;

INSERT INTO recordings
SELECT 'rec_' || alnum(8, 'recording', s.n * 10 + p.n), 'https://' || nth('shows', s.n, 'host') || '.example/audio/' || nth('pieces', p.n, 'slug') || '.mp3',
       nth('shows', s.n, 'show') || ': ' || nth('pieces', p.n, 'title'),
       CASE WHEN chance(0.7, 'dated', s.n, p.n) THEN at(now(), '-' || draw(25, 90, 'recorded', s.n, p.n) || ' days', 'date') END,
       at(now(), '-' || draw(3, 24, 'stored', s.n, p.n) || ' days', draw(8, 19, 'hour', s.n, p.n) || ':25')
FROM numbers s JOIN numbers p ON p.n <= 5 WHERE s.n <= 8 ORDER BY s.n, p.n;

-- Four of the five are transcribed, without the lines that this piece does not have.
INSERT INTO transcripts
SELECT 'trs_' || alnum(8, 'transcript', r.rowid), r.recording_id, CASE WHEN script IN ('de', 'fr', 'es') THEN script ELSE 'en' END,
       (SELECT max(speaker) FROM spoken s WHERE s.script = a.script), r.rowid % 5 = 1, at(r.created_at, '+40 minutes')
FROM recordings r JOIN audio_files a USING (url) WHERE r.rowid % 5 <> 0 ORDER BY r.rowid;

INSERT INTO passages
SELECT 'psg_' || alnum(8, 'passage', t.rowid * 12 + s.place), t.transcript_id,
       CASE WHEN t.rowid % 4 = 2 THEN 'Speaker ' || s.heard_as ELSE person(w.first * 3 + s.heard_as) END,
       CASE WHEN t.rowid % 4 = 2 THEN 'Speaker ' || s.speaker ELSE person(w.first * 3 + s.speaker) END,
       (s.place - 1) * 9 + draw(0, 4, 'start', t.rowid, s.place), coalesce(s.heard, s.line),
       CASE WHEN s.heard IS NULL THEN draw(86, 99, 'sure', t.rowid, s.place) ELSE draw(41, 74, 'unsure', t.rowid, s.place) END / 100.0
FROM transcripts t JOIN recordings r USING (recording_id) JOIN audio_files a USING (url)
JOIN (SELECT n, s.*, CASE WHEN s.heard IS NULL AND chance(0.2, 'mixed up', n, s.place)
                          THEN 1 + s.speaker % (SELECT max(o.speaker) FROM spoken o WHERE o.script = s.script) ELSE s.speaker END AS heard_as
      FROM spoken s JOIN (SELECT n FROM numbers WHERE n <= 32)) s ON s.n = t.rowid AND s.script = a.script
JOIN (SELECT substr(url, 1, instr(url, '.example')) AS show, min(rowid) AS first FROM recordings GROUP BY 1) w ON w.show = substr(r.url, 1, instr(r.url, '.example'))
WHERE (s.place + t.rowid) % 5 <> 0 OR s.script IN ('de', 'fr', 'es')
ORDER BY t.rowid, s.place;

INSERT INTO voices
SELECT 'voi_' || alnum(8, 'voice', n), nth('voices', n, 'name'), nth('voices', n, 'language'), nth('voices', n, 'timbre')
FROM numbers WHERE n <= 18 ORDER BY n;

INSERT INTO voiceovers
SELECT 'vov_' || alnum(8, 'voiceover', n), v.voice_id, nth('scripts', n), 1, 'mp3', length(nth('scripts', n)), at(now(), '-' || n || ' days')
FROM numbers JOIN voices v ON v.rowid = n WHERE n <= 6 ORDER BY n;

--- invariant only audio of at most six hours is stored
SELECT recording_id FROM recordings JOIN audio_files USING (url) WHERE script IS NULL OR hours > 6;
--- invariant subtitles have at least one cue for each passage
SELECT subtitle_id FROM subtitles s WHERE cue_count < (SELECT count(*) FROM passages p WHERE p.transcript_id = s.transcript_id);

--- tool add_recording
--- error not_audio
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM audio_files WHERE url = :url AND script IS NOT NULL);
--- error recording_too_long
SELECT 1 FROM audio_files WHERE url = :url AND hours > 6;
--- let
SELECT 'rec_' || alnum(8, 'recording', fresh(0)) AS recording_id;
--- do
INSERT INTO recordings VALUES (:recording_id, :url, :recording_title, :recorded_on, now());
--- result
SELECT recording_id, url, recording_title, recorded_on, (SELECT count(*) FROM spoken s WHERE s.script = a.script) * 9 + 6 AS duration_seconds, 'stored' AS status
FROM recordings JOIN audio_files a USING (url) WHERE recording_id = :recording_id;

--- tool create_transcript
--- error recording_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM recordings WHERE recording_id = :recording_id);
--- error language_unsupported
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM languages WHERE language = :language);
--- let
SELECT 'trs_' || alnum(8, 'transcript', fresh(0)) AS transcript_id;
--- do
INSERT INTO transcripts VALUES (:transcript_id, :recording_id, :language, :speaker_count, :keep_fillers, now());
INSERT INTO passages
SELECT 'psg_' || alnum(8, 'passage', fresh(0) + s.place), :transcript_id, 'Speaker ' || min(s.speaker, :speaker_count), 'Speaker ' || min(s.speaker, :speaker_count), (s.place - 1) * 9 + draw(0, 4, 'start', :transcript_id, s.place),
       coalesce(s.heard, s.line), CASE WHEN s.heard IS NULL THEN draw(86, 99, 'sure', :transcript_id, s.place) ELSE draw(41, 74, 'unsure', :transcript_id, s.place) END / 100.0
FROM recordings r JOIN audio_files a USING (url) JOIN spoken s USING (script) WHERE r.recording_id = :recording_id ORDER BY s.place;
--- result
SELECT transcript_id, recording_id, language, speaker_count, keep_fillers, (SELECT count(*) FROM passages p WHERE p.transcript_id = t.transcript_id) AS passage_count,
       'complete' AS status
FROM transcripts t WHERE transcript_id = :transcript_id;

--- tool list_passages
--- error transcript_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM transcripts WHERE transcript_id = :transcript_id);
--- error speaker_unknown
SELECT 1 WHERE :speaker_label IS NOT NULL AND NOT EXISTS (SELECT 1 FROM passages WHERE transcript_id = :transcript_id AND fold(speaker_label) = fold(:speaker_label));
--- page passages
SELECT passage_id, speaker_label, start_seconds, passage_text FROM passages
WHERE transcript_id = :transcript_id AND (:speaker_label IS NULL OR fold(speaker_label) = fold(:speaker_label)) AND confidence <= :max_confidence
ORDER BY start_seconds;

--- tool update_passage
--- error passage_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM passages WHERE passage_id = :passage_id);
--- do
UPDATE passages SET passage_text = :passage_text, speaker_label = coalesce(:speaker_label, speaker_label), confidence = 1 WHERE passage_id = :passage_id;
--- result
SELECT passage_id, transcript_id, passage_text, speaker_label, 'corrected' AS status FROM passages WHERE passage_id = :passage_id;

--- tool export_subtitles
--- error transcript_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM transcripts WHERE transcript_id = :transcript_id);
--- let
SELECT 'sbt_' || alnum(8, 'subtitle', fresh(0)) AS subtitle_id,
       (SELECT sum((length(passage_text) + 2 * :max_line_characters - 1) / (2 * :max_line_characters)) FROM passages WHERE transcript_id = :transcript_id) AS cues;
--- do
INSERT INTO subtitles VALUES (:subtitle_id, :transcript_id, :subtitle_format, :max_line_characters, :cues);
--- result
SELECT subtitle_id, transcript_id, subtitle_format, max_line_characters, cue_count,
       'https://files.murmurkiln.example/' || subtitle_id || '.' || subtitle_format AS download_url
FROM subtitles WHERE subtitle_id = :subtitle_id;

--- tool list_voices
--- error language_unsupported
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM voices WHERE language = :language);
--- page voices
SELECT voice_id, voice_name, timbre FROM voices WHERE language = :language AND (:timbre IS NULL OR timbre = :timbre) ORDER BY voice_name;

--- tool create_voiceover
--- error voice_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM voices WHERE voice_id = :voice_id);
--- error character_quota_spent
SELECT 1 WHERE length(:script_text) > 50000 - (SELECT coalesce(sum(characters), 0) FROM voiceovers WHERE created_at > at(now(), '-30 days'));
--- let
SELECT 'vov_' || alnum(8, 'voiceover', fresh(0)) AS voiceover_id;
--- do
INSERT INTO voiceovers VALUES (:voiceover_id, :voice_id, :script_text, :speed, coalesce(:audio_format, 'mp3'), length(:script_text), now());
--- result
SELECT voiceover_id, voice_id, script_text, speed, audio_format, round(characters / 15.0 / speed, 1) AS duration_seconds,
       'https://files.murmurkiln.example/' || voiceover_id || '.' || audio_format AS download_url
FROM voiceovers WHERE voiceover_id = :voiceover_id;
