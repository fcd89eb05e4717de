/** Nodes, trust, inboxes and networks as they were at first. Never changed: see `schema.ts`. */
export const FIRST = `
CREATE TABLE nodes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  public_key BLOB NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  lan TEXT NOT NULL,
  public INTEGER NOT NULL DEFAULT 0,
  hostname TEXT UNIQUE,
  tags TEXT NOT NULL DEFAULT '[]',
  polo_score INTEGER NOT NULL DEFAULT 0,
  task_exec INTEGER NOT NULL DEFAULT 0,
  version TEXT NOT NULL,
  relay_only INTEGER NOT NULL,
  proven INTEGER NOT NULL,
  registered INTEGER NOT NULL DEFAULT 1,
  last_seen INTEGER NOT NULL,
  key_created_at INTEGER NOT NULL,
  key_rotated_at INTEGER,
  key_rotations INTEGER NOT NULL DEFAULT 0,
  key_expires_at INTEGER
) STRICT;
CREATE TABLE trust_pairs (
  low INTEGER NOT NULL,
  high INTEGER NOT NULL,
  request TEXT NOT NULL,
  accept TEXT NOT NULL,
  PRIMARY KEY (low, high)
) STRICT, WITHOUT ROWID;
CREATE INDEX trust_pairs_high ON trust_pairs (high, low);
CREATE TABLE trust_halves (
  giver INTEGER NOT NULL,
  peer INTEGER NOT NULL,
  kind TEXT NOT NULL,
  message TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (giver, peer)
) STRICT, WITHOUT ROWID;
CREATE TABLE inbox (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  target INTEGER NOT NULL,
  kind TEXT NOT NULL,
  sender INTEGER NOT NULL,
  justification TEXT NOT NULL,
  accept INTEGER NOT NULL,
  message TEXT NOT NULL,
  source TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX inbox_of_target ON inbox (target, kind, sender);
CREATE TABLE networks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  join_rule TEXT NOT NULL,
  token TEXT NOT NULL,
  enterprise INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE members (
  network INTEGER NOT NULL,
  node INTEGER NOT NULL,
  role TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX members_of_network ON members (network, node);
CREATE INDEX members_of_node ON members (node, network);
`;
