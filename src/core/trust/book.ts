import type { NodeId } from '../../base/units.ts';
import {
  ANSWER_LIMIT,
  CLOSED_LIMIT,
  OUTGOING_LIMIT,
  PENDING_LIMIT,
  TOMBSTONE_LIMIT,
  TRUSTED_LIMIT,
} from './limits.ts';
import { Registers } from './registers.ts';
import type {
  OutgoingRequest,
  PendingRequest,
  RequestAnswer,
  TrustRecord,
  TrustSnapshot,
  TrustTombstone,
} from './types.ts';

/** Everything the trust machine must not lose, each set bounded. Any change marks the book for writing. */
export class TrustBook {
  readonly registers: Registers;
  readonly #trusted = new Map<NodeId, TrustRecord>();
  readonly #pending = new Map<NodeId, PendingRequest>();
  readonly #outgoing = new Map<string, OutgoingRequest>();
  readonly #tombstones = new Map<NodeId, TrustTombstone>();
  readonly #closed = new Set<string>();
  readonly #answers = new Map<string, RequestAnswer>();
  #changed = false;
  /** Grows whenever a record or a question of ours changes. */
  version = 0;

  constructor(snapshot: TrustSnapshot | undefined) {
    const toUnknown = (snapshot?.outgoing ?? []).filter(({ node }) => node === undefined);
    const saidToUnknown = toUnknown.reduce((last, { statedAt }) => Math.max(last, statedAt ?? 0), 0);
    this.registers = new Registers(snapshot?.registers, saidToUnknown);
    for (const record of snapshot?.trusted ?? []) this.#trusted.set(record.node, record);
    for (const request of snapshot?.pending ?? []) this.#pending.set(request.node, request);
    for (const request of snapshot?.outgoing ?? []) this.#outgoing.set(request.requestId, request);
    for (const tombstone of snapshot?.tombstones ?? []) this.#tombstones.set(tombstone.node, tombstone);
    for (const answer of snapshot?.answers ?? []) this.#answers.set(answerKey(answer), answer);
  }

  record(node: NodeId): TrustRecord | undefined {
    return this.#trusted.get(node);
  }
  records(): TrustRecord[] {
    return [...this.#trusted.values()];
  }
  hasRoomForTrust(): boolean {
    return this.#trusted.size < TRUSTED_LIMIT;
  }
  setRecord(record: TrustRecord): void {
    this.#trusted.set(record.node, record);
    this.version++;
    this.#changed = true;
  }
  deleteRecord(node: NodeId): boolean {
    this.version++;
    return this.#note(this.#trusted.delete(node));
  }

  pendingOf(node: NodeId): PendingRequest | undefined {
    return this.#pending.get(node);
  }
  pending(): PendingRequest[] {
    return [...this.#pending.values()];
  }
  /** The oldest request gives way: its sender asks again, so a flood of strangers can't shut anyone out for good. */
  setPending(request: PendingRequest): void {
    this.#pending.delete(request.node);
    if (this.#pending.size >= PENDING_LIMIT) this.#pending.delete(this.#pending.keys().next().value!);
    this.#pending.set(request.node, request);
    this.version++;
    this.#changed = true;
  }
  deletePending(node: NodeId): boolean {
    return this.#note(this.#pending.delete(node));
  }

  outgoingBy(requestId: string): OutgoingRequest | undefined {
    return this.#outgoing.get(requestId);
  }
  outgoingTo(node: NodeId): OutgoingRequest | undefined {
    for (const request of this.#outgoing.values()) if (request.node === node) return request;
    return undefined;
  }
  outgoingNamed(hostname: string): OutgoingRequest | undefined {
    for (const request of this.#outgoing.values()) if (request.hostname === hostname) return request;
    return undefined;
  }
  outgoing(): OutgoingRequest[] {
    return [...this.#outgoing.values()];
  }
  hasRoomForOutgoing(): boolean {
    return this.#outgoing.size < OUTGOING_LIMIT;
  }
  setOutgoing(request: OutgoingRequest): void {
    this.#outgoing.set(request.requestId, request);
    this.version++;
    this.#changed = true;
  }
  deleteOutgoing(requestId: string): boolean {
    this.version++;
    return this.#note(this.#outgoing.delete(requestId));
  }

  /** Whether a request or revocation of ours with this id is over: a second copy of its answer is no surprise. */
  isClosed(id: string): boolean {
    return this.#closed.has(id);
  }
  rememberClosed(id: string): void {
    if (this.#closed.size >= CLOSED_LIMIT) this.#closed.delete(this.#closed.keys().next().value!);
    this.#closed.add(id);
  }

  tombstone(node: NodeId): TrustTombstone | undefined {
    return this.#tombstones.get(node);
  }
  tombstones(): TrustTombstone[] {
    return [...this.#tombstones.values()];
  }
  setTombstone(tombstone: TrustTombstone): void {
    this.#tombstones.delete(tombstone.node);
    if (this.#tombstones.size >= TOMBSTONE_LIMIT) this.#dropTombstone();
    this.#tombstones.set(tombstone.node, tombstone);
    this.#changed = true;
  }
  deleteTombstone(node: NodeId): boolean {
    return this.#note(this.#tombstones.delete(node));
  }

  answer(node: NodeId, requestId: string): RequestAnswer | undefined {
    return this.#answers.get(answerKey({ node, requestId }));
  }
  answers(): RequestAnswer[] {
    return [...this.#answers.values()];
  }
  setAnswer(answer: RequestAnswer): void {
    const key = answerKey(answer);
    this.#answers.delete(key);
    if (this.#answers.size >= ANSWER_LIMIT) this.#answers.delete(this.#answers.keys().next().value!);
    this.#answers.set(key, answer);
    this.#changed = true;
  }

  /** From now on every request that this peer made so far is answered with a withdrawal. */
  withdrawAnswers(node: NodeId): void {
    for (const [key, answer] of this.#answers) {
      if (answer.node !== node || answer.answer === 'rejected') continue;
      this.#answers.set(key, { ...answer, answer: 'revoked', told: true });
      this.#changed = true;
    }
  }

  markChanged(): void {
    this.#changed = true;
  }

  /** The state to write when anything changed since the last call. */
  takeChanges(): TrustSnapshot | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    return this.snapshot();
  }

  snapshot(): TrustSnapshot {
    this.registers.trim(
      (node) =>
        this.#trusted.has(node) ||
        this.#pending.has(node) ||
        this.#tombstones.has(node) ||
        this.outgoingTo(node) !== undefined,
    );
    return {
      trusted: this.records(),
      pending: this.pending(),
      outgoing: this.outgoing(),
      tombstones: this.tombstones(),
      answers: this.answers(),
      registers: this.registers.snapshot(),
    };
  }

  #dropTombstone(): void {
    for (const [node, tombstone] of this.#tombstones) {
      if (tombstone.tellPeer || tombstone.tellRegistry) continue;
      this.#tombstones.delete(node);
      return;
    }
    this.#tombstones.delete(this.#tombstones.keys().next().value!);
  }

  #note(changed: boolean): boolean {
    this.#changed ||= changed;
    return changed;
  }
}

function answerKey(answer: Pick<RequestAnswer, 'node' | 'requestId'>): string {
  return `${answer.node}|${answer.requestId}`;
}
