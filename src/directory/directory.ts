import { PilotError } from '../api/errors.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import type { Clock, Log, Net, TlsClientOptions } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import type { JsonObject } from '../wire/json.ts';
import { signedString } from '../wire/registry-signatures.ts';
import { Connection, REQUEST_TIMEOUT } from './connection.ts';
import { legacyString } from './legacy.ts';
import type { Link } from './link.ts';
import { NetworkRequests } from './network-requests.ts';
import * as read from './read-reply.ts';
import { RecordRequests } from './record-requests.ts';
import { refusedBy } from './refused.ts';
import { Registration } from './registration.ts';
import { lostConnection, Requests } from './requests.ts';
import { RequestSigner } from './signer.ts';
import type {
  DirectoryState,
  HandshakeTarget,
  HeartbeatReply,
  NamedNode,
  NodeInfo,
  PeerEndpoints,
  PolledHandshakes,
  Registered,
  RegisterOptions,
  RegistryPush,
} from './types.ts';

export interface DirectoryOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly identity: SigningKey;
  /** Tried in turn; a host may be a name. At least one. */
  readonly addresses: readonly Endpoint[];
  /** Speak TLS; with a fingerprint, only to the server that has it. */
  readonly tls?: TlsClientOptions;
}

/**
 * The registry as a daemon sees it: one connection that comes back by itself. Every call waits for it up to 10 s.
 * Errors of all calls: `registry_unreachable`, `fingerprint_mismatch`, `protocol_error`, and what the registry
 * refuses with: `not_found`, `permission_denied`, `invalid_argument`, `already_exists`, `rate_limited`, `too_large`.
 */
export class Directory {
  /** Signed records, key rotations, certificates, and finding nodes. */
  readonly records: RecordRequests;
  readonly networks: NetworkRequests;
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #registration: Registration;
  readonly #pushListeners: ((push: RegistryPush) => void)[] = [];
  readonly #stateListeners: ((state: DirectoryState) => void)[] = [];
  /** Everything up to here was handed to the caller by an earlier poll. */
  #polled = 0;

  constructor(options: DirectoryOptions) {
    if (options.addresses.length === 0)
      throw new TypeError('A directory needs at least one registry address');
    const { net, clock, random, log, addresses, tls, identity } = options;
    this.#connection = new Connection({
      net,
      clock,
      random,
      log,
      addresses,
      tls,
      onPush: (message) => this.#pushed(message),
      onState: (state) => {
        for (const listener of this.#stateListeners) listener(state);
      },
      onSession: (session) => this.#registration.resume(session),
    });
    const signer = new RequestSigner(identity, random, clock);
    this.#requests = new Requests(this.#connection, signer, clock);
    this.#registration = new Registration(identity, this.#requests, clock, log);
    this.networks = new NetworkRequests(this.#requests, () => this.#self());
    this.records = new RecordRequests(
      this.#requests,
      () => this.#self(),
      (renewed) => {
        signer.use(renewed);
        return this.#registration.use(renewed);
      },
    );
  }

  get state(): DirectoryState {
    return this.#connection.state;
  }
  /** The server tells at once what concerns us, so there is nothing to ask for all the time. */
  get pushes(): boolean {
    return this.#connection.features.has('subscribe');
  }
  /** What the registry said to the registration on the connection of now; undefined before, and where it was refused. */
  get registered(): Registered | undefined {
    return this.#registration.current;
  }
  /** Connects and stays connected until `close`. Calls start it too. */
  start(): void {
    this.#connection.start();
  }
  close(): void {
    this.#connection.stop();
  }
  /** The host may be on another network: nothing waits for time-outs of the old one. */
  networkChanged(): void {
    this.#connection.networkChanged();
  }
  /** A user waits for an answer: a registry that is away is tried at once, within a budget. */
  hurry(): void {
    this.#connection.hurry();
  }
  /** A connection that may have died unnoticed has to show soon that it lives. */
  check(): void {
    this.#connection.check();
  }
  onPush(listener: (push: RegistryPush) => void): void {
    this.#pushListeners.push(listener);
  }
  onState(listener: (state: DirectoryState) => void): void {
    this.#stateListeners.push(listener);
  }

