import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, NodeId } from '../base/units.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { nodeRandom } from '../platform/random.ts';
import { FakeMessagePipe } from '../runtime/message-pipe.testkit.ts';
import { ManualClock } from '../services/data-exchange/exchange.testkit.ts';
import { AUTH_OK, compatSignedBytes, decodeCompatMessage, encodeAuthReply } from '../wire/compat.ts';
import type { LookupKey } from './key-lookups.ts';
import { type StreamLimits, Streams } from './streams.ts';

const crypto = nodeCrypto();
const keyOf = (node: NodeId) => crypto.signingKey(new Uint8Array(32).fill(node));
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function world(options: { lookupKey?: LookupKey | undefined; limits?: Partial<StreamLimits> } = {}) {
  const clock = new ManualClock();
  const attached = new Map<NodeId, Endpoint>();
  const heard: [string, number][] = [];
  const held = new Set<NodeId>();
  const streams = new Streams({
    clock,
    random: nodeRandom(),
    crypto,
    log: { event: () => {} },
    lookupKey: 'lookupKey' in options ? options.lookupKey : async (node) => keyOf(node).publicKey,
    limits: options.limits,
    host: {
      attach(node, stream) {
        if (held.has(node)) return false;
        attached.set(node, stream);
        return true;
      },
      detach(stream) {
        for (const [node, at] of attached) if (at.host === stream.host) attached.delete(node);
      },
      handleStream: (stream, data) => heard.push([stream.host, data.length]),
    },
  });
  const connect = (): FakeMessagePipe => {
    const pipe = new FakeMessagePipe();
    streams.accept(pipe);
    return pipe;
  };
  const login = async (node: NodeId): Promise<FakeMessagePipe> => {
    const pipe = connect();
    pipe.says(replyOf(pipe, node));
    await settle();
    return pipe;
  };
  return { clock, streams, attached, heard, held, connect, login };
}

function replyOf(pipe: FakeMessagePipe, node: NodeId, key = keyOf(node)): string {
  const challenge = decodeCompatMessage(pipe.sent[0] as string);
  assert.ok(typeof challenge !== 'string' && challenge.type === 'auth_challenge');
  return encodeAuthReply(node, key.publicKey, key.sign(compatSignedBytes(node, challenge.nonce)));
}

test('a node that signs the challenge is let in, and its datagrams go both ways', async () => {
  const { streams, attached, heard, login } = world();
  const pipe = await login(7);
  assert.equal(pipe.sent[1], AUTH_OK);
  assert.deepEqual([...attached.keys()], [7]);
  pipe.says(new Uint8Array(100));
  assert.deepEqual(heard, [['ws:1', 100]]);
  streams.transmit(attached.get(7)!, Uint8Array.of(1, 2, 3));
  assert.deepEqual(pipe.sent[2], Uint8Array.of(1, 2, 3));
  pipe.destroy();
  assert.deepEqual([attached.size, streams.stats().open], [0, 0]);
  streams.transmit({ host: 'ws:1', port: 0 }, Uint8Array.of(1));
  assert.equal(streams.stats().dropped, 1);
});

test('nothing is carried for who did not show that it holds the registered key', async () => {
  const { streams, attached, heard, connect } = world();
  const attempts: [string | Uint8Array, RegExp][] = [];
  const pipes: FakeMessagePipe[] = [];
  const add = (make: (pipe: FakeMessagePipe) => string | Uint8Array, reason: RegExp): void => {
    const pipe = connect();
    pipes.push(pipe);
    attempts.push([make(pipe), reason]);
  };
  add(() => new Uint8Array(50), /expected/);
  add(() => 'nonsense', /expected/);
  add(() => AUTH_OK, /expected/);
  add((pipe) => replyOf(pipe, 7, keyOf(8)), /not the key/);
  add((pipe) => replyOf(pipe, 7).replace('"node_id":7', '"node_id":8'), /bad signature/);
  add(() => replyOf(pipes[0]!, 7), /bad signature/);
  for (const [i, [message, reason]] of attempts.entries()) {
    pipes[i]!.says(message);
    pipes[i]!.says(new Uint8Array(100));
    await settle();
    assert.match(pipes[i]!.ended ?? '', reason);
  }
  assert.deepEqual([attached.size, heard.length, streams.stats().waiting], [0, 0, 0]);
  assert.equal(streams.stats().refused, attempts.length);
});

