import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PunchBudget } from './budget.ts';
import { HOUR, MAX_ATTEMPTS, MAX_HOSTS, MAX_PACKETS_PER_HOST, MAX_PACKETS_PER_HOUR } from './constants.ts';

test('attempts with one peer are few within an hour, and those with others are not theirs', () => {
  const budget = new PunchBudget();
  let begun = 0;
  for (let now = 0; now < HOUR; now += 1_000) if (budget.begin(1, 'birthday', now)) begun++;
  assert.equal(begun, MAX_ATTEMPTS.birthday);
  assert.ok(budget.begin(1, 'prediction', HOUR - 1));
  assert.ok(budget.begin(2, 'birthday', HOUR - 1));
  assert.ok(budget.begin(1, 'birthday', HOUR + 4_000));
});

test('no host gets more than its share, and all together no more than there is', () => {
  const budget = new PunchBudget();
  const sent = (host: string, count: number, now: number): number => {
    let packets = 0;
    for (let i = 0; i < count; i++) if (budget.spend(host, now)) packets++;
    return packets;
  };
  assert.equal(sent('192.0.2.1', 10_000, 0), MAX_PACKETS_PER_HOST);
  let sum = MAX_PACKETS_PER_HOST;
  for (let host = 2; host < 20; host++) sum += sent(`192.0.2.${host}`, 10_000, 1_000);
  assert.equal(sum, MAX_PACKETS_PER_HOUR);
  assert.equal(sent('192.0.2.99', 1, HOUR / 2), 0);
  assert.equal(sent('192.0.2.1', 10_000, 1.5 * HOUR), MAX_PACKETS_PER_HOST);
});

test('naming many hosts makes none of them be forgotten', () => {
  const budget = new PunchBudget();
  for (let i = 0; i < MAX_PACKETS_PER_HOST; i++) assert.ok(budget.spend('192.0.2.1', 0));
  let others = 0;
  for (let i = 0; i < 2 * MAX_HOSTS; i++) if (budget.spend(`198.51.${i >> 8}.${i & 255}`, 1)) others++;
  assert.equal(others, MAX_HOSTS - 1);
  assert.equal(budget.spend('192.0.2.1', 2), false);
  assert.ok(budget.spend('203.0.113.1', 2 * HOUR));
});

test('within any hour the limit holds, however the packets are spread', () => {
  const gaps = fc.array(fc.nat(400_000), { minLength: 20, maxLength: 60 });
  fc.assert(
    fc.property(gaps, (pauses) => {
      const budget = new PunchBudget();
      const times: number[] = [];
      let now = 0;
      for (const pause of pauses) {
        now += pause;
        for (let i = 0; i < 300; i++) if (budget.spend('192.0.2.1', now)) times.push(now);
      }
      // A sixth of an hour is how exact the count is.
      for (let last = 0, first = 0; last < times.length; last++) {
        while (times[first]! <= times[last]! - (5 / 6) * HOUR) first++;
        assert.ok(last - first + 1 <= MAX_PACKETS_PER_HOST);
      }
    }),
    { numRuns: 15 },
  );
});

test('only one attempt with many sockets at a time', () => {
  const budget = new PunchBudget();
  assert.ok(budget.takeMany(1));
  assert.ok(budget.takeMany(1));
  assert.equal(budget.takeMany(2), false);
  budget.releaseMany(2);
  assert.equal(budget.takeMany(2), false);
  budget.releaseMany(1);
  assert.ok(budget.takeMany(2));
});
