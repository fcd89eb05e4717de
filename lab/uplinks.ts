/**
 * Two hosts that change networks. Each has two uplinks, of which one is up at a time; behind each is a router of its
 * own, with IPv4 behind a NAT, IPv6 behind a stateful firewall, or both. Servers live in `pub`, known as pilot.test:
 *
 *   a: up1 10.1.1.2, 2001:db8:a:1::2 -- ra1 | 203.0.113.11, 2001:db8:0:1::11 --\
 *      up2 10.1.2.2, 2001:db8:a:2::2 -- ra2 | 203.0.113.12, 2001:db8:0:1::12 ---\   br0 in pub:
 *   b: up1 10.2.1.2, 2001:db8:b:1::2 -- rb1 | 203.0.113.21, 2001:db8:0:1::21 ---/   203.0.113.1, 2001:db8:0:1::1
 *      up2 10.2.2.2, 2001:db8:b:2::2 -- rb2 | 203.0.113.22, 2001:db8:0:1::22 --/
 */
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { type NatKind, natRules } from './nat-rules.ts';
import { must, run } from './shell.ts';

export type Side = 'a' | 'b';
export type UplinkNumber = 1 | 2;
/** Which families an uplink carries. */
export type UplinkKind = 'v4' | 'v6' | 'dual';
/** What a network lets out: all, all but UDP, or nothing but TCP to one proxy. */
export type Policy = 'open' | 'no-udp' | { readonly onlyTo: string; readonly port: number };

/** How the servers are called; every namespace resolves it to both families. */
export const SERVER_NAME = 'pilot.test';
export const SERVER_V4 = '203.0.113.1';
export const SERVER_V6 = '2001:db8:0:1::1';

const SIDES = ['a', 'b'] as const;
const NUMBERS = [1, 2] as const;
const NUMBER = { a: 1, b: 2 } as const;
/** Reaching the inside takes an answer to a packet from the inside, as home routers have it (RFC 6092 §3.3). */
const FIREWALL = `
table ip6 firewall {
  chain forward { type filter hook forward priority 0; policy accept;
    iifname "wan" ct state established,related accept
    iifname "wan" meta l4proto ipv6-icmp accept
    iifname "wan" drop
  }
}
`;

type Namespace = 'pub' | Side | `r${Side}${UplinkNumber}`;

export class Uplinks {
  readonly #prefix: string;
  /** What a host sends at most, in Mbit/s. */
  readonly #rate: number;
  readonly #kinds = new Map<string, UplinkKind>();

  /** `prefix` keeps laboratories on one machine apart; at most 8 characters. */
  constructor(prefix: string, rate = 24) {
    this.#prefix = prefix;
    this.#rate = rate;
  }

  namespace(name: Namespace): string {
    return `${this.#prefix}-${name}`;
  }

  /** The words that run a command inside a namespace. */
  inside(name: Namespace): string[] {
    return ['ip', 'netns', 'exec', this.namespace(name)];
  }

