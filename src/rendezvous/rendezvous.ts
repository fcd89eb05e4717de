/** Registry and beacon in one process. */
import type { Crypto } from '../base/crypto.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint } from '../base/units.ts';
import { type Beacon, type StreamLimits, type StreamStats, Streams, startBeacon } from '../beacon/index.ts';
import type { Http, PageFiles } from '../registry/http/index.ts';
import {
  createRegistryService,
  DEFAULT_CONFIG,
  memoryStore,
  persistedCertificate,
  type RegistryConfig,
  RegistryServer,
  type RegistryService,
  type Store,
  WebhookRunner,
} from '../registry/index.ts';
import type {
  Clock,
  HttpPost,
  Log,
  Net,
  PipeServer,
  Storage,
  TlsServerOptions,
  WebSocketServerOptions,
} from '../runtime/ports.ts';
import { COMPAT_MAX_MESSAGE, COMPAT_PATH } from '../wire/compat.ts';

export interface RendezvousOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Holds the certificate's key when `tls` is `'persisted'`. */
  readonly storage: Storage;
  readonly registryBind: Endpoint;
  readonly beaconBind: Endpoint;
  /** A second port of the beacon, from which nodes learn how their NAT behaves. @default none */
  readonly beaconAlternateBind?: Endpoint | undefined;
  /** Go on without it when it is taken. @default false */
  readonly beaconAlternateOptional?: boolean;
  /**
   * Takes WebSockets of nodes that have no UDP here as well, without TLS: for a front that has it. The registry's own
   * port takes them in any case.
   */
  readonly webSocketBind?: Endpoint | undefined;
  /** How nodes reach the beacon by WebSocket: see `RegistryConfig.carriers`. @default the registry's own port */
  readonly carriers?: readonly string[] | undefined;
  readonly streamLimits?: Partial<StreamLimits> | undefined;
  /** Where facts are kept. @default a memory store: everything is lost at the end */
  readonly store?: Store;
  /**
   * With it the registry speaks TLS and plaintext on one port. `'persisted'` takes the certificate in `storage`,
   * making one at the first start. @default plaintext only
   */
  readonly tls?: 'persisted' | (TlsServerOptions & { readonly fingerprint: string });
  readonly config?: Partial<RegistryConfig>;
  /** Serves health, metrics and the dashboard. @default not */
  readonly http?: RendezvousHttp | undefined;
  /** With it, what happens is told to the webhooks that operators made. @default nothing is */
  readonly post?: HttpPost | undefined;
  /** Puts something between clients and the registry: tests let it lie. */
  readonly decorate?: (service: RegistryService) => RegistryService;
}

export interface RendezvousHttp {
  readonly bind: Endpoint;
  readonly version: string;
  /** Without it there is no page. */
  readonly page?: PageFiles | undefined;
}

export interface Rendezvous {
  readonly registryEndpoint: Endpoint;
  readonly beaconEndpoint: Endpoint;
  /** SHA-256 of the registry's certificate, lower-case hex; empty without TLS. */
  readonly fingerprint: string;
  readonly beacon: Beacon;
  readonly service: RegistryService;
  readonly httpEndpoint: Endpoint | undefined;
  /** Where `webSocketBind` listens. */
  readonly webSocketEndpoint: Endpoint | undefined;
  streams(): StreamStats;
  /** `/readyz` says from now on that clients should go elsewhere. */
  drain(): void;
  close(): Promise<void>;
}

/** Errors: `port_in_use`, `io_error`, `state_corrupt`, `disk_full`. */
export async function startRendezvous(options: RendezvousOptions): Promise<Rendezvous> {
  const { net, clock, random, crypto, log, storage } = options;
  const tls =
    options.tls === 'persisted' ? await persistedCertificate({ storage, crypto, clock }) : options.tls;
  const fingerprint = tls?.fingerprint ?? '';
  const store = options.store ?? memoryStore();
  const lookup: { key: (node: number) => Promise<Uint8Array | undefined> } = { key: async () => undefined };
  const beacon = await startBeacon({
    net,
    clock,
    random: random.fork('beacon'),
    crypto,
    log,
    bind: options.beaconBind,
    alternateBind: options.beaconAlternateBind,
    alternateOptional: options.beaconAlternateOptional ?? false,
    lookupKey: (node) => lookup.key(node),
    onStreamTransmit: (stream, data) => streams.transmit(stream, data),
  });
  const streams = new Streams({
    clock,
    random: random.fork('streams'),
    crypto,
    log,
    lookupKey: (node) => lookup.key(node),
    host: beacon,
    limits: options.streamLimits,
  });
  const webSocket: WebSocketServerOptions = {
    path: COMPAT_PATH,
    maxMessage: COMPAT_MAX_MESSAGE,
    onOpen: (pipe) => streams.accept(pipe),
  };
  const carriers = [...(options.carriers ?? [])];
  // A web server is loaded by nobody who does not serve it.
  const meters = options.http && (await import('../registry/http/index.ts')).httpMeters(clock);
  const created = createRegistryService({
    store,
    clock,
    random: random.fork('registry'),
    crypto,
    log,
    config: { beacons: [beacon.endpoint], carriers, fingerprint, ...options.config },
  });
  lookup.key = (node) => created.identityKey(node);
  const service = meters?.wrap(created) ?? created;
  const webhooks =
    options.post &&
    new WebhookRunner({
      store,
      clock,
      random: random.fork('webhooks'),
      crypto,
      log,
      post: options.post,
      reach: options.config?.webhookReach ?? DEFAULT_CONFIG.webhookReach,
    });
  created.sealer.onSealed = () => webhooks?.wake();
  // What the process before us left.
  created.sealer.arm();
  let http: Http | undefined;
  let server: RegistryServer | undefined;
  let front: PipeServer | undefined;
  const close = async (): Promise<void> => {
    http?.drain();
    await front?.close();
    await server?.close();
    streams.close();
    await http?.close();
    created.close();
    await webhooks?.close();
    await beacon.close();
  };
  try {
    server = await RegistryServer.listen({
      net,
      clock,
      log,
      service: options.decorate?.(service) ?? service,
      bind: options.registryBind,
      webSocket,
      ...(tls && { tls }),
    });
    const listening = server;
    store.availability?.onChange((isUp) => listening.serve(isUp));
    listening.serve(store.availability?.isUp ?? true);
    if (options.webSocketBind !== undefined)
      front = await net.listen(options.webSocketBind, (pipe) => pipe.destroy(), { webSocket });
    if (options.http !== undefined && meters !== undefined)
      http = await meters.serve({
        ...options.http,
        net,
        clock,
        log,
        store,
        storage,
        staleAfter: options.config?.staleAfter ?? DEFAULT_CONFIG.staleAfter,
        findOperator: (token, from) => created.authorize(token, from),
        serverStats: () => server!.stats(),
        ownBeacon: beacon,
        otherBeacons: () => service.beacons(),
      });
  } catch (error) {
    await close();
    throw error;
  }
  if (options.carriers === undefined) carriers.push(formatEndpoint(server.endpoint));
  return {
    registryEndpoint: server.endpoint,
    beaconEndpoint: beacon.endpoint,
    fingerprint,
    beacon,
    service,
    httpEndpoint: http?.endpoint,
    webSocketEndpoint: front?.local,
    streams: () => streams.stats(),
    drain: () => http?.drain(),
    close,
  };
}
