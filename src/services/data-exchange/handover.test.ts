import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Conn } from '../../api/stream.ts';
import { concat, fromUtf8, utf8 } from '../../base/bytes.ts';
import { localPair } from '../../daemon/local-pair.ts';
import { connOf } from '../../daemon/stream-host.ts';
import { DATA_TYPE, type DataFrame, encodeDataFrame } from '../../wire/data-exchange.ts';
import { encodeTagged, type MessageTags } from '../../wire/tagged.ts';
import { said, service } from './asking.testkit.ts';
import { exchange, ManualClock, settle } from './exchange.testkit.ts';
import { FrameBoundary, type MessagePrograms } from './programs.ts';

const question = (tags: MessageTags, content: string) =>
  encodeDataFrame(DATA_TYPE.tagged, encodeTagged(tags, { type: DATA_TYPE.text, payload: utf8(content) }));
const asks = (messageId: string, content: string) => question({ messageId, reply: 'stream' }, content);

/** Programs of a daemon: what they are given, and a say in what they do. */
class FakePrograms implements MessagePrograms {
  readonly copies: { frame: DataFrame; name: string }[] = [];
  readonly opened: Conn[] = [];
  watched = false;
  onOpen: ((conn: Conn) => void) | undefined;

  open(remote: Conn['remote']): Conn | undefined {
    if (this.onOpen === undefined) return undefined;
    const local = { address: { network: 0, node: 1 }, port: 1001 };
    const [near, far] = localPair([1, 2], { local, remote });
    const conn = connOf(near);
    this.opened.push(conn);
    this.onOpen(conn);
    return connOf(far);
  }
  readonly listening = new Map<string, (frame: Uint8Array) => Promise<void>>();
  listens(_peer: Conn['remote'], id: string, tell: (frame: Uint8Array) => Promise<void>): () => void {
    this.listening.set(id, tell);
    return () => this.listening.delete(id);
  }
  isWatched(): boolean {
    return this.watched;
  }
  stored(_peer: Conn['remote'], frame: DataFrame, name: string): void {
    this.copies.push({ frame, name });
  }
}

function site() {
  const clock = new ManualClock();
  const programs = new FakePrograms();
  return { programs, ...exchange(undefined, { programs, clock }) };
}

