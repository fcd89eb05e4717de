import type { Endpoint } from '../../base/units.ts';
import { type Beacon, startBeacon } from '../../beacon/index.ts';
import { Directory } from '../../directory/directory.ts';
import type { Death, Host, LinkConditions, World } from '../net/index.ts';
import { BEACON_PORT, type RendezvousMachine } from './rendezvous-machine.ts';

/** A beacon on a public host of its own, which asks the registry whether keys that nodes name are theirs. */
export class BeaconMachine {
  readonly host: Host;
  readonly #rendezvous: RendezvousMachine;
  #running: { readonly beacon: Beacon; readonly directory: Directory } | undefined;

  constructor(
    world: World,
    name: string,
    rendezvous: RendezvousMachine,
    conditions: Partial<LinkConditions>,
  ) {
    this.host = world.addHost(name, world.internet, { conditions });
    this.#rendezvous = rendezvous;
  }

  get endpoint(): Endpoint {
    return { host: this.host.address, port: BEACON_PORT };
  }

  get beacon(): Beacon | undefined {
    return this.#running?.beacon;
  }

  async start(): Promise<void> {
    const process = this.host.start();
    const { net, clock, random, crypto, log } = process;
    const directory = new Directory({
      ...{ net, clock, random: random.fork('directory'), crypto, log },
      identity: crypto.signingKey(random.fork('asker').bytes(32)),
      addresses: [this.#rendezvous.registry],
      tls: { fingerprint: this.#rendezvous.fingerprint },
    });
    const beacon = await startBeacon({
      ...{ net, clock, random, crypto, log },
      bind: { host: '0.0.0.0', port: BEACON_PORT },
      alternateBind: { host: '0.0.0.0', port: BEACON_PORT + 2 },
      lookupKey: (node, claimed) => directory.identityKey(node, claimed),
    });
    if (process.alive) this.#running = { beacon, directory };
  }

  crash(death: Death): void {
    this.#running = undefined;
    this.host.stop(death);
  }
}
