import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AutoApproveRule } from '../api/auto-approve.ts';
import { PilotError } from '../api/errors.ts';
import type { NodeId } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { PendingRequest, Terms, TrustRecord } from '../core/trust/types.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { ManualClock } from '../services/data-exchange/exchange.testkit.ts';
import { AutoApproval, type FactSource } from './auto-approval.ts';

const EVERYTHING: Terms = { give: { ports: '*' }, get: { ports: '*' } };
const keyOf = (node: NodeId): Uint8Array => new Uint8Array(32).fill(node);

/** A node that only keeps lists. */
class Desk {
  readonly clock = new ManualClock();
  readonly events: string[] = [];
  readonly waiting = new Map<NodeId, PendingRequest>();
  readonly records: TrustRecord[] = [];
  readonly approvals: { node: NodeId; terms: Terms | undefined; by: string | undefined }[] = [];
  /** Facts by peer; a peer that is not here cannot be had. */
  readonly shared = new Map<NodeId, Awaited<ReturnType<FactSource['networks']>>>();
  readonly tags = new Map<NodeId, readonly string[]>();
  asked = 0;
  auto: AutoApproval;

  constructor(rules: readonly AutoApproveRule[], records: readonly TrustRecord[] = []) {
    this.records.push(...records);
    this.auto = this.restart(rules);
  }

  restart(rules: readonly AutoApproveRule[]): AutoApproval {
    const have = <Fact>(facts: Map<NodeId, Fact>, peer: NodeId): Promise<Fact> => {
      this.asked++;
      const fact = facts.get(peer);
      if (fact !== undefined) return Promise.resolve(fact);
      return Promise.reject(new PilotError('registry_unreachable', 'away'));
    };
    const node = {
      pending: () => [...this.waiting.values()],
      trusted: () => this.records,
      approve: (peer: NodeId, { terms, by }: { terms?: Terms; by?: string }) => {
        if (!this.waiting.delete(peer)) return 'not_pending';
        this.approvals.push({ node: peer, terms, by });
        this.records.push(record(peer, by as TrustRecord['approvedBy'], this.clock.wallNow()));
        return 'approved';
      },
    } as unknown as PilotNode;
    this.auto = new AutoApproval({
      host: {
        node,
        facts: {
          networks: (peer) => have(this.shared, peer),
          tags: (peer) => have(this.tags, peer),
        },
        run: (mutation) => mutation(),
        nameOf: () => '',
      },
      rules,
      crypto: nodeCrypto(),
      clock: this.clock,
      log: { event: (_level, name) => void this.events.push(name) },
    });
    return this.auto;
  }

  async ask(node: NodeId, change: Partial<PendingRequest> = {}): Promise<void> {
    this.waiting.set(node, {
      node,
      publicKey: keyOf(node),
      justification: '',
      receivedAt: this.clock.wallNow(),
      requestId: `r${node}`,
      message: '',
      terms: EVERYTHING,
      change: false,
      certifies: true,
      ...change,
    });
    this.auto.consider(node);
    await this.clock.advance(0);
  }
}

function record(node: NodeId, approvedBy: TrustRecord['approvedBy'], approvedAt: number): TrustRecord {
  const terms = EVERYTHING;
  const common = { mutual: false, terms, peerTerms: terms, serial: 0 };
  return { node, publicKey: keyOf(node), approvedAt, approvedBy, ...common };
}

const ALL: AutoApproveRule = { name: 'all', everyone: true };

