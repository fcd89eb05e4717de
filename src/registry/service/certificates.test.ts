/** Attacks on certificates, revocations and their tombstones at the registry. spec/11 'Weaknesses' 1, 6 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SigningKey } from '../../base/crypto.ts';
import type { NodeId } from '../../base/units.ts';
import {
  encodeTrustCertificate,
  signTrustCertificate,
  type TrustCertificate,
} from '../../wire/trust-certificate.ts';
import { encodeTrustRevocation, signTrustRevocation } from '../../wire/trust-revocation.ts';
import { identity, type Reply, rotation, type TestConnection, testRegistry } from '../registry.testkit.ts';

const [alice, bob, mallory, alice2, bob2] = [
  identity(1),
  identity(2),
  identity(3),
  identity(11),
  identity(12),
];
const NOW = 1_800_000_001;

interface Wanted {
  readonly serial?: number;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly keyA?: SigningKey;
  readonly keyB?: SigningKey;
  readonly a?: NodeId;
  readonly b?: NodeId;
}

function unsigned(wanted: Wanted = {}): TrustCertificate {
  const { serial = 1, notBefore = NOW, notAfter, a = 1, b = 2 } = wanted;
  const party = (node: NodeId, key: SigningKey) => ({ node, key: key.publicKey, offers: { ports: '*' } });
  return {
    serial,
    a: party(a, wanted.keyA ?? alice),
    b: party(b, wanted.keyB ?? bob),
    notBefore,
    ...(notAfter === undefined ? {} : { notAfter }),
    reason: '',
  };
}
function certificate(wanted: Wanted = {}): string {
  const plain = unsigned(wanted);
  const half = signTrustCertificate(wanted.keyA ?? alice, plain.a.node, plain);
  return encodeTrustCertificate(signTrustCertificate(wanted.keyB ?? bob, plain.b.node, half));
}
function revocation(node: NodeId, peer: NodeId, serial: number, key: SigningKey): string {
  return encodeTrustRevocation(signTrustRevocation(key, { node, peer, serial, at: NOW, reason: 'enough' }));
}

async function scene() {
  const registry = testRegistry();
  const [a, b, m] = [registry.connect(), registry.connect(), registry.connect()];
  await a.registerProven(alice);
  await b.registerProven(bob);
  await m.registerProven(mallory);
  const { clock } = registry;
  return {
    ...registry,
    a,
    b,
    m,
    report: (connection: TestConnection, key: SigningKey, node: NodeId, peer: NodeId, document: string) =>
      connection.signed(key, { type: 'report_trust', node_id: node, peer_id: peer, certificate: document }),
    revoke: (connection: TestConnection, key: SigningKey, node: NodeId, peer: NodeId, document: string) =>
      connection.signed(key, { type: 'revoke_trust', node_id: node, peer_id: peer, revocation: document }),
    documents: (connection: TestConnection, key: SigningKey, node: NodeId, peer: NodeId): Promise<Reply> =>
      connection.signed(key, { type: 'trust_certificate', node_id: node, peer_id: peer }),
    trusted: () => registry.store.trusted(1, 2, clock.wallNow()),
  };
}

describe('a certificate', () => {
  it('of both makes the pair by itself, and both are told', async () => {
    const { a, b, report, documents, trusted } = await scene();
    await a.signed(alice, { type: 'subscribe', node_id: 1 });
    await b.signed(bob, { type: 'subscribe', node_id: 2 });
    const text = certificate();
    assert.deepEqual(await report(a, alice, 1, 2, text), { type: 'report_trust_ok', trusted: true });
    assert.equal(await trusted(), true);
    assert.deepEqual(await report(b, bob, 2, 1, text), { type: 'report_trust_ok', trusted: true });
    const both = { type: 'trust_certificate_ok', trusted: true, certificate: text };
    assert.deepEqual(await documents(a, alice, 1, 2), both);
    assert.deepEqual(await documents(b, bob, 2, 1), both);
    for (const [connection, node, from] of [[a, 1, 2] as const, [b, 2, 1] as const])
      assert.deepEqual(connection.pushed, [{ type: 'push', event: 'trust_changed', node_id: node, from }]);
    assert.equal(
      (await a.signed(alice, { type: 'resolve', node_id: 2, requester_id: 1 })).type,
      'resolve_ok',
    );
  });

  it('is refused with one flipped bit, one signature, another key, other nodes, or after its end', async () => {
    const { a, m, report, trusted } = await scene();
    const text = certificate();
    const half = encodeTrustCertificate(signTrustCertificate(alice, 1, unsigned()));
    const attempts: [string, Promise<Reply>, string][] = [
      ['half signed', report(a, alice, 1, 2, half), 'certificate_invalid'],
      [
        'other serial',
        report(a, alice, 1, 2, text.replace('"serial":1', '"serial":2')),
        'certificate_invalid',
      ],
      ['no JSON', report(a, alice, 1, 2, text.slice(1)), 'certificate_invalid'],
      ['unknown member', report(a, alice, 1, 2, `{"x":1,${text.slice(1)}`), 'certificate_invalid'],
      ['of others', report(a, alice, 1, 3, text), 'certificate_invalid'],
      ['by a third party', report(m, mallory, 3, 2, text), 'certificate_invalid'],
      [
        'in the name of a party',
        m.signed(mallory, { type: 'report_trust', node_id: 1, peer_id: 2, certificate: text }),
        'permission_denied',
      ],
      [
        'own signature, another key for the peer',
        report(m, mallory, 3, 2, certificate({ a: 2, b: 3, keyA: alice2, keyB: mallory })),
        'certificate_invalid',
      ],
      [
        'expired',
        report(a, alice, 1, 2, certificate({ notBefore: 1, notAfter: NOW })),
        'certificate_expired',
      ],
      [
        'of the day after tomorrow',
        report(a, alice, 1, 2, certificate({ notBefore: NOW + 2 * 86_400 })),
        'certificate_invalid',
      ],
      ['too large', report(a, alice, 1, 2, 'x'.repeat(10_000)), 'certificate_invalid'],
    ];
    for (const [name, reply, code] of attempts) assert.equal((await reply).code, code, name);
    assert.equal(await trusted(), false);
    const unsignedRequest = { type: 'report_trust', node_id: 1, peer_id: 2, certificate: text };
    assert.equal((await a.send(unsignedRequest)).type, 'error');
  });

  it('flipped at any byte is refused or changes nothing', async () => {
    const { a, report, store, clock } = await scene();
    const text = certificate();
    for (let at = 0; at < text.length; at += 3) {
      const flipped = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
      const reply = await report(a, alice, 1, 2, flipped);
      await clock.advance(1000);
      assert.equal(reply.type, 'error', `byte ${at}`);
    }
    assert.equal((await store.trustDocuments(1, 2)).certificate, '');
  });

  it('is replaced by a newer one only', async () => {
    const { a, b, report, documents } = await scene();
    const [first, second, other] = [
      certificate({ serial: 1 }),
      certificate({ serial: 2, notAfter: NOW + 100 }),
      certificate({ serial: 2 }),
    ];
    await report(a, alice, 1, 2, first);
    await report(a, alice, 1, 2, second);
    for (const text of [first, other, first]) await report(b, bob, 2, 1, text);
    assert.equal((await documents(a, alice, 1, 2)).certificate, second);
  });

  it('that ended is not outlived by an older one without an end', async () => {
    const { a, b, clock, report, trusted } = await scene();
    const forever = certificate({ serial: 1 });
    await report(a, alice, 1, 2, forever);
    await report(a, alice, 1, 2, certificate({ serial: 2, notAfter: NOW + 100 }));
    await clock.advance(100_000);
    assert.equal(await trusted(), false);
    assert.equal((await report(b, bob, 2, 1, forever)).trusted, false);
    assert.equal((await b.signed(bob, { type: 'report_trust', node_id: 2, peer_id: 1 })).trusted, false);
    assert.equal(await trusted(), false);
    assert.equal((await report(b, bob, 2, 1, certificate({ serial: 3 }))).trusted, true);
  });

  it('is shown to its two parties alone', async () => {
    const { a, m, report } = await scene();
    await report(a, alice, 1, 2, certificate());
    const ask = { type: 'trust_certificate', node_id: 1, peer_id: 2 };
    assert.equal((await m.signed(mallory, ask)).type, 'error');
    assert.equal((await a.send(ask)).type, 'error');
    assert.deepEqual(await m.signed(mallory, { ...ask, node_id: 3 }), {
      type: 'trust_certificate_ok',
      trusted: false,
    });
  });

  it('under a key that was replaced since counts for who replaced it, not for who has the old key', async () => {
    const { a, m, store, report, clock } = await scene();
    const before = certificate();
    assert.equal((await a.signed(alice, rotation(alice, alice2, 1))).type, 'rotate_key_ok');
    // Alice vouches for what she signed before.
    assert.equal((await report(a, alice2, 1, 2, before)).trusted, true);
    // Mallory found the old key and makes a certificate of it: half a trust at most.
    const stolen = certificate({ b: 3, keyB: mallory, serial: 9 });
    assert.equal((await report(m, mallory, 3, 1, stolen)).trusted, false);
    assert.equal(await store.trusted(1, 3, clock.wallNow()), false);
    assert.equal(
      (await m.signed(mallory, { type: 'resolve', node_id: 1, requester_id: 3 })).code,
      'not_found',
    );
    // Bob may report the old one too: it stands, and nothing changes.
    assert.equal((await report(m, mallory, 3, 1, stolen)).trusted, false);
  });
});

describe('a revocation', () => {
  it('is final for every serial it covers, from either side, through any re-registration', async () => {
    const { a, b, report, revoke, documents, trusted } = await scene();
    await report(a, alice, 1, 2, certificate({ serial: 3 }));
    const text = revocation(1, 2, 5, alice);
    assert.equal((await revoke(a, alice, 1, 2, text)).type, 'revoke_trust_ok');
    const again = async (): Promise<void> => {
      for (const serial of [1, 3, 4, 5]) {
        for (const [connection, key, node, peer] of [[a, alice, 1, 2] as const, [b, bob, 2, 1] as const])
          assert.equal(
            (await report(connection, key, node, peer, certificate({ serial }))).code,
            'certificate_revoked',
          );
      }
      assert.equal((await b.signed(bob, { type: 'report_trust', node_id: 2, peer_id: 1 })).trusted, false);
      await b.signed(bob, { type: 'respond_handshake', node_id: 2, peer_id: 1, accept: true });
      assert.equal(await trusted(), false);
    };
    await again();
    for (const [connection, key, node] of [[b, bob, 2] as const, [a, alice, 1] as const]) {
      await connection.signed(key, { type: 'deregister', node_id: node });
      await connection.registerProven(key);
      await again();
    }
    assert.deepEqual(await documents(b, bob, 2, 1), {
      type: 'trust_certificate_ok',
      trusted: false,
      revocation: text,
    });
    assert.equal((await report(b, bob, 2, 1, certificate({ serial: 6 }))).trusted, true);
  });

  it('holds through a restart and new keys of either side', async () => {
    const { a, b, report, revoke, restart } = await scene();
    await report(a, alice, 1, 2, certificate({ serial: 3 }));
    await revoke(a, alice, 1, 2, revocation(1, 2, 3, alice));
    await b.signed(bob, rotation(bob, bob2, 2));
    const after = restart();
    const fresh = after.connect();
    await fresh.registerProven(bob2);
    for (const serial of [2, 3]) {
      const reply = await fresh.signed(bob2, {
        type: 'report_trust',
        node_id: 2,
        peer_id: 1,
        certificate: certificate({ serial, keyB: bob2 }),
      });
      assert.equal(reply.code, 'certificate_revoked');
    }
  });

  it('of a node that is gone takes its trust along', async () => {
    const { a, b, report, revoke, trusted } = await scene();
    await report(a, alice, 1, 2, certificate());
    await b.signed(bob, { type: 'deregister', node_id: 2 });
    await revoke(a, alice, 1, 2, revocation(1, 2, 1, alice));
    await b.registerProven(bob);
    assert.equal(await trusted(), false);
    assert.equal((await report(b, bob, 2, 1, certificate())).code, 'certificate_revoked');
    const inbox = await b.signed(bob, { type: 'poll_handshakes', node_id: 2, ack: 0 });
    assert.equal((inbox.revocations as Reply[]).length, 1);
  });

  it('counts before its certificate arrives', async () => {
    const { a, b, report, revoke } = await scene();
    await revoke(a, alice, 1, 2, revocation(1, 2, 4, alice));
    assert.equal((await report(b, bob, 2, 1, certificate({ serial: 4 }))).code, 'certificate_revoked');
  });

  it('by anybody but the one who revokes is refused', async () => {
    const { a, b, m, report, revoke, trusted } = await scene();
    await report(a, alice, 1, 2, certificate());
    const attempts: [string, Promise<Reply>, string][] = [
      ['signed by another', revoke(a, alice, 1, 2, revocation(1, 2, 1, mallory)), 'certificate_invalid'],
      ['by the peer', revoke(a, alice, 1, 2, revocation(2, 1, 1, bob)), 'certificate_invalid'],
      ['of another pair', revoke(a, alice, 1, 2, revocation(1, 3, 1, alice)), 'certificate_invalid'],
      ['carried by a stranger', revoke(m, mallory, 1, 2, revocation(1, 2, 1, alice)), 'permission_denied'],
      ['a stranger in between', revoke(m, mallory, 3, 2, revocation(1, 2, 1, alice)), 'certificate_invalid'],
      ['not a document', revoke(a, alice, 1, 2, '{}'), 'certificate_invalid'],
    ];
    for (const [name, reply, code] of attempts) assert.equal((await reply).code, code, name);
    assert.equal(await trusted(), true);
    assert.equal((await revoke(b, bob, 2, 1, revocation(2, 1, 1, bob))).type, 'revoke_trust_ok');
  });

  it('that comes late leaves a newer certificate alone', async () => {
    const { a, report, revoke, trusted } = await scene();
    await report(a, alice, 1, 2, certificate({ serial: 7 }));
    await revoke(a, alice, 1, 2, revocation(1, 2, 6, alice));
    assert.equal(await trusted(), true);
  });

  it('is kept of four thousand pairs of one node, the newest ones', async () => {
    const { a, store, clock, revoke } = await scene();
    for (let peer = 100; peer < 4300; peer++) {
      await store.revokeTrust({
        from: 1,
        peer,
        message: '',
        at: clock.wallNow() + peer,
        deliver: false,
        perTarget: 9,
        document: { serial: 1, text: 'r' },
      });
    }
    assert.equal((await store.trustDocuments(1, 4299)).revocation, 'r');
    assert.equal((await store.trustDocuments(1, 100)).revocation, '');
    assert.equal((await revoke(a, alice, 1, 2, revocation(1, 2, 1, alice))).code, 'not_found');
  });
});
