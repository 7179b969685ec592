-- Ferrous Cosign: shared vaults from which tokens leave when enough signers agree. Dollar values follow from the tokens held.
-- A proposal is executed, ready (as many approvals as the vault's threshold) or awaiting approval.

--- tables
CREATE TABLE chains (
  chain TEXT PRIMARY KEY,
  transfer_usd REAL NOT NULL,           -- what a token transfer out of a vault costs at normal speed
  normal_seconds INTEGER NOT NULL,
  deployable INTEGER NOT NULL CHECK (deployable IN (0, 1)),
  oracle_up INTEGER NOT NULL CHECK (oracle_up IN (0, 1))
);
CREATE TABLE speeds (
  speed TEXT PRIMARY KEY,
  fee_share REAL NOT NULL,
  time_share REAL NOT NULL
);
CREATE TABLE prices (
  token TEXT PRIMARY KEY,
  usd INTEGER NOT NULL
);
CREATE TABLE vaults (
  vault_id TEXT PRIMARY KEY,
  vault_name TEXT NOT NULL,
  chain TEXT NOT NULL REFERENCES chains,
  threshold INTEGER NOT NULL CHECK (threshold BETWEEN 1 AND 15),
  vault_address TEXT NOT NULL UNIQUE,
  frozen INTEGER NOT NULL CHECK (frozen IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE TABLE balances (
  vault_id TEXT NOT NULL REFERENCES vaults,
  token TEXT NOT NULL REFERENCES prices,
  amount NUMERIC NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (vault_id, token)
);
CREATE TABLE blocked (
  vault_id TEXT NOT NULL REFERENCES vaults,
  recipient_address TEXT NOT NULL,
  PRIMARY KEY (vault_id, recipient_address)
);
CREATE TABLE signers (
  signer_id TEXT PRIMARY KEY,
  vault_id TEXT NOT NULL REFERENCES vaults,
  signer_name TEXT NOT NULL,
  wallet_address TEXT NOT NULL,
  email TEXT NOT NULL,
  confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
  UNIQUE (vault_id, wallet_address)
);
CREATE TABLE proposals (
  proposal_id TEXT PRIMARY KEY,
  vault_id TEXT NOT NULL REFERENCES vaults,
  recipient_address TEXT NOT NULL,
  token TEXT NOT NULL REFERENCES prices,
  amount NUMERIC NOT NULL CHECK (amount > 0),
  memo TEXT,
  created_at TEXT NOT NULL,
  executed_at TEXT,
  transaction_hash TEXT,
  CHECK ((executed_at IS NULL) = (transaction_hash IS NULL))
);
CREATE INDEX proposals_by_vault ON proposals (vault_id);
CREATE TABLE approvals (
  proposal_id TEXT NOT NULL REFERENCES proposals,
  signer_id TEXT NOT NULL REFERENCES signers,
  PRIMARY KEY (proposal_id, signer_id)
);

--- populate
-- On one chain the gas oracle is down today, and on another one no contract can be deployed.
INSERT INTO chains
SELECT nth('chains', n, 'chain'), nth('chains', n, 'usd'), nth('chains', n, 'seconds'), n <> 1, n <> 2 FROM numbers WHERE n <= 4 ORDER BY n;

INSERT INTO speeds VALUES ('slow', 0.8, 4.0), ('normal', 1.0, 1.0), ('fast', 1.5, 0.5);
INSERT INTO prices VALUES ('USDC', 1), ('USDT', 1), ('DAI', 1), ('ETH', draw(230, 380, 'ether') * 10);

-- Twelve vaults, three on each chain. The last but one is frozen, the last one has as many signers as there can be.
INSERT INTO vaults
SELECT 'vlt_' || alnum(8, 'vault', n), nth('vaults', n), nth('chains', 1 + n % 4, 'chain'), draw(2, 4, 'threshold', n), '0x' || hexdigits(40, 'vault', n), n = 11,
       at(now(), '-' || draw(150, 700, 'vault age', n) || ' days', draw(9, 18, 'hour', n) || ':12')
FROM numbers WHERE n <= 12 ORDER BY n;

INSERT INTO balances
SELECT v.vault_id, p.token,
       CASE p.token WHEN 'USDC' THEN 500 * draw(40, 260, 'usdc', v.vault_id) WHEN 'USDT' THEN 500 * draw(16, 60, 'usdt', v.vault_id)
                    WHEN 'DAI' THEN CASE v.rowid WHEN 10 THEN 120 ELSE 250 * draw(28, 50, 'dai', v.vault_id) END ELSE draw(80, 400, 'eth', v.vault_id) / 10.0 END
FROM vaults v JOIN prices p ORDER BY v.rowid, p.token;

-- One signer more than needed or a few; the last of each vault has not confirmed a wallet yet.
INSERT INTO signers
WITH v AS MATERIALIZED (
  SELECT rowid AS row, vault_id, CASE rowid WHEN 12 THEN 14 ELSE threshold + draw(0, 2, 'spare', rowid) END AS most, pick('mail', rowid) AS domain FROM vaults),
s AS MATERIALIZED (SELECT v.*, k.n, person(v.row * 16 + k.n) AS name FROM v JOIN numbers k ON k.n <= v.most + 1)
SELECT 'sgn_' || alnum(6, 'signer', row * 16 + n), vault_id, name, '0x' || hexdigits(40, 'wallet', row * 16 + n),
       email(name, domain), n <= most
FROM s
ORDER BY row, n;

-- Nine proposals a vault, the oldest executed; of the others some are ready and some wait.
INSERT INTO proposals
WITH p AS MATERIALIZED (
  SELECT n, nth('payments', n, 'token') AS token, nth('payments', n, 'low') AS low, nth('payments', n, 'high') AS high, nth('payments', n, 'memo') AS memo FROM numbers WHERE n <= 24)
SELECT 'prp_' || alnum(8, 'proposal', v.rowid * 12 + k.n), v.vault_id, '0x' || hexdigits(40, 'recipient', v.rowid * 12 + k.n),
       p.token,
       CASE p.token WHEN 'ETH' THEN draw(p.low, p.high, 'sum', v.rowid, k.n) / 10.0 ELSE 50 * draw(p.low, p.high, 'sum', v.rowid, k.n) END,
       p.memo,
       at(now(), '-' || (28 - k.n * 3) || ' days', draw(8, 17, 'proposed', v.rowid, k.n) || ':' || draw(10, 55, 'proposed', v.rowid, k.n)),
       CASE WHEN k.n <= 4 THEN at(now(), '-' || (27 - k.n * 3) || ' days', draw(8, 17, 'sent', v.rowid, k.n) || ':' || draw(10, 55, 'sent', v.rowid, k.n)) END,
       CASE WHEN k.n <= 4 THEN '0x' || hexdigits(64, 'hash', v.rowid * 12 + k.n) END
FROM vaults v JOIN numbers k ON k.n <= 9 JOIN p ON p.n = 1 + (v.rowid * 5 + k.n) % 24 ORDER BY v.rowid, k.n;

-- One vault has spent the DAI that a transfer was agreed on for.
INSERT INTO proposals
SELECT 'prp_' || alnum(8, 'proposal', v.rowid * 12 + 10), v.vault_id, '0x' || hexdigits(40, 'recipient', v.rowid * 12 + 10), 'DAI', 50 * draw(30, 90, 'short'),
       'Printing of the yearbook', at(now(), '-6 days', '11:40'), NULL, NULL
FROM vaults v WHERE v.rowid = 10;

INSERT INTO approvals
SELECT p.proposal_id, s.signer_id
FROM (SELECT p.*, row_number() OVER (PARTITION BY vault_id ORDER BY p.rowid) AS k FROM proposals p) p JOIN vaults v USING (vault_id)
JOIN (SELECT s.*, row_number() OVER (PARTITION BY vault_id ORDER BY s.rowid) AS place, sum(confirmed) OVER (PARTITION BY vault_id) AS able FROM signers s) s USING (vault_id)
WHERE s.confirmed
  AND (s.place + p.k) % s.able < CASE WHEN p.k IN (1, 2, 3, 4, 5, 6, 10) THEN v.threshold ELSE draw(0, v.threshold - 1, 'so far', p.proposal_id) END
ORDER BY p.proposal_id, s.signer_id;

INSERT INTO blocked
SELECT v.vault_id, '0x' || hexdigits(40, 'blocked', v.rowid * 3 + k.n) FROM vaults v JOIN numbers k ON k.n <= 2 ORDER BY v.rowid, k.n;

--- invariant what was executed had enough approvals
SELECT p.proposal_id FROM proposals p JOIN vaults v USING (vault_id)
WHERE executed_at IS NOT NULL AND (SELECT count(*) FROM approvals a WHERE a.proposal_id = p.proposal_id) < threshold;
--- invariant only confirmed signers of the vault approve
SELECT a.proposal_id FROM approvals a JOIN signers s USING (signer_id) JOIN proposals p USING (proposal_id) WHERE NOT s.confirmed OR s.vault_id <> p.vault_id;
--- invariant no vault has more than 15 signers
SELECT vault_id FROM signers GROUP BY vault_id HAVING count(*) > 15;
--- invariant a vault's name is its own on a chain
SELECT chain FROM vaults GROUP BY chain, lower(vault_name) HAVING count(*) > 1;

--- tool create_vault
--- error vault_name_taken
SELECT 1 FROM vaults WHERE chain = :chain AND lower(vault_name) = lower(:vault_name);
--- error deployment_failed
SELECT 1 FROM chains WHERE chain = :chain AND NOT deployable;
--- let
SELECT 'vlt_' || alnum(8, 'vault', fresh(0)) AS vault_id;
--- do
INSERT INTO vaults VALUES (:vault_id, :vault_name, :chain, :threshold, '0x' || hexdigits(40, 'vault', fresh(0)), 0, now());
INSERT INTO balances SELECT :vault_id, token, 0 FROM prices ORDER BY token;
--- result
SELECT vault_id, vault_name, chain, threshold, vault_address, 'active' AS status FROM vaults WHERE vault_id = :vault_id;

--- tool get_vault
--- error vault_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM vaults WHERE vault_id = :vault_id);
--- result
SELECT vault_id, vault_name, chain, threshold, vault_address, CASE WHEN frozen THEN 'frozen' ELSE 'active' END AS status,
       (SELECT round(sum(amount * usd), 2) FROM balances b JOIN prices USING (token) WHERE b.vault_id = v.vault_id) AS balance_usd, created_at
FROM vaults v WHERE vault_id = :vault_id;
--- rows signers
SELECT signer_id, signer_name, wallet_address FROM signers WHERE vault_id = :vault_id ORDER BY signer_name, signer_id;

--- tool add_signer
--- error vault_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM vaults WHERE vault_id = :vault_id);
--- error wallet_already_signer
SELECT 1 FROM signers WHERE vault_id = :vault_id AND lower(wallet_address) = lower(:wallet_address);
--- error signer_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM signers WHERE vault_id = :vault_id) >= 15;
--- let
SELECT 'sgn_' || alnum(6, 'signer', fresh(0)) AS signer_id;
--- do
INSERT INTO signers VALUES (:signer_id, :vault_id, :signer_name, :wallet_address, :email, 0);
--- result
SELECT signer_id, vault_id, signer_name, wallet_address, email, 'invited' AS signer_status FROM signers WHERE signer_id = :signer_id;

