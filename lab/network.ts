/**
 * Networks out of real kernel parts: machines are network namespaces, switches are bridges in one more namespace,
 * cables are veth pairs, a cable with a `link` runs through the shaper.
 *
 *   const net = new Network('l1');
 *   net.machine('pub'); net.machine('ra', { forwards: true }); net.machine('a');
 *   net.plug('pub', 'eth0', { into: 'internet', addresses: ['203.0.113.1/24'] });
 *   net.plug('ra', 'wan', { into: 'internet', addresses: ['203.0.113.10/24'], link: { delayMs: 15 } });
 *   net.plug('ra', 'lan', { into: 'home-a', addresses: ['192.168.10.1/24'] });
 *   net.plug('a', 'eth0', { into: 'home-a', addresses: ['192.168.10.2/24'], gateways: ['192.168.10.1'] });
 *   net.route('ra', { nat: 'port-restricted' , external: '203.0.113.10' });
 *
 * Cables can be pulled and plugged in again while programs run. Everything is removed by `down()`.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type RouterRules, routerRuleset } from './router-rules.ts';
import { type Link, Shaper } from './shaper.ts';
import { must, type Ran, run } from './shell.ts';

export interface Port {
  /** The switch, made when first named. */
  readonly into: string;
  /** With prefix length, of either family. */
  readonly addresses?: readonly string[];
  /** Default routes, one per family at most. */
  readonly gateways?: readonly string[];
  /** Of the default routes; lower wins. @default 0 */
  readonly metric?: number;
  /** Delay, loss, jitter and rate of this cable; without it the cable is as fast as the machine. */
  readonly link?: Link;
}

interface Cable {
  readonly number: number;
  readonly port: Port;
}

export class Network {
  readonly prefix: string;
  readonly #fabric: string;
  readonly #machines = new Set<string>();
  readonly #switches = new Map<string, string>();
  readonly #cables = new Map<string, Cable>();
  #shaper: Shaper | undefined;
  #next = 1;

