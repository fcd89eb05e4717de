import { asPilotError, PilotError } from '../api/errors.ts';
import type { StreamPriority } from '../api/priority.ts';
import type { Conn, Listener } from '../api/stream.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Address, Millis, NodeId, Port } from '../base/units.ts';
import type { DatagramSent } from '../ipc/backend.ts';
import { type Datagram, type DialOptions, IpcClient, wholeMillis } from '../ipc/client.ts';
import type {
  ApproveResult,
  ConnectionRow,
  HandshakeResult,
  Health,
  Info,
  MetricRow,
  NetcheckReport,
  NodeRecord,
  OutgoingRow,
  PeerRow,
  PendingRow,
  PingReply,
  Resolved,
  TermsParam,
  TrustedRow,
  WhyReport,
} from '../ipc/methods.ts';
import type { Abort, Clock, Net } from '../runtime/ports.ts';
import {
  DATA_EXCHANGE_PORT,
  type FileSent,
  type Progress,
  sendFile,
} from '../services/data-exchange/client.ts';
import type { FileSource } from '../services/data-exchange/file-source.ts';
import { formatAddress, parseAddress } from '../wire/address.ts';
import { encodeBase64 } from '../wire/base64.ts';
import { type BenchOptions, type BenchResult, benchEcho } from './bench.ts';
import { IdentityClient } from './identity.ts';
import { type MessageHandler, MessageService, type ServiceOptions } from './message-service.ts';
import { type AskOptions, type AskReceipt, type Message, type MessageReceipt, Messages } from './messages.ts';
import { NetworkClient } from './networks.ts';
import { type PingOptions, type PingSummary, pingSeries } from './ping.ts';
import { type HandshakeOptions, TrustClient } from './trust.ts';

export interface ConnectOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly crypto: Crypto;
  /** Absolute path of the daemon's socket. */
  readonly socketPath: string;
  /** Makes message ids; without it messages carry none unless given. */
  readonly random?: Random;
  /** Name of the program, for the daemon's log. */
  readonly client?: string;
}

export interface SendOptions {
  readonly signal?: Abort;
  /** What is sent gives way to everything else on the path when `background`. @default 'normal' */
  readonly priority?: StreamPriority;
  /** For the dial and for each acknowledgement. @default 30000 to dial, 60000 for an acknowledgement */
  readonly timeout?: Millis;
}

/**
 * A program's access to its node. A `target` is a hostname, an address (`0:0000.0000.0001`) or a decimal node id.
 * All methods may be used concurrently. Errors are `PilotError`; match on `code`.
 */
export class PilotClient {
  readonly #ipc: IpcClient;
  readonly #clock: Clock;
  readonly #crypto: Crypto;
  readonly #random: Random | undefined;
  readonly #messages: Messages;
  readonly #trust: TrustClient;
  readonly #networks: NetworkClient;
  readonly #identity: IdentityClient;

  /** Errors: `not_running`. */
  static async connect(options: ConnectOptions): Promise<PilotClient> {
    return new PilotClient(await IpcClient.connect(options), options);
  }

  private constructor(ipc: IpcClient, options: ConnectOptions) {
    this.#ipc = ipc;
    this.#clock = options.clock;
    this.#crypto = options.crypto;
    this.#random = options.random;
    this.#messages = new Messages(ipc, options.random);
    this.#trust = new TrustClient(ipc);
    this.#networks = new NetworkClient(ipc);
    this.#identity = new IdentityClient(ipc);
  }

  /** Calls, streams and datagrams without the helpers. */
  get ipc(): IpcClient {
    return this.#ipc;
  }

  info(): Promise<Info> {
    return this.#ipc.call('info', {});
  }

  health(): Promise<Health> {
    return this.#ipc.call('health', {});
  }

  /** Finds the address of a target. Errors: `not_found`, `registry_unreachable`. */
  async resolveTarget(target: string, signal?: Abort): Promise<Address> {
    const parsed = parseAddress(target);
    if (typeof parsed !== 'string') return parsed;
    const resolved = await this.#ipc.call('resolve', { target }, signal);
    const found = parseAddress(resolved.address);
    return typeof found === 'string' ? { network: 0, node: resolved.node_id } : found;
  }

  /** Like `resolveTarget`, with the name and visibility the registry tells. */
  resolve(target: string, signal?: Abort): Promise<Resolved> {
    return this.#ipc.call('resolve', { target }, signal);
  }

  /** Looks a hostname up. Errors: `not_found` (also for a private node that does not trust us). */
  find(hostname: string, signal?: Abort): Promise<Resolved> {
    return this.#ipc.call('find', { hostname }, signal);
  }

  /** The registry's record of a node. */
  lookup(target: string, signal?: Abort): Promise<NodeRecord> {
    return this.#ipc.call('lookup', { target }, signal);
  }

  /** Opens a stream. Errors: `not_found`, `untrusted`, `connection_refused`, `timeout`. */
  dial(target: string | Address, port: Port, options: DialOptions = {}): Promise<Conn> {
    return this.#ipc.dial(target, port, options);
  }

