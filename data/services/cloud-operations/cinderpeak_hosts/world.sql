-- Cinderpeak Hosts: virtual machines, disks and snapshots of one account. Moments are UTC; prices are cents of the region's
-- currency an hour. A machine boots for ten minutes; after that it runs.

--- tables
CREATE TABLE regions (
  region TEXT PRIMARY KEY CHECK (region IN ('nord-1', 'nord-2', 'alp-1')),
  currency TEXT NOT NULL CHECK (currency IN ('EUR', 'CHF')),
  accepts INTEGER NOT NULL CHECK (accepts IN (0, 1)),
  quota INTEGER NOT NULL                -- machines of the account in it
);
CREATE TABLE sizes (
  machine_size_id TEXT PRIMARY KEY,
  cpu_cores INTEGER NOT NULL,
  memory_gib INTEGER NOT NULL
);
CREATE TABLE offers (
  region TEXT NOT NULL REFERENCES regions,
  machine_size_id TEXT NOT NULL REFERENCES sizes,
  hourly_cents REAL NOT NULL,
  free INTEGER NOT NULL CHECK (free >= 0),
  PRIMARY KEY (region, machine_size_id)
);
CREATE TABLE machines (
  machine_id TEXT PRIMARY KEY,
  hostname TEXT NOT NULL UNIQUE,
  machine_size_id TEXT NOT NULL REFERENCES sizes,
  region TEXT NOT NULL REFERENCES regions,
  image TEXT NOT NULL CHECK (image IN ('debian-12', 'ubuntu-24', 'rocky-9', 'alpine-3')),
  open_ports TEXT NOT NULL,
  ip_address TEXT NOT NULL UNIQUE,
  power TEXT NOT NULL CHECK (power IN ('on', 'off', 'failed')),
  cpu_percent REAL NOT NULL,
  locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
  created_at TEXT NOT NULL,
  stopped_at TEXT,
  CHECK ((power = 'off') = (stopped_at IS NOT NULL))
);
CREATE TABLE disks (
  disk_id TEXT PRIMARY KEY,
  machine_id TEXT REFERENCES machines,  -- null once its machine is gone
  region TEXT NOT NULL REFERENCES regions,
  size_gib INTEGER NOT NULL CHECK (size_gib BETWEEN 10 AND 4096),
  used_gib REAL NOT NULL,
  disk_class TEXT NOT NULL CHECK (disk_class IN ('standard', 'fast')),
  snapshot_id TEXT,
  device_name TEXT NOT NULL,
  UNIQUE (machine_id, device_name),
  CHECK (used_gib <= size_gib)
);
CREATE TABLE snapshots (
  snapshot_id TEXT PRIMARY KEY,
  disk_id TEXT NOT NULL,
  region TEXT NOT NULL REFERENCES regions,
  snapshot_label TEXT NOT NULL,
  keep_days INTEGER NOT NULL CHECK (keep_days BETWEEN 1 AND 365),
  stored_gib REAL NOT NULL,
  is_done INTEGER NOT NULL CHECK (is_done IN (0, 1)),
  taken_at TEXT NOT NULL
);

--- populate
-- One region is closed, in one the account has used up its quota, one is open.
INSERT INTO regions
SELECT nth('regions', n), CASE nth('regions', n) WHEN 'alp-1' THEN 'CHF' ELSE 'EUR' END, n <> 1, CASE n WHEN 2 THEN 8 ELSE 40 END
FROM numbers WHERE n <= 3 ORDER BY n;

INSERT INTO sizes
SELECT value ->> '$[0]', value ->> '$[1]', value ->> '$[2]'
FROM json_each('[["c4-small",2,4],["c4-medium",4,8],["c4-large",8,16],["c4-xlarge",16,32],["g4-small",2,8],["g4-medium",4,16],
  ["g4-large",8,32],["g4-xlarge",16,64],["m4-medium",4,32],["m4-large",8,64],["m4-xlarge",16,128]]')
ORDER BY key;

INSERT INTO offers
SELECT r.region, s.machine_size_id,
       round((s.cpu_cores * 0.93 + s.memory_gib * 0.31) * CASE r.region WHEN 'alp-1' THEN 1.22 WHEN 'nord-2' THEN 0.95 ELSE 1 END, 1),
       CASE WHEN chance(0.25, 'sold out', r.region, s.machine_size_id) THEN 0 ELSE draw(2, 40, 'free', r.region, s.machine_size_id) END
FROM regions r JOIN sizes s ORDER BY r.rowid, s.rowid;

