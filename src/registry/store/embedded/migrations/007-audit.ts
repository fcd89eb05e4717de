/** The audit log, admin tokens, and webhooks with what they failed to deliver. */
export const AUDIT = `
CREATE TABLE audit_pending (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  action TEXT NOT NULL,
  actor TEXT NOT NULL,
  node INTEGER,
  target INTEGER,
  network INTEGER,
  source TEXT,
  details TEXT
) STRICT;
CREATE TABLE audit_log (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  action TEXT NOT NULL,
  actor TEXT NOT NULL,
  node INTEGER,
  target INTEGER,
  network INTEGER,
  source TEXT,
  details TEXT,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_network ON audit_log (network, seq) WHERE network IS NOT NULL;
CREATE TABLE audit_state (
  id INTEGER PRIMARY KEY,
  start_seq INTEGER NOT NULL,
  start_hash BLOB NOT NULL,
  head_seq INTEGER NOT NULL,
  head_hash BLOB NOT NULL
) STRICT;
INSERT INTO audit_state (id, start_seq, start_hash, head_seq, head_hash)
  VALUES (1, 0, zeroblob(32), 0, zeroblob(32));
CREATE TABLE admin_tokens (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  hash TEXT NOT NULL,
  scopes TEXT NOT NULL,
  networks TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  used_at INTEGER
) STRICT;
CREATE TABLE webhooks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  url TEXT NOT NULL,
  secret TEXT NOT NULL,
  events TEXT NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  told INTEGER NOT NULL,
  delivered INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER,
  last_error TEXT NOT NULL DEFAULT '',
  lease_owner TEXT NOT NULL DEFAULT '',
  lease_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE webhook_deliveries (
  webhook INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  body TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_at INTEGER,
  error TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (webhook, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_at, seq);
`;
