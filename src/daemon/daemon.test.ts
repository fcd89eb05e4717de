import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { nodeRandom } from '../platform/random.ts';
import { memorySource, type PilotClient } from '../sdk/index.ts';
import { ManualClock, MemoryStorage } from '../services/data-exchange/exchange.testkit.ts';
import { loadVectors } from '../wire/codec.testkit.ts';
import { Place } from './daemon.testkit.ts';
import { loadIdentity } from './identity.ts';
import { loadNodeState, loadPeers, loadTrust } from './state-file.ts';

interface IdentityVector {
  file_text: string;
  public_key_hex?: string;
  ok?: boolean;
  name?: string;
}
const identities = loadVectors<IdentityVector[]>('identity');

async function trusting(place: Place): Promise<[PilotClient, PilotClient]> {
  const a = await place.start('node-a');
  const b = await place.start('node-b');
  await place.during(a.handshake('node-b', 'hello'));
  await place.until('the request arrives', async () => (await b.pending()).length === 1);
  await place.during(b.approve('node-a'));
  await place.until('both trust', async () => (await a.trusted()).length === 1);
  return [a, b];
}

describe('what a daemon keeps on disk', () => {
  test('identities load as written by old daemons; a bad one is named and left alone', async () => {
    const crypto = nodeCrypto();
    for (const vector of identities) {
      const storage = new MemoryStorage(new ManualClock());
      storage.files.set('identity.json', { data: utf8(vector.file_text), modified: 0 });
      const loading = loadIdentity(storage, crypto, nodeRandom());
      if (vector.ok === false) {
        await assert.rejects(
          loading,
          { code: 'identity_invalid', message: /\/home\/identity\.json/ },
          vector.name,
        );
        assert.equal(fromUtf8(storage.files.get('identity.json')!.data), vector.file_text);
      } else {
        assert.equal(Buffer.from((await loading).publicKey).toString('hex'), vector.public_key_hex);
      }
    }
  });

  test('a new identity is stored in the form old daemons read, and is the same next time', async () => {
    const storage = new MemoryStorage(new ManualClock());
    const made = await loadIdentity(storage, nodeCrypto(), nodeRandom());
    const again = await loadIdentity(storage, nodeCrypto(), nodeRandom());
    assert.deepEqual(again.publicKey, made.publicKey);
    assert.match(
      fromUtf8(storage.files.get('identity.json')!.data),
      /^\{\n {2}"private_key": "[^"]{88}",\n {2}"public_key": "[^"]{44}"\n\}$/,
    );
  });

  test('a corrupt state file stops the start with its name, untouched', async () => {
    const cases: [string, string[], (storage: MemoryStorage) => Promise<unknown>][] = [
      [
        'trust.json',
        ['', 'nope', '[]', '{"trusted":5}', '{"trusted":[{"node_id":"x","public_key":"AA=="}]}'],
        loadTrust,
      ],
      [
        'node.json',
        ['', 'nope', '[]', '{"node_id":"1"}', '{"hostname":5}', '{"beacons":"x"}'],
        loadNodeState,
      ],
      ['peers.json', ['', '{', '{"peers":{}}', '{"peers":[1]}', '{"peers":[{"hostname":"x"}]}'], loadPeers],
    ];
    for (const [file, texts, load] of cases) {
      for (const text of [...texts, '\u0000']) {
        const storage = new MemoryStorage(new ManualClock());
        storage.files.set(file, { data: utf8(text), modified: 0 });
        await assert.rejects(
          load(storage),
          { code: 'state_corrupt', message: new RegExp(`/home/${file}`) },
          text,
        );
        assert.equal(fromUtf8(storage.files.get(file)!.data), text);
      }
    }
    const place = new Place();
    place.storage('node-a').files.set('trust.json', { data: utf8('{'), modified: 0 });
    await assert.rejects(place.start('node-a'), { code: 'state_corrupt' });
    place.storage('node-a').files.delete('trust.json');
    await place.start('node-a');
  });
});

