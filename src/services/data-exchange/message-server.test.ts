import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { DATA_TYPE, encodeDataFrame } from '../../wire/data-exchange.ts';
import { encodeTagged, type MessageTags } from '../../wire/tagged.ts';
import { AskingSite, said, service } from './asking.testkit.ts';
import { settle } from './exchange.testkit.ts';
import type { Answerer, MessageServerLimits } from './message-server.ts';

const text = (content: string) => ({ type: DATA_TYPE.text, payload: utf8(content) });
const plain = (content: string) => encodeDataFrame(DATA_TYPE.text, utf8(content));
const tagged = (tags: MessageTags, content: string) =>
  encodeDataFrame(DATA_TYPE.tagged, encodeTagged(tags, text(content)));
const question = (messageId: string, content: string) => tagged({ messageId, reply: 'stream' }, content);

/** A service at port 1001 of node 1. */
function serving(answer: Answerer, limits: MessageServerLimits = {}) {
  const site: AskingSite = new AskingSite((conn) => void made.server.serve(conn, { single: false }));
  const made = service(site.clock, answer, limits);
  return { ...made, site, clock: site.clock, dial: () => site.context().dial() };
}

/** What comes back for some bytes. */
async function answers(conn: Conn, bytes: Uint8Array, count: number) {
  await conn.write(bytes);
  return said(conn, count);
}

