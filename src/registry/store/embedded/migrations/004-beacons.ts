/** At which beacons a node is registered: a list of endpoints. */
export const BEACONS = `
ALTER TABLE nodes ADD COLUMN beacons TEXT NOT NULL DEFAULT '[]';
`;