describe('a daemon', () => {
  test('starts and answers while the registry is away, and registers when it is back', async () => {
    const place = new Place();
    place.registry.away = true;
    const client = await place.start('node-a');
    let info = await place.during(client.info());
    assert.equal(info.registered, false);
    assert.equal(info.node_id, 0);
    await assert.rejects(place.during(client.dial('2', 7)), { code: 'registry_unreachable' });
    place.registry.comeBack();
    await place.until('it registers', async () => (await client.info()).registered);
    info = await place.during(client.info());
    assert.equal(info.hostname, 'node-a');
    assert.equal(info.node_id, 1);
  });

  test('keeps its id, name and visibility over a restart without the registry', async () => {
    const place = new Place();
    const first = await place.start('node-a', { public: true });
    const before = await place.during(first.info());
    await place.stop('node-a');
    place.registry.leave();
    const { hostname: _, ...keep } = { hostname: undefined };
    const again = await place.start('node-a', keep);
    const after = await place.during(again.info());
    assert.equal(after.node_id, before.node_id);
    assert.equal(after.hostname, 'node-a');
    assert.equal(after.public, true);
    assert.equal(after.listen_endpoint, before.listen_endpoint);
  });

  test('asks a new registry for a new id', async () => {
    const place = new Place();
    await place.start('node-a');
    await place.stop('node-a');
    place.registry.leave();
    const again = await place.start('node-a', { registries: [{ host: 'elsewhere', port: 9000 }] });
    assert.equal((await place.during(again.info())).node_id, 0);
  });

  test('registers again when the registry has forgotten it', async () => {
    const place = new Place();
    const client = await place.start('node-a', { public: true });
    place.registry.forget(1);
    await place.until('it is known again', () => place.registry.nodes.get(1)?.public === true);
    assert.equal((await place.during(client.info())).registered, true);
  });

  test('pauses longer and longer between attempts, and not at all once the registry is back', async () => {
    const place = new Place();
    place.registry.away = true;
    await place.start('node-a');
    await place.clock.advance(120_000);
    const attempts = place.registry.calls.filter((call) => call === 'register').length;
    assert.ok(attempts >= 6 && attempts <= 14, `${attempts} attempts`);
    place.registry.calls.length = 0;
    place.registry.comeBack();
    await place.clock.advance(100);
    assert.ok(place.registry.calls.includes('register'));
  });

  test('says when the registry refuses its name', async () => {
    const place = new Place();
    await place.start('node-a');
    const second = await place.start('other', { hostname: 'node-a' });
    const info = await place.during(second.info());
    assert.equal(info.hostname, '');
    assert.match(info.hostname_error!, /already in use/);
    await place.during(second.setHostname('node-b'));
    assert.equal((await place.during(second.info())).hostname_error, undefined);
  });

  test('does not share its home with a second one', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    const files = new Map(place.storage('node-a').files);
    await assert.rejects(place.start('node-a'), { code: 'socket_in_use' });
    assert.deepEqual([...place.storage('node-a').files.keys()], [...files.keys()]);
    assert.equal((await place.during(client.info())).registered, true);
  });

  test('is private at once when told so, and tells the registry when it can', async () => {
    const place = new Place();
    const client = await place.start('node-a', { public: true });
    place.registry.leave();
    await assert.rejects(place.during(client.setVisibility(true)), { code: 'registry_unreachable' });
    await assert.rejects(place.during(client.setVisibility(false)), { code: 'registry_unreachable' });
    assert.equal((await place.during(client.info())).public, false);
    place.registry.comeBack();
    await place.until('the registry knows', () => place.registry.nodes.get(1)?.public === false);
  });

  test('stays out of the registry after deregister', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    await place.during(client.deregister());
    await place.clock.advance(300_000);
    assert.equal(place.registry.nodes.size, 0);
    assert.equal((await place.during(client.info())).registered, false);
  });
});

