import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import type { Endpoint } from '../../src/base/units.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom, nodeStorage } from '../../src/platform/index.ts';
import { memoryStore, type Store } from '../../src/registry/index.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import type { Log } from '../../src/runtime/ports.ts';
import { memorySource, PilotClient, type PilotError } from '../../src/sdk/index.ts';

const LOOPBACK = '127.0.0.1';
const verbose = process.env.PILOT_TEST_LOG === '1';

function logOf(who: string): Log {
  return {
    event: (level, name, fields) => {
      if (verbose) console.error(Date.now() % 100_000, who, level, name, JSON.stringify(fields ?? {}));
    },
  };
}

const ports = { net: nodeNet(), clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto() };

/** One rendezvous and two nodes in this process, over real sockets on loopback. */
class Site {
  readonly root = mkdtempSync(join(tmpdir(), 'pilot-e2e-'));
  readonly store: Store = memoryStore();
  rendezvous: Rendezvous | undefined;
  #places: { registry: Endpoint; beacon: Endpoint } | undefined;

  async openRendezvous(): Promise<void> {
    const any = { host: LOOPBACK, port: 0 };
    this.rendezvous = await startRendezvous({
      ...ports,
      log: logOf('rendezvous'),
      storage: nodeStorage(join(this.root, 'registry')),
      store: this.store,
      registryBind: this.#places?.registry ?? any,
      beaconBind: this.#places?.beacon ?? any,
    });
    this.#places = { registry: this.rendezvous.registryEndpoint, beacon: this.rendezvous.beaconEndpoint };
  }

  home(name: string): string {
    return join(this.root, name);
  }