--- tool estimate_network_fee
--- error vault_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM vaults WHERE vault_id = :vault_id);
--- error gas_oracle_unavailable
SELECT 1 FROM vaults JOIN chains USING (chain) WHERE vault_id = :vault_id AND NOT oracle_up;
--- result
SELECT vault_id, :token AS token, speed, round(transfer_usd * fee_share * CASE :token WHEN 'ETH' THEN 0.6 ELSE 1 END, 2) AS fee_usd,
       CAST(max(1, normal_seconds * time_share) AS INTEGER) AS expected_seconds
FROM vaults JOIN chains USING (chain) JOIN speeds ON speed = coalesce(:speed, 'normal') WHERE vault_id = :vault_id;

--- tool propose_transfer
--- error vault_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM vaults WHERE vault_id = :vault_id);
--- error vault_frozen
SELECT 1 FROM vaults WHERE vault_id = :vault_id AND frozen;
--- error recipient_blocked
SELECT 1 FROM blocked WHERE vault_id = :vault_id AND lower(recipient_address) = lower(:recipient_address);
--- error balance_too_low
SELECT 1 WHERE :amount > (SELECT amount FROM balances WHERE vault_id = :vault_id AND token = :token);
--- let
SELECT 'prp_' || alnum(8, 'proposal', fresh(0)) AS proposal_id;
--- do
INSERT INTO proposals VALUES (:proposal_id, :vault_id, :recipient_address, :token, :amount, :memo, now(), NULL, NULL);
--- result
SELECT proposal_id, vault_id, recipient_address, token, amount, memo, 0 AS approvals, 'awaiting_approval' AS status FROM proposals WHERE proposal_id = :proposal_id;

