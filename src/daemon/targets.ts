import { asPilotError, PilotError } from '../api/errors.ts';
import type { Address, Millis, NodeId } from '../base/units.ts';
import type { TrustTarget } from '../core/trust/types.ts';
import type { Abort, Clock } from '../runtime/ports.ts';
import { formatAddress, parseAddress } from '../wire/address.ts';
import type { PeerBook } from './peer-book.ts';
import type { RegistryClient } from './registry-client.ts';

/** How long the registry may take when we know an answer ourselves. */
const PATIENCE: Millis = 2_000;

const HOSTNAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export type ParsedTarget =
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'name'; readonly hostname: string };

/** Hostname, address text or decimal node id. Errors: `invalid_argument`. */
export function parseTarget(text: string): ParsedTarget {
  const target = text.trim();
  const parsed = parseAddress(target);
  if (typeof parsed !== 'string') return { kind: 'address', address: parsed };
  if (/^\d{1,10}$/.test(target)) {
    const node = Number(target);
    if (node >= 1 && node < 0xffff_ffff) return { kind: 'address', address: { network: 0, node } };
  }
  const hostname = target.toLowerCase();
  if (HOSTNAME.test(hostname)) return { kind: 'name', hostname };
  throw new PilotError(
    'invalid_argument',
    `Cannot understand "${text}": give a hostname, an address like 0:0000.0000.0001 or a node id`,
  );
}

export interface FoundNode {
  readonly node: NodeId;
  readonly hostname: string;
  /** Undefined when the registry did not say. */
  readonly public: boolean | undefined;
}

/** Finds out which node the user means. */
export class Targets {
  readonly #registry: RegistryClient;
  readonly #book: PeerBook;
  readonly #clock: Clock;
  readonly #own: () => { node: NodeId; hostname: string; public: boolean };

  constructor(options: {
    registry: RegistryClient;
    book: PeerBook;
    clock: Clock;
    own: () => { node: NodeId; hostname: string; public: boolean };
  }) {
    this.#registry = options.registry;
    this.#book = options.book;
    this.#clock = options.clock;
    this.#own = options.own;
  }

  /** Errors: `invalid_argument`, `not_found`, `registry_unreachable`. */
  async find(text: string, signal?: Abort): Promise<FoundNode> {
    const target = parseTarget(text);
    if (target.kind === 'address') {
      const { node } = target.address;
      return { node, hostname: this.#book.nameOf(node), public: undefined };
    }
    return this.findName(target.hostname, signal);
  }

  /** The registry's word counts; without it, what we remember of the name. Errors: as `find`. */
  async findName(hostname: string, signal?: Abort): Promise<FoundNode> {
    const own = this.#own();
    if (hostname === own.hostname && own.node !== 0) return own;
    const known = this.#book.nodeNamed(hostname);
    const remembered = known === undefined ? undefined : { node: known, hostname, public: undefined };
    if (remembered !== undefined && this.#registry.state === 'disconnected') return remembered;
    try {
      const asked = this.#registry.resolveHostname(hostname);
      const found = await (remembered === undefined ? asked : this.#within(PATIENCE, asked));
      if (signal?.aborted) throw new PilotError('cancelled', `Cancelled: find "${hostname}"`);
      this.#book.named(found.node, found.hostname === '' ? hostname : found.hostname);
      return { node: found.node, hostname, public: found.public };
    } catch (thrown) {
      const error = asPilotError(thrown);
      // A private node that does not trust us is not found either, though we may know it from its own request.
      if (remembered !== undefined && error.code !== 'cancelled') return remembered;
      if (error.code !== 'not_found') throw error;
      throw new PilotError(
        'not_found',
        `Cannot find "${hostname}": no such hostname, or it is private and does not trust this node`,
        { hint: `ask for trust with: pilotctl handshake ${hostname}`, cause: error },
      );
    }
  }

  /** Whom to ask for trust: a node when one is found, else whoever has the name. Errors: `invalid_argument`. */
  async trustTarget(text: string): Promise<TrustTarget> {
    const target = parseTarget(text);
    if (target.kind === 'address') return { node: target.address.node };
    try {
      return { node: (await this.findName(target.hostname)).node };
    } catch (thrown) {
      if (asPilotError(thrown).code === 'not_found') return { hostname: target.hostname };
      throw thrown;
    }
  }

  /**
   * Which of these nodes is meant; works without the registry for all whose name was ever seen.
   * Errors: `invalid_argument`, `not_found` with `missing` as its text.
   */
  async among(
    text: string,
    candidates: readonly NodeId[],
    missing: (name: string) => string,
  ): Promise<NodeId> {
    const target = parseTarget(text);
    if (target.kind === 'address') return target.address.node;
    const { hostname } = target;
    const byName = (): NodeId | undefined => candidates.find((node) => this.#book.nameOf(node) === hostname);
    const known = byName();
    if (known !== undefined) return known;
    await this.learnNames(candidates);
    const learnt = byName();
    if (learnt !== undefined) return learnt;
    try {
      return (await this.findName(hostname)).node;
    } catch (thrown) {
      if (asPilotError(thrown).code !== 'not_found') throw thrown;
      throw new PilotError('not_found', missing(hostname));
    }
  }

  /** Looks up the names of nodes that have none yet. Never fails. */
  async learnNames(nodes: readonly NodeId[]): Promise<void> {
    const unnamed = nodes.filter((node) => this.#book.nameOf(node) === '').slice(0, 32);
    if (this.#registry.state === 'disconnected') return;
    const asked = unnamed.map(async (node) => {
      const { hostname } = await this.#registry.lookup(node);
      if (hostname !== undefined) this.#book.named(node, hostname);
    });
    await this.#within(PATIENCE, Promise.allSettled(asked)).catch(() => {});
  }

  #within<Value>(limit: Millis, asked: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.at(this.#clock.now() + limit, () =>
        reject(new PilotError('registry_unreachable', 'The registry did not answer in time')),
      );
      asked.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

/** Backbone address of a node, as text. */
export function addressText(node: NodeId): string {
  return formatAddress({ network: 0, node });
}