  /** Makes us known with proof of our key. From then on a new connection registers again by itself. */
  register(options: RegisterOptions): Promise<Registered> {
    return this.#registration.register(options);
  }
  async heartbeat(): Promise<HeartbeatReply> {
    const fields = { node_id: this.#self() };
    const ask = { type: 'heartbeat', fields, action: 'send a heartbeat', repeatable: true };
    const { traits, link } = await this.#requests.session();
    const signed = { ...ask, signed: signedString.heartbeat(fields.node_id) };
    // A server that can prove its clients needs no signature on the connection they registered on.
    const unsigned = (): Promise<JsonObject> =>
      link.isBinary ? this.#alive(link, fields.node_id, ask.action) : this.#requests.ask(ask);
    const reply = traits.features.has('sig')
      ? await unsigned().catch((error: unknown) => {
          const isLost = lostConnection(error);
          if (isLost || (error instanceof PilotError && error.code === 'permission_denied'))
            return this.#requests.ask(signed);
          throw error;
        })
      : await this.#requests.ask(signed);
    return {
      ...(reply.key_expiry_warning === true && { warning: true as const }),
      ...read.heartbeatIn('next', reply.next),
    };
  }
  async #alive(link: Link, node: NodeId, action: string): Promise<JsonObject> {
    const reply = await link.alive(node, REQUEST_TIMEOUT);
    if ('keyExpiryWarning' in reply) return { key_expiry_warning: reply.keyExpiryWarning, next: reply.next };
    throw refusedBy(reply, action) ?? new PilotError('protocol_error', `Cannot ${action}`);
  }
  async deregister(): Promise<void> {
    const node = this.#self();
    this.#registration.forget();
    await this.#requests.ask({
      type: 'deregister',
      fields: { node_id: node },
      action: 'deregister',
      signed: signedString.deregister(node),
      repeatable: true,
    });
  }

  /** `claimed` is the key under which the node presented itself: who names the right one is told of a private node. */
  async lookup(node: NodeId, claimed?: Uint8Array): Promise<NodeInfo> {
    const self = this.#registration.node;
    const claim = claimed === undefined ? {} : { public_key: encodeBase64(claimed) };
    const ask = { type: 'lookup', action: `look up node ${node}`, repeatable: true };
    const fields = { node_id: node, ...claim };
    // Old servers look up for anybody, so there is no old string to sign.
    return read.readNodeInfo(
      await this.#requests.ask(
        self === undefined
          ? { ...ask, fields }
          : { ...ask, fields: { ...fields, requester_id: self }, signed: '' },
      ),
    );
  }
  /** Undefined when there is no such node, or none that we may know of. */
  async identityKey(node: NodeId, claimed?: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return (await this.lookup(node, claimed)).publicKey;
    } catch (error) {
      if (error instanceof PilotError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
  async resolve(node: NodeId): Promise<PeerEndpoints> {
    const self = this.#self();
    const fields = { node_id: node, requester_id: self };
    const signed = signedString.resolve(self, node);
    return read.readEndpoints(
      await this.#requests.ask({
        type: 'resolve',
        fields,
        action: `resolve node ${node}`,
        signed,
        repeatable: true,
      }),
    );
  }
  async resolveHostname(name: string): Promise<NamedNode> {
    const ask = { type: 'resolve_hostname', action: `find "${name}"`, repeatable: true };
    const self = this.#registration.node;
    if (self === undefined)
      return read.readNamedNode(await this.#requests.ask({ ...ask, fields: { hostname: name } }));
    // Old servers take the requester's word for who it is, so there is no old string to sign.
    return read.readNamedNode(
      await this.#requests.ask({ ...ask, fields: { hostname: name, requester_id: self }, signed: '' }),
    );
  }

  /** Empty clears it. */
  async setHostname(name: string): Promise<void> {
    await this.#change(
      'set_hostname',
      { hostname: name },
      signedString.setHostname,
      `set the hostname "${name}"`,
    );
    this.#registration.amend({ hostname: name });
  }
  async setVisibility(isPublic: boolean): Promise<void> {
    // Whatever becomes of the request, no later registration makes public what was to be private.
    if (!isPublic) this.#registration.amend({ public: false });
    await this.#change(
      'set_visibility',
      { public: isPublic },
      signedString.setVisibility,
      'change the visibility',
    );
    this.#registration.amend({ public: isPublic });
  }
  async setTags(tags: readonly string[]): Promise<void> {
    await this.#change('set_tags', { tags }, signedString.setTags, 'set the tags');
    this.#registration.amend({ tags });
  }

  /** Resolves alike whether or not a hostname exists. */
  async requestHandshake(request: {
    target: HandshakeTarget;
    justification: string;
    message: string;
  }): Promise<void> {
    const self = this.#self();
    const { target, justification, message } = request;
    const fields = { from_node_id: self, justification, message };
    if ('node' in target) {
      const signed = signedString.requestHandshake(self, target.node);
      await this.#requests.ask({
        type: 'request_handshake',
        fields: { ...fields, to_node_id: target.node },
        action: `ask node ${target.node} for trust`,
        signed,
        repeatable: true,
      });
      return;
    }
    const { traits } = await this.#requests.session();
    if (!traits.features.has('to_hostname')) {
      const { node } = await this.resolveHostname(target.hostname);
      await this.requestHandshake({ target: { node }, justification, message });
      return;
    }
    await this.#requests.ask({
      type: 'request_handshake',
      fields: { ...fields, to_hostname: target.hostname },
      action: `ask "${target.hostname}" for trust`,
      signed: '',
      repeatable: true,
    });
  }
  async respondHandshake(response: { peer: NodeId; accept: boolean; message: string }): Promise<void> {
    const { peer, accept, message } = response;
    await this.#towards(
      'respond_handshake',
      peer,
      { accept, message },
      signedString.respondHandshake,
      'answer',
    );
  }
  /**
   * What was relayed to us. Calling it again says that everything returned before is stored: until then the
   * registry keeps it. One poll at a time.
   */
  async pollHandshakes(): Promise<PolledHandshakes> {
    const node = this.#self();
    const { traits } = await this.#requests.session();
    const acks = traits.features.has('ack');
    const fields = { node_id: node, ...(acks ? { ack: this.#polled } : {}) };
    const reply = await this.#requests.ask({
      type: 'poll_handshakes',
      fields,
      action: 'read the handshakes',
      signed: signedString.pollHandshakes(node),
      repeatable: acks,
    });
    if (typeof reply.cursor === 'number' && reply.cursor > this.#polled) this.#polled = reply.cursor;
    return read.readPolled(reply);
  }
  /** Our word that we trust a peer; with the certificate both signed (JSON text), the word of both. */
  async reportTrust(peer: NodeId, certificate = ''): Promise<void> {
    const fields = certificate === '' ? {} : { certificate };
    await this.#towards('report_trust', peer, fields, signedString.reportTrust, 'report trust in');
  }
  /** Also resolves when the registry knew of no trust. */
  async revokeTrust(peer: NodeId, message = '', revocation = ''): Promise<void> {
    const fields = { message, ...(revocation === '' ? {} : { revocation }) };
    try {
      await this.#towards('revoke_trust', peer, fields, signedString.revokeTrust, 'revoke trust in');
    } catch (error) {
      if (!(error instanceof PilotError) || error.code !== 'not_found') throw error;
    }
  }
  async checkTrust(peer: NodeId): Promise<boolean> {
    const fields = { node_id: this.#self(), peer_id: peer };
    return (
      (
        await this.#requests.ask({
          type: 'check_trust',
          fields,
          action: `check trust in node ${peer}`,
          repeatable: true,
        })
      ).trusted === true
    );
  }

  /** Any other request; resolves with the registry's answer. `signed` signs for the fields' `node_id`. */
  async call(type: string, fields: object, options: { signed?: boolean } = {}): Promise<object> {
    const content = fields as JsonObject;
    const signed = options.signed === true ? { signed: legacyString(type, content) ?? '' } : {};
    return this.#requests.ask({ type, fields: content, action: type.replaceAll('_', ' '), ...signed });
  }

  #self(): NodeId {
    const { node } = this.#registration;
    if (node === undefined)
      throw new PilotError('unavailable', 'Cannot ask the registry: not registered yet');
    return node;
  }

  async #change(
    type: string,
    fields: JsonObject,
    string: (node: NodeId) => string,
    action: string,
  ): Promise<void> {
    const node = this.#self();
    await this.#requests.ask({
      type,
      fields: { node_id: node, ...fields },
      action,
      signed: string(node),
      repeatable: true,
    });
  }
  async #towards(
    type: string,
    peer: NodeId,
    fields: JsonObject,
    string: (node: NodeId, peer: NodeId) => string,
    verb: string,
  ): Promise<void> {
    const node = this.#self();
    await this.#requests.ask({
      type,
      fields: { node_id: node, peer_id: peer, ...fields },
      action: `${verb} node ${peer}`,
      signed: string(node, peer),
      repeatable: true,
    });
  }

  #pushed(message: JsonObject): void {
    if (typeof message.event !== 'string') return;
    const from = typeof message.from === 'number' ? { from: message.from } : {};
    const network = typeof message.network_id === 'number' ? { network: message.network_id } : {};
    for (const listener of this.#pushListeners) listener({ event: message.event, ...from, ...network });
  }
}