describe('automatic approval', () => {
  it('without rules leaves everything to the user, and asks nobody for facts', async () => {
    const desk = new Desk([]);
    await desk.ask(7);
    assert.equal(desk.waiting.size, 1);
    assert.equal(desk.asked, 0);
    assert.equal(desk.auto.whyWaiting(7), undefined);
  });

  it('grants the terms of the rule, says by which rule, and logs it', async () => {
    const desk = new Desk([
      { name: 'data', everyone: true, give: '1001', get: '', rate: 5, lifetime: 60, renew: true },
    ]);
    await desk.ask(7);
    const not_after = Math.floor(desk.clock.wallNow() / 1000) + 60;
    const terms = { give: { ports: '1001', opens: 5 }, get: { ports: '' }, not_after, renew: true };
    assert.deepEqual(desk.approvals, [{ node: 7, terms, by: 'auto:data' }]);
    assert.ok(desk.events.includes('trust.auto_approved'));
    assert.deepEqual(
      desk.auto.rows().approvals.map(({ node_id, rule }) => [node_id, rule]),
      [[7, 'data']],
    );
  });

  it('lets what no rule admits wait, with the reason', async () => {
    const desk = new Desk([{ name: 'friends', keys: ['abcdefghijklmnop'] }]);
    await desk.ask(7);
    assert.equal(desk.waiting.size, 1);
    assert.match(desk.auto.whyWaiting(7) ?? '', /no rule/);
  });

  it('does not approve while the registry does not say what a rule needs, and looks again', async () => {
    const desk = new Desk([{ name: 'members', networks: ['agents'] }, ALL]);
    await desk.ask(7);
    assert.equal(desk.approvals.length, 0);
    assert.match(desk.auto.whyWaiting(7) ?? '', /registry/);
    desk.shared.set(7, [{ id: 4, name: 'agents', tags: [] }]);
    await desk.clock.advance(31_000);
    assert.deepEqual(
      desk.approvals.map(({ by }) => by),
      ['auto:members'],
    );
  });

  it('looks again at once when the registry is back', async () => {
    const desk = new Desk([{ name: 'web', tags: ['web'] }]);
    await desk.ask(7);
    desk.tags.set(7, ['web']);
    desk.auto.resume();
    await desk.clock.advance(0);
    assert.equal(desk.approvals.length, 1);
  });

  it('does not apply facts to another request than the one they were asked for', async () => {
    const desk = new Desk([{ name: 'web', tags: ['web'] }]);
    let release = (_tags: readonly string[]): void => {};
    desk.tags.get = (() => new Promise((resolve) => (release = resolve))) as never;
    await desk.ask(7);
    const before = desk.waiting.get(7)!;
    desk.waiting.set(7, { ...before, publicKey: keyOf(8), requestId: 'other' });
    release(['web']);
    await desk.clock.advance(0);
    assert.equal(desk.approvals.length, 0);
    release([]);
    await desk.clock.advance(0);
    assert.equal(desk.approvals.length, 0);
  });

  it('keeps to the limit of a rule, and serves the others in order as it opens', async () => {
    const desk = new Desk([{ ...ALL, limit: { count: 2, perSeconds: 60 } }]);
    for (const node of [1, 2, 3, 4, 5]) await desk.ask(node);
    const admitted = (): NodeId[] => desk.approvals.map(({ node }) => node);
    assert.deepEqual(admitted(), [1, 2]);
    assert.match(desk.auto.whyWaiting(3) ?? '', /limit/);
    await desk.clock.advance(60_000);
    assert.deepEqual(admitted(), [1, 2, 3, 4]);
    await desk.clock.advance(60_000);
    assert.deepEqual(admitted(), [1, 2, 3, 4, 5]);
  });

  it('does not refill a limit by a restart', async () => {
    const rules = [{ ...ALL, limit: { count: 1, perSeconds: 60 } }];
    const desk = new Desk(rules);
    await desk.ask(1);
    desk.restart(rules);
    await desk.ask(2);
    assert.deepEqual(
      desk.approvals.map(({ node }) => node),
      [1],
    );
    assert.equal(desk.auto.rows().rules[0]?.left, 0);
  });

  it('changes a trust that a rule made, and never one that the user made', async () => {
    const desk = new Desk([ALL], [record(1, 'user', 0), record(2, 'auto:all', 0)]);
    await desk.ask(1, { change: true });
    await desk.ask(2, { change: true });
    assert.deepEqual(
      desk.approvals.map(({ node }) => node),
      [2],
    );
    assert.match(desk.auto.whyWaiting(1) ?? '', /user/);
  });

  it('approves nothing when a rule leaves nothing of what is asked', async () => {
    const desk = new Desk([{ name: 'data', everyone: true, give: '1001', get: '' }]);
    // From the view of the asker, who wants to reach port 80 and offers nothing.
    await desk.ask(7, { terms: { give: { ports: '' }, get: { ports: '80' } } });
    assert.equal(desk.approvals.length, 0);
    assert.match(desk.auto.whyWaiting(7) ?? '', /nothing of what is asked/);
  });

  it('asks for the facts of a crowd a few at a time, and answers all', async () => {
    const desk = new Desk([{ name: 'web', tags: ['web'] }]);
    for (let node = 1; node <= 100; node++) desk.tags.set(node, ['web']);
    const all = Array.from({ length: 100 }, (_, index) => desk.ask(index + 1));
    await Promise.all(all);
    for (let turn = 0; turn < 50; turn++) await desk.clock.advance(0);
    assert.equal(desk.approvals.length, 100);
  });

  it('does nothing any more once stopped', async () => {
    const desk = new Desk([ALL]);
    desk.auto.stop();
    await desk.ask(7);
    assert.equal(desk.approvals.length, 0);
  });
});
