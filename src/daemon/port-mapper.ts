import { asPilotError } from '../api/errors.ts';
import { utf8 } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import { PortMapping } from '../core/port-mapping/port-mapping.ts';
import { isPublic } from '../core/port-mapping/public.ts';
import type { MappedNetwork, PortMappingOutput, PortMappingStatus } from '../core/port-mapping/types.ts';
import { type Driver, drive } from '../runtime/drive.ts';
import type { Clock, Log, Net, UdpSocket } from '../runtime/ports.ts';
import { PCP_NONCE_LENGTH, PORT_CONTROL_PORT } from '../wire/pcp.ts';
import { UpnpGateway } from './upnp-gateway.ts';

/** How long a stop waits for a UPnP router to take the mapping back. */
const RELEASE_LIMIT: Millis = 1_000;
/** Ports that routers give to programs of users. */
const FIRST_PORT = 1024;

interface Asked {
  readonly network: MappedNetwork;
  readonly upnp: UpnpGateway;
  /** For PCP and NAT-PMP; undefined where it could not be bound. */
  readonly socket: UdpSocket | undefined;
}

export interface PortMapperOptions {
  readonly mode: 'auto' | 'off';
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly crypto: Crypto;
  readonly identity: SigningKey;
  /** The tunnel's socket. */
  readonly local: Endpoint;
  /** The external endpoint changed. */
  readonly changed: (external: Endpoint | undefined) => void;
}

/** Keeps a port of the default router mapped to the tunnel's socket, where the router is willing. */
export class PortMapper {
  readonly #options: PortMapperOptions;
  readonly #machine: PortMapping;
  readonly #driver: Driver;
  #asked: Asked | undefined;
  /** The network last looked at, also while its socket is being bound. */
  #network: MappedNetwork | 'no_router' | 'public_address' | undefined;
  #external: Endpoint | undefined;
  /** A UPnP router is asked to take the mapping back. */
  #releasing: Promise<void> | undefined;
  #stopped = false;

  constructor(options: PortMapperOptions) {
    this.#options = options;
    const { crypto, identity } = options;
    // The same after a restart, and known to nobody else: the mapping of the last run is ours again.
    const nonce = crypto.sha256(identity.sign(utf8('pilot-port-mapping'))).subarray(0, PCP_NONCE_LENGTH);
    this.#machine = new PortMapping({ nonce });
    this.#driver = drive(this.#machine, options.clock, (output) => this.#onOutput(output));
  }

  /** Where the router leads to us. */
  get external(): Endpoint | undefined {
    return this.#external;
  }

  status(): PortMappingStatus {
    return this.#options.mode === 'off' ? { mode: 'off', tried: [] } : this.#machine.status();
  }

  /** Looks whether the default router is another; the same one is only asked again. */
  look(): void {
    if (this.#options.mode === 'off' || this.#stopped) return;
    const network = this.#behind();
    if (JSON.stringify(network) === JSON.stringify(this.#network)) {
      this.check();
      return;
    }
    this.#network = network;
    void this.#enter(network);
  }

  /** The router may have restarted. */
  check(): void {
    if (!this.#stopped) this.#driver.run(() => this.#machine.check(this.#options.clock.now()));
  }

  /** Gives the mapping back. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#driver.run(() => this.#machine.release());
    this.#stopped = true;
    this.#driver.stop();
    if (this.#releasing !== undefined)
      await Promise.race([this.#releasing, this.#options.clock.sleep(RELEASE_LIMIT)]);
    await this.#asked?.socket?.close();
  }

  #behind(): MappedNetwork | 'no_router' | 'public_address' {
    const { net, local } = this.#options;
    const isWildcard = local.host === '0.0.0.0' || local.host === '::';
    for (const { host, local: own } of net.gateways()) {
      if (host.includes(':') || !(isWildcard || own === local.host)) continue;
      if (isPublic(own)) return 'public_address';
      return { gateway: host, internal: { host: own, port: local.port } };
    }
    return 'no_router';
  }

  async #enter(network: MappedNetwork | 'no_router' | 'public_address'): Promise<void> {
    const { net, clock } = this.#options;
    const before = this.#asked;
    this.#asked = undefined;
    if (typeof network === 'string') this.#use(network);
    await before?.socket?.close();
    if (typeof network === 'string') return;
    const { gateway, internal } = network;
    const socket = await net.udp({ host: internal.host, port: 0 }).catch(() => undefined);
    if (this.#stopped || this.#network !== network) {
      await socket?.close();
      return;
    }
    const upnp = new UpnpGateway({ net, clock, gateway, local: internal.host });
    this.#asked = { network, upnp, socket };
    socket?.onDatagram((data, from) => {
      if (from.host !== gateway || from.port !== PORT_CONTROL_PORT) return;
      this.#driver.run(() => this.#machine.handleDatagram(data, clock.now()));
    });
    this.#use(network);
  }

  #use(network: MappedNetwork | 'no_router' | 'public_address'): void {
    this.#driver.run(() => this.#machine.use(network, this.#options.clock.now()));
  }

  #onOutput(output: PortMappingOutput): void {
    const asked = this.#asked;
    switch (output.type) {
      case 'transmit':
        if (asked !== undefined)
          asked.socket?.send(output.data, { host: asked.network.gateway, port: PORT_CONTROL_PORT });
        return;
      case 'upnp':
        if (asked === undefined) return;
        if (output.task === 'map') void this.#mapByUpnp(asked, output.external);
        else this.#releasing = asked.upnp.unmap(output.external).catch(() => {});
        return;
      case 'mapped':
        this.#external = output.external;
        queueMicrotask(() => this.#options.changed(output.external));
        return;
      case 'event': {
        const { name, ...fields } = output.event;
        this.#options.log.event(name === 'port_mapping.made' ? 'info' : 'debug', name, fields);
        return;
      }
      default:
        output satisfies never;
    }
  }

  async #mapByUpnp(asked: Asked, wanted: number): Promise<void> {
    const { clock, random } = this.#options;
    const { port } = asked.network.internal;
    const otherPort = (): number => FIRST_PORT + random.below(65536 - FIRST_PORT);
    try {
      const mapping = await asked.upnp.map(port, wanted, otherPort);
      if (this.#asked === asked) this.#driver.run(() => this.#machine.upnpMapped(mapping, clock.now()));
      // We are gone or elsewhere: nobody would take it back.
      else await asked.upnp.unmap(mapping.external.port).catch(() => {});
    } catch (thrown) {
      const { message } = asPilotError(thrown);
      const problem = /^[a-z_0-9]+$/.test(message) ? message : 'no_answer';
      if (this.#asked === asked) this.#driver.run(() => this.#machine.upnpFailed(problem, clock.now()));
    }
  }
}