  daemon(name: string, isPublic = false): Promise<Daemon> {
    return Daemon.start({
      ...ports,
      log: logOf(name),
      storage: nodeStorage(this.home(name)),
      config: {
        socketPath: join(this.home(name), 'pilot.sock'),
        listen: { host: LOOPBACK, port: 0 },
        registries: [this.#places!.registry],
        hostname: name,
        public: isPublic,
        version: 'test',
      },
    });
  }

  client(name: string): Promise<PilotClient> {
    return PilotClient.connect({ ...ports, socketPath: join(this.home(name), 'pilot.sock') });
  }
}

async function until(what: string, done: () => boolean | Promise<boolean>, limit = 10_000): Promise<void> {
  const end = Date.now() + limit;
  while (!(await done())) {
    assert.ok(Date.now() < end, `${what} did not happen within ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('two daemons with a rendezvous on loopback', () => {
  const site = new Site();
  let a: PilotClient;
  let b: PilotClient;
  const daemons = new Map<string, Daemon>();

  async function start(name: string): Promise<PilotClient> {
    daemons.set(name, await site.daemon(name));
    return site.client(name);
  }

  before(async () => {
    await site.openRendezvous();
    a = await start('node-a');
    b = await start('node-b');
  });
  after(async () => {
    for (const daemon of daemons.values()) await daemon.stop();
    await site.rendezvous?.close();
    rmSync(site.root, { recursive: true, force: true });
  });

  test('registers both, each with its name and address', async () => {
    const info = await a.info();
    assert.equal(info.registered, true);
    assert.equal(info.hostname, 'node-a');
    assert.match(info.address, /^0:0000\.[0-9A-F]{4}\.[0-9A-F]{4}$/);
    assert.notEqual(info.node_id, (await b.info()).node_id);
    await until('the beacon sees us', async () => (await a.info()).endpoint !== '');
  });

  test('does not find or reach a private node that has not agreed', async () => {
    await assert.rejects(a.find('node-b'), { code: 'not_found' });
    await assert.rejects(
      a.dial(`${(await b.info()).node_id}`, 7, { timeout: 2000 }),
      (error: { code: string }) => ['untrusted', 'timeout'].includes(error.code),
    );
  });

  test('makes trust by name, asked on one side and approved on the other', async () => {
    const asked = await a.handshake('node-b', 'hello there');
    assert.equal(asked.status, 'sent');
    assert.equal((await a.outgoing()).length, 1);
    await until('the request arrives', async () => (await b.pending()).length === 1);
    const [pending] = await b.pending();
    assert.equal(pending!.hostname, 'node-a');
    assert.equal(pending!.justification, 'hello there');
    assert.equal((await a.trusted()).length, 0);
    const waiting = a.waitForTrust(`${(await b.info()).node_id}`, 10_000);
    await b.approve('node-a');
    assert.equal((await waiting).trusted, true);
    assert.equal((await b.trusted()).length, 1);
    assert.equal((await a.outgoing()).length, 0);
    assert.equal((await a.find('node-b')).node_id, (await b.info()).node_id);
    assert.equal((await a.handshake('node-b')).status, 'already_trusted');
  });

  test('pings by name, directly', async () => {
    const summary = await a.ping('node-b', { count: 3, interval: 50 });
    assert.equal(summary.received, 3);
    await until('a direct path', async () => (await a.pingOnce('node-b')).path !== 'relay');
    const [peer] = await a.peers();
    assert.equal(peer!.hostname, 'node-b');
    assert.equal(peer!.trusted, true);
  });

  test('carries streams of programs on both sides', async () => {
    const listener = await b.listen(0);
    const [mine, theirs] = await Promise.all([a.dial('node-b', listener.port), listener.accept()]);
    assert.equal(theirs!.remote.address.node, (await a.info()).node_id);
    await mine.write(utf8('question'));
    assert.equal(fromUtf8((await theirs!.read())!), 'question');
    await theirs!.write(utf8('answer'));
    const closing = theirs!.close();
    assert.equal(fromUtf8((await mine.read())!), 'answer');
    assert.equal(await mine.read(), undefined);
    await mine.close();
    await closing;
    await assert.rejects(a.dial('node-b', 4242), { code: 'connection_refused' });
  });

  test('verifies every byte of an echo', async () => {
    const result = await a.bench('node-b', { bytes: 2_000_000 });
    assert.equal(result.bytes, 2_000_000);
  });

  test('delivers datagrams to the program that asked for their port', async () => {
    const got = new Promise<string>((resolve) => {
      void b.onDatagram(6001, (datagram) => resolve(fromUtf8(datagram.data)));
    });
    await until('the port is taken', async () => {
      await a.sendDatagram('node-b', 6001, utf8('datagram'));
      return Promise.race([
        got.then(() => true),
        new Promise<boolean>((r) => setTimeout(() => r(false), 20)),
      ]);
    });
    assert.equal(await got, 'datagram');
  });

  test('confirms a datagram that left, and names the limit of one that cannot', async () => {
    const got = new Promise<string>((resolve) => {
      void b.onDatagram(6002, (datagram) => resolve(fromUtf8(datagram.data)));
    });
    await until('the port is taken', async () => {
      const sent = await a.sendDatagram('node-b', 6002, utf8('sure'), { confirm: true });
      assert.deepEqual(sent, { recipients: 1, skipped: 0 });
      return Promise.race([
        got.then(() => true),
        new Promise<boolean>((r) => setTimeout(() => r(false), 20)),
      ]);
    });
    assert.equal(await got, 'sure');
    await assert.rejects(a.sendDatagram('node-b', 6002, new Uint8Array(70_000)), (error: PilotError) => {
      assert.equal(error.code, 'too_large');
      assert.match(error.message, /70000 bytes to .*: at most \d+ bytes fit/);
      assert.match(error.hint, /send-message/);
      return true;
    });
  });

  test('puts a message into the inbox', async () => {
    const sent = await a.sendMessage('node-b', { type: 'text', data: utf8('hello') });
    assert.equal(sent.ack, 'ACK TEXT 5 bytes');
    const inbox = (await b.info()).inbox_dir;
    const [name] = readdirSync(inbox);
    const record = JSON.parse(readFileSync(join(inbox, name!), 'utf8')) as Record<string, unknown>;
    assert.equal(record.data, 'hello');
    assert.equal(record.from, (await a.info()).address);
  });

  test('transfers a file whole, with progress', async () => {
    const data = randomBytes(8_000_000);
    let last = 0;
    const sent = await a.sendFile('node-b', memorySource('data.bin', data), {
      onProgress: ({ phase, bytes }) => {
        if (phase === 'sending') last = bytes;
      },
    });
    assert.equal(sent.transport, 'stream');
    assert.equal(last, data.length);
    const folder = (await b.info()).received_dir;
    const [name] = readdirSync(folder).filter((entry) => entry !== '.partial');
    const digest = createHash('sha256')
      .update(readFileSync(join(folder, name!)))
      .digest('hex');
    assert.equal(digest, sent.sha256);
  });

  test('keeps address, name and trust over restarts of either node, without the rendezvous', async () => {
    const before = await a.info();
    await daemons.get('node-a')!.stop();
    await daemons.get('node-b')!.stop();
    await site.rendezvous!.close();
    if (verbose)
      console.error(
        readFileSync(join(site.home('node-a'), 'peers.json'), 'utf8'),
        readFileSync(join(site.home('node-a'), 'node.json'), 'utf8'),
      );
    const starting = Date.now();
    a = await start('node-a');
    b = await start('node-b');
    assert.ok(Date.now() - starting < 15_000);
    const info = await a.info();
    assert.equal(info.registered, false);
    assert.equal(info.node_id, before.node_id);
    assert.equal(info.hostname, 'node-a');
    assert.equal((await a.trusted())[0]!.hostname, 'node-b');
    const ping = await a.ping('node-b', { count: 5, interval: 200, timeout: 3000 });
    assert.ok(ping.received > 0, 'the last known endpoints are tried');
    await site.openRendezvous();
    await until(
      'both register again',
      async () => (await a.info()).registered && (await b.info()).registered,
      45_000,
    );
    assert.equal(
      (await a.sendMessage('node-b', { type: 'text', data: utf8('again') })).ack,
      'ACK TEXT 5 bytes',
    );
  });

  test('tells the other side of a withdrawn trust', async () => {
    await a.untrust('node-b');
    assert.equal((await a.trusted()).length, 0);
    await until('the peer hears of it', async () => (await b.trusted()).length === 0);
    await assert.rejects(a.untrust('node-b'), { code: 'not_found' });
    await assert.rejects(a.dial('node-b', 7, { timeout: 2000 }));
  });

  test('refuses a second daemon on the same socket', async () => {
    await assert.rejects(site.daemon('node-a'), { code: 'socket_in_use' });
    assert.equal((await a.info()).hostname, 'node-a');
  });
});
