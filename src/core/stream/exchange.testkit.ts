/** Plays applications on both ends of a link and checks what streams promise them. */
import assert from 'node:assert/strict';
import type { Random } from '../../base/random.ts';
import type { Address, Instant, Port } from '../../base/units.ts';
import { Link, type LinkConditions, type Peer } from './streams.testkit.ts';
import type { ConnId, StreamOutput } from './types.ts';

/** What `Streams` and the model of an old peer have in common. */
export interface StreamPeer extends Peer {
  listen(port: Port): boolean;
  dial(remote: Address, port: Port, now: Instant, options?: { readonly timeout?: number }): ConnId;
  write(conn: ConnId, data: Uint8Array, now: Instant): number;
  read(conn: ConnId, now: Instant): Uint8Array | undefined;
  atEnd(conn: ConnId): boolean;
  close(conn: ConnId, now: Instant): void;
}

/** What the two applications of one stream do. Sizes in bytes. */
export interface Plan {
  /** From the dialer, from the listener. */
  readonly sizes: readonly [number, number];
  /** Largest single write, per side. */
  readonly writes: readonly [number, number];
  /** Pause after each read, ms; 0 reads all there is. */
  readonly readPauses: readonly [number, number];
  /** When each side closes, once it has written everything. */
  readonly closes: readonly [Closes, Closes];
}

/** At once, when it has received everything, or when the peer has closed. */
export type Closes = 'when_written' | 'when_received' | 'at_end';

interface App {
  readonly side: number;
  conn: ConnId | undefined;
  written: number;
  received: number;
  sawEnd: boolean;
  closeCalled: boolean;
  readAt: Instant;
  ended: string | undefined;
  readonly plan: Plan;
  readonly stream: number;
}

/** The byte at `offset` of what `side` sends on `stream`. */
function byteAt(stream: number, side: number, offset: number): number {
  return (Math.imul(offset + 1, 0x9e37_79b1) >>> 13) ^ (stream * 31 + side * 97);
}

export interface ExchangeResult {
  readonly packets: number;
  readonly dropped: number;
  /** Of the last application event. */
  readonly elapsed: number;
  /** How each stream ended, dialer's view and listener's. */
  readonly ends: readonly (readonly [string | undefined, string | undefined])[];
  readonly received: readonly (readonly [number, number])[];
}

/**
 * Dials one stream per plan from side 0 to side 1 and runs until all ended or `limit` ms passed.
 * Fails at once on a wrong byte or on bytes after the end.
 */
export function exchange(
  peers: readonly [StreamPeer, StreamPeer],
  random: Random,
  conditions: Partial<LinkConditions>,
  plans: readonly Plan[],
  limit: number,
  prepare: (link: Link) => void = () => {},
): ExchangeResult {
  const apps: [App, App][] = plans.map((plan, stream) => [newApp(0, plan, stream), newApp(1, plan, stream)]);
  const find = (side: number, conn: ConnId): App | undefined =>
    apps.map((pair) => pair[side]!).find((app) => app.conn === conn);
  const abandoned = new Set<ConnId>();
  const dialedFrom = new Set<string>();
  let lastEvent = 0;
  const link = new Link(peers, [1, 2], random, conditions, (side, output) => {
    lastEvent = link.now;
    onOutput(side, output);
  });
  prepare(link);

  function onOutput(side: number, output: StreamOutput): void {
    switch (output.type) {
      case 'incoming': {
        const app = apps[output.port - 5000]![1];
        const from = `${output.port} ${output.remotePort}`;
        // An old listener takes a late copy of a SYN for a new stream; nobody is at its other end.
        if (dialedFrom.has(from) && app.ended === undefined) {
          abandoned.add(output.conn);
          return;
        }
        dialedFrom.add(from);
        // A dialer may start over before it has accepted any answer.
        if (app.conn !== undefined) {
          abandoned.add(app.conn);
          Object.assign(app, newApp(1, app.plan, app.stream));
        }
        app.conn = output.conn;
        act(app);
        return;
      }
      case 'connected':
      case 'writable':
      case 'readable': {
        const app = find(side, output.conn);
        if (app !== undefined) act(app);
        return;
      }
      case 'closed':
      case 'dialFailed': {
        const app = find(side, output.conn);
        if (app === undefined && side === 1 && abandoned.has(output.conn)) return;
        assert.ok(app !== undefined, 'an end of a stream nobody knows');
        assert.equal(app.ended, undefined, 'a stream ended twice');
        // What arrived before a reset is still there.
        do app.readAt = 0;
        while (read(app));
        app.ended = output.reason;
        return;
      }
      case 'finished':
      case 'pong':
      case 'datagram':
      case 'packet':
        return;
      default:
        output satisfies never;
    }
  }

  function act(app: App): void {
    if (app.conn === undefined || app.ended !== undefined) return;
    write(app);
    read(app);
    const { side, plan } = app;
    if (app.closeCalled || app.written < plan.sizes[side]!) return;
    const closes = plan.closes[side]!;
    if (closes === 'at_end' && !app.sawEnd) return;
    if (closes === 'when_received' && app.received < plan.sizes[1 - side]!) return;
    app.closeCalled = true;
    peers[side]!.close(app.conn, link.now);
  }

  function write(app: App): void {
    const { side, plan } = app;
    while (app.written < plan.sizes[side]! && !app.closeCalled) {
      const length = Math.min(plan.writes[side]!, plan.sizes[side]! - app.written);
      const data = new Uint8Array(length);
      for (let i = 0; i < length; i++) data[i] = byteAt(app.stream, side, app.written + i);
      const accepted = peers[side]!.write(app.conn!, data, link.now);
      app.written += accepted;
      if (accepted < length) return;
    }
  }

  /** Returns true when there may be more to read after a pause. */
  function read(app: App): boolean {
    const { side, plan } = app;
    const pause = plan.readPauses[side]!;
    if (app.readAt > link.now) return false;
    for (;;) {
      const chunk = peers[side]!.read(app.conn!, link.now);
      if (chunk === undefined) break;
      assert.equal(app.sawEnd, false, 'bytes after the end');
      for (let i = 0; i < chunk.length; i++) {
        const wanted = byteAt(app.stream, 1 - side, app.received + i) & 0xff;
        if (chunk[i] !== wanted) assert.fail(`wrong byte at ${app.received + i} of stream ${app.stream}`);
      }
      app.received += chunk.length;
      if (pause > 0) {
        app.readAt = link.now + pause;
        link.at(app.readAt, () => act(app));
        return true;
      }
    }
    if (peers[side]!.atEnd(app.conn!)) app.sawEnd = true;
    return false;
  }

  for (let stream = 0; stream < plans.length; stream++) {
    peers[1]!.listen(5000 + stream);
    const to = { network: 0, node: 2 };
    apps[stream]![0].conn = peers[0].dial(to, 5000 + stream, link.now, { timeout: limit });
  }
  const start = link.now;
  const all = apps.flat();
  link.run(start + limit, () => all.every((app) => app.ended !== undefined));
  return {
    packets: link.packets,
    dropped: link.dropped,
    elapsed: lastEvent - start,
    ends: apps.map(([a, b]) => [a.ended, b.ended] as const),
    received: apps.map(([a, b]) => [a.received, b.received] as const),
  };
}

function newApp(side: number, plan: Plan, stream: number): App {
  return {
    side,
    plan,
    stream,
    conn: undefined,
    written: 0,
    received: 0,
    sawEnd: false,
    closeCalled: false,
    readAt: 0,
    ended: undefined,
  };
}
