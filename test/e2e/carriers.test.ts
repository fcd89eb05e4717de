import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { utf8 } from '../../src/base/bytes.ts';
import { nodeNet } from '../../src/platform/index.ts';
import type { PilotClient } from '../../src/sdk/index.ts';
import { Firewall, Site, until } from './carriers.testkit.ts';

async function says(from: PilotClient, to: string): Promise<void> {
  const sent = await from.sendMessage(to, { type: 'text', data: utf8('hello') });
  assert.equal(sent.ack, 'ACK TEXT 5 bytes');
}

describe('nodes without UDP', () => {
  let site: Site;
  before(async () => {
    site = await new Site().open();
  });
  after(() => site.close());

  test('two of them talk through the beacon, and with one that has UDP', async () => {
    const walls = [new Firewall(), new Firewall()];
    for (const wall of walls) wall.blocked = true;
    const [a, b] = await Promise.all(
      walls.map((wall, i) =>
        site.node(`compat-${i}`, { net: wall.around(nodeNet()), config: { transport: 'compat' } }),
      ),
    );
    const c = await site.node('open');
    await until('both streams are up', () => site.rendezvous.streams().open === 2);
    await says(a!, 'compat-1');
    await says(b!, 'compat-0');
    await says(a!, 'open');
    await says(c, 'compat-1');
    for (const client of [a!, b!]) {
      for (const peer of await client.peers()) assert.equal(peer.path, 'relay');
    }
    assert.equal(walls[0]!.stopped, 0, 'nothing is even tried over UDP');
  });
});

describe('a node without UDP and one at another beacon', () => {
  let site: Site;
  before(async () => {
    site = await new Site().open();
  });
  after(() => site.close());

  test('meet where the stream is', async () => {
    const elsewhere = await site.beacon();
    const a = await site.node('compat', { config: { transport: 'compat' } });
    const b = await site.node('elsewhere', { config: { beacons: [elsewhere.endpoint], relayOnly: true } });
    await until('the stream is up', () => site.rendezvous.streams().open === 1);
    await until('peers can be told of it', () => site.lastEvent('compat', 'node.reregistered') !== undefined);
    await says(b, 'compat');
    await says(a, 'elsewhere');
  });
});

describe('a node that is to find out by itself', () => {
  let site: Site;
  before(async () => {
    site = await new Site().open();
  });
  after(() => site.close());

  test('uses UDP while it works, a stream within two seconds when it does not, and UDP again', async () => {
    const wall = new Firewall();
    const other = await site.node('other');
    const node = await site.node('node', { net: wall.around(nodeNet()) });
    await says(node, 'other');
    assert.equal(site.rendezvous.streams().open, 0);

    wall.blocked = true;
    // Its beacon is asked again at the latest when somebody wants to be reached.
    await says(node, 'other');
    await until('a stream is up', () => site.rendezvous.streams().open === 1, 30_000);
    await says(other, 'node');
    const silent = site.lastEvent('node', 'beacon.silent')!;
    const up = site.lastEvent('node', 'carrier.up')!;
    assert.ok(up.at - silent.at < 1_000, `${up.at - silent.at} ms from silence to a stream`);

    wall.blocked = false;
    await until(
      'a beacon answers again',
      () => site.lastEvent('node', 'beacon.answered') !== undefined,
      30_000,
    );
    await until('the stream is let go', () => site.rendezvous.streams().open === 0, 30_000);
    await says(node, 'other');
    await says(other, 'node');
  });

  test('decides within two seconds of its start', async () => {
    const wall = new Firewall();
    wall.blocked = true;
    const started = Date.now();
    const node = await site.node('late', { net: wall.around(nodeNet()) });
    await until('a stream is up', () => site.lastEvent('late', 'carrier.up') !== undefined);
    const took = site.lastEvent('late', 'carrier.up')!.at - started;
    assert.ok(took < 2_000, `${took} ms`);
    await says(node, 'other');
  });
});
