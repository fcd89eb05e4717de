import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeIdentity } from '../store.ts';
import { IdentityIndex } from './identity-index.ts';

const identity = fc.record({
  id: fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.constant(0xffff_fffe)),
  publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  proven: fc.boolean(),
  registered: fc.boolean(),
  keyExpiresAt: fc.option(fc.integer({ min: 0, max: 2 ** 45 }), { nil: undefined }),
});

test('gives back what was put last, and nothing that was dropped', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ identity, drop: fc.boolean() })), (steps) => {
      const index = new IdentityIndex();
      const model = new Map<number, NodeIdentity>();
      for (const { identity, drop } of steps) {
        if (drop) {
          index.drop(identity.id);
          model.delete(identity.id);
        } else {
          index.put(identity);
          model.set(identity.id, { ...identity });
        }
      }
      for (const { identity } of steps) assert.deepEqual(index.find(identity.id), model.get(identity.id));
      assert.equal(index.find(9001), model.get(9001));
    }),
  );
});

test('what was found does not change under the hands of whoever found it', () => {
  const index = new IdentityIndex();
  const node = { id: 7, proven: true, registered: true, keyExpiresAt: undefined };
  index.put({ ...node, publicKey: new Uint8Array(32).fill(1) });
  const found = index.find(7)!;
  index.put({ ...node, publicKey: new Uint8Array(32).fill(2) });
  assert.deepEqual(found.publicKey, new Uint8Array(32).fill(1));
});
