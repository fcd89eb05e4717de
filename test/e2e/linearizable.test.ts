import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { firstUnexplained, type Model, type Operation } from './linearizable.ts';

type Input = { readonly write: number } | 'read';
const register: Model<number, Input, number> = {
  initial: 0,
  step: (state, input) =>
    input === 'read' ? { state, output: state } : { state: input.write, output: input.write },
};
const write = (value: number, begin: number, end: number): Operation<Input, number> => ({
  input: { write: value },
  output: end === Number.POSITIVE_INFINITY ? undefined : value,
  begin,
  end,
});
const read = (output: number, begin: number, end: number): Operation<Input, number> => ({
  input: 'read',
  output,
  begin,
  end,
});
const LOST = Number.POSITIVE_INFINITY;

test('explains what can have happened', () => {
  for (const history of [
    [],
    [write(1, 0, 1), read(1, 2, 3)],
    // While a write is under way, it may be seen or not, but not seen and then unseen.
    [write(1, 0, 10), read(0, 1, 2), read(1, 3, 4)],
    [write(1, 0, LOST), read(0, 1, 2), read(0, 3, 4)],
    [write(1, 0, LOST), read(0, 1, 2), read(1, 3, 4)],
    [write(1, 0, 10), write(2, 0, 10), read(2, 11, 12)],
    [write(1, 0, 10), write(2, 0, 10), read(1, 11, 12)],
  ])
    assert.equal(firstUnexplained(register, history), undefined, JSON.stringify(history));
});

test('finds what cannot', () => {
  for (const history of [
    [write(1, 0, 1), read(0, 2, 3)],
    [write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)],
    [write(1, 0, LOST), read(1, 1, 2), read(0, 3, 4)],
    [read(1, 0, 1)],
    [write(1, 0, 10), write(2, 0, 10), read(2, 11, 12), read(1, 13, 14)],
  ])
    assert.notEqual(firstUnexplained(register, history), undefined, JSON.stringify(history));
});

test('explains every history of an object that is right, and few of one that forgets', () => {
  const steps = fc.array(
    fc.record({
      client: fc.nat(3),
      value: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
      lost: fc.nat(9).map((n) => n === 0),
      before: fc.nat(3),
      after: fc.nat(3),
    }),
    { minLength: 1, maxLength: 40 },
  );
  let caught = 0;
  fc.assert(
    fc.property(steps, fc.nat(30), (all, forgetAt) => {
      const run = (forgets: boolean): Operation<Input, number>[] => {
        const history: Operation<Input, number>[] = [];
        const freeAt = [0, 0, 0, 0];
        let state = 0;
        for (const [index, { client, value, lost, before, after }] of all.entries()) {
          // It takes effect at 4 * index, begins and ends around that, and each client does one thing at a time.
          const at = 4 * index;
          if (freeAt[client]! > at) continue;
          if (forgets && index === forgetAt % all.length) state = 0;
          if (value !== undefined) state = value;
          const end = lost ? LOST : at + after;
          history.push({
            input: value === undefined ? 'read' : { write: value },
            output: lost ? undefined : state,
            begin: Math.max(freeAt[client]!, at - before),
            end,
          });
          freeAt[client] = at + after + 1;
        }
        return history;
      };
      assert.equal(firstUnexplained(register, run(false)), undefined);
      if (firstUnexplained(register, run(true)) !== undefined) caught++;
    }),
    { numRuns: 300 },
  );
  assert.ok(caught > 20, `${caught} of those that forget were found`);
});
