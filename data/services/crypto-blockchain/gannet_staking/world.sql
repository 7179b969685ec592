-- Gannet Staking: delegations of tokens to validators on four chains. Amounts are whole tokens with up to four decimals.
-- Rewards accrue by the day from rewards_from on, until the delegation unbonds or its validator leaves the active set.

--- tables
CREATE TABLE chains (
  chain TEXT PRIMARY KEY,
  symbol TEXT NOT NULL,
  unbonding_days INTEGER NOT NULL,
  base_percent REAL NOT NULL,           -- what a stake earns in a year before commission
  network_fee REAL NOT NULL,
  index_behind INTEGER NOT NULL CHECK (index_behind IN (0, 1))
);
CREATE TABLE validators (
  validator_id TEXT PRIMARY KEY,
  chain TEXT NOT NULL REFERENCES chains,
  validator_name TEXT NOT NULL UNIQUE,
  commission_percent REAL NOT NULL CHECK (commission_percent BETWEEN 0 AND 100),
  uptime_percent REAL NOT NULL CHECK (uptime_percent BETWEEN 50 AND 100),
  slashed INTEGER NOT NULL CHECK (slashed IN (0, 1)),
  inactive_on TEXT                      -- the day on which it left the active set
);
CREATE TABLE accounts (                 -- what is on the chains, registered here or not
  wallet_address TEXT PRIMARY KEY,
  chain TEXT NOT NULL REFERENCES chains,
  owner_name TEXT NOT NULL,
  free_balance REAL NOT NULL CHECK (free_balance >= 0)
);
CREATE TABLE wallets (
  wallet_id TEXT PRIMARY KEY,
  wallet_address TEXT NOT NULL UNIQUE REFERENCES accounts,
  label TEXT NOT NULL
);
CREATE TABLE delegations (
  delegation_id TEXT PRIMARY KEY,
  wallet_id TEXT NOT NULL REFERENCES wallets,
  validator_id TEXT NOT NULL REFERENCES validators,
  stake_tokens REAL NOT NULL CHECK (stake_tokens > 0),
  rewards_from TEXT NOT NULL,
  unbonding_on TEXT,
  created_at TEXT NOT NULL
);
CREATE INDEX delegations_by_wallet ON delegations (wallet_id);

--- populate
INSERT INTO chains
SELECT value ->> '$.chain', value ->> '$.symbol', value ->> '$.days', value ->> '$.rate', value ->> '$.fee', key + 1 = draw(1, 4, 'behind')
FROM json_each('[{"chain":"cosmos","symbol":"ATOM","days":21,"rate":16.4,"fee":0.01},{"chain":"polkadot","symbol":"DOT","days":28,"rate":13.8,"fee":0.02},
  {"chain":"near","symbol":"NEAR","days":2,"rate":9.2,"fee":0.005},{"chain":"celestia","symbol":"TIA","days":21,"rate":10.1,"fee":0.01}]')
ORDER BY key;

-- Ten validators a chain: six with an uptime of 99 percent, two below it, two that left the active set.
INSERT INTO validators
SELECT 'val_' || alnum(7, 'validator', c.rowid * 20 + n), c.chain, nth('validators', (c.rowid - 1) * 10 + n),
       nth('commissions', 1 + (n + c.rowid * 3) % 10),
       CASE WHEN n <= 6 THEN 99.05 + (n * 16 + draw(0, 12, 'up', c.rowid, n)) / 125.0 ELSE draw(9610, 9890, 'down', c.rowid, n) / 100.0 END,
       n IN (2, 7), CASE WHEN n > 8 THEN at(now(), '-' || draw(6, 40, 'out', c.rowid, n) || ' days', 'date') END
FROM chains c JOIN numbers ON n <= 10 ORDER BY c.rowid, n;

UPDATE validators SET uptime_percent = round(uptime_percent, 2);

