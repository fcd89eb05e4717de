import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeCrypto } from '../platform/crypto.ts';
import type { PilotClient } from '../sdk/client.ts';
import { verifyTrust } from '../sdk/trust-documents.ts';
import { Place } from './daemon.testkit.ts';

const crypto = nodeCrypto();

async function two(place: Place, config: Parameters<Place['start']>[1] = {}) {
  const a = await place.start('node-a');
  const b = await place.start('node-b', config);
  return { a, b };
}

async function asked(place: Place, b: PilotClient): Promise<void> {
  await place.until('the request arrives', async () => (await b.pending()).length === 1);
}

async function certified(place: Place, ...clients: PilotClient[]): Promise<void> {
  for (const client of clients) {
    await place.until('both have signed', async () => {
      const [row] = await client.trusted();
      return row?.kind === 'certificate';
    });
  }
}

describe('terms of trust', () => {
  it('are what was asked and what was approved, and are shown alike on both sides', async () => {
    const place = new Place();
    const { a, b } = await two(place);
    const terms = { give: { ports: '80' }, get: { ports: '80,1001', opens: 5 }, lifetime: 3600 };
    await place.during(a.handshake('node-b', 'index run', { terms }));
    await asked(place, b);
    const [request] = await b.pending();
    assert.deepEqual(request?.asks.give, { ports: '80,1001', opens: 5 });
    assert.deepEqual(request?.asks.get, { ports: '80' });
    const approved = await place.during(b.approve('node-a', { give: { ports: '1001-2000' } }));
    assert.equal(approved.terms.give.ports, '1001');
    await certified(place, a, b);
    const [[atA], [atB]] = [await a.trusted(), await b.trusted()];
    assert.equal(atA?.gets.ports, '1001');
    assert.equal(atA?.gives.ports, '80');
    assert.deepEqual([atB?.gives, atB?.gets], [atA?.gets, atA?.gives]);
    assert.equal(atB?.expires_at, atA?.expires_at);
    assert.deepEqual([atA?.approved_by, atB?.approved_by], ['peer', 'user']);
  });

  it('stay as they are when the same trust is asked for again without any', async () => {
    const place = new Place();
    const { a, b } = await two(place);
    await place.during(a.handshake('node-b', '', { terms: { get: { ports: '80' } } }));
    await asked(place, b);
    await place.during(b.approve('node-a'));
    await certified(place, a, b);
    const again = await place.during(a.handshake('node-b'));
    assert.equal(again.status, 'already_trusted');
    assert.deepEqual(again.terms, again.before);
  });

  it('can be made narrower by either side alone, and wider only by both', async () => {
    const place = new Place();
    const { a, b } = await two(place);
    await place.during(a.handshake('node-b'));
    await asked(place, b);
    await place.during(b.approve('node-a'));
    await certified(place, a, b);
    const narrowed = await place.during(b.approve('node-a', { give: { ports: '80' } }));
    assert.equal(narrowed.status, 'narrowed');
    assert.deepEqual([narrowed.before?.give.ports, narrowed.terms.give.ports], ['*', '80']);
    await place.until('the peer knows', async () => (await a.trusted())[0]?.gets.ports === '80');
    const wider = await place.during(a.handshake('node-b', 'more', { terms: { get: { ports: '80,90' } } }));
    assert.equal(wider.status, 'sent');
    assert.equal(wider.terms?.get.ports, '80');
    await asked(place, b);
    const [change] = await b.pending();
    assert.deepEqual(
      [change?.change, change?.now?.give.ports, change?.asks.give.ports],
      [true, '80', '80,90'],
    );
    assert.equal((await b.trust.show('node-a')).change?.asked_by, 'peer');
    await assert.rejects(place.during(b.approve('node-c', { give: { ports: '80' } })), { code: 'not_found' });
    await place.during(b.approve('node-a'));
    await place.until('the peer knows', async () => (await a.trusted())[0]?.gets.ports === '80,90');
  });

  it('can be asked for again after the peer took them back, and end sooner by a word', async () => {
    const place = new Place();
    const { a, b } = await two(place);
    await place.during(a.handshake('node-b', '', { terms: { get: { ports: '7,80' }, lifetime: 300 } }));
    await asked(place, b);
    await place.during(b.approve('node-a'));
    await certified(place, a, b);
    await place.during(b.approve('node-a', { give: { ports: '80' } }));
    await place.until('the peer knows', async () => (await a.trusted())[0]?.gets.ports === '80');
    const again = await place.during(a.handshake('node-b', '', { terms: { get: { ports: '7,80' } } }));
    assert.equal(again.status, 'sent');
    await asked(place, b);
    await place.during(b.approve('node-a'));
    await place.until('the peer knows', async () => (await a.trusted())[0]?.gets.ports === '7,80');
    const sooner = await place.during(a.handshake('node-b', '', { terms: { lifetime: 20 } }));
    assert.equal(sooner.status, 'narrowed');
    const end = sooner.terms?.not_after;
    await place.until('the peer knows', async () => (await b.trusted())[0]?.expires_at === end);
    await place.clock.advance(30_000);
    for (const client of [a, b]) assert.equal((await client.trusted()).length, 0);
  });

  it('that are none are refused', async () => {
    const place = new Place();
    const { a } = await two(place);
    for (const terms of [
      { give: { ports: 'web' } },
      { give: { ports: '80', opens: -1 } },
      { lifetime: -5 },
      { ports: '80' },
      'all',
    ]) {
      const call = a.ipc.call('handshake', { target: 'node-b', terms } as never);
      await assert.rejects(place.during(call), { code: 'invalid_argument' }, JSON.stringify(terms));
    }
  });
});

