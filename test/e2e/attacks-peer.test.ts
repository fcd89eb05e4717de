/** What a peer that is trusted may still not do; and a registry that is not the one whose key was pinned. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Conn } from '../../src/api/stream.ts';
import {
  DATA_FRAME_LIMIT,
  DATA_TYPE,
  DataFrameReader,
  encodeDataFrame,
} from '../../src/wire/data-exchange.ts';
import { decodeFileStream, encodeFileStream, type FileStreamMessage } from '../../src/wire/file-stream.ts';
import { pause } from './attacks-stranger.testkit.ts';
import { residentMegabytes, Victims } from './attacks-victims.testkit.ts';
import { eventually } from './pilotctl.ts';

let victims: Victims;

before(async () => {
  victims = await Victims.open();
});
after(() => victims?.close());

/** A connection of a to the data exchange of b, on which a says what it likes. */
class Exchange {
  readonly #conn: Conn;
  readonly #reader = new DataFrameReader();

  static async open(): Promise<Exchange> {
    return new Exchange(await victims.a.client.dial('victim-b', 1001));
  }

  private constructor(conn: Conn) {
    this.#conn = conn;
  }

  raw(bytes: Uint8Array): Promise<void> {
    return this.#conn.write(bytes);
  }

  /** The answer as text, or `undefined` when the stream ends without one. */
  async answer(): Promise<string | FileStreamMessage | undefined> {
    for (;;) {
      const frame = this.#reader.next();
      if (frame !== undefined) {
        if (frame.type !== DATA_TYPE.fileStream) return Buffer.from(frame.payload).toString();
        return decodeFileStream(frame.payload);
      }
      const chunk = await this.#conn.read().catch(() => undefined);
      if (chunk === undefined) return undefined;
      this.#reader.push(chunk);
    }
  }

  async say(type: number, payload: Uint8Array): Promise<string | FileStreamMessage | undefined> {
    await this.raw(encodeDataFrame(type, payload));
    return this.answer();
  }

  async stream(message: FileStreamMessage): Promise<FileStreamMessage> {
    const answer = await this.say(DATA_TYPE.fileStream, encodeFileStream(message));
    assert.ok(typeof answer === 'object', `answered ${answer}`);
    return answer;
  }

  close(): void {
    this.#conn.abort();
  }
}

/** A FILE payload with any name at all. */
function filePayload(name: Buffer, data = Buffer.from('x')): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(name.length);
  return Buffer.concat([length, name, data]);
}

