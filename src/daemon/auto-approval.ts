import type { AutoApproveRule } from '../api/auto-approve.ts';
import { asPilotError } from '../api/errors.ts';
import { equal } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Instant, Millis, NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { PendingRequest } from '../core/trust/types.ts';
import type { AutoApprovalRow, AutoRuleRow } from '../ipc/methods.ts';
import type { Clock, Log, Timer } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import {
  type AskerFacts,
  describeRule,
  firstMatch,
  leavesAnything,
  neededFacts,
  RuleLimit,
} from './auto-approve.ts';

/** Requests whose facts are being asked for at once; the others wait. */
const AT_ONCE = 16;
/** Until facts that could not be had are asked for again. */
const RETRY: Millis = 30_000;

/** What only the registry knows about somebody. Rejects when it cannot be had. */
export interface FactSource {
  /** Networks we share with the peer. */
  networks(peer: NodeId): Promise<NonNullable<AskerFacts['networks']>>;
  /** Tags of the peer's record, when `key` signed it; else none. */
  tags(peer: NodeId, key: Uint8Array): Promise<readonly string[]>;
}

export interface AutoApprovalHost {
  readonly node: PilotNode;
  readonly facts: FactSource;
  run(mutation: () => void): void;
  nameOf(peer: NodeId): string;
}

/** Answers requests for trust by the rules of the configuration. What no rule answers waits for the user. */
export class AutoApproval {
  readonly #rules: readonly AutoApproveRule[];
  readonly #needs: { readonly networks: boolean; readonly record: boolean };
  readonly #limits = new Map<string, RuleLimit>();
  readonly #host: AutoApprovalHost;
  readonly #crypto: Crypto;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #asking = new Set<NodeId>();
  /** Requests that found no room, and those that changed while facts for them were fetched. */
  readonly #waiting = new Set<NodeId>();
  /** Why a request waits for the user; forgotten with the request. */
  readonly #reasons = new Map<NodeId, string>();
  #timer: { readonly timer: Timer; readonly when: Instant } | undefined;
  #stopped = false;

  constructor(options: {
    host: AutoApprovalHost;
    rules: readonly AutoApproveRule[];
    crypto: Crypto;
    clock: Clock;
    log: Log;
  }) {
    this.#host = options.host;
    this.#rules = options.rules;
    this.#needs = neededFacts(options.rules);
    this.#crypto = options.crypto;
    this.#clock = options.clock;
    this.#log = options.log;
    for (const { name, limit } of options.rules) {
      if (limit !== undefined) this.#limits.set(name, new RuleLimit(limit));
    }
    // What earlier runs approved counts too.
    const approved = [...options.host.node.trusted()].sort((a, b) => a.approvedAt - b.approvedAt);
    for (const { approvedBy, approvedAt } of approved) {
      const rule = ruleOf(approvedBy);
      if (rule !== undefined) this.#limits.get(rule)?.take(approvedAt);
    }
  }

  get hasRules(): boolean {
    return this.#rules.length > 0;
  }

  /** Looks at every request that waits: the registry is back, or a limit has room again. */
  resume(): void {
    if (this.hasRules) for (const { node } of this.#host.node.pending()) this.consider(node);
  }

  /** A request has come in or changed. May be called while the node is being drained. */
  consider(peer: NodeId): void {
    if (!this.hasRules || this.#stopped) return;
    if (this.#asking.has(peer) || this.#asking.size >= AT_ONCE) {
      this.#waiting.add(peer);
      return;
    }
    this.#asking.add(peer);
    queueMicrotask(() => {
      void this.#decide(peer).finally(() => {
        this.#asking.delete(peer);
        const [next] = this.#waiting;
        if (next === undefined) return;
        this.#waiting.delete(next);
        this.consider(next);
      });
    });
  }

  /** Why the request waits for the user; undefined without rules, or while they are being looked at. */
  whyWaiting(peer: NodeId): string | undefined {
    return this.#reasons.get(peer);
  }

