/** The published WebSocket of other daemons and beacons (spec/23 §1.2), spoken by clients and servers that know only that. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { generate } from 'selfsigned';
import { WebSocket, WebSocketServer } from 'ws';
import { utf8 } from '../../src/base/bytes.ts';
import { nodeCrypto, nodeNet } from '../../src/platform/index.ts';
import { decodeBase64, encodeBase64 } from '../../src/wire/base64.ts';
import { encodeRelay } from '../../src/wire/beacon.ts';
import { Firewall, Site, until } from './carriers.testkit.ts';
import { RawClient } from './registry-client.testkit.ts';

const crypto = nodeCrypto();

/** An old beacon: lets in whoever signs, and relays 0x05 as 0x06 among WebSockets. */
class OldBeacon {
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly nodes = new Map<number, WebSocket>();
  /** First bytes of what nodes sent. */
  readonly types = new Set<number>();
  readonly fingerprint: string;
  logins = 0;

  constructor(certificate: string, key: string) {
    this.fingerprint = createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex');
    this.#server = createServer({ cert: certificate, key });
    this.#server.on('upgrade', (request, socket, head) => {
      if (request.url !== '/v1/compat') socket.destroy();
      else this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#greet(ws));
    });
  }

  get url(): string {
    return `wss://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/compat`;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  close(): void {
    for (const ws of this.nodes.values()) ws.terminate();
    this.#server.close();
  }

  #greet(ws: WebSocket): void {
    const nonce = 'ab'.repeat(32);
    ws.send(JSON.stringify({ type: 'auth_challenge', nonce }));
    ws.once('message', (text) => {
      const reply = JSON.parse(String(text)) as Record<string, string | number>;
      const node = reply.node_id as number;
      const signed = crypto.verify(
        decodeBase64(reply.public_key as string)!,
        utf8(`compat_auth:${node}:${nonce}`),
        decodeBase64(reply.sig as string)!,
      );
      if (!signed || reply.type !== 'auth_reply') {
        ws.close();
        return;
      }
      this.logins++;
      this.nodes.set(node, ws);
      ws.on('message', (data: Buffer, isBinary) => {
        assert.ok(isBinary);
        this.types.add(data[0]!);
        const to = this.nodes.get(data.readUInt32BE(5));
        to?.send(Buffer.concat([Uint8Array.of(6), data.subarray(1, 5), data.subarray(9)]));
      });
      ws.send(JSON.stringify({ type: 'auth_ok' }));
    });
  }
}

describe('our daemons at an old beacon', () => {
  let site: Site;
  let beacon: OldBeacon;
  before(async () => {
    site = await new Site().open();
    const made = await generate([{ name: 'commonName', value: 'old' }], { keyType: 'ec' });
    beacon = new OldBeacon(made.cert, made.private);
    await beacon.listen();
  });
  after(async () => {
    await site.close();
    beacon.close();
  });

  test('log in, relay everything, and come back when it drops them', async () => {
    const carriers = [{ url: beacon.url, fingerprint: beacon.fingerprint }];
    const config = { transport: 'compat', carriers } as const;
    const walls = [new Firewall(), new Firewall()];
    const [a] = await Promise.all(
      walls.map((wall, i) => site.node(`old-${i}`, { net: wall.around(nodeNet()), config })),
    );
    await until('both are there', () => beacon.nodes.size === 2);
    const hello = { type: 'text', data: utf8('hello') } as const;
    assert.equal((await a!.sendMessage('old-1', hello)).ack, 'ACK TEXT 5 bytes');
    assert.deepEqual([...beacon.types], [5], 'nothing but relayed frames');
    for (const ws of beacon.nodes.values()) ws.terminate();
    beacon.nodes.clear();
    await until('both are back', () => beacon.nodes.size === 2);
    assert.equal(beacon.logins, 4);
    assert.equal((await a!.sendMessage('old-1', hello)).ack, 'ACK TEXT 5 bytes');
  });

  test('do not take it for the pinned one when it shows another key', async () => {
    const carriers = [{ url: beacon.url, fingerprint: 'cd'.repeat(32) }];
    const logins = beacon.logins;
    const node = await site.node('wary', { config: { transport: 'compat', carriers } });
    await until('it is refused', () => site.lastEvent('wary', 'carrier.failed') !== undefined);
    assert.equal(site.lastEvent('wary', 'carrier.failed')!.fields.code, 'fingerprint_mismatch');
    assert.equal(beacon.logins, logins);
    const info = await node.info();
    assert.deepEqual([info.transport, info.transport_in_use], ['compat', 'none']);
  });
});

