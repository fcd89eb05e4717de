import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat } from '../base/bytes.ts';
import { ByteQueue } from './byte-queue.ts';
import { arbitrary } from './codec.testkit.ts';

describe('ByteQueue', () => {
  it('gives back the bytes in order, however they are pushed and taken, and never rewrites what it gave', () => {
    const step = fc.oneof(
      arbitrary.bytes(20).map((push) => ({ push })),
      fc.nat(30).map((take) => ({ take })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new ByteQueue();
        let pushed = new Uint8Array(0);
        let taken = 0;
        const views: { view: Uint8Array; expected: Uint8Array }[] = [];
        for (const operation of steps) {
          if ('push' in operation) {
            queue.push(operation.push.slice());
            pushed = concat(pushed, operation.push) as Uint8Array<ArrayBuffer>;
          } else {
            const waiting = pushed.length - taken;
            const view = queue.take(operation.take);
            assert.equal(view !== undefined, operation.take <= waiting);
            if (view === undefined) continue;
            views.push({ view, expected: pushed.slice(taken, taken + operation.take) });
            taken += operation.take;
          }
          assert.equal(queue.length, pushed.length - taken);
          assert.equal(queue.byteAt(0), pushed[taken]);
          assert.equal(queue.u32At(1) !== undefined, queue.length >= 5);
        }
        for (const { view, expected } of views) assert.deepEqual(view, expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps single bytes without a cost per piece', () => {
    const queue = new ByteQueue();
    for (let i = 0; i < 300_000; i++) queue.push(Uint8Array.of(i));
    const all = queue.take(300_000)!;
    assert.equal(all[299_999], 299_999 % 256);
    assert.ok(all.buffer.byteLength <= 2 * 300_000);
  });
});