describe('a message for a program', () => {
  test('goes to it with its sender, and what it says goes to the sender; the inbox stays empty', async () => {
    const { programs, dial, storage, clock } = site();
    const { server } = service(clock, async ({ data, from }) => ({
      type: 'text',
      data: utf8(`${from.node}: ${fromUtf8(data)}`),
    }));
    programs.onOpen = (conn) => void server.serve(conn, { single: true });
    const conn = await dial(7);
    await conn.write(concat(asks('m1', 'one'), asks('m2', 'two')));
    const texts = (await said(conn, 4)).map(({ text }) => text);
    assert.deepEqual(texts, ['ACK TEXT 3 bytes', '7: one', 'ACK TEXT 3 bytes', '7: two']);
    assert.equal(storage.names('inbox').length, 0);
  });

  test('is stored when no program is there, or when it ends before it took it', async () => {
    const { programs, dial, storage } = site();
    const conn = await dial();
    await conn.write(asks('m1', 'nobody'));
    assert.deepEqual(await said(conn, 1), [{ text: 'ACK TEXT 6 bytes', tags: {} }]);
    programs.onOpen = (program) => program.abort();
    await conn.write(asks('m2', 'crashing'));
    assert.deepEqual(await said(conn, 1), [{ text: 'ACK TEXT 8 bytes', tags: {} }]);
    assert.equal(storage.names('inbox').length, 2);
    assert.equal(programs.copies.length, 2);
    assert.ok(storage.names('inbox').includes(`inbox/${programs.copies[0]!.name}.json`));
  });

  test('whose program ends before it answers is answered by the daemon', async () => {
    const { programs, dial, clock } = site();
    const { server } = service(clock, () => new Promise(() => {}));
    programs.onOpen = (conn) => void server.serve(conn, { single: true });
    const conn = await dial();
    await conn.write(asks('m1', 'hello'));
    await settle();
    await programs.opened[0]!.close().catch(() => {});
    const [, answer] = await said(conn, 2);
    assert.equal(answer!.tags.error, 'unavailable');
    assert.equal(answer!.tags.replyTo, 'm1');
  });

  test('that is an answer goes to the inbox, and so does what a program waits for', async () => {
    const { programs, dial, storage, clock } = site();
    const { server } = service(clock, async () => ({ type: 'text', data: utf8('never') }));
    programs.onOpen = (conn) => void server.serve(conn, { single: true });
    const conn = await dial();
    await conn.write(question({ messageId: 'r1', replyTo: 'm0' }, 'an answer'));
    await said(conn, 1);
    programs.watched = true;
    await conn.write(encodeDataFrame(1, utf8('an old answer')));
    await said(conn, 1);
    assert.equal(storage.names('inbox').length, 2);
    await conn.write(asks('m1', 'a question all the same'));
    assert.equal((await said(conn, 2))[1]!.text, 'never');
  });

  test('may take longer than a silent connection may live', async () => {
    const { programs, dial, clock } = site();
    let release: (() => void) | undefined;
    const { server } = service(
      clock,
      () => new Promise((resolve) => (release = () => resolve({ type: 'text', data: utf8('slow') }))),
      { time: 1e6 },
    );
    programs.onOpen = (conn) => void server.serve(conn, { single: true });
    const conn = await dial();
    await conn.write(asks('m1', 'think'));
    await clock.advance(400_000);
    release!();
    assert.equal((await said(conn, 2))[1]!.text, 'slow');
    const read = conn.read();
    read.catch(() => {});
    await clock.advance(250_000);
    await assert.rejects(read);
  });

  test('that nobody answers yet can be answered later on its stream, for an hour', async () => {
    const { programs, dial, clock, storage } = site();
    const conn = await dial();
    await conn.write(asks('m1', 'anybody?'));
    await said(conn, 1);
    await clock.advance(3_000_000);
    await programs.listening.get('m1')!(question({ replyTo: 'm1' }, 'me'));
    assert.deepEqual(await said(conn, 1), [{ text: 'me', tags: { replyTo: 'm1' } }]);
    assert.equal(storage.names('inbox').length, 1);
    await conn.write(asks('m2', 'anybody else?'));
    await said(conn, 1);
    conn.abort();
    await settle();
    assert.ok(!programs.listening.has('m2'));
  });

  test('whose sender does not take the answer is let go after the time of silence', async () => {
    const { programs, dial, clock } = site();
    const { server } = service(clock, async () => ({ type: 'binary', data: new Uint8Array(1_000_000) }));
    programs.onOpen = (conn) => void server.serve(conn, { single: true });
    const conn = await dial();
    await conn.write(asks('m1', 'much'));
    await clock.advance(300_000);
    await assert.rejects(async () => {
      while ((await conn.read()) !== undefined);
    });
  });

  test('whose sender has gone lets go of the program', async () => {
    const { programs, dial, clock } = site();
    const { server } = service(clock, () => new Promise(() => {}));
    programs.onOpen = (conn) => void server.serve(conn, { single: true });
    const conn = await dial();
    await conn.write(asks('m1', 'bye'));
    await settle();
    conn.abort();
    await settle();
    await assert.rejects(programs.opened[0]!.read());
  });

  test('sent again after a restart of the daemon is stored once', async () => {
    const made = site();
    const first = await made.dial();
    await first.write(question({ messageId: 'm1' }, 'once'));
    assert.equal((await said(first, 1))[0]!.text, 'ACK TEXT 4 bytes');
    await made.restart();
    const second = await made.dial();
    await second.write(question({ messageId: 'm1' }, 'once'));
    assert.equal((await said(second, 1))[0]!.text, 'ACK TEXT 4 bytes (duplicate)');
    assert.equal(made.storage.names('inbox').length, 1);
    await made.clock.advance(601_000);
    await made.restart();
    const third = await made.dial();
    await third.write(question({ messageId: 'm1' }, 'once'));
    assert.equal((await said(third, 1))[0]!.text, 'ACK TEXT 4 bytes');
  });

  test('sent twice at the same time is stored once', async () => {
    const { dial, storage } = site();
    const conns = await Promise.all(Array.from({ length: 5 }, () => dial()));
    await Promise.all(conns.map((conn) => conn.write(question({ messageId: 'm1' }, 'same'))));
    const acks = await Promise.all(conns.map(async (conn) => (await said(conn, 1))[0]!.text));
    assert.equal(acks.filter((text) => text.endsWith('(duplicate)')).length, 4);
    assert.equal(storage.names('inbox').length, 1);
  });

  test('from a correspondent is remembered, with whether it names ids', async () => {
    const made = site();
    assert.deepEqual(await made.server.correspondent(2), { isKnown: false, echoes: false });
    const conn = await made.dial();
    await conn.write(encodeDataFrame(1, utf8('hi')));
    await said(conn, 1);
    assert.deepEqual(await made.server.correspondent(2), { isKnown: true, echoes: false });
    await conn.write(question({ replyTo: 'm0' }, 'answer'));
    await said(conn, 1);
    await made.restart();
    assert.deepEqual(await made.server.correspondent(2), { isKnown: true, echoes: true });
    assert.deepEqual(await made.server.correspondent(3), { isKnown: false, echoes: false });
  });
});

describe('the boundary of frames', () => {
  test('is known however the bytes are cut', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 6 });
    fc.assert(
      fc.property(payloads, fc.array(fc.nat(12), { maxLength: 40 }), (frames, cuts) => {
        const bytes = concat(...frames.map((payload) => encodeDataFrame(1, payload)));
        const boundary = new FrameBoundary();
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          boundary.passed(bytes.subarray(at, at + cut));
          at = Math.min(bytes.length, at + cut);
        }
        return boundary.isBetween && boundary.frames === frames.length;
      }),
    );
  });
});
