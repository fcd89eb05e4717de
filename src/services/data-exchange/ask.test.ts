import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Conn } from '../../api/stream.ts';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { DATA_TYPE, encodeDataFrame } from '../../wire/data-exchange.ts';
import { encodeTagged } from '../../wire/tagged.ts';
import { AnswerReader } from './answer-reader.ts';
import type { Asked } from './ask.ts';
import { AskingSite, FakeInbox, oldReceiver, service } from './asking.testkit.ts';
import { settle } from './exchange.testkit.ts';

/** Promises an answer, and is killed. */
async function forgetful(conn: Conn): Promise<void> {
  const frames = new AnswerReader(conn);
  await frames.next();
  const ack = { type: DATA_TYPE.text, payload: utf8('ACK TEXT 12 bytes') };
  await conn.write(encodeDataFrame(DATA_TYPE.tagged, encodeTagged({ replyTo: 'q1', reply: 'stream' }, ack)));
  await frames.next();
  conn.abort();
}

const textOf = ({ answer }: Asked): string => fromUtf8(answer.data);

describe('asking one of ours', () => {
  test('the answer comes on the stream of the question, and names it', async () => {
    const site: AskingSite = new AskingSite((conn) => void serving.server.serve(conn, { single: false }));
    const serving = service(site.clock, async ({ data }) => ({ type: 'json', data }));
    const asked = await site.ask('{"a":1}');
    const { answer, ack, tagged, retried } = asked;
    assert.deepEqual({ ack, tagged, retried }, { ack: 'ACK TEXT 7 bytes', tagged: true, retried: false });
    assert.equal(textOf(asked), '{"a":1}');
    assert.equal(answer.type, 'json');
    assert.equal(answer.via, 'stream');
    assert.equal(answer.replyTo, 'q1');
    assert.match(answer.messageId!, /^[0-9a-f]{32}$/);
  });

  test('a failure of the service is told with its code', async () => {
    const site: AskingSite = new AskingSite((conn) => void serving.server.serve(conn, { single: false }));
    const serving = service(site.clock, () => Promise.reject(new Error('no idea')));
    const { answer } = await site.ask('why?');
    assert.deepEqual(answer.error, { code: 'internal', message: 'no idea' });
  });

  test('a stream that breaks after the promise is opened again, and the question is carried out once', async () => {
    let release: (() => void) | undefined;
    let runs = 0;
    const conns: Conn[] = [];
    const site: AskingSite = new AskingSite((conn) => {
      conns.push(conn);
      void serving.server.serve(conn, { single: true });
    });
    const serving = service(site.clock, async ({ data }) => {
      runs++;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return { type: 'text', data };
    });
    const asking = site.ask('hold on', { wait: 120_000 });
    await settle();
    conns[0]!.abort();
    await site.clock.advance(300);
    assert.equal(conns.length, 2);
    conns[1]!.abort();
    await site.clock.advance(600);
    assert.equal(conns.length, 3);
    release!();
    await settle();
    const asked = await asking;
    assert.equal(textOf(asked), 'hold on');
    assert.equal(asked.retried, true);
    assert.equal(runs, 1);
  });

  test('a peer that has forgotten the stream is found out by a word that means nothing, and asked again', async () => {
    let runs = 0;
    const conns: Conn[] = [];
    const site: AskingSite = new AskingSite(
      (conn) => {
        conns.push(conn);
        // The first stream is as one of a daemon that was killed: silent, and reset at the next word.
        if (conns.length === 1) void forgetful(conn);
        else void serving.server.serve(conn, { single: false });
      },
      { shareLines: true },
    );
    const serving = service(site.clock, async ({ data }) => {
      runs++;
      return { type: 'text', data };
    });
    const asking = site.ask('still there?');
    await site.clock.advance(3_900);
    assert.equal(runs, 0);
    await site.clock.advance(600);
    assert.equal(textOf(await asking), 'still there?');
    assert.equal(runs, 1);
  });

  test('many questions share few streams, and each gets its own answer', async () => {
    const site: AskingSite = new AskingSite((conn) => void serving.server.serve(conn, { single: false }), {
      shareLines: true,
    });
    const serving = service(site.clock, async ({ data }) => ({ type: 'text', data }), { queue: 1000 });
    const all = await Promise.all(Array.from({ length: 300 }, (_, i) => site.ask(`n${i}`, { id: `q${i}` })));
    assert.deepEqual(
      all.map(textOf),
      all.map((_, i) => `n${i}`),
    );
    assert.ok(site.dials <= 64, `${site.dials} streams`);
    await site.ask('again', { id: 'one-more' });
    assert.ok(site.dials <= 64);
  });

  test('a kept stream that has died is replaced', async () => {
    const conns: Conn[] = [];
    const site: AskingSite = new AskingSite(
      (conn) => {
        conns.push(conn);
        void serving.server.serve(conn, { single: false });
      },
      { shareLines: true },
    );
    const serving = service(site.clock, async ({ data }) => ({ type: 'text', data }));
    await site.ask('one', { id: 'a' });
    conns[0]!.abort();
    await settle();
    assert.equal(textOf(await site.ask('two', { id: 'b' })), 'two');
    assert.equal(site.dials, 2);
  });
});

