/** CRC-32/ISO-HDLC: reflected polynomial 0xEDB88320, initial value and final XOR 0xFFFFFFFF. spec/01 §4 */

const POLYNOMIAL = 0xedb88320;
/** Bytes taken per step of the inner loop: one lookup table each. */
const SLICES = 8;

const TABLE = buildTables();

/**
 * CRC of `bytes[start, end)` as an unsigned number. Pass the result for earlier bytes as `seed` to continue.
 * Check value: `crc32("123456789")` is 0xCBF43926.
 */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  const t = TABLE;
  let crc = ~seed;
  let at = start;
  for (const stop = end - (SLICES - 1); at < stop; at += SLICES) {
    crc =
      t[0x700 | ((crc ^ bytes[at]!) & 0xff)]! ^
      t[0x600 | (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      t[0x500 | (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      t[0x400 | ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      t[0x300 | bytes[at + 4]!]! ^
      t[0x200 | bytes[at + 5]!]! ^
      t[0x100 | bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

/** Table k maps a byte to its effect after k further zero bytes; the tables lie one after another. */
function buildTables(): Int32Array {
  const tables = new Int32Array(256 * SLICES);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256]!;
    tables[i] = (previous >>> 8) ^ tables[previous & 0xff]!;
  }
  return tables;
}