describe('a service', () => {
  test('promises the answer in its acknowledgement, then gives it on the stream', async () => {
    const { dial } = serving(async ({ data }) => ({
      type: 'text',
      data: utf8(fromUtf8(data).toUpperCase()),
    }));
    const [ack, answer] = await answers(await dial(), question('m1', 'loud'), 2);
    assert.deepEqual(ack, { text: 'ACK TEXT 4 bytes', tags: { replyTo: 'm1', reply: 'stream' } });
    assert.equal(answer!.text, 'LOUD');
    assert.equal(answer!.tags.replyTo, 'm1');
  });

  test('answers who did not ask for the stream with a message of its own', async () => {
    const { dial, sent } = serving(async () => ({ type: 'text', data: utf8('here') }));
    const conn = await dial();
    assert.deepEqual(await answers(conn, plain('a'), 1), [{ text: 'ACK TEXT 1 bytes', tags: {} }]);
    assert.deepEqual(await answers(conn, tagged({ messageId: 'm1' }, 'bb'), 1), [
      { text: 'ACK TEXT 2 bytes', tags: {} },
    ]);
    await settle();
    assert.deepEqual(
      sent.map(({ to, message }) => [to.node, fromUtf8(message.data), message.replyTo]),
      [
        [2, 'here', undefined],
        [2, 'here', 'm1'],
      ],
    );
  });

  test('never carries out the same question twice, and answers it alike', async () => {
    let runs = 0;
    const { dial, sent } = serving(async () => ({ type: 'text', data: utf8(`run ${++runs}`) }));
    const first = await answers(await dial(), question('m1', 'x'), 2);
    const second = await answers(await dial(), question('m1', 'x'), 2);
    assert.equal(second[0]!.text, 'ACK TEXT 1 bytes (duplicate)');
    assert.equal(second[1]!.text, first[1]!.text);
    const [again] = await answers(await dial(), tagged({ messageId: 'm1' }, 'x'), 1);
    assert.equal(again!.text, 'ACK TEXT 1 bytes (duplicate)');
    await settle();
    assert.equal(runs, 1);
    assert.equal(sent.length, 0);
    const [, other] = await answers(await dial(), question('m1', 'something else'), 2);
    assert.equal(other!.text, 'run 2');
  });

  test('gives the answer of a question under way to whoever asks it again', async () => {
    let release: ((text: string) => void) | undefined;
    const { dial } = serving(async () => ({
      type: 'text',
      data: utf8(await new Promise<string>((resolve) => (release = resolve))),
    }));
    const [one, two] = [await dial(), await dial()];
    await one.write(question('m1', 'x'));
    await settle();
    await two.write(question('m1', 'x'));
    await settle();
    release!('done');
    assert.equal((await said(one, 2))[1]!.text, 'done');
    assert.equal((await said(two, 2))[1]!.text, 'done');
  });

  test('forgets after ten minutes', async () => {
    let runs = 0;
    const { dial, clock } = serving(async () => ({ type: 'text', data: utf8(`run ${++runs}`) }));
    await answers(await dial(), question('m1', 'x'), 2);
    await clock.advance(599_000);
    assert.equal((await answers(await dial(), question('m1', 'x'), 2))[1]!.text, 'run 1');
    await clock.advance(2_000);
    assert.equal((await answers(await dial(), question('m1', 'x'), 2))[1]!.text, 'run 2');
  });

  test('works on so many at once, lets so many wait, and refuses the rest', async () => {
    const release: (() => void)[] = [];
    const { dial, events, server } = serving(
      () => new Promise((resolve) => release.push(() => resolve({ type: 'text', data: utf8('ok') }))),
      { concurrency: 2, queue: 1 },
    );
    const conns = await Promise.all(Array.from({ length: 5 }, dial));
    for (const [i, conn] of conns.entries()) {
      await conn.write(question(`m${i}`, 'x'));
      await settle();
    }
    assert.equal(release.length, 2);
    const [ack, refusal] = await said(conns[3]!, 2);
    assert.equal(ack!.text, 'ACK TEXT 1 bytes');
    assert.equal(refusal!.tags.error, 'rate_limited');
    assert.match(refusal!.text, /^\{"error":\{"code":"rate_limited","message":"Too many questions/);
    const [old] = await answers(await dial(), plain('x'), 1);
    assert.match(old!.text, /^ERR TEXT save failed: too many questions/);
    release[0]!();
    await settle();
    assert.equal(release.length, 3);
    for (const each of release) each();
    assert.equal((await said(conns[2]!, 2))[1]!.text, 'ok');
    assert.equal(events.filter(({ kind }) => kind === 'refused').length, 3);
    await server.stop(0);
  });

  test('a refused question may be asked again under its id', async () => {
    const release: (() => void)[] = [];
    const { dial } = serving(
      () => new Promise((resolve) => release.push(() => resolve({ type: 'text', data: utf8('ok') }))),
      { concurrency: 1, queue: 0 },
    );
    await (await dial()).write(question('m1', 'x'));
    await settle();
    assert.equal((await answers(await dial(), question('m2', 'x'), 2))[1]!.tags.error, 'rate_limited');
    release[0]!();
    await settle();
    const again = await dial();
    await again.write(question('m2', 'x'));
    await settle();
    release[1]!();
    assert.equal((await said(again, 2))[1]!.text, 'ok');
  });

  test('tells of time that is up, answers that are too long, and reasons', async () => {
    let aborted = false;
    const { dial, clock } = serving(
      async ({ data }, signal) => {
        if (fromUtf8(data) === 'long') return { type: 'binary', data: new Uint8Array(101) };
        if (fromUtf8(data) === 'bad') throw new PilotError('invalid_argument', 'say please');
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise(() => {});
      },
      { time: 5_000, output: 100 },
    );
    assert.equal((await answers(await dial(), question('a', 'long'), 2))[1]!.tags.error, 'too_large');
    const [, bad] = await answers(await dial(), question('b', 'bad'), 2);
    assert.equal(bad!.text, '{"error":{"code":"invalid_argument","message":"say please"}}');
    const conn = await dial();
    await conn.write(question('c', 'never'));
    await clock.advance(5_001);
    assert.equal((await said(conn, 2))[1]!.tags.error, 'timeout');
    assert.ok(aborted);
  });

  test('refuses questions that are too large before they have arrived', async () => {
    const { dial } = serving(async () => undefined, { input: 1000 });
    const conn = await dial();
    const frame = plain('x'.repeat(5000));
    const [refusal] = await answers(conn, frame.subarray(0, 100), 1);
    assert.match(refusal!.text, /^ERR TEXT save failed: questions of more than 1000 bytes/);
    const [fits] = await answers(await dial(), question('m', 'y'.repeat(1000)), 1);
    assert.equal(fits!.text, 'ACK TEXT 1000 bytes');
  });

  test('does not talk without end to a peer that answers everything and names nothing', async () => {
    const { dial, sent, clock } = serving(async () => ({ type: 'text', data: utf8('and you?') }));
    const conn = await dial();
    for (let i = 0; i < 200; i++) await answers(conn, plain(`fine, and you? ${i}`), 1);
    await settle();
    assert.equal(sent.length, 60);
    await clock.advance(10_000);
    for (let i = 0; i < 200; i++) await answers(conn, plain(`fine, and you? ${i}`), 1);
    assert.equal(sent.length, 70);
  });

  test('answers files and unknown frames as what they are', async () => {
    const { dial } = serving(async () => undefined);
    const conn = await dial();
    assert.match(
      (await answers(conn, encodeDataFrame(4, utf8('x')), 1))[0]!.text,
      /^ERR FILE save failed: files/,
    );
    assert.equal(
      (await answers(conn, encodeDataFrame(99, utf8('x')), 1))[0]!.text,
      'ACK UNKNOWN(99) 1 bytes',
    );
    assert.match((await answers(conn, encodeDataFrame(10, utf8('x')), 1))[0]!.text, /^ERR UNKNOWN\(10\) /);
  });

  test('ends in good order: nothing new, what is under way within its grace', async () => {
    const release: (() => void)[] = [];
    const { dial, server, clock } = serving(
      () => new Promise((resolve) => release.push(() => resolve({ type: 'text', data: utf8('ok') }))),
    );
    const [one, two] = [await dial(), await dial()];
    await one.write(question('m1', 'x'));
    await two.write(question('m2', 'x'));
    await settle();
    const stopped = server.stop(1_000);
    release[0]!();
    assert.equal((await said(one, 2))[1]!.text, 'ok');
    await clock.advance(1_001);
    await stopped;
    const late = await dial();
    await assert.rejects(late.read());
  });

  test('survives any bytes', async () => {
    const { dial } = serving(async ({ data }) => ({ type: 'binary', data }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), async (chunks) => {
        const conn = await dial();
        for (const chunk of chunks) await conn.write(chunk).catch(() => {});
        conn.abort();
        await settle(3);
      }),
      { numRuns: 60 },
    );
    const [ack] = await answers(await dial(), question('m', 'still here'), 1);
    assert.equal(ack!.text, 'ACK TEXT 10 bytes');
  });
});
