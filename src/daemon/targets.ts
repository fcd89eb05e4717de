import { asPilotError, PilotError } from '../api/errors.ts';
import type { Address, Instant, Millis, NetworkId, NodeId } from '../base/units.ts';
import type { TrustTarget } from '../core/trust/types.ts';
import type { Abort, Clock } from '../runtime/ports.ts';
import { formatAddress, parseAddress } from '../wire/address.ts';
import { splitFingerprint } from '../wire/fingerprint.ts';
import type { PeerBook } from './peer-book.ts';
import type { PeerKeys } from './peer-keys.ts';
import type { RegistryClient } from './registry-client.ts';

/** How long the registry may take when we know an answer ourselves. */
const PATIENCE: Millis = 2_000;

/** Names whose last answer is kept. */
const MOST_ANSWERS = 1024;

const HOSTNAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export type ParsedTarget = (
  | { readonly kind: 'address'; readonly address: Address }
  | { readonly kind: 'name'; readonly hostname: string }
) & {
  /** The key the node is expected to have. */
  readonly fingerprint?: string;
};

/** Hostname, address text or decimal node id, each perhaps with `#fingerprint`. Errors: `invalid_argument`. */
export function parseTarget(text: string): ParsedTarget {
  const split = splitFingerprint(text.trim());
  if (split === undefined) return parseName(text, text.trim());
  if (typeof split !== 'string') {
    return { ...parseName(text, split.name), fingerprint: split.fingerprint };
  }
  throw new PilotError(
    'invalid_argument',
    `Cannot understand "${text}": after the # stand the 16 letters and digits of a fingerprint`,
    { hint: "see the owner's: pilotctl info" },
  );
}