test('unknown nodes, a registry that is away and nodes held elsewhere are refused', async () => {
  const unknown = world({ lookupKey: async () => undefined });
  assert.match((await unknown.login(7)).ended ?? '', /unknown node/);
  const away = world({ lookupKey: () => Promise.reject(new Error('away')) });
  assert.match((await away.login(7)).ended ?? '', /registry is away/);
  const taken = world({ lookupKey: undefined });
  taken.held.add(7);
  assert.match((await taken.login(7)).ended ?? '', /registered elsewhere/);
});

test('who says nothing is cut after ten seconds, and makes room for the next before', async () => {
  const { clock, streams, connect, login } = world({ limits: { waiting: 10 } });
  const crowd = Array.from({ length: 1_000 }, () => connect());
  assert.equal(streams.stats().waiting, 10);
  assert.equal(crowd.filter(({ ended }) => ended === undefined).length, 10);
  const pipe = await login(7);
  assert.equal(pipe.ended, undefined, 'a node gets in all the same');
  await clock.advance(10_000);
  assert.deepEqual([streams.stats().waiting, streams.stats().open], [0, 1]);
});

test('one that goes while its key is looked up is not let in', async () => {
  let answer: (key: Uint8Array) => void = () => {};
  const { streams, attached, connect } = world({
    lookupKey: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  });
  const pipe = connect();
  pipe.says(replyOf(pipe, 7));
  pipe.destroy();
  answer(keyOf(7).publicKey);
  await settle();
  assert.deepEqual([attached.size, streams.stats().open], [0, 0]);
});

test('a full house lets nobody in, and says so', async () => {
  const { login } = world({ limits: { open: 2 } });
  await login(1);
  await login(2);
  assert.match((await login(3)).ended ?? '', /too many/);
});

test('a node that reads slowly loses datagrams, and costs no more than its share of memory', async () => {
  const { streams, attached, login } = world({ limits: { queued: 10_000 } });
  const pipe = await login(7);
  pipe.queued = 10_001;
  for (let i = 0; i < 100; i++) streams.transmit(attached.get(7)!, new Uint8Array(1_000));
  assert.deepEqual([pipe.sent.length, streams.stats().dropped], [2, 100]);
  pipe.queued = 0;
  streams.transmit(attached.get(7)!, new Uint8Array(1_000));
  assert.equal(pipe.sent.length, 3);
});

test('a node that sends too fast is read no faster than it may', async () => {
  const { clock, heard, login } = world({ limits: { rate: 100_000, burst: 10_000 } });
  const pipe = await login(7);
  const fill = (): void => {
    for (let i = 0; i < 1_000 && !pipe.paused; i++) pipe.says(new Uint8Array(800));
  };
  for (let tenth = 0; tenth < 100; tenth++) {
    fill();
    await clock.advance(100);
  }
  const bytes = heard.reduce((sum, [, length]) => sum + length + 200, 0);
  assert.ok(bytes > 900_000 && bytes < 1_030_000, `${bytes} bytes in 10 s at 100,000 per second`);
});

test('text after the challenge ends the stream', async () => {
  const { streams, login } = world();
  const pipe = await login(7);
  pipe.says('{"type":"auth_challenge"}');
  assert.match(pipe.ended ?? '', /only datagrams/);
  assert.equal(streams.stats().open, 0);
});

test('a node that is gone without a word is noticed', async () => {
  const { clock, streams, attached, login } = world();
  await login(7);
  await clock.advance(40_000);
  assert.deepEqual([streams.stats().open, attached.size], [0, 0]);
});