-- 13 machines are on for long, 6 are off (3 of them locked), 2 have just been started, 1 has failed.
INSERT INTO machines
SELECT 'vm-' || hexdigits(8, 'machine', n), nth('hosts', n, 'name'), pick('common_sizes', n), nth('regions', 1 + n % 3), pick('images', n),
       nth('hosts', n, 'ports'), CASE n % 2 WHEN 0 THEN '203.0.113.' ELSE '198.51.100.' END || (20 + n * 7 % 200),
       CASE WHEN n BETWEEN 14 AND 19 THEN 'off' WHEN n = 22 THEN 'failed' ELSE 'on' END,
       CASE WHEN n <= 13 AND n % 2 THEN draw(12, 96, 'load', n) / 10.0 WHEN n <= 13 THEN draw(150, 890, 'load', n) / 10.0 WHEN n IN (20, 21) THEN 40.0 + n ELSE 0 END, n BETWEEN 14 AND 16,
       CASE WHEN n IN (20, 21) THEN at(now(), '-' || (n * 2 - 38) || ' minutes')
            ELSE at(now(), '-' || draw(20, 420, 'made', n) || ' days', draw(6, 19, 'hour', n) || ':' || draw(10, 59, 'minute', n)) END,
       CASE WHEN n BETWEEN 14 AND 19 THEN at(now(), '-' || draw(2, 18, 'off', n) || ' days') END
FROM numbers WHERE n <= 22 ORDER BY n;

-- Two disks a machine; one machine is full of them.
INSERT INTO disks
SELECT 'dsk-' || hexdigits(8, 'disk', m.rowid * 20 + k.n), m.machine_id, m.region, size_gib,
       round(size_gib * draw(10, 80, 'used', m.rowid, k.n) / 100.0, 1), CASE WHEN chance(0.4, 'fast', m.rowid, k.n) THEN 'fast' ELSE 'standard' END,
       NULL, '/dev/vd' || substr('bcdefghijklmnopqrstuvwxyz', k.n, 1)
FROM (SELECT rowid, machine_id, region FROM machines) m JOIN numbers k ON k.n <= CASE WHEN m.rowid = 5 THEN 16 ELSE 2 END
JOIN (SELECT n, 20 * draw(1, 20, 'size', n) AS size_gib FROM numbers) z ON z.n = m.rowid * 16 + k.n
ORDER BY m.rowid, k.n;

-- A third of the disks have a snapshot or two; on three disks one is being taken.
INSERT INTO snapshots
SELECT 'snap-' || hexdigits(10, 'snapshot', d.rowid * 3 + k.n), d.disk_id, d.region, pick('labels', d.rowid, k.n), pick('keeps', d.rowid, k.n),
       round(d.used_gib * draw(70, 100, 'then', d.rowid, k.n) / 100.0, 1), 1, at(now(), '-' || draw(1, 20, 'taken', d.rowid, k.n) || ' days')
FROM disks d JOIN numbers k ON k.n <= 2 WHERE chance(0.4, 'kept', d.rowid, k.n) ORDER BY d.rowid, k.n;

INSERT INTO snapshots
SELECT 'snap-' || hexdigits(10, 'snapshot', 1000 + d.rowid), d.disk_id, d.region, 'nightly', 14, d.used_gib, 0, at(now(), '-3 minutes')
FROM disks d WHERE d.rowid IN (3, 6, 20) ORDER BY d.rowid;

--- invariant a machine has at most 16 disks
SELECT machine_id FROM disks WHERE machine_id IS NOT NULL GROUP BY machine_id HAVING count(*) > 16;
--- invariant a disk is in its machine's region
SELECT disk_id FROM disks d JOIN machines m USING (machine_id) WHERE d.region <> m.region;
--- invariant no region has more machines than the quota
SELECT region FROM regions r WHERE accepts AND (SELECT count(*) FROM machines m WHERE m.region = r.region) > quota;

--- tool list_machine_sizes
--- error region_closed
SELECT 1 FROM regions WHERE region = :region AND NOT accepts;
--- page machine_sizes
SELECT machine_size_id, cpu_cores, memory_gib, hourly_cents, currency
FROM offers JOIN sizes USING (machine_size_id) JOIN regions USING (region)
WHERE region = :region AND memory_gib >= :minimum_memory_gib
ORDER BY hourly_cents, machine_size_id;

--- tool create_machine
--- error region_closed
SELECT 1 FROM regions WHERE region = :region AND NOT accepts;
--- error size_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sizes WHERE machine_size_id = :machine_size_id);
--- error hostname_taken
SELECT 1 FROM machines WHERE hostname = :hostname;
--- error machine_quota_reached
SELECT 1 FROM regions r WHERE region = :region AND (SELECT count(*) FROM machines m WHERE m.region = r.region) >= quota;
--- error capacity_exhausted
SELECT 1 FROM offers WHERE region = :region AND machine_size_id = :machine_size_id AND free = 0;
--- let
SELECT 'vm-' || hexdigits(8, 'machine', 20000 + fresh(0)) AS machine_id,
       '198.18.' || (fresh(0) / 250 % 250) || '.' || (1 + fresh(0) % 250) AS ip_address;
