-- Mossbell Helpdesk: tickets of a software company's customers. Moments are UTC.
-- The first public reply is due some hours after a ticket is opened, by its priority; the support plan says which priorities
-- a customer may use. A ticket is open, waiting for the customer, with engineering (escalated) or solved.

--- tables
CREATE TABLE plan_priorities (
  plan TEXT NOT NULL,
  priority TEXT NOT NULL,
  PRIMARY KEY (plan, priority)
);
CREATE TABLE reply_hours (
  priority TEXT PRIMARY KEY CHECK (priority IN ('low', 'normal', 'high', 'critical')),
  hours INTEGER NOT NULL
);
CREATE TABLE customers (
  email TEXT PRIMARY KEY,
  customer_name TEXT NOT NULL,
  company_name TEXT NOT NULL,
  plan TEXT NOT NULL,
  is_blocked INTEGER NOT NULL CHECK (is_blocked IN (0, 1))
);
-- What customers write about, who knows the field, what helps them and what engineers would need to know.
CREATE TABLE issues (
  subject TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  skill TEXT NOT NULL,
  engineering_team TEXT NOT NULL,
  answer TEXT NOT NULL,
  finding TEXT NOT NULL
);
CREATE TABLE agents (
  agent_id TEXT PRIMARY KEY,
  full_name TEXT NOT NULL,
  online INTEGER NOT NULL CHECK (online IN (0, 1)),
  capacity INTEGER NOT NULL CHECK (capacity > 0)
);
CREATE TABLE agent_skills (
  agent_id TEXT NOT NULL REFERENCES agents,
  skill TEXT NOT NULL CHECK (skill IN ('billing', 'api', 'integrations', 'accounts', 'performance')),
  PRIMARY KEY (agent_id, skill)
);
CREATE TABLE tickets (
  ticket_id TEXT PRIMARY KEY,
  email TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  channel TEXT NOT NULL CHECK (channel IN ('email', 'chat', 'phone', 'web_form')),
  priority TEXT NOT NULL REFERENCES reply_hours,
  agent_id TEXT REFERENCES agents,
  status TEXT NOT NULL CHECK (status IN ('open', 'waiting', 'escalated', 'solved')),
  resolution TEXT,
  request_rating INTEGER,
  created_at TEXT NOT NULL,
  solved_at TEXT,
  CHECK ((status = 'solved') = (resolution IS NOT NULL AND solved_at IS NOT NULL))
);
CREATE INDEX tickets_by_customer ON tickets (email);
CREATE INDEX tickets_by_agent ON tickets (agent_id);
CREATE TABLE replies (
  reply_id TEXT PRIMARY KEY,
  ticket_id TEXT NOT NULL REFERENCES tickets,
  message TEXT NOT NULL,
  visibility TEXT NOT NULL CHECK (visibility IN ('public', 'internal')),
  created_at TEXT NOT NULL
);
CREATE INDEX replies_by_ticket ON replies (ticket_id);
CREATE TABLE escalations (
  escalation_id TEXT PRIMARY KEY,
  ticket_id TEXT NOT NULL UNIQUE REFERENCES tickets,
  engineering_team TEXT NOT NULL CHECK (engineering_team IN ('platform', 'data', 'identity', 'payments')),
  summary TEXT NOT NULL,
  created_at TEXT NOT NULL
);

--- populate
INSERT INTO reply_hours VALUES ('low', 48), ('normal', 24), ('high', 4), ('critical', 1);
INSERT INTO plan_priorities VALUES
  ('basic', 'low'), ('basic', 'normal'), ('business', 'low'), ('business', 'normal'), ('business', 'high'),
  ('enterprise', 'low'), ('enterprise', 'normal'), ('enterprise', 'high'), ('enterprise', 'critical');

INSERT INTO customers
SELECT email(person(n), slug(company(n)) || '.example'), person(n), company(n),
       CASE n % 5 WHEN 0 THEN 'enterprise' WHEN 1 THEN 'business' WHEN 3 THEN 'business' ELSE 'basic' END, n IN (29, 32)
