import type { SigningKey } from '../base/crypto.ts';
import type { Endpoint } from '../base/units.ts';
import {
  createRegistryService,
  memoryStore,
  RegistryServer,
  type RegistryService,
  type Store,
} from '../registry/index.ts';
import { type Host, type Process, World } from '../sim/net/index.ts';
import { Directory, type RegisterOptions } from './index.ts';

export const PORT = 9000;

/** A registry host that can die and come back with what it had stored, and daemons' hosts. */
export class Scene {
  readonly world = new World('directory');
  readonly store: Store = memoryStore();
  readonly registryHost: Host = this.world.addHost('registry', this.world.internet, {
    conditions: { delay: 10 },
  });
  readonly pushes: string[] = [];
  readonly states: string[] = [];
  service: RegistryService | undefined;
  server: RegistryServer | undefined;
  process: Process | undefined;

  get address(): Endpoint {
    return { host: this.registryHost.address, port: PORT };
  }
  /** A registry that answers nothing while the result's `stuck` is true. */
  async startStuckRegistry(): Promise<{ stuck: boolean }> {
    const state = { stuck: false };
    await this.startRegistry((service) => ({
      ...service,
      handle: (request, context) => (state.stuck ? new Promise(() => {}) : service.handle(request, context)),
    }));
    return state;
  }

  async startRegistry(
    change: (service: RegistryService) => RegistryService = (service) => service,
  ): Promise<void> {
    this.process = this.registryHost.start();
    const { net, clock, random, crypto, log } = this.process;
    const config = {
      beacons: [
        { host: '0.0.0.0', port: 9001 },
        { host: '203.0.113.9', port: 9001 },
        { host: 'beacon.example.net', port: 9001 },
      ],
    };
    this.service = createRegistryService({ store: this.store, clock, random, crypto, log, config });
    this.server = await RegistryServer.listen({
      net,
      clock,
      log,
      service: change(this.service),
      bind: { host: '0.0.0.0', port: PORT },
    });
  }
  daemon(
    name: string,
    options: { skew?: number; addresses?: readonly Endpoint[]; tls?: { fingerprint: string } } = {},
  ) {
    const host = this.world.addHost(name, this.world.internet, {
      conditions: { delay: 10 },
      skew: options.skew ?? 0,
    });
    const { net, clock, random, log } = host.start();
    const crypto = this.world.crypto;
    const identity: SigningKey = crypto.signingKey(this.world.random.fork(name).bytes(32));
    const { addresses = [this.address], tls } = options;
    const directory = new Directory({
      net,
      clock,
      random,
      crypto,
      log,
      identity,
      addresses,
      ...(tls && { tls }),
    });
    directory.onPush((push) => this.pushes.push(`${name}:${push.event}:${push.from}`));
    directory.onState((state) => this.states.push(`${name}:${state}`));
    return {
      host,
      directory,
      identity,
      register: (changes: Partial<RegisterOptions> = {}) => directory.register({ ...REGISTER, ...changes }),
    };
  }
  run<T>(promise: Promise<T>): Promise<T> {
    return this.world.await(promise);
  }
  async refused(promise: Promise<unknown>): Promise<string> {
    return this.run(
      promise.then(
        () => 'done',
        (error: { code: string }) => error.code,
      ),
    );
  }
}

export const REGISTER: RegisterOptions = {
  listenEndpoint: { host: '0.0.0.0', port: 4000 },
  lan: [{ host: '192.168.1.5', port: 4000 }],
  version: 'test',
};
