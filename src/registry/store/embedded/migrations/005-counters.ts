/** The last id of a network; before, only the engine knew it. */
export const COUNTERS = `
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('network',
  coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'networks'), (SELECT max(id) FROM networks), 0));
`;
