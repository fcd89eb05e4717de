import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint } from '../../base/units.ts';
import { type Dependence, NAT_PRESETS, type Nat, type NatBehaviour } from './nat.ts';
import { World } from './world.ts';

const inside: Endpoint = { host: '192.168.1.2', port: 4000 };
const alice: Endpoint = { host: '1.1.1.1', port: 100 };
const aliceElsewhere: Endpoint = { host: '1.1.1.1', port: 200 };
const bob: Endpoint = { host: '2.2.2.2', port: 100 };

function nat(behaviour: Partial<NatBehaviour>): Nat {
  return new World(1).addNat('nat', { ...NAT_PRESETS['port-restricted'], ...behaviour });
}

test('the external port depends on the remote as the mapping says (RFC 4787 §4.1)', () => {
  const ports = (mapping: Dependence): boolean[] => {
    const it = nat({ mapping, ports: 'sequential' });
    const first = it.outbound(inside, alice, 0);
    return [it.outbound(inside, aliceElsewhere, 0) === first, it.outbound(inside, bob, 0) === first];
  };
  assert.deepEqual(ports('endpoint-independent'), [true, true]);
  assert.deepEqual(ports('address-dependent'), [true, false]);
  assert.deepEqual(ports('address-and-port-dependent'), [false, false]);
});

test('who may answer depends on the filtering (RFC 4787 §5)', () => {
  const admitted = (filtering: Dependence): boolean[] => {
    const it = nat({ filtering });
    const port = it.outbound(inside, alice, 0)!;
    return [alice, aliceElsewhere, bob].map((remote) => it.inbound(remote, port, 1) !== undefined);
  };
  assert.deepEqual(admitted('endpoint-independent'), [true, true, true]);
  assert.deepEqual(admitted('address-dependent'), [true, true, false]);
  assert.deepEqual(admitted('address-and-port-dependent'), [true, false, false]);
});

test('mappings expire when idle, and inbound traffic keeps them only where the behaviour says so', () => {
  for (const inboundRefresh of [true, false]) {
    const it = nat({ expiry: 1000, inboundRefresh });
    const port = it.outbound(inside, alice, 0)!;
    assert.deepEqual(it.inbound(alice, port, 900), inside);
    assert.equal(it.inbound(alice, port, 1800) !== undefined, inboundRefresh);
    assert.equal(it.inbound(alice, port, 9000), undefined);
  }
});

test('a port is preserved where free, and a flush changes what random ones become', () => {
  const keeps = nat({ ports: 'preserve' });
  assert.equal(keeps.outbound(inside, alice, 0), 4000);
  assert.equal(keeps.outbound({ host: '192.168.1.3', port: 4000 }, alice, 0), 4001);
  const random = nat({ ports: 'random' });
  const before = random.outbound(inside, alice, 0)!;
  random.flush();
  assert.equal(random.inbound(alice, before, 0), undefined);
  assert.notEqual(random.outbound(inside, alice, 0), before);
});

test('conntrack shares one external port among remotes and still tells them apart', () => {
  const it = nat(NAT_PRESETS.conntrack);
  assert.equal(it.outbound(inside, alice, 0), 4000);
  assert.equal(it.outbound(inside, bob, 0), 4000);
  assert.deepEqual(it.inbound(alice, 4000, 1), inside);
  assert.deepEqual(it.inbound(bob, 4000, 1), inside);
  assert.equal(it.inbound(aliceElsewhere, 4000, 1), undefined);
});

test('two inside endpoints never receive the answers of each other', () => {
  const behaviour = fc.record({
    mapping: fc.constantFrom<Dependence>(
      'endpoint-independent',
      'address-dependent',
      'address-and-port-dependent',
    ),
    filtering: fc.constantFrom<Dependence>(
      'endpoint-independent',
      'address-dependent',
      'address-and-port-dependent',
    ),
    ports: fc.constantFrom<NatBehaviour['ports']>('preserve', 'sequential', 'random'),
  });
  const sends = fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(behaviour, sends, (chosen, plan) => {
      const it = nat(chosen);
      const owner = new Map<string, Endpoint>();
      for (const [host, port, remotePort] of plan) {
        const from = { host: `192.168.1.${host}`, port: 4000 + (port % 2) };
        const remote = { host: '9.9.9.9', port: 10 + remotePort };
        const external = it.outbound(from, remote, 0)!;
        const key = `${external} ${remote.port}`;
        assert.deepEqual(owner.get(key) ?? from, from);
        owner.set(key, from);
        assert.deepEqual(it.inbound(remote, external, 0), from);
      }
    }),
  );
});
