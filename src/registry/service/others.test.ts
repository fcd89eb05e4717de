import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  identity,
  keyText,
  ManualClock,
  rotation,
  settle,
  type TestConnection,
  type TestRegistry,
  testRegistry,
} from '../registry.testkit.ts';
import { memoryStore } from '../store/memory.ts';
import type { Bus, BusMessage, Store } from '../store/store.ts';

const [A, B] = [identity(1), identity(2)];

/** Two instances on one store: what one publishes the other receives. */
function instances(): { one: TestRegistry; two: TestRegistry; lose(): void } {
  const [clock, shared] = [new ManualClock(), memoryStore()];
  const receivers: ((message: BusMessage) => void)[] = [];
  const missed: (() => void)[] = [];
  const nonces = new Set<string>();
  const store = (own: number): Store => {
    const bus: Bus = {
      publish(message) {
        for (const [index, receive] of receivers.entries()) if (index !== own) receive(message);
      },
      receive(receiver, onMissed) {
        receivers[own] = receiver;
        missed[own] = onMissed;
      },
    };
    const claimNonce = async (node: number, nonce: string): Promise<boolean> => {
      const isNew = !nonces.has(`${node} ${nonce}`);
      nonces.add(`${node} ${nonce}`);
      return isNew;
    };
    return { ...shared, bus, claimNonce };
  };
  const [one, two] = [testRegistry({}, clock, store(0)), testRegistry({}, clock, store(1))];
  return { one, two, lose: () => missed[1]!() };
}

/** Node A is subscribed at the first instance, node B at the second. */
async function both(): Promise<{
  a: TestConnection;
  b: TestConnection;
  idA: number;
  idB: number;
  lose(): void;
  one: TestRegistry;
  two: TestRegistry;
}> {
  const { one, two, lose } = instances();
  const [a, b] = [one.connect(), two.connect('203.0.113.9')];
  const [idA, idB] = [await a.registerProven(A), await b.registerProven(B)];
  await a.signed(A, { type: 'subscribe', node_id: idA });
  await b.signed(B, { type: 'subscribe', node_id: idB });
  return { a, b, idA, idB, lose, one, two };
}

async function trusting(): ReturnType<typeof both> {
  const made = await both();
  const { a, b, idA, idB } = made;
  await a.signed(A, { type: 'report_trust', node_id: idA, peer_id: idB });
  await b.signed(B, { type: 'report_trust', node_id: idB, peer_id: idA });
  await settle();
  a.pushed.length = 0;
  b.pushed.length = 0;
  return made;
}

const push = (event: string, node: number, from: number, more: object = {}): object => ({
  type: 'push',
  event,
  node_id: node,
  from,
  ...more,
});

describe('with another instance on the same store', () => {
  it('requests, answers, trust and revocations are told to daemons there', async () => {
    const { a, b, idA, idB } = await both();
    const request = { from_node_id: idA, to_node_id: idB, justification: 'x', message: 'ask' };
    await a.signed(A, { type: 'request_handshake', ...request });
    assert.deepEqual(b.pushed, [push('handshake_request', idB, idA)]);
    const answer = { node_id: idB, peer_id: idA, accept: true, message: 'yes' };
    await b.signed(B, { type: 'respond_handshake', ...answer });
    assert.ok(a.pushed.some((message) => JSON.stringify(message).includes('handshake_response')));
    await a.signed(A, { type: 'revoke_trust', node_id: idA, peer_id: idB });
    assert.deepEqual(b.pushed.at(-1), push('trust_revoked', idB, idA));
  });

  it('a move and a new key are told to peers there, and the old key is told nothing more', async () => {
    const { a, b, idA, idB, one, two } = await trusting();
    await one.connect().registerProven(A, { listen_addr: '0.0.0.0:4001' });
    await settle();
    assert.deepEqual(b.pushed, [push('peer_moved', idB, idA)]);
    // The second instance has a connection of A, too, which speaks for the key of before.
    const there = two.connect();
    await there.registerProven(A);
    await there.signed(A, { type: 'subscribe', node_id: idA });
    const next = identity(3);
    await a.signed(A, rotation(A, next, idA));
    await settle();
    assert.deepEqual(b.pushed.at(-1), push('key_rotated', idB, idA));
    there.pushed.length = 0;
    await b.signed(B, { type: 'revoke_trust', node_id: idB, peer_id: idA });
    assert.deepEqual(there.pushed, []);
  });

  it('members of a network are told there of those who come, of changes and of its end', async () => {
    const { a, b, idA, idB } = await both();
    const made = await a.signed(A, { type: 'create_network', node_id: idA, name: 'net', join_rule: 'open' });
    const network = { network_id: Number(made.network_id) };
    await b.signed(B, { type: 'join_network', node_id: idB, ...network });
    await settle();
    assert.deepEqual(a.pushed.at(-1), push('member_changed', idA, idB, network));
    b.pushed.length = 0;
    await a.signed(A, { type: 'rename_network', node_id: idA, ...network, name: 'other' });
    await settle();
    assert.deepEqual(b.pushed, [push('network_changed', idB, idB, network)]);
    await a.signed(A, { type: 'delete_network', node_id: idA, ...network });
    await settle();
    assert.deepEqual(b.pushed.at(-1), push('network_changed', idB, idB, network));
    assert.equal(b.pushed.length, 2);
  });

  it('whom a private node asked for finds its key there', async () => {
    const { a, b, idA, idB } = await both();
    await b.signed(B, { type: 'set_visibility', node_id: idB, public: true });
    const lookup = { type: 'lookup', node_id: idA, requester_id: idB };
    assert.equal((await b.signed(B, lookup)).type, 'error');
    await a.signed(A, { type: 'resolve', node_id: idB, requester_id: idA });
    assert.equal((await b.signed(B, lookup)).public_key, keyText(A));
  });

  it('a signed request that one has seen is refused by the other', async () => {
    const { a, b, idA } = await both();
    const request = a.sign(A, { type: 'set_hostname', node_id: idA, hostname: 'mine' });
    assert.equal((await a.send(request)).type, 'set_hostname_ok');
    const again = await b.send(request);
    assert.match(String(again.error), /used before/);
  });

  it('beacons that announce themselves to one are in the list of the other', async () => {
    const { a, b } = await both();
    await a.send({ type: 'beacon_register', beacon_id: 7, addr: '198.51.100.7:9001' });
    assert.deepEqual((await b.send({ type: 'beacon_list' })).beacons, [{ id: 7, addr: '198.51.100.7:9001' }]);
  });

  it('after messages may have been lost everybody looks', async () => {
    const { b, idB, lose } = await both();
    lose();
    await settle();
    assert.deepEqual(b.pushed, [
      { type: 'push', event: 'handshake_request', node_id: idB },
      push('network_changed', idB, idB),
    ]);
  });
});
