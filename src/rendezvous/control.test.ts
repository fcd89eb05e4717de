import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PilotError } from '../api/errors.ts';
import { nodeNet } from '../platform/index.ts';
import type { JsonObject } from '../wire/json.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { type ControlOperation, serveControl } from './control.ts';

const directory = mkdtempSync(join(tmpdir(), 'pilot-control-'));
const net = nodeNet();
after(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
async function serving(operations: Record<string, ControlOperation>) {
  const path = join(directory, `${++count}.sock`);
  const server = await serveControl({ net, path, operations });
  const pipe = await net.connectLocal(path);
  const replies: JsonObject[] = [];
  let arrived = (): void => {};
  const reader = new JsonFrameReader();
  pipe.onData((data) => {
    reader.push(data);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) replies.push(frame);
    arrived();
  });
  const closed = new Promise<void>((resolve) => pipe.onClose(() => resolve()));
  async function until(number: number): Promise<readonly JsonObject[]> {
    while (replies.length < number)
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    return replies;
  }
  return { path, server, pipe, until, closed };
}

test('answers in order, tells errors with code and hint, and knows only its operations', async () => {
  const { path, server, pipe, until } = await serving({
    async slow({ n }) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { n: n! };
    },
    async fails() {
      throw new PilotError('disk_full', 'no room', { hint: 'make some' });
    },
  });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  for (const request of [{ op: 'slow', n: 1 }, { op: 'fails' }, { op: 'toString' }, {}, { op: 'slow', n: 2 }])
    pipe.write(encodeJsonFrame(request));
  const [first, failed, unknown, none, last] = await until(5);
  assert.deepEqual(
    [first, last],
    [
      { n: 1, ok: true },
      { n: 2, ok: true },
    ],
  );
  assert.deepEqual(failed, { ok: false, code: 'disk_full', message: 'no room', hint: 'make some' });
  assert.deepEqual([unknown!.code, none!.code], ['invalid_argument', 'invalid_argument']);
  await server.close();
});

test('what a connection began ends with it, once, also when it is cut while being answered', async () => {
  let ended = 0;
  let told = (): void => {};
  const { server, pipe, until } = await serving({
    async begin(_request, session) {
      session.onEnd(() => {
        ended++;
        told();
      });
      return {};
    },
  });
  pipe.write(encodeJsonFrame({ op: 'begin' }));
  await until(1);
  assert.equal(ended, 0);
  const end = new Promise<void>((resolve) => {
    told = resolve;
  });
  pipe.destroy();
  await end;
  assert.equal(ended, 1);
  await server.close();
  assert.equal(ended, 1);
});

test('bytes that are no frames end the connection and nothing else', async () => {
  const { path, server, pipe, closed } = await serving({ echo: async () => ({}) });
  pipe.write(new Uint8Array(64).fill(0xff));
  await closed;
  const other = await net.connectLocal(path);
  const answered = new Promise<Uint8Array>((resolve) => other.onData(resolve));
  other.write(encodeJsonFrame({ op: 'echo' }));
  assert.ok((await answered).length > 4);
  await server.close();
});
