import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PathSize } from './path-size.ts';
import { baseSize, LARGEST_DATAGRAM, LEAST, MAX_CREDIT } from './sizes.ts';

const BASE = baseSize(false);

test('finds what the path carries, whatever that is', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: BASE, max: 65_507 }),
      fc.integer({ min: BASE, max: 65_479 }),
      (mtu, own) => {
        const world = new Way({ mtu, ceiling: own });
        world.transfer(2_000);
        const most = Math.min(mtu, own, LARGEST_DATAGRAM);
        assert.ok(world.sizing.size <= most, `${world.sizing.size} of ${most}`);
        assert.ok(world.sizing.size >= most / 1.125 - 1, `${world.sizing.size} of ${most}`);
        assert.equal(world.sizing.phase, 'settled');
      },
    ),
  );
});

test('spends no more than a share of the data it serves', () => {
  fc.assert(
    fc.property(fc.integer({ min: LEAST, max: 65_507 }), fc.integer({ min: 1, max: 400 }), (mtu, packets) => {
      const world = new Way({ mtu, ceiling: LARGEST_DATAGRAM });
      world.transfer(packets);
      assert.ok(world.spent <= world.sent / 8 + MAX_CREDIT, `${world.spent} for ${world.sent}`);
    }),
  );
});

test('finds the sizes of known links exactly', () => {
  for (const mtu of [1_252, 1_392, 1_444, 1_452, 1_464, 1_472, 8_972, 16_356]) {
    const world = new Way({ mtu, ceiling: LARGEST_DATAGRAM });
    world.transfer(4_000);
    assert.equal(world.sizing.size, mtu);
  }
});

test('an Ethernet path takes one probe', () => {
  const world = new Way({ mtu: 1_472, ceiling: 1_472 });
  world.transfer(20);
  assert.equal(world.sizing.size, 1_472);
  assert.deepEqual(world.probes, [1_472]);
});

test('without data nothing is asked', () => {
  const world = new Way({ mtu: 65_507, ceiling: LARGEST_DATAGRAM });
  world.run(3_600_000);
  assert.deepEqual(world.probes, []);
});

test('a few small packets ask for nothing', () => {
  const world = new Way({ mtu: 65_507, ceiling: LARGEST_DATAGRAM });
  for (let i = 0; i < 50; i++) world.send(134);
  world.run(10_000);
  assert.deepEqual(world.probes, []);
});

test('a peer that does not take part is never asked', () => {
  const world = new Way({ mtu: 65_507, ceiling: LARGEST_DATAGRAM, theirs: 0 });
  world.transfer(1_000);
  world.doubt();
  assert.deepEqual(world.probes, []);
  assert.equal(world.sizing.size, BASE);
});

test('notices that large datagrams are swallowed, and finds the new size', () => {
  const world = new Way({ mtu: 8_972, ceiling: 8_972 });
  world.transfer(200);
  assert.equal(world.sizing.size, 8_972);
  world.mtu = 1_400;
  world.send(8_972);
  world.doubt();
  world.run(1_600);
  assert.ok(world.sizing.size <= 1_400, `${world.sizing.size}`);
  world.transfer(600);
  assert.ok(world.sizing.size >= 1_384 && world.sizing.size <= 1_400, `${world.sizing.size}`);
});

test('a path that does not even carry the base is used below it', () => {
  const world = new Way({ mtu: 1_100, ceiling: 1_472 });
  for (let i = 0; i < 6; i++) {
    world.transfer(10);
    world.doubt();
    world.run(3_000);
  }
  world.transfer(600);
  assert.ok(world.sizing.size >= 1_000 && world.sizing.size <= 1_100, `${world.sizing.size}`);
});

test('silence of the whole path is not taken for a matter of size', () => {
  const world = new Way({ mtu: 1_472, ceiling: 1_472 });
  world.transfer(50);
  world.dead = true;
  world.send(1_472);
  world.doubt();
  world.run(20_000);
  assert.equal(world.sizing.size, 1_472);
});

test('an answer that is only late brings the size back', () => {
  const world = new Way({ mtu: 1_472, ceiling: 1_472 });
  world.transfer(50);
  world.delay = 4_000;
  world.send(1_472);
  world.doubt();
  world.run(1_500);
  assert.ok(world.sizing.size < 1_472);
  world.run(5_000);
  assert.equal(world.sizing.size, 1_472);
});

test('what our own system refuses is too large at once', () => {
  const world = new Way({ mtu: 8_972, ceiling: 8_972 });
  world.transfer(200);
  assert.equal(world.sizing.refused(8_972, world.now), true);
  assert.ok(world.sizing.size < 8_972);
  assert.equal(world.sizing.limit, 8_971);
});