--- do
INSERT INTO machines VALUES
  (:machine_id, :hostname, :machine_size_id, :region, :image, coalesce(:open_ports, '[22]'), :ip_address, 'on', 0, 0, now(), NULL);
UPDATE offers SET free = free - 1 WHERE region = :region AND machine_size_id = :machine_size_id;
--- result
SELECT machine_id, hostname, machine_size_id, region, image, open_ports, ip_address, 'booting' AS status, created_at
FROM machines WHERE machine_id = :machine_id;

--- tool get_machine
--- error machine_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM machines WHERE machine_id = :machine_id);
--- result
SELECT machine_id, hostname, machine_size_id, region, image, open_ports, ip_address,
       CASE WHEN power = 'off' THEN 'stopped' WHEN power = 'failed' THEN 'failed' WHEN created_at > at(now(), '-10 minutes') THEN 'booting'
            ELSE 'running' END AS status,
       cpu_percent, created_at
FROM machines WHERE machine_id = :machine_id;

--- tool create_disk
--- error machine_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM machines WHERE machine_id = :machine_id);
--- error snapshot_not_found
SELECT 1 WHERE :snapshot_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM snapshots WHERE snapshot_id = :snapshot_id AND is_done);
--- error other_region
SELECT 1 FROM snapshots s, machines m WHERE s.snapshot_id = :snapshot_id AND m.machine_id = :machine_id AND s.region <> m.region;
--- error snapshot_too_large
SELECT 1 FROM snapshots WHERE snapshot_id = :snapshot_id AND stored_gib > :size_gib;
--- error too_many_disks
SELECT 1 FROM machines m WHERE machine_id = :machine_id AND (SELECT count(*) FROM disks d WHERE d.machine_id = m.machine_id) >= 16;
--- let
SELECT 'dsk-' || hexdigits(8, 'disk', 20000 + fresh(0)) AS disk_id,
       (SELECT '/dev/vd' || letter FROM (SELECT substr('bcdefghijklmnopqrstuvwxyz', n, 1) AS letter, n FROM numbers WHERE n <= 25)
        WHERE '/dev/vd' || letter NOT IN (SELECT device_name FROM disks d WHERE d.machine_id = :machine_id) ORDER BY n LIMIT 1) AS device_name;
--- do
INSERT INTO disks
SELECT :disk_id, machine_id, region, :size_gib,
       coalesce((SELECT stored_gib FROM snapshots WHERE snapshot_id = :snapshot_id), 0), :disk_class, :snapshot_id, :device_name
FROM machines WHERE machine_id = :machine_id;
--- result
SELECT disk_id, machine_id, size_gib, disk_class, snapshot_id, device_name, 'attached' AS disk_status FROM disks WHERE disk_id = :disk_id;

--- tool create_snapshot
--- error disk_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM disks WHERE disk_id = :disk_id);
--- error snapshot_in_progress
SELECT 1 FROM snapshots WHERE disk_id = :disk_id AND NOT is_done;
--- let
SELECT 'snap-' || hexdigits(10, 'snapshot', 20000 + fresh(0)) AS snapshot_id;
--- do
INSERT INTO snapshots
SELECT :snapshot_id, disk_id, region, :snapshot_label, :keep_days, used_gib, 1, now() FROM disks WHERE disk_id = :disk_id;
--- result
SELECT snapshot_id, disk_id, snapshot_label, keep_days, stored_gib, 'complete' AS snapshot_status
FROM snapshots WHERE snapshot_id = :snapshot_id;

--- tool stop_machine
--- error machine_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM machines WHERE machine_id = :machine_id);
--- error machine_booting
SELECT 1 FROM machines WHERE machine_id = :machine_id AND power = 'on' AND created_at > at(now(), '-10 minutes');
--- do
UPDATE machines SET power = 'off', stopped_at = now(), cpu_percent = 0 WHERE machine_id = :machine_id AND power <> 'off';
--- result
SELECT machine_id, :grace_seconds AS grace_seconds, 'stopped' AS status, stopped_at FROM machines WHERE machine_id = :machine_id;

--- tool delete_machine
--- error machine_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM machines WHERE machine_id = :machine_id);
--- error machine_running
SELECT 1 FROM machines WHERE machine_id = :machine_id AND power <> 'off';
--- error deletion_locked
SELECT 1 FROM machines WHERE machine_id = :machine_id AND locked;
--- do
DELETE FROM disks WHERE machine_id = :machine_id AND :delete_disks;
UPDATE disks SET machine_id = NULL WHERE machine_id = :machine_id;
DELETE FROM machines WHERE machine_id = :machine_id;
--- result
SELECT :machine_id AS machine_id, :delete_disks AS delete_disks, 1 AS deleted;
