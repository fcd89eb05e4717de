/** The machine's own addresses and how large a packet the link behind each of them takes. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { LocalLink } from '../base/local-link.ts';
import type { Bytes } from '../base/units.ts';
import type { DefaultRoute } from './routes.ts';

/** Linux shows the size of every link; of others only that of the loopback is known. */
const LOOPBACK: Readonly<Record<string, Bytes>> = { darwin: 16_384, win32: 65_536 };

export function localLinks(defaults: readonly DefaultRoute[]): LocalLink[] {
  const found: LocalLink[] = [];
  for (const [name, entries] of Object.entries(networkInterfaces())) {
    let mtu: Bytes | undefined;
    for (const [i, { address, cidr, internal }] of (entries ?? []).entries()) {
      if (i === 0) mtu = mtuOf(name, internal);
      const bits = Number(cidr?.split('/')[1] ?? Number.NaN);
      if (!Number.isInteger(bits)) continue;
      const leadsOut = defaults.some(({ through }) => through === name || through === address);
      found.push({ address, bits, mtu, loopback: internal, leadsOut });
    }
  }
  return found;
}

function mtuOf(name: string, internal: boolean): Bytes | undefined {
  if (process.platform !== 'linux') return internal ? LOOPBACK[process.platform] : undefined;
  return readMtu(() => readFileSync(`/sys/class/net/${name}/mtu`, 'latin1'));
}

/** Undefined for anything but a number that a link can have. */
export function readMtu(read: () => string): Bytes | undefined {
  try {
    const mtu = Number(read());
    return Number.isInteger(mtu) && mtu >= 68 ? mtu : undefined;
  } catch {
    return undefined;
  }
}