test('where larger datagrams would be cut, one probe decides for ten minutes', () => {
  const world = new Way({ mtu: 1_400, ceiling: 1_472, once: true });
  world.transfer(400);
  assert.deepEqual(world.probes, [1_472]);
  assert.equal(world.sizing.size, BASE);
  world.mtu = 1_472;
  world.run(601_000);
  world.transfer(20);
  assert.equal(world.sizing.size, 1_472);
});

test('a path that became wider is found out after ten minutes', () => {
  const world = new Way({ mtu: 1_400, ceiling: 8_972 });
  world.transfer(2_000);
  world.mtu = 8_972;
  world.run(601_000);
  world.transfer(2_000);
  assert.equal(world.sizing.size, 8_972);
});

test('losing one datagram in ten changes little', () => {
  const world = new Way({ mtu: 1_472, ceiling: 1_472, loss: 0.1 });
  let below = 0;
  for (let i = 0; i < 200; i++) {
    world.transfer(20);
    world.doubt();
    world.run(2_000);
    if (world.sizing.size < 1_472) below++;
  }
  assert.ok(below <= 4, `${below} of 200`);
});

test('any order of events leaves a size between the least and the ceiling', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), size: fc.integer({ min: 0, max: 65_507 }) }),
    fc.record({ kind: fc.constant('refuse' as const), size: fc.integer({ min: 0, max: 65_507 }) }),
    fc.record({ kind: fc.constant('answer' as const), size: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ kind: fc.constant('mtu' as const), size: fc.integer({ min: 0, max: 65_507 }) }),
    fc.record({
      kind: fc.constant('limit' as const),
      size: fc.integer({ min: LEAST, max: LARGEST_DATAGRAM }),
    }),
    fc.record({ kind: fc.constant('run' as const), size: fc.integer({ min: 0, max: 700_000 }) }),
    fc.record({ kind: fc.constant('doubt' as const), size: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new Way({ mtu: 1_472, ceiling: 8_972 });
      let ceiling = 8_972;
      for (const { kind, size } of steps) {
        if (kind === 'send') world.send(size);
        else if (kind === 'refuse') world.sizing.refused(size, world.now);
        else if (kind === 'answer') world.sizing.answered(size, world.now);
        else if (kind === 'mtu') world.mtu = size;
        else if (kind === 'limit') world.sizing.setLimits((ceiling = size), false);
        else if (kind === 'run') world.run(size);
        else world.doubt();
        assert.ok(world.sizing.size >= LEAST && world.sizing.size <= ceiling, `${world.sizing.size}`);
      }
    }),
  );
});

/** A path with a limit, and whoever probes it. */
class Way {
  now = 1_000;
  mtu: number;
  delay = 20;
  dead = false;
  spent = 0;
  sent = 0;
  readonly probes: number[] = [];
  readonly sizing = new PathSize(false);
  readonly #loss: number;
  #aliveAt = 1_000;
  #sequence = 0;
  #seed = 1;
  #answers: { at: number; sequence: number }[] = [];

  constructor(options: { mtu: number; ceiling: number; theirs?: number; once?: boolean; loss?: number }) {
    this.mtu = options.mtu;
    this.#loss = options.loss ?? 0;
    this.sizing.setLimits(options.ceiling, options.once ?? false);
    this.sizing.setTheirs(options.theirs ?? LARGEST_DATAGRAM);
  }

  send(size: number): void {
    this.sent += size;
    this.sizing.carried(size, this.now);
  }

  /** So many datagrams of the size in use, one each 10 ms. */
  transfer(packets: number): void {
    for (let i = 0; i < packets; i++) {
      this.send(this.sizing.size);
      this.run(10);
    }
    this.run(10_000);
  }

  /** As whoever watches the path does: the path itself is asked, too. */
  doubt(): void {
    this.sizing.doubt(this.now);
  }

  run(duration: number): void {
    const until = this.now + duration;
    for (;;) {
      const answer = this.#answers.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
      const next = Math.max(this.now, Math.min(answer, this.sizing.due));
      if (next > until) break;
      this.now = next;
      // Small packets are answered all the time.
      if (!this.dead) this.#aliveAt = next;
      const due = this.#answers.filter(({ at }) => at <= next);
      this.#answers = this.#answers.filter(({ at }) => at > next);
      for (const { sequence } of due) this.sizing.answered(sequence, next);
      this.#probe();
    }
    this.now = until;
  }

  #probe(): void {
    const watched = { aliveAt: this.#aliveAt, rtt: 20 };
    const probe = this.sizing.work(this.now, watched, () => ++this.#sequence);
    if (probe === undefined) return;
    this.probes.push(probe.size);
    this.spent += probe.size;
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) >>> 0;
    const isLost = this.#seed / 2 ** 32 < this.#loss;
    if (this.dead || isLost || probe.size > this.mtu) return;
    this.#answers.push({ at: this.now + this.delay, sequence: probe.sequence });
  }
}