FROM numbers WHERE n <= 36 ORDER BY n;

INSERT INTO issues
SELECT nth('issues', n, 'subject'), nth('issues', n, 'body'), nth('issues', n, 'skill'), nth('issues', n, 'team'), nth('issues', n, 'answer'),
       nth('issues', n, 'finding')
FROM numbers WHERE n <= 18 ORDER BY n;

-- Eight agents know two of four skills each; the two who know the fifth have the day off.
INSERT INTO agents
SELECT 'agt' || digits(4, 'agent', n), person(300 + n), n <= 6 OR (n = 7 AND chance(0.5, 'seventh')), 12 FROM numbers WHERE n <= 10 ORDER BY n;

INSERT INTO agent_skills
SELECT agent_id, nth('skills', CASE WHEN a.rowid > 8 THEN 5 ELSE 1 + (a.rowid + k.n) % 4 END) FROM agents a JOIN numbers k ON k.n <= 2
WHERE a.rowid <= 8 OR k.n = 1 ORDER BY a.rowid, k.n;

-- No answer falls due while somebody talks about it: open tickets are somewhat more or clearly less than four hours or one hour old.
-- Of ten tickets two have no agent yet, two no answer, two wait for the customer, one is with engineering, three are solved.
INSERT INTO tickets
SELECT 'MB-' || printf('%07d', 1000000 + draw(0, 800000, 'first') + 7 * place), c.email, i.subject, i.body,
       pick('channels', n), p.priority,
       CASE WHEN n % 10 >= 2 THEN (SELECT agent_id FROM (SELECT agent_id, draw(1, 1000, 'agent', n, agent_id) AS luck FROM agent_skills WHERE skill = i.skill)
                                  ORDER BY luck, agent_id LIMIT 1) END,
       CASE WHEN n % 10 <= 3 THEN 'open' WHEN n % 10 <= 5 THEN 'waiting' WHEN n % 10 = 6 THEN 'escalated' ELSE 'solved' END,
       CASE WHEN n % 10 >= 7 THEN pick('resolutions', n) END, CASE WHEN n % 10 >= 7 THEN chance(0.8, 'rating', n) END,
       at(now(), '-' || age || ' minutes'), CASE WHEN n % 10 >= 7 THEN at(now(), (2100 + draw(0, 700, 'solved', n) - age) || ' minutes') END
FROM (
  SELECT *, row_number() OVER (ORDER BY age DESC, n) AS place FROM (
    SELECT n, CASE WHEN n % 10 = 6 THEN 5 * (1 + (n / 10) % 6) + (n / 10) % 2 ELSE 1 + n * 7 % 34 END AS customer,
           CASE WHEN n % 10 <= 3 THEN (100 - n) * 3 + draw(0, 2, 'age', n) + CASE WHEN n / 10 IN (2, 8) THEN 14 ELSE 0 END WHEN n % 10 <= 6 THEN 1440 + (100 - n) * 40
                ELSE 2880 + (100 - n) * 130 END AS age
    FROM numbers WHERE n <= 96
  )
) v
JOIN customers c ON c.rowid = v.customer
JOIN issues i ON i.rowid = 1 + (n * 5 + n / 18) % 18
JOIN plan_priorities p ON p.plan = c.plan AND p.priority = CASE
  WHEN n % 10 = 6 THEN CASE WHEN c.plan = 'enterprise' AND chance(0.5, 'critical', n) THEN 'critical' ELSE 'high' END
  WHEN EXISTS (SELECT 1 FROM plan_priorities o WHERE o.plan = c.plan AND o.priority = pick('priorities', n)) THEN pick('priorities', n)
  ELSE 'normal' END
ORDER BY n;

UPDATE agents SET capacity = max(1, (SELECT count(*) FROM tickets t WHERE t.agent_id = agents.agent_id AND t.status <> 'solved')) WHERE rowid IN (1, 4);

