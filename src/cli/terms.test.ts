import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  briefGrant,
  describeEnd,
  describeGrant,
  formatLifetime,
  lifetime,
  portList,
  termsOf,
} from './terms.ts';

const NO_FLAGS = {
  ports: undefined,
  give: undefined,
  get: undefined,
  rate: undefined,
  expires: undefined,
  renew: false,
};

test('ports may be named, and come out in one order', () => {
  assert.equal(portList.parse('messages, 80,echo,81'), '7,80-81,1001');
  assert.equal(portList.parse('all'), '*');
  assert.equal(portList.parse('none'), '');
  for (const wrong of ['web', '70000', '9-1', ',', 'all,80', '__proto__'])
    assert.throws(() => portList.parse(wrong), RangeError, wrong);
});

test('lifetimes know days and weeks', () => {
  const cases = { '30m': 1800, '24h': 86_400, '7d': 604_800, '1d12h': 129_600, '2w': 1_209_600, '45': 45 };
  for (const [text, seconds] of Object.entries(cases)) assert.equal(lifetime.parse(text), seconds, text);
  assert.equal(lifetime.parse('never'), 0);
  for (const wrong of ['0', '0d', '200ms', 'd', '99999d', '-1h', '1d1']) {
    if (wrong === '1d1') assert.equal(lifetime.parse(wrong), 86_401);
    else assert.throws(() => lifetime.parse(wrong), RangeError, wrong);
  }
});

test('a lifetime is written as it can be read', () => {
  for (const seconds of [1, 59, 60, 90, 3600, 86_400, 90_000, 604_800])
    assert.equal(lifetime.parse(formatLifetime(seconds)), seconds);
});

test('flags that say nothing are no terms', () => {
  assert.equal(termsOf(NO_FLAGS), undefined);
});

test('--ports goes both ways, --give and --get one, and --rate limits what is given', () => {
  assert.deepEqual(termsOf({ ...NO_FLAGS, ports: '80' }), { give: { ports: '80' }, get: { ports: '80' } });
  assert.deepEqual(termsOf({ ...NO_FLAGS, ports: '80', give: '' }), {
    give: { ports: '' },
    get: { ports: '80' },
  });
  assert.deepEqual(termsOf({ ...NO_FLAGS, rate: 5 }), { give: { opens: 5 } });
});

test('a new end without --renew is an end', () => {
  assert.deepEqual(termsOf({ ...NO_FLAGS, expires: 60 }), { lifetime: 60, renew: false });
  assert.deepEqual(termsOf({ ...NO_FLAGS, expires: 60, renew: true }), { lifetime: 60, renew: true });
});

test('grants read as words', () => {
  assert.equal(describeGrant({ ports: '7,80,1001', opens: 3 }), '7 (echo), 80, 1001 (messages) at 3/min');
  assert.equal(describeGrant({ ports: '*' }), 'all');
  assert.equal(briefGrant({ ports: '' }), 'none');
  assert.equal(describeEnd(undefined, 0), 'never');
  assert.equal(describeEnd(60, 0), 'in 1m');
  assert.equal(describeEnd(60, 180_000), '2m ago');
});
