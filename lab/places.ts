/**
 * Builds the network of a cell around a public machine:
 *
 *   a -- ra [-- ca] --\
 *                       internet -- pub: 203.0.113.1, 2001:db8::1, known as pilot.test
 *   b -- rb [-- cb] --/
 *
 * ra, rb: routers at home; ca, cb: providers' routers. Homes are 192.168.10.0/24 and .20.0/24, 2001:db8:a::/64 and b.
 */
import { type Access, CABLE, type Cell } from './cells.ts';
import type { Network, Port } from './network.ts';
import type { RouterRules } from './router-rules.ts';
import type { Link } from './shaper.ts';

export const SERVER = 'pilot.test';
export const PUBLIC_4 = '203.0.113.1';
export const PUBLIC_6 = '2001:db8::1';
// miniupnpd gives no ports of addresses reserved for documentation, so its routers are elsewhere.
const GATEWAY_4 = '45.67.89.1';
// Hosts behind a router that translates nothing need addresses that look public.
const OPEN_4 = { a: '198.51.110', b: '198.51.120' } as const;
/** Where the proxy of a home listens that has nothing else. */
export const PROXY_PORT = 3128;

type Side = 'a' | 'b';
const NUMBER = { a: 10, b: 20 } as const;

export function buildPublic(net: Network): void {
  net.machine('pub');
  const addresses = [`${PUBLIC_4}/24`, `${GATEWAY_4}/24`, `${PUBLIC_6}/64`];
  net.plug('pub', 'eth0', { into: 'internet', addresses });
  net.names('pub', SERVER, [PUBLIC_4, PUBLIC_6]);
  // Programs there answer from the address they are known by, whoever asks.
  net.on('pub', 'ip', 'route', 'replace', '45.67.89.0/24', 'dev', 'eth0', 'src', PUBLIC_4);
  // It also is what holds the internet together.
  net.on('pub', 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  net.on('pub', 'sysctl', '-qw', 'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.eth0.send_redirects=0');
}

/** Builds a cell; whatever the cell before it left is removed. Programs on its machines are killed. */
export function buildCell(net: Network, cell: Cell): void {
  for (const machine of net.machines) if (machine !== 'pub') net.remove(machine);
  net.on('pub', 'ip', 'neighbour', 'flush', 'all');
  const { together, hairpin, link = CABLE } = cell;
  for (const side of ['a', 'b'] as const) {
    net.machine(side);
    net.names(side, SERVER, namesOf(cell[side]));
  }
  if (together === 'switch' || together === 'router') {
    const apart = together === 'router';
    router(
      net,
      'ra',
      cell.a,
      { into: 'internet', addresses: ['203.0.113.10/24'], link },
      { hairpin, isolates: apart },
    );
    net.plug('ra', 'lan', { into: 'home-a', addresses: ['192.168.10.1/24'] });
    if (apart) net.plug('ra', 'lan2', { into: 'home-b', addresses: ['192.168.20.1/24'] });
    host(net, 'a', 'home-a', '192.168.10.2', '192.168.10.1');
    if (apart) host(net, 'b', 'home-b', '192.168.20.2', '192.168.20.1');
    else host(net, 'b', 'home-a', '192.168.10.3', '192.168.10.1');
  } else if (together === 'carrier') {
    const outside = { into: 'internet', addresses: ['203.0.113.30/24'], link };
    router(net, 'c', { nat: 'port-restricted' }, outside, { hairpin, isolates: true });
    net.plug('c', 'lan', { into: 'carrier-a', addresses: ['100.64.1.1/24'] });
    net.plug('c', 'lan2', { into: 'carrier-b', addresses: ['100.64.2.1/24'] });
    home(net, 'a', cell.a, { into: 'carrier-a', addresses: ['100.64.1.2/24'], gateways: ['100.64.1.1'] });
    home(net, 'b', cell.b, { into: 'carrier-b', addresses: ['100.64.2.2/24'], gateways: ['100.64.2.1'] });
  } else {
    for (const side of ['a', 'b'] as const) separate(net, side, cell[side], link);
  }
  if (cell.secondInterface === true) {
    net.plug('a', 'eth1', { into: 'home-b', addresses: ['192.168.20.3/24'] });
  }
  for (const side of ['a', 'b'] as const) net.watch(side, [PUBLIC_4, PUBLIC_6, GATEWAY_4]);
}

/** Routers forget what they learned. */
export function rebootRouters(net: Network): void {
  for (const machine of net.machines) if (/^[rc]/.test(machine)) net.reboot(machine);
}

/** A side with its own place at the internet. */
function separate(net: Network, side: Side, access: Access, link: Link): void {
  const n = NUMBER[side];
  if (access.gives !== undefined) {
    const outside = { into: 'internet', addresses: [`45.67.89.${n}/24`], gateways: [GATEWAY_4], link };
    home(net, side, access, outside);
    return;
  }
  if (access.carrier === undefined) {
    const outside = { into: 'internet', addresses: [`203.0.113.${n}/24`, `2001:db8::${n}/64`], link };
    home(net, side, access, outside);
    return;
  }
  const carrier = `c${side}`;
  const outside = { into: 'internet', addresses: [`203.0.113.${n}/24`], link };
  router(net, carrier, { nat: access.carrier }, outside, {});
  net.plug(carrier, 'lan', { into: `carrier-${side}`, addresses: [`100.64.${n}.1/24`] });
  const inside = { into: `carrier-${side}`, addresses: [`100.64.${n}.2/24`], gateways: [`100.64.${n}.1`] };
  home(net, side, access, inside);
}

/** A router at home and the host behind it. */
function home(net: Network, side: Side, access: Access, outside: Port): void {
  const n = NUMBER[side];
  const { families = '4' } = access;
  router(net, `r${side}`, access, outside, {});
  const lan4 = access.nat === 'open' ? OPEN_4[side] : `192.168.${n}`;
  const lan6 = `2001:db8:${side}:`;
  const has = (family: '4' | '6', value: string): string[] => (families.includes(family) ? [value] : []);
  net.plug(`r${side}`, 'lan', {
    into: `home-${side}`,
    addresses: [`${lan4}.1/24`, ...has('6', `${lan6}:1/64`)],
  });
  if (families.includes('6')) net.way('pub', `${lan6}:/64`, `2001:db8::${n}`);
  if (access.nat === 'open') net.way('pub', `${lan4}.0/24`, `203.0.113.${n}`);
  net.plug(side, 'eth0', {
    into: `home-${side}`,
    addresses: [...has('4', `${lan4}.2/24`), ...has('6', `${lan6}:2/64`)],
    gateways: [...has('4', `${lan4}.1`), ...has('6', `${lan6}:1`)],
  });
}

function host(net: Network, name: string, into: string, address: string, gateway: string): void {
  net.plug(name, 'eth0', { into, addresses: [`${address}/24`], gateways: [gateway] });
}

function router(
  net: Network,
  name: string,
  access: Access,
  outside: Port,
  rules: Pick<RouterRules, 'hairpin' | 'isolates'>,
): void {
  net.machine(name, { forwards: true });
  net.names(name, SERVER, [PUBLIC_4]);
  const gateways =
    outside.into === 'internet' ? [PUBLIC_4, ...(outside.addresses!.length > 1 ? [PUBLIC_6] : [])] : [];
  net.plug(name, 'wan', { gateways, ...outside });
  const external = outside.addresses![0]!.split('/')[0]!;
  const passes = { 'no-udp': 'no-udp', 'only-proxy': 'nothing' } as const;
  net.route(name, {
    ...rules,
    nat: access.nat,
    external,
    ...(access.passes === undefined ? {} : { passes: passes[access.passes] }),
    ...(access.lost === '4' ? { v4Lost: true } : {}),
    ...(access.lost === '6' ? { v6: 'lost' } : {}),
  });
}

/** A host without a family has no use for addresses of it. */
function namesOf({ families = '4' }: Access): string[] {
  return [...(families.includes('4') ? [PUBLIC_4] : []), ...(families.includes('6') ? [PUBLIC_6] : [])];
}
