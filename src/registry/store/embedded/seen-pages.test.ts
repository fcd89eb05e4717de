import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PAGE_BYTES, PAGE_NODES, SeenPages } from './seen-pages.ts';

test('agrees with a map whatever happens, and so does what was written', () => {
  const id = fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 0xffff_f000, max: 0xffff_fffe }));
  const step = fc.record({
    kind: fc.constantFrom('note', 'set', 'leave'),
    id,
    at: fc.integer({ min: 1, max: 2 ** 45 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pages = new SeenPages();
      const model = new Map<number, { at: number; here: boolean }>();
      for (const { kind, id, at } of steps) {
        const known = model.get(id);
        if (kind === 'note') {
          pages.note(id, at);
          if (at > (known?.at ?? 0)) model.set(id, { at, here: true });
        } else if (kind === 'set') {
          pages.set(id, at);
          model.set(id, { at, here: true });
        } else {
          pages.leave(id);
          if (known !== undefined) model.set(id, { at: known.at, here: false });
        }
      }
      const again = new SeenPages();
      for (const page of pages.take(Number.MAX_SAFE_INTEGER))
        assert.equal(again.load(page, pages.encode(page)), true);
      for (const state of [pages, again]) {
        for (const [node, { at }] of model) assert.equal(state.at(node), at);
        const here = [...model.values()].filter((node) => node.here);
        assert.equal(state.countSince(0), here.length);
        const middle = here[here.length >> 1]?.at ?? 0;
        assert.equal(state.countSince(middle), here.filter(({ at }) => at > middle).length);
      }
      assert.equal(again.unwritten, 0);
    }),
  );
});

test('a page that was taken is written again when it changes, or is given back', () => {
  const pages = new SeenPages();
  pages.note(1, 5);
  pages.note(PAGE_NODES + 1, 5);
  assert.deepEqual(pages.take(1), [0]);
  assert.equal(pages.unwritten, 1);
  pages.note(2, 6);
  assert.equal(pages.unwritten, 2);
  assert.deepEqual(pages.take(9), [1, 0]);
  pages.note(1, 4);
  assert.equal(pages.unwritten, 0, 'an earlier time changes nothing');
  pages.giveBack([1]);
  assert.deepEqual(pages.take(9), [1]);
});

test('refuses bytes that are no page', () => {
  const damaged = new Uint8Array(PAGE_BYTES).fill(0x7f);
  assert.equal(new SeenPages().load(0, damaged), false);
  assert.equal(new SeenPages().load(0, new Uint8Array(PAGE_BYTES - 1)), false);
  assert.equal(new SeenPages().load(0, new Uint8Array(PAGE_BYTES).fill(0xff)), false);
  assert.equal(new SeenPages().load(0, new Uint8Array(PAGE_BYTES)), true);
});