describe('trust between two daemons', () => {
  test('is asked for by the name of a private node, granted by name, and used', async () => {
    const place = new Place();
    const [a, b] = await trusting(place);
    const ping = await place.during(a.pingOnce('node-b'));
    assert.equal(ping.node_id, 2);
    const sent = await place.during(b.sendMessage('node-a', { type: 'text', data: utf8('hi') }));
    assert.equal(sent.ack, 'ACK TEXT 2 bytes');
    const file = await place.during(a.sendFile('node-b', memorySource('f', new Uint8Array(100_000))));
    assert.equal(file.transport, 'stream');
  });

  test('streams to a name that was just explained begin without the registry, for five seconds', async () => {
    const place = new Place();
    const [a] = await trusting(place);
    const asked = (): number => place.registry.calls.filter((call) => call === 'resolve_hostname').length;
    const dials = async (): Promise<number> => {
      const before = asked();
      const conn = await place.during(a.dial('node-b', 7));
      assert.equal(conn.remote.address.node, 2);
      conn.abort();
      return asked() - before;
    };
    await dials();
    await place.clock.advance(5_000);
    assert.equal(await dials(), 1);
    await place.clock.advance(4_000);
    assert.equal(await dials(), 0);
    await place.clock.advance(1_500);
    assert.equal(await dials(), 1);
    // Where the registry's last word was a refusal, nothing is taken for granted.
    place.registry.refused.add('resolve_hostname');
    await place.clock.advance(5_000);
    assert.equal(await dials(), 1);
    assert.equal(await dials(), 1);
  });

  test('tells strangers nothing', async () => {
    const place = new Place();
    const a = await place.start('node-a');
    await place.start('node-b');
    const known = await place.during(a.handshake('node-b'));
    const unknown = await place.during(a.handshake('nobody'));
    assert.deepEqual({ ...known, hostname: '' }, { ...unknown, hostname: '' });
    for (const id of ['2', '99']) {
      await assert.rejects(place.during(a.dial(id, 7, { timeout: 1000 })), { code: 'untrusted' });
      assert.equal((await place.during(a.handshake(id))).status, 'sent');
    }
  });

  test('is decided by name, address or id, also while the registry is away', async () => {
    const place = new Place();
    const b = await place.start('node-b');
    for (const name of ['node-c', 'node-d', 'node-e']) {
      const client = await place.start(name);
      await place.during(client.handshake('node-b'));
    }
    await place.until('three requests', async () => (await b.pending()).length === 3);
    const [c, d, e] = await place.during(b.pending());
    assert.deepEqual(
      [c, d, e].map((row) => row!.hostname),
      ['node-c', 'node-d', 'node-e'],
    );
    place.registry.leave();
    await place.during(b.approve('node-c'));
    await place.during(b.approve(d!.address));
    await place.during(b.reject(`${e!.node_id}`, 'no'));
    await assert.rejects(place.during(b.approve('node-e')), { code: 'not_found' });
    assert.deepEqual(
      (await place.during(b.trusted())).map((row) => row.hostname),
      ['node-c', 'node-d'],
    );
    await place.during(b.untrust('node-c'));
    await assert.rejects(place.during(b.untrust('node-c')), { code: 'not_found' });
  });

  test('outlives a restart of both, with names', async () => {
    const place = new Place();
    await trusting(place);
    await place.clock.advance(3_000);
    await place.stop('node-a');
    await place.stop('node-b');
    place.registry.leave();
    const a = await place.start('node-a');
    await place.start('node-b');
    assert.equal((await place.during(a.trusted()))[0]!.hostname, 'node-b');
    const ping = await place.during(a.pingOnce('node-b', { timeout: 10_000 }));
    assert.equal(ping.node_id, 2);
  });

  test('is not reported as saved when the disk is full, and is saved once there is room', async () => {
    const place = new Place();
    const a = await place.start('node-a');
    const b = await place.start('node-b');
    await place.during(a.handshake('node-b'));
    await place.until('the request arrives', async () => (await b.pending()).length === 1);
    const disk = place.storage('node-b');
    disk.capacity = disk.used;
    await assert.rejects(place.during(b.approve('node-a')), { code: 'disk_full' });
    disk.capacity = Number.POSITIVE_INFINITY;
    await place.clock.advance(60_000);
    await place.stop('node-b');
    const again = await place.start('node-b');
    assert.equal((await place.during(again.trusted())).length, 1);
  });

  test('ends streams and pings when it is withdrawn', async () => {
    const place = new Place();
    const [a, b] = await trusting(place);
    const listener = await b.listen(0);
    const [conn] = await place.during(Promise.all([a.dial('node-b', listener.port), listener.accept()]));
    await place.during(b.untrust('node-a'));
    await assert.rejects(place.during(conn.read()));
    await place.until('the other side knows', async () => (await a.trusted()).length === 0);
    await assert.rejects(place.during(a.dial('node-b', listener.port, { timeout: 2000 })));
  });

  test('can be waited for', async () => {
    const place = new Place();
    const a = await place.start('node-a');
    const b = await place.start('node-b');
    const early = await place.during(a.waitForTrust('2', 1000));
    assert.equal(early.trusted, false);
    await place.during(a.handshake('node-b'));
    await place.until('the request arrives', async () => (await b.pending()).length === 1);
    const waiting = a.waitForTrust('2', 100_000);
    await place.during(b.approve('node-a'));
    assert.equal((await place.during(waiting)).trusted, true);
  });
});

describe('stopping a daemon', () => {
  test('delivers what programs have written before it ends', async () => {
    const place = new Place();
    const [a, b] = await trusting(place);
    const listener = await b.listen(0);
    const [conn, peer] = await place.during(
      Promise.all([a.dial('node-b', listener.port), listener.accept()]),
    );
    const data = new Uint8Array(300_000).fill(7);
    await place.during(conn.write(data));
    const stopping = place.stop('node-a');
    let received = 0;
    for (
      let chunk = await place.during(peer!.read());
      chunk !== undefined;
      chunk = await place.during(peer!.read())
    ) {
      received += chunk.length;
    }
    assert.equal(received, data.length);
    await stopping;
    await assert.rejects(place.client('node-a'), { code: 'not_running' });
  });

  test('does not wait for ever for a peer that does not read', async () => {
    const place = new Place();
    const [a, b] = await trusting(place);
    const listener = await b.listen(0);
    const [conn] = await place.during(Promise.all([a.dial('node-b', listener.port), listener.accept()]));
    const writing = conn.write(new Uint8Array(20_000_000));
    writing.catch(() => {});
    await place.clock.advance(2_000);
    const before = place.clock.now();
    await place.stop('node-a');
    assert.ok(place.clock.now() - before < 10_000);
  });
});
