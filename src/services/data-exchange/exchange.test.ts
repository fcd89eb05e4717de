import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { concat, fromHex, fromUtf8, toHex, utf8 } from '../../base/bytes.ts';
import { loadVectors } from '../../wire/codec.testkit.ts';
import { DATA_TYPE, DataFrameReader, encodeDataFrame } from '../../wire/data-exchange.ts';
import { decodeFileStream, encodeFileStream, type FileStreamMessage } from '../../wire/file-stream.ts';
import { encodeTagged } from '../../wire/tagged.ts';
import { type Progress, sendFile } from './client.ts';
import {
  breakingAfter,
  type Exchange,
  exchange,
  finish,
  type MemoryStorage,
  settle,
} from './exchange.testkit.ts';
import { type FileSource, memorySource } from './file-source.ts';
import { sendMessage } from './message-sender.ts';

interface Vector {
  kind: 'encode' | 'decode';
  name?: string;
  hex: string;
  ok?: boolean;
  type?: number;
}
const vectors = loadVectors<Vector[]>('dataexchange');

async function answerTo(conn: Conn, ...frames: Uint8Array[]): Promise<string[]> {
  for (const frame of frames) await conn.write(frame);
  const reader = new DataFrameReader();
  const answers: string[] = [];
  while (answers.length < frames.length) {
    const chunk = await conn.read();
    if (chunk === undefined) break;
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      assert.equal(frame.type, DATA_TYPE.text);
      answers.push(fromUtf8(frame.payload));
    }
  }
  return answers;
}

function json(bytes: Uint8Array): Record<string, unknown> {
  return JSON.parse(fromUtf8(bytes)) as Record<string, unknown>;
}

function bytesOf(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    out[i] = state >> 16;
  }
  return out;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The one file under its final name. */
function onlyFile(storage: MemoryStorage): Uint8Array {
  const names = storage.names('received');
  assert.equal(names.length, 1, names.join());
  return storage.files.get(names[0]!)!.data;
}