  /** `prefix` keeps networks on one machine apart; at most 6 characters. Leftovers of it are removed. */
  constructor(prefix: string) {
    if (!/^[a-z][a-z0-9]{0,5}$/.test(prefix)) throw new RangeError(`unusable prefix ${prefix}`);
    this.prefix = prefix;
    this.#fabric = this.namespace('fabric');
    this.down();
    must('ip', ['netns', 'add', this.#fabric]);
    this.#quiet(this.#fabric);
  }

  namespace(machine: string): string {
    return `${this.prefix}-${machine}`;
  }

  /** The words that run a command on a machine. */
  inside(machine: string): string[] {
    return ['ip', 'netns', 'exec', this.namespace(machine)];
  }

  /** Runs a command on a machine and throws when it fails. */
  on(machine: string, ...words: string[]): string {
    return must('ip', ['netns', 'exec', this.namespace(machine), ...words]);
  }

  try(machine: string, ...words: string[]): Ran {
    return run('ip', ['netns', 'exec', this.namespace(machine), ...words]);
  }

  machine(name: string, options: { readonly forwards?: boolean } = {}): void {
    must('ip', ['netns', 'add', this.namespace(name)]);
    this.#machines.add(name);
    this.on(name, 'ip', 'link', 'set', 'lo', 'up');
    const settings = ['net.ipv6.conf.default.accept_dad=0', 'net.ipv6.conf.default.accept_ra=0'];
    if (options.forwards === true) settings.push('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    this.on(name, 'sysctl', '-qw', ...settings);
  }

  /** Removes a machine, killing what still runs on it. */
  remove(name: string): void {
    demolish(this.namespace(name));
    this.#machines.delete(name);
    for (const cable of this.#cables.keys()) {
      if (cable.startsWith(`${name} `)) this.#cables.delete(cable);
    }
  }

  get machines(): readonly string[] {
    return [...this.#machines];
  }

  /** What a machine's resolver knows: a name and its addresses. */
  names(machine: string, name: string, addresses: readonly string[]): void {
    const directory = `/etc/netns/${this.namespace(machine)}`;
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      `${directory}/hosts`,
      ['127.0.0.1 localhost', ...addresses.map((address) => `${address} ${name}`), ''].join('\n'),
    );
  }

  /** Plugs an interface of a machine into a switch. */
  plug(machine: string, name: string, port: Port): void {
    const number = this.#next++;
    const bridge = this.#switch(port.into);
    const outer = `c${number}`;
    must('ip', [
      ...['link', 'add', name, 'netns', this.namespace(machine), 'type', 'veth'],
      ...['peer', 'name', outer, 'netns', this.#fabric],
    ]);
    this.#cables.set(`${machine} ${name}`, { number, port });
    let inner = outer;
    if (port.link !== undefined) {
      inner = `s${number}`;
      must('ip', [
        ...['-n', this.#fabric, 'link', 'add', inner, 'type', 'veth', 'peer', 'name', `x${number}`],
      ]);
      this.#fab('link', 'set', `x${number}`, 'up');
      this.#fab('link', 'set', outer, 'up');
      // Frames cross the shaper one by one, so neither end may hand it larger ones or leave checksums open.
      Shaper.singleFrames(this.namespace(machine), name);
      Shaper.singleFrames(this.#fabric, inner);
    }
    this.#fab('link', 'set', inner, 'master', bridge, 'up');
    this.on(machine, 'ip', 'link', 'set', name, 'up');
    if (port.link !== undefined) this.#shape().join(outer, `x${number}`, port.link);
    this.address(machine, name, port);
  }

  /** Gives an interface other addresses and default routes, as a new lease would. */
  address(machine: string, name: string, port: Omit<Port, 'into'>): void {
    this.on(machine, 'ip', 'address', 'flush', 'dev', name, 'scope', 'global');
    for (const address of port.addresses ?? []) {
      const nodad = address.includes(':') ? ['nodad'] : [];
      this.on(machine, 'ip', 'address', 'add', address, 'dev', name, ...nodad);
    }
    for (const gateway of port.gateways ?? []) {
      const metric = ['metric', String(port.metric ?? 0)];
      this.on(
        machine,
        'ip',
        ...family(gateway),
        'route',
        'replace',
        'default',
        'via',
        gateway,
        'dev',
        name,
        ...metric,
      );
    }
  }

  /** Pulls a cable: the interface is gone, with its addresses and routes. */
  unplug(machine: string, name: string): void {
    this.#cables.delete(`${machine} ${name}`);
    this.on(machine, 'ip', 'link', 'del', name);
  }

  /** The cable stays, the machine keeps its addresses, and nothing comes through (`false`) or again (`true`). */
  carry(machine: string, name: string, carries: boolean): void {
    this.#fab('link', 'set', `c${this.#cable(machine, name).number}`, carries ? 'up' : 'down');
  }

  /** Changes delay, loss, jitter or rate of a cable that was plugged in with a `link`. */
  link(machine: string, name: string, link: Link): void {
    this.#shape().change(`c${this.#cable(machine, name).number}`, link);
  }

  /** Adds a route; `via` is the next hop. */
  way(machine: string, to: string, via: string): void {
    this.on(machine, 'ip', ...family(via), 'route', 'replace', to, 'via', via);
  }

  /** Makes a machine translate and filter what it forwards, and forgets its mappings. */
  route(machine: string, rules: RouterRules): void {
    this.on(machine, 'nft', 'flush', 'ruleset');
    must('ip', [...this.inside(machine).slice(1), 'nft', '-f', '-'], routerRuleset(rules));
    const seconds = rules.mappingSeconds ?? 120;
    this.on(
      machine,
      ...['sysctl', '-qw', `net.netfilter.nf_conntrack_udp_timeout=${seconds}`],
      `net.netfilter.nf_conntrack_udp_timeout_stream=${seconds}`,
    );
    this.#forget(machine);
  }

  /** What a router that was switched off and on knows of its mappings: nothing. */
  reboot(machine: string): void {
    const rules = this.on(machine, 'nft', '-s', 'list', 'ruleset');
    this.on(machine, 'nft', 'flush', 'ruleset');
    must('ip', [...this.inside(machine).slice(1), 'nft', '-f', '-'], withoutElements(rules));
    this.#forget(machine);
  }

  /** Counts UDP datagrams that reach a machine from now on and come from none of `sources`. */
  watch(machine: string, sources: readonly string[]): void {
    const not = (v6: boolean): string => {
      const list = sources.filter((source) => source.includes(':') === v6).join(', ');
      const selector = v6 ? 'ip6' : 'ip';
      const family = `meta nfproto ipv${v6 ? 6 : 4} meta l4proto udp`;
      return list === '' ? `${family} counter` : `${family} ${selector} saddr != { ${list} } counter`;
    };
    const rules = `table inet watch {
  chain input { type filter hook input priority 0; policy accept;
    iifname "lo" accept
    ${not(false)}
    ${not(true)}
  }
}
`;
    must('ip', [...this.inside(machine).slice(1), 'nft', '-f', '-'], rules);
  }

  watched(machine: string): number {
    const rules = this.on(machine, 'nft', 'list', 'table', 'inet', 'watch');
    return [...rules.matchAll(/counter packets (\d+)/g)].reduce(
      (sum, [, packets]) => sum + Number(packets),
      0,
    );
  }

  down(): void {
    this.#shaper?.close();
    this.#shaper = undefined;
    const spaces = run('ip', ['netns', 'list'])
      .stdout.split('\n')
      .map((line) => line.split(' ')[0]!);
    for (const space of spaces) if (space.startsWith(`${this.prefix}-`)) demolish(space);
    this.#machines.clear();
    this.#switches.clear();
    this.#cables.clear();
  }

  #forget(machine: string): void {
    this.try(machine, 'conntrack', '-F');
  }

  #cable(machine: string, name: string): Cable {
    const cable = this.#cables.get(`${machine} ${name}`);
    if (cable === undefined) throw new RangeError(`${machine} has no cable in ${name}`);
    return cable;
  }

  #switch(name: string): string {
    const known = this.#switches.get(name);
    if (known !== undefined) return known;
    const bridge = `br${this.#switches.size}`;
    this.#fab('link', 'add', bridge, 'type', 'bridge', 'mcast_snooping', '0');
    this.#fab('link', 'set', bridge, 'up');
    this.#switches.set(name, bridge);
    return bridge;
  }

  #shape(): Shaper {
    this.#shaper ??= new Shaper(this.#fabric);
    return this.#shaper;
  }

  #fab(...words: string[]): void {
    must('ip', ['-n', this.#fabric, ...words]);
  }

  /** The fabric has no addresses: it must not speak on the wires. */
  #quiet(space: string): void {
    must('ip', [
      ...['netns', 'exec', space, 'sysctl', '-qw'],
      ...['net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1'],
    ]);
  }
}

function demolish(space: string): void {
  for (const pid of run('ip', ['netns', 'pids', space]).stdout.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Already gone.
    }
  }
  run('ip', ['netns', 'del', space]);
  rmSync(`/etc/netns/${space}`, { recursive: true, force: true });
}

function family(address: string): string[] {
  return address.includes(':') ? ['-6'] : [];
}

/** A listed rule set without what its sets and maps learned. */
export function withoutElements(rules: string): string {
  return rules.replace(/^\s*elements = \{[^}]*\}\n/gm, '');
}
