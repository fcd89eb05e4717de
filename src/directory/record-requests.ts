/** Requests about what nodes sign of themselves and of each other: records, rotations, certificates. */
import { PilotError } from '../api/errors.ts';
import type { SigningKey } from '../base/crypto.ts';
import type { NodeId } from '../base/units.ts';
import { encodeBase64 } from '../wire/base64.ts';
import { signedString } from '../wire/registry-signatures.ts';
import { readCertificate, readFoundNodes } from './read-records.ts';
import type { Requests } from './requests.ts';
import type { FoundNodes, NodeQuery, TrustDocuments } from './types.ts';

export class RecordRequests {
  readonly #requests: Requests;
  readonly #self: () => NodeId;
  readonly #useIdentity: (identity: SigningKey) => Promise<void>;

  constructor(requests: Requests, self: () => NodeId, useIdentity: (identity: SigningKey) => Promise<void>) {
    this.#requests = requests;
    this.#self = self;
    this.#useIdentity = useIdentity;
  }

  /** Puts our signed record (JSON text) beside our entry. Publishing the same one again does nothing. */
  async publishRecord(record: string): Promise<void> {
    await this.#offered('records', 'publish the node record');
    await this.#requests.ask({
      type: 'publish_record',
      fields: { node_id: this.#self(), record },
      action: 'publish the node record',
      signed: '',
      repeatable: true,
    });
  }

  /**
   * Replaces our key: `rotation` is the document both keys signed. From then on we sign with the new key. Safe to
   * repeat after a lost answer, also by a process that restarted in between, as long as it still has both keys.
   */
  async rotateKey(newIdentity: SigningKey, rotation: string): Promise<void> {
    const node = this.#self();
    await this.#requests.ask({
      type: 'rotate_key',
      fields: { node_id: node, new_public_key: encodeBase64(newIdentity.publicKey), rotation },
      action: 'rotate the key',
      signed: signedString.rotateKey(node),
      repeatable: true,
    });
    await this.#useIdentity(newIdentity);
  }

  /** The registry has this key of ours already, from a rotation whose answer was lost: from now on we sign with it. */
  useIdentity(identity: SigningKey): Promise<void> {
    return this.#useIdentity(identity);
  }

  /** One page of the public nodes, or of the members of a network we are in. */
  async findNodes(query: NodeQuery = {}): Promise<FoundNodes> {
    await this.#offered('records', 'find nodes');
    const { network = 0, after = 0, limit = 100, ...wanted } = query;
    const reply = await this.#requests.ask({
      type: 'find_nodes',
      fields: { node_id: this.#self(), network_id: network, after, limit, ...wanted },
      action: 'find nodes',
      signed: '',
      repeatable: true,
    });
    return readFoundNodes(reply);
  }

  /** What the registry keeps of the trust between a peer and us. */
  async certificateWith(peer: NodeId): Promise<TrustDocuments> {
    await this.#offered('certificates', `read the trust certificate with node ${peer}`);
    const reply = await this.#requests.ask({
      type: 'trust_certificate',
      fields: { node_id: this.#self(), peer_id: peer },
      action: `read the trust certificate with node ${peer}`,
      signed: '',
      repeatable: true,
    });
    return readCertificate(reply);
  }

  /** Old registries know nothing of this. Throws `unavailable`. */
  async #offered(feature: string, action: string): Promise<void> {
    const { traits } = await this.#requests.session();
    if (traits.features.has(feature)) return;
    throw new PilotError('unavailable', `Cannot ${action}: this registry offers nothing of the kind`);
  }
}
