/**
 * What nodes sign of themselves, where it can be found, certificates beside trust pairs, and tombstones.
 * `trust_pairs.serial` is the highest the pair ever had; the certificate is empty where there is none.
 */
export const IDENTITY = `
ALTER TABLE trust_pairs ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
ALTER TABLE trust_pairs ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trust_pairs ADD COLUMN not_after INTEGER;
CREATE TABLE trust_tombstones (
  giver INTEGER NOT NULL,
  peer INTEGER NOT NULL,
  serial INTEGER NOT NULL,
  at INTEGER NOT NULL,
  message TEXT NOT NULL,
  revocation TEXT NOT NULL,
  PRIMARY KEY (giver, peer)
) STRICT, WITHOUT ROWID;
CREATE TABLE node_documents (
  node INTEGER PRIMARY KEY,
  sequence INTEGER NOT NULL,
  document TEXT NOT NULL,
  terms TEXT NOT NULL
) STRICT;
CREATE TABLE key_rotations (
  node INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  old_key BLOB NOT NULL UNIQUE,
  document TEXT NOT NULL,
  PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE node_terms (
  term TEXT NOT NULL,
  node INTEGER NOT NULL,
  PRIMARY KEY (term, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX node_terms_of_node ON node_terms (node);
INSERT INTO node_terms SELECT '', id FROM nodes WHERE public = 1 AND registered = 1;
INSERT OR IGNORE INTO node_terms
  SELECT 'tag:' || value, nodes.id FROM nodes, json_each(nodes.tags) WHERE public = 1 AND registered = 1;
`;