-- Forty-four accounts, two for each owner on different chains; the last sixteen are not registered.
INSERT INTO accounts
SELECT CASE c.chain WHEN 'cosmos' THEN 'cosmos1' || lowers(4, 'cosmos', n) || hexdigits(34, 'cosmos tail', n)
                    WHEN 'celestia' THEN 'celestia1' || lowers(4, 'celestia', n) || hexdigits(34, 'celestia tail', n)
                    WHEN 'polkadot' THEN '1' || lowers(3, 'polkadot', n) || alnum(43, 'polkadot tail', n)
                    ELSE slug(person((n + 1) / 2)) || '.near' END,
       c.chain, person((n + 1) / 2), 5 * draw(20, 560, 'free', n) + draw(0, 99, 'odd', n) / 100.0
FROM numbers JOIN chains c ON c.rowid = 1 + (n * 3 + (n - 1) / 8) % 4 WHERE n <= 44 ORDER BY n;

INSERT INTO wallets
SELECT 'wlt_' || alnum(7, 'wallet', a.rowid), wallet_address, pick('labels', a.rowid) FROM accounts a WHERE a.rowid <= 28 ORDER BY a.rowid;

-- Three delegations a wallet: most are bonded, some unbond, some are closed; a few are small.
INSERT INTO delegations
SELECT 'dlg_' || alnum(9, 'delegation', p.place), p.wallet_id, p.validator_id, p.stake,
       CASE WHEN p.state = 'closed' THEN p.unbonding_on
            WHEN p.state = 'unbonding' THEN at(p.unbonding_on, '-' || draw(8, 60, 'since', p.place) || ' days', 'date')
            WHEN p.stake < 13 THEN at(now(), '-1 days', 'date')
            ELSE at(now(), '-' || draw(14, 120, 'since', p.place) || ' days', 'date') END,
       p.unbonding_on, at(now(), '-' || draw(190, 420, 'created', p.place) || ' days', draw(7, 21, 'hour', p.place) || ':' || draw(10, 59, 'minute', p.place))
FROM (
  SELECT d.*, CASE d.state WHEN 'unbonding' THEN at(now(), '-' || draw(1, c.unbonding_days - 1, 'began', d.place) || ' days', 'date')
                           WHEN 'closed' THEN at(now(), '-' || (c.unbonding_days + draw(2, 40, 'began', d.place)) || ' days', 'date') END AS unbonding_on
  FROM (
    SELECT w.wallet_id, a.chain, v.validator_id, w.rowid * 10 + k.n AS place,
           CASE WHEN draw(1, 5, 'small', w.rowid, k.n) = 1 THEN draw(5, 12, 'stake', w.rowid, k.n) ELSE 5 * draw(12, 360, 'stake', w.rowid, k.n) END AS stake,
           CASE WHEN draw(1, 100, 'state', w.rowid, k.n) <= 62 THEN 'bonded' WHEN draw(1, 100, 'state', w.rowid, k.n) <= 84 THEN 'unbonding' ELSE 'closed' END AS state
    FROM wallets w JOIN accounts a USING (wallet_address) JOIN numbers k ON k.n <= 3
    JOIN chains c USING (chain) JOIN validators v ON v.rowid = (c.rowid - 1) * 10 + 1 + (draw(1, 10, 'validator', w.rowid) + k.n * 3) % 10
  ) d JOIN chains c USING (chain)
) p ORDER BY p.place;

-- Three wallets have used up the chain's seven unbondings at once (not on NEAR, where they end within two days), and hold one bonded stake more.
INSERT INTO delegations
SELECT 'dlg_' || alnum(9, 'delegation', 5000 + p.wallet * 10 + k.n), p.wallet_id, v.validator_id, 5 * draw(10, 60, 'piece', p.wallet, k.n),
       at(now(), '-' || draw(30, 90, 'since', p.wallet, k.n) || ' days', 'date'),
       CASE WHEN k.n <= 7 THEN at(now(), '-' || draw(1, 18, 'piece began', p.wallet, k.n) || ' days', 'date') END,
       at(now(), '-' || draw(190, 300, 'created', p.wallet, k.n) || ' days', draw(7, 21, 'hour', p.wallet, k.n) || ':20')
FROM (
  SELECT w.rowid AS wallet, w.wallet_id, a.chain, row_number() OVER (ORDER BY w.rowid) AS place
  FROM wallets w JOIN accounts a USING (wallet_address) WHERE a.chain <> 'near'
    AND NOT EXISTS (SELECT 1 FROM delegations d WHERE d.wallet_id = w.wallet_id AND d.unbonding_on IS NOT NULL)
) p JOIN numbers k ON k.n <= 8 JOIN chains c USING (chain) JOIN validators v ON v.rowid = (c.rowid - 1) * 10 + k.n
WHERE p.place <= 3 ORDER BY p.wallet, k.n;