  /** Accepts streams on a port; 0 chooses a free one. Errors: `port_in_use`. */
  listen(port: Port): Promise<Listener> {
    return this.#ipc.listen(port);
  }

  /**
   * Sends one unreliable packet; to everybody in network 5 with the target `5:0005.FFFF.FFFF`. With `confirm` it
   * resolves once the packet has left under a key the peer has proven. Errors: `too_large` with the limit, `not_found`,
   * `untrusted`, `policy_denied`; `timeout` with `confirm`. @default confirm false
   */
  async sendDatagram(
    target: string,
    port: Port,
    data: Uint8Array,
    options: { fromPort?: Port; confirm?: boolean; signal?: Abort } = {},
  ): Promise<DatagramSent> {
    const { recipients, skipped } = await this.#ipc.call(
      'send_datagram',
      {
        target,
        port,
        from_port: options.fromPort,
        data_b64: encodeBase64(data),
        ...(options.confirm === true && { confirm: true }),
      },
      options.signal,
    );
    return { recipients, skipped };
  }

  /** Receives datagrams to a port. Errors: `port_in_use`. */
  onDatagram(port: Port, receiver: (datagram: Datagram) => void): Promise<{ close(): void }> {
    return this.#ipc.onDatagram(port, receiver);
  }

  /** Puts a message into the peer's inbox; resolves once the peer has stored it. Errors: `transfer_failed`, and those of `dial`. */
  async sendMessage(
    target: string | Address,
    message: Message,
    options: SendOptions = {},
  ): Promise<MessageReceipt> {
    const address = await this.#addressOf(target, options.signal);
    return this.#messages.send(this.#sending(address, options, message.replyTo), address, message);
  }

  /**
   * Sends a message and waits for the reply to it. Errors: those of `sendMessage`; `timeout` when nothing came in
   * time; what the peer says when it could not answer, such as `rate_limited`.
   */
  async ask(target: string | Address, message: Message, options: AskOptions = {}): Promise<AskReceipt> {
    const { signal, deliveryTimeout: timeout } = options;
    const address = await this.#addressOf(target, signal);
    const peer = typeof target === 'string' ? target : formatAddress(target);
    const context = this.#sending(address, { ...(signal && { signal }), ...(timeout && { timeout }) });
    return this.#messages.ask(context, address, message, { peer, ...options });
  }

  /**
   * Answers the messages of this node, or of one port, until the daemon goes away or `close`; `MessageService` finds
   * the daemon again. Errors: `port_in_use`, `unavailable`.
   */
  async serve(
    handler: MessageHandler,
    options: ServiceOptions = {},
  ): Promise<{ port: Port; ended: Promise<void>; close(grace?: Millis): Promise<void> }> {
    if (this.#random === undefined) throw new TypeError('Cannot serve without a source of message ids');
    const ports = { clock: this.#clock, crypto: this.#crypto, random: this.#random };
    const service = new MessageService(ports, handler, options);
    return { ...(await service.attach(this)), close: (grace) => service.close(grace) };
  }

  /** The hostname the daemon knows a node by; "" when none. Asks nobody. */
  async peerName(node: NodeId): Promise<string> {
    return (await this.#ipc.call('peer_name', { node_id: node })).hostname;
  }

  /**
   * Sends a file, checked by SHA-256. A transfer broken by either side resumes when called again with the same
   * content. Errors: `transfer_failed`, `disk_full`, `cancelled`, `too_large`, and those of `dial`.
   */
  async sendFile(
    target: string | Address,
    source: FileSource,
    options: SendOptions & { readonly onProgress?: (progress: Progress) => void } = {},
  ): Promise<FileSent & { destination: string; filename: string }> {
    const address = await this.#addressOf(target, options.signal);
    const sent = await sendFile(
      this.#sending(address, options),
      source,
      options.onProgress === undefined ? {} : { onProgress: options.onProgress },
    );
    return { ...sent, destination: formatAddress(address), filename: source.name };
  }

  /** One round trip to the peer's node, inside the tunnel. Errors: `timeout`, `not_found`, `untrusted`. */
  pingOnce(target: string, options: { timeout?: Millis; signal?: Abort } = {}): Promise<PingReply> {
    return this.#ipc.call('ping', { target, timeout_ms: wholeMillis(options.timeout) }, options.signal);
  }

  /** A series of pings. A lost one does not end it; an unknown target does. */
  ping(target: string, options: PingOptions = {}): Promise<PingSummary> {
    return pingSeries((timeout, signal) => this.pingOnce(target, { timeout, signal }), this.#clock, options);
  }

  /**
   * Says by which way a peer is reached, why not by a better one, and what would help. Looks for paths first and waits
   * at most `wait` for the outcome. Errors: `not_found`, `registry_unreachable`. @default wait 8000
   */
  why(target: string, options: { wait?: Millis; signal?: Abort } = {}): Promise<WhyReport> {
    return this.#ipc.call('why', { target, wait_ms: wholeMillis(options.wait) }, options.signal);
  }

  /** Every metric of docs/metrics.md with its values now. */
  metrics(): Promise<{ readonly metrics: readonly MetricRow[] }> {
    return this.#ipc.call('metrics', {});
  }

  /** Measures how the network treats this node; takes some seconds. */
  netcheck(signal?: Abort): Promise<NetcheckReport> {
    return this.#ipc.call('netcheck', {}, signal);
  }

  /** Sends bytes to the peer's echo service and checks what comes back. */
  async bench(target: string | Address, options: BenchOptions = {}): Promise<BenchResult> {
    const address = await this.#addressOf(target, options.signal);
    const conn = await this.#ipc.dial(address, 7, { timeout: options.timeout, signal: options.signal });
    return benchEcho(conn, this.#clock, options);
  }

  /** Our key and keys of others, finding nodes, services. */
  get identity(): IdentityClient {
    return this.#identity;
  }

  /** Networks, their members and policies. */
  get networks(): NetworkClient {
    return this.#networks;
  }

  /** Terms, certificates, revocations and automatic approval. */
  get trust(): TrustClient {
    return this.#trust;
  }

  /**
   * Asks for mutual trust, or for other terms of a trust there is. Works for a private node by hostname; whether the
   * name exists is not told.
   */
  handshake(target: string, reason = '', options: HandshakeOptions = {}): Promise<HandshakeResult> {
    return this.#trust.handshake(target, reason, options);
  }

  /** Grants a pending request: what it asks, within `terms`. Errors: `not_found` when the peer has not asked. */
  approve(target: string, terms?: TermsParam): Promise<ApproveResult> {
    return this.#trust.approve(target, terms);
  }

  reject(target: string, reason = ''): Promise<{ status: 'rejected'; node_id: number }> {
    return this.#trust.reject(target, reason);
  }

  /** Withdraws trust. Errors: `not_found` when the peer was not trusted. */
  untrust(target: string, reason = ''): Promise<{ status: 'revoked'; node_id: number }> {
    return this.#trust.untrust(target, reason);
  }

  /** Waits until the peer is trusted; `trusted` is false when the time is up. */
  waitForTrust(
    target: string,
    timeout: Millis,
    signal?: Abort,
  ): Promise<{ node_id: number; trusted: boolean }> {
    return this.#trust.waitFor(target, timeout, signal);
  }

  /** Requests of others that wait for `approve` or `reject`. */
  pending(): Promise<readonly PendingRow[]> {
    return this.#trust.pending();
  }

  trusted(): Promise<readonly TrustedRow[]> {
    return this.#trust.trusted();
  }

  /** Our own requests that have not been answered. */
  outgoing(): Promise<readonly OutgoingRow[]> {
    return this.#trust.outgoing();
  }

  async peers(): Promise<readonly PeerRow[]> {
    return (await this.#ipc.call('peers', {})).peers;
  }

  async connections(): Promise<readonly ConnectionRow[]> {
    return (await this.#ipc.call('connections', {})).connections;
  }

  /** Resets a stream of the daemon by its id. Errors: `not_found`. */
  async disconnect(connection: number): Promise<void> {
    await this.#ipc.call('disconnect', { connection });
  }

  /** "" clears it. Errors: `invalid_argument`, `already_exists`, `registry_unreachable`. */
  setHostname(hostname: string): Promise<{ hostname: string; node_id: number }> {
    return this.#ipc.call('set_hostname', { hostname });
  }

  setVisibility(isPublic: boolean): Promise<{ node_id: number; visibility: 'public' | 'private' }> {
    return this.#ipc.call('set_visibility', { public: isPublic });
  }

  setTags(tags: readonly string[]): Promise<{ node_id: number; tags: readonly string[] }> {
    return this.#ipc.call('set_tags', { tags });
  }

  deregister(): Promise<{ node_id: number }> {
    return this.#ipc.call('deregister', {});
  }

  /** Ends the connection to the daemon; streams of this client are finished by the daemon. */
  close(): void {
    this.#ipc.close();
  }

  #addressOf(target: string | Address, signal: Abort | undefined): Promise<Address> {
    return typeof target === 'string' ? this.resolveTarget(target, signal) : Promise.resolve(target);
  }

  #sending(address: Address, options: SendOptions, answers?: string) {
    return {
      clock: this.#clock,
      crypto: this.#crypto,
      dial: async (signal: Abort | undefined = options.signal) => {
        try {
          const { timeout, priority } = options;
          return await this.#ipc.dial(address, DATA_EXCHANGE_PORT, { timeout, signal, answers, priority });
        } catch (thrown) {
          const error = asPilotError(thrown);
          if (error.code !== 'connection_refused') throw error;
          throw new PilotError(
            'connection_refused',
            `Cannot send to ${formatAddress(address)}: it does not accept messages and files (port 1001)`,
            { cause: error },
          );
        }
      },
      signal: options.signal,
      timeout: options.timeout,
    };
  }
}
