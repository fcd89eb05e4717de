import type { UnixMillis } from '../../base/units.ts';
import type { AdminToken } from './store.ts';

export class MemoryTokens {
  readonly #tokens = new Map<string, AdminToken>();

  add(token: AdminToken, most: number): 'added' | 'exists' | 'full' {
    if (this.#tokens.has(token.id)) return 'exists';
    const inForce = [...this.#tokens.values()].filter((other) => isInForce(other, token.createdAt));
    if (inForce.length >= most) return 'full';
    this.#tokens.set(token.id, token);
    return 'added';
  }
  byId(id: string): AdminToken | undefined {
    return this.#tokens.get(id);
  }
  list(limit: number): AdminToken[] {
    return [...this.#tokens.values()]
      .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }
  revoke(id: string, at: UnixMillis): boolean {
    const known = this.#tokens.get(id);
    if (known === undefined || !isInForce(known, at)) return false;
    this.#tokens.set(id, { ...known, revokedAt: at });
    return true;
  }
  used(id: string, at: UnixMillis): void {
    const known = this.#tokens.get(id);
    if (known !== undefined) this.#tokens.set(id, { ...known, usedAt: at });
  }
}

function isInForce({ revokedAt, expiresAt }: AdminToken, at: UnixMillis): boolean {
  return revokedAt === undefined && (expiresAt === undefined || expiresAt > at);
}
