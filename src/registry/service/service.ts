import { asPilotError } from '../../api/errors.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import type { Clock, Log } from '../../runtime/ports.ts';
import { DEFAULT_CONFIG, type RegistryConfig } from '../config.ts';
import type { ConnectionState } from '../connection.ts';
import type { Store } from '../store/store.ts';
import { Admission } from './admission.ts';
import { Sealer } from './audit/sealer.ts';
import { BeaconList } from './beacon-list.ts';
import { Budget } from './budget.ts';
import type { Call, CallContext, Reply, Shared } from './call.ts';
import { Contacts } from './contacts.ts';
import { type Fields, text } from './fields.ts';
import { HANDLERS, NOT_OFFERED } from './handlers.ts';
import { NetworkState } from './networks/state.ts';
import { Authorizer } from './operators/authorize.ts';
import type { Operator } from './operators/operator.ts';
import { hearOthers } from './others.ts';
import { masked, Refusal, refusal } from './refusal.ts';
import { ReplayGuard } from './replay-guard.ts';
import { Subscribers } from './subscribers.ts';

/** A store that fails fails for every request; the log says so this often. */
const FAILURE_LOG_INTERVAL: Millis = 10_000;

export interface RegistryServiceOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly config?: Partial<RegistryConfig>;
}

export interface RegistryService {
  /** Answers a request, also a refused one; never rejects. */
  handle(request: object, context: CallContext): Promise<Reply>;
  /** Answers a request or throws what it was refused for, unmasked. */
  perform(request: object, context: CallContext): Promise<Reply>;
  /** The connection is gone. */
  disconnected(connection: ConnectionState): void;
  /** A client has waited this long for its turn: fewer daemons are let in at once. */
  felt?(wait: Millis): void;
  /** The registered key of a node, for the beacon beside us. */
  identityKey(node: NodeId): Promise<Uint8Array | undefined>;
  /** Beacons that announced themselves lately, `host:port` each. */
  beacons(): Promise<readonly string[]>;
}

/** What the process around the registry uses besides. */
export interface OperatedRegistry extends RegistryService {
  /** Whose admin token this is; undefined when it counts for nothing. Wrong ones are counted against `from`. */
  authorize(token: string, from: Endpoint): Promise<Operator | undefined>;
  /** The audit log's own work; webhooks listen to it. */
  readonly sealer: Sealer;
  /** Ends timers. What is not chained yet is chained by whoever opens the store next. */
  close(): void;
}

/** The registry without sockets: every request of spec/10, over a store. */
export function createRegistryService(options: RegistryServiceOptions): OperatedRegistry {
  const { store, clock, random, crypto, log } = options;
  const config = { ...DEFAULT_CONFIG, ...options.config };
  const startedAt = { wall: clock.wallNow(), monotonic: clock.now() };
  let quietUntil: Instant = 0;
  const subscribers = new Subscribers(store.bus);
  const admission = new Admission();
  const shared: Shared = {
    store,
    clock,
    random,
    crypto,
    log,
    config,
    startedAt,
    replays: new ReplayGuard(config.signatureWindow, startedAt.monotonic),
    nobody: crypto.signingKey(random.bytes(32)).publicKey,
    subscribers,
    admission,
    networks: new NetworkState(config, store, subscribers, clock),
    newNodes: new Budget(config.newNodesPerHost),
    takenNames: new Budget(config.takenNamesPerHost),
    rotations: new Budget(config.rotationsPerNode),
    contacts: new Contacts(store.bus),
    beacons: new BeaconList(store.bus),
    sealer: new Sealer(store, clock, crypto, log, config.auditKept),
  };
  const authorizer = new Authorizer(config, store, crypto, clock);

  hearOthers(shared);

  async function perform(request: object, context: CallContext): Promise<Reply> {
    const fields = request as Fields;
    const type = text(fields.type);
    const handler = HANDLERS.get(type);
    if (NOT_OFFERED.has(type)) {
      throw refusal('unavailable', `enterprise feature: ${type} is not offered by this registry`);
    }
    if (handler === undefined)
      throw refusal('invalid_argument', `unknown message type: "${type.slice(0, 64)}"`);
    const token = text(fields.admin_token);
    const operator =
      context.operator ?? (token === '' ? undefined : await authorizer.authorize(token, context.remote));
    const call: Call = { ...context, shared, request: fields, operator, at: clock.wallNow() };
    return handler(call);
  }

  /** What we answer when something failed that is not the client's doing; the operator learns what it was. */
  function failed(thrown: unknown, type: string): Refusal {
    const { code, message } = asPilotError(thrown);
    const now = clock.now();
    if (now >= quietUntil) {
      quietUntil = now + FAILURE_LOG_INTERVAL;
      log.event('error', 'registry.failed', { type: type.slice(0, 64), code, error: message });
    }
    return refusal('unavailable', 'the registry cannot do that now', 'try again later');
  }

  return {
    async perform(request, context) {
      try {
        return await perform(request, context);
      } catch (thrown) {
        throw thrown instanceof Refusal ? thrown : failed(thrown, text((request as Fields).type));
      }
    },
    async handle(request, context) {
      const fields = request as Fields;
      const echo = requestId(fields);
      try {
        return { ...(await perform(request, context)), ...echo };
      } catch (thrown) {
        const refused = thrown instanceof Refusal ? thrown : failed(thrown, text(fields.type));
        const ours = echo.request_id !== undefined || fields.sig !== undefined;
        return { ...refusedReply(refused, ours, shared), ...echo };
      }
    },
    felt: (wait) => admission.felt(wait),
    disconnected: (connection) => shared.subscribers.dropConnection(connection),
    beacons: async () => shared.beacons.list(clock.now()).map(({ addr }) => addr),
    authorize: (token, from) => authorizer.authorize(token, from),
    sealer: shared.sealer,
    close: () => shared.sealer.close(),
    async identityKey(id) {
      const node = await store.node(id);
      return node?.registered ? node.publicKey : undefined;
    },
  };
}

/** Old clients get the masked text alone; ours get the whole text, a stable code, a hint and our clock. */
function refusedReply(error: Refusal, ours: boolean, shared: Shared): Reply {
  if (!ours) return { type: 'error', error: masked(error.message) };
  return {
    type: 'error',
    error: error.message,
    code: error.code,
    hint: error.hint,
    time: shared.clock.wallNow(),
  };
}

function requestId(request: Fields): { request_id?: number | string } {
  const id = request.request_id;
  return typeof id === 'number' || (typeof id === 'string' && id.length <= 64) ? { request_id: id } : {};
}