--- tool approve_proposal
--- error proposal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM proposals WHERE proposal_id = :proposal_id);
--- error already_executed
SELECT 1 FROM proposals WHERE proposal_id = :proposal_id AND executed_at IS NOT NULL;
--- error signer_not_in_vault
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM signers JOIN proposals USING (vault_id) WHERE signer_id = :signer_id AND proposal_id = :proposal_id);
--- error signer_unconfirmed
SELECT 1 FROM signers WHERE signer_id = :signer_id AND NOT confirmed;
--- error already_approved
SELECT 1 FROM approvals WHERE proposal_id = :proposal_id AND signer_id = :signer_id;
--- do
INSERT INTO approvals VALUES (:proposal_id, :signer_id);
--- result
SELECT proposal_id, :signer_id AS signer_id, approvals, threshold, CASE WHEN approvals >= threshold THEN 'ready' ELSE 'awaiting_approval' END AS status
FROM (SELECT proposal_id, threshold, (SELECT count(*) FROM approvals a WHERE a.proposal_id = p.proposal_id) AS approvals
      FROM proposals p JOIN vaults USING (vault_id) WHERE proposal_id = :proposal_id);

--- tool execute_proposal
--- error proposal_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM proposals WHERE proposal_id = :proposal_id);
--- error already_executed
SELECT 1 FROM proposals WHERE proposal_id = :proposal_id AND executed_at IS NOT NULL;
--- error vault_frozen
SELECT 1 FROM proposals JOIN vaults USING (vault_id) WHERE proposal_id = :proposal_id AND frozen;
--- error threshold_not_met
SELECT 1 FROM proposals p JOIN vaults USING (vault_id)
WHERE proposal_id = :proposal_id AND (SELECT count(*) FROM approvals a WHERE a.proposal_id = p.proposal_id) < threshold;
--- error balance_too_low
SELECT 1 FROM proposals p JOIN balances b USING (vault_id, token) WHERE proposal_id = :proposal_id AND b.amount < p.amount;
--- do
UPDATE balances SET amount = round(amount - (SELECT amount FROM proposals WHERE proposal_id = :proposal_id), 6)
WHERE (vault_id, token) = (SELECT vault_id, token FROM proposals WHERE proposal_id = :proposal_id);
UPDATE proposals SET executed_at = now(), transaction_hash = '0x' || hexdigits(64, 'hash', fresh(0)) WHERE proposal_id = :proposal_id;
--- result
SELECT proposal_id, transaction_hash, round(transfer_usd * fee_share * CASE token WHEN 'ETH' THEN 0.6 ELSE 1 END, 2) AS fee_usd, 'executed' AS status
FROM proposals JOIN vaults USING (vault_id) JOIN chains USING (chain) JOIN speeds ON speed = coalesce(:speed, 'normal') WHERE proposal_id = :proposal_id;

--- tool list_proposals
--- error vault_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM vaults WHERE vault_id = :vault_id);
--- page proposals
SELECT proposal_id, recipient_address, token, amount, approvals, status FROM (
  SELECT *, CASE WHEN executed_at IS NOT NULL THEN 'executed' WHEN approvals >= threshold THEN 'ready' ELSE 'awaiting_approval' END AS status
  FROM (SELECT p.*, threshold, (SELECT count(*) FROM approvals a WHERE a.proposal_id = p.proposal_id) AS approvals
        FROM proposals p JOIN vaults USING (vault_id) WHERE vault_id = :vault_id))
WHERE :status IS NULL OR status = :status
ORDER BY created_at DESC, proposal_id;
