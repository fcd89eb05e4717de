/** Policies, member tags, invitations; counts kept instead of counted; `token` keeps what `NetworkTable.hashTokens` has yet to hash. */
export const NETWORKS = `
ALTER TABLE networks ADD COLUMN token_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE networks ADD COLUMN members INTEGER NOT NULL DEFAULT 0;
ALTER TABLE networks ADD COLUMN max_members INTEGER NOT NULL DEFAULT 0;
ALTER TABLE networks ADD COLUMN ports TEXT NOT NULL DEFAULT '[]';
ALTER TABLE networks ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE networks ADD COLUMN expr_policy TEXT NOT NULL DEFAULT '';
UPDATE networks SET members = (SELECT count(*) FROM members WHERE members.network = networks.id);
CREATE INDEX networks_of_rule ON networks (join_rule, id);
ALTER TABLE members ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE members ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
UPDATE members SET since = coalesce((SELECT created_at FROM networks WHERE networks.id = members.network), 0);
CREATE INDEX members_owners ON members (network, node) WHERE role = 'owner';
CREATE INDEX members_owned ON members (node) WHERE role = 'owner';
CREATE TABLE invites (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  target INTEGER NOT NULL,
  network INTEGER NOT NULL,
  inviter INTEGER NOT NULL,
  source TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX invites_of_target ON invites (target, network);
CREATE INDEX invites_of_network ON invites (network, inviter);
`;