-- The first answer comes after a part of the time there is for it, now and then too late.
INSERT INTO replies
SELECT 'rep' || digits(9, 'reply', t.rowid), t.ticket_id, i.answer, 'public',
       min(at(t.created_at, '+' || min(1990, h.hours * 60 * draw(10, 112, 'pace', t.rowid) / 100) || ' minutes'), at(now(), '-75 minutes'))
FROM tickets t JOIN issues i USING (subject) JOIN reply_hours h USING (priority) WHERE t.status <> 'open' ORDER BY t.rowid;

INSERT INTO replies
SELECT 'rep' || digits(9, 'reply', 400 + t.rowid), t.ticket_id, pick('notes', t.rowid), 'internal', at(t.created_at, '+4 minutes')
FROM tickets t WHERE t.agent_id IS NOT NULL AND chance(0.3, 'note', t.rowid) ORDER BY t.rowid;

INSERT INTO escalations
SELECT 'esc' || digits(6, 'escalation', t.rowid), t.ticket_id, i.engineering_team, i.finding, at(now(), '-' || draw(20, 70, 'paged', t.rowid) || ' minutes')
FROM tickets t JOIN issues i USING (subject) WHERE t.status = 'escalated' ORDER BY t.rowid;

--- invariant a solved ticket has had an answer
SELECT ticket_id FROM tickets t WHERE status IN ('solved', 'waiting')
  AND NOT EXISTS (SELECT 1 FROM replies r WHERE r.ticket_id = t.ticket_id AND r.visibility = 'public');
--- invariant only urgent tickets are with engineering
SELECT ticket_id FROM tickets WHERE status = 'escalated' AND priority NOT IN ('high', 'critical');
--- invariant nobody holds more tickets than allowed
SELECT agent_id FROM agents a WHERE capacity < (SELECT count(*) FROM tickets t WHERE t.agent_id = a.agent_id AND t.status <> 'solved');
--- invariant nothing is answered before it was asked
SELECT reply_id FROM replies r JOIN tickets t USING (ticket_id) WHERE r.created_at < t.created_at;

--- tool open_ticket
--- error sender_blocked
SELECT 1 FROM customers WHERE email = :email AND is_blocked;
--- error priority_not_in_plan
SELECT 1 WHERE :priority NOT IN (
  SELECT priority FROM plan_priorities WHERE plan = coalesce((SELECT plan FROM customers WHERE email = :email), 'basic'));
--- let
SELECT 'MB-' || printf('%07d', 1 + (SELECT max(CAST(substr(ticket_id, 4) AS INTEGER)) FROM tickets)) AS ticket_id;
--- do
INSERT INTO tickets VALUES (:ticket_id, :email, :subject, :body, :channel, :priority, NULL, 'open', NULL, NULL, now(), NULL);
--- result
SELECT ticket_id, email, subject, body, channel, priority, at(created_at, '+' || hours || ' hours') AS first_reply_due, status
FROM tickets JOIN reply_hours USING (priority) WHERE ticket_id = :ticket_id;

--- tool search_tickets
--- error filter_missing
SELECT 1 WHERE :query IS NULL AND :email IS NULL AND :status IS NULL;
--- error query_too_broad
SELECT 1 WHERE length(replace(:query, ' ', '')) < 3;
--- page tickets
SELECT ticket_id, email, subject, priority, status FROM tickets
WHERE (:query IS NULL OR matches(subject || ' ' || body, :query)) AND (:email IS NULL OR fold(email) = fold(:email))
  AND (:status IS NULL OR status = :status)
ORDER BY created_at DESC, ticket_id DESC;

--- tool find_agents
--- error nobody_on_shift
SELECT 1 WHERE :only_online AND NOT EXISTS (SELECT 1 FROM agents JOIN agent_skills USING (agent_id) WHERE skill = :skill AND online);
--- rows agents
SELECT a.agent_id, a.full_name, count(t.ticket_id) AS open_tickets, a.online
FROM agents a JOIN agent_skills s USING (agent_id) LEFT JOIN tickets t ON t.agent_id = a.agent_id AND t.status <> 'solved'
WHERE s.skill = :skill AND (a.online OR NOT :only_online)
GROUP BY a.agent_id ORDER BY open_tickets, a.agent_id;

