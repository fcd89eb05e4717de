/** What nodes sign of themselves. The registry keeps it and hands it on; whoever reads it verifies it again. */
import { equal } from '../../base/bytes.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import { decodeKeyRotation, verifyKeyRotation } from '../../wire/key-rotation.ts';
import {
  decodeNodeRecord,
  type NodeRecord as SignedRecord,
  verifyNodeRecord,
} from '../../wire/node-record.ts';
import { wordTerms } from '../store/rules.ts';
import type { NodeRecord } from '../store/store.ts';
import { contentSigner } from './authenticate.ts';
import type { Call, Handler } from './call.ts';
import { text, u32 } from './fields.ts';
import { type Refusal, refusal } from './refusal.ts';
import { unixSeconds } from './time.ts';

/** A record may be signed by a clock that is ahead by this much. */
const CLOCK_AHEAD = 24 * 60 * 60;

/** Puts a signed record beside the node. Only the node's own, under its present key, and only newer than the one there. */
export const publishRecord: Handler = async (call) => {
  const id = u32(call.request.node_id);
  if (call.request.sig === undefined) throw refusal('permission_denied', 'publish_record requires sig');
  const node = await contentSigner(call, id);
  const document = text(call.request.record);
  const record = decodeNodeRecord(document);
  if (typeof record === 'string') throw invalid(record);
  if (record.node !== id) throw invalid('it is of another node');
  if (record.epoch !== node.keyRotations)
    throw invalid(`its key epoch is ${record.epoch}, the node's is ${node.keyRotations}`);
  if (!verifyNodeRecord(call.shared.crypto, record, node.publicKey))
    throw invalid("it is not signed by the node's key");
  const now = unixSeconds(call.at);
  if (record.expires <= now || record.expires <= record.issued) throw invalid('it has expired');
  if (record.issued > now + CLOCK_AHEAD) throw invalid('it is from the future');
  const outcome = await call.shared.store.publishRecord(id, {
    sequence: record.seq,
    document,
    terms: recordTerms(record),
  });
  if (outcome !== 'stored') throw refusal('already_exists', 'a newer record is already published');
  return { type: 'publish_record_ok', node_id: id, seq: record.seq };
};

/** Checks the document that a rotation brings: by both keys, from the present key, the next epoch. */
export function checkRotation(call: Call, node: NodeRecord, publicKey: Uint8Array, document: string): void {
  const rotation = decodeKeyRotation(document);
  if (typeof rotation === 'string') throw invalidRotation(rotation);
  if (rotation.node !== node.id) throw invalidRotation('it is of another node');
  if (rotation.epoch !== node.keyRotations + 1)
    throw invalidRotation(`its key epoch is ${rotation.epoch}, the next is ${node.keyRotations + 1}`);
  if (!equal(decodeBase64(rotation.old_key)!, node.publicKey))
    throw invalidRotation('it is from another key');
  if (!equal(decodeBase64(rotation.new_key)!, publicKey)) throw invalidRotation('it is to another key');
  if (!verifyKeyRotation(call.shared.crypto, rotation))
    throw invalidRotation('it is not signed by both keys');
}

function recordTerms(record: SignedRecord): string[] {
  return [
    ...record.tags.map((tag) => `tag:${tag}`),
    ...record.services.map(({ name }) => `service:${name}`),
    ...wordTerms([
      ...record.tags,
      ...record.services.flatMap(({ name, description }) => [name, description]),
    ]),
  ];
}

function invalid(reason: string): Refusal {
  return refusal('invalid_argument', `invalid record: ${reason}`);
}
function invalidRotation(reason: string): Refusal {
  return refusal('invalid_argument', `invalid rotation: ${reason}`);
}
