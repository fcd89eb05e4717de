/** Beacons find each other through a registry: announce, list, every 30 s. spec/04 §2.6, spec/13 §8 */
import { PilotError } from '../api/errors.ts';
import { formatEndpoint, parseHostPort } from '../base/endpoint.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import type { Clock, Log, Net, Pipe, Timer } from '../runtime/ports.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';

const INTERVAL: Millis = 30_000;
const CONNECT_TIMEOUT: Millis = 5_000;
const TOTAL_TIMEOUT: Millis = 10_000;
const REPLY_LIMIT = 1_048_576;
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

export interface DiscoverPeersOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Endpoint;
  /** Not 0. */
  readonly beaconId: number;
  /** Address told to others; default: the bound one, or the local address towards the registry when that is a wildcard. */
  readonly advertise?: Endpoint | undefined;
  readonly local: Endpoint;
  /** Called with all other beacons after each successful round. */
  readonly onPeers: (peers: Endpoint[]) => void;
}

/** Runs until stopped. While the registry can't be reached the last known peers stay. */
export function discoverPeers(options: DiscoverPeersOptions): { stop(): void } {
  const { clock, log } = options;
  let stopped = false;
  let timer: Timer | undefined;

  async function round(): Promise<void> {
    try {
      const peers = await askRegistry(options);
      if (!stopped) options.onPeers(peers);
    } catch (error) {
      log.event('debug', 'beacon.discovery_failed', {
        error: error instanceof Error ? error.message : String(error),
      });
    }
    if (!stopped) timer = clock.at(clock.now() + INTERVAL, () => void round());
  }

  void round();
  return {
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

async function askRegistry(options: DiscoverPeersOptions): Promise<Endpoint[]> {
  const { net, clock, registry, beaconId, local } = options;
  const pipe = await net.connect(registry, { timeout: CONNECT_TIMEOUT });
  const deadline = clock.at(clock.now() + TOTAL_TIMEOUT, () => pipe.destroy());
  try {
    const host = WILDCARDS.has(local.host) ? pipe.local.host : local.host;
    const addr = formatEndpoint(options.advertise ?? { host, port: local.port });
    const replies = readReplies(pipe, 2);
    pipe.write(encodeJsonFrame({ type: 'beacon_register', beacon_id: beaconId, addr }));
    pipe.write(encodeJsonFrame({ type: 'beacon_list' }));
    const [registered, list] = await replies;
    if (registered?.type !== 'beacon_register_ok') {
      throw new PilotError(
        'protocol_error',
        `Cannot announce the beacon: ${String(registered?.error ?? 'no reason given')}`,
      );
    }
    return await resolveAll(net, otherBeacons(list?.beacons, beaconId));
  } finally {
    deadline.cancel();
    pipe.destroy();
  }
}

type Reply = Readonly<Record<string, unknown>>;

function readReplies(pipe: Pipe, count: number): Promise<Reply[]> {
  return new Promise((resolve, reject) => {
    const reader = new JsonFrameReader(REPLY_LIMIT);
    const replies: Reply[] = [];
    pipe.onData((data) => {
      reader.push(data);
      for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
      if (replies.length >= count) resolve(replies);
      else if (reader.error !== undefined)
        reject(new PilotError('protocol_error', 'The registry sent no valid frame'));
    });
    pipe.onClose(() => reject(new PilotError('registry_unreachable', 'The registry closed the connection')));
  });
}

function otherBeacons(list: unknown, ownId: number): Endpoint[] {
  if (!Array.isArray(list)) return [];
  const others: Endpoint[] = [];
  for (const item of list as readonly Reply[]) {
    if (typeof item?.addr !== 'string' || item.id === ownId) continue;
    const endpoint = parseHostPort(item.addr);
    if (endpoint !== undefined) others.push(endpoint);
  }
  return others;
}

/** Gossip is matched by source address, so names have to become addresses. A name that can't be resolved is left out. */
async function resolveAll(net: Net, endpoints: readonly Endpoint[]): Promise<Endpoint[]> {
  const resolved = await Promise.all(
    endpoints.map(async ({ host, port }) => {
      const hosts = await net.resolve(host).catch(() => []);
      return hosts.map((literal) => ({ host: literal, port }));
    }),
  );
  return resolved.flat();
}