--- invariant a delegation stays on its wallet's chain
SELECT delegation_id FROM delegations JOIN validators v USING (validator_id) JOIN wallets USING (wallet_id) JOIN accounts a USING (wallet_address)
WHERE v.chain <> a.chain;
--- invariant rewards do not start after unbonding has begun
SELECT delegation_id FROM delegations WHERE rewards_from > coalesce(unbonding_on, '9999-01-01') AND rewards_from <> at(now(), 'date');
--- invariant no wallet has more than seven unbondings in progress
SELECT d.wallet_id FROM delegations d JOIN validators v USING (validator_id) JOIN chains c USING (chain)
WHERE at(d.unbonding_on, '+' || c.unbonding_days || ' days', 'date') > at(now(), 'date') GROUP BY d.wallet_id HAVING count(*) > 7;

--- tool search_validators
--- error chain_indexer_behind
SELECT 1 FROM chains WHERE chain = :chain AND index_behind;
--- page validators
SELECT validator_id, validator_name, commission_percent, uptime_percent, slashed FROM validators
WHERE chain = :chain AND inactive_on IS NULL AND uptime_percent >= :min_uptime_percent
  AND (:max_commission_percent IS NULL OR commission_percent <= :max_commission_percent)
ORDER BY commission_percent, validator_name;

--- tool register_wallet
--- error wallet_already_registered
SELECT 1 FROM wallets WHERE wallet_address = :wallet_address;
--- error address_format_mismatch
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM accounts WHERE wallet_address = :wallet_address AND chain = :chain
);
--- let
SELECT 'wlt_' || alnum(7, 'wallet', fresh(0)) AS wallet_id;
--- do
INSERT INTO wallets VALUES (:wallet_id, :wallet_address, :label);
--- result
SELECT wallet_id, chain, wallet_address, label, free_balance FROM wallets JOIN accounts USING (wallet_address) WHERE wallet_id = :wallet_id;

--- tool estimate_rewards
--- error validator_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM validators WHERE validator_id = :validator_id);
--- error validator_inactive
SELECT 1 FROM validators WHERE validator_id = :validator_id AND inactive_on IS NOT NULL;
--- let
SELECT round(c.base_percent * (1 - v.commission_percent / 100.0), 2) AS annual_rate_percent
FROM validators v JOIN chains c USING (chain) WHERE validator_id = :validator_id;
--- result
SELECT :validator_id AS validator_id, :stake_tokens AS stake_tokens, :days AS days,
       round(CASE WHEN :compound THEN :stake_tokens * (calculate('(1 + r / 36500) ^ d', json_object('r', :annual_rate_percent, 'd', :days)) - 1)
                  ELSE :stake_tokens * :annual_rate_percent / 36500 * :days END, 4) AS reward_tokens,
       :annual_rate_percent AS annual_rate_percent;

--- tool open_delegation
--- error wallet_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM wallets WHERE wallet_id = :wallet_id);
--- error validator_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM validators WHERE validator_id = :validator_id);
--- error chain_mismatch
SELECT 1 FROM wallets JOIN accounts a USING (wallet_address), validators v
WHERE wallet_id = :wallet_id AND v.validator_id = :validator_id AND a.chain <> v.chain;
--- error validator_inactive
SELECT 1 FROM validators WHERE validator_id = :validator_id AND inactive_on IS NOT NULL;
--- error free_balance_too_low
SELECT 1 FROM wallets JOIN accounts USING (wallet_address) WHERE wallet_id = :wallet_id AND free_balance < :stake_tokens;
--- let
SELECT 'dlg_' || alnum(9, 'delegation', 20000 + fresh(0)) AS delegation_id;
--- do
INSERT INTO delegations VALUES (:delegation_id, :wallet_id, :validator_id, :stake_tokens, at(now(), 'date'), NULL, now());
UPDATE accounts SET free_balance = round(free_balance - :stake_tokens, 4)
WHERE wallet_address = (SELECT wallet_address FROM wallets WHERE wallet_id = :wallet_id);
--- result
SELECT delegation_id, wallet_id, validator_id, stake_tokens, 'bonded' AS status FROM delegations WHERE delegation_id = :delegation_id;

