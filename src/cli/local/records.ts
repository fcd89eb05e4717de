/**
 * What daemons of one machine leave for each other when no registry is configured. Two kinds: in each home, the
 * network that home belongs to; in a directory of the machine, one file for each registry that is hosted.
 * The latter may be written by any user, so they only say where to ask: a home that belongs to a network joins
 * nothing that does not show the key of that network.
 */

import { fromUtf8 } from '../../base/bytes.ts';
import { formatEndpoint, parseHostPort } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import type { Home } from '../home.ts';
import type { Files, Host } from '../host.ts';

/** A registry for the daemons of this machine. */
export interface LocalRegistry {
  readonly registry: Endpoint;
  readonly beacon: Endpoint;
  /** SHA-256 of its certificate, hex. */
  readonly fingerprint: string;
  /** Directory with its store. */
  readonly store: string;
}

type Reader = { readonly files: Files };

/** The network this home belongs to. */
export function remembered({ files }: Reader, home: Home): Promise<LocalRegistry | undefined> {
  return read(files, home.localNetwork);
}

export function remember({ files }: Reader, home: Home, network: LocalRegistry): Promise<void> {
  return files.replace(home.localNetwork, toText(network));
}

type Machine = Pick<Host, 'files' | 'machineRuntime' | 'processes'>;

/**
 * Registries announced on this machine; some may be gone. Which store one has is believed of this user's own
 * announcements only: it decides where this user's daemons may write.
 */
export async function announced({ files, machineRuntime, processes }: Machine): Promise<LocalRegistry[]> {
  const found: LocalRegistry[] = [];
  for (const name of (await files.list(machineRuntime)).slice(0, MOST_ANNOUNCED)) {
    const path = `${machineRuntime}/${name}`;
    const record = await read(files, path).catch(() => undefined);
    if (record === undefined) continue;
    const own = (await files.info(path).catch(() => undefined))?.owner === processes.user;
    found.push(own ? record : { ...record, store: '' });
  }
  return found;
}

/** A directory anyone may write to must not make us ask without end. */
const MOST_ANNOUNCED = 64;

export async function announce(host: Machine, network: LocalRegistry): Promise<void> {
  await host.files.shareDirectory(host.machineRuntime);
  const path = announcementPath(host, network);
  await host.files.remove(path);
  await host.files.create(path, toText(network), 'everyone');
}

export function withdraw(host: Machine, network: LocalRegistry): Promise<void> {
  return host.files.remove(announcementPath(host, network));
}

function announcementPath(host: Pick<Host, 'machineRuntime'>, network: LocalRegistry): string {
  return `${host.machineRuntime}/${network.registry.port}-${network.fingerprint.slice(0, 16)}.json`;
}

function toText({ registry, beacon, fingerprint, store }: LocalRegistry): string {
  const record = { registry: formatEndpoint(registry), beacon: formatEndpoint(beacon), fingerprint, store };
  return `${JSON.stringify(record, null, 2)}\n`;
}

async function read(files: Files, path: string): Promise<LocalRegistry | undefined> {
  const bytes = await files.read(path, 65536);
  if (bytes === undefined) return undefined;
  try {
    const { registry, beacon, fingerprint, store } = JSON.parse(fromUtf8(bytes)) as Record<string, unknown>;
    const [at, beaconAt] = [parseHostPort(String(registry)), parseHostPort(String(beacon))];
    if (at === undefined || beaconAt === undefined || !isLoopback(at) || !isLoopback(beaconAt))
      return undefined;
    if (!/^[0-9a-f]{64}$/.test(String(fingerprint)) || typeof store !== 'string') return undefined;
    return { registry: at, beacon: beaconAt, fingerprint: String(fingerprint), store };
  } catch {
    return undefined;
  }
}

function isLoopback({ host }: Endpoint): boolean {
  return host.startsWith('127.') || host === '::1';
}
