/** What every store must do with trust and inboxes. */
import assert from 'node:assert/strict';
import { type Check, certified, request, response, revocation, T0 } from './fixtures.testkit.ts';

export function trustContract(check: Check): void {
  check('makes a pair from two reports, not from one', async (store) => {
    assert.equal(await store.gaveWord(1, 2), false);
    assert.equal(await store.reportTrust(1, 2, T0, 0), 'half');
    assert.equal(await store.reportTrust(1, 2, T0, 0), 'half');
    assert.deepEqual([await store.gaveWord(1, 2), await store.gaveWord(2, 1)], [true, false]);
    assert.equal(await store.trusted(1, 2, T0), false);
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'paired');
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'trusted');
    assert.equal(await store.trusted(1, 2, T0), true);
    assert.equal(await store.trusted(2, 1, T0), true);
    assert.deepEqual(await store.trustPeers(2, 10, T0), [1]);
  });

  check('makes a pair from a request and its acceptance, and keeps both messages', async (store) => {
    assert.equal(await store.requestHandshake(request(1, 2)), 'stored');
    assert.deepEqual(await store.respondHandshake(response(2, 1)), { paired: true, delivered: true });
    assert.deepEqual(await store.trustProof(1, 2), { request: 'ask 1', accept: 'answer 2' });
    assert.deepEqual(await store.takeInbox(2), []);
    const [answer] = await store.takeInbox(1);
    assert.deepEqual(
      [answer?.kind, answer?.from, answer?.accept, answer?.message],
      ['response', 2, true, 'answer 2'],
    );
  });

  check('an acceptance still matches after the request was read', async (store) => {
    await store.requestHandshake(request(1, 2));
    assert.equal((await store.takeInbox(2)).length, 1);
    assert.equal((await store.respondHandshake(response(2, 1))).paired, true);
  });

  check('an acceptance nobody asked for makes no pair and is not delivered unless wanted', async (store) => {
    assert.deepEqual(await store.respondHandshake(response(2, 1)), { paired: false, delivered: false });
    assert.deepEqual(await store.respondHandshake(response(3, 1, { deliverUnasked: true })), {
      paired: false,
      delivered: true,
    });
    assert.equal(await store.trusted(1, 2, T0), false);
    assert.deepEqual(
      (await store.takeInbox(1)).map(({ from }) => from),
      [3],
    );
  });

  check('a request too old to count is not matched', async (store) => {
    await store.requestHandshake(request(1, 2, { at: T0 - 5000 }));
    assert.deepEqual(await store.respondHandshake(response(2, 1)), { paired: false, delivered: false });
    assert.equal(await store.reportTrust(1, 2, T0, T0 - 1000), 'paired');
  });

  check('two requests alone make no pair', async (store) => {
    await store.requestHandshake(request(1, 2));
    await store.requestHandshake(request(2, 1));
    assert.equal(await store.trusted(1, 2, T0), false);
    assert.equal(await store.reportTrust(1, 2, T0, T0 - 1000), 'paired');
  });

  check('a request to somebody who already accepted makes the pair', async (store) => {
    await store.respondHandshake(response(2, 1));
    await store.requestHandshake(request(1, 2));
    assert.deepEqual(await store.trustProof(1, 2), { request: 'ask 1', accept: 'answer 2' });
  });

  check('a rejection is delivered, forgets the request and keeps an existing pair', async (store) => {
    await store.requestHandshake(request(1, 2));
    assert.deepEqual(await store.respondHandshake(response(2, 1, { accept: false })), {
      paired: false,
      delivered: true,
    });
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'half');
    await store.reportTrust(1, 2, T0, 0);
    assert.deepEqual(await store.respondHandshake(response(2, 1, { accept: false })), {
      paired: true,
      delivered: true,
    });
    assert.equal(await store.trusted(1, 2, T0), true);
  });

  check('a revocation takes both words back and stays', async (store) => {
    await store.reportTrust(1, 2, T0, 0);
    await store.reportTrust(2, 1, T0, 0);
    assert.deepEqual(await store.revokeTrust(revocation(1, 2)), { existed: true, delivered: true });
    assert.deepEqual(await store.revokeTrust(revocation(1, 2)), { existed: false, delivered: false });
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'half');
    assert.equal(await store.trusted(1, 2, T0), false);
    const inbox = await store.pollInbox(2, 0, 10);
    assert.deepEqual(
      inbox.map(({ kind, from }) => [kind, from]),
      [['revocation', 1]],
    );
    assert.deepEqual(await store.takeInbox(2), []);
  });

  check('a revocation by somebody with no tie to the other reaches nobody', async (store) => {
    await store.reportTrust(1, 2, T0, 0);
    assert.deepEqual(await store.revokeTrust(revocation(1, 2)), { existed: true, delivered: false });
    assert.deepEqual(await store.pollInbox(2, 0, 10), []);
  });

  check('a revocation withdraws a request that waits', async (store) => {
    await store.requestHandshake(request(1, 2));
    await store.revokeTrust(revocation(1, 2));
    assert.deepEqual(await store.pollInbox(2, 0, 10), []);
  });

  check('bounds the inbox per sender, per source and per target', async (store) => {
    assert.equal(await store.requestHandshake(request(1, 9)), 'stored');
    assert.equal(await store.requestHandshake(request(1, 9)), 'pending');
    assert.equal(await store.requestHandshake(request(2, 9, { source: '10.0.0.1' })), 'stored');
    assert.equal(await store.requestHandshake(request(3, 9, { source: '10.0.0.1' })), 'full');
    assert.equal(await store.requestHandshake(request(4, 9)), 'stored');
    assert.equal(await store.requestHandshake(request(5, 9)), 'full');
    assert.equal(
      await store.requestHandshake(request(1, 9, { replace: true, justification: 'again' })),
      'stored',
    );
    const inbox = await store.pollInbox(9, 0, 10);
    assert.deepEqual(
      inbox.map(({ from, justification }) => [from, justification]),
      [
        [2, 'hi'],
        [4, 'hi'],
        [1, 'again'],
      ],
    );
  });

  check('takes any number of requests into the sink, and keeps few', async (store) => {
    for (let from = 1; from <= 20; from++)
      assert.equal(await store.requestHandshake(request(from, 0, { source: 'x' })), 'stored');
    assert.equal(await store.requestHandshake(request(1, 0, { replace: true })), 'stored');
    assert.equal(await store.trusted(0, 1, T0), false);
  });

  check('keeps one answer per sender and the newest ones', async (store) => {
    const unasked = { deliverUnasked: true };
    for (const from of [2, 3, 4, 2, 5]) await store.respondHandshake(response(from, 1, unasked));
    assert.deepEqual(
      (await store.takeInbox(1)).map(({ from }) => from),
      [4, 2, 5],
    );
  });

  check('keeps entries until they are acknowledged, in order', async (store) => {
    await store.requestHandshake(request(2, 1));
    await store.requestHandshake(request(3, 1));
    await store.respondHandshake(response(4, 1, { deliverUnasked: true }));
    const first = await store.pollInbox(1, 0, 2);
    assert.deepEqual(
      first.map(({ from }) => from),
      [2, 3],
    );
    assert.deepEqual(await store.pollInbox(1, 0, 2), first);
    assert.deepEqual(
      (await store.pollInbox(1, first[0]!.sequence, 10)).map(({ from }) => from),
      [3, 4],
    );
    assert.deepEqual(await store.pollInbox(1, Number.MAX_SAFE_INTEGER, 10), []);
    assert.deepEqual(await store.takeInbox(1), []);
  });

  check('an acknowledgement touches no other inbox', async (store) => {
    await store.requestHandshake(request(2, 1));
    await store.requestHandshake(request(2, 3));
    await store.pollInbox(1, 1_000_000, 10);
    assert.equal((await store.pollInbox(3, 0, 10)).length, 1);
  });

  check('makes and renews a pair by a certificate, never by an older one', async (store) => {
    assert.equal(await store.certifyTrust(certified(2, 1, 3)), 'stored');
    assert.equal(await store.certifyTrust(certified(2, 1, 3)), 'stored');
    assert.equal(await store.trusted(1, 2, T0), true);
    assert.deepEqual(await store.trustPeers(1, 9, T0), [2]);
    assert.equal(await store.certifyTrust(certified(1, 2, 2)), 'older');
    assert.equal(await store.certifyTrust(certified(1, 2, 3, { text: 'another 3' })), 'older');
    assert.deepEqual(await store.trustDocuments(2, 1), { certificate: 'cert 3', revocation: '' });
    assert.equal(await store.certifyTrust(certified(1, 2, 4)), 'stored');
    assert.equal((await store.trustDocuments(1, 2)).certificate, 'cert 4');
    assert.deepEqual(await store.trustDocuments(1, 3), { certificate: '', revocation: '' });
  });

  check('a pair ends with its certificate, and no older certificate brings it back', async (store) => {
    await store.certifyTrust(certified(1, 2, 1));
    await store.certifyTrust(certified(1, 2, 2, { notAfter: T0 + 100 }));
    assert.equal(await store.trusted(1, 2, T0 + 99), true);
    assert.equal(await store.trusted(2, 1, T0 + 100), false);
    assert.deepEqual(await store.trustPeers(1, 9, T0 + 100), []);
    assert.equal(await store.certifyTrust(certified(1, 2, 1)), 'older');
    assert.equal(await store.trusted(1, 2, T0 + 100), false);
    // Two words after the end make a new pair; the serials stay used up.
    assert.equal(await store.reportTrust(1, 2, T0 + 100, T0), 'half');
    assert.equal(await store.reportTrust(2, 1, T0 + 100, T0), 'paired');
    assert.equal((await store.trustDocuments(1, 2)).certificate, '');
    assert.equal(await store.certifyTrust(certified(1, 2, 2)), 'older');
    assert.equal(await store.certifyTrust(certified(1, 2, 3)), 'stored');
  });

  check('reports change nothing of a certificate in force', async (store) => {
    await store.certifyTrust(certified(1, 2, 2, { notAfter: T0 + 100 }));
    assert.equal(await store.reportTrust(1, 2, T0, 0), 'trusted');
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'trusted');
    await store.respondHandshake(response(2, 1));
    assert.equal((await store.trustDocuments(1, 2)).certificate, 'cert 2');
    assert.equal(await store.trusted(1, 2, T0 + 100), false);
  });

  check('a tombstone covers serials of both sides, whatever is reported after', async (store) => {
    await store.certifyTrust(certified(1, 2, 3));
    const document = { serial: 5, text: 'revoked 5' };
    assert.deepEqual(await store.revokeTrust(revocation(1, 2, { document })), {
      existed: true,
      delivered: true,
    });
    for (const serial of [1, 3, 5])
      assert.equal(await store.certifyTrust(certified(2, 1, serial)), 'revoked');
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'half');
    assert.equal(await store.trusted(1, 2, T0), false);
    assert.deepEqual(await store.trustDocuments(2, 1), { certificate: '', revocation: 'revoked 5' });
    assert.equal(await store.certifyTrust(certified(1, 2, 6)), 'stored');
    assert.equal(await store.trusted(1, 2, T0), true);
    // The other side's revocation counts as well, and the higher one is shown.
    await store.revokeTrust(revocation(2, 1, { document: { serial: 9, text: 'revoked 9' } }));
    assert.equal(await store.certifyTrust(certified(1, 2, 9)), 'revoked');
    assert.equal((await store.trustDocuments(1, 2)).revocation, 'revoked 9');
  });

  check('a revocation without a document covers what the pair had', async (store) => {
    await store.certifyTrust(certified(1, 2, 4));
    await store.revokeTrust(revocation(2, 1));
    assert.equal(await store.certifyTrust(certified(1, 2, 4)), 'revoked');
    assert.equal((await store.trustDocuments(1, 2)).revocation, '');
    // A later one with less to say takes nothing back.
    await store.revokeTrust(revocation(2, 1, { document: { serial: 2, text: 'revoked 2' } }));
    assert.equal(await store.certifyTrust(certified(1, 2, 4)), 'revoked');
    assert.equal(await store.certifyTrust(certified(1, 2, 5)), 'stored');
  });

  check('a revocation counts before the certificate it is of has come', async (store) => {
    assert.deepEqual(await store.revokeTrust(revocation(1, 2, { document: { serial: 1, text: 'early' } })), {
      existed: false,
      delivered: false,
    });
    assert.equal(await store.certifyTrust(certified(1, 2, 1)), 'revoked');
  });

  check('a late revocation leaves a newer certificate alone', async (store) => {
    await store.certifyTrust(certified(1, 2, 7));
    assert.deepEqual(await store.revokeTrust(revocation(1, 2, { document: { serial: 6, text: 'late' } })), {
      existed: true,
      delivered: false,
    });
    assert.equal(await store.trusted(1, 2, T0), true);
    assert.deepEqual(await store.trustDocuments(1, 2), { certificate: 'cert 7', revocation: 'late' });
  });

  check('a quiet request that does not fit is put into the sink, and the answer tells', async (store) => {
    const quiet = { quiet: true, perTarget: 1 };
    assert.equal(await store.requestHandshake(request(1, 9, quiet)), 'stored');
    assert.equal(await store.requestHandshake(request(1, 9, quiet)), 'pending');
    assert.equal(await store.requestHandshake(request(2, 9, quiet)), 'full');
    assert.equal((await store.pollInbox(9, 0, 10)).length, 1);
    assert.deepEqual(
      (await store.pollInbox(0, 0, 10)).map(({ from }) => from),
      [1, 2],
    );
  });

  check('lists pairs that have not ended, in order and in parts', async (store) => {
    await store.certifyTrust(certified(5, 2, 1));
    await store.certifyTrust(certified(1, 9, 1));
    await store.certifyTrust(certified(1, 3, 1, { notAfter: T0 }));
    await store.certifyTrust(certified(1, 4, 1, { notAfter: T0 + 1 }));
    await store.reportTrust(7, 8, T0, 0);
    const all = [
      { low: 1, high: 4 },
      { low: 1, high: 9 },
      { low: 2, high: 5 },
    ];
    assert.deepEqual(await store.listTrust({ low: 0, high: 0 }, 10, T0), all);
    assert.deepEqual(await store.listTrust({ low: 0, high: 0 }, 1, T0), all.slice(0, 1));
    assert.deepEqual(await store.listTrust(all[0]!, 10, T0), all.slice(1));
    assert.deepEqual(await store.listTrust(all[2]!, 10, T0), []);
  });
}