describe('documents of trust', () => {
  it('are exported, and stand without us until they are revoked', async () => {
    const place = new Place();
    const { a, b } = await two(place);
    await assert.rejects(place.during(a.trust.export('node-b')), { code: 'not_found' });
    await place.during(a.handshake('node-b', 'index run', { terms: { get: { ports: '80' } } }));
    await asked(place, b);
    await place.during(b.approve('node-a'));
    await certified(place, a, b);
    const { bundle: text } = await place.during(a.trust.export('node-b'));
    const at = Math.floor(place.clock.wallNow() / 1000);
    const verified = verifyTrust({ crypto, text, at, ports: '80', from: 1 });
    assert.equal(verified.reason, 'index run');
    const shown = await a.trust.show('node-b');
    assert.equal(shown.signatures, 'valid, both sides');
    assert.deepEqual(
      [verified.a.fingerprint, verified.b.fingerprint],
      [shown.own_fingerprint, shown.fingerprint],
    );
    await place.during(b.untrust('node-a', 'laptop lost'));
    const revocations = await b.trust.revocations('node-a');
    assert.equal(revocations.length, 1);
    assert.match(revocations[0]!, /laptop lost/);
    const check = { crypto, text, at, revocations: revocations.slice() };
    assert.throws(() => verifyTrust(check), { code: 'certificate_revoked' });
    await place.stop('node-b');
    const later = await place.start('node-b');
    assert.deepEqual(await later.trust.revocations(), revocations);
  });
});

describe('rules of automatic approval in a daemon', () => {
  it('admit who asks on the terms of the rule, and are listed', async () => {
    const place = new Place();
    const rule = { name: 'data', everyone: true, give: '1001', get: '', lifetime: 60 };
    const { a, b } = await two(place, { autoApprove: [rule] });
    await place.during(a.handshake('node-b'));
    await certified(place, a, b);
    const [row] = await b.trusted();
    assert.deepEqual([row?.gives.ports, row?.gets.ports, row?.approved_by], ['1001', '', 'auto:data']);
    assert.deepEqual((await a.trusted())[0]?.gets, { ports: '1001' });
    const { rules, approvals } = await b.trust.autoApprovals();
    assert.deepEqual([rules[0]?.approvals, approvals[0]?.node_id], [1, 1]);
    assert.ok(place.events.some(({ who, name }) => who === 'node-b' && name === 'trust.auto_approved'));
  });

  it('admit members by the tags their network gave them', async () => {
    const place = new Place();
    const rule = { name: 'prod', networks: ['agents'], tags: ['prod'] };
    const { a, b } = await two(place, { autoApprove: [rule] });
    const network = place.registry.networks.add('agents', 'open', 2);
    place.registry.networks.enter(network, 1);
    await place.clock.advance(1_000);
    await place.during(a.handshake('node-b'));
    await asked(place, b);
    await place.clock.advance(1_000);
    assert.match((await b.pending())[0]?.auto ?? '', /no rule/);
    await place.during(b.reject('1'));
    await place.until('the answer arrives', async () => (await a.outgoing()).length === 0);
    network.members.get(1)!.tags = ['prod'];
    await place.during(a.handshake('node-b'));
    await certified(place, a, b);
    assert.equal((await b.trusted())[0]?.approved_by, 'auto:prod');
  });

  it('leave others pending, with the reason', async () => {
    const place = new Place();
    const { a, b } = await two(place, { autoApprove: [{ name: 'friends', keys: ['a'.repeat(16)] }] });
    await place.during(a.handshake('node-b'));
    await asked(place, b);
    assert.match((await b.pending())[0]?.auto ?? '', /no rule/);
  });

  it('take up at a start what a new rule admits', async () => {
    const place = new Place();
    const { a, b } = await two(place);
    await place.during(a.handshake('node-b'));
    await asked(place, b);
    await place.stop('node-b');
    const later = await place.start('node-b', { autoApprove: [{ name: 'all', everyone: true }] });
    await certified(place, a, later);
  });
});

describe('a registry that has lost a trust', () => {
  it('is told of it again by a daemon that is refused because of that, and not over and over', async () => {
    const place = new Place();
    const { a, b } = await two(place);
    await place.during(a.handshake('node-b'));
    await asked(place, b);
    await place.during(b.approve('node-a'));
    await certified(place, a, b);
    await place.until('both have told it', () => {
      return place.registry.calls.filter((call) => call === 'report_trust').length >= 2;
    });
    await place.clock.advance(60_000);
    place.registry.pairs.clear();
    for (const client of place.registry.clients) client.push({ event: 'trust_changed', from: 2 });
    await place.until('it knows again', () => place.registry.pairs.has('1:2'));
    const looks = (): number => place.registry.calls.filter((call) => call === 'trust_certificate').length;
    const before = looks();
    for (const client of place.registry.clients) client.push({ event: 'trust_changed', from: 2 });
    await place.clock.advance(1_000);
    assert.equal(looks(), before);
    assert.ok(place.events.some(({ name }) => name === 'trust.reported_again'));
  });
});
