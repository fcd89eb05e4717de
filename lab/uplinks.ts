/**
 * Two hosts that change networks. Each has two uplinks, of which one is up at a time; behind each is a router of its
 * own, with IPv4 behind a NAT, IPv6 behind a stateful firewall, or both. Servers live on `pub`, known as pilot.test:
 *
 *   a: up1 10.1.1.2, 2001:db8:a:1::2 -- ra1 | 203.0.113.11, 2001:db8:0:1::11 --\
 *      up2 10.1.2.2, 2001:db8:a:2::2 -- ra2 | 203.0.113.12, 2001:db8:0:1::12 ---\   pub:
 *   b: up1 10.2.1.2, 2001:db8:b:1::2 -- rb1 | 203.0.113.21, 2001:db8:0:1::21 ---/   203.0.113.1, 2001:db8:0:1::1
 *      up2 10.2.2.2, 2001:db8:b:2::2 -- rb2 | 203.0.113.22, 2001:db8:0:1::22 --/
 *
 * The cable outside each router has the delay and the rate.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Network } from './network.ts';
import type { Translation } from './router-rules.ts';
import type { Link } from './shaper.ts';
import { must } from './shell.ts';

export type Side = 'a' | 'b';
export type UplinkNumber = 1 | 2;
/** Which families an uplink carries. */
export type UplinkKind = 'v4' | 'v6' | 'dual';
/** What a network lets out: all, all but UDP, or nothing but TCP to one proxy. */
export type Policy = 'open' | 'no-udp' | { readonly onlyTo: string; readonly port: number };

/** How the servers are called; every machine resolves it to both families. */
export const SERVER_NAME = 'pilot.test';
export const SERVER_V4 = '203.0.113.1';
export const SERVER_V6 = '2001:db8:0:1::1';

/** 30 ms to the servers and back, 60 ms to each other. */
export const CABLE: Link = { delayMs: 15, mbps: 24 };

const SIDES = ['a', 'b'] as const;
const NUMBERS = [1, 2] as const;
const NUMBER = { a: 1, b: 2 } as const;

type Machine = 'pub' | Side | `r${Side}${UplinkNumber}`;

export class Uplinks {
  readonly #prefix: string;
  readonly #kinds = new Map<string, UplinkKind>();
  #network: Network | undefined;

  /** `prefix` keeps laboratories on one machine apart; at most 6 characters. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The words that run a command on a machine. */
  inside(machine: Machine): string[] {
    return ['ip', 'netns', 'exec', `${this.#prefix}-${machine}`];
  }

  up(): void {
    const network = new Network(this.#prefix);
    this.#network = network;
    network.machine('pub', { forwards: true });
    network.plug('pub', 'eth0', { into: 'internet', addresses: [`${SERVER_V4}/24`, `${SERVER_V6}/64`] });
    network.names('pub', SERVER_NAME, [SERVER_V4, SERVER_V6]);
    for (const side of SIDES) {
      network.machine(side);
      network.names(side, SERVER_NAME, [SERVER_V4, SERVER_V6]);
      for (const number of NUMBERS) this.#wire(network, side, number);
    }
  }

  #wire(network: Network, side: Side, number: UplinkNumber): void {
    const router = `r${side}${number}`;
    const { lan4, wan4, lan6, wan6 } = addresses(side, number);
    network.machine(router, { forwards: true });
    network.plug(router, 'wan', {
      into: 'internet',
      addresses: [`${wan4}/24`, `${wan6}/64`],
      gateways: [SERVER_V4, SERVER_V6],
      link: CABLE,
    });
    network.plug(router, 'lan', { into: router, addresses: [`${lan4}.1/24`, `${lan6}::1/64`] });
    network.way('pub', `${lan6}::/64`, wan6);
    network.plug(side, `up${number}`, { into: router });
    this.router(side, number, 'port-restricted');
  }

  /** Gives a router this kind of NAT; it begins without mappings, and lets everything out. */
  router(side: Side, number: UplinkNumber, nat: Translation): void {
    this.#built().route(`r${side}${number}`, { nat, external: addresses(side, number).wan4 });
  }

  /** Switches a router off and on: its mappings are gone. */
  reboot(side: Side, number: UplinkNumber): void {
    this.#built().reboot(`r${side}${number}`);
  }

  /** What a network lets out changes, and it is felt at once; its NAT keeps what it has. */
  policy(side: Side, number: UplinkNumber, policy: Policy): void {
    const words = [...this.inside(`r${side}${number}`).slice(1), 'nft', '-f', '-'];
    must('ip', words, `table inet outward\ndelete table inet outward\n${policyRules(policy)}`);
  }

  /** Which families an uplink carries when the host is next moved to it. */
  kind(side: Side, number: UplinkNumber, kind: UplinkKind): void {
    this.#kinds.set(`${side}${number}`, kind);
  }

  /** Takes a host off its other uplink and puts it on this one. Resolves once the addresses and routes are there. */
  async move(side: Side, number: UplinkNumber): Promise<void> {
    const kind = this.#kinds.get(`${side}${number}`) ?? 'dual';
    const { lan4, lan6 } = addresses(side, number);
    const lines = [...this.#unplugged(), `ip link set up${number} up`];
    if (kind !== 'v6') {
      lines.push(`ip addr add ${lan4}.2/24 dev up${number}`, `ip route add default via ${lan4}.1`);
    }
    if (kind !== 'v4') {
      lines.push(
        `ip addr add ${lan6}::2/64 dev up${number} nodad`,
        `ip -6 route add default via ${lan6}::1 dev up${number}`,
      );
    }
    await this.#script(side, lines);
  }

  /** Takes a host off all networks. */
  async unplug(side: Side): Promise<void> {
    await this.#script(side, this.#unplugged());
  }

  /** Removes every machine, killing what still runs there. */
  down(): void {
    this.#network?.down();
    this.#network = undefined;
  }

  /** With a link that goes down go its routes. */
  #unplugged(): string[] {
    return NUMBERS.flatMap((number) => [`ip link set up${number} down`, `ip addr flush dev up${number}`]);
  }

  /** All at once, so that nothing is measured of the time between. */
  async #script(side: Side, lines: readonly string[]): Promise<void> {
    const [command, ...words] = [...this.inside(side), 'sh', '-ec', lines.join('\n')];
    await promisify(execFile)(command!, words);
  }

  #built(): Network {
    if (this.#network === undefined) throw new Error('the network is not up');
    return this.#network;
  }
}

interface Addresses {
  readonly lan4: string;
  readonly wan4: string;
  readonly lan6: string;
  readonly wan6: string;
}

function addresses(side: Side, number: UplinkNumber): Addresses {
  const n = NUMBER[side];
  return {
    lan4: `10.${n}.${number}`,
    wan4: `203.0.113.${n}${number}`,
    lan6: `2001:db8:${side}:${number}`,
    wan6: `2001:db8:0:1::${n}${number}`,
  };
}

function policyRules(policy: Policy): string {
  if (policy === 'open') return '';
  const forbidden =
    policy === 'no-udp'
      ? '    meta l4proto udp drop'
      : [
          `    ip daddr ${policy.onlyTo} tcp dport ${policy.port} accept`,
          `    ip saddr ${policy.onlyTo} tcp sport ${policy.port} accept`,
          '    drop',
        ].join('\n');
  return `
table inet outward {
  chain forward { type filter hook forward priority -5; policy accept;
${forbidden}
  }
}
`;
}
