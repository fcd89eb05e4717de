import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SigningKey } from '../base/crypto.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom, nodeStorage } from '../platform/index.ts';
import type { Log, Storage } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import { decodeBeaconMessage, encodeDiscover } from '../wire/beacon.ts';
import { discoverSignedBytes } from '../wire/beacon-extension.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { type Rendezvous, type RendezvousOptions, startRendezvous } from './rendezvous.ts';

const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0 };
const net = nodeNet();
const crypto = nodeCrypto();
const log: Log = { event: () => undefined };

async function start(storage: Storage, options: Partial<RendezvousOptions> = {}): Promise<Rendezvous> {
  return startRendezvous({
    net,
    clock: nodeClock(),
    random: nodeRandom(),
    crypto,
    log,
    storage,
    registryBind: LOOPBACK,
    beaconBind: LOOPBACK,
    ...options,
  });
}

async function withStorage(use: (storage: Storage) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'pilot-rendezvous-'));
  try {
    await use(nodeStorage(directory));
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function ask(
  registry: Endpoint,
  request: object,
  fingerprint?: string,
): Promise<Record<string, unknown>> {
  const pipe = await net.connect(registry, fingerprint === undefined ? {} : { tls: { fingerprint } });
  const reader = new JsonFrameReader();
  const reply = await new Promise<Record<string, unknown>>((resolve, reject) => {
    pipe.onData((data) => {
      reader.push(data);
      const object = reader.next();
      if (object !== undefined) resolve(object);
    });
    pipe.onClose(() => reject(new Error('closed')));
    pipe.write(encodeJsonFrame(request));
  });
  pipe.destroy();
  return reply;
}

/** Registers at the beacon as our daemons do: with a signature over the beacon's challenge. */
async function proveAt(beacon: Endpoint, node: NodeId, identity: SigningKey): Promise<void> {
  const socket = await net.udp(LOOPBACK);
  const replied = (): Promise<Uint8Array> => new Promise((resolve) => socket.onDatagram(resolve));
  socket.send(encodeDiscover(node), beacon);
  const message = decodeBeaconMessage(await replied());
  assert.ok(
    typeof message !== 'string' && message.type === 'discoverReply' && message.challenge !== undefined,
  );
  const { challenge } = message;
  socket.send(
    encodeDiscover(node, { challenge, signature: identity.sign(discoverSignedBytes(node, challenge)) }),
    beacon,
  );
  await replied();
  await socket.close();
}

test('the beacon takes its keys from the registry beside it', () =>
  withStorage(async (storage) => {
    const rendezvous = await start(storage);
    const identity = crypto.signingKey(new Uint8Array(32).fill(1));
    const registered = await ask(rendezvous.registryEndpoint, {
      type: 'register',
      listen_addr: '127.0.0.1:4000',
      public_key: encodeBase64(identity.publicKey),
    });
    const node = Number(registered.node_id);
    await proveAt(rendezvous.beaconEndpoint, node, identity);
    await proveAt(rendezvous.beaconEndpoint, node + 1, identity);
    while (rendezvous.beacon.stats().provenNodes === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      rendezvous.beacon
        .entries()
        .map((entry) => [entry.node, entry.proven])
        .sort(),
      [
        [node, true],
        [node + 1, false],
      ].sort(),
    );
    await rendezvous.close();
  }));

test('the registry names its beacon to clients that ask for a challenge', () =>
  withStorage(async (storage) => {
    const rendezvous = await start(storage);
    const reply = await ask(rendezvous.registryEndpoint, { type: 'challenge' });
    assert.match(JSON.stringify(reply.beacons), new RegExp(`${rendezvous.beaconEndpoint.port}`));
    await rendezvous.close();
  }));

test('a persisted certificate is the same after a restart, and plaintext is spoken beside it', () =>
  withStorage(async (storage) => {
    const first = await start(storage, { tls: 'persisted' });
    assert.match(first.fingerprint, /^[0-9a-f]{64}$/);
    await first.close();
    const second = await start(storage, { tls: 'persisted' });
    assert.equal(second.fingerprint, first.fingerprint);
    const { registryEndpoint } = second;
    assert.ok((await ask(registryEndpoint, { type: 'challenge' }, second.fingerprint)).nonce !== undefined);
    assert.ok((await ask(registryEndpoint, { type: 'challenge' })).nonce !== undefined);
    await assert.rejects(ask(registryEndpoint, { type: 'challenge' }, '00'.repeat(32)), {
      code: 'fingerprint_mismatch',
    });
    await second.close();
  }));

test('when the registry cannot bind, the beacon is closed again', () =>
  withStorage(async (storage) => {
    const first = await start(storage);
    const beaconPort = await net.udp(LOOPBACK);
    const beaconBind = beaconPort.local;
    await beaconPort.close();
    await assert.rejects(start(storage, { registryBind: first.registryEndpoint, beaconBind }), {
      code: 'port_in_use',
    });
    const again = await net.udp(beaconBind);
    await Promise.all([again.close(), first.close()]);
  }));
