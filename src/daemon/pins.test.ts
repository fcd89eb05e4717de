import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Pin, Pins } from './pins.ts';
import { Warnings } from './warnings.ts';

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

describe('pins', () => {
  test('keep the first key, whatever comes later; only trust overrules it', () => {
    const pins = new Pins(
      [],
      () => false,
      () => {},
    );
    pins.pin(1, key(1), 'use', 100);
    pins.pin(1, key(2), 'use', 200);
    pins.pin(1, key(2), 'fingerprint', 200);
    assert.deepEqual(pins.get(1)?.key, key(1));
    pins.pin(1, key(1), 'trust', 300);
    assert.deepEqual([pins.get(1)?.by, pins.get(1)?.pinnedAt], ['trust', 100]);
    pins.pin(1, key(3), 'trust', 400);
    assert.deepEqual([pins.get(1)?.key, pins.get(1)?.pinnedAt], [key(3), 400]);
  });

  test('remember the newest record, and forget what the former key had', () => {
    const pins = new Pins(
      [],
      () => false,
      () => {},
    );
    assert.equal(pins.saw(1, 0, 5), 'newer', 'nothing is remembered of nodes without a pin');
    pins.pin(1, key(1), 'use', 0);
    assert.deepEqual(
      [pins.saw(1, 0, 5), pins.saw(1, 0, 5), pins.saw(1, 0, 4), pins.saw(1, 1, 1), pins.saw(1, 0, 9)],
      ['newer', 'same', 'older', 'newer', 'older'],
    );
    pins.rotated(1, key(2), 2, 50);
    assert.deepEqual([pins.get(1)?.key, pins.get(1)?.epoch, pins.get(1)?.rotatedAt], [key(2), 2, 50]);
  });

  test('are bounded: the one longest unused goes, but never one of a trusted peer', () => {
    const pins = new Pins(
      [],
      (node) => node === 1,
      () => {},
    );
    for (let node = 1; node <= 4097; node++) pins.pin(node, key(1), 'use', node);
    assert.equal(pins.kept().length, 4096);
    assert.ok(pins.get(1) !== undefined && pins.get(2) === undefined);
  });

  test('tell of every change, and of nothing else', () => {
    let changes = 0;
    const kept: Pin[] = [{ node: 1, key: key(1), by: 'use', pinnedAt: 0, epoch: 0, seq: 0 }];
    const pins = new Pins(
      kept,
      () => false,
      () => changes++,
    );
    pins.pin(1, key(1), 'use', 9);
    pins.saw(2, 0, 1);
    pins.confirmed(1);
    assert.equal(pins.forget(2), false);
    assert.equal(changes, 0);
    pins.refused(1, key(2), 9);
    pins.refused(1, key(2), 10);
    assert.equal(changes, 1);
    assert.deepEqual(pins.get(1)?.refused, { key: key(2), at: 9 });
    pins.confirmed(1);
    assert.equal(pins.get(1)?.refused, undefined);
    assert.ok(pins.forget(1));
    assert.equal(changes, 3);
  });
});

describe('warnings', () => {
  test('are one per code and node, newest first, bounded, and logged once', () => {
    const logged: string[] = [];
    let now = 1000;
    const warnings = new Warnings({ event: (_level, name) => logged.push(name) }, () => now);
    warnings.add('a.b', 'first', 1);
    now = 2000;
    warnings.add('c.d', 'second');
    warnings.add('a.b', 'first', 1);
    assert.deepEqual(
      warnings.list().map(({ code, count, at, node }) => [code, count, at, node]),
      [
        ['a.b', 2, 2000, 1],
        ['c.d', 1, 2000, undefined],
      ],
    );
    assert.deepEqual(logged, ['a.b', 'c.d']);
    warnings.clear('c.d');
    warnings.clearNode(1);
    assert.deepEqual(warnings.list(), []);
    for (let node = 0; node < 100; node++) warnings.add('a.b', 'many', node);
    assert.equal(warnings.list().length, 64);
    assert.equal(warnings.list()[0]?.node, 99);
  });
});
