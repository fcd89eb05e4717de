import { PilotError } from '../api/errors.ts';
import { endpointKey } from '../base/endpoint.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import type { DirectoryState, NodeInfo, RegisterOptions, RegistryPush } from '../directory/types.ts';
import { memoryNet } from '../ipc/pipe.testkit.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { nodeRandom } from '../platform/random.ts';
import type { Log, Net } from '../runtime/ports.ts';
import { singly } from '../runtime/trains.ts';
import { PilotClient } from '../sdk/client.ts';
import { ManualClock, MemoryStorage } from '../services/data-exchange/exchange.testkit.ts';
import type { DaemonConfig } from './config.ts';
import { Daemon } from './daemon.ts';
import { IDENTITY_FILE } from './identity.ts';
import { FakeNetworks, networkRequests } from './networks.testkit.ts';
import type { RegistryClient } from './registry-client.ts';

interface Entry {
  readonly node: NodeId;
  key: Uint8Array;
  options: RegisterOptions;
  public: boolean;
  hostname: string;
  record?: string;
  rotations?: string[];
}

/** What all clients of one registry in memory see. */
export class FakeRegistry {
  readonly nodes = new Map<NodeId, Entry>();
  readonly clients = new Set<FakeRegistryClient>();
  readonly pairs = new Set<string>();
  readonly requests: { to: NodeId; from: NodeId; justification: string; message: string }[] = [];
  readonly responses: { to: NodeId; from: NodeId; accept: boolean; message: string }[] = [];
  readonly calls: string[] = [];
  readonly networks = new FakeNetworks((to, push) => this.push(to, push));
  /** Questions of users that waited for it. */
  hurries = 0;
  /** Every call fails with `registry_unreachable`. */
  away = false;
  /** Requests that are carried out although their answer is lost. */
  readonly lostAnswers = new Set<string>();
  /** Requests it refuses. */
  readonly refused = new Set<string>();
  afterCall: (call: string) => void = () => {};
  /** What it says of a node in place of the truth. */
  readonly lies = new Map<NodeId, Partial<NodeInfo>>();
  /** They trust each other, or share a network. */
  mayFind(a: NodeId, b: NodeId): boolean {
    const share = [...this.networks.all.values()].some(({ members }) => members.has(a) && members.has(b));
    return share || this.pairs.has(pair(a, b));
  }
  push(to: NodeId, push: RegistryPush): void {
    for (const client of this.clients) if (client.is(to)) client.push(push);
  }
  /** The node is not known any more, as after a reaping. */
  forget(node: NodeId): void {
    this.nodes.delete(node);
  }
  leave(): void {
    this.away = true;
    for (const client of this.clients) client.tell('disconnected');
  }
  comeBack(): void {
    this.away = false;
    for (const client of this.clients) client.tell('connected');
  }
}

/** A client of `FakeRegistry`, as a daemon uses `Directory`. */
export class FakeRegistryClient implements RegistryClient {
  readonly #registry: FakeRegistry;
  readonly #key: () => Uint8Array;
  readonly #states: ((state: DirectoryState) => void)[] = [];
  readonly #pushes: ((push: RegistryPush) => void)[] = [];
  #node: NodeId | undefined;
  readonly networks: RegistryClient['networks'];
  state: DirectoryState = 'disconnected';

  constructor(registry: FakeRegistry, key: () => Uint8Array) {
    this.#registry = registry;
    this.#key = key;
    registry.clients.add(this);
    this.networks = networkRequests(
      registry.networks,
      () => this.#self(),
      (call) => this.#enter(call),
    );
  }

