import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../sim/net/seeded-random.ts';
import { type Errand, type ErrandKind, Errands, keyOf } from './errands.ts';
import { ERRAND_LIMIT, FLIGHT_LIMIT } from './limits.ts';

function errand(kind: ErrandKind, peer = 7): Errand {
  return { kind, peer, requestId: 'r', reason: '' };
}

/** Runs what is due; returns legs as `kind leg`. */
function due(errands: Errands, now: number): string[] {
  return errands.due(now).departures.map(({ errand: each, leg }) => `${each.kind} ${leg}`);
}

test('an answer goes both ways at once and is over when the registry has it', () => {
  const errands = new Errands(seededRandom('a'));
  errands.start(errand('accept'), ['direct', 'relay'], 0);
  assert.deepEqual(due(errands, 0), ['accept direct', 'accept relay']);
  assert.deepEqual(errands.relaySettled('accept:7', true), errand('accept'));
  assert.equal(errands.nextTimeout(), undefined);
});

test('a failed leg is repeated with growing pauses, a leg that worked is not', () => {
  const errands = new Errands(seededRandom('b'));
  errands.start(errand('accept'), ['direct', 'relay'], 0);
  const [direct] = errands.due(0).departures;
  errands.directSettled(direct!.ref, true, 0);
  errands.relaySettled('accept:7', false);
  let last = 0;
  let pause = 0;
  for (let i = 0; i < 5; i++) {
    const next = errands.nextTimeout()!;
    assert.ok(next - last > pause * 1.5, 'pauses double');
    [pause, last] = [next - last, next];
    assert.deepEqual(due(errands, next), ['accept relay']);
    errands.relaySettled('accept:7', false);
  }
});

test('an attempt of which nothing is heard is repeated after a minute', () => {
  const errands = new Errands(seededRandom('c'));
  errands.start(errand('report'), ['relay'], 0);
  assert.deepEqual(due(errands, 0), ['report relay']);
  const sent: number[] = [];
  for (let now = 0; now < 5 * FLIGHT_LIMIT; now = errands.nextTimeout()!) {
    if (due(errands, now).length > 0) sent.push(now);
  }
  assert.ok(sent.length >= 1 && sent[0]! >= FLIGHT_LIMIT);
});

test('a request is only over when it is cancelled', () => {
  const errands = new Errands(seededRandom('d'));
  errands.start(errand('request'), ['direct', 'relay'], 0);
  assert.deepEqual(due(errands, 0), ['request direct']);
  assert.deepEqual(due(errands, 1_000), ['request relay']);
  assert.equal(errands.relaySettled('request:r', true), undefined);
  const next = errands.nextTimeout()!;
  assert.deepEqual(due(errands, next), ['request direct', 'request relay']);
  errands.cancel(keyOf(errand('request')));
  assert.equal(errands.nextTimeout(), undefined);
});

test('results of attempts that no longer count change nothing', () => {
  const errands = new Errands(seededRandom('e'));
  errands.start(errand('revoke'), ['direct', 'relay'], 0);
  const [old] = errands.due(0).departures;
  errands.start(errand('revoke'), ['direct', 'relay'], 10);
  assert.equal(errands.errandOf(old!.ref), undefined);
  assert.equal(errands.directSettled(old!.ref, true, 11), undefined);
  assert.deepEqual(due(errands, 11), ['revoke direct', 'revoke relay']);
  assert.equal(errands.relaySettled('revoke:99', true), undefined);
});

test('errands end after their lifetime', () => {
  const errands = new Errands(seededRandom('f'));
  errands.start(errand('reject'), ['direct', 'relay'], 0);
  errands.due(0);
  assert.deepEqual(errands.due(25 * 3_600_000).expired, [errand('reject')]);
  assert.equal(errands.nextTimeout(), undefined);
});

test('their number is bounded: answers give way before what our user wants', () => {
  const errands = new Errands(seededRandom('g'));
  errands.start(errand('revoke', 1), ['direct'], 0);
  for (let peer = 2; peer < 3 * ERRAND_LIMIT; peer++) errands.start(errand('accept', peer), ['direct'], 0);
  const { departures } = errands.due(0);
  assert.equal(departures.length, ERRAND_LIMIT);
  assert.ok(departures.some(({ errand: each }) => each.kind === 'revoke'));
});

test('a way that is open again is taken at once, and the pauses begin anew', () => {
  const errands = new Errands(seededRandom('h'));
  errands.start(errand('revoke', 1), ['direct', 'relay'], 0);
  errands.start(errand('revoke', 2), ['direct', 'relay'], 0);
  let now = 0;
  for (let round = 0; round < 20; round++) {
    now = errands.nextTimeout()!;
    for (const { ref, errand: each, leg } of errands.due(now).departures) {
      if (leg === 'direct') errands.directSettled(ref, false, now);
      else errands.relaySettled(keyOf(each), false);
    }
  }
  assert.ok(errands.nextTimeout()! > now + 60_000, 'the pauses have grown long');
  errands.hasten('direct', 1, now + 1, 0);
  assert.deepEqual(due(errands, now + 1), ['revoke direct', 'revoke relay'], 'only of this peer');
  errands.hasten('relay', undefined, now + 2, 300);
  const at = errands.nextTimeout()!;
  assert.ok(at >= now + 2 && at <= now + 302);
});

test('a question goes to the registry only after the withdrawal before it', () => {
  const errands = new Errands(seededRandom('w'));
  errands.start(errand('revoke'), ['relay'], 0);
  assert.deepEqual(due(errands, 0), ['revoke relay']);
  errands.relaySettled('revoke:7', false);
  errands.start(errand('request'), ['direct', 'relay'], 1);
  let now = 1;
  for (let round = 0; round < 6; round++) {
    const { departures } = errands.due(now);
    for (const { errand: each, leg, ref } of departures) {
      assert.ok(each.kind === 'revoke' || leg === 'direct', `round ${round}`);
      if (leg === 'direct') errands.directSettled(ref, false, now);
      else errands.relaySettled('revoke:7', false);
    }
    now = errands.nextTimeout()!;
  }
  while (!due(errands, now).includes('revoke relay')) now = errands.nextTimeout()!;
  errands.relaySettled('revoke:7', true);
  errands.withdrawn(7, now);
  assert.ok(due(errands, now).includes('request relay'));
});
