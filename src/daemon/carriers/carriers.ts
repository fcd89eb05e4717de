import type { PilotError } from '../../api/errors.ts';
import type { SigningKey } from '../../base/crypto.ts';
import { sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import type { CarrierAddress } from '../../directory/types.ts';
import type { Clock, Log, Net, Timer } from '../../runtime/ports.ts';
import { Carrier } from './carrier.ts';

/** Once UDP works again the stream stays a while: peers move over without a gap, and UDP may be gone at once. */
const LINGER: Millis = 10_000;
/** The next beacon is tried beside one that does not open for so long. */
const NEXT_AFTER: Millis = 2_000;

/** `auto`: byte streams to beacons while none answers over UDP, which is never given up. */
export type Transport = 'udp' | 'compat' | 'auto';

export interface CarriersHost {
  node(): NodeId;
  identity(): SigningKey;
  /** There are beacons to reach over UDP: their names, if they have any, were resolved. */
  hasBeacons(): boolean;
  /** The way through which TCP goes, without credentials; undefined when direct. */
  proxy(): string | undefined;
  up(endpoint: Endpoint, up: boolean): void;
  received(from: Endpoint, data: Uint8Array): void;
}

export interface CarriersStatus {
  readonly transport: Transport;
  readonly inUse: 'udp' | 'compat' | 'none';
  /** Without credentials. */
  readonly proxy?: string;
  /** Why no stream opens, when one is wanted. */
  readonly problem?: 'proxy_auth_failed' | 'carrier_failed';
  readonly detail?: string;
  /** Since when `inUse` holds. */
  readonly since?: Instant;
  /** The beacon's URL, with `compat`. */
  readonly url?: string;
}

/** Decides when beacons are reached by byte streams, and keeps those open. */
export class Carriers {
  readonly #parts: { net: Net; clock: Clock; random: Random; log: Log };
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #transport: Transport;
  readonly #host: CarriersHost;
  #carriers: readonly Carrier[] = [];
  #settled = false;
  #udp: 'unknown' | 'answers' | 'silent' = 'unknown';
  #timer: Timer | undefined;
  #inUse: CarriersStatus['inUse'] = 'none';
  #since: Instant | undefined;
  #stopped = false;

  constructor(options: {
    net: Net;
    clock: Clock;
    random: Random;
    log: Log;
    transport: Transport;
    host: CarriersHost;
  }) {
    const { net, clock, random, log } = options;
    this.#parts = { net, clock, random, log };
    this.#clock = clock;
    this.#log = log;
    this.#transport = options.transport;
    this.#host = options.host;
  }

  /** False when this node is to reach others by streams alone. */
  get allowsUdp(): boolean {
    return this.#transport !== 'compat';
  }

  /** Beacons by their URLs, best first. Those that stay keep their streams. `settled` follows. */
  use(addresses: readonly CarrierAddress[]): void {
    if (this.#stopped || this.#transport === 'udp') return;
    this.#settled = false;
    const before = this.#carriers;
    this.#carriers = addresses.map((address) => {
      const made = this.#make(address);
      return before.find(({ endpoint }) => sameEndpoint(endpoint, made.endpoint)) ?? made;
    });
    for (const carrier of before) if (!this.#carriers.includes(carrier)) carrier.close();
    this.#review();
  }

  /** Where beacons are over UDP is known by now, or cannot be found out soon. */
  settled(): void {
    this.#settled = true;
    this.#review();
  }

  /** We have a node id by now, or are elsewhere. */
  again(): void {
    for (const carrier of this.#carriers) carrier.again();
    this.#review();
  }

  /** What the node hears of its beacons over UDP. */
  udp(state: 'answers' | 'silent'): void {
    if (this.#udp === state) return;
    this.#udp = state;
    this.#review();
  }

  send(to: Endpoint, data: Uint8Array): void {
    for (const carrier of this.#carriers) {
      if (sameEndpoint(carrier.endpoint, to)) carrier.send(data);
    }
  }

  status(): CarriersStatus {
    const up = this.#carriers.find(({ upAt }) => upAt !== undefined);
    const failure = this.#isWanted() && up === undefined ? this.#failure() : undefined;
    const proxy = this.#host.proxy();
    return {
      transport: this.#transport,
      inUse: this.#inUse,
      ...(proxy !== undefined && { proxy }),
      ...(failure !== undefined && { problem: problemOf(failure), detail: failure.message }),
      ...(this.#since !== undefined && { since: this.#since }),
      ...(up !== undefined && { url: up.endpoint.host }),
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const carrier of this.#carriers) carrier.close();
  }

  #make(address: CarrierAddress): Carrier {
    const carrier: Carrier = new Carrier(address, {
      ...this.#parts,
      host: {
        node: () => this.#host.node(),
        identity: () => this.#host.identity(),
        changed: (up) => {
          this.#host.up(carrier.endpoint, up);
          this.#review();
        },
        received: (data) => this.#host.received(carrier.endpoint, data),
      },
    });
    return carrier;
  }

  #isWanted(): boolean {
    if (this.#transport !== 'auto') return this.#transport === 'compat';
    return this.#udp === 'silent' || (this.#settled && !this.#host.hasBeacons());
  }

  #review(): void {
    if (this.#stopped) return;
    this.#note();
    const up = this.#carriers.some(({ upAt }) => upAt !== undefined);
    if (!this.#isWanted()) {
      // Beacons that were found a moment ago have yet to answer.
      if (this.#udp !== 'answers' && this.#transport === 'auto') return;
      if (this.#carriers.some(({ isOpen }) => isOpen)) this.#later(LINGER, () => this.#closeAll());
      return;
    }
    // One stream is enough: another beacon is tried only while there is none.
    if (up) {
      this.#timer?.cancel();
      for (const carrier of this.#carriers) if (carrier.upAt === undefined) carrier.close();
    } else if (this.#carriers.some(({ isOpen }) => isOpen)) this.#later(NEXT_AFTER, () => this.#openNext());
    else this.#openNext();
  }

  #openNext(): void {
    if (!this.#isWanted()) return;
    this.#carriers.find(({ isOpen }) => !isOpen)?.open();
    if (this.#carriers.some(({ isOpen }) => !isOpen)) this.#later(NEXT_AFTER, () => this.#openNext());
  }

  #closeAll(): void {
    if (this.#isWanted()) return;
    for (const carrier of this.#carriers) carrier.close();
  }

  #later(delay: Millis, act: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.at(this.#clock.now() + delay, act);
  }

  #note(): void {
    const up = this.#carriers.some(({ upAt }) => upAt !== undefined);
    const other = up ? 'compat' : 'none';
    const inUse = this.#udp === 'answers' && this.#transport !== 'compat' ? 'udp' : other;
    if (inUse === this.#inUse) return;
    this.#inUse = inUse;
    this.#since = this.#clock.now();
    this.#log.event('info', 'transport.changed', { transport: inUse });
  }

  #failure(): PilotError | undefined {
    return this.#carriers.find(({ failure }) => failure !== undefined)?.failure;
  }
}

function problemOf({ code }: PilotError): NonNullable<CarriersStatus['problem']> {
  return code === 'proxy_auth_required' ? 'proxy_auth_failed' : 'carrier_failed';
}