  rows(): { readonly rules: AutoRuleRow[]; readonly approvals: AutoApprovalRow[] } {
    const approvals = this.#host.node.trusted().flatMap(({ node, approvedBy, approvedAt }) => {
      const rule = ruleOf(approvedBy);
      if (rule === undefined) return [];
      const approved_at = Math.floor(approvedAt / 1000);
      return [{ node_id: node, hostname: this.#host.nameOf(node), rule, approved_at }];
    });
    const wall = this.#clock.wallNow();
    const rules = this.#rules.map((rule) => {
      const left = this.#limits.get(rule.name)?.left(wall);
      return {
        name: rule.name,
        admits: describeRule(rule),
        approvals: approvals.filter((row) => row.rule === rule.name).length,
        ...(left !== undefined && { left }),
      };
    });
    return { rules, approvals };
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.timer.cancel();
  }

  async #decide(peer: NodeId): Promise<void> {
    const asked = this.#pendingOf(peer);
    if (asked === undefined) {
      this.#reasons.delete(peer);
      return;
    }
    if (asked.change && !this.#isOurs(peer)) {
      this.#wait(peer, 'changes what the user approved');
      return;
    }
    const choice = firstMatch(this.#rules, await this.#factsOf(peer, asked.publicKey));
    const current = this.#pendingOf(peer);
    if (current === undefined || this.#stopped) return;
    // The answer belongs to the request that was looked at, and to its key.
    if (current.requestId !== asked.requestId || !equal(current.publicKey, asked.publicKey)) {
      this.#waiting.add(peer);
      return;
    }
    if (choice === 'unknown') {
      this.#wait(peer, 'the registry did not say what the rules need to know');
      this.#lookAgain(this.#clock.now() + RETRY);
    } else if (choice === undefined) this.#wait(peer, 'no rule admits it');
    else this.#apply(choice, current);
  }

  #apply(rule: AutoApproveRule, asked: PendingRequest): void {
    const { node: peer } = asked;
    // The request speaks from the asker's side.
    if (!leavesAnything(rule, { give: asked.terms.get, get: asked.terms.give })) {
      this.#wait(peer, `rule ${rule.name} allows nothing of what is asked`);
      return;
    }
    const wall = this.#clock.wallNow();
    const limit = this.#limits.get(rule.name);
    if (limit !== undefined && limit.left(wall) === 0) {
      this.#wait(peer, `the limit of rule ${rule.name} is reached`);
      this.#lookAgain(this.#clock.now() + limit.opensAt(wall) - wall);
      return;
    }
    const terms = {
      give: { ports: rule.give ?? '*', ...(rule.rate !== undefined && { opens: rule.rate }) },
      get: { ports: rule.get ?? '*' },
      ...(rule.lifetime !== undefined && { not_after: Math.floor(wall / 1000) + rule.lifetime }),
      ...(rule.renew === true && { renew: true }),
    };
    let approved = false;
    this.#host.run(() => {
      const by = `auto:${rule.name}` as const;
      approved = this.#host.node.approve(peer, { terms, by }, this.#clock.now()) === 'approved';
    });
    if (!approved) return;
    limit?.take(wall);
    this.#reasons.delete(peer);
    this.#log.event('info', 'trust.auto_approved', { peer, rule: rule.name, change: asked.change });
  }

  async #factsOf(peer: NodeId, key: Uint8Array): Promise<AskerFacts> {
    const { facts } = this.#host;
    const [networks, tags] = await Promise.all([
      this.#needs.networks ? this.#known(peer, 'networks', facts.networks(peer)) : undefined,
      this.#needs.record ? this.#known(peer, 'record', facts.tags(peer, key)) : undefined,
    ]);
    return {
      key: encodeBase64(key),
      fingerprint: fingerprintOf(this.#crypto, key),
      ...(networks && { networks }),
      ...(tags && { tags }),
    };
  }

  async #known<Fact>(peer: NodeId, what: string, asked: Promise<Fact>): Promise<Fact | undefined> {
    try {
      return await asked;
    } catch (thrown) {
      const { code, message } = asPilotError(thrown);
      this.#log.event('debug', 'trust.no_facts', { peer, what, code, message });
      return undefined;
    }
  }

  #wait(peer: NodeId, reason: string): void {
    if (this.#reasons.get(peer) === reason) return;
    this.#reasons.set(peer, reason);
    this.#log.event('info', 'trust.not_auto_approved', { peer, reason });
    if (this.#reasons.size <= 2 * this.#host.node.pending().length + AT_ONCE) return;
    for (const known of this.#reasons.keys()) {
      if (this.#pendingOf(known) === undefined) this.#reasons.delete(known);
    }
  }

  #lookAgain(when: Instant): void {
    if (this.#timer !== undefined && this.#timer.when <= when) return;
    this.#timer?.timer.cancel();
    const timer = this.#clock.at(when, () => {
      this.#timer = undefined;
      this.resume();
    });
    this.#timer = { timer, when };
  }

  #pendingOf(peer: NodeId): PendingRequest | undefined {
    return this.#host.node.pending().find(({ node }) => node === peer);
  }

  /** The trust that stands was made by a rule. */
  #isOurs(peer: NodeId): boolean {
    const record = this.#host.node.trusted().find(({ node }) => node === peer);
    return record === undefined || ruleOf(record.approvedBy) !== undefined;
  }
}

function ruleOf(approvedBy: string): string | undefined {
  return approvedBy.startsWith('auto:') ? approvedBy.slice('auto:'.length) : undefined;
}
