import { PilotError } from '../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';
import { formatEndpoint, parseHostPort } from '../base/endpoint.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import { parseTrustFile } from '../core/trust/snapshot.ts';
import type { TrustSnapshot } from '../core/trust/types.ts';
import type { CarrierAddress } from '../directory/types.ts';
import type { Storage } from '../runtime/ports.ts';
import { decodeBase64, encodeBase64 } from '../wire/base64.ts';
import { isServiceEntry, type ServiceEntry } from '../wire/node-record.ts';
import type { Pin, PinnedBy } from './pins.ts';

export const TRUST_FILE = 'trust.json';
export const NODE_FILE = 'node.json';
export const PEERS_FILE = 'peers.json';

/** What a daemon remembers of itself from one run to the next. */
export interface NodeState {
  /** Registries that gave the node id, `host:port`: elsewhere the id means somebody else. */
  readonly registries: readonly string[];
  readonly node: NodeId | undefined;
  readonly hostname: string;
  readonly public: boolean;
  readonly tags: readonly string[];
  /** What the signed record offers. */
  readonly services: readonly ServiceEntry[];
  /** Number of the last signed record; written before a record is used, so that it never goes back. */
  readonly recordSeq: number;
  /** Rotations of our key so far, and their documents, oldest first. */
  readonly keyEpoch: number;
  readonly rotations: readonly string[];
  /** Of the tunnel: keeping it keeps NAT bindings and what peers know. */
  readonly udpPort: number | undefined;
  readonly beacons: readonly Endpoint[];
  readonly carriers: readonly CarrierAddress[];
}

export const NEW_NODE: NodeState = {
  registries: [],
  node: undefined,
  hostname: '',
  public: false,
  tags: [],
  services: [],
  recordSeq: 0,
  keyEpoch: 0,
  rotations: [],
  udpPort: undefined,
  beacons: [],
  carriers: [],
};

/** What is remembered of a peer. */
export interface PeerNote {
  readonly node: NodeId;
  readonly hostname: string;
  readonly endpoint: Endpoint | undefined;
  readonly lan: readonly Endpoint[];
  /** Where it was registered. */
  readonly beacons: readonly Endpoint[];
}

/** Errors: `state_corrupt`, naming the file, which is left as it is. */
export async function loadTrust(storage: Storage): Promise<TrustSnapshot | undefined> {
  const text = await readText(storage, TRUST_FILE);
  if (text === undefined) return undefined;
  const snapshot = parseTrustFile(text);
  if (snapshot === 'corrupt') throw corrupt(storage, TRUST_FILE, 'it is not a list of trust records');
  return snapshot;
}

/** Errors: `state_corrupt`. */
export async function loadNodeState(storage: Storage): Promise<NodeState> {
  const file = await readObject(storage, NODE_FILE);
  if (file === undefined) return NEW_NODE;
  const fields = new Fields(file, (what) => corrupt(storage, NODE_FILE, what));
  return {
    registries: fields.texts('registries'),
    node: fields.number('node_id'),
    hostname: fields.text('hostname'),
    public: file.public === true,
    tags: fields.texts('tags'),
    services: fields.list('services').filter(isServiceEntry),
    recordSeq: fields.number('record_seq') ?? 0,
    keyEpoch: fields.number('key_epoch') ?? 0,
    rotations: fields.texts('rotations'),
    udpPort: fields.number('udp_port'),
    beacons: fields.texts('beacons').flatMap(endpointOf),
    carriers: fields.texts('carriers').map(carrierOf),
  };
}

export function saveNodeState(storage: Storage, state: NodeState): Promise<void> {
  return replaceJson(storage, NODE_FILE, {
    version: 1,
    registries: state.registries,
    node_id: state.node,
    hostname: state.hostname,
    public: state.public,
    tags: state.tags,
    services: state.services,
    record_seq: state.recordSeq,
    key_epoch: state.keyEpoch,
    rotations: state.rotations,
    udp_port: state.udpPort,
    beacons: state.beacons.map(formatEndpoint),
    carriers: state.carriers.map(({ url, fingerprint }) => (fingerprint ? `${url} ${fingerprint}` : url)),
  });
}

/** The URL, and its fingerprint when there is one. */
function carrierOf(text: string): CarrierAddress {
  const [url = '', fingerprint] = text.split(' ');
  return { url, ...(fingerprint !== undefined && { fingerprint }) };
}

