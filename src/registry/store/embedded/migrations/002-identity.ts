/** What nodes sign about themselves, certificates beside trust pairs, and tombstones. */
export const IDENTITY = `
SELECT 1;
`;
