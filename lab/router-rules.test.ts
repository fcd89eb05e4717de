import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { NatBehaviour } from '../src/core/nat/behaviour.ts';
import { Network } from './network.ts';
import { Prober } from './prober.ts';
import type { Translation } from './router-rules.ts';
import { whyNoNamespaces } from './shell.ts';

const skip = whyNoNamespaces() ?? false;
const PUBLIC = ['203.0.113.1', '203.0.113.2'] as const;

function behaves(
  mapping: NatBehaviour['mapping'],
  filtering: NatBehaviour['filtering'],
  allocation: NatBehaviour['allocation'],
  step = 0,
): NatBehaviour {
  return { translation: 'nat', mapping, filtering, allocation, step };
}

const INDEPENDENT = 'endpoint-independent';
const ADDRESS = 'address-dependent';
const PORT = 'address-and-port-dependent';

/** RFC 4787 §4.1, §4.2 and §5. */
const EXPECTED: Readonly<Record<Translation, NatBehaviour>> = {
  open: { ...behaves(INDEPENDENT, INDEPENDENT, 'preserving'), translation: 'none' },
  'full-cone': behaves(INDEPENDENT, INDEPENDENT, 'preserving'),
  'address-restricted': behaves(INDEPENDENT, ADDRESS, 'preserving'),
  'port-restricted': behaves(INDEPENDENT, PORT, 'preserving'),
  symmetric: behaves(PORT, PORT, 'random'),
  'symmetric-sequential': behaves(PORT, PORT, 'sequential', 1),
};

describe('routers of the laboratory, measured with plain sockets', { skip }, () => {
  let net: Network;
  let prober: Prober;

  before(async () => {
    net = new Network(`r${process.pid % 10000}`);
    prober = new Prober(net);
    net.machine('pub');
    net.plug('pub', 'eth0', { into: 'internet', addresses: PUBLIC.map((host) => `${host}/24`) });
    for (const [side, n] of [
      ['a', 10],
      ['b', 20],
    ] as const) {
      net.machine(`r${side}`, { forwards: true });
      net.plug(`r${side}`, 'wan', { into: 'internet', addresses: [`203.0.113.${n}/24`] });
      net.plug(`r${side}`, 'lan', { into: `home-${side}`, addresses: [`192.168.${n}.1/24`] });
      net.machine(side);
      const port = { addresses: [`192.168.${n}.2/24`], gateways: [`192.168.${n}.1`] };
      net.plug(side, 'eth0', { into: `home-${side}`, ...port });
      // A second network of the same router, and where it leads when nothing translates.
      net.plug(`r${side}`, 'lan2', { into: `guests-${side}`, addresses: [`192.168.${n + 1}.1/24`] });
      net.machine(`${side}2`);
      const second = { addresses: [`192.168.${n + 1}.2/24`], gateways: [`192.168.${n + 1}.1`] };
      net.plug(`${side}2`, 'eth0', { into: `guests-${side}`, ...second });
      net.way('pub', `192.168.${n}.0/24`, `203.0.113.${n}`);
    }
    await prober.reflect('pub', ...PUBLIC);
  });

  after(() => {
    prober.close();
    net.down();
  });

  for (const [nat, expected] of Object.entries(EXPECTED) as [Translation, NatBehaviour][]) {
    it(`${nat}: maps, filters and allocates as its name says`, async () => {
      net.route('ra', { nat, external: '203.0.113.10' });
      assert.deepEqual(await prober.behaviour('a', ...PUBLIC), expected);
    });
  }

  it('that block UDP let nothing through', async () => {
    net.route('ra', { nat: 'full-cone', external: '203.0.113.10', passes: 'no-udp' });
    assert.equal((await prober.behaviour('a', ...PUBLIC)).translation, 'blocked');
  });

  it('let plain simultaneous sending through where one side’s mapping is known to the other', async () => {
    for (const [a, b, works] of [
      ['port-restricted', 'port-restricted', true],
      ['symmetric', 'address-restricted', true],
      ['symmetric', 'port-restricted', false],
      ['symmetric-sequential', 'symmetric', false],
    ] as const) {
      net.route('ra', { nat: a, external: '203.0.113.10' });
      net.route('rb', { nat: b, external: '203.0.113.20' });
      const heard = await prober.punch('a', 'b', PUBLIC[0]);
      assert.equal(heard.includes(true), works, `${a} with ${b}`);
    }
  });

  it('turn packets around for hosts of their own only with hairpin', async () => {
    for (const hairpin of [true, false]) {
      net.route('ra', { nat: 'port-restricted', external: '203.0.113.10', hairpin, isolates: true });
      assert.deepEqual(await prober.punch('a', 'a2', PUBLIC[0]), [hairpin, hairpin]);
    }
  });

  it('forget every mapping when they reboot', async () => {
    net.route('ra', { nat: 'full-cone', external: '203.0.113.10' });
    net.route('rb', { nat: 'port-restricted', external: '203.0.113.20' });
    assert.deepEqual(await prober.punch('a', 'b', PUBLIC[0]), [true, true]);
    assert.match(net.on('ra', 'nft', 'list', 'map', 'ip', 'nat', 'owners'), /192\.168\.10\.2/);
    net.reboot('ra');
    assert.doesNotMatch(net.on('ra', 'nft', 'list', 'map', 'ip', 'nat', 'owners'), /192\.168\.10\.2/);
    assert.equal(net.on('ra', 'conntrack', '-L').trim(), '');
  });
});
