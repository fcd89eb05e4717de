import type { BeaconRow } from '../../api/dashboard.ts';
import { formatEndpoint, parseHostPort } from '../../base/endpoint.ts';
import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import type { Clock, Log, Net, Timer, UdpSocket } from '../../runtime/ports.ts';
import { decodeBeaconMessage, encodeDiscover } from '../../wire/beacon.ts';
import type { CensusResult } from './census.ts';
import type { BeaconStats } from './collect.ts';

const ROUND: Millis = 10_000;
/** A beacon that has not answered for this long counts as silent. */
const SILENT: Millis = 3 * ROUND;
const MAX_WATCHED = 64;

export interface OwnBeacon {
  readonly endpoint: Endpoint;
  stats(): BeaconStats;
}

interface Watched {
  readonly address: string;
  readonly own: boolean;
  readonly target: Endpoint;
  askedAt: Instant;
  answeredAt: Instant | undefined;
  rtt: Millis | undefined;
}

export interface BeaconWatchOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Log;
  readonly ownBeacon: OwnBeacon;
  readonly otherBeacons: () => Promise<readonly string[]>;
}

/** Asks the beacons it knows where it is, as any node does, and takes the time. Asking registers nobody. */
export class BeaconWatch {
  readonly #options: BeaconWatchOptions;
  readonly #watched = new Map<string, Watched>();
  #socket: UdpSocket | undefined;
  #timer: Timer | undefined;
  #rates = { at: 0, bytes: 0, frames: 0, bytesPerSecond: 0, framesPerSecond: 0 };

  constructor(options: BeaconWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { net, clock } = this.#options;
    const own = this.#options.ownBeacon.endpoint;
    this.#socket = await net.udp({ host: own.host.includes(':') ? '::' : '0.0.0.0', port: 0 });
    this.#socket.onDatagram((data, from) => this.#answered(data, from));
    this.#rates.at = clock.now();
    const round = (): void => {
      void this.#ask().finally(() => {
        if (this.#timer !== undefined) this.#timer = clock.at(clock.now() + ROUND, round);
      });
    };
    this.#timer = clock.at(clock.now(), round);
  }
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#socket?.close();
    this.#socket = undefined;
  }

  /** Milliseconds of those that answer. */
  rtts(): Map<string, Millis> {
    const now = this.#options.clock.now();
    const answering = [...this.#watched.values()].filter((each) => rttOf(each, now) !== undefined);
    return new Map(answering.map((each) => [each.address, each.rtt!]));
  }
  rows(census: CensusResult | undefined): BeaconRow[] {
    const now = this.#options.clock.now();
    const { nodes } = this.#options.ownBeacon.stats();
    return [...this.#watched.values()].map((each) => {
      const rtt = rttOf(each, now);
      const { address, own } = each;
      return {
        address,
        own,
        nodes: own ? nodes : (census?.beacons.get(address) ?? 0),
        ...(rtt === undefined ? {} : { rtt_ms: Math.round(rtt * 1000) / 1000 }),
        ...(own
          ? {
              relayed_bytes_per_second: Math.round(this.#rates.bytesPerSecond),
              relayed_frames_per_second: Math.round(this.#rates.framesPerSecond),
            }
          : {}),
      };
    });
  }

  async #ask(): Promise<void> {
    const { clock, ownBeacon } = this.#options;
    const others = await this.#options.otherBeacons();
    const now = clock.now();
    this.#rate(now);
    this.#update(ownBeacon.endpoint, others);
    for (const each of this.#watched.values()) {
      each.askedAt = clock.now();
      this.#socket?.send(encodeDiscover(0), each.target);
    }
  }
  #rate(now: Instant): void {
    const { relayedBytes: bytes, relayedFrames: frames } = this.#options.ownBeacon.stats();
    const seconds = Math.max(0.001, (now - this.#rates.at) / 1000);
    this.#rates = {
      at: now,
      bytes,
      frames,
      bytesPerSecond: (bytes - this.#rates.bytes) / seconds,
      framesPerSecond: (frames - this.#rates.frames) / seconds,
    };
  }
  #update(own: Endpoint, others: readonly string[]): void {
    const wildcard = own.host === '0.0.0.0' || own.host === '::';
    const loopback = own.host === '::' ? '::1' : '127.0.0.1';
    const named = wildcard ? `:${own.port}` : formatEndpoint(own);
    const target = wildcard ? { host: loopback, port: own.port } : own;
    const wanted = new Map<string, { readonly own: boolean; readonly target: Endpoint }>();
    wanted.set(named, { own: true, target });
    for (const address of others.slice(0, MAX_WATCHED)) {
      const endpoint = parseHostPort(address);
      if (endpoint !== undefined && !wanted.has(address))
        wanted.set(address, { own: false, target: endpoint });
    }
    for (const address of this.#watched.keys()) if (!wanted.has(address)) this.#watched.delete(address);
    for (const [address, each] of wanted) {
      if (this.#watched.has(address)) continue;
      const fresh = { askedAt: 0, answeredAt: undefined, rtt: undefined };
      this.#watched.set(address, { address, ...each, ...fresh });
    }
  }
  #answered(data: Uint8Array, from: Endpoint): void {
    const message = decodeBeaconMessage(data);
    if (typeof message === 'string' || message.type !== 'discoverReply') return;
    const now = this.#options.clock.now();
    for (const each of this.#watched.values()) {
      if (each.target.host !== from.host || each.target.port !== from.port) continue;
      each.answeredAt = now;
      const rtt = now - each.askedAt;
      each.rtt = each.rtt === undefined ? rtt : each.rtt * 0.7 + rtt * 0.3;
    }
  }
}

function rttOf({ answeredAt, rtt }: Watched, now: Instant): Millis | undefined {
  return answeredAt === undefined || now - answeredAt > SILENT ? undefined : rtt;
}
