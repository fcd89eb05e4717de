import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TrustSnapshot, TrustTombstone } from '../core/trust/types.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { ManualClock, MemoryStorage } from '../services/data-exchange/exchange.testkit.ts';
import { encodeTrustRevocation, signTrustRevocation } from '../wire/trust-revocation.ts';
import { loadRevocations, REVOCATIONS_FILE, Revocations } from './revocations.ts';

const crypto = nodeCrypto();
const us = crypto.signingKey(new Uint8Array(32).fill(1));
const them = crypto.signingKey(new Uint8Array(32).fill(2));

function snapshot(tombstones: readonly Partial<TrustTombstone>[]): TrustSnapshot {
  return { trusted: [], pending: [], outgoing: [], tombstones: tombstones as TrustTombstone[] };
}
const ours = (serial: number): string =>
  encodeTrustRevocation(signTrustRevocation(us, { node: 1, peer: 2, serial, at: 10, reason: 'lost' }));
const theirs = (serial: number): string =>
  encodeTrustRevocation(signTrustRevocation(them, { node: 2, peer: 1, serial, at: 11, reason: '' }));

async function open(storage: MemoryStorage, clock: ManualClock): Promise<Revocations> {
  const log = { event: () => {} };
  return new Revocations(await loadRevocations(storage, undefined), { storage, clock, log });
}

describe('revocations', () => {
  const clock = new ManualClock();
  const serials = (revocations: Revocations, peer?: number): number[] =>
    revocations.of(peer).map(({ serial }) => serial);

  it('are kept after trust was made anew and a restart, the newest of each side', async () => {
    const storage = new MemoryStorage(clock);
    const first = await open(storage, clock);
    first.note(snapshot([{ node: 2, revocation: ours(3) }]));
    first.note(snapshot([{ node: 2, revocation: ours(5), peerRevocation: theirs(4) }]));
    first.note(snapshot([]));
    first.note(snapshot([{ node: 2, revocation: ours(2) }]));
    await first.close();
    const second = await open(storage, clock);
    assert.deepEqual(serials(second, 2), [5, 4]);
    assert.deepEqual(serials(second, 3), []);
    assert.deepEqual(serials(second), [5, 4]);
  });

  it('that are none are passed over', async () => {
    const storage = new MemoryStorage(clock);
    const revocations = await open(storage, clock);
    revocations.note(snapshot([{ node: 2, revocation: 'not one' }, { node: 3 }]));
    assert.deepEqual(revocations.of(), []);
    await revocations.close();
    assert.equal(storage.files.has(REVOCATIONS_FILE), false);
  });

  it('that a crash kept from their own file come back with the trust they ended', async () => {
    const storage = new MemoryStorage(clock);
    const known = await loadRevocations(storage, snapshot([{ node: 2, revocation: ours(3) }]));
    const revocations = new Revocations(known, { storage, clock, log: { event: () => {} } });
    assert.deepEqual(serials(revocations), [3]);
  });

  it('in a damaged file stop the daemon, naming it', async () => {
    const storage = new MemoryStorage(clock);
    await storage.replace(REVOCATIONS_FILE, new TextEncoder().encode('{"revocations":[]}'));
    await assert.rejects(loadRevocations(storage, undefined), { code: 'state_corrupt' });
  });
});
