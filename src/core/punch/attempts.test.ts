/** Attempts between two translators that are no more than counters: who meets whom, and with what noise. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint, Instant } from '../../base/units.ts';
import { nodeRandom } from '../../platform/random.ts';
import type { PunchMessage } from '../../wire/path-message.ts';
import { type Attempt, type PunchPort, portAfter } from './attempt.ts';
import { ManyPorts, ManySockets } from './birthday.ts';
import { BIRTHDAY_PORTS, BIRTHDAY_SOCKETS, PREDICTED_PORTS } from './constants.ts';
import { Fan, Grab, Meet, Sweep } from './prediction.ts';

const BEACON: Endpoint = { host: '203.0.113.1', port: 9001 };

/** One side: sockets, and a translator with a counter or with one port for all. */
class Side {
  readonly host: string;
  readonly step: number;
  readonly port: PunchPort;
  readonly sent: { readonly from: number; readonly to: Endpoint }[] = [];
  readonly told: Omit<PunchMessage, 'kind' | 'sequence'>[] = [];
  readonly #noise: () => number;
  readonly #mappings = new Map<string, number>();
  #next: number;
  #sockets = 0;
  attempt: Attempt | undefined;
  #measured: { readonly via: number; readonly endpoint: Endpoint }[] = [];

  /** `step` 0: one port for everything. `noise`: how many ports others take before each of ours. */
  constructor(host: string, first: number, step: number, noise: () => number = () => 0) {
    this.host = host;
    this.step = step;
    this.#next = first;
    this.#noise = noise;
    this.port = {
      random: nodeRandom(),
      openSocket: () => ++this.#sockets,
      measure: (via) => {
        this.#measured.push({ via, endpoint: { host, port: this.external(via, BEACON) } });
        return true;
      },
      shoot: (to, via) => {
        this.sent.push({ from: this.external(via, to), to });
        return true;
      },
      tell: (kind, at, ports) =>
        this.told.push({ nonce: 1, step: kind, strategy: 'prediction', host: at, ports }),
    };
  }

  external(via: number, to: Endpoint): number {
    if (this.step === 0) return this.#next;
    const key = `${via} ${to.host} ${to.port}`;
    const known = this.#mappings.get(key);
    if (known !== undefined) return known;
    this.#next = portAfter(this.#next, this.step * (1 + this.#noise()));
    this.#mappings.set(key, this.#next);
    return this.#next;
  }

  /** The beacon's answers arrive. */
  answers(now: Instant): void {
    for (const { via, endpoint } of this.#measured.splice(0)) this.attempt!.measured(via, endpoint, now);
  }

  /** What was told arrives at the other side. */
  deliver(to: Side, now: Instant): void {
    for (const message of this.told.splice(0))
      to.attempt!.told({ kind: 'punch', sequence: 0, ...message }, now);
  }
}

/** A frame passes when the other side sent from the port it is for to the port it comes from. */
function meets(a: Side, b: Side): boolean {
  const opened = new Set(b.sent.map(({ from, to }) => `${from} ${to.host} ${to.port}`));
  return a.sent.some(({ from, to }) => to.host === b.host && opened.has(`${to.port} ${a.host} ${from}`));
}

const anyPort = fc.integer({ min: 1_024, max: 65_535 });
const anyStep = fc.constantFrom(1, 2, -1, 4);

test('ports between two measurements are foreseen, whatever the step and a few strangers', () => {
  fc.assert(
    fc.property(anyPort, anyStep, fc.nat(1), anyPort, (first, step, noise, fixed) => {
      const a = new Side('198.51.100.1', first, step, () => noise);
      const b = new Side('198.51.100.2', fixed, 0);
      a.attempt = new Grab(a.port, { host: b.host, port: fixed }, step, 0);
      b.attempt = new Meet(b.port, 0);
      a.answers(20);
      a.deliver(b, 40);
      assert.ok(meets(a, b));
      assert.ok(b.sent.length <= PREDICTED_PORTS);
    }),
  );
});

test('two counters meet, though strangers take ports of both meanwhile', () => {
  const noises = fc.array(fc.nat(6), { minLength: 2, maxLength: 2 });
  fc.assert(
    fc.property(
      anyPort,
      anyPort,
      anyStep,
      anyStep,
      noises,
      (firstA, firstB, stepA, stepB, [noiseA, noiseB]) => {
        const late = (count: number): (() => number) => {
          let calls = 0;
          // Strangers come after the measurement, where they do harm.
          return () => (++calls === 3 ? count : 0);
        };
        const a = new Side('198.51.100.1', firstA, stepA, late(noiseA!));
        const b = new Side('198.51.100.2', firstB, stepB, late(noiseB!));
        a.attempt = new Fan(a.port, stepB, a.host, 0);
        b.attempt = new Sweep(b.port, stepA, 20);
        b.answers(40);
        b.deliver(a, 60);
        a.answers(80);
        a.deliver(b, 100);
        assert.ok(meets(a, b) && meets(b, a));
      },
    ),
  );
});

test('of 64,512 ports many are tried, none twice, within two seconds', () => {
  const b = new Side('198.51.100.2', 5_000, 0);
  const attempt = new ManyPorts(b.port, '198.51.100.1', 0);
  let last = 0;
  while (!attempt.over) {
    const next = attempt.nextTimeout();
    if (b.sent.length < BIRTHDAY_PORTS) last = next;
    attempt.handleTimeout(next);
  }
  assert.equal(new Set(b.sent.map(({ to }) => to.port)).size, BIRTHDAY_PORTS);
  assert.equal(b.sent.length, BIRTHDAY_PORTS);
  assert.ok(b.sent.every(({ to }) => to.port >= 1_024 && to.port <= 65_535));
  assert.ok(last < 2_000);
});

test('many sockets speak to one endpoint, and no more often than the budget says', () => {
  const a = new Side('198.51.100.1', 2_000, 7);
  const target = { host: '198.51.100.2', port: 5_000 };
  const attempt = new ManySockets(a.port, target, a.host, 0);
  while (!attempt.over) attempt.handleTimeout(attempt.nextTimeout());
  assert.equal(new Set(a.sent.map(({ from }) => from)).size, BIRTHDAY_SOCKETS);
  assert.equal(a.sent.length, attempt.budget);
  assert.deepEqual(
    a.told.map(({ step }) => step),
    ['go'],
  );
});

test('an attempt that the peer refuses is over', () => {
  const refuse: PunchMessage = {
    ...{ kind: 'punch', sequence: 1, nonce: 1, step: 'refuse', strategy: 'birthday', ports: [] },
    host: '198.51.100.2',
  };
  const a = new Side('198.51.100.1', 2_000, 1);
  const target = { host: '198.51.100.2', port: 5_000 };
  for (const attempt of [
    new ManySockets(a.port, target, a.host, 0),
    new ManyPorts(a.port, target.host, 0),
    new Fan(a.port, 1, a.host, 0),
    new Sweep(a.port, 1, 0),
    new Grab(a.port, target, 1, 0),
    new Meet(a.port, 0),
  ]) {
    attempt.told(refuse, 1);
    assert.ok(attempt.over);
    assert.equal(attempt.nextTimeout(), Number.POSITIVE_INFINITY);
  }
});
