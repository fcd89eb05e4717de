import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { Links, Oversize } from '../core/path/link-size.ts';
import type { Gateway, Net, NetworkChange } from '../runtime/ports.ts';
import { ManualClock, settle } from '../services/data-exchange/exchange.testkit.ts';
import { Surroundings } from './surroundings.ts';

const ETHERNET = { address: '10.0.0.5', bits: 24, loopback: false, leadsOut: true };

/** A machine whose networks the test changes, and what the node and the daemon are told. */
class Machine {
  readonly clock = new ManualClock();
  addresses = ['10.0.0.5'];
  routers: Gateway[] = [{ host: '10.0.0.1', local: '10.0.0.5' }];
  names: Record<string, string[]> = { beacon: ['203.0.113.1'] };
  lookups = 0;
  mtu = 1_500;
  readonly told: string[] = [];
  moves = 0;
  change: (change: NetworkChange) => void = () => {};
  readonly surroundings: Surroundings;

  constructor(oversize: Oversize = 'cut', largestPacket?: number) {
    const net = {
      localAddresses: () => this.addresses,
      links: () => [{ ...ETHERNET, mtu: this.mtu }],
      gateways: () => this.routers,
      watchNetworks: (onChange: (change: NetworkChange) => void) => {
        this.change = onChange;
        return {
          cancel: () => {
            this.change = () => {};
          },
        };
      },
      resolve: async (host: string) => {
        this.lookups++;
        const found = this.names[host];
        if (found === undefined) throw new Error('no such name');
        return found;
      },
    } as unknown as Net;
    const listed = (endpoints: readonly Endpoint[]): string => endpoints.map(formatEndpoint).join(' ');
    const node = {
      setLocalEndpoints: (lan: readonly Endpoint[]) => this.told.push(`lan ${listed(lan)}`),
      setLinks: ({ all, oversize }: Links) =>
        this.told.push(`links ${all.map(({ address, mtu }) => `${address}:${mtu}`).join(' ')} ${oversize}`),
      setBeacons: (beacons: readonly Endpoint[]) => this.told.push(`beacons ${listed(beacons)}`),
    } as unknown as PilotNode;
    this.surroundings = new Surroundings({
      net,
      clock: this.clock,
      log: { event() {} },
      node,
      oversize,
      ...(largestPacket !== undefined && { largestPacket }),
      run: (mutation) => mutation(),
      local: { host: '::', port: 4000 },
      onMoved: () => {
        this.moves++;
      },
    });
  }
}

async function started(): Promise<Machine> {
  const machine = new Machine();
  machine.surroundings.start();
  await machine.surroundings.useBeacons([{ host: 'beacon', port: 9001 }]);
  assert.deepEqual(machine.told.splice(0), ['lan 10.0.0.5:4000', 'beacons 203.0.113.1:9001']);
  return machine;
}

describe('the surroundings of a daemon', () => {
  it('that change are told at once', async () => {
    const machine = await started();
    machine.addresses = ['10.9.9.9'];
    machine.change('changed');
    assert.deepEqual(machine.told, ['lan 10.9.9.9:4000']);
    assert.equal(machine.moves, 1);
  });

  it('count as changed when only the router is another', async () => {
    const machine = await started();
    machine.routers = [{ host: '10.0.0.2', local: '10.0.0.5' }];
    machine.surroundings.refused();
    assert.equal(machine.moves, 1);
  });

  it('count as changed after sleep, though everything looks the same', async () => {
    const machine = await started();
    machine.change('slept');
    assert.equal(machine.moves, 1);
  });

  it('are looked at when a datagram is refused, and the watch does not tell the same again', async () => {
    const machine = await started();
    machine.surroundings.refused();
    assert.equal(machine.moves, 0);
    machine.addresses = [];
    await machine.clock.advance(300);
    machine.surroundings.refused();
    machine.surroundings.refused();
    assert.equal(machine.moves, 1);
    await machine.clock.advance(500);
    machine.change('changed');
    assert.equal(machine.moves, 1);
    // Something the picture does not show: another card with the same address.
    await machine.clock.advance(5_000);
    machine.change('changed');
    assert.equal(machine.moves, 2);
  });

  it('may give names another meaning: beacons are looked up anew', async () => {
    const machine = await started();
    machine.names = { beacon: ['198.51.100.1', '2001:db8::1'] };
    machine.change('changed');
    await settle();
    assert.ok(machine.told.includes('beacons 198.51.100.1:9001 [2001:db8::1]:9001'));
  });

  it('keep the beacons they know while the resolver is away, and ask again', async () => {
    const machine = await started();
    machine.names = {};
    machine.change('changed');
    await machine.clock.advance(120_000);
    assert.deepEqual(machine.surroundings.beacons.map(formatEndpoint), ['203.0.113.1:9001']);
    assert.ok(machine.lookups >= 3);
    machine.names = { beacon: ['198.51.100.1'] };
    await machine.clock.advance(61_000);
    assert.deepEqual(machine.surroundings.beacons.map(formatEndpoint), ['198.51.100.1:9001']);
  });

  it('tell how large a packet the links take, and when that changes without anything else', async () => {
    const machine = new Machine('refused');
    machine.surroundings.start();
    await machine.surroundings.useBeacons([{ host: 'beacon', port: 9001 }]);
    const links = (): string[] => machine.told.filter((one) => one.startsWith('links'));
    assert.deepEqual(links(), ['links 10.0.0.5:1500 refused']);
    machine.mtu = 9_000;
    await machine.clock.advance(121_000);
    assert.deepEqual(links(), ['links 10.0.0.5:1500 refused', 'links 10.0.0.5:9000 refused']);
  });

  it('are told as no larger than the user wants packets to be', () => {
    const machine = new Machine('refused', 1_400);
    machine.surroundings.start();
    assert.ok(machine.told.includes('links 10.0.0.5:1400 refused'));
  });

  it('are watched no longer after a stop', async () => {
    const machine = await started();
    machine.surroundings.stop();
    machine.change('changed');
    machine.surroundings.refused();
    await machine.clock.advance(300_000);
    assert.deepEqual(machine.told, []);
  });
});
