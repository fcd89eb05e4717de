/**
 * One random life of streams per seed, and what must hold for every one: each byte arrives exactly once and in order,
 * both ends learn how it ended, nothing hangs, and no more is sent than is needed.
 */
import assert from 'node:assert/strict';
import type { CongestionKind } from '../../api/congestion.ts';
import type { Random } from '../../base/random.ts';
import type { Bytes, Millis } from '../../base/units.ts';
import { FLAG_FIN, FLAG_RST, FLAG_SYN, type Packet } from '../../wire/packet.ts';
import { looksLikeSack } from '../../wire/sack.ts';
import { type Closes, exchange, type Plan } from './exchange.testkit.ts';
import { checkCase, type ExchangeCase, timeLimit } from './exchange-cases.testkit.ts';
import { Link, type LinkConditions, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';
import type { ConnId } from './types.ts';

const KINDS = ['exchange', 'exchange', 'exchange', 'restart', 'reuse'] as const;
const CONTROLLERS: readonly CongestionKind[] = ['tolerant', 'tolerant', 'bbr', 'cubic'];
const CLOSES: readonly (readonly [Closes, Closes])[] = [
  ['when_written', 'at_end'],
  ['at_end', 'when_written'],
  ['when_written', 'when_written'],
  ['when_received', 'when_received'],
];
/** Sequence numbers begin at most this far before they wrap. */
const BEFORE_WRAP: Bytes = 100_000;
/** Nothing of a stream is left after this: a peer counts as gone after two minutes, and probes are 15 s apart. */
const ALL_OVER: Millis = 400_000;

/** What a seed stands for, for the report of a failure. */
export interface ModelCase {
  readonly kind: (typeof KINDS)[number];
  readonly given: ExchangeCase;
  readonly congestion: CongestionKind;
  readonly wraps: boolean;
  /** Largest payload the link carries, from when on, and whether the sender is told. */
  readonly shrink:
    | { readonly from: Bytes; readonly to: Bytes; readonly at: Millis; readonly told: boolean }
    | undefined;
  /** Now and then everything is lost for so long on average, ms. */
  readonly bursts: number | undefined;
  /** Every FIN is lost so many times. */
  readonly finsLost: number;
}

export function modelCase(seed: number): ModelCase {
  const random = seededRandom(seed).fork('case');
  const pick = <T>(...choices: readonly T[]): T => choices[random.below(choices.length)]!;
  const calm = random.below(3) === 0;
  const rate = pick(Number.POSITIVE_INFINITY, 100e6, 10e6, 2e6);
  const link: LinkConditions = {
    delay: pick(0, 0.2, 1, 10, 50, 150),
    jitter: calm ? 0 : pick(0, 1, 10, 60),
    loss: calm ? 0 : pick(0, 0.01, 0.03, 0.1),
    duplicate: calm ? 0 : pick(0, 0.01, 0.1),
    reorder: calm ? 0 : pick(0, 0.02, 0.2),
    rate,
    queue: calm ? Number.POSITIVE_INFINITY : pick(Number.POSITIVE_INFINITY, 250_000, 30_000),
  };
  const slow = random.below(8) === 0;
  const size = () =>
    random.below(3) === 0 ? pick(0, 1, 5, 1152, 1153) : random.below(slow ? 600_000 : 250_000);
  const plans = Array.from({ length: 1 + random.below(3) }, (): Plan => {
    const pauses = [0, 0].map(() => (slow ? pick(0, 60_000) : pick(0, 0, 0, 1, 20)));
    return {
      sizes: [size(), size()],
      writes: [pick(1 << 20, 65_536, 4096, 1152, 700), pick(1 << 20, 65_536, 4096, 1152, 700)],
      readPauses: [pauses[0]!, pauses[1]!],
      // What is unread half a minute after `close` is thrown away, so a slow reader closes late.
      closes: pauses.includes(60_000) ? ['when_received', 'when_received'] : pick(...CLOSES),
    };
  });
  const outage =
    calm || random.below(4) > 0
      ? undefined
      : { after: pick(0, 10, 100, 1000), length: pick(500, 5000, 25_000) };
  const kind = pick(...KINDS);
  return {
    kind,
    given: { seed, link, plans, outage },
    congestion: pick(...CONTROLLERS),
    // Two lives begin at numbers that are not related.
    wraps: kind === 'exchange' && random.below(2) === 0,
    shrink:
      random.below(3) === 0
        ? {
            from: pick(1400, 8900, 60_000),
            to: pick(600, 1152, 1300),
            at: pick(0, 30, 300),
            told: pick(true, false),
          }
        : undefined,
    bursts: calm || random.below(4) > 0 ? undefined : pick(3, 30, 300),
    finsLost: calm ? 0 : pick(0, 0, 1, 3),
  };
}

/** Plays the life of a seed; throws with what was broken. */
export function playSeed(seed: number): ModelCase {
  const model = modelCase(seed);
  if (model.kind === 'exchange') playExchange(model);
  else playRestart(model);
  return model;
}

function node(model: ModelCase, id: number, label: string): Streams {
  const random = seededRandom(model.given.seed).fork(label);
  const streams = new Streams({
    random: model.wraps ? beforeWrap(random) : random,
    // A reader that pauses for minutes is waited for here; ordinarily nobody waits so long at the other end.
    // A path below the size that every path must carry is known from the start, or no small segment would get through.
    config: {
      congestion: model.congestion,
      mss: Math.min(1152, model.shrink?.to ?? 1152),
      halfCloseTimeout: 3_600_000,
    },
  });
  streams.setNode(id);
  if (model.shrink !== undefined) streams.setSegmentLimit(3 - id, model.shrink.from, 0);
  return streams;
}

/** Initial sequence numbers shortly before 2^32. */
function beforeWrap(random: Random): Random {
  return {
    ...random,
    u32: () => 0xffff_ffff - random.below(BEFORE_WRAP),
    fork: (label) => random.fork(label),
  };
}

function disturb(link: Link, model: ModelCase, random: Random, count: Counter): void {
  const { shrink, bursts, finsLost, given } = model;
  let badUntil = 0;
  let down = false;
  let carries = Number.POSITIVE_INFINITY;
  const fins = [0, 0];
  if (shrink !== undefined) {
    link.at(link.now + shrink.at, () => {
      carries = shrink.to;
    });
  }
  const { outage } = given;
  if (outage !== undefined) {
    link.at(link.now + outage.after, () => {
      down = true;
    });
    link.at(link.now + outage.after + outage.length, () => {
      down = false;
    });
  }
  link.filter = (from, packet, now) => {
    count.see(from, packet);
    if (down || packet.payload.length > carries) return false;
    if ((packet.flags & FLAG_FIN) !== 0 && fins[from]!++ < finsLost) return false;
    if (now < badUntil) return false;
    if (bursts !== undefined && random.fraction() < 0.002) badUntil = now + random.below(2 * bursts);
    return true;
  };
}

function playExchange(model: ModelCase): void {
  const { given, shrink } = model;
  const random = seededRandom(given.seed);
  const peers = [node(model, 1, 'a'), node(model, 2, 'b')] as const;
  const count = new Counter();
  const result = exchange(peers, random, given.link, given.plans, limitOf(model), (link) => {
    disturb(link, model, random.fork('disturb'), count);
    if (shrink?.told) {
      link.at(link.now + shrink.at + 200, () => {
        for (const side of [0, 1] as const) peers[side].setSegmentLimit(2 - side, shrink.to, link.now);
      });
    }
  });
  for (const [i, { sizes }] of given.plans.entries()) {
    assert.deepEqual(result.received[i], [sizes[1], sizes[0]], `bytes of stream ${i}`);
    assert.deepEqual(result.ends[i], ['finished', 'finished'], `ends of stream ${i}`);
  }
  const plain = shrink === undefined && model.bursts === undefined && model.finsLost === 0;
  if (plain && model.congestion !== 'bbr') checkCase(given, result);
  if (isClean(model)) count.check(result.elapsed);
}

/** Nothing is lost, doubled or reordered: whatever is sent twice is sent in vain. */
function isClean({ given: { link, outage }, shrink, bursts, finsLost }: ModelCase): boolean {
  return (
    link.loss + link.duplicate + link.reorder + link.jitter + finsLost === 0 &&
    !Number.isFinite(link.queue) &&
    outage === undefined &&
    bursts === undefined &&
    shrink === undefined
  );
}

function limitOf(model: ModelCase): Millis {
  const { given, shrink, bursts, finsLost } = model;
  const bytes = given.plans.reduce((sum, { sizes }) => sum + sizes[0] + sizes[1], 0);
  const trip = 2 * (given.link.delay + given.link.jitter + 1);
  // A plain CUBIC stream is slow where much is lost.
  const cautious = model.congestion === 'tolerant' ? 1 : 4;
  const burst = bursts === undefined ? 0 : (bytes / 600) * 0.002 * (bursts + 5000);
  return (
    cautious * timeLimit(given) +
    (shrink === undefined ? 0 : 40_000 + (bytes / 600) * trip * 0.2) +
    burst +
    finsLost * 10_000
  );
}

/** Counts what is on the link. */
class Counter {
  readonly #seen = new Set<string>();
  data = 0;
  again = 0;
  acks = 0;

  see(from: number, packet: Packet): void {
    if ((packet.flags & (FLAG_SYN | FLAG_RST | FLAG_FIN)) !== 0) return;
    if (packet.payload.length <= 1 || looksLikeSack(packet.payload, 0, packet.payload.length)) {
      this.acks++;
      return;
    }
    const key = `${from} ${packet.sourcePort} ${packet.seq}`;
    this.data++;
    if (this.#seen.has(key)) this.again++;
    this.#seen.add(key);
  }

  /** On a link that loses nothing, in `elapsed` ms. */
  check(elapsed: Millis): void {
    const probes = 20 + elapsed / 1000;
    const fresh = this.data - this.again;
    assert.ok(this.data <= 1.5 * fresh + probes, `${this.data} data packets for ${fresh} segments`);
    assert.ok(
      this.acks <= 1.5 * this.data + 2 * probes,
      `${this.acks} acknowledgments for ${this.data} segments`,
    );
  }
}

/**
 * One end loses its memory in the middle of a stream and comes back. The other learns that the stream is over, and a new
 * one carries its own bytes only; with `reuse` it is the dialer that restarts, and takes the same port again.
 */
function playRestart(model: ModelCase): void {
  const { given, kind } = model;
  const random = seededRandom(given.seed);
  const peers = [samePort(model, 1), node(model, 2, 'b')];
  const count = new Counter();
  let end: string | undefined;
  /** The byte that the stream of each life consists of, and how many of it each connection of the listener carried. */
  let life = 1;
  let conn: ConnId = 0;
  let served = false;
  const carried = new Map<ConnId, [number, Bytes]>();
  const size = 40_000;
  const link: Link = new Link([peers[0]!, peers[1]!], [1, 2], random, given.link, (side, output) => {
    const streams = peers[side]!;
    if (output.type === 'incoming') served = true;
    if (output.type === 'readable' && side === 1) {
      for (
        let c = streams.read(output.conn, link.now);
        c !== undefined;
        c = streams.read(output.conn, link.now)
      ) {
        const of = carried.get(output.conn) ?? [c[0]!, 0];
        of[1] += c.length;
        carried.set(output.conn, of);
        assert.ok(
          c.every((byte) => byte === of[0]),
          'bytes of two lives in one stream',
        );
      }
      if (streams.atEnd(output.conn)) streams.close(output.conn, link.now);
    }
    if (side === 0 && (output.type === 'closed' || output.type === 'dialFailed')) end = output.reason;
  });
  disturb(link, model, random.fork('disturb'), count);
  const dial = (): void => {
    conn = peers[0]!.dial({ network: 0, node: 2 }, 80, link.now, { timeout: ALL_OVER });
    peers[0]!.write(conn, new Uint8Array(size).fill(life), link.now);
  };
  peers[1]!.listen(80);
  dial();
  const isOpen = () => served && peers[0]!.statusOf(conn)?.state === 'ESTABLISHED';
  assert.ok(link.run(link.now + ALL_OVER, isOpen), 'the stream of the first life never opens');
  link.run(link.now + random.below(2000));
  const restarted = kind === 'reuse' ? 0 : 1;
  peers[restarted] = restarted === 0 ? samePort(model, 2) : node(model, 2, 'b again');
  if (restarted === 1) peers[1]!.listen(80);
  link.replace(restarted, peers[restarted]!);
  if (restarted === 1) {
    // What the first life still had to send wakes the peer that forgot it.
    peers[0]!.write(conn, new Uint8Array(10).fill(1), link.now);
    assert.ok(
      link.run(link.now + ALL_OVER, () => end !== undefined),
      'the dialer never learns that its stream is over',
    );
  }
  life = 2;
  end = undefined;
  carried.clear();
  dial();
  peers[0]!.close(conn, link.now);
  assert.ok(
    link.run(link.now + ALL_OVER, () => end !== undefined),
    'the stream of the second life never ends',
  );
  assert.equal(end, 'finished');
  link.run(link.now + ALL_OVER);
  const whole = [...carried.values()].filter(([byte, bytes]) => byte === 2 && bytes === size);
  assert.equal(whole.length, 1, 'the stream of the second life is not complete');
}

/** A dialer that takes the same ephemeral port every time. */
function samePort(model: ModelCase, life: number): Streams {
  const random = seededRandom(model.given.seed).fork(`a ${life}`);
  const streams = new Streams({
    random: {
      ...random,
      below: (limit) => (limit === 16_384 ? 77 : random.below(limit)),
      fork: (label) => random.fork(label),
    },
    config: { congestion: model.congestion, mss: Math.min(1152, model.shrink?.to ?? 1152) },
  });
  streams.setNode(1);
  return streams;
}