  up(): void {
    this.down();
    for (const name of this.#namespaces()) {
      must('ip', ['netns', 'add', this.namespace(name)]);
      this.#hosts(name, [`${SERVER_V4} ${SERVER_NAME}`, `${SERVER_V6} ${SERVER_NAME}`]);
      // Addresses are given by hand, so nobody has to be asked whether they are free; that would take seconds.
      this.#shell(
        name,
        'ip link set lo up',
        'for key in all default; do sysctl -qw net.ipv6.conf.$key.accept_dad=0 net.ipv6.conf.$key.dad_transmits=0; done',
      );
    }
    this.#shell(
      'pub',
      'sysctl -qw net.ipv6.conf.all.forwarding=1',
      'ip link add br0 type bridge',
      'ip link set br0 up',
      `ip addr add ${SERVER_V4}/24 dev br0`,
      `ip addr add ${SERVER_V6}/64 dev br0 nodad`,
    );
    for (const side of SIDES) for (const number of NUMBERS) this.#wire(side, number);
  }

  #wire(side: Side, number: UplinkNumber): void {
    const router = `r${side}${number}` as const;
    const id = `${this.#prefix}${side}${number}`;
    const link = (name: string, one: Namespace, peer: string, other: Namespace): void => {
      const ends = ['type', 'veth', 'peer', 'name', peer, 'netns', this.namespace(other)];
      must('ip', ['link', 'add', name, 'netns', this.namespace(one), ...ends]);
    };
    link('wan', router, `${id}p`, 'pub');
    link('lan', router, `up${number}`, side);
    const { lan4, wan4, lan6, wan6 } = addresses(side, number);
    this.#shell('pub', `ip link set ${id}p master br0 up`, `ip -6 route add ${lan6}::/64 via ${wan6}`);
    this.#shell(
      router,
      'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
      'ip link set wan up',
      'ip link set lan up',
      `ip addr add ${wan4}/24 dev wan`,
      `ip addr add ${lan4}.1/24 dev lan`,
      `ip addr add ${wan6}/64 dev wan nodad`,
      `ip addr add ${lan6}::1/64 dev lan nodad`,
      `ip -6 route add default via ${SERVER_V6}`,
    );
    this.#shell(side, `tc qdisc add dev up${number} root tbf rate ${this.#rate}mbit burst 64kb latency 80ms`);
    this.router(side, number, 'port-restricted');
  }

  /** Starts a router anew: with this kind of NAT, and without any of its mappings. */
  router(side: Side, number: UplinkNumber, nat: NatKind, policy: Policy = 'open'): void {
    const router = `r${side}${number}` as const;
    const rules = natRules(nat, `${addresses(side, number).lan4}.2`);
    this.#in(router, ['nft', '-f', '-'], `flush ruleset\n${rules}\n${FIREWALL}\n${policyRules(policy)}`);
    run('ip', [...this.inside(router).slice(1), 'conntrack', '-F']);
  }

  /** What a network lets out changes, and it is felt at once; its NAT keeps what it has. */
  policy(side: Side, number: UplinkNumber, policy: Policy): void {
    const router = `r${side}${number}` as const;
    this.#in(
      router,
      ['nft', '-f', '-'],
      `table inet policy\ndelete table inet policy\n${policyRules(policy)}`,
    );
  }

  /** Which families an uplink carries when the host is next moved to it. */
  kind(side: Side, number: UplinkNumber, kind: UplinkKind): void {
    this.#kinds.set(`${side}${number}`, kind);
  }

  /** Takes a host off its other uplink and puts it on this one. Resolves once the addresses and routes are there. */
  async move(side: Side, number: UplinkNumber): Promise<void> {
    const other = number === 1 ? 2 : 1;
    const kind = this.#kinds.get(`${side}${number}`) ?? 'dual';
    const { lan4, lan6 } = addresses(side, number);
    const lines = [
      `ip link set up${other} down`,
      `ip addr flush dev up${other}`,
      // Down as well, if it was up: with the link go its routes.
      `ip link set up${number} down`,
      `ip addr flush dev up${number}`,
      `ip link set up${number} up`,
    ];
    if (kind !== 'v6')
      lines.push(`ip addr add ${lan4}.2/24 dev up${number}`, `ip route add default via ${lan4}.1`);
    if (kind !== 'v4') {
      lines.push(
        `ip addr add ${lan6}::2/64 dev up${number} nodad`,
        `ip -6 route add default via ${lan6}::1 dev up${number}`,
      );
    }
    const [command, ...words] = [...this.inside(side), 'sh', '-ec', lines.join('\n')];
    await promisify(execFile)(command!, words);
  }

  /** Pulls the plug: no uplink at all, as during sleep or in a tunnel. */
  async unplug(side: Side): Promise<void> {
    const lines = NUMBERS.flatMap((number) => [
      `ip link set up${number} down`,
      `ip addr flush dev up${number}`,
    ]);
    const [command, ...words] = [...this.inside(side), 'sh', '-ec', lines.join('\n')];
    await promisify(execFile)(command!, words);
  }

  /** Removes every namespace (and with them links and rules), killing what still runs inside. */
  down(): void {
    for (const name of this.#namespaces()) {
      const namespace = this.namespace(name);
      for (const pid of run('ip', ['netns', 'pids', namespace]).stdout.split('\n').filter(Boolean)) {
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {
          // Already gone.
        }
      }
      run('ip', ['netns', 'del', namespace]);
      rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
    }
  }

  #namespaces(): Namespace[] {
    return ['pub', ...SIDES, ...SIDES.flatMap((side) => NUMBERS.map((n) => `r${side}${n}` as const))];
  }

  /** `ip netns exec` shows this file as /etc/hosts. */
  #hosts(name: Namespace, lines: readonly string[]): void {
    const directory = `/etc/netns/${this.namespace(name)}`;
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/hosts`, `127.0.0.1 localhost\n::1 localhost\n${lines.join('\n')}\n`);
  }

  #shell(name: Namespace, ...lines: string[]): void {
    this.#in(name, ['sh', '-ec', lines.join('\n')]);
  }

  #in(name: Namespace, words: readonly string[], input?: string): void {
    must('ip', ['netns', 'exec', this.namespace(name), ...words], input);
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
          '    meta l4proto ipv6-icmp accept',
          '    drop',
        ].join('\n');
  return `
table inet policy {
  chain forward { type filter hook forward priority -5; policy accept;
${forbidden}
  }
}
`;
}
