import { PilotError } from '../api/errors.ts';
import type { Instant, Millis, NetworkId, NodeId } from '../base/units.ts';
import type { NetworkMember, Page } from '../directory/network-types.ts';
import type { RegistryPush } from '../directory/types.ts';
import type { RegistryClient } from './registry-client.ts';

/** How long a list of members is used again; pushes end it early. */
const LIFETIME: Millis = 30_000;
/** Members one datagram goes to. Chosen: beyond it a service that distributes is the better way. */
const MEMBER_LIMIT = 1_000;
const PAGE = 200;

/** Who gets a datagram to everybody in a network (spec/12 §1.1). */
export class Audiences {
  readonly #registry: RegistryClient;
  readonly #now: () => Instant;
  readonly #known = new Map<NetworkId, { readonly members: readonly NodeId[]; readonly until: Instant }>();

  constructor(registry: RegistryClient, now: () => Instant) {
    this.#registry = registry;
    this.#now = now;
  }

  pushed({ network }: RegistryPush): void {
    if (network === undefined) this.#known.clear();
    else this.#known.delete(network);
  }

  /** All members. Errors: `too_large`, and those of the registry. */
  async of(network: NetworkId): Promise<readonly NodeId[]> {
    const known = this.#known.get(network);
    if (known !== undefined && known.until > this.#now()) return known.members;
    const members: NodeId[] = [];
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page: Page<NetworkMember> = await this.#registry.networks.members(network, {
        after,
        limit: PAGE,
      });
      members.push(...page.items.map((member) => member.node));
      after = page.cursor;
      if (members.length > MEMBER_LIMIT) {
        throw new PilotError(
          'too_large',
          `Cannot send to everybody in network ${network}: it has more than ${MEMBER_LIMIT} members`,
        );
      }
    }
    this.#known.set(network, { members, until: this.#now() + LIFETIME });
    return members;
  }
}