--- tool assign_ticket
--- error ticket_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE ticket_id = :ticket_id);
--- error agent_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM agents WHERE agent_id = :agent_id);
--- error ticket_solved
SELECT 1 FROM tickets WHERE ticket_id = :ticket_id AND status = 'solved';
--- error agent_at_capacity
SELECT 1 FROM agents a WHERE agent_id = :agent_id AND capacity <= (
  SELECT count(*) FROM tickets t WHERE t.agent_id = a.agent_id AND t.status <> 'solved' AND t.ticket_id <> :ticket_id);
--- do
UPDATE tickets SET agent_id = :agent_id WHERE ticket_id = :ticket_id;
--- result
SELECT ticket_id, agent_id, now() AS assigned_at FROM tickets WHERE ticket_id = :ticket_id;

--- tool reply_to_ticket
--- error ticket_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE ticket_id = :ticket_id);
--- error ticket_solved
SELECT 1 FROM tickets WHERE ticket_id = :ticket_id AND status = 'solved';
--- error ticket_unassigned
SELECT 1 FROM tickets WHERE ticket_id = :ticket_id AND agent_id IS NULL;
--- let
SELECT 'rep' || digits(9, 'reply', fresh(0)) AS reply_id;
--- do
INSERT INTO replies VALUES (:reply_id, :ticket_id, :message, :visibility, now());
UPDATE tickets SET status = 'waiting' WHERE ticket_id = :ticket_id AND status = 'open' AND :visibility = 'public';
--- result
SELECT reply_id, ticket_id, message, visibility, status FROM replies JOIN tickets USING (ticket_id) WHERE reply_id = :reply_id;

--- tool escalate_ticket
--- error ticket_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE ticket_id = :ticket_id);
--- error ticket_solved
SELECT 1 FROM tickets WHERE ticket_id = :ticket_id AND status = 'solved';
--- error already_escalated
SELECT 1 FROM tickets WHERE ticket_id = :ticket_id AND status = 'escalated';
--- error priority_too_low
SELECT 1 FROM tickets WHERE ticket_id = :ticket_id AND priority NOT IN ('high', 'critical');
--- let
SELECT 'esc' || digits(6, 'escalation', fresh(0)) AS escalation_id;
--- do
UPDATE tickets SET status = 'escalated' WHERE ticket_id = :ticket_id;
INSERT OR REPLACE INTO escalations VALUES (:escalation_id, :ticket_id, :engineering_team, :summary, now());
--- result
SELECT escalation_id, ticket_id, engineering_team, summary, status FROM escalations JOIN tickets USING (ticket_id)
WHERE escalation_id = :escalation_id;

--- tool solve_ticket
--- error ticket_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE ticket_id = :ticket_id);
--- error already_solved
SELECT 1 FROM tickets WHERE ticket_id = :ticket_id AND status = 'solved';
--- error no_public_reply
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM replies WHERE ticket_id = :ticket_id AND visibility = 'public');
--- do
UPDATE tickets SET status = 'solved', resolution = :resolution, request_rating = :request_rating, solved_at = now()
WHERE ticket_id = :ticket_id;
--- result
SELECT ticket_id, resolution, request_rating,
       (SELECT min(r.created_at) FROM replies r WHERE r.ticket_id = t.ticket_id AND r.visibility = 'public')
         <= at(t.created_at, '+' || hours || ' hours') AS service_level_met, solved_at, status
FROM tickets t JOIN reply_hours USING (priority) WHERE ticket_id = :ticket_id;

--- tool get_ticket
--- error ticket_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE ticket_id = :ticket_id);
--- result
SELECT ticket_id, email, subject, body, channel, priority, agent_id, at(created_at, '+' || hours || ' hours') AS first_reply_due,
       resolution, status, created_at
FROM tickets JOIN reply_hours USING (priority) WHERE ticket_id = :ticket_id;
--- rows replies
SELECT reply_id, message, visibility, created_at FROM replies WHERE ticket_id = :ticket_id ORDER BY created_at, reply_id;
