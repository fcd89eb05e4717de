import type { Instant, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { PersistGate } from './persist-gate.ts';
import type { RegistryClient } from './registry-client.ts';
import type { NodeState } from './state-file.ts';

export interface OwnStateHost {
  readonly node: PilotNode;
  readonly registry: RegistryClient;
  run(mutation: () => void): void;
  now(): Instant;
}

/** What the node is to others: id, name, visibility, tags. Every change is told to the registry first, then saved. */
export class OwnState {
  readonly #host: OwnStateHost;
  readonly #gate: PersistGate<NodeState>;
  #state: NodeState;

  constructor(host: OwnStateHost, gate: PersistGate<NodeState>, state: NodeState) {
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

  /** Errors: those of the storage. */
  save(change: Partial<NodeState> = {}): Promise<void> {
    this.#state = { ...this.#state, ...change };
    this.#gate.put(this.#state);
    return this.#gate.settled();
  }

  async setHostname(hostname: string): Promise<void> {
    const { node, registry } = this.#host;
    await registry.setHostname(hostname);
    this.#host.run(() => node.setHostname(hostname === '' ? undefined : hostname, this.#host.now()));
    await this.save({ hostname });
  }

  async setVisibility(isPublic: boolean): Promise<void> {
    const { node, registry } = this.#host;
    // The node's own gate moves first when it closes, last when it opens.
    if (!isPublic) node.setPublic(false);
    await registry.setVisibility(isPublic);
    node.setPublic(isPublic);
    await this.save({ public: isPublic });
  }

  async setTags(tags: readonly string[]): Promise<void> {
    await this.#host.registry.setTags(tags);
    await this.save({ tags });
  }
}
