/** An application that does not read, over real sockets: it holds its window, and nobody else. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Conn } from '../../src/api/stream.ts';
import { DEFAULT_STREAM_CONFIG } from '../../src/core/stream/config.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { INITIAL_CREDIT } from '../../src/ipc/extension.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom, nodeStorage } from '../../src/platform/index.ts';
import { memoryStore } from '../../src/registry/index.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import { PilotClient } from '../../src/sdk/index.ts';

const ports = { net: nodeNet(), clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto() };
const log = { event: () => {} };
const any = { host: '127.0.0.1', port: 0 };
const CHUNK = 64 * 1024;
const TOTAL = 1024;

/** Bytes of the chunk of this number: nothing repeats. */
function chunk(index: number): Uint8Array {
  const bytes = new Uint8Array(CHUNK);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < CHUNK; at += 4) view.setUint32(at, Math.imul(index * CHUNK + at, 2_654_435_761));
  return bytes;
}

/** Waits until a number stands still. */
async function settled(value: () => number): Promise<number> {
  for (let before = -1, same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    same = value() === before ? same + 1 : 0;
    before = value();
  }
  return value();
}

async function echo(conn: Conn, bytes: number): Promise<void> {
  await conn.write(new Uint8Array(bytes).fill(1));
  for (let got = 0; got < bytes; ) {
    const read = await conn.read();
    assert.ok(read !== undefined, 'the echo ended');
    got += read.length;
  }
}

describe('an application that does not read', () => {
  const root = mkdtempSync(join(tmpdir(), 'pilot-e2e-'));
  const daemons: Daemon[] = [];
  let rendezvous: Rendezvous;
  let a: PilotClient;
  let b: PilotClient;

  before(async () => {
    rendezvous = await startRendezvous({
      ...ports,
      log,
      storage: nodeStorage(join(root, 'registry')),
      store: memoryStore(),
      registryBind: any,
      beaconBind: any,
    });
    const clients: PilotClient[] = [];
    for (const name of ['node-a', 'node-b']) {
      const home = join(root, name);
      const config = {
        socketPath: join(home, 'pilot.sock'),
        listen: any,
        registries: [rendezvous.registryEndpoint],
        hostname: name,
        public: true,
        version: 'test',
      };
      daemons.push(await Daemon.start({ ...ports, log, storage: nodeStorage(home), config }));
      clients.push(await PilotClient.connect({ ...ports, socketPath: config.socketPath }));
    }
    [a, b] = clients as [PilotClient, PilotClient];
  });
  after(async () => {
    for (const daemon of daemons) await daemon.stop();
    await rendezvous.close();
    rmSync(root, { recursive: true, force: true });
  });

  test('holds at most its window, stops only its own stream, and gets every byte when it reads at last', async () => {
    const target = `${(await b.info()).node_id}`;
    const listener = await b.listen(5000);
    const stalled = await a.dial(target, 5000);
    const reader = (await listener.accept())!;
    const sent = createHash('sha256');
    let accepted = 0;
    const writing = (async () => {
      for (let index = 0; index < TOTAL; index++) {
        const bytes = chunk(index);
        sent.update(bytes);
        await stalled.write(bytes);
        accepted += bytes.length;
      }
      await stalled.close();
    })();
    const held = await settled(() => accepted);
    const { receiveBuffer, maxSendBuffer } = DEFAULT_STREAM_CONFIG;
    // The window at the far daemon, what waits for it here, and what each program may have in its pipe.
    const bound = receiveBuffer + maxSendBuffer + 4 * INITIAL_CREDIT;
    assert.ok(held < bound, `${held} bytes of ${TOTAL * CHUNK} are on the way; the bound is ${bound}`);
    assert.ok(held < TOTAL * CHUNK, 'there is more than fits');

    const other = await a.dial(target, 5000);
    const answering = (await listener.accept())!;
    void (async () => {
      for (let read = await answering.read(); read !== undefined; read = await answering.read())
        await answering.write(read);
    })().catch(() => {});
    await echo(other, 2_000_000);
    await a.sendDatagram(target, 5001, new Uint8Array(100), { confirm: true });
    assert.equal(accepted, held, 'the other stream made no room');

    const received = createHash('sha256');
    let length = 0;
    for (let read = await reader.read(); read !== undefined; read = await reader.read()) {
      received.update(read);
      length += read.length;
    }
    await writing;
    assert.equal(length, TOTAL * CHUNK);
    assert.equal(received.digest('hex'), sent.digest('hex'));
    other.abort();
  });
});