  start(): void {
    if (!this.#registry.away) this.tell('connected');
  }
  networkChanged() {}
  check() {}
  hurry(): void {
    this.#registry.hurries++;
  }
  close(): void {
    this.#registry.clients.delete(this);
  }
  onPush(receiver: (push: RegistryPush) => void): void {
    this.#pushes.push(receiver);
  }
  onState(receiver: (state: DirectoryState) => void): void {
    this.#states.push(receiver);
  }
  tell(state: DirectoryState): void {
    this.state = state;
    for (const receiver of this.#states) receiver(state);
  }
  is(node: NodeId): boolean {
    return this.#node === node;
  }
  push(push: RegistryPush): void {
    for (const receiver of this.#pushes) receiver(push);
  }

  async register(given: RegisterOptions) {
    this.#enter('register');
    // A wildcard stands for where the request comes from.
    const options = { ...given, listenEndpoint: { ...given.listenEndpoint, host: '10.0.0.1' } };
    const key = this.#key();
    let entry = [...this.#registry.nodes.values()].find((known) => Buffer.compare(known.key, key) === 0);
    const wanted = options.hostname ?? '';
    const taken = [...this.#registry.nodes.values()].some(
      (other) => other !== entry && other.hostname === wanted && wanted !== '',
    );
    if (entry === undefined) {
      entry = {
        node: this.#node ?? this.#registry.nodes.size + 1,
        key,
        options,
        public: false,
        hostname: '',
      };
      this.#registry.nodes.set(entry.node, entry);
    }
    entry.options = options;
    if (!taken) entry.hostname = wanted;
    this.#node = entry.node;
    return {
      node: entry.node,
      address: { network: 0, node: entry.node },
      observed: '',
      ...(taken && { hostnameError: `hostname "${wanted}" already in use` }),
    };
  }
  readonly records: RegistryClient['records'] = {
    publishRecord: async (record) => {
      this.#enter('publish_record');
      this.#entry(this.#self()).record = record;
    },
    rotateKey: async (identity, rotation) => {
      this.#enter('rotate_key');
      const entry = this.#entry(this.#self());
      entry.key = identity.publicKey;
      entry.rotations = [...(entry.rotations ?? []), rotation];
      this.#registry.afterCall('rotate_key');
      if (this.#registry.lostAnswers.has('rotate_key')) {
        throw new PilotError('registry_unreachable', 'The connection was lost');
      }
      for (const client of this.#registry.clients) {
        if (client !== this) client.push({ event: 'key_rotated', from: entry.node });
      }
    },
    useIdentity: async () => {},
    findNodes: async ({ tag } = {}) => {
      this.#enter('find_nodes');
      const nodes = [...this.#registry.nodes.values()].filter((entry) => entry.public);
      const rows = nodes.map(({ node, hostname, record }) => ({
        node,
        address: { network: 0, node },
        hostname,
        tags: [],
        public: true,
        online: true,
        ...(record !== undefined && { record }),
      }));
      return { nodes: tag === undefined ? rows : rows.filter((row) => row.record?.includes(`"${tag}"`)) };
    },
    certificateWith: async (peer) => {
      this.#enter('trust_certificate');
      return { trusted: this.#registry.pairs.has(pair(peer, this.#self())) };
    },
  };
  async heartbeat() {
    this.#enter('heartbeat');
    if (!this.#registry.nodes.has(this.#self()))
      throw new PilotError('not_found', 'Cannot send a heartbeat: node not found');
    return {};
  }
  async lookup(node: NodeId): Promise<NodeInfo> {
    this.#enter('lookup');
    const entry = this.#entry(node);
    return {
      node,
      address: { network: 0, node },
      publicKey: entry.key,
      public: entry.public,
      networks: [0],
      poloScore: 0,
      taskExec: false,
      hostname: entry.hostname,
      tags: [],
      ...(entry.record !== undefined && { record: entry.record }),
      rotations: entry.rotations ?? [],
      epoch: entry.rotations?.length ?? 0,
      ...this.#registry.lies.get(node),
    };
  }
  async identityKey(node: NodeId) {
    this.#enter('key');
    return this.#registry.nodes.get(node)?.key;
  }
  async resolve(node: NodeId) {
    this.#enter('resolve');
    const entry = this.#entry(node);
    if (!entry.public && !this.#registry.mayFind(this.#self(), node)) {
      throw new PilotError('not_found', `Cannot resolve node ${node}: node not found`);
    }
    return { endpoint: entry.options.listenEndpoint, lan: entry.options.lan };
  }
  async resolveHostname(name: string) {
    this.#enter('resolve_hostname');
    const entry = [...this.#registry.nodes.values()].find((known) => known.hostname === name);
    const seen = entry !== undefined && (entry.public || this.#registry.mayFind(this.#self(), entry.node));
    if (entry === undefined || !seen)
      throw new PilotError('not_found', `Cannot find "${name}": hostname "${name}" not found`);
    return {
      node: entry.node,
      address: { network: 0, node: entry.node },
      public: entry.public,
      hostname: name,
    };
  }
  async setHostname(name: string) {
    this.#enter('set_hostname');
    this.#entry(this.#self()).hostname = name;
  }
  async setVisibility(isPublic: boolean) {
    this.#enter(`set_visibility ${isPublic}`);
    this.#entry(this.#self()).public = isPublic;
  }
  async setTags() {
    this.#enter('set_tags');
  }
  async deregister() {
    this.#enter('deregister');
    this.#registry.forget(this.#self());
  }
  async requestHandshake(request: Parameters<RegistryClient['requestHandshake']>[0]) {
    this.#enter('request_handshake');
    const { target, justification, message } = request;
    const entry =
      'node' in target
        ? this.#registry.nodes.get(target.node)
        : [...this.#registry.nodes.values()].find((known) => known.hostname === target.hostname);
    if (entry === undefined) return;
    this.#registry.requests.push({ to: entry.node, from: this.#self(), justification, message });
    this.#notify(entry.node, 'handshake_request');
  }
  async respondHandshake({ peer, accept, message }: { peer: NodeId; accept: boolean; message: string }) {
    this.#enter('respond_handshake');
    if (accept) this.#registry.pairs.add(pair(peer, this.#self()));
    this.#registry.responses.push({ to: peer, from: this.#self(), accept, message });
    this.#notify(peer, 'handshake_response');
  }
  async pollHandshakes() {
    this.#enter('poll');
    const take = <Item extends { to: NodeId }>(items: Item[]): Item[] => {
      const mine = items.filter((item) => item.to === this.#node);
      for (const item of mine) items.splice(items.indexOf(item), 1);
      return mine;
    };
    const timestamp = 0;
    return {
      requests: take(this.#registry.requests).map((item) => ({ ...item, timestamp, hostname: '' })),
      responses: take(this.#registry.responses).map((item) => ({ ...item, timestamp })),
      revocations: [],
      more: false,
    };
  }
  async reportTrust(peer: NodeId) {
    this.#enter('report_trust');
    this.#registry.pairs.add(pair(peer, this.#self()));
  }
  async revokeTrust(peer: NodeId) {
    this.#enter('revoke_trust');
    this.#registry.pairs.delete(pair(peer, this.#self()));
  }
  async call(type: string) {
    this.#enter(type);
    return {};
  }

  #enter(call: string): void {
    this.#registry.calls.push(call);
    if (this.#registry.away) throw new PilotError('registry_unreachable', 'Cannot reach the registry');
    if (this.#registry.refused.has(call)) throw new PilotError('permission_denied', `Refused: ${call}`);
  }
  #self(): NodeId {
    if (this.#node === undefined) throw new PilotError('unavailable', 'not registered yet');
    return this.#node;
  }
  #entry(node: NodeId): Entry {
    const entry = this.#registry.nodes.get(node);
    if (entry === undefined) throw new PilotError('not_found', `Cannot look up node ${node}: node not found`);
    return entry;
  }
  #notify(node: NodeId, event: string): void {
    for (const client of this.#registry.clients) if (client.#node === node) client.push({ event });
  }
}

function pair(a: NodeId, b: NodeId): string {
  return a < b ? `${a}:${b}` : `${b}:${a}`;
}

/** Local sockets and UDP in memory, without loss. Several hosts may share it: ports tell them apart. */
export function memoryInternet(): Net {
  const local = memoryNet();
  const sockets = new Map<string, (data: Uint8Array, from: Endpoint) => void>();
  let nextPort = 40_000;
  return {
    ...local,
    localAddresses: () => ['10.0.0.1'],
    links: () => [],
    gateways: () => [],
    watchNetworks: () => ({ cancel() {} }),
    resolve: (host) => Promise.resolve([host]),
    async udp(bind) {
      const at = { host: '10.0.0.1', port: bind.port === 0 ? nextPort++ : bind.port };
      if (sockets.has(endpointKey(at))) throw new PilotError('port_in_use', `Port ${at.port} is in use`);
      sockets.set(endpointKey(at), () => {});
      return singly({
        local: at,
        send: (data, to) => {
          const copy = data.slice();
          setImmediate(() => sockets.get(endpointKey(to))?.(copy, at));
        },
        onDatagram: (receiver) => sockets.set(endpointKey(at), receiver),
        onUnreachable() {},
        close: async () => {
          sockets.delete(endpointKey(at));
        },
      });
    },
  };
}

/** Homes and daemons in one process, without real time. */
export class Place {
  readonly clock = new ManualClock();
  readonly registry: FakeRegistry;
  readonly net = memoryInternet();
  readonly storages = new Map<string, MemoryStorage>();
  readonly events: { who: string; level: string; name: string; fields: Record<string, unknown> }[] = [];
  readonly daemons = new Map<string, Daemon>();

  constructor(registry = new FakeRegistry()) {
    this.registry = registry;
  }

  /** The same network once every process here has died; the home of `node-a` holds these files. */
  after(files: ReadonlyMap<string, { data: Uint8Array; modified: number }>): Place {
    const place = new Place(this.registry);
    this.registry.clients.clear();
    for (const [path, file] of files) place.storage('node-a').files.set(path, file);
    return place;
  }

  storage(name: string): MemoryStorage {
    const storage = this.storages.get(name) ?? new MemoryStorage(this.clock);
    this.storages.set(name, storage);
    return storage;
  }

  log(who: string): Log {
    return { event: (level, name, fields = {}) => this.events.push({ who, level, name, fields }) };
  }

  /** Starts a daemon; time passes meanwhile. */
  async start(name: string, config: Partial<DaemonConfig> = {}): Promise<PilotClient> {
    const storage = this.storage(name);
    const crypto = nodeCrypto();
    const starting = Daemon.start({
      net: this.net,
      clock: this.clock,
      random: nodeRandom(),
      crypto,
      log: this.log(name),
      storage,
      registry: new FakeRegistryClient(this.registry, () => publicKeyOf(storage)),
      config: {
        socketPath: name,
        registries: [{ host: 'registry', port: 9000 }],
        hostname: name,
        version: 'test',
        acceptMemberships: true,
        ...config,
      },
    });
    const daemon = await this.during(starting);
    this.daemons.set(name, daemon);
    return this.client(name);
  }

  async client(name: string): Promise<PilotClient> {
    return PilotClient.connect({
      net: this.net,
      clock: this.clock,
      crypto: nodeCrypto(),
      socketPath: name,
    });
  }

  stop(name: string): Promise<void> {
    return this.during(this.daemons.get(name)!.stop());
  }

  /** Lets time pass until the promise settles. */
  async during<Value>(promise: Promise<Value>, step = 20): Promise<Value> {
    let done = false;
    const settled = promise.finally(() => {
      done = true;
    });
    settled.catch(() => {});
    for (let i = 0; i < 5_000 && !done; i++) await this.clock.advance(step);
    if (!done) throw new Error('did not settle');
    return settled;
  }

  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let i = 0; i < 2_000; i++) {
      if (await this.during(Promise.resolve(condition()))) return;
      await this.clock.advance(20);
    }
    throw new Error(`did not happen: ${what}`);
  }
}

function publicKeyOf(storage: MemoryStorage): Uint8Array {
  const file = storage.files.get(IDENTITY_FILE);
  const { public_key } = JSON.parse(Buffer.from(file!.data).toString()) as { public_key: string };
  return Buffer.from(public_key, 'base64');
}
