/** The text of `trust.json`: spec/11 §6 with additions that old readers ignore. */
import { decodeBase64, encodeBase64 } from '../../wire/base64.ts';
import { formatTime, parseTime } from './rfc3339.ts';
import { ALL_TERMS, type Terms, termsFrom, termsMembers } from './terms.ts';
import type {
  ApprovedBy,
  OutgoingRequest,
  PendingRequest,
  RequestAnswer,
  StatementRegister,
  TrustRecord,
  TrustSnapshot,
  TrustTombstone,
} from './types.ts';

const VERSION = 1;

/** Pretty-printed JSON. Times are RFC 3339 with milliseconds in UTC. */
export function formatTrustFile(snapshot: TrustSnapshot): string {
  const file = {
    version: VERSION,
    trusted: snapshot.trusted.map((record) => ({
      node_id: record.node,
      public_key: encodeBase64(record.publicKey),
      approved_at: formatTime(record.approvedAt),
      mutual: record.mutual,
      proof: record.proof,
      request_id: record.requestId,
      reported: record.reported,
      terms: termsMembers(record.terms),
      terms_at: record.termsAt,
      peer_terms: termsMembers(record.peerTerms),
      certificate: record.certificate,
      draft: record.draft,
      serial: record.serial,
      not_after: record.notAfter,
      approved_by: record.approvedBy,
      renew_asked: record.renewAsked,
    })),
    pending: snapshot.pending.map((request) => ({
      node_id: request.node,
      public_key: encodeBase64(request.publicKey),
      justification: request.justification,
      received_at: formatTime(request.receivedAt),
      request_id: request.requestId,
      message: request.message,
      terms: termsMembers(request.terms),
      change: request.change,
      certifies: request.certifies,
    })),
    outgoing: snapshot.outgoing.map((request) => ({
      request_id: request.requestId,
      node_id: request.node,
      hostname: request.hostname,
      fingerprint: request.fingerprint,
      justification: request.justification,
      created_at: formatTime(request.createdAt),
      expires_at: formatTime(request.expiresAt),
      message: request.message,
      stated_at: request.statedAt,
      terms: termsMembers(request.terms),
    })),
    tombstones: snapshot.tombstones.map((tombstone) => ({
      node_id: tombstone.node,
      revoked_at: formatTime(tombstone.revokedAt),
      tell_peer: tombstone.tellPeer,
      tell_registry: tombstone.tellRegistry,
      revoke_id: tombstone.revokeId,
      stated_at: tombstone.statedAt,
      request_id: tombstone.requestId,
      serial: tombstone.serial,
      revocation: tombstone.revocation,
      peer_revocation: tombstone.peerRevocation,
    })),
    answers: (snapshot.answers ?? []).map((answer) => ({
      node_id: answer.node,
      request_id: answer.requestId,
      answer: answer.answer,
      reason: answer.reason,
      at: formatTime(answer.at),
      told: answer.told,
    })),
    registers: (snapshot.registers ?? []).map((register) => ({
      node_id: register.node,
      said_at: register.saidAt,
      heard_at: register.heardAt,
      heard_no: register.heardNo,
      heard_revoke: register.heardRevoke,
      void_until: register.voidUntil,
      serial: register.serial,
      serial_hint: register.serialHint,
      certifies: register.certifies,
    })),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/**
 * Reads what `formatTrustFile` wrote, or the file of an old daemon. `'corrupt'` when it is not such a file: the
 * caller must then refuse to start rather than overwrite it. Records of old files without a key are left out,
 * because trust without a key to pin proves nothing.
 */
export function parseTrustFile(text: string): TrustSnapshot | 'corrupt' {
  try {
    const file = object(JSON.parse(text));
    return {
      trusted: list(file.trusted).filter(hasKey).map(trustRecord),
      pending: list(file.pending).filter(hasKey).map(pendingRequest),
      outgoing: list(file.outgoing).map(outgoingRequest),
      tombstones: list(file.tombstones).map(tombstone),
      answers: list(file.answers).map(requestAnswer),
      registers: list(file.registers).map(statementRegister),
    };
  } catch {
    return 'corrupt';
  }
}

type Fields = Readonly<Record<string, unknown>>;

class Corrupt extends Error {}

function hasKey(item: Fields): boolean {
  return item.public_key !== undefined && item.public_key !== '';
}

function trustRecord(item: Fields): TrustRecord {
  const proof = item.proof === undefined ? undefined : object(item.proof);
  return {
    node: whole(item.node_id),
    publicKey: key(item.public_key),
    approvedAt: time(item.approved_at),
    mutual: flag(item.mutual),
    ...(proof && { proof: { request: string(proof.request), accept: string(proof.accept) } }),
    ...(item.request_id !== undefined && { requestId: string(item.request_id) }),
    ...(item.reported !== undefined && { reported: flag(item.reported) }),
    terms: terms(item.terms),
    ...(item.terms_at !== undefined && { termsAt: whole(item.terms_at) }),
    peerTerms: terms(item.peer_terms),
    ...(item.certificate !== undefined && { certificate: string(item.certificate) }),
    ...(item.draft !== undefined && { draft: string(item.draft) }),
    serial: whole(item.serial ?? 0),
    ...(item.not_after !== undefined && { notAfter: whole(item.not_after) }),
    approvedBy: approvedBy(item.approved_by ?? (item.mutual === true ? 'mutual' : 'user')),
    ...(item.renew_asked !== undefined && { renewAsked: whole(item.renew_asked) }),
  };
}

function pendingRequest(item: Fields): PendingRequest {
  return {
    node: whole(item.node_id),
    publicKey: key(item.public_key),
    justification: string(item.justification ?? ''),
    receivedAt: time(item.received_at),
    requestId: string(item.request_id ?? ''),
    message: string(item.message ?? ''),
    terms: terms(item.terms),
    change: flag(item.change ?? false),
    certifies: flag(item.certifies ?? false),
  };
}

function outgoingRequest(item: Fields): OutgoingRequest {
  return {
    requestId: string(item.request_id),
    node: item.node_id === undefined ? undefined : whole(item.node_id),
    hostname: item.hostname === undefined ? undefined : string(item.hostname),
    ...(item.fingerprint !== undefined && { fingerprint: string(item.fingerprint) }),
    justification: string(item.justification),
    createdAt: time(item.created_at),
    expiresAt: time(item.expires_at),
    message: string(item.message),
    terms: terms(item.terms),
    ...(item.stated_at !== undefined && { statedAt: whole(item.stated_at) }),
  };
}

function tombstone(item: Fields): TrustTombstone {
  return {
    node: whole(item.node_id),
    revokedAt: time(item.revoked_at),
    tellPeer: flag(item.tell_peer),
    tellRegistry: flag(item.tell_registry),
    ...(item.revoke_id !== undefined && { revokeId: string(item.revoke_id) }),
    ...(item.stated_at !== undefined && { statedAt: whole(item.stated_at) }),
    ...(item.request_id !== undefined && { requestId: string(item.request_id) }),
    serial: whole(item.serial ?? 0),
    ...(item.revocation !== undefined && { revocation: string(item.revocation) }),
    ...(item.peer_revocation !== undefined && { peerRevocation: string(item.peer_revocation) }),
  };
}

function requestAnswer(item: Fields): RequestAnswer {
  const answer = item.answer;
  if (answer !== 'accepted' && answer !== 'rejected' && answer !== 'revoked' && answer !== 'replaced') {
    throw new Corrupt();
  }
  return {
    node: whole(item.node_id),
    requestId: string(item.request_id),
    answer,
    reason: string(item.reason),
    at: time(item.at),
    told: flag(item.told),
  };
}

function statementRegister(item: Fields): StatementRegister {
  return {
    node: whole(item.node_id),
    saidAt: whole(item.said_at),
    heardAt: whole(item.heard_at),
    heardNo: flag(item.heard_no),
    heardRevoke: string(item.heard_revoke),
    ...(item.void_until !== undefined && { voidUntil: whole(item.void_until) }),
    serial: whole(item.serial ?? 0),
    ...(item.serial_hint !== undefined && { serialHint: whole(item.serial_hint) }),
    certifies: flag(item.certifies ?? false),
  };
}

/** Files of older versions know no terms: everything was given. */
function terms(value: unknown): Terms {
  if (value === undefined) return ALL_TERMS;
  const read = termsFrom(value);
  if (read === undefined) throw new Corrupt();
  return read;
}

function approvedBy(value: unknown): ApprovedBy {
  const text = string(value);
  if (text === 'user' || text === 'mutual' || text === 'peer' || text === 'renewal') return text;
  if (text.startsWith('auto:')) return text as `auto:${string}`;
  throw new Corrupt();
}

function time(value: unknown): number {
  const at = parseTime(string(value));
  if (at === undefined) throw new Corrupt();
  return at;
}

function object(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Corrupt();
  return value as Fields;
}

/** Old daemons write `null` for an empty list. */
function list(value: unknown): Fields[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Corrupt();
  return value.map(object);
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw new Corrupt();
  return value;
}

function flag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new Corrupt();
  return value;
}

function whole(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Corrupt();
  return value;
}

function key(value: unknown): Uint8Array {
  const bytes = decodeBase64(string(value));
  if (bytes?.length !== 32) throw new Corrupt();
  return bytes;
}
