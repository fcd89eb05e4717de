/**
 * Nonces of signed requests, so that one instance knows what another has seen. Soft: not in the write-ahead log, so it
 * costs no sync, and empty after the database crashed.
 */
export const NONCES = `
CREATE UNLOGGED TABLE nonces (
  node bigint NOT NULL,
  nonce text NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (node, nonce)
);
CREATE INDEX nonces_by_age ON nonces (at);
`;
