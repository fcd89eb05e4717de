/** Standard padded base64 (RFC 4648 §4): the text form of keys and signatures on every JSON wire. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const INVALID = 0xff;
const VALUES = buildValues();

export function encodeBase64(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = (bytes[i]! << 16) | (left > 1 ? bytes[i + 1]! << 8 : 0) | (left > 2 ? bytes[i + 2]! : 0);
    out += ALPHABET[group >>> 18]! + ALPHABET[(group >>> 12) & 63]!;
    out += left > 1 ? ALPHABET[(group >>> 6) & 63]! : '=';
    out += left > 2 ? ALPHABET[group & 63]! : '=';
  }
  return out;
}

/**
 * The bytes, or undefined when the text is not canonical: alphabet, padding and zero spare bits are required, so
 * that equal bytes always have equal text (peers compare keys as text). Never throws.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  const digits = text.length - padding;
  let bits = 0;
  let value = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const digit = VALUES[text.charCodeAt(i)] ?? INVALID;
    if (digit === INVALID) return undefined;
    value = (value << 6) | digit;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = value >>> bits;
      value &= (1 << bits) - 1;
    }
  }
  return value === 0 ? out : undefined;
}

function buildValues(): Uint8Array {
  const values = new Uint8Array(128).fill(INVALID);
  for (let i = 0; i < ALPHABET.length; i++) values[ALPHABET.charCodeAt(i)] = i;
  return values;
}