describe('the data exchange server', () => {
  test('acknowledges text, JSON, binary and unknown frames as old servers do', async () => {
    const { dial, storage } = exchange();
    const conn = await dial();
    const answers = await answerTo(
      conn,
      encodeDataFrame(1, utf8('hi <b> & é')),
      encodeDataFrame(3, utf8('{"a":1}')),
      encodeDataFrame(2, Uint8Array.from([0xff, 0, 1])),
      encodeDataFrame(9, utf8('abc')),
      encodeDataFrame(1, new Uint8Array(0)),
    );
    assert.deepEqual(answers, [
      'ACK TEXT 11 bytes',
      'ACK JSON 7 bytes',
      'ACK BINARY 3 bytes',
      'ACK UNKNOWN(9) 3 bytes',
      'ACK TEXT 0 bytes',
    ]);
    const records = storage.names('inbox').map((name) => ({ name, ...json(storage.files.get(name)!.data) }));
    assert.deepEqual(
      records.map(({ type, bytes, from, data, data_b64 }: Record<string, unknown>) => ({
        type,
        bytes,
        from,
        data,
        data_b64,
      })),
      [
        { type: 'TEXT', bytes: 11, from: '0:0000.0000.0002', data: 'hi <b> & é', data_b64: undefined },
        { type: 'JSON', bytes: 7, from: '0:0000.0000.0002', data: '{"a":1}', data_b64: undefined },
        { type: 'BINARY', bytes: 3, from: '0:0000.0000.0002', data: undefined, data_b64: '/wAB' },
        { type: 'TEXT', bytes: 0, from: '0:0000.0000.0002', data: '', data_b64: undefined },
      ],
    );
    assert.match(records[0]!.name, /^inbox\/TEXT-\d{8}-\d{6}\.\d{3}-\d{6}\.json$/);
    await conn.close();
  });

  test('takes every vector frame, cut anywhere', async () => {
    for (const vector of vectors) {
      const bytes = fromHex(vector.hex)!;
      const { dial, clock } = exchange({ idle: 1000 });
      const conn = await dial();
      for (const byte of bytes.subarray(0, 400)) await conn.write(Uint8Array.of(byte));
      await conn.write(bytes.subarray(400)).catch(() => {});
      const answered = conn.read().catch(() => undefined);
      await clock.advance(2000);
      const answer = await answered;
      const text = answer === undefined ? '' : fromUtf8(answer.subarray(8));
      if (vector.kind === 'encode' || vector.ok === true)
        assert.match(text, /^ACK /, vector.name ?? vector.hex);
      else assert.doesNotMatch(text, /^ACK /, vector.name);
    }
  });

  test('stores files under names nobody had, none outside its folder', async () => {
    const { dial, storage } = exchange();
    const conn = await dial();
    const file = (name: string, data: string) => {
      const encoded = utf8(name);
      return encodeDataFrame(4, concat(Uint8Array.from([0, encoded.length]), encoded, utf8(data)));
    };
    assert.deepEqual(
      await answerTo(conn, file('a.txt', 'one'), file('a.txt', 'two'), file('.bashrc', 'x'), file('', 'yy')),
      ['ACK FILE 3 bytes', 'ACK FILE 3 bytes', 'ACK FILE 1 bytes', 'ACK FILE 2 bytes'],
    );
    const names = storage.names('received');
    assert.equal(names.length, 4);
    assert.match(names[0]!, /^received\/a-\d{8}-\d{6}\.\d{3}-000001\.txt$/);
    assert.match(names[2]!, /^received\/-\d{8}-\d{6}\.\d{3}-\d{6}\.bashrc$/);
    for (const name of ['../x', 'a/b', 'a\\b', 'a..b', '.', '\u0000', 'a\nb']) {
      const other = await dial();
      const [answer] = await answerTo(other, file(name, 'evil'));
      assert.match(answer!, /^ERR FILE save failed: invalid file name/, JSON.stringify(name));
    }
    assert.equal(storage.names('received').length, 4);
  });

  test('keeps names the file system takes, whatever their length', async () => {
    const { dial, storage } = exchange();
    const conn = await dial();
    for (const name of ['é'.repeat(127), `${'a'.repeat(200)}.${'b'.repeat(54)}`]) {
      const encoded = utf8(name);
      const [answer] = await answerTo(
        conn,
        encodeDataFrame(4, concat(Uint8Array.from([0, encoded.length]), encoded, utf8('x'))),
      );
      assert.equal(answer, 'ACK FILE 1 bytes');
    }
    for (const path of storage.names('received')) {
      const name = path.slice('received/'.length);
      assert.ok(utf8(name).length <= 255, name);
      assert.ok(!name.includes('\ufffd'));
    }
  });

  test('names a frame too large before it ends the stream', async () => {
    const { dial } = exchange();
    const conn = await dial();
    const [answer] = await answerTo(conn, fromHex('0000000101000001')!);
    assert.match(answer!, /^ERR TEXT save failed: frame of 16777217 bytes is too large/);
    assert.equal(await conn.read(), undefined);
  });

  test('evicts the oldest messages, and says what it could not keep', async () => {
    const { dial, storage, clock } = exchange({ inbox: { bytes: 5000, files: 1000 } });
    const conn = await dial();
    for (let i = 0; i < 60; i++) {
      await answerTo(conn, encodeDataFrame(1, utf8(`message ${i}`)));
      await clock.advance(10);
    }
    assert.ok(storage.used <= 5000, `${storage.used}`);
    const kept = storage.names('inbox').map((name) => String(json(storage.files.get(name)!.data).data));
    assert.equal(kept.at(-1), 'message 59');
    assert.ok(!kept.includes('message 0'));
    storage.free = 16 * 1024 * 1024;
    const [answer] = await answerTo(conn, encodeDataFrame(1, utf8('x')));
    assert.match(answer!, /^ERR TEXT save failed: no space left/);
  });

  test('counts anew when the user has cleared the folder', async () => {
    const { dial, storage, clock, events } = exchange({ inbox: { bytes: 1_000_000, files: 10 } });
    const conn = await dial();
    for (let i = 0; i < 10; i++) await answerTo(conn, encodeDataFrame(1, utf8('x')));
    await clock.advance(10);
    storage.files.clear();
    await answerTo(conn, encodeDataFrame(1, utf8('y')));
    assert.equal(storage.names('inbox').length, 1);
    assert.ok(!events.some((event) => event.name === 'inbox.full'));
  });

  test('stores a message with an id once, and answers its repetition alike', async () => {
    const { dial, storage } = exchange();
    const tagged = encodeDataFrame(
      DATA_TYPE.tagged,
      encodeTagged({ messageId: 'm1', replyTo: 'm0' }, { type: 1, payload: utf8('hi') }),
    );
    const first = await dial();
    assert.deepEqual(await answerTo(first, tagged), ['ACK TEXT 2 bytes']);
    const second = await dial();
    assert.deepEqual(await answerTo(second, tagged), ['ACK TEXT 2 bytes (duplicate)']);
    const [name] = storage.names('inbox');
    assert.equal(storage.names('inbox').length, 1);
    const record = json(storage.files.get(name!)!.data);
    assert.equal(record.message_id, 'm1');
    assert.equal(record.reply_to, 'm0');
  });

  test('resets a silent connection, and those beyond its limits', async () => {
    const { dial, clock } = exchange({ idle: 120_000 });
    const conn = await dial();
    const read = conn.read();
    read.catch(() => {});
    await clock.advance(119_000);
    await clock.advance(2_000);
    await assert.rejects(read);
    const conns = await Promise.all(Array.from({ length: 257 }, () => dial()));
    await settle();
    await assert.rejects(conns[256]!.read());
    const [answer] = await answerTo(conns[255]!, encodeDataFrame(1, utf8('x')));
    assert.equal(answer, 'ACK TEXT 1 bytes');
  });

  test('survives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
        fc.boolean(),
        async (parts, framed) => {
          const { dial, clock, storage } = exchange({ idle: 50 });
          const conn = await dial();
          for (const part of parts) {
            const bytes = framed ? encodeDataFrame(part[0] ?? 0, part) : part;
            await conn.write(bytes).catch(() => {});
          }
          await clock.advance(100);
          const fresh = await dial();
          const [answer] = await answerTo(fresh, encodeDataFrame(1, utf8('ok')));
          assert.equal(answer, 'ACK TEXT 2 bytes');
          for (const path of storage.files.keys()) assert.match(path, /^(inbox|received)\//);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('sending a message', () => {
  test('resolves with the acknowledgement', async () => {
    const { context } = exchange();
    const sent = await sendMessage(context(), { type: 'text', data: utf8('hello') });
    assert.deepEqual(sent, { ack: 'ACK TEXT 5 bytes', tagged: false, retried: false });
  });

  test('fails on ERR, on silence, on a closed stream and on nonsense', async () => {
    const { context, storage, clock } = exchange();
    storage.free = 0;
    await assert.rejects(sendMessage(context(), { type: 'json', data: utf8('1') }), {
      code: 'transfer_failed',
      message: /no space left/,
    });
    const silent = (read: Conn['read']): Conn => ({
      local: { address: { network: 0, node: 2 }, port: 1 },
      remote: { address: { network: 0, node: 1 }, port: 1001 },
      read,
      write: async () => {},
      endWriting: async () => {},
      close: async () => {},
      abort: () => {},
    });
    const message = { type: 'text', data: utf8('x') } as const;
    const never = sendMessage(context({ dial: async () => silent(() => new Promise(() => {})) }), message);
    never.catch(() => {});
    await clock.advance(61_000);
    await assert.rejects(never, { code: 'timeout' });
    await assert.rejects(sendMessage(context({ dial: async () => silent(async () => undefined) }), message), {
      code: 'transfer_failed',
    });
    const wrong = encodeDataFrame(1, utf8('ACK FILE 1 bytes'));
    await assert.rejects(sendMessage(context({ dial: async () => silent(async () => wrong) }), message), {
      code: 'transfer_failed',
    });
  });

  test('refuses what no frame holds', async () => {
    const { context } = exchange();
    await assert.rejects(sendMessage(context(), { type: 'binary', data: new Uint8Array(16_777_217) }), {
      code: 'too_large',
    });
  });
});

describe('sending a file', () => {
  test('streams it, with progress, and stores it once complete', async () => {
    const { context, storage, clock } = exchange();
    const data = bytesOf(1_000_000);
    const seen: Progress[] = [];
    const sent = await finish(
      clock,
      sendFile(context(), memorySource('data.bin', data), { onProgress: (progress) => seen.push(progress) }),
    );
    assert.equal(sent.transport, 'stream');
    assert.equal(sent.sha256, sha256(data));
    assert.equal(sent.resumedFrom, 0);
    assert.equal(sent.ack, 'ACK FILE 1000000 bytes');
    assert.equal(sha256(onlyFile(storage)), sent.sha256);
    assert.deepEqual(seen.at(-1), { phase: 'sending', bytes: 1_000_000, total: 1_000_000 });
    assert.equal(storage.names('received/.partial').length, 0);
  });

  test('sends an empty file', async () => {
    const { context, storage, clock } = exchange();
    await finish(clock, sendFile(context(), memorySource('empty', new Uint8Array(0))));
    assert.equal(onlyFile(storage).length, 0);
  });

  test('arrives whole through any number of broken connections and restarts, and is never seen half', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 800_000 }),
        fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 6 }),
        fc.boolean(),
        async (size, breaks, restart) => {
          const made = exchange(undefined, { window: 60_000 });
          const { storage, clock } = made;
          const data = bytesOf(size, size);
          const source = memorySource('data.bin', data);
          const left = [...breaks];
          const watch = setInterval(() => assertWhole(storage, data), 1);
          const context = made.context({
            dial: async () => {
              const conn = await made.dial();
              const limit = left.shift();
              return limit === undefined ? conn : breakingAfter(conn, limit);
            },
          });
          let sent: Awaited<ReturnType<typeof sendFile>> | undefined;
          while (sent === undefined) {
            try {
              sent = await finish(clock, sendFile(context, source));
            } catch (error) {
              assert.match(String((error as { code?: string }).code), /connection_failed|transfer_failed/);
              assertWhole(storage, data);
              if (restart) await made.restart();
            }
          }
          clearInterval(watch);
          assert.equal(sha256(onlyFile(storage)), sent.sha256);
          assert.equal(storage.names('received/.partial').length, 0);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('goes on where a killed sender stopped', async () => {
    const made = exchange();
    const { clock, storage } = made;
    const data = bytesOf(600_000);
    const control = new AbortController();
    const first = sendFile(made.context({ signal: control.signal }), memorySource('f', data), {
      onProgress: ({ phase, bytes }) => {
        if (phase === 'sending' && bytes > 200_000) control.abort();
      },
    });
    await assert.rejects(finish(clock, first), { code: 'cancelled' });
    assert.equal(storage.names('received').length, 0);
    await clock.advance(3_000);
    const again = await finish(clock, sendFile(made.context(), memorySource('f', data)));
    assert.ok(again.resumedFrom > 200_000, `${again.resumedFrom}`);
    assert.equal(sha256(onlyFile(storage)), sha256(data));
  });

  test('does not let one sender learn what another has sent', async () => {
    const made = exchange();
    const data = bytesOf(300_000);
    const half = made.context({ dial: onceBreaking(made, 150_000) });
    await assert.rejects(finish(made.clock, sendFile(half, memorySource('f', data))));
    const other = made.context({ dial: () => made.dial(3) });
    const sent = await finish(made.clock, sendFile(other, memorySource('f', data)));
    assert.equal(sent.resumedFrom, 0);
  });

  test('keeps two transfers of the same content apart', async () => {
    const made = exchange(undefined, { window: 20_000 });
    const data = bytesOf(400_000);
    const both = [1, 2].map(() => sendFile(made.context(), memorySource('f', data)));
    await finish(made.clock, Promise.all(both));
    const names = made.storage.names('received');
    assert.equal(names.length, 2);
    for (const name of names) assert.equal(sha256(made.storage.files.get(name)!.data), sha256(data));
  });

  test('starts over when what was kept turns out wrong', async () => {
    const made = exchange();
    const { storage, clock } = made;
    const data = bytesOf(300_000);
    const broken = made.context({ dial: onceBreaking(made, 200_000) });
    await assert.rejects(finish(clock, sendFile(broken, memorySource('f', data))));
    const [partial] = storage.names('received/.partial');
    storage.files.get(partial!)!.data[5]! ^= 1;
    await clock.advance(3_000);
    await assert.rejects(finish(clock, sendFile(made.context(), memorySource('f', data))), {
      code: 'transfer_failed',
      message: /checksum/,
    });
    assert.equal(storage.names('received').length, 0);
    const sent = await finish(clock, sendFile(made.context(), memorySource('f', data)));
    assert.equal(sent.resumedFrom, 0);
    assert.equal(sha256(onlyFile(storage)), sha256(data));
  });

  test('is refused with a reason when there is no room, and fails clearly when the disk fills on the way', async () => {
    const full = exchange({ received: { bytes: 100_000 } });
    await assert.rejects(finish(full.clock, sendFile(full.context(), memorySource('f', bytesOf(100_001)))), {
      code: 'transfer_failed',
      message: /received files take up/,
    });
    const tight = exchange();
    tight.storage.free = 16 * 1024 * 1024 + 1000;
    await assert.rejects(finish(tight.clock, sendFile(tight.context(), memorySource('f', bytesOf(1001)))), {
      message: /not enough disk space/,
    });
    const filling = exchange();
    filling.storage.capacity = 150_000;
    await assert.rejects(
      finish(filling.clock, sendFile(filling.context(), memorySource('f', bytesOf(300_000)))),
      {
        code: 'transfer_failed',
        message: /no space left/,
      },
    );
    assert.equal(filling.storage.names('received').length, 0);
    filling.storage.capacity = Number.POSITIVE_INFINITY;
    await filling.clock.advance(3_000);
    const sent = await finish(
      filling.clock,
      sendFile(filling.context(), memorySource('f', bytesOf(300_000))),
    );
    assert.ok(sent.resumedFrom > 0);
  });

  test('makes room at the cost of abandoned partials, never of complete files', async () => {
    const made = exchange({ received: { bytes: 500_000 } });
    const { storage, clock } = made;
    await finish(clock, sendFile(made.context(), memorySource('keep', bytesOf(200_000, 7))));
    const abandoned = made.context({ dial: onceBreaking(made, 210_000) });
    await assert.rejects(finish(clock, sendFile(abandoned, memorySource('a', bytesOf(250_000, 8)))));
    await finish(clock, sendFile(made.context(), memorySource('b', bytesOf(250_000, 9))));
    assert.equal(storage.names('received').length, 2);
    assert.equal(storage.names('received/.partial').length, 0);
  });

  test('does not let empty files and abandoned transfers fill the disk with names', async () => {
    const made = exchange({ received: { bytes: 1_000_000, files: 3 } });
    for (let i = 0; i < 3; i++)
      await finish(made.clock, sendFile(made.context(), memorySource('e', new Uint8Array(0))));
    await assert.rejects(finish(made.clock, sendFile(made.context(), memorySource('e', new Uint8Array(0)))), {
      code: 'transfer_failed',
    });
    const many = exchange();
    for (let i = 0; i < 1_100; i++) {
      const conn = await many.dial();
      const sha = fromHex(sha256(utf8(`${i}`)))!;
      const init = {
        kind: 'init',
        transfer: sha.subarray(0, 16),
        size: 9,
        sha256: sha,
        chunkSize: 1,
        name: 'x',
      } as const;
      await conn.write(encodeDataFrame(7, encodeFileStream(init)));
      await conn.read();
      conn.abort();
      await settle(2);
    }
    assert.ok(many.storage.names('received/.partial').length <= 1_000);
  });

  test('notices a source that changes while it is sent', async () => {
    const { context, clock } = exchange();
    let reads = 0;
    const source: FileSource = {
      name: 'log',
      size: 200_000,
      read: async (_offset, length) => new Uint8Array(length).fill(reads++ < 1 ? 0 : 1),
      close: async () => {},
    };
    await assert.rejects(finish(clock, sendFile(context(), source)), { code: 'transfer_failed' });
    const shrinking = {
      ...source,
      read: async (offset: number, length: number) => new Uint8Array(offset > 0 ? 0 : length),
    };
    await assert.rejects(finish(clock, sendFile(context(), { ...shrinking, size: 2_000_000 })), {
      code: 'transfer_failed',
    });
  });

  test('refuses names no receiver takes', async () => {
    const { context } = exchange();
    for (const name of ['', '../x', 'a/b', 'x'.repeat(256)]) {
      await assert.rejects(sendFile(context(), memorySource(name, utf8('x'))), { code: 'invalid_argument' });
    }
  });

  test('falls back to one frame with a peer that does not know streams', async () => {
    const answered: string[] = [];
    const old = (): Conn => {
      const reader = new DataFrameReader();
      const answers: Uint8Array[] = [];
      let wake: (() => void) | undefined;
      return {
        local: { address: { network: 0, node: 2 }, port: 1 },
        remote: { address: { network: 0, node: 1 }, port: 1001 },
        async read() {
          while (answers.length === 0) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          return answers.shift();
        },
        async write(data) {
          reader.push(data.slice());
          for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
            const text =
              frame.type === 4
                ? `ACK FILE ${frame.payload.length - 3} bytes`
                : `ACK UNKNOWN(${frame.type}) ${frame.payload.length} bytes`;
            answered.push(text);
            answers.push(encodeDataFrame(1, utf8(text)));
            wake?.();
          }
        },
        endWriting: async () => {},
        close: async () => {},
        abort: () => {},
      };
    };
    const { context } = exchange();
    const sent = await sendFile(context({ dial: async () => old() }), memorySource('f', bytesOf(300_000)));
    assert.equal(sent.transport, 'frame');
    assert.equal(sent.ack, 'ACK FILE 300000 bytes');
    assert.match(answered[0]!, /UNKNOWN\(7\)/);
    await assert.rejects(
      sendFile(context({ dial: async () => old() }), memorySource('f', new Uint8Array(17_000_000))),
      {
        code: 'too_large',
      },
    );
  });
});

