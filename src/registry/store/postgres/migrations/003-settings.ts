/** What all instances of a registry share beside its facts: the certificate that clients pinned. */
export const SETTINGS = `
CREATE TABLE settings (
  name text PRIMARY KEY,
  value text NOT NULL
);
`;
