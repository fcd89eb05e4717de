import { asPilotError } from '../api/errors.ts';
import { isCarrier } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { Log, Net, UdpSocket } from '../runtime/ports.ts';

/** A registry hands on that many; further interfaces are seldom reachable for anybody. */
const LAN_LIMIT = 8;

/**
 * Binds the tunnel's socket; without a wish, at the port of the last run when it is free. `::` takes both families, and
 * where there is no IPv6 becomes `0.0.0.0`. Errors: `port_in_use`, `io_error`.
 */
export async function bindTunnel(
  net: Net,
  wanted: Endpoint,
  lastPort: number | undefined,
): Promise<UdpSocket> {
  const ports = wanted.port === 0 && lastPort !== undefined && lastPort !== 0 ? [lastPort, 0] : [wanted.port];
  for (const [i, port] of ports.entries()) {
    try {
      return await bindEither(net, { host: wanted.host, port });
    } catch (thrown) {
      if (i === ports.length - 1 || asPilotError(thrown).code !== 'port_in_use') throw thrown;
    }
  }
  throw new RangeError('no port to bind');
}

async function bindEither(net: Net, wanted: Endpoint): Promise<UdpSocket> {
  try {
    return await net.udp(wanted);
  } catch (thrown) {
    if (wanted.host !== '::' || asPilotError(thrown).code === 'port_in_use') throw thrown;
    return net.udp({ host: '0.0.0.0', port: wanted.port });
  }
}

/** Where the tunnel can be reached on local networks; addresses on the way to the world come first. */
export function localEndpoints(net: Net, local: Endpoint): Endpoint[] {
  const isWildcard = local.host === '0.0.0.0' || local.host === '::';
  if (!isWildcard) return [local];
  const onTheWay = net.gateways().map((gateway) => gateway.local);
  const rank = (host: string): number => (onTheWay.includes(host) ? 0 : 1);
  return net
    .localAddresses()
    .filter((host) => local.host === '::' || !host.includes(':'))
    .sort((one, other) => rank(one) - rank(other))
    .slice(0, LAN_LIMIT)
    .map((host) => ({ host, port: local.port }));
}

/**
 * Turns names into addresses: one of each family that `local` speaks, IPv4 first, as most peers see each other so. What
 * does not resolve is left out; a carrier is reached by its name.
 */
export async function resolveEndpoints(
  net: Net,
  log: Log,
  endpoints: readonly Endpoint[],
  local: Endpoint,
): Promise<readonly Endpoint[]> {
  const resolved = await Promise.all(
    endpoints.map(async (endpoint): Promise<Endpoint[]> => {
      const { host, port } = endpoint;
      if (isCarrier(endpoint)) return [endpoint];
      try {
        const hosts = (await net.resolve(host)).filter((found) => speaks(local, found));
        const v4 = hosts.find((found) => !found.includes(':'));
        const v6 = hosts.find((found) => found.includes(':'));
        return [v4, v6].flatMap((found) => (found === undefined ? [] : [{ host: found, port }]));
      } catch (thrown) {
        const { message } = asPilotError(thrown);
        log.event('warn', 'beacon.unresolved', { host, message });
        return [];
      }
    }),
  );
  return resolved.flat();
}

/** Whether a socket bound there can send to an IP literal. */
function speaks(local: Endpoint, host: string): boolean {
  return local.host === '::' || local.host.includes(':') === host.includes(':');
}
