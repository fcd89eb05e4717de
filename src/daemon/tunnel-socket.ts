import { asPilotError } from '../api/errors.ts';
import type { Endpoint } from '../base/units.ts';
import type { Log, Net, UdpSocket } from '../runtime/ports.ts';

/** A registry hands on that many; further interfaces are seldom reachable for anybody. */
const LAN_LIMIT = 8;

/** Binds the tunnel's socket; without a wish, at the port of the last run when it is free. Errors: `port_in_use`. */
export async function bindTunnel(
  net: Net,
  wanted: Endpoint,
  lastPort: number | undefined,
): Promise<UdpSocket> {
  if (wanted.port === 0 && lastPort !== undefined && lastPort !== 0) {
    try {
      return await net.udp({ host: wanted.host, port: lastPort });
    } catch (thrown) {
      if (asPilotError(thrown).code !== 'port_in_use') throw thrown;
    }
  }
  return net.udp(wanted);
}

/** Where the tunnel can be reached on local networks. */
export function localEndpoints(net: Net, local: Endpoint): Endpoint[] {
  const isWildcard = local.host === '0.0.0.0' || local.host === '::';
  const hosts = isWildcard ? net.localAddresses() : [local.host];
  return hosts.slice(0, LAN_LIMIT).map((host) => ({ host, port: local.port }));
}

/** Turns names into addresses, one each. What does not resolve is left out. */
export async function resolveEndpoints(
  net: Net,
  log: Log,
  endpoints: readonly Endpoint[],
): Promise<readonly Endpoint[]> {
  const resolved: Endpoint[] = [];
  for (const endpoint of endpoints) {
    try {
      const hosts = await net.resolve(endpoint.host);
      const host = hosts.find((found) => !found.includes(':')) ?? hosts[0];
      if (host !== undefined) resolved.push({ host, port: endpoint.port });
    } catch (thrown) {
      const { message } = asPilotError(thrown);
      log.event('warn', 'beacon.unresolved', { host: endpoint.host, message });
    }
  }
  return resolved;
}