/** Errors: `state_corrupt`. */
export async function loadPeers(storage: Storage): Promise<readonly PeerNote[]> {
  const file = await readObject(storage, PEERS_FILE);
  if (file === undefined) return [];
  const bad = (what: string): PilotError => corrupt(storage, PEERS_FILE, what);
  if (!Array.isArray(file.peers)) throw bad('it has no list of peers');
  return file.peers.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) throw bad('a peer is not an object');
    const fields = new Fields(entry as Record<string, unknown>, bad);
    const node = fields.number('node_id');
    if (node === undefined) throw bad('a peer has no node_id');
    return {
      node,
      hostname: fields.text('hostname'),
      endpoint: endpointOf(fields.text('endpoint'))[0],
      lan: fields.texts('lan').flatMap(endpointOf),
      beacons: fields.texts('beacons').flatMap(endpointOf),
    };
  });
}

/** Keys of peers, from the same file. Errors: `state_corrupt`. */
export async function loadPins(storage: Storage): Promise<readonly Pin[]> {
  const file = await readObject(storage, PEERS_FILE);
  if (file?.pins === undefined) return [];
  const bad = (what: string): PilotError => corrupt(storage, PEERS_FILE, what);
  if (!Array.isArray(file.pins)) throw bad('pins is not a list');
  return file.pins.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) throw bad('a pin is not an object');
    const fields = new Fields(entry as Record<string, unknown>, bad);
    const node = fields.number('node_id');
    const key = decodeBase64(fields.text('public_key'));
    if (node === undefined || key?.length !== 32) throw bad('a pin has no node_id or no public_key');
    const rotatedAt = fields.number('rotated_at');
    const refused = decodeBase64(fields.text('refused_key'));
    return {
      node,
      key,
      by: PINNED_BY.find((by) => by === fields.text('by')) ?? 'use',
      pinnedAt: fields.number('pinned_at') ?? 0,
      epoch: fields.number('epoch') ?? 0,
      seq: fields.number('seq') ?? 0,
      ...(rotatedAt !== undefined && { rotatedAt }),
      ...(refused?.length === 32 && { refused: { key: refused, at: fields.number('refused_at') ?? 0 } }),
    };
  });
}

const PINNED_BY: readonly PinnedBy[] = ['trust', 'use', 'fingerprint'];

/** What is kept of peers, in one file. */
export interface PeersState {
  readonly peers: readonly PeerNote[];
  readonly pins: readonly Pin[];
}

export function savePeers(storage: Storage, { peers, pins }: PeersState): Promise<void> {
  return replaceJson(storage, PEERS_FILE, {
    version: 1,
    peers: peers.map((peer) => ({
      node_id: peer.node,
      hostname: peer.hostname,
      endpoint: peer.endpoint === undefined ? '' : formatEndpoint(peer.endpoint),
      lan: peer.lan.map(formatEndpoint),
      ...(peer.beacons.length > 0 && { beacons: peer.beacons.map(formatEndpoint) }),
    })),
    pins: pins.map((pin) => ({
      node_id: pin.node,
      public_key: encodeBase64(pin.key),
      by: pin.by,
      pinned_at: pin.pinnedAt,
      epoch: pin.epoch,
      seq: pin.seq,
      rotated_at: pin.rotatedAt,
      refused_key: pin.refused === undefined ? undefined : encodeBase64(pin.refused.key),
      refused_at: pin.refused?.at,
    })),
  });
}

class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #bad: (what: string) => PilotError;

  constructor(object: Readonly<Record<string, unknown>>, bad: (what: string) => PilotError) {
    this.#object = object;
    this.#bad = bad;
  }

  text(name: string): string {
    const value = this.#object[name] ?? '';
    if (typeof value !== 'string') throw this.#bad(`${name} is not a string`);
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.#object[name] ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw this.#bad(`${name} is not a list of strings`);
    }
    return value;
  }

  list(name: string): readonly unknown[] {
    const value = this.#object[name] ?? [];
    if (!Array.isArray(value)) throw this.#bad(`${name} is not a list`);
    return value;
  }

  number(name: string): number | undefined {
    const value = this.#object[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      throw this.#bad(`${name} is not a whole number`);
    }
    return value;
  }
}

export async function readText(storage: Storage, path: string): Promise<string | undefined> {
  const bytes = await storage.read(path);
  if (bytes === undefined) return undefined;
  const text = fromUtf8Strict(bytes);
  if (text === undefined) throw corrupt(storage, path, 'it is not text');
  return text;
}

async function readObject(storage: Storage, path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readText(storage, path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw corrupt(storage, path, 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw corrupt(storage, path, 'it is not a JSON object');
  }
  return value as Record<string, unknown>;
}

function replaceJson(storage: Storage, path: string, value: object): Promise<void> {
  return storage.replace(path, utf8(`${JSON.stringify(value, undefined, 2)}\n`));
}

function endpointOf(text: string): Endpoint[] {
  const endpoint = parseHostPort(text);
  return endpoint === undefined ? [] : [endpoint];
}

export function corrupt(storage: Storage, path: string, what: string): PilotError {
  return new PilotError('state_corrupt', `Cannot read ${storage.describe(path)}: ${what}`);
}
