/** A router that gives out ports: the real miniupnpd on a machine of the laboratory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Network } from './network.ts';
import { must } from './shell.ts';

const MINIUPNPD = '/usr/sbin/miniupnpd';

/** Why there is no such router here, or undefined. */
export function whyNoMappingRouter(): string | undefined {
  return existsSync(MINIUPNPD) ? undefined : 'miniupnpd is missing (apt-get install miniupnpd-nftables)';
}

export interface MappingProtocols {
  /** PCP and NAT-PMP; `nat-pmp` loses every PCP request, as routers do that do not know it. */
  readonly portControl: 'both' | 'nat-pmp' | 'none';
  readonly upnp: boolean;
}

// The chains that miniupnpd fills in.
const CHAINS = `
table inet mapped {
  chain forward { type filter hook forward priority -5; policy accept;
    jump ports
  }
  chain prerouting { type nat hook prerouting priority -110; policy accept;
    jump ports_in
  }
  chain postrouting { type nat hook postrouting priority 90; policy accept;
    jump ports_out
  }
  chain ports { }
  chain ports_in { }
  chain ports_out { }
  chain input { type filter hook input priority -5; policy accept; }
}
`;

export class MappingRouter {
  readonly #network: Network;
  readonly #machine: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'mapping-router-'));
  #daemon: ChildProcess | undefined;

  /** `machine` has the interfaces `wan` and `lan`, and its rules (`route`) already. */
  constructor(network: Network, machine: string) {
    this.#network = network;
    this.#machine = machine;
  }

  async start(protocols: MappingProtocols, lanAddress: string): Promise<void> {
    must('ip', [...this.#network.inside(this.#machine).slice(1), 'nft', '-f', '-'], CHAINS);
    if (protocols.portControl === 'nat-pmp') {
      const rule = ['udp', 'dport', '5351', '@th,64,8', '2', 'drop'];
      this.#network.on(this.#machine, 'nft', 'add', 'rule', 'inet', 'mapped', 'input', ...rule);
    }
    const configuration = join(this.#directory, 'miniupnpd.conf');
    const lines = [
      'ext_ifname=wan',
      `listening_ip=${lanAddress}`,
      'ipv6_disable=yes',
      `enable_natpmp=${protocols.portControl === 'none' ? 'no' : 'yes'}`,
      `enable_upnp=${protocols.upnp ? 'yes' : 'no'}`,
      'secure_mode=yes',
      'uuid=7a8d3f12-5b1c-4a39-9d7e-000000000001',
      'upnp_table_name=mapped',
      'upnp_nat_table_name=mapped',
      'upnp_forward_chain=ports',
      'upnp_nat_chain=ports_in',
      'upnp_nat_postrouting_chain=ports_out',
      'allow 1024-65535 0.0.0.0/0 1024-65535',
      'deny 0-65535 0.0.0.0/0 0-65535',
    ];
    writeFileSync(configuration, `${lines.join('\n')}\n`);
    const pidFile = join(this.#directory, 'pid');
    const words = [...this.#network.inside(this.#machine), MINIUPNPD];
    const daemon = spawn(words[0]!, [...words.slice(1), '-d', '-f', configuration, '-P', pidFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#daemon = daemon;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        log += chunk.toString();
        if (/Listening for NAT-PMP|HTTP listening on port/.test(log)) resolve();
      };
      daemon.stdout.on('data', hear);
      daemon.stderr.on('data', hear);
      daemon.on('exit', (code) => reject(new Error(`miniupnpd ended with ${code}: ${log}`)));
    });
  }

  /** External ports that lead inside, as the kernel has them. */
  ports(): number[] {
    const rules = this.#network.on(this.#machine, 'nft', 'list', 'chain', 'inet', 'mapped', 'ports_in');
    return [...rules.matchAll(/dport (\d+)[^\n]*dnat/g)].map(([, port]) => Number(port));
  }

  async stop(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon !== undefined && daemon.exitCode === null && daemon.signalCode === null) {
      daemon.removeAllListeners('exit');
      await new Promise<void>((resolve) => {
        daemon.on('exit', () => resolve());
        daemon.kill('SIGKILL');
      });
    }
    rmSync(join(this.#directory, 'pid'), { force: true });
    this.#network.try(this.#machine, 'nft', 'delete', 'table', 'inet', 'mapped');
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
