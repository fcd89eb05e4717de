/** When nodes were last heard of, 500 times a row: see `SeenPages`. `nodes.last_seen` is of the last registration. */
export const SEEN = `
CREATE TABLE seen_pages (
  page INTEGER PRIMARY KEY,
  times BLOB NOT NULL
) STRICT;
`;
