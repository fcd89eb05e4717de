import type { AuditEntry, AuditFacts, ChainPoint } from '../../wire/audit-entry.ts';
import { CHAIN_START } from '../../wire/audit-entry.ts';
import type { AuditBounds, AuditQuery, Seal } from './store.ts';

export class MemoryAudit {
  #pending: AuditFacts[] = [];
  #entries: AuditEntry[] = [];
  #start: ChainPoint = { seq: 0, hash: CHAIN_START };

  note(facts: readonly AuditFacts[]): void {
    this.#pending.push(...facts);
  }
  seal(limit: number, seal: Seal): number {
    const taken = this.#pending.splice(0, limit);
    for (const facts of taken) {
      const { seq, hash: prev } = this.#head();
      this.#entries.push({ ...facts, seq: seq + 1, prev, hash: seal(seq + 1, facts, prev) });
    }
    return taken.length;
  }
  entries({ after, limit, network, before }: AuditQuery): AuditEntry[] {
    const wanted = (entry: AuditEntry): boolean => network === undefined || entry.network === network;
    if (before === undefined) {
      const first = Math.max(0, after - this.#start.seq);
      return this.#entries.slice(first).filter(wanted).slice(0, limit);
    }
    return this.#entries
      .slice(0, Math.max(0, before - 1 - this.#start.seq))
      .filter(wanted)
      .reverse()
      .slice(0, limit);
  }
  bounds(): AuditBounds {
    return { start: this.#start, head: this.#head() };
  }
  prune(upTo: number, limit: number): ChainPoint | undefined {
    const dropped = this.#entries.splice(0, Math.min(limit, Math.max(0, upTo - this.#start.seq))).at(-1);
    if (dropped !== undefined) this.#start = { seq: dropped.seq, hash: dropped.hash };
    return dropped === undefined ? undefined : this.#start;
  }

  #head(): ChainPoint {
    const { seq, hash } = this.#entries.at(-1) ?? this.#start;
    return { seq, hash };
  }
}