function received(): string[] {
  try {
    return readdirSync(join(victims.b.node.home, 'received'), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** An INIT for this content under any name and size. */
function init(
  content: Buffer,
  changes: { name?: string; size?: number; transfer?: Buffer } = {},
): FileStreamMessage {
  const sha256 = createHash('sha256').update(content).digest();
  return {
    kind: 'init',
    transfer: changes.transfer ?? sha256.subarray(0, 16),
    size: changes.size ?? content.length,
    sha256,
    chunkSize: 48 * 1024,
    name: changes.name ?? 'file.bin',
  };
}

const HOSTILE_NAMES = [
  '../escaped',
  '../../identity.json',
  '/etc/escaped',
  'a/b',
  '..\\escaped',
  '.',
  '..',
  'nul\0byte',
  'new\nline',
  '\u001b[2J',
  'x'.repeat(300),
];

for (const name of HOSTILE_NAMES) {
  test(`a file named ${JSON.stringify(name.slice(0, 20))} is refused`, async () => {
    const before = received();
    const exchange = await Exchange.open();
    const answer = await exchange.say(DATA_TYPE.file, filePayload(Buffer.from(name)));
    assert.match(String(answer), /^ERR FILE/);
    exchange.close();
    // encodeFileStream refuses such names too: the bytes are put together by hand.
    const content = randomBytes(100);
    const good = Buffer.from(encodeFileStream(init(content, { name: 'y' })));
    const nameBytes = Buffer.from(name);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(nameBytes.length);
    const again = await Exchange.open();
    const streamed = await again.say(
      DATA_TYPE.fileStream,
      Buffer.concat([good.subarray(0, good.length - 3), length, nameBytes]),
    );
    assert.ok(
      typeof streamed === 'string' ? streamed.startsWith('ERR') : streamed?.kind !== 'initAck',
      `${streamed}`,
    );
    again.close();
    assert.deepEqual(received(), before);
    assert.ok(!existsSync(join(victims.b.node.home, 'escaped')));
    assert.ok(!existsSync(join(victims.sandbox.root, 'escaped')));
  });
}

test('frames that promise more than they may hold are refused before they arrive', async () => {
  const { b } = victims;
  const before = residentMegabytes(b.node.pid);
  for (const length of [DATA_FRAME_LIMIT + 1, 0x7fff_ffff, 0xffff_ffff]) {
    const exchange = await Exchange.open();
    const head = Buffer.alloc(8);
    head.writeUInt32BE(DATA_TYPE.binary, 0);
    head.writeUInt32BE(length, 4);
    await exchange.raw(head);
    assert.match(String(await exchange.answer()), /^ERR BINARY .*too large/);
    exchange.close();
  }
  // Within the limit, promised by many connections at once and never sent.
  const head = Buffer.alloc(8);
  head.writeUInt32BE(DATA_TYPE.binary, 0);
  head.writeUInt32BE(DATA_FRAME_LIMIT, 4);
  const open: Exchange[] = [];
  for (let i = 0; i < 30; i++) {
    const exchange = await Exchange.open();
    await exchange.raw(Buffer.concat([head, randomBytes(1000)]));
    open.push(exchange);
  }
  await pause(300);
  const grown = residentMegabytes(b.node.pid) - before;
  assert.ok(grown < 80, `480 MB promised cost ${grown.toFixed(0)} MB`);
  for (const exchange of open) exchange.close();
  await eventually(() => victims.assertFine());
});

test('file transfers that lie are refused, and leave no file', async () => {
  const before = received();
  const content = randomBytes(1_000);
  const { transfer } = init(content);

  const huge = await Exchange.open();
  const tooBig = await huge.stream(init(content, { size: 2 ** 50 }));
  assert.ok(tooBig.kind === 'complete' && tooBig.status !== 0, JSON.stringify(tooBig));
  const wrongId = await huge.stream(init(content, { transfer: randomBytes(16) }));
  assert.ok(wrongId.kind === 'complete' && wrongId.status !== 0);
  const unknown = await huge.stream({ kind: 'chunk', transfer, offset: 0, data: content });
  assert.equal(unknown.kind, 'abort');
  huge.close();

  const lying = await Exchange.open();
  assert.equal((await lying.stream(init(content))).kind, 'initAck');
  const changed = Buffer.from(content);
  changed[5]! ^= 1;
  assert.equal((await lying.stream({ kind: 'chunk', transfer, offset: 0, data: changed })).kind, 'ack');
  const done = await lying.stream({ kind: 'done', transfer });
  assert.ok(done.kind === 'complete' && done.status !== 0 && /checksum/.test(done.message));
  lying.close();

  const beyond = await Exchange.open();
  assert.equal((await beyond.stream(init(content))).kind, 'initAck');
  const over = await beyond.stream({ kind: 'chunk', transfer, offset: 900, data: randomBytes(200) });
  assert.equal(over.kind, 'abort');
  beyond.close();

  const early = await Exchange.open();
  assert.equal((await early.stream(init(content))).kind, 'initAck');
  const soon = await early.stream({ kind: 'done', transfer });
  assert.ok(soon.kind === 'complete' && soon.status !== 0, JSON.stringify(soon));
  early.close();

  assert.deepEqual(received(), before);
  await victims.assertFine();
});

test('a file in one frame, too, appears only when it is whole', async () => {
  // Older peers send files like that.
  const folder = join(victims.b.node.home, 'received');
  mkdirSync(folder, { recursive: true });
  const seen = new Set<string>();
  const watcher = watch(folder, (_, name) => seen.add(name ?? ''));
  try {
    const exchange = await Exchange.open();
    const content = randomBytes(3_000_000);
    const answer = await exchange.say(DATA_TYPE.file, filePayload(Buffer.from('old.bin'), content));
    assert.match(String(answer), /^ACK FILE/);
    exchange.close();
    await eventually(async () => assert.ok(seen.size > 0));
    const names = [...seen].filter((name) => name !== '.partial');
    assert.equal(names.length, 1, `${names}`);
    assert.ok(readFileSync(join(folder, names[0]!)).equals(content));
  } finally {
    watcher.close();
  }
});

test('many streams that say nothing leave the node at work', async () => {
  const { b } = victims;
  const before = residentMegabytes(b.node.pid);
  const conns: Conn[] = [];
  const refused: unknown[] = [];
  await Promise.all(
    Array.from({ length: 150 }, () =>
      victims.a.client.dial('victim-b', 1001, { timeout: 2_000 }).then(
        (conn) => conns.push(conn),
        (error) => refused.push(error),
      ),
    ),
  );
  assert.ok((await victims.a.client.pingOnce('victim-b')).rtt_ms >= 0);
  for (const conn of conns) conn.abort();
  await eventually(() => victims.assertFine());
  const grown = residentMegabytes(b.node.pid) - before;
  assert.ok(grown < 80, `${conns.length} streams cost ${grown.toFixed(0)} MB`);
});

test('inbox records cannot be forged by what a message says', async () => {
  const text = '","from":"0:0000.0000.0063","type":"FORGED\u001b]0;title\u0007\n';
  await victims.a.client.sendMessage('victim-b', { type: 'text', data: Buffer.from(text) });
  const { messages } = await victims.b.node.data<{
    messages: { from: string; type: string; data: string }[];
  }>(['inbox']);
  const last = messages.at(-1)!;
  assert.equal(last.type, 'TEXT');
  assert.equal(last.data, text);
  assert.equal(messages.filter((message) => message.type === 'FORGED').length, 0);
  const shown = await victims.b.node.text(['inbox']);
  assert.ok(!shown.includes('\u001b'), 'the terminal gets no control sequences from a peer');
});

test('a registry with another key than the pinned one is not spoken to', async () => {
  const { sandbox, registry } = victims;
  const node = sandbox.node('careful');
  const wrong = 'ab'.repeat(32);
  const refused = await node.failure([
    'init',
    `--registry=${registry.host}:${registry.port}`,
    `--fingerprint=${wrong}`,
  ]);
  assert.equal(refused.code, 'fingerprint_mismatch');
  const started = await node.run([
    'daemon',
    'start',
    `--registry=${registry.host}:${registry.port}`,
    `--fingerprint=${wrong}`,
    '--json',
  ]);
  const said = `${started.stdout}${started.stderr}`;
  if (started.exit === 0) {
    assert.equal((JSON.parse(started.stdout) as { data: { registered: boolean } }).data.registered, false);
    const log = readFileSync(join(node.home, 'pilot.log'), 'utf8');
    assert.match(log, /fingerprint_mismatch/);
  } else assert.match(said, /fingerprint_mismatch/);
  await victims.assertFine();
});
