import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Network } from './network.ts';
import { whyNoNamespaces } from './shell.ts';
import { PROJECT } from './stage.ts';

const skip = whyNoNamespaces() ?? false;
const PROBE = join(PROJECT, 'dist', 'lab', 'dial-probe.js');

interface Change {
  readonly change?: string;
  readonly addresses?: readonly string[];
  readonly gateways?: readonly { readonly host: string }[];
}

describe('a host on real networks', { skip }, () => {
  let network: Network;
  let child: ChildProcess | undefined;

  before(() => {
    network = new Network(`h${process.pid % 10000}`);
    network.machine('host');
    network.machine('gw', { forwards: true });
    network.plug('gw', 'lan', { into: 'home', addresses: ['192.0.2.1/24', '2001:db8:1::1/64'] });
    network.plug('host', 'eth0', {
      into: 'home',
      addresses: ['192.0.2.10/24', '2001:db8:1::2/64'],
      gateways: ['192.0.2.1', '2001:db8:1::1'],
    });
    // The router loses what goes on over IPv6, without a word.
    network.on('gw', 'nft', 'add table ip6 lost');
    const hook = '{ type filter hook forward priority 0; policy drop; }';
    network.on('gw', 'nft', `add chain ip6 lost everything ${hook}`);
    network.names('host', 'pilot.test', ['2001:db8:dead::1', '192.0.2.10']);
  });
  after(() => {
    child?.kill('SIGKILL');
    network?.down();
  });

  const probe = (...words: string[]): Record<string, unknown> =>
    JSON.parse(network.on('host', process.execPath, PROBE, ...words)) as Record<string, unknown>;

  it('connects by name within a second though one family leads nowhere', () => {
    const { host, ms } = probe('pilot.test', '9000') as { host: string; ms: number };
    assert.equal(host, '192.0.2.10');
    // The dead family is waited for as long as RFC 8305 says, and was tried first.
    assert.ok(ms >= 240 && ms < 1_000, `${ms} ms`);
  });

  it('binds its tunnel to both families, also where IPv6 is switched off', () => {
    assert.equal(probe('bind').host, '::');
    network.on('host', 'sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1');
    assert.ok(['::', '0.0.0.0'].includes(probe('bind').host as string));
    network.on('host', 'sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0');
  });

  it('notices another address and another router', async () => {
    const words = [...network.inside('host'), process.execPath, PROBE, 'watch'];
    const watching = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    child = watching;
    let text = '';
    watching.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const lines = (): Change[] =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Change);
    const until = async (what: string, holds: (last: Change) => boolean): Promise<void> => {
      for (let i = 0; i < 100; i++) {
        const last = lines().at(-1);
        if (last !== undefined && holds(last)) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.fail(`${what} was not noticed: ${text}`);
    };
    await until('the start', () => true);
    network.address('host', 'eth0', { addresses: ['192.0.2.77/24'], gateways: ['192.0.2.1'] });
    await until('the address', ({ addresses }) => addresses?.includes('192.0.2.77') === true);
    network.address('host', 'eth0', { addresses: ['192.0.2.77/24'], gateways: ['192.0.2.9'] });
    await until('the router', ({ gateways }) => gateways?.[0]?.host === '192.0.2.9');
    assert.ok(lines().every(({ change }) => change === undefined || change === 'changed'));
  });
});