function parseName(text: string, target: string): ParsedTarget {
  const parsed = parseAddress(target);
  if (typeof parsed !== 'string') return { kind: 'address', address: parsed };
  if (parsed === 'network_mismatch') throw mismatched(text, target);
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

/** The network stands twice in an address, in decimal and in hex (spec/01 §1.2). */
function mismatched(text: string, target: string): PilotError {
  const [network = '', groups = ''] = target.split(':');
  const hex = Number(network).toString(16).toUpperCase().padStart(4, '0');
  return new PilotError(
    'invalid_argument',
    `Cannot understand "${text}": the first group does not say network ${network}`,
    { hint: `on network ${network} it is ${network}:${hex}${groups.slice(4)}` },
  );
}

export interface FoundNode {
  readonly node: NodeId;
  /** 0, unless it was named by its address in another network. */
  readonly network: NetworkId;
  readonly hostname: string;
  /** Undefined when the registry did not say. */
  readonly public: boolean | undefined;
  /** With which the registry presented a name. */
  readonly publicKey?: Uint8Array;
}

/** Ourselves as a target. */
export interface OwnTarget {
  readonly node: NodeId;
  readonly hostname: string;
  readonly public: boolean;
  readonly fingerprint: string;
}

/** Finds out which node the user means. */
export class Targets {
  readonly #registry: RegistryClient;
  readonly #book: PeerBook;
  readonly #clock: Clock;
  readonly #keys: PeerKeys;
  readonly #own: () => OwnTarget;
  readonly #isMember: (network: NetworkId) => boolean;
  /** What the registry last said of a name, and when. */
  readonly #answers = new Map<string, { readonly found: FoundNode; readonly at: Instant }>();

  constructor(options: {
    registry: RegistryClient;
    book: PeerBook;
    keys: PeerKeys;
    clock: Clock;
    own: () => OwnTarget;
    /** Whether we are in the network. */
    isMember: (network: NetworkId) => boolean;
  }) {
    this.#keys = options.keys;
    this.#registry = options.registry;
    this.#book = options.book;
    this.#clock = options.clock;
    this.#own = options.own;
    this.#isMember = options.isMember;
  }

  /**
   * An answer of the registry that is no older than `age` will do. Errors: `invalid_argument`, `not_found`,
   * `permission_denied`, `identity_changed`, `registry_unreachable`.
   */
  async find(text: string, signal?: Abort, age: Millis = 0): Promise<FoundNode> {
    const target = parseTarget(text);
    const found = await this.#find(target, signal, age);
    await this.#check(target, found.node, text, found.publicKey);
    return found;
  }

  /** Whom the name last led to. Errors: `invalid_argument`. */
  remembered(text: string): NodeId | undefined {
    const target = parseTarget(text);
    return target.kind === 'name' ? this.#book.nodeNamed(target.hostname) : target.address.node;
  }

  async #find(target: ParsedTarget, signal: Abort | undefined, age: Millis): Promise<FoundNode> {
    if (target.kind === 'name') {
      const answer = this.#answers.get(target.hostname);
      if (answer !== undefined && this.#clock.now() - answer.at < age) return answer.found;
      return this.findName(target.hostname, signal);
    }
    const { node, network } = target.address;
    if (network !== 0 && !this.#isMember(network)) {
      throw new PilotError(
        'permission_denied',
        `Cannot use ${formatAddress(target.address)}: this node is not a member of network ${network}`,
        { hint: `join it with: pilotctl network join ${network}` },
      );
    }
    return { node, network, hostname: this.#book.nameOf(node), public: undefined };
  }

  /** The node has the key the user expects, when they said which. */
  async #check(
    { fingerprint }: ParsedTarget,
    node: NodeId,
    text: string,
    presented?: Uint8Array,
  ): Promise<void> {
    if (fingerprint === undefined) return;
    const own = this.#own();
    if (node !== own.node) await this.#keys.expect(node, fingerprint, text, presented);
    else if (own.fingerprint !== fingerprint) {
      throw new PilotError(
        'identity_changed',
        `"${text}" is this node, which has the key ${own.fingerprint}`,
      );
    }
  }

  /** The registry's word counts; without it, what we remember of the name. Errors: as `find`. */
  async findName(hostname: string, signal?: Abort): Promise<FoundNode> {
    const own = this.#own();
    if (hostname === own.hostname && own.node !== 0) return { ...own, network: 0 };
    const known = this.#book.nodeNamed(hostname);
    const remembered =
      known === undefined ? undefined : { node: known, network: 0, hostname, public: undefined };
    if (remembered !== undefined && this.#registry.state === 'disconnected') return remembered;
    try {
      const asked = this.#registry.resolveHostname(hostname);
      const found = await (remembered === undefined ? asked : this.#within(PATIENCE, asked));
      if (signal?.aborted) throw new PilotError('cancelled', `Cancelled: find "${hostname}"`);
      this.#book.named(found.node, found.hostname === '' ? hostname : found.hostname);
      const { node, publicKey } = found;
      const key = publicKey === undefined ? {} : { publicKey };
      return this.#answered({ node, network: 0, hostname, public: found.public, ...key });
    } catch (thrown) {
      this.#answers.delete(hostname);
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

  #answered(found: FoundNode): FoundNode {
    const { hostname } = found;
    this.#answers.delete(hostname);
    if (this.#answers.size >= MOST_ANSWERS) this.#answers.delete(this.#answers.keys().next().value!);
    this.#answers.set(hostname, { found, at: this.#clock.now() });
    return found;
  }

  /**
   * Whom to ask for trust: a node when one is found, else whoever has the name. A fingerprint is compared at once where
   * the key is known, else with the key that answers. Errors: `invalid_argument`, `identity_changed`.
   */
  async trustTarget(text: string): Promise<TrustTarget> {
    const target = parseTarget(text);
    const { fingerprint } = target;
    if (target.kind === 'address' && fingerprint === undefined) return { node: target.address.node };
    try {
      return { node: (await this.find(text)).node, fingerprint };
    } catch (thrown) {
      // A private node shows neither name nor key to those it does not know.
      if (asPilotError(thrown).code !== 'not_found') throw thrown;
      if (target.kind === 'address') return { node: target.address.node, fingerprint };
      return { hostname: target.hostname, fingerprint };
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
    const node =
      target.kind === 'address'
        ? target.address.node
        : await this.#named(target.hostname, candidates, missing);
    await this.#check(target, node, text);
    return node;
  }

  async #named(
    hostname: string,
    candidates: readonly NodeId[],
    missing: (name: string) => string,
  ): Promise<NodeId> {
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
