import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AutoApproveRule } from '../api/auto-approve.ts';
import { type AskerFacts, firstMatch, leavesAnything, neededFacts, RuleLimit } from './auto-approve.ts';

const FINGERPRINT = 'abcdefghijklmnop';
const KEY = `${'A'.repeat(43)}=`;

function asker(facts: Partial<AskerFacts> = {}): AskerFacts {
  return { key: KEY, fingerprint: FINGERPRINT, networks: [], tags: [], ...facts };
}

function nameOf(rules: readonly AutoApproveRule[], facts: AskerFacts): string | undefined {
  const choice = firstMatch(rules, facts);
  return typeof choice === 'object' ? choice.name : choice;
}

describe('rules of automatic approval', () => {
  it('without rules admit nobody', () => {
    assert.equal(firstMatch([], asker()), undefined);
  });

  it('count in their order', () => {
    const rules = [
      { name: 'friends', keys: [FINGERPRINT] },
      { name: 'all', everyone: true },
    ];
    assert.equal(nameOf(rules, asker()), 'friends');
    assert.equal(nameOf(rules, asker({ fingerprint: 'p'.repeat(16), key: 'x' })), 'all');
  });

  it('know a key by its fingerprint, in either case, and by itself', () => {
    assert.equal(nameOf([{ name: 'a', keys: [FINGERPRINT.toUpperCase()] }], asker()), 'a');
    assert.equal(nameOf([{ name: 'a', keys: [KEY] }], asker()), 'a');
    assert.equal(nameOf([{ name: 'a', keys: [`${'B'.repeat(43)}=`] }], asker()), undefined);
  });

  it('take a network by id or name, of those we share', () => {
    const networks = [{ id: 5, name: 'agents', tags: ['prod'] }];
    assert.equal(nameOf([{ name: 'a', networks: ['5'] }], asker({ networks })), 'a');
    assert.equal(nameOf([{ name: 'a', networks: ['agents'] }], asker({ networks })), 'a');
    assert.equal(nameOf([{ name: 'a', networks: ['other'] }], asker({ networks })), undefined);
  });

  it('wait for the name of a network when they go by names', () => {
    const networks = [{ id: 5, name: '', tags: [] }];
    assert.equal(nameOf([{ name: 'a', networks: ['agents'] }], asker({ networks })), 'unknown');
    assert.equal(nameOf([{ name: 'a', networks: ['6'] }], asker({ networks })), undefined);
    assert.equal(nameOf([{ name: 'a', networks: ['agents'], tags: ['x'] }], asker({ networks })), undefined);
  });

  it('count member tags only in the network that gave them, and never the own ones in their place', () => {
    const rule = { name: 'a', networks: ['5'], tags: ['prod'] };
    const elsewhere = [
      { id: 5, name: '', tags: ['test'] },
      { id: 6, name: '', tags: ['prod'] },
    ];
    assert.equal(nameOf([rule], asker({ networks: elsewhere, tags: ['prod'] })), undefined);
    assert.equal(nameOf([rule], asker({ networks: [{ id: 5, name: '', tags: ['prod'] }] })), 'a');
  });

  it('need every condition they name', () => {
    const rule = { name: 'a', keys: [FINGERPRINT], tags: ['web'] };
    assert.equal(nameOf([rule], asker({ tags: ['web'] })), 'a');
    assert.equal(nameOf([rule], asker({ tags: [] })), undefined);
    assert.equal(nameOf([rule], asker({ tags: ['web'], fingerprint: 'q'.repeat(16), key: '' })), undefined);
  });

  it('are not decided while an earlier one cannot be', () => {
    const rules = [
      { name: 'members', networks: ['5'], give: '1001' },
      { name: 'all', everyone: true },
    ];
    const { networks: _, ...unknown } = asker();
    assert.equal(firstMatch(rules, unknown), 'unknown');
  });

  it('pass over one that fails whatever the unknown facts are', () => {
    const rules = [
      { name: 'members', networks: ['5'], keys: ['q'.repeat(16)] },
      { name: 'all', everyone: true },
    ];
    const { networks: _, ...unknown } = asker();
    assert.equal(nameOf(rules, unknown), 'all');
  });

  it('never admit by a fact that is not known', () => {
    const word = fc.constantFrom('a', 'b', '5');
    const rule = fc.record(
      {
        name: fc.constant('r'),
        networks: fc.array(word, { minLength: 1 }),
        tags: fc.array(word, { minLength: 1 }),
      },
      { requiredKeys: ['name'] },
    );
    fc.assert(
      fc.property(fc.array(rule), (rules) => {
        const choice = firstMatch(rules, { key: KEY, fingerprint: FINGERPRINT });
        assert.ok(choice === undefined || choice === 'unknown');
      }),
    );
  });

  it('ask for no more facts than they need', () => {
    assert.deepEqual(neededFacts([{ name: 'a', everyone: true }]), { networks: false, record: false });
    assert.deepEqual(neededFacts([{ name: 'a', tags: ['x'] }]), { networks: false, record: true });
    assert.deepEqual(neededFacts([{ name: 'a', networks: ['1'], tags: ['x'] }]), {
      networks: true,
      record: false,
    });
  });

  it('leave nothing when no port of the request is theirs, in neither direction', () => {
    const asked = { give: { ports: '80' }, get: { ports: '443' } };
    assert.equal(leavesAnything({ name: 'a', give: '1001', get: '' }, asked), false);
    assert.equal(leavesAnything({ name: 'a', give: '1001', get: '400-500' }, asked), true);
    assert.equal(leavesAnything({ name: 'a' }, asked), true);
    assert.equal(
      leavesAnything({ name: 'a', give: '1001' }, { give: { ports: '' }, get: { ports: '' } }),
      true,
    );
  });
});

describe('the limit of a rule', () => {
  it('is reached, and opens again when the oldest approval is a period old', () => {
    const limit = new RuleLimit({ count: 2, perSeconds: 60 });
    limit.take(1_000);
    limit.take(2_000);
    assert.equal(limit.left(3_000), 0);
    assert.equal(limit.opensAt(3_000), 61_000);
    assert.equal(limit.left(61_000), 1);
  });

  it('is not closed for longer than a period by a clock that was ahead', () => {
    const limit = new RuleLimit({ count: 1, perSeconds: 60 });
    limit.take(10_000_000);
    assert.equal(limit.left(1_000), 1);
  });

  it('never lets more through in a period than it says', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), gaps, (count, pauses) => {
        const limit = new RuleLimit({ count, perSeconds: 60 });
        const taken: number[] = [];
        let now = 1_000_000;
        for (const pause of pauses) {
          now += pause;
          if (limit.left(now) === 0) {
            assert.ok(limit.opensAt(now) > now);
            continue;
          }
          limit.take(now);
          taken.push(now);
          assert.ok(taken.filter((time) => time > now - 60_000).length <= count);
        }
      }),
    );
  });
});
