import { asPilotError, PilotError } from '../api/errors.ts';
import type { Address, Instant, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { Log } from '../runtime/ports.ts';
import type { ServiceEntry } from '../wire/node-record.ts';
import type { PersistGate } from './persist-gate.ts';
import type { RegistryClient } from './registry-client.ts';
import type { NodeState } from './state-file.ts';

export interface OwnStateHost {
  readonly node: PilotNode;
  readonly registry: RegistryClient;
  run(mutation: () => void): void;
  now(): Instant;
  /** The registry has to be told again of what we are. */
  untold(): void;
  /** Our signed record says something else now. */
  changed(): void;
}

/** What the node is to others: id, name, visibility, tags. Every change is told to the registry first, then saved. */
export class OwnState {
  readonly #host: OwnStateHost;
  readonly #gate: PersistGate<NodeState>;
  readonly #log: Log;
  #state: NodeState;
  #hostnameError: string | undefined;

  constructor(host: OwnStateHost, gate: PersistGate<NodeState>, state: NodeState, log: Log) {
    this.#log = log;
    this.#host = host;
    this.#gate = gate;
    this.#state = state;
  }

  get current(): NodeState {
    return this.#state;
  }

  /** 0 until the registry has given one. */
  get nodeId(): NodeId {
    return this.#state.node ?? 0;
  }

  /** Errors: `registry_unreachable` while we have none. */
  get address(): Address {
    if (this.nodeId !== 0) return { network: 0, node: this.nodeId };
    throw new PilotError(
      'registry_unreachable',
      `This node has no address yet: it could not register at ${this.#state.registries.join(', ')}`,
    );
  }

  /** The name others can find us by: the one we want, unless the registry refused it. */
  get hostname(): string {
    return this.#hostnameError === undefined ? this.#state.hostname : '';
  }

  /** Why the registry refused the name we want. */
  get hostnameError(): string | undefined {
    return this.#hostnameError;
  }

  /** What the registry made of the name at a registration. */
  granted(hostnameError: string | undefined): void {
    if (hostnameError === this.#hostnameError) return;
    this.#hostnameError = hostnameError;
    const { hostname } = this.#state;
    if (hostnameError !== undefined) {
      this.#log.event('warn', 'node.hostname_refused', { hostname, reason: hostnameError });
    }
    this.#tellNode();
  }

  /** Errors: those of the storage. */
  save(change: Partial<NodeState> = {}): Promise<void> {
    this.#state = { ...this.#state, ...change };
    this.#gate.put(this.#state);
    return this.#gate.settled();
  }

  async setHostname(hostname: string): Promise<void> {
    await this.#host.registry.setHostname(hostname);
    this.#hostnameError = undefined;
    this.#state = { ...this.#state, hostname };
    this.#tellNode();
    await this.save();
  }

  async setVisibility(isPublic: boolean): Promise<void> {
    const { node, registry, run, now } = this.#host;
    if (isPublic) {
      await registry.setVisibility(true);
      run(() => node.setPublic(true, now()));
      await this.save({ public: true });
      this.#host.changed();
      return;
    }
    // The gate closes whatever the registry says: it is ours.
    run(() => node.setPublic(false, now()));
    await this.save({ public: false });
    this.#host.changed();
    try {
      await registry.setVisibility(false);
    } catch (thrown) {
      this.#host.untold();
      const { code, message } = asPilotError(thrown);
      throw new PilotError(code, `Private from now on, but the registry could not be told yet: ${message}`, {
        cause: thrown,
      });
    }
  }

  async setTags(tags: readonly string[]): Promise<void> {
    await this.#host.registry.setTags(tags);
    await this.save({ tags });
    this.#host.changed();
  }

  /** Replaces the list of services we offer. */
  async setServices(services: readonly ServiceEntry[]): Promise<void> {
    await this.save({ services });
    this.#host.changed();
  }

  #tellNode(): void {
    const { hostname } = this;
    this.#host.changed();
    this.#host.run(() =>
      this.#host.node.setHostname(hostname === '' ? undefined : hostname, this.#host.now()),
    );
  }
}
