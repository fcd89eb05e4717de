import { formatEndpoint, sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import type { NatBehaviour } from '../../core/nat/behaviour.ts';
import { classify } from '../../core/nat/survey.ts';
import { type Question, Vantage } from '../../core/tunnel/vantage.ts';
import type { Abort, Clock, Net, UdpSocket } from '../../runtime/ports.ts';
import { decodeBeaconMessage, encodeDiscover } from '../../wire/beacon.ts';
import { PACKET_SIZES } from './packet-sizes.ts';

// Chosen: questions are repeated because UDP may lose them.

/** When a beacon is asked for our endpoint. */
const ASK: readonly Millis[] = [0, 250, 700, 1_500];
/** When the filter is tested, counted from the first answer, and when the second port is asked, which opens it. */
const FILTER: readonly Millis[] = [0, 250, 700];
const ALTERNATE: readonly Millis[] = [1_500, 1_900];
const LAST_ANSWERS: Millis = 700;
/** A beacon that does not answer for this long is silent: as long as UDP has to be quiet to count as blocked. */
const SILENT: Millis = 3_200;

export interface BeaconAddress {
  /** As it was named. */
  readonly name: string;
  readonly endpoint: Endpoint;
}

export interface ProbedBeacon extends BeaconAddress {
  readonly rtt: Millis | undefined;
  readonly observed: Endpoint | undefined;
  readonly surveys: boolean;
}

export interface Probed {
  readonly beacons: readonly ProbedBeacon[];
  readonly nat: NatBehaviour;
  /** Largest UDP payload of ours that was answered; undefined when none can be told apart. */
  readonly largest: number | undefined;
  /** Bytes of datagrams a socket keeps until they are read; undefined when unknown. */
  readonly receiveBuffer: number | undefined;
  /** They left in one piece or not at all: nothing of ours is cut on the way. */
  readonly whole: boolean;
}

interface Ports {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
}

/** Asks beacons, from a socket of its own, how this machine looks to them and what gets through. Takes about 4 s. */
export async function probeBeacons(
  ports: Ports,
  wanted: readonly BeaconAddress[],
  signal: Abort,
): Promise<Probed> {
  const { net } = ports;
  const four = wanted.filter(({ endpoint }) => !endpoint.host.includes(':'));
  const six = wanted.filter(({ endpoint }) => endpoint.host.includes(':'));
  const results = await Promise.all(
    [
      { bind: '0.0.0.0', beacons: four },
      { bind: '::', beacons: six },
    ].map(async ({ bind, beacons }) => {
      if (beacons.length === 0) return undefined;
      const socket = await net.udp({ host: bind, port: 0 }).catch(() => undefined);
      if (socket === undefined) return beacons.map(silent);
      const probe = new Probe(ports, socket, beacons);
      try {
        await probe.run(signal);
        return probe;
      } finally {
        await socket.close();
      }
    }),
  );
  const rows = results.flatMap((one) => (one instanceof Probe ? one.beacons() : (one ?? [])));
  const probes = results.filter((one) => one instanceof Probe);
  const telling = probes.find((probe) => probe.beacons().some(({ observed }) => observed)) ?? probes[0];
  const sizes = probes.map((probe) => probe.largest()).filter((size) => size !== undefined);
  return {
    beacons: wanted.map(
      ({ name, endpoint }) =>
        rows.find((row) => row.name === name && sameEndpoint(row.endpoint, endpoint)) ??
        silent({ name, endpoint }),
    ),
    nat: telling?.nat() ?? classify({ observations: [], own: [], streamsWork: false }),
    largest: sizes.length === 0 ? undefined : Math.max(...sizes),
    receiveBuffer: probes[0]?.receiveBuffer,
    whole: probes.some((probe) => probe.sendsWhole),
  };
}

function silent(beacon: BeaconAddress): ProbedBeacon {
  return { ...beacon, rtt: undefined, observed: undefined, surveys: false };
}

interface Asked {
  readonly name: string;
  readonly endpoint: Endpoint;
  rtt: Millis | undefined;
  observed: Endpoint | undefined;
  alternatePort: number;
  /** For beacons that repeat no tokens. */
  lastAskedAt: Instant;
}

/** The questions of one socket. */
class Probe {
  readonly #ports: Ports;
  readonly #socket: UdpSocket;
  readonly #vantage: Vantage;
  readonly #asked: readonly Asked[];
  readonly #sizes = new Map<number, number>();
  readonly #arrived = new Set<number>();

  constructor(ports: Ports, socket: UdpSocket, beacons: readonly BeaconAddress[]) {
    this.#ports = ports;
    this.#socket = socket;
    this.#vantage = new Vantage(ports.random.fork('netcheck'));
    this.#asked = beacons.map((beacon) => ({
      ...beacon,
      ...{ rtt: undefined, observed: undefined, alternatePort: 0, lastAskedAt: 0 },
    }));
    socket.onDatagram((data, from) => this.#answer(data, from));
    socket.onUnreachable(() => {});
  }

  async run(signal: Abort): Promise<void> {
    const { clock } = this.#ports;
    await this.#each(ASK, signal, SILENT, (one) => {
      if (one.rtt === undefined) this.#ask(one, { alternate: false, unsolicited: false });
    });
    const surveyed = this.#asked.filter(({ alternatePort }) => alternatePort !== 0);
    if (surveyed.length === 0) return;
    const begun = clock.now();
    for (const at of FILTER) {
      await this.#until(begun + at, signal);
      for (const one of surveyed) this.#ask(one, { alternate: false, unsolicited: true });
      this.#measure(surveyed[0]!);
    }
    for (const at of ALTERNATE) {
      await this.#until(begun + at, signal);
      for (const one of surveyed) this.#ask(one, { alternate: true, unsolicited: false });
    }
    await clock.sleep(LAST_ANSWERS, signal);
  }

  get receiveBuffer(): number | undefined {
    return this.#socket.receiveBuffer;
  }

  beacons(): ProbedBeacon[] {
    return this.#asked.map(({ name, endpoint, rtt, observed, alternatePort }) => {
      return { name, endpoint, rtt, observed, surveys: alternatePort !== 0 };
    });
  }

  nat(): NatBehaviour {
    const { port } = this.#socket.local;
    const own = this.#ports.net.localAddresses().map((host) => ({ host, port }));
    return classify({ observations: this.#vantage.all(), own, streamsWork: false });
  }

  get sendsWhole(): boolean {
    return this.#socket.dontFragment;
  }

  largest(): number | undefined {
    return this.#arrived.size === 0 ? undefined : Math.max(...this.#arrived);
  }

  /** At each of the times for every beacon, until all have answered or the limit is over. */
  async #each(
    times: readonly Millis[],
    signal: Abort,
    limit: Millis,
    action: (one: Asked) => void,
  ): Promise<void> {
    const begun = this.#ports.clock.now();
    for (const at of times) {
      await this.#until(begun + at, signal);
      for (const one of this.#asked) action(one);
    }
    while (this.#asked.some(({ rtt }) => rtt === undefined) && this.#ports.clock.now() - begun < limit) {
      await this.#ports.clock.sleep(100, signal);
    }
  }

  async #until(when: Instant, signal: Abort): Promise<void> {
    const left = when - this.#ports.clock.now();
    if (left > 0) await this.#ports.clock.sleep(left, signal);
  }

  #ask(one: Asked, about: Pick<Question, 'alternate' | 'unsolicited'>): void {
    const now = this.#ports.clock.now();
    const token = this.#vantage.asked({ beacon: one.endpoint, via: 0, ...about }, now);
    one.lastAskedAt = now;
    const to = about.alternate ? { ...one.endpoint, port: one.alternatePort } : one.endpoint;
    this.#socket.send(encodeDiscover(0, undefined, { token, elsewhere: about.unsolicited }), to);
  }

  /** One datagram of each size; trailing bytes are ignored, and the token tells which one was answered. */
  #measure({ endpoint }: Asked): void {
    for (const size of PACKET_SIZES) {
      let token = this.#ports.random.u32();
      while (this.#sizes.has(token)) token = this.#ports.random.u32();
      this.#sizes.set(token, size);
      const padded = new Uint8Array(size);
      padded.set(encodeDiscover(0, undefined, { token, elsewhere: false }));
      this.#socket.send(padded, endpoint);
    }
  }

  #answer(data: Uint8Array, from: Endpoint): void {
    const message = decodeBeaconMessage(data);
    if (typeof message === 'string' || message.type !== 'discoverReply') return;
    const now = this.#ports.clock.now();
    const { endpoint, answer } = message;
    const one = this.#asked.find(
      (candidate) => candidate.endpoint.host === from.host && isPortOf(candidate, from.port),
    );
    if (answer === undefined) {
      if (one === undefined || !sameEndpoint(one.endpoint, from) || one.rtt !== undefined) return;
      one.rtt = now - one.lastAskedAt;
      one.observed = endpoint;
      this.#vantage.answeredPlainly(
        { beacon: from, alternate: false, unsolicited: false, via: 0 },
        endpoint,
        now,
      );
      return;
    }
    const size = this.#sizes.get(answer.token);
    if (size !== undefined) {
      this.#arrived.add(size);
      return;
    }
    const seen = this.#vantage.answered(answer.token, 0, endpoint, now);
    const asked = this.#asked.find((candidate) => seen && sameEndpoint(candidate.endpoint, seen.beacon));
    if (seen === undefined || asked === undefined || seen.alternate || seen.unsolicited) return;
    asked.rtt = Math.min(asked.rtt ?? Number.POSITIVE_INFINITY, seen.rtt ?? Number.POSITIVE_INFINITY);
    asked.observed = endpoint;
    asked.alternatePort = answer.alternatePort;
  }
}

function isPortOf({ endpoint, alternatePort }: Asked, port: number): boolean {
  return endpoint.port === port || (alternatePort !== 0 && alternatePort === port);
}

/** Every address of the beacons, at most one of each family per name. A name that can't be looked up stays silent. */
export async function addressesOf(net: Net, beacons: readonly Endpoint[]): Promise<BeaconAddress[]> {
  const found = await Promise.all(
    beacons.map(async (beacon) => {
      const name = formatEndpoint(beacon);
      const hosts = await net.resolve(beacon.host).catch(() => []);
      const four = hosts.find((host) => !host.includes(':'));
      const six = hosts.find((host) => host.includes(':'));
      return [four, six]
        .filter((host) => host !== undefined)
        .map((host) => ({ name, endpoint: { host, port: beacon.port } }));
    }),
  );
  return found.flat();
}
