import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HeldExchange, HeldExchanges } from './held-exchanges.ts';

const from = { host: '192.0.2.1', port: 1 };
const exchange = (at: number, byte = 0): HeldExchange => ({
  from,
  relay: false,
  via: 0,
  data: new Uint8Array([byte]),
  at,
});

describe('held key exchanges', () => {
  it('come back once, the newest of a node', () => {
    const held = new HeldExchanges();
    assert.equal(held.isEmpty, true);
    held.hold(7, exchange(0, 1));
    held.hold(7, exchange(10, 2));
    assert.equal(held.take(8, 20), undefined);
    assert.equal(held.take(7, 20)?.data[0], 2);
    assert.equal(held.take(7, 20), undefined);
    assert.equal(held.isEmpty, true);
  });

  it('are too old after three seconds', () => {
    const held = new HeldExchanges();
    held.hold(7, exchange(0));
    assert.equal(held.take(7, 3_000), undefined);
  });

  it('are few: a crowd of strangers is turned away without a trace', () => {
    const held = new HeldExchanges();
    for (let node = 1; node <= 1_000; node++) held.hold(node, exchange(0));
    const kept = Array.from({ length: 1_000 }, (_, index) => held.take(index + 1, 1)).filter(Boolean);
    assert.equal(kept.length, 64);
    for (let node = 1; node <= 64; node++) held.hold(node, exchange(0));
    held.hold(1_000, exchange(5_000));
    assert.notEqual(held.take(1_000, 5_001), undefined);
  });
});
