import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Conn } from '../api/stream.ts';
import { utf8 } from '../base/bytes.ts';
import { FakeNetwork } from '../ipc/fake-backend.testkit.ts';
import { memoryNet } from '../ipc/pipe.testkit.ts';
import { IpcServer } from '../ipc/server.ts';
import { nodeClock } from '../platform/clock.ts';
import { nodeCrypto, nodeRandom } from '../platform/index.ts';
import { PilotClient } from '../sdk/index.ts';
import { said } from '../services/data-exchange/asking.testkit.ts';
import { exchange, settle } from '../services/data-exchange/exchange.testkit.ts';
import { DATA_TYPE, encodeDataFrame } from '../wire/data-exchange.ts';
import { encodeTagged, type MessageTags } from '../wire/tagged.ts';
import { MessageDesk } from './message-desk.ts';

const frame = (tags: MessageTags, content: string) =>
  encodeDataFrame(DATA_TYPE.tagged, encodeTagged(tags, { type: DATA_TYPE.text, payload: utf8(content) }));
const asks = (messageId: string, content: string) => frame({ messageId, reply: 'stream' }, content);

/** Node 1 with its data exchange and local socket; node 2 can dial it. */
async function site() {
  const desk = new MessageDesk(() => ({ network: 0, node: 1 }));
  const made = exchange(undefined, { programs: desk });
  desk.attach(made.server);
  const net = memoryNet();
  const clock = nodeClock();
  const server = await IpcServer.claim({ net, clock, log: { event: () => {} }, socketPath: 'sock' });
  const backend = Object.assign(new FakeNetwork().node(1), { messages: desk });
  backend.methods = { peer_name: () => ({ hostname: 'node-b' }) };
  server.serve(backend);
  const ports = { net, clock, crypto: nodeCrypto(), random: nodeRandom() };
  const connect = (): Promise<PilotClient> => PilotClient.connect({ ...ports, socketPath: 'sock' });
  const ask = async (id: string, content: string): Promise<Conn> => {
    const conn = await made.dial(2);
    await conn.write(asks(id, content));
    return conn;
  };
  return { ...made, connect, ask, end: () => server.close() };
}

describe('programs and the messages of the node', () => {
  test('one program at a time answers, is told who asks, and gives way when it leaves', async () => {
    const { connect, ask, storage, end } = await site();
    const [first, second] = [await connect(), await connect()];
    await first.serve(({ text, name, node, from }) => `${text} ${name} ${node} ${from}`);
    await assert.rejects(
      second.serve(() => 'never'),
      { code: 'port_in_use' },
    );
    const texts = (await said(await ask('m1', 'hi'), 2)).map(({ text }) => text);
    assert.deepEqual(texts, ['ACK TEXT 2 bytes', 'hi node-b 2 0:0000.0000.0002']);
    assert.equal(storage.names('inbox').length, 0);
    first.close();
    await settle();
    await second.serve(({ text }) => `second ${text}`);
    assert.equal((await said(await ask('m2', 'hi'), 2))[1]!.text, 'second hi');
    second.close();
    await settle();
    assert.equal((await said(await ask('m3', 'hi'), 1))[0]!.text, 'ACK TEXT 2 bytes');
    assert.equal(storage.names('inbox').length, 1);
    await end();
  });

  test('large questions and answers pass, many at once', async () => {
    const { connect, ask, end } = await site();
    const client = await connect();
    await client.serve(({ data }) => ({ type: 'binary', data }), { input: 2_000_000, output: 2_000_000 });
    const asked = Array.from({ length: 8 }, async (_, i) => {
      const content = String(i).repeat(1_500_000);
      const [, answer] = await said(await ask(`m${i}`, content), 2);
      return answer!.text === content;
    });
    assert.ok((await Promise.all(asked)).every((same) => same));
    client.close();
    await end();
  });

  test('a program that waits gets copies of what the peer it waits for sends, and no other', async () => {
    const { connect, dial, end } = await site();
    const client = await connect();
    const got: string[] = [];
    const facts = await client.ipc.call('messages_watch', { node_id: 2 });
    assert.deepEqual(facts, { known: false, echoes: false });
    client.ipc.onMessage((copy) => {
      void said(copy, 2).then((frames) => got.push(...frames.map(({ text }) => text)));
    });
    for (const [from, content] of [
      [3, 'not this'],
      [2, 'this'],
    ] as const) {
      const conn = await dial(from);
      await conn.write(encodeDataFrame(1, utf8(content)));
      await said(conn, 1);
    }
    await settle();
    assert.equal(got.length, 2);
    assert.match(got[0]!, /^\{"id":"TEXT-/);
    assert.equal(got[1], 'this');
    await client.ipc.call('messages_unwatch', { node_id: 2 });
    client.close();
    await end();
  });

  test('an answer from here goes to an asker that listens, else it is sent as any message', async () => {
    const { connect, ask, end } = await site();
    const client = await connect();
    const waiting = await ask('m1', 'anybody?');
    await said(waiting, 1);
    const to = { network: 0, node: 2 };
    const sent = await client.sendMessage(to, { type: 'text', data: utf8('me'), replyTo: 'm1' });
    assert.equal(sent.ack, 'ACK TEXT 2 bytes');
    const [answer] = await said(waiting, 1);
    assert.deepEqual([answer!.text, answer!.tags.replyTo], ['me', 'm1']);
    // Nobody listens a second time, and the fake network has no way to node 2.
    await assert.rejects(client.sendMessage(to, { type: 'text', data: utf8('me'), replyTo: 'm1' }));
    assert.equal(sent.replyTo, 'm1');
    client.close();
    await end();
  });
});
