import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { add, distance } from '../../base/seq.ts';
import { ReceiveBuffer } from './receive-buffer.ts';

const ISN = 0xffff_ff00;
const LENGTH = 2000;
const stream = Uint8Array.from({ length: LENGTH }, (_, i) => (i * 7) ^ (i >> 5));

/** Segments cut anyhow from one stream, in any order, with repetitions. */
const segments = fc.array(
  fc.tuple(fc.integer({ min: 0, max: LENGTH - 1 }), fc.integer({ min: 1, max: 300 })),
  { minLength: 1, maxLength: 80 },
);

test('delivers every byte once and in order, however the stream is cut, reordered and repeated', () => {
  fc.assert(
    fc.property(segments, fc.integer({ min: 1, max: 900 }), (cuts, readSize) => {
      const buffer = new ReceiveBuffer(ISN);
      const read: number[] = [];
      const feed = (from: number, to: number): void => {
        buffer.accept(add(ISN, from), stream.slice(from, to), LENGTH);
        let chunk = buffer.read(readSize);
        for (; chunk !== undefined && read.length % 3 !== 0; chunk = buffer.read(readSize))
          read.push(...chunk);
        if (chunk !== undefined) read.push(...chunk);
      };
      for (const [from, length] of cuts) {
        feed(from, Math.min(LENGTH, from + length));
        checkBlocks(buffer);
      }
      // Whatever was refused as overlapping comes again, as a sender would repeat it.
      for (let from = 0; from < LENGTH; from += 100) feed(from, from + 100);
      for (let c = buffer.read(readSize); c !== undefined; c = buffer.read(readSize)) read.push(...c);
      assert.deepEqual(Uint8Array.from(read), stream);
      assert.equal(buffer.unread, 0);
      assert.equal(buffer.outOfOrderBytes, 0);
      assert.equal(buffer.outOfOrderPieces, 0);
    }),
    { numRuns: 300 },
  );
});

function checkBlocks(buffer: ReceiveBuffer): void {
  const all = buffer.blocks(1000);
  let edge = buffer.next;
  let bytes = 0;
  for (const { left, right } of all) {
    assert.ok(distance(left, edge) > 0 && distance(right, left) > 0, 'blocks ascend and do not touch');
    edge = right;
    bytes += distance(right, left);
  }
  assert.equal(buffer.outOfOrderBytes, bytes);
  const some = buffer.blocks(4);
  assert.equal(some.length, Math.min(4, all.length));
  for (const block of some)
    assert.ok(all.some(({ left, right }) => left === block.left && right === block.right));
}

test('reports the newest blocks at once and every block in turn', () => {
  const buffer = new ReceiveBuffer(0);
  for (let i = 1; i <= 20; i++) buffer.accept(i * 100, stream.slice(0, 10), LENGTH * 10);
  const told = new Set<number>();
  for (let i = 0; i < 10; i++) {
    const lefts = buffer.blocks(4).map(({ left }) => left);
    assert.ok(lefts.includes(2000) && lefts.includes(1900) && lefts.includes(100));
    for (const left of lefts) told.add(left);
  }
  for (let i = 0; i < 20; i++) for (const { left } of buffer.blocks(4)) told.add(left);
  assert.equal(told.size, 20);
});

test('never keeps more than the limit, nor more ranges than a thousand', () => {
  const buffer = new ReceiveBuffer(0);
  assert.equal(buffer.accept(0, new Uint8Array(600), 1000), 'in_order');
  assert.equal(buffer.accept(600, new Uint8Array(500), 1000), 'full');
  assert.equal(buffer.accept(900, new Uint8Array(100), 1000), 'new_hole');
  assert.equal(buffer.accept(1000, new Uint8Array(1), 1000), 'full');
  const many = new ReceiveBuffer(0);
  let kept = 0;
  for (let i = 1; i < 3000; i++) if (many.accept(2 * i, Uint8Array.of(i), 1e6) !== 'full') kept++;
  assert.equal(kept, 1024);
});

test('a thousand tiny segments cost little more than their bytes', () => {
  const buffer = new ReceiveBuffer(0);
  for (let i = 0; i < 1000; i++) buffer.accept(i, Uint8Array.of(i), 1e6);
  const chunk = buffer.read(1e6)!;
  assert.equal(chunk.length, 1000);
  assert.deepEqual(
    chunk,
    Uint8Array.from({ length: 1000 }, (_, i) => i),
  );
});

test('tells duplicates from new data', () => {
  const buffer = new ReceiveBuffer(0);
  assert.equal(buffer.accept(0, stream.slice(0, 10), LENGTH), 'in_order');
  assert.equal(buffer.accept(0, stream.slice(0, 10), LENGTH), 'duplicate');
  assert.equal(buffer.accept(5, stream.slice(5, 15), LENGTH), 'in_order', 'its second half is new');
  assert.equal(buffer.accept(20, stream.slice(20, 30), LENGTH), 'new_hole');
  assert.equal(buffer.accept(20, stream.slice(20, 30), LENGTH), 'duplicate');
  assert.equal(buffer.accept(30, stream.slice(30, 40), LENGTH), 'extended');
  assert.equal(buffer.accept(15, stream.slice(15, 20), LENGTH), 'filled');
  assert.deepEqual(buffer.read(LENGTH), stream.slice(0, 40));
});
