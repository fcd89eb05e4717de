/** What every codec test needs: the golden vectors, truncations and hostile bytes. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';

/** Reads `vectors/<name>.json`; the caller states its shape. */
export function loadVectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(repository(), 'vectors', `${name}.json`), 'utf8')) as T;
}

/** Bytes of a hex string of a vector. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  assert.ok(bytes !== undefined, `bad hex in a test: ${text}`);
  return bytes;
}

/** Every proper prefix of `encoded` decodes to a failure. */
export function everyTruncationFails(
  encoded: Uint8Array,
  decode: (bytes: Uint8Array) => unknown,
  failed: (result: unknown) => boolean = (result) => typeof result === 'string',
): void {
  assert.ok(!failed(decode(encoded)), 'the whole encoding decodes');
  for (let length = 0; length < encoded.length; length++) {
    // A copy of exactly this length: a decoder that reads on would see undefined, not the missing bytes.
    const result = decode(encoded.slice(0, length));
    assert.ok(
      failed(result),
      `${length} of ${encoded.length} bytes decode: ${toHex(encoded.subarray(0, length))}`,
    );
  }
}

const HOSTILE_CASES = 10_000;

/**
 * Decodes 10,000 random inputs and 10,000 damaged copies of the valid `samples`. The only claim is that nothing
 * throws; the seed is fixed, so a failure repeats.
 */
export function neverThrows(decode: (bytes: Uint8Array) => unknown, samples: readonly Uint8Array[]): void {
  const random = xorshift(0x5eed);
  for (let i = 0; i < 2 * HOSTILE_CASES; i++) {
    const sample = samples[i % Math.max(samples.length, 1)];
    const input = i % 2 === 0 || sample === undefined ? randomBytes(random) : damage(sample, random);
    try {
      decode(input);
    } catch (thrown) {
      assert.fail(`case ${i} throws ${String(thrown)} on ${toHex(input)}`);
    }
  }
}

/** Cuts `bytes` into pieces of the given sizes (repeated), as a socket might. */
export function pieces(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    out.push(bytes.slice(at, at + size));
    at += size;
  }
  return out;
}

export const arbitrary = {
  u8: fc.integer({ min: 0, max: 0xff }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  u32: fc.integer({ min: 0, max: 0xffff_ffff }),
  address: record({
    network: fc.integer({ min: 0, max: 0xffff }),
    node: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
  record,
  bytes: (maxLength: number) => fc.uint8Array({ maxLength }),
  exactly: (length: number) => fc.uint8Array({ minLength: length, maxLength: length }),
  text: fc.string({ unit: 'grapheme', maxLength: 40 }),
};

/** Objects as literals make them: decoders never return null-prototype objects, and deepEqual looks at that. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

function repository(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

function randomBytes(random: () => number): Uint8Array {
  const out = new Uint8Array(random() % 200);
  for (let i = 0; i < out.length; i++) out[i] = random();
  return out;
}

function damage(sample: Uint8Array, random: () => number): Uint8Array {
  const out = new Uint8Array(Math.max(0, sample.length + (random() % 5) - 2));
  out.set(sample.subarray(0, out.length));
  const changes = random() % 4;
  for (let i = 0; i < changes && out.length > 0; i++) out[random() % out.length] = random();
  return random() % 3 === 0 ? out.subarray(0, random() % (out.length + 1)) : out;
}

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
