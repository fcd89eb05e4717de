/**
 * Two hosts behind two NAT routers, and a public network with room for a rendezvous, out of network namespaces:
 *
 *   a 192.168.10.2 -- ra 192.168.10.1 | 203.0.113.10 --\
 *                                                       br0 in pub: 203.0.113.1
 *   b 192.168.20.2 -- rb 192.168.20.1 | 203.0.113.20 --/
 */
import { type NatKind, natRules } from './nat-rules.ts';
import { must, run } from './shell.ts';

export type Side = 'a' | 'b';

const NUMBER = { a: 10, b: 20 } as const;

export class NatLab {
  /** Where the rendezvous belongs. */
  readonly publicAddress = '203.0.113.1';
  readonly prefix: string;

  /** `prefix` keeps labs on one machine apart; at most 8 characters. */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  namespace(name: 'pub' | 'ra' | 'rb' | Side): string {
    return `${this.prefix}-${name}`;
  }

  /** The words that run a command inside a namespace. */
  inside(name: 'pub' | 'ra' | 'rb' | Side): string[] {
    return ['ip', 'netns', 'exec', this.namespace(name)];
  }

  #in(name: 'pub' | 'ra' | 'rb' | Side, ...words: string[]): void {
    must('ip', ['netns', 'exec', this.namespace(name), ...words]);
  }

  up(): void {
    this.down();
    for (const name of ['pub', 'ra', 'rb', 'a', 'b'] as const) {
      must('ip', ['netns', 'add', this.namespace(name)]);
      this.#in(name, 'ip', 'link', 'set', 'lo', 'up');
    }
    this.#in('pub', 'ip', 'link', 'add', 'br0', 'type', 'bridge');
    this.#in('pub', 'ip', 'addr', 'add', `${this.publicAddress}/24`, 'dev', 'br0');
    this.#in('pub', 'ip', 'link', 'set', 'br0', 'up');
    for (const side of ['a', 'b'] as const) this.#connect(side);
  }

  #connect(side: Side): void {
    const n = NUMBER[side];
    const router = `r${side}` as const;
    const p = this.prefix;
    must('ip', [
      'link',
      'add',
      `${p}-w${side}`,
      'netns',
      this.namespace(router),
      'type',
      'veth',
      'peer',
      'name',
      `${p}-p${side}`,
      'netns',
      this.namespace('pub'),
    ]);
    this.#in('pub', 'ip', 'link', 'set', `${p}-p${side}`, 'master', 'br0', 'up');
    this.#in(router, 'ip', 'link', 'set', `${p}-w${side}`, 'name', 'wan');
    this.#in(router, 'ip', 'addr', 'add', `203.0.113.${n}/24`, 'dev', 'wan');
    this.#in(router, 'ip', 'link', 'set', 'wan', 'up');
    must('ip', [
      'link',
      'add',
      `${p}-l${side}`,
      'netns',
      this.namespace(router),
      'type',
      'veth',
      'peer',
      'name',
      `${p}-h${side}`,
      'netns',
      this.namespace(side),
    ]);
    this.#in(router, 'ip', 'link', 'set', `${p}-l${side}`, 'name', 'lan');
    this.#in(router, 'ip', 'addr', 'add', `192.168.${n}.1/24`, 'dev', 'lan');
    this.#in(router, 'ip', 'link', 'set', 'lan', 'up');
    this.#in(side, 'ip', 'link', 'set', `${p}-h${side}`, 'name', 'eth0');
    this.#in(side, 'ip', 'addr', 'add', `192.168.${n}.2/24`, 'dev', 'eth0');
    this.#in(side, 'ip', 'link', 'set', 'eth0', 'up');
    this.#in(side, 'ip', 'route', 'add', 'default', 'via', `192.168.${n}.1`);
    this.#in(router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  }

  /** Gives one side's router a NAT kind and forgets its mappings, as a rebooted router would. */
  nat(side: Side, kind: NatKind): void {
    const router = `r${side}` as const;
    this.#in(router, 'nft', 'flush', 'ruleset');
    run('ip', ['netns', 'exec', this.namespace(router), 'conntrack', '-F']);
    must(
      'ip',
      ['netns', 'exec', this.namespace(router), 'nft', '-f', '-'],
      natRules(kind, `192.168.${NUMBER[side]}.2`),
    );
  }

  /** Removes every namespace (and with them links and rules), killing what still runs inside. */
  down(): void {
    for (const name of ['a', 'b', 'ra', 'rb', 'pub'] as const) {
      const namespace = this.namespace(name);
      for (const pid of run('ip', ['netns', 'pids', namespace]).stdout.split('\n').filter(Boolean)) {
        try {
          process.kill(Number(pid), 'SIGKILL');
        } catch {
          // Already gone.
        }
      }
      run('ip', ['netns', 'del', namespace]);
    }
  }
}
