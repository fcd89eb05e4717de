import type { IpcClient } from '../ipc/client.ts';
import type { FindQuery, FoundPage, FoundRow, Result, RotatedKey, ServiceRow } from '../ipc/methods.ts';
import type { Abort } from '../runtime/ports.ts';

/** A service of a node, as the node's signed record offers it. */
export interface FoundService extends ServiceRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly online: boolean;
  readonly verified: FoundRow['verified'];
}

/** Who we are to others, who others are to us, and what nodes offer. */
export class IdentityClient {
  readonly #ipc: IpcClient;

  constructor(ipc: IpcClient) {
    this.#ipc = ipc;
  }

  /** Replaces our key; address, name and trust stay. Errors: `registry_unreachable`, `unavailable`. */
  rotateKey(signal?: Abort): Promise<RotatedKey> {
    return this.#ipc.call('rotate_key', {}, signal);
  }

  /** Lets go of a key pinned without trust. Errors: `not_found`, `invalid_argument` when trust rests on it. */
  forgetKey(target: string, signal?: Abort): Promise<{ node_id: number; fingerprint: string }> {
    return this.#ipc.call('forget_key', { target }, signal);
  }

  /** One page of public nodes, or of the members of a network of ours. */
  findNodes(query: FindQuery = {}, signal?: Abort): Promise<FoundPage> {
    return this.#ipc.call('find_nodes', query, signal);
  }

  /** All pages, one row after another. */
  async *nodes(query: FindQuery = {}, signal?: Abort): AsyncGenerator<FoundRow> {
    for (let cursor = query.cursor; ; ) {
      const page = await this.findNodes({ ...query, ...(cursor !== undefined && { cursor }) }, signal);
      yield* page.nodes;
      if (page.cursor === undefined) return;
      cursor = page.cursor;
    }
  }

  /** The services of all nodes we may see. */
  async *services(query: FindQuery = {}, signal?: Abort): AsyncGenerator<FoundService> {
    for await (const row of this.nodes(query, signal)) {
      const { node_id, address, hostname, online, verified } = row;
      for (const service of row.services) {
        if (query.service !== undefined && service.name !== query.service) continue;
        yield { ...service, node_id, address, hostname, online, verified };
      }
    }
  }

  /** Offers a service in our signed record. Errors: `invalid_argument`, `too_large`. */
  addService(service: ServiceRow): Promise<Result<'add_service'>> {
    return this.#ipc.call('add_service', service);
  }

  removeService(name: string): Promise<Result<'remove_service'>> {
    return this.#ipc.call('remove_service', { name });
  }
}
