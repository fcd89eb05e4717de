import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkPool } from './chunk-pool.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { SendBuffer } from './send-buffer.ts';

/** Gives each chunk once, whatever is returned, and writes over what came back. */
class Spoiling extends ChunkPool {
  readonly out = new Set<Uint8Array>();

  override take(): Uint8Array {
    const chunk = super.take();
    assert.ok(!this.out.has(chunk), 'a chunk that is in use');
    this.out.add(chunk);
    return chunk;
  }

  override give(chunk: Uint8Array): void {
    assert.ok(this.out.delete(chunk), 'a chunk that is not out');
    chunk.fill(0xee);
    super.give(chunk);
  }
}

function byteAt(position: number): number {
  return (position * 31 + (position >> 8)) & 0xff;
}

function bytesFrom(position: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byteAt(position + i));
}

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 600 }),
  fc.integer({ min: 1, max: 20_000 }),
  fc.integer({ min: 60_000, max: 140_000 }),
);

test('segments keep their bytes until they are acknowledged, and then the memory comes back', () => {
  const step = fc.record({
    write: sizes,
    keeps: fc.boolean(),
    cuts: fc.nat(12),
    acks: fc.nat(12),
  });
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.constantFrom(1152, 1302, 9000, 65_430),
      (steps, segment) => {
        const pool = new Spoiling();
        const buffer = new SendBuffer(pool);
        buffer.segment = segment;
        const outstanding: { at: number; payload: Uint8Array }[] = [];
        let written = 0;
        let cut = 0;
        const cutOne = (): void => {
          const payload = buffer.peek(segment);
          assert.ok(payload.length > 0 && payload.length <= segment);
          buffer.drop(payload.length);
          outstanding.push({ at: cut, payload });
          cut += payload.length;
        };
        const acknowledgeOne = (): void => {
          const { at, payload } = outstanding.shift()!;
          assert.deepEqual(payload, bytesFrom(at, payload.length));
          buffer.acknowledged(payload.length);
        };
        for (const { write, keeps, cuts, acks } of steps) {
          const data = bytesFrom(written, write);
          buffer.append(data, keeps);
          if (!keeps) data.fill(0xdd);
          written += write;
          for (let i = 0; i < cuts && buffer.length > 0; i++) cutOne();
          for (let i = 0; i < acks && outstanding.length > 0; i++) acknowledgeOne();
        }
        while (buffer.length > 0) cutOne();
        while (outstanding.length > 0) acknowledgeOne();
        assert.equal(cut, written);
        assert.equal(pool.out.size, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test('large segments fill chunks whole: none is put together, none is halved', () => {
  const segment = 65_430;
  const buffer = new SendBuffer();
  buffer.segment = segment;
  for (let i = 0; i < 20; i++) buffer.append(new Uint8Array(65_536));
  for (let i = 0; i < 20; i++) {
    const payload = buffer.peek(segment);
    assert.equal(payload.length, segment);
    assert.ok(payload.buffer.byteLength <= 65_536);
    buffer.drop(payload.length);
  }
});

test("what is read into a buffer gives its memory back; what is handed out is the reader's", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(sizes, fc.nat(90_000), fc.boolean()), { maxLength: 25 }), (steps) => {
      const pool = new Spoiling();
      const buffer = new ReceiveBuffer(0, pool);
      const kept: { at: number; chunk: Uint8Array }[] = [];
      let received = 0;
      let read = 0;
      for (const [size, limit, into] of steps) {
        const data = bytesFrom(received, size);
        assert.equal(buffer.accept(received, data, Number.MAX_SAFE_INTEGER), 'in_order');
        data.fill(0xdd);
        received += size;
        const out = new Uint8Array(limit);
        const chunk = into ? out.subarray(0, buffer.readInto(out, 0, limit)) : buffer.read(limit + 1);
        if (chunk === undefined) continue;
        kept.push({ at: read, chunk });
        read += chunk.length;
      }
      const rest = new Uint8Array(received - read);
      assert.equal(buffer.readInto(rest, 0, rest.length), rest.length);
      assert.deepEqual(rest, bytesFrom(read, rest.length));
      for (const { at, chunk } of kept) assert.deepEqual(chunk, bytesFrom(at, chunk.length));
      assert.equal(buffer.unread, 0);
    }),
    { numRuns: 60 },
  );
});

test('what was given back is used again only when no packet waits', () => {
  const pool = new ChunkPool();
  const chunk = pool.take();
  pool.give(chunk);
  assert.notEqual(pool.take(), chunk);
  pool.settle();
  assert.equal(pool.take(), chunk);
});
