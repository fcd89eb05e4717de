/**
 * Two machines with a shaped cable between them, in network namespaces of their own; the rendezvous is a third, near
 * the second. Linux and root. The shaper is a program in user space (lab/shaper.c): a queue of 300 ms before the line.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { Network } from '../lab/network.ts';
import { whyNoShaper } from '../lab/shaper.ts';
import { whyNoNamespaces } from '../lab/shell.ts';
import { Contender } from './contender.ts';
import { Rig } from './rig.ts';

export const RATE_MBPS = 100;
const A = '10.77.0.1';
const B = '10.77.0.2';
const R = '10.77.0.3';
/** Room for 32 MB under way, so that no window of the kernel limits what a path of 300 ms carries. */
const KERNEL_BUFFER = '4096 131072 33554432';

/** Why there can't be such a path here, or undefined. */
export function whyNoShapedPath(): string | undefined {
  return whyNoNamespaces() ?? whyNoShaper();
}

export type Congestion = 'cubic' | 'bbr';

/** What namespaces may choose; only the first namespace can change it. */
const ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control';
const AVAILABLE = '/proc/sys/net/ipv4/tcp_available_congestion_control';

export class ShapedPath {
  readonly #network = new Network('bench');
  readonly #contenders: Contender[] = [];
  readonly #allowed = readFileSync(ALLOWED, 'utf8');
  #rig: Rig | undefined;

  constructor() {
    writeFileSync(ALLOWED, readFileSync(AVAILABLE, 'utf8'));
    for (const name of ['a', 'b', 'r']) this.#network.machine(name);
    this.#network.plug('a', 'eth0', { into: 'line', addresses: [`${A}/24`], link: { mbps: RATE_MBPS } });
    this.#network.plug('b', 'eth0', { into: 'line', addresses: [`${B}/24`] });
    this.#network.plug('r', 'eth0', { into: 'line', addresses: [`${R}/24`] });
    for (const name of ['a', 'b']) {
      for (const key of ['tcp_rmem', 'tcp_wmem']) {
        this.#network.on(name, 'sysctl', '-qw', `net.ipv4.${key}=${KERNEL_BUFFER}`);
      }
      // Or a connection would begin with what the last one learned.
      this.#network.on(name, 'sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1');
    }
  }

  /** `roundTrip` and the queue before the line in ms; `loss` is a share, in each direction. */
  set(roundTrip: number, loss: number, queueMs = 300): void {
    this.#network.link('a', 'eth0', { delayMs: roundTrip / 2, loss, mbps: RATE_MBPS, queueMs });
  }

  /** TCP of the kernel. Undefined when it does not have this congestion control. */
  async kernel(congestion: Congestion): Promise<Contender | undefined> {
    const key = `net.ipv4.tcp_congestion_control=${congestion}`;
    const ran = ['a', 'b'].map((name) => this.#network.try(name, 'sysctl', '-qw', key).status);
    if (ran.some((status) => status !== 0)) return undefined;
    const name = `kernel TCP, ${congestion === 'bbr' ? 'BBR' : 'CUBIC'}`;
    return this.#enter(congestion, name, ['tcp', B], ['tcp']);
  }

  /** Makes connections from now on use it: both ends look when they connect. */
  use(congestion: Congestion): void {
    for (const name of ['a', 'b']) {
      this.#network.on(name, 'sysctl', '-qw', `net.ipv4.tcp_congestion_control=${congestion}`);
    }
  }

  /** Small datagrams, to see how long the queue is. */
  prober(): Promise<Contender> {
    return this.#enter('probe', 'small datagrams', ['udp', '1400', B], ['udp', '1400']);
  }

  /** Two applications of ours. */
  async pilot(settings: Readonly<Record<string, string>> = {}): Promise<Contender> {
    const inside = (machine: string): string[] => this.#network.inside(machine);
    this.#rig = new Rig({ a: inside('a'), b: inside('b'), rendezvous: inside('r'), host: R });
    await this.#rig.start({ relayOnly: false, settings });
    const socket = (actor: Rig['a']): string => this.#rig!.socket(actor);
    const words = [
      ['pilot', socket(this.#rig.b)],
      ['pilot', socket(this.#rig.a)],
    ] as const;
    return this.#enter('pilot', 'Pilot', words[0], words[1], [
      this.#rig.pid(this.#rig.a),
      this.#rig.pid(this.#rig.b),
    ]);
  }

  async down(): Promise<void> {
    for (const contender of this.#contenders) contender.stop();
    await this.#rig?.stop();
    this.#network.down();
    writeFileSync(ALLOWED, this.#allowed);
  }

  async #enter(
    id: string,
    name: string,
    server: readonly string[],
    client: readonly string[],
    between: readonly number[] = [],
  ): Promise<Contender> {
    const contender = await Contender.start({
      ...{ id, name, server, client, between },
      serverPrefix: this.#network.inside('b'),
      clientPrefix: this.#network.inside('a'),
    });
    this.#contenders.push(contender);
    return contender;
  }
}