--- tool get_delegation
--- error delegation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM delegations WHERE delegation_id = :delegation_id);
--- result
SELECT d.delegation_id, d.wallet_id, d.validator_id, d.stake_tokens,
       round(d.stake_tokens * c.base_percent * (1 - v.commission_percent / 100.0) / 36500
             * max(0, julianday(min(at(now(), 'date'), coalesce(d.unbonding_on, '9999-01-01'), coalesce(v.inactive_on, '9999-01-01')))
                      - julianday(d.rewards_from)), 4) AS unclaimed_rewards,
       CASE WHEN d.unbonding_on IS NULL THEN 'bonded'
            WHEN at(d.unbonding_on, '+' || c.unbonding_days || ' days', 'date') > at(now(), 'date') THEN 'unbonding' ELSE 'closed' END AS status,
       CASE WHEN at(d.unbonding_on, '+' || c.unbonding_days || ' days', 'date') > at(now(), 'date')
            THEN at(d.unbonding_on, '+' || c.unbonding_days || ' days', 'date') END AS free_on, d.created_at
FROM delegations d JOIN validators v USING (validator_id) JOIN chains c USING (chain) WHERE d.delegation_id = :delegation_id;

--- tool claim_rewards
--- error delegation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM delegations WHERE delegation_id = :delegation_id);
--- error not_bonded
SELECT 1 FROM delegations WHERE delegation_id = :delegation_id AND unbonding_on IS NOT NULL AND :restake;
--- let
SELECT round(d.stake_tokens * c.base_percent * (1 - v.commission_percent / 100.0) / 36500
             * max(0, julianday(min(at(now(), 'date'), coalesce(d.unbonding_on, '9999-01-01'), coalesce(v.inactive_on, '9999-01-01')))
                      - julianday(d.rewards_from)), 4) AS claimed_tokens, c.network_fee
FROM delegations d JOIN validators v USING (validator_id) JOIN chains c USING (chain) WHERE d.delegation_id = :delegation_id;
--- error nothing_to_claim
SELECT 1 WHERE :claimed_tokens <= :network_fee;
--- do
UPDATE accounts SET free_balance = round(free_balance + :claimed_tokens, 4)
WHERE NOT :restake AND wallet_address = (SELECT wallet_address FROM delegations JOIN wallets USING (wallet_id) WHERE delegation_id = :delegation_id);
UPDATE delegations SET stake_tokens = CASE WHEN :restake THEN round(stake_tokens + :claimed_tokens, 4) ELSE stake_tokens END,
  rewards_from = at(now(), 'date') WHERE delegation_id = :delegation_id;
--- result
SELECT delegation_id, :claimed_tokens AS claimed_tokens, :restake AS restake, stake_tokens, 0 AS unclaimed_rewards
FROM delegations WHERE delegation_id = :delegation_id;

--- tool begin_unbonding
--- error delegation_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM delegations WHERE delegation_id = :delegation_id);
--- let
SELECT c.unbonding_days, d.wallet_id, d.unbonding_on AS began
FROM delegations d JOIN validators v USING (validator_id) JOIN chains c USING (chain) WHERE delegation_id = :delegation_id;
--- error delegation_closed
SELECT 1 WHERE at(:began, '+' || :unbonding_days || ' days', 'date') <= at(now(), 'date');
--- error already_unbonding
SELECT 1 WHERE :began IS NOT NULL;
--- error unbonding_slots_full
SELECT 1 WHERE 7 <= (
  SELECT count(*) FROM delegations WHERE wallet_id = :wallet_id AND at(unbonding_on, '+' || :unbonding_days || ' days', 'date') > at(now(), 'date'));
--- do
UPDATE delegations SET unbonding_on = at(now(), 'date') WHERE delegation_id = :delegation_id;
--- result
SELECT delegation_id, 'unbonding' AS status, at(unbonding_on, '+' || :unbonding_days || ' days', 'date') AS free_on
FROM delegations WHERE delegation_id = :delegation_id;
