import type { SignedRecord } from '../../ipc/methods/names.ts';
import type { Result } from '../../ipc/methods.ts';
import { textParam } from '../../ipc/params.ts';
import type { Abort } from '../../runtime/ports.ts';
import { decodeBase64, encodeBase64 } from '../../wire/base64.ts';
import type { NodeRecord } from '../../wire/node-record.ts';
import { addressText } from '../targets.ts';
import type { CallContext, Given } from './context.ts';

/** What the registry says of a node, and how far it is proven. Errors: `not_found`, `identity_changed`. */
export async function lookup(context: CallContext, params: Given, signal: Abort): Promise<Result<'lookup'>> {
  const { identities, own, book } = context;
  const { node } = await context.targets.find(textParam(params, 'target'), signal);
  const { info, changed, rotations, record, epoch } = await identities.keys.fresh(node);
  if (info.hostname !== undefined) book.named(node, info.hostname);
  const pin = identities.keys.pins.get(node);
  const isOwn = node === own.nodeId;
  const print = (key: Uint8Array): string => identities.fingerprintOf(key);
  return {
    node_id: info.node,
    address: addressText(info.node),
    hostname: info.hostname ?? '',
    public: info.public,
    public_key: encodeBase64(info.publicKey),
    networks: info.networks,
    tags: info.tags,
    polo_score: info.poloScore,
    ...(info.version !== undefined && { version: info.version }),
    ...(info.endpoint !== undefined && { real_addr: `${info.endpoint.host}:${info.endpoint.port}` }),
    ...(info.online !== undefined && { online: info.online }),
    fingerprint: print(info.publicKey),
    identity: isOwn ? 'own' : changed ? 'changed' : pin === undefined ? 'unpinned' : 'pinned',
    ...(pin !== undefined && {
      pinned: { fingerprint: print(pin.key), by: pin.by, since: Math.floor(pin.pinnedAt / 1000) },
    }),
    epoch,
    rotations: rotations.map((rotation) => ({
      epoch: rotation.epoch,
      at: rotation.at,
      from: print(decodeBase64(rotation.old_key) ?? info.publicKey),
      to: print(decodeBase64(rotation.new_key) ?? info.publicKey),
    })),
    record: record === undefined ? null : signedRecord(record, context.clock.wallNow() / 1000),
  };
}

function signedRecord(record: NodeRecord, now: number): SignedRecord {
  const { seq, epoch, hostname, tags, features, suites, services, issued, expires } = record;
  return {
    seq,
    epoch,
    hostname,
    public: record.public,
    tags,
    features,
    suites,
    services,
    issued,
    expires,
    expired: expires < now,
  };
}
