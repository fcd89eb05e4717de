/** What a registry can't do to nodes that trust each other, however it lies; and that their users are told. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { utf8 } from '../../src/base/bytes.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import {
  nodeClock,
  nodeCrypto,
  nodeLog,
  nodeNet,
  nodeRandom,
  nodeStorage,
} from '../../src/platform/index.ts';
import { PilotClient } from '../../src/sdk/index.ts';
import { decodeBase64 } from '../../src/wire/base64.ts';
import { encodeKeyRotation, signKeyRotation } from '../../src/wire/key-rotation.ts';
import type { Json } from './attacks-stranger.testkit.ts';
import { LyingRegistry } from './liar.testkit.ts';
import { eventually } from './pilotctl.ts';

const ports = { net: nodeNet(), clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto() };
/** What a daemon that is refused may take until its user knows. */
const PATIENCE = 2_500;

/** A node of the test: its daemon can be stopped and started again, and keeps who it is. */
class Party {
  readonly name: string;
  readonly home: string;
  readonly #liar: LyingRegistry;
  daemon!: Daemon;
  client!: PilotClient;

  constructor(root: string, name: string, liar: LyingRegistry) {
    this.name = name;
    this.home = join(root, name);
    this.#liar = liar;
  }

  async start(options: { hostname?: string; public?: boolean } = {}): Promise<this> {
    mkdirSync(this.home, { recursive: true, mode: 0o700 });
    this.daemon = await Daemon.start({
      ...ports,
      log: nodeLog({ level: 'debug', destination: join(this.home, 'daemon.log') }),
      storage: nodeStorage(this.home),
      config: {
        socketPath: join(this.home, 'pilot.sock'),
        listen: { host: '127.0.0.1', port: 0 },
        registries: [this.#liar.registry],
        beacons: [this.#liar.beacon],
        tls: { fingerprint: this.#liar.fingerprint },
        hostname: options.hostname ?? this.name,
        ...(options.public !== undefined && { public: options.public }),
        version: 'test',
      },
    });
    this.client = await PilotClient.connect({ ...ports, socketPath: join(this.home, 'pilot.sock') });
    return this;
  }

  async stop(): Promise<void> {
    this.client?.close();
    await this.daemon?.stop();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  get id(): number {
    return this.daemon.info().node_id;
  }
  get key(): Uint8Array {
    return decodeBase64(this.daemon.info().public_key)!;
  }

  /** Whether a message to the node arrives. */
  async says(text: string, to: number | string): Promise<boolean> {
    try {
      await this.client.sendMessage(String(to), { type: 'text', data: utf8(text) }, { timeout: PATIENCE });
      return true;
    } catch {
      return false;
    }
  }

  get inboxCount(): number {
    try {
      return readdirSync(join(this.home, 'inbox')).length;
    } catch {
      return 0;
    }
  }

  warnings(): string[] {
    return this.daemon.info().warnings.map(({ code }) => code);
  }

  async trusts(peer: Party): Promise<boolean> {
    return (await this.client.trusted()).some((row) => row.node_id === peer.id);
  }
}

const root = mkdtempSync(join(tmpdir(), 'pilot-e2e-'));
let liar: LyingRegistry;
let a: Party;
let b: Party;
let mallory: Party;

before(async () => {
  mkdirSync(join(root, 'registry'));
  liar = await LyingRegistry.open(join(root, 'registry'));
  a = await new Party(root, 'a', liar).start();
  b = await new Party(root, 'b', liar).start();
  mallory = await new Party(root, 'mallory', liar).start();
  await befriend();
});
afterEach(() => liar.tellTheTruth());
after(async () => {
  for (const party of [a, b, mallory]) await party?.stop();
  await liar?.close();
  rmSync(root, { recursive: true, force: true, maxRetries: 10 });
});

async function befriend(): Promise<void> {
  await a.client.handshake('b', 'friends');
  await eventually(async () => assert.equal((await b.client.pending()).length, 1));
  await b.client.approve('a');
  await eventually(async () => assert.ok(await a.trusts(b), 'not yet'));
  assert.ok(await a.says('hello', b.id));
}

/** Answers about b as if it were mallory; everything else is true. */
function presentMalloryAsB(extra: Json = {}): void {
  const { id } = b;
  const endpoint = mallory.daemon.info().listen_endpoint;
  liar.lieAbout('lookup', async (request, truth) => {
    const answer = await truth();
    if (request.node_id !== id) return answer;
    return {
      ...answer,
      public_key: mallory.daemon.info().public_key,
      record: undefined,
      rotations: [],
      ...extra,
    };
  });
  liar.lieAbout('resolve', async (request, truth) =>
    request.node_id === id
      ? { type: 'resolve_ok', node_id: id, real_addr: endpoint, lan_addrs: [endpoint] }
      : truth(),
  );
  liar.lieAboutKey(id, mallory.key);
}

test('another key under the id of a trusted peer gets nothing, and the user is told', async () => {
  const { id } = b;
  await b.stop();
  presentMalloryAsB();
  // Mallory's daemon is made to believe that it is b: from here on it answers for it, with its own key.
  liar.lieAbout('register', async (request, truth) => {
    const answer = await truth();
    return request.public_key === mallory.daemon.info().public_key ? { ...answer, node_id: id } : answer;
  });
  for (const type of ['subscribe', 'set_visibility', 'publish_record', 'heartbeat']) {
    liar.lieAbout(type, (request, truth) => (request.node_id === id ? { type: `${type}_ok` } : truth()));
  }
  await mallory.stop();
  await mallory.start({ public: true });
  await eventually(async () => assert.equal(mallory.id, id));
  await a.restart();
  const before = mallory.inboxCount;
  assert.equal(await a.says('secret', id), false);
  assert.equal(await a.says('secret', 'b'), false);
  assert.equal(mallory.inboxCount, before);
  assert.equal(await mallory.says('I am b', a.id), false);
  await eventually(async () => assert.ok(a.warnings().includes('peer.identity_changed'), 'not yet'));

  liar.tellTheTruth();
  await mallory.stop();
  rmSync(join(mallory.home, 'node.json'), { force: true });
  await mallory.start({ public: false });
  await b.start();
  await eventually(async () => assert.ok(await a.says('are you back?', id), 'not yet'));
  await eventually(async () => assert.ok(!a.warnings().includes('peer.identity_changed'), 'not yet'));
});

test('a rotation that the old key did not sign is not followed', async () => {
  const forged = signKeyRotation(
    nodeCrypto().signingKey(nodeRandom().bytes(32)),
    nodeCrypto().signingKey(nodeRandom().bytes(32)),
    {
      node: b.id,
      epoch: 1,
      at: Math.floor(Date.now() / 1000),
    },
  );
  presentMalloryAsB({ rotations: [encodeKeyRotation(forged)], epoch: 1 });
  await a.restart();
  await eventually(async () => assert.ok(a.warnings().includes('peer.identity_changed'), 'not yet'));
  const shown = await a.client.lookup(String(b.id));
  assert.equal(shown.identity, 'changed');
  liar.tellTheTruth();
  await a.restart();
  assert.ok(await a.says('still you', b.id));
});

test('a name that leads elsewhere is found out by its fingerprint', async () => {
  const { fingerprint } = b.daemon.info();
  liar.lieAbout('resolve_hostname', (request, truth) =>
    request.hostname === 'b2'
      ? {
          type: 'resolve_hostname_ok',
          node_id: mallory.id,
          address: mallory.daemon.info().address,
          public: true,
          hostname: 'b2',
          public_key: mallory.daemon.info().public_key,
        }
      : truth(),
  );
  await assert.rejects(a.client.handshake(`b2#${fingerprint}`, 'hello'), { code: 'identity_changed' });
  assert.deepEqual(await mallory.client.pending(), []);
  assert.deepEqual(await a.client.outgoing(), []);
});

test('a name nobody is told of, redirected to somebody else, makes no trust against its fingerprint', async () => {
  const { fingerprint } = b.daemon.info();
  const malloryId = mallory.id;
  await mallory.client.setHostname('b3');
  liar.lieAbout('resolve_hostname', (request, truth) =>
    request.hostname === 'b3'
      ? { type: 'error', error: 'hostname "b3" not found', code: 'not_found', hint: '' }
      : truth(),
  );
  await a.client.handshake(`b3#${fingerprint}`, 'hello').catch(() => {});
  // Whether or not mallory is asked, its yes makes nothing.
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const row of await mallory.client.pending()) await mallory.client.approve(String(row.node_id));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.ok(!(await a.client.trusted()).some((row) => row.node_id === malloryId));
  assert.equal(await mallory.says('hello', a.id), false);
  await a.client.untrust('b3').catch(() => {});
  // Mallory did say yes, and would let a in.
  await mallory.client.untrust(String(a.id));
  await mallory.client.setHostname('mallory');
});

test('invented trust lets nobody in', async () => {
  const now = Math.floor(Date.now() / 1000);
  liar.lieAbout('check_trust', () => ({ type: 'check_trust_ok', trusted: true }));
  liar.lieAbout('poll_handshakes', async (_request, truth) => ({
    ...(await truth()),
    responses: [{ from_node_id: mallory.id, accept: true, timestamp: now, message: '' }],
  }));
  liar.lieAbout('report_trust', () => ({ type: 'report_trust_ok', trusted: true }));
  liar.lieAbout('relation', () => ({
    type: 'relation_ok',
    shared: [{ network_id: 7, tags: [], role: 'member', since: now }],
  }));
  await a.restart();
  const before = a.inboxCount;
  assert.equal(await mallory.says('hello', a.id), false);
  assert.equal(await a.says('hello', mallory.id), false);
  assert.equal(a.inboxCount, before);
  assert.ok(!(await a.trusts(mallory)));
});

test('an invented membership lets nobody in, and the user is told', async () => {
  const now = Math.floor(Date.now() / 1000);
  const mine = [
    {
      network_id: 7,
      name: 'invented',
      role: 'member',
      tags: [],
      ports: [],
      policy: null,
      members: 2,
      joined_at: now,
    },
  ];
  liar.lieAbout('my_networks', () => ({ type: 'my_networks_ok', networks: mine }));
  liar.lieAbout('relation', () => ({
    type: 'relation_ok',
    shared: [{ network_id: 7, tags: [], role: 'member', since: now }],
  }));
  await a.restart();
  await eventually(async () => assert.ok(a.warnings().includes('registry.membership_invented'), 'not yet'));
  const before = a.inboxCount;
  assert.equal(await mallory.says('hello', a.id), false);
  assert.equal(a.inboxCount, before);
});

test('an older record than one seen before is reported', async () => {
  const old = (await liar.store.nodeDocuments(b.id)).record;
  assert.ok(old);
  await b.client.setTags(['newer']);
  await eventually(async () => {
    const { record } = await a.client.lookup(String(b.id));
    assert.deepEqual(record?.tags, ['newer']);
  });
  liar.lieAbout('lookup', async (request, truth) => {
    const answer = await truth();
    return request.node_id === b.id ? { ...answer, record: old } : answer;
  });
  await a.restart();
  await a.client.lookup(String(b.id));
  await eventually(async () => assert.ok(a.warnings().includes('registry.record_rolled_back'), 'not yet'));
  assert.ok(await a.says('still friends', b.id));
});

test('a withdrawal that the registry hides still holds, and reaches the peer when it comes back', async () => {
  const documents = await liar.store.trustDocuments(a.id, b.id);
  assert.ok(documents?.certificate);
  const bId = b.id;
  await b.stop();
  liar.lieAbout('revoke_trust', () => ({ type: 'revoke_trust_ok' }));
  liar.lieAbout('trust_certificate', () => ({
    type: 'trust_certificate_ok',
    certificate: documents.certificate,
    revocation: '',
  }));
  liar.lieAbout('check_trust', () => ({ type: 'check_trust_ok', trusted: true }));
  liar.lieAbout('poll_handshakes', async (_request, truth) => ({ ...(await truth()), revocations: [] }));
  await a.client.untrust(String(bId));
  const before = a.inboxCount;
  await b.start();
  assert.equal(await b.says('are we friends?', a.id), false);
  assert.equal(await a.says('no', bId), false);
  assert.equal(a.inboxCount, before);
  await eventually(async () => assert.ok(!(await b.trusts(a)), 'not yet'), 30_000);
  await b.restart();
  assert.ok(!(await b.trusts(a)));
  assert.equal(await b.says('and now?', a.id), false);
  assert.equal(a.inboxCount, before);
});
