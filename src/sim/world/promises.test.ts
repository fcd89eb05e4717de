import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { nodeCrypto } from '../../platform/index.ts';
import { World } from '../net/index.ts';
import { App, type AppObserver, streamBytes } from './app.ts';
import { describeDatagram } from './describe-datagram.ts';
import type { Machine } from './machine.ts';
import { Promises } from './promises.ts';
import { NonceLedger } from './watched-crypto.ts';

const SILENT: AppObserver = { accepted() {}, received() {}, ended() {}, datagram() {} };

/** Two machines without daemons: what their applications report is made up by the tests. */
function twoMachines(): { promises: Promises; a: Machine; b: Machine; appB: App } {
  const world = new World(1);
  const promises = new Promises();
  const [a, b] = ['a', 'b'].map((name, index) => {
    const host = world.addHost(name, world.internet);
    const app = new App(name, host, 'none', SILENT);
    return { name, host, world, node: index + 1, incarnation: 1, app } as unknown as Machine;
  }) as [Machine, Machine];
  promises.machines.push(a, b);
  return { promises, a, b, appB: b.app! };
}

test('a stream is accepted only with both consents', () => {
  const { promises, a, b, appB } = twoMachines();
  promises.consent(a, b);
  promises.accepted(appB, a.node);
  assert.match(promises.failures[0]!, /which its user does not trust/);
  promises.consent(b, a);
  promises.accepted(appB, a.node);
  assert.equal(promises.failures.length, 1);
  promises.accepted(appB, 99);
  assert.match(promises.failures[1]!, /which nobody is/);
});

test('a withdrawn consent counts from the instant after it was confirmed', async () => {
  const { promises, a, b, appB } = twoMachines();
  promises.consent(a, b);
  promises.consent(b, a);
  promises.withdraw(b, a);
  promises.accepted(appB, a.node);
  assert.deepEqual(promises.failures, []);
  await a.world.runFor(5);
  promises.accepted(appB, a.node);
  assert.equal(promises.failures.length, 1);
});

test('bytes that nobody sent, a second end and a cut stream are noticed', () => {
  const { promises, a, b, appB } = twoMachines();
  promises.received(appB, 7, a.node, 1, undefined);
  assert.match(promises.failures[0]!, /which nobody sent/);
  const record = { id: 1, from: a, to: b, length: 100, acceptedBy: undefined, received: 0 };
  promises.streams.set(1, { ...record, sender: 'acknowledged', receiver: 'open' });
  promises.received(appB, 1, a.node, 60, undefined);
  promises.received(appB, 1, a.node, 10, 'wrong byte at 65');
  assert.match(promises.failures[1]!, /wrong byte at 65/);
  promises.ended(appB, 1, undefined);
  promises.ended(appB, 1, undefined);
  assert.match(promises.failures[2]!, /ended twice/);
  promises.judgeTransfers();
  assert.match(promises.failures[3]!, /ended in order after 70 bytes/);
});

test('a datagram may be lost but never comes twice or from somebody else', () => {
  const { promises, a, b, appB } = twoMachines();
  promises.consent(a, b);
  promises.consent(b, a);
  promises.datagrams.set('d', { from: a, to: b, received: 0 });
  promises.datagram(appB, a.node, utf8('d'));
  assert.deepEqual(promises.failures, []);
  promises.datagram(appB, a.node, utf8('d'));
  assert.match(promises.failures[0]!, /again/);
});

test('the bytes of a stream follow from its id and place alone', () => {
  const whole = streamBytes(5, 0, 1000);
  assert.deepEqual(streamBytes(5, 300, 200), whole.slice(300, 500));
  assert.notDeepEqual(streamBytes(6, 0, 1000), whole);
});

test('the ledger finds a nonce used twice under one key, also by two parties', () => {
  const ledger = new NonceLedger();
  const crypto = ledger.watch(nodeCrypto());
  const key = new Uint8Array(32).fill(1);
  const [left, right] = [crypto.aead(key), crypto.aead(key)];
  const seal = (aead: typeof left, last: number): void => {
    const nonce = new Uint8Array(12);
    nonce[11] = last;
    aead.sealInto(nonce, utf8(''), utf8('x'), new Uint8Array(17), 0);
  };
  seal(left, 1);
  seal(left, 2);
  seal(crypto.aead(new Uint8Array(32)), 1);
  assert.deepEqual(ledger.repeats, []);
  seal(right, 2);
  assert.equal(ledger.repeats.length, 1);
  assert.equal(ledger.seals, 4);
});

test('a datagram of any bytes can be described', () => {
  for (let first = 0; first < 256; first++)
    assert.equal(typeof describeDatagram(Uint8Array.of(first, 0, 0)), 'string');
  assert.equal(describeDatagram(new Uint8Array(0)), 'EMPTY');
});
