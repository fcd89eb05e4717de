import type { NodeId } from '../../base/units.ts';
import { REGISTER_LIMIT } from './limits.ts';
import type { StatementRegister } from './types.ts';

type Register = { -readonly [K in keyof StatementRegister]: StatementRegister[K] };

/**
 * Orders what we and each peer say about trusting each other. Requests and accepts say yes, revocations say no;
 * each carries a time of its speaker's own clock that grows with every new statement. The newest statement counts,
 * so a message that was delayed, repeated or captured can't bring back what was withdrawn after it.
 */
export class Registers {
  readonly #registers = new Map<NodeId, Register>();

  #saidToUnknown: number;

  /** `saidToUnknown`: time of the newest statement to a peer whose id is unknown. */
  constructor(restored: readonly StatementRegister[] = [], saidToUnknown = 0) {
    this.#saidToUnknown = saidToUnknown;
    for (const register of restored.slice(-REGISTER_LIMIT))
      this.#registers.set(register.node, { ...register });
  }

  /** Time for a new statement to `peer`: later than everything said to it, or to nobody in particular, before. */
  newStatement(peer: NodeId, wallSeconds: number): number {
    const at = Math.max(wallSeconds, (this.#registers.get(peer)?.saidAt ?? 0) + 1, this.#saidToUnknown + 1);
    this.said(peer, at);
    return at;
  }

  /** Time for a new statement to a peer whose id is unknown: later than everything said to anyone before. */
  newStatementToUnknown(wallSeconds: number): number {
    let last = this.#saidToUnknown;
    for (const register of this.#registers.values()) last = Math.max(last, register.saidAt);
    this.#saidToUnknown = Math.max(wallSeconds, last + 1);
    return this.#saidToUnknown;
  }

  /** Time for saying once more what still holds. */
  repeatStatement(peer: NodeId, wallSeconds: number): number {
    const at = Math.max(wallSeconds, this.#registers.get(peer)?.saidAt ?? 0);
    this.said(peer, at);
    return at;
  }

  said(peer: NodeId, at: number): void {
    const register = this.#of(peer);
    register.saidAt = Math.max(register.saidAt, at);
  }

  /** Whether we ever asked, approved or withdrew anything: what the peer says may be about that. */
  hasSpokenTo(peer: NodeId): boolean {
    return (this.#registers.get(peer)?.saidAt ?? 0) > 0;
  }

  /** True when the peer has said something newer. At the same second a withdrawal counts as newer. */
  isStaleYes(peer: NodeId, at: number, citedRevoke: string): boolean {
    const register = this.#registers.get(peer);
    if (register === undefined || at > register.heardAt) return false;
    if (at < register.heardAt) return true;
    return register.heardNo && (citedRevoke === '' || citedRevoke !== register.heardRevoke);
  }

  isStaleNo(peer: NodeId, at: number): boolean {
    return at < (this.#registers.get(peer)?.heardAt ?? Number.NEGATIVE_INFINITY);
  }

  heardYes(peer: NodeId, at: number): void {
    const register = this.#of(peer);
    register.heardAt = at;
    register.heardNo = false;
  }

  heardNo(peer: NodeId, at: number, revokeId: string): void {
    const register = this.#of(peer);
    register.heardAt = Math.max(register.heardAt, at);
    register.heardNo = true;
    register.heardRevoke = revokeId;
  }

  /** Nothing either side said up to this time counts any more. */
  close(peer: NodeId, at: number): void {
    this.said(peer, at);
    this.voidOwn(peer, at);
    const register = this.#of(peer);
    this.heardNo(peer, at, register.heardRevoke);
  }

  /** What we said to the peer up to this time counts no more. */
  voidOwn(peer: NodeId, at: number): void {
    const register = this.#of(peer);
    register.voidUntil = Math.max(register.voidUntil ?? 0, at);
  }

  isVoid(peer: NodeId, statedAt: number): boolean {
    return statedAt <= (this.#registers.get(peer)?.voidUntil ?? -1);
  }

  /** Highest serial of a certificate of the pair. */
  serial(peer: NodeId): number {
    return this.#registers.get(peer)?.serial ?? 0;
  }

  heardSerial(peer: NodeId, serial: number): void {
    if (serial === 0) return;
    const register = this.#of(peer);
    register.serialHint = Math.max(register.serialHint ?? 0, serial);
  }

  /** What a new certificate of ours has to be above. */
  serialFloor(peer: NodeId): number {
    const register = this.#registers.get(peer);
    return Math.max(register?.serial ?? 0, register?.serialHint ?? 0);
  }

  /** Of any pair: what a question says whose receiver is not known. */
  highestSerial(): number {
    let highest = 0;
    for (const { serial } of this.#registers.values()) highest = Math.max(highest, serial);
    return highest;
  }

  usedSerial(peer: NodeId, serial: number): void {
    const register = this.#of(peer);
    register.serial = Math.max(register.serial, serial);
  }

  /** The peer is known to sign certificates. */
  certifies(peer: NodeId): boolean {
    return this.#registers.get(peer)?.certifies ?? false;
  }

  setCertifies(peer: NodeId): void {
    this.#of(peer).certifies = true;
  }

  /** Id of the newest revocation heard from the peer; empty when none. */
  heardRevoke(peer: NodeId): string {
    return this.#registers.get(peer)?.heardRevoke ?? '';
  }

  /** Forgets the longest unused registers above the limit, never one that `isNeeded`. */
  trim(isNeeded: (peer: NodeId) => boolean): void {
    if (this.#registers.size <= REGISTER_LIMIT) return;
    for (const peer of this.#registers.keys()) {
      if (isNeeded(peer)) continue;
      this.#registers.delete(peer);
      if (this.#registers.size <= REGISTER_LIMIT) return;
    }
  }

  snapshot(): StatementRegister[] {
    return Array.from(this.#registers.values(), (register) => ({ ...register }));
  }

  #of(peer: NodeId): Register {
    const register = this.#registers.get(peer) ?? {
      node: peer,
      saidAt: 0,
      heardAt: 0,
      heardNo: false,
      heardRevoke: '',
      serial: 0,
      certifies: false,
    };
    // Re-inserting keeps the map in order of use.
    this.#registers.delete(peer);
    this.#registers.set(peer, register);
    return register;
  }
}
