import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { MappingRouter, whyNoMappingRouter } from './mapping-router.ts';
import { Network } from './network.ts';
import { whyNoNamespaces } from './shell.ts';
import { type Actor, Stage } from './stage.ts';

const skip = whyNoNamespaces() ?? whyNoMappingRouter() ?? false;
/** Not an address for documentation: miniupnpd gives no ports of those. */
const PUBLIC = '45.67.89.1';

interface Peers {
  readonly peers: readonly { readonly path?: string }[];
}

describe('two nodes behind symmetric NATs', { skip }, () => {
  let network: Network;
  let router: MappingRouter;
  const stage = new Stage();
  let actors: { a: Actor; b: Actor; rendezvous: Actor };

  before(async () => {
    network = new Network(`h${process.pid % 10000}`);
    network.machine('pub');
    network.plug('pub', 'eth0', { into: 'internet', addresses: [`${PUBLIC}/24`] });
    for (const [side, n] of [
      ['a', 10],
      ['b', 20],
    ] as const) {
      network.machine(`r${side}`, { forwards: true });
      network.plug(`r${side}`, 'wan', { into: 'internet', addresses: [`45.67.89.${n}/24`] });
      network.plug(`r${side}`, 'lan', { into: `home-${side}`, addresses: [`192.168.${n}.1/24`] });
      network.machine(side);
      const port = { addresses: [`192.168.${n}.2/24`], gateways: [`192.168.${n}.1`] };
      network.plug(side, 'eth0', { into: `home-${side}`, ...port });
      network.route(`r${side}`, { nat: 'symmetric', external: `45.67.89.${n}` });
    }
    router = new MappingRouter(network, 'ra');
    await router.start({ portControl: 'both', upnp: true }, '192.168.10.1');
    actors = {
      a: stage.actor('node-a', network.inside('a')),
      b: stage.actor('node-b', network.inside('b')),
      rendezvous: stage.actor('rendezvous', network.inside('pub')),
    };
    stage.pilotctl(
      actors.rendezvous,
      ['rendezvous', 'start', '--registry-addr', `${PUBLIC}:9000`, '--beacon-addr', `${PUBLIC}:9001`],
      { quiet: true },
    );
    for (const actor of [actors.a, actors.b]) {
      stage.pilotctl(actor, ['init', '--registry', PUBLIC, '--hostname', actor.name], { quiet: true });
      stage.pilotctl(actor, ['daemon', 'start'], { quiet: true });
    }
  });
  after(async () => {
    if (actors !== undefined) {
      for (const actor of [actors.a, actors.b])
        stage.pilotctl(actor, ['daemon', 'stop'], { quiet: true, mayFail: true });
      stage.pilotctl(actors.rendezvous, ['rendezvous', 'stop'], { quiet: true, mayFail: true });
    }
    await router?.remove();
    network?.down();
    stage.remove();
  });

  async function until(what: string, holds: () => boolean): Promise<void> {
    for (let i = 0; i < 75; i++) {
      if (holds()) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.fail(`${what}: did not happen`);
  }

  it('meet directly where the router of one of them gives a port, and give it back', async () => {
    const { a, b } = actors;
    await until('a port', () => router.ports().length === 1);
    stage.pilotctl(a, ['handshake', 'node-b', 'lab'], { quiet: true });
    await until('a request', () => stage.json<{ pending: unknown[] }>(b, ['pending']).pending.length > 0);
    stage.pilotctl(b, ['approve', 'node-a'], { quiet: true });
    await until('trust', () => stage.json<{ trusted: unknown[] }>(a, ['trust']).trusted.length > 0);
    stage.pilotctl(b, ['ping', 'node-a', '--count', '3', '--interval', '200ms'], { quiet: true });
    await until('a direct path', () => stage.json<Peers>(b, ['peers']).peers[0]?.path === 'direct');
    stage.pilotctl(a, ['daemon', 'stop'], { quiet: true });
    await until('the port given back', () => router.ports().length === 0);
  });
});