describe('the receiver of file streams, to senders of another kind', () => {
  async function talk(conn: Conn, ...messages: FileStreamMessage[]): Promise<(FileStreamMessage | string)[]> {
    for (const message of messages) await conn.write(encodeDataFrame(7, encodeFileStream(message)));
    await settle();
    const reader = new DataFrameReader();
    const out: (FileStreamMessage | string)[] = [];
    for (;;) {
      const pending = conn.read();
      pending.catch(() => {});
      const chunk = await Promise.race([pending, settle().then(() => undefined)]);
      if (chunk === undefined) break;
      reader.push(chunk);
    }
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const decoded = frame.type === 7 ? decodeFileStream(frame.payload) : fromUtf8(frame.payload);
      out.push(decoded);
    }
    return out;
  }
  const data = bytesOf(100_000);
  const digest = fromHex(sha256(data))!;
  const transfer = digest.subarray(0, 16);
  const init: FileStreamMessage = {
    kind: 'init',
    transfer,
    size: data.length,
    sha256: digest,
    chunkSize: 49_152,
    name: 'f',
  };
  const chunk = (from: number, to: number): FileStreamMessage => ({
    kind: 'chunk',
    transfer,
    offset: from,
    data: data.subarray(from, to),
  });

  test('puts chunks in order, whatever their order and overlap', async () => {
    const { dial, storage } = exchange();
    const answers = await talk(
      await dial(),
      init,
      chunk(50_000, 100_000),
      chunk(0, 30_000),
      chunk(20_000, 60_000),
      { kind: 'done', transfer },
    );
    const last = answers.at(-1);
    assert.ok(
      typeof last === 'object' && last.kind === 'complete' && last.status === 0,
      JSON.stringify(answers),
    );
    assert.equal(sha256(onlyFile(storage)), sha256(data));
  });

  test('aborts on a chunk beyond the size, on an unknown transfer and on a false id', async () => {
    const { dial } = exchange();
    const conn = await dial();
    const beyond = await talk(conn, init, {
      kind: 'chunk',
      transfer,
      offset: 99_999,
      data: new Uint8Array(2),
    });
    assert.equal((beyond.at(-1) as FileStreamMessage).kind, 'abort');
    const unknown = await talk(await dial(), chunk(0, 10));
    assert.equal((unknown[0] as FileStreamMessage).kind, 'abort');
    const forged = await talk(await dial(), { ...init, sha256: new Uint8Array(32) } as FileStreamMessage);
    assert.equal((forged[0] as FileStreamMessage).kind, 'complete');
  });

  test('says how much is missing when DONE comes early', async () => {
    const { dial } = exchange();
    const [, ...answers] = await talk(await dial(), init, chunk(0, 10_000), { kind: 'done', transfer });
    const last = answers.at(-1) as Extract<FileStreamMessage, { kind: 'complete' }>;
    assert.equal(last.status, 1);
    assert.match(last.message, /10000 of 100000/);
  });
});

/** A stream that breaks after so many bytes, and none after it: as when the sender is killed. */
function onceBreaking(made: Exchange, bytes: number): () => Promise<Conn> {
  let first = true;
  return async () => {
    if (!first) throw new PilotError('cancelled', 'Killed');
    first = false;
    return breakingAfter(await made.dial(), bytes);
  };
}

/** Whatever is under a final name is the whole file. */
function assertWhole(storage: MemoryStorage, data: Uint8Array): void {
  for (const name of storage.names('received')) {
    assert.equal(toHex(storage.files.get(name)!.data.subarray(0, 64)), toHex(data.subarray(0, 64)));
    assert.equal(storage.files.get(name)!.data.length, data.length);
  }
}