describe('asking older peers', () => {
  test('the reply is the message that names the question', async () => {
    const got: string[] = [];
    const site = new AskingSite((conn) => void oldReceiver(conn, true, got));
    const inbox = new FakeInbox();
    const asking = site.ask('how?', { inbox });
    await settle();
    inbox.arrives('about something else', { replyTo: 'q0' });
    inbox.arrives('so', { messageId: 'r1', replyTo: 'q1' });
    const { answer, tagged } = await asking;
    assert.equal(fromUtf8(answer.data), 'so');
    assert.equal(answer.via, 'inbox');
    assert.equal(answer.inboxId, 'id of so');
    assert.equal(tagged, true);
    assert.deepEqual(got, ['how?']);
  });

  test('who knows no ids gets the question again without them, on the same stream, and its next message is the reply', async () => {
    const got: string[] = [];
    const site = new AskingSite((conn) => void oldReceiver(conn, false, got));
    const inbox = new FakeInbox();
    inbox.echoes = true;
    const asking = site.ask('how?', { inbox });
    await settle();
    inbox.arrives('like this');
    const asked = await asking;
    assert.equal(textOf(asked), 'like this');
    assert.equal(asked.tagged, false);
    assert.equal(site.dials, 1);
    assert.deepEqual(got, ['how?']);
  });

  test('a reply that arrives before the acknowledgement counts', async () => {
    const inbox = new FakeInbox();
    const site = new AskingSite((conn) => {
      inbox.arrives('quick', { replyTo: 'q1' });
      void oldReceiver(conn, true, []);
    });
    assert.equal(textOf(await site.ask('slow?', { inbox })), 'quick');
  });

  test('first contact without an answer is asked once more under the same id, and waited for half as long again', async () => {
    const got: string[] = [];
    const site = new AskingSite((conn) => void oldReceiver(conn, true, got));
    const inbox = new FakeInbox();
    inbox.isKnown = false;
    const asking = site.ask('anyone?', { inbox, wait: 20_000 });
    await site.clock.advance(9_900);
    assert.equal(got.length, 1);
    await site.clock.advance(200);
    assert.equal(got.length, 2);
    await site.clock.advance(15_000);
    inbox.arrives('at last');
    const asked = await asking;
    assert.equal(textOf(asked), 'at last');
    assert.equal(asked.retried, true);
    assert.equal(got.length, 2);
  });

  test('a peer that has written before, or a short wait, is asked once', async () => {
    for (const [isKnown, wait] of [
      [true, 20_000],
      [false, 5_000],
    ] as const) {
      const got: string[] = [];
      const site = new AskingSite((conn) => void oldReceiver(conn, true, got));
      const inbox = new FakeInbox();
      inbox.isKnown = isKnown;
      const asking = site.ask('anyone?', { inbox, wait });
      await site.clock.advance(wait + 100);
      await assert.rejects(asking, {
        code: 'timeout',
        message: `no reply from "expert" within ${wait / 1000}s`,
      });
      assert.equal(got.length, 1);
    }
  });

  test('an answer without a name from a peer that names ids is taken at the end', async () => {
    const site = new AskingSite((conn) => void oldReceiver(conn, true, []));
    const inbox = new FakeInbox();
    inbox.echoes = true;
    const asking = site.ask('how?', { inbox, wait: 2_000 });
    await site.clock.advance(1_900);
    inbox.arrives('nameless');
    let done = false;
    void asking.then(() => {
      done = true;
    });
    await site.clock.advance(500);
    assert.equal(done, false);
    await site.clock.advance(300);
    assert.equal(textOf(await asking), 'nameless');
  });

  test('a lost acknowledgement is asked for once, with the same id', async () => {
    const got: string[] = [];
    let first = true;
    const site = new AskingSite((conn) => {
      if (first) conn.abort();
      else void oldReceiver(conn, true, got);
      first = false;
    });
    const inbox = new FakeInbox();
    const asking = site.ask('there?', { inbox });
    await settle();
    inbox.arrives('yes');
    assert.equal((await asking).retried, true);
    assert.equal(site.dials, 2);
  });

  test('a cancelled question ends at once', async () => {
    const site = new AskingSite((conn) => void oldReceiver(conn, true, []));
    const control = new AbortController();
    const asking = site.ask('how?', { context: { signal: control.signal } });
    await settle();
    control.abort();
    await assert.rejects(asking, { code: 'cancelled' });
  });
});
