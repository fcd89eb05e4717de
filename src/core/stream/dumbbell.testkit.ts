/** Several senders over one shared bottleneck, in virtual time. Sender `i` is node `i + 1`, its receiver node `101 + i`. */
import type { StreamPriority } from '../../api/priority.ts';
import type { Random } from '../../base/random.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import type { Packet } from '../../wire/packet.ts';
import type { StreamConfig } from './config.ts';
import { Link, type LinkConditions, type Peer, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';
import type { ConnId, StreamOutput } from './types.ts';

const PORT = 80;
/** An event loop's timers fire on this grid. */
const TIMER: Millis = 1;
const CHUNK = new Uint8Array(64 * 1024);

/** One side of the bottleneck: hands packets to the node they are for. */
class Crowd implements Peer {
  readonly members: readonly Streams[];
  readonly #first: number;
  readonly onEvent: (member: number, output: StreamOutput, now: Instant) => void;
  #turn = 0;

  constructor(members: readonly Streams[], first: number, onEvent: Crowd['onEvent']) {
    this.members = members;
    this.#first = first;
    this.onEvent = onEvent;
  }

  handlePacket(packet: Packet, now: Instant): void {
    this.members[packet.destination.node - this.#first]!.handlePacket(packet, now);
  }

  handleTimeout(now: Instant): void {
    for (const member of this.members) {
      const due = member.nextTimeout();
      if (due !== undefined && due <= now) member.handleTimeout(now);
    }
  }

  nextTimeout(): Instant | undefined {
    let at = Number.POSITIVE_INFINITY;
    for (const member of this.members) at = Math.min(at, member.nextTimeout() ?? at);
    return at === Number.POSITIVE_INFINITY ? undefined : Math.ceil(at / TIMER) * TIMER;
  }

  poll(): StreamOutput | undefined {
    for (let i = 0; i < this.members.length; i++) {
      const member = this.#turn;
      const output = this.members[member]!.poll();
      if (output?.type === 'packet') return output;
      if (output === undefined) this.#turn = (this.#turn + 1) % this.members.length;
      else {
        this.onEvent(member, output, 0);
        i = -1;
      }
    }
    return undefined;
  }
}

export interface Flow {
  readonly config?: Partial<StreamConfig>;
  /** @default 'normal' */
  readonly priority?: StreamPriority;
  /** When it starts, ms. @default 0 */
  readonly from?: Millis;
  /** Bytes it sends; without it, as much as it can. */
  readonly size?: Bytes;
}

export interface FlowResult {
  /** Bytes read by the receiver up to each sample. */
  readonly received: readonly Bytes[];
  /** When everything was read, ms from the start; undefined when it was not. */
  readonly done: Millis | undefined;
  readonly retransmits: number;
  readonly segments: number;
}

export interface DumbbellResult {
  readonly flows: readonly FlowResult[];
  readonly packets: number;
  readonly dropped: number;
  /** Waiting time in the bottleneck's queue, ms: mean over packets of the first direction, and 95 % of them are below. */
  readonly queueMean: Millis;
  readonly queue95: Millis;
}

/** Runs flows for `duration` ms and samples what arrived every `every` ms. Stops early when all sized flows are done. */
export function dumbbell(
  flows: readonly Flow[],
  conditions: Partial<LinkConditions>,
  duration: Millis,
  every: Millis = 1000,
  seed = 1,
): DumbbellResult {
  const random: Random = seededRandom(seed);
  const received: Bytes[] = flows.map(() => 0);
  const written: Bytes[] = flows.map(() => 0);
  const done: (Millis | undefined)[] = flows.map(() => undefined);
  const conns: (ConnId | undefined)[] = flows.map(() => undefined);
  const samples: Bytes[][] = flows.map(() => []);
  const stats = flows.map(() => ({ retransmits: 0, segments: 0 }));
  const node = (index: number, label: string, config?: Partial<StreamConfig>): Streams => {
    const streams = new Streams({ random: random.fork(`${label} ${index}`), ...(config && { config }) });
    streams.setNode(index);
    return streams;
  };
  const senders = flows.map(({ config }, i) => node(1 + i, 'sender', config));
  const receivers = flows.map((_, i) => node(101 + i, 'receiver'));
  let link: Link;
  const write = (i: number): void => {
    const conn = conns[i];
    if (conn === undefined) return;
    const total = flows[i]!.size ?? Number.POSITIVE_INFINITY;
    while (written[i]! < total) {
      const chunk = CHUNK.subarray(0, Math.min(CHUNK.length, total - written[i]!));
      const accepted = senders[i]!.write(conn, chunk, link.now);
      written[i]! += accepted;
      if (accepted < chunk.length) return;
    }
    senders[i]!.close(conn, link.now);
  };
  const read = (i: number, conn: ConnId): void => {
    const streams = receivers[i]!;
    for (let c = streams.read(conn, link.now); c !== undefined; c = streams.read(conn, link.now)) {
      received[i]! += c.length;
    }
    if (received[i] === flows[i]!.size && done[i] === undefined) done[i] = link.now - start;
    if (streams.atEnd(conn)) streams.close(conn, link.now);
  };
  const left = new Crowd(senders, 1, (i, output) => {
    if (output.type === 'connected' || output.type === 'writable') write(i);
  });
  const right = new Crowd(receivers, 101, (i, output) => {
    if (output.type === 'readable') read(i, output.conn);
  });
  link = new Link([left, right], undefined, random.fork('link'), conditions, () => {});
  const start = link.now;
  for (const [i, flow] of flows.entries()) {
    receivers[i]!.listen(PORT);
    link.at(start + (flow.from ?? 0), () => {
      const { priority = 'normal' } = flow;
      conns[i] = senders[i]!.dial({ network: 0, node: 101 + i }, PORT, link.now, { priority });
      write(i);
    });
  }
  for (let at = start + every; at <= start + duration; at += every) {
    link.run(at, () => flows.every(({ size }, i) => size !== undefined && done[i] !== undefined));
    for (let i = 0; i < flows.length; i++) {
      samples[i]!.push(received[i]!);
      const status = conns[i] === undefined ? undefined : senders[i]!.statusOf(conns[i]!);
      if (status) stats[i] = { retransmits: status.retransmits, segments: status.segmentsSent };
    }
  }
  const waits = link.waits.sort((a, b) => a - b);
  return {
    flows: flows.map((_, i) => ({ received: samples[i]!, done: done[i], ...stats[i]! })),
    packets: link.packets,
    dropped: link.dropped,
    queueMean: waits.reduce((sum, wait) => sum + wait, 0) / Math.max(1, waits.length),
    queue95: waits[Math.floor(0.95 * waits.length)] ?? 0,
  };
}

/** Jain's index of shares: 1 when all are equal, 1/n when one has everything. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0);
  return (sum * sum) / (shares.length * shares.reduce((a, b) => a + b * b, 0));
}
