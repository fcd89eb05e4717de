import type { Millis } from '../base/units.ts';
import type { IpcClient } from '../ipc/client.ts';
import type {
  ApproveResult,
  HandshakeResult,
  OutgoingRow,
  PendingRow,
  Result,
  TermsParam,
  TrustedRow,
  TrustShown,
} from '../ipc/methods.ts';
import type { Abort } from '../runtime/ports.ts';

export interface HandshakeOptions {
  /** What either side may reach, and for how long. @default everything both ways, without an end */
  readonly terms?: TermsParam | undefined;
  readonly signal?: Abort | undefined;
}

/** Who may reach whom, on which ports, until when. */
export class TrustClient {
  readonly #ipc: IpcClient;

  constructor(ipc: IpcClient) {
    this.#ipc = ipc;
  }

  handshake(target: string, reason: string, { terms, signal }: HandshakeOptions): Promise<HandshakeResult> {
    return this.#ipc.call('handshake', { target, justification: reason, ...(terms && { terms }) }, signal);
  }

  approve(target: string, terms?: TermsParam): Promise<ApproveResult> {
    return this.#ipc.call('approve', { target, ...(terms && { terms }) });
  }

  reject(target: string, reason: string): Promise<{ status: 'rejected'; node_id: number }> {
    return this.#ipc.call('reject', { target, reason });
  }

  untrust(target: string, reason: string): Promise<{ status: 'revoked'; node_id: number }> {
    return this.#ipc.call('untrust', { target, reason });
  }

  waitFor(target: string, timeout: Millis, signal?: Abort): Promise<{ node_id: number; trusted: boolean }> {
    return this.#ipc.call('trust_wait', { target, timeout_ms: Math.max(1, Math.ceil(timeout)) }, signal);
  }

  async pending(): Promise<readonly PendingRow[]> {
    return (await this.#ipc.call('pending', {})).pending;
  }

  async trusted(): Promise<readonly TrustedRow[]> {
    return (await this.#ipc.call('trusted', {})).trusted;
  }

  async outgoing(): Promise<readonly OutgoingRow[]> {
    return (await this.#ipc.call('outgoing', {})).outgoing;
  }

  /** Everything about the trust in one peer. Errors: `not_found`. */
  show(target: string): Promise<TrustShown> {
    return this.#ipc.call('trust_show', { target });
  }

  /** The certificate with all that is needed to check it elsewhere. Errors: `not_found`, `unavailable` (legacy trust). */
  export(target: string): Promise<Result<'trust_export'>> {
    return this.#ipc.call('trust_export', { target });
  }

  /** Signed revocations known here, by us and by peers; of one peer when it is named. */
  async revocations(target?: string): Promise<readonly string[]> {
    const { revocations } = await this.#ipc.call('trust_revocations', target === undefined ? {} : { target });
    return revocations;
  }

  /** The rules of automatic approval, and what they approved. */
  autoApprovals(): Promise<Result<'auto_approvals'>> {
    return this.#ipc.call('auto_approvals', {});
  }
}