describe('old daemons at our beacon', () => {
  let site: Site;
  before(async () => {
    site = await new Site().open();
  });
  after(() => site.close());

  /** Registers a key as old daemons do, without proof, then speaks the published WebSocket. */
  async function login(seed: number): Promise<{ node: number; ws: WebSocket }> {
    const key = crypto.signingKey(new Uint8Array(32).fill(seed));
    const { registryEndpoint } = site.rendezvous;
    const registry = await RawClient.connect(registryEndpoint.port, key);
    const { node_id: node } = (await registry.send({
      type: 'register',
      listen_addr: '0.0.0.0:0',
      public_key: encodeBase64(key.publicKey),
    })) as { node_id: number };
    registry.close();
    const ws = new WebSocket(`wss://127.0.0.1:${registryEndpoint.port}/v1/compat`, {
      rejectUnauthorized: false,
    });
    const challenge = JSON.parse(await nextText(ws)) as { type: string; nonce: string };
    assert.match(challenge.nonce, /^[0-9a-f]{64}$/);
    const sig = key.sign(utf8(`compat_auth:${node}:${challenge.nonce}`));
    ws.send(
      JSON.stringify({
        type: 'auth_reply',
        node_id: node,
        public_key: encodeBase64(key.publicKey),
        sig: encodeBase64(sig),
      }),
    );
    assert.deepEqual(JSON.parse(await nextText(ws)), { type: 'auth_ok' });
    return { node, ws };
  }

  test('are let in, and frames are relayed between them under their own names only', async () => {
    const [one, two] = [await login(1), await login(2)];
    const frames: Buffer[] = [];
    two.ws.on('message', (data: Buffer) => frames.push(data));
    one.ws.send(encodeRelay(two.node, two.node, utf8('forged')));
    one.ws.send(encodeRelay(one.node, two.node, utf8('frame')));
    await until('a frame arrives', () => frames.length > 0);
    assert.deepEqual(frames[0], Buffer.concat([Uint8Array.of(6, 0, 0, 0, one.node), utf8('frame')]));
    assert.equal(frames.length, 1);
    one.ws.terminate();
    two.ws.terminate();
    await until('both are gone', () => site.rendezvous.streams().open === 0);
  });

  test('who asks who else is there, or where, learns nothing and harms nobody', async () => {
    const [one, two] = [await login(1), await login(2)];
    const punch = Buffer.alloc(9);
    punch[0] = 3;
    punch.writeUInt32BE(one.node, 1);
    punch.writeUInt32BE(two.node, 5);
    let heard = 0;
    for (const { ws } of [one, two]) ws.on('message', () => heard++);
    for (const message of [
      punch,
      Buffer.of(1, 0, 0, 0, 9),
      Buffer.of(0xff),
      Buffer.alloc(0),
      Buffer.alloc(60_000),
    ])
      one.ws.send(message);
    one.ws.send(encodeRelay(one.node, two.node, utf8('last')));
    await until('the last one arrives', () => heard > 0);
    assert.equal(heard, 1);
    one.ws.terminate();
    two.ws.terminate();
  });
});

function nextText(ws: WebSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    ws.once('message', (data) => resolve(String(data)));
    ws.once('close', (code, reason) => reject(new Error(`closed: ${code} ${reason}`)));
    ws.once('error', reject);
  });
}
