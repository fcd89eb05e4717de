/**
 * What users are promised about trust, beside the machines: nobody is trusted unless both sides asked or approved
 * since either last withdrew, and once messages arrive again both sides agree.
 */
import assert from 'node:assert/strict';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { NodeId } from '../../base/units.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { decodeHandshake } from '../../wire/handshake.ts';
import { decodeTrustCertificate, verifyTrustCertificate } from '../../wire/trust-certificate.ts';
import { decodeTrustRevocation, type TrustRevocation } from '../../wire/trust-revocation.ts';
import { ALL_TERMS, isGrantWithin, isTimeWithin, type Terms } from './terms.ts';
import { crypto, type Parcel, TrustBus, TrustNode } from './trust.testkit.ts';

/** One thing that happens; numbers beyond what exists wrap around. */
export type Step = readonly [action: number, who: number, whom: number, choice: number];

/** What one user did about one peer, in the order of all steps. */
interface History {
  /** Step of the newest question or approval. */
  consent: number;
  /** Step of the newest withdrawal of our own. */
  withdrawal: number;
  /** Step of each withdrawal by its id. */
  readonly withdrawals: Map<string, number>;
  /** Step in which each message id of the peer first arrived. */
  readonly arrivals: Map<string, number>;
  /** The same, signed with a key that the peer had replaced by then. */
  readonly outdatedArrivals: Map<string, number>;
  /** Step in which each question of ours was asked. */
  readonly questions: Map<string, number>;
  /** Step in which the peer's withdrawal, or its time, ended trust here. */
  ended: number;
  /** What the user said last that the peer may have. */
  wish: Terms | undefined;
}

const PORTS = ['*', '', '80', '1-100', '80,443', '50-200'];
const HOUR = 3600;

/** Runs a history step by step and checks the promises after each. */
export class TrustModel {
  readonly bus: TrustBus;
  readonly #histories = new Map<string, History>();
  readonly #trustedBefore = new Set<string>();
  readonly #eventsSeen = new Map<NodeId, number>();
  #step = 0;
  /** Everything that ever arrived, for whoever recorded it. */
  readonly #captured: Parcel[] = [];
  #keysKnown = true;
  /** Every revocation that was ever signed, for whoever kept it. */
  readonly #revocations = new Set<string>();

  constructor(seed: string, count: number) {
    this.bus = new TrustBus(Array.from({ length: count }, (_, i) => new TrustNode(i + 1, seed)));
    this.bus.onDeliver = (parcel) => this.#arrives(parcel);
  }

  apply([action, who, whom, choice]: Step): void {
    const { bus } = this;
    const { nodes, parcels } = bus;
    const from = nodes[who % nodes.length]!;
    const to = nodes[(who + 1 + (whom % (nodes.length - 1))) % nodes.length]!;
    const parcel = parcels.length === 0 ? undefined : parcels[choice % parcels.length]!;
    this.#step++;
    switch (action) {
      case 0:
        this.#asks(from, to, (terms) => bus.ask(from, to, terms), ALL_TERMS);
        break;
      case 1:
        this.#asks(from, to, (terms) => bus.ask(from, to.hostname, terms), ALL_TERMS);
        break;
      case 2:
      case 3:
        this.#approves(from, to);
        break;
      case 4:
        bus.reject(from, to);
        break;
      case 5:
      case 6:
        if (bus.untrust(from, to) === 'revoked') this.#withdrew(from, to);
        break;
      case 7:
        if (parcels[0] !== undefined) this.#deliver(parcels[0], false);
        break;
      case 8:
      case 9:
      case 10:
        if (parcel !== undefined) this.#deliver(parcel, action === 10);
        break;
      case 11:
        if (parcel !== undefined) {
          parcels.splice(parcels.indexOf(parcel), 1);
          bus.settleDirect(parcel, choice % 3 === 0);
        }
        break;
      case 12:
        bus.pass([500, 1_500, 12_000, 70_000, 400_000][choice % 5]!);
        break;
      case 13:
        from.restart();
        break;
      case 14:
        bus.registryUp = choice % 2 === 0;
        break;
      case 15:
        this.#keysKnown = choice % 3 !== 0;
        break;
      case 17: {
        const captured = this.#captured[choice % Math.max(1, this.#captured.length)];
        if (captured !== undefined) this.#replay(captured);
        break;
      }
      case 16:
        from.skew = [0, 600_000, -7_200_000, 3_600_000, -1_000][choice % 5]!;
        break;
      case 18:
        this.#asks(from, to, (terms) => bus.ask(from, to, terms), this.#someTerms(from, choice));
        break;
      case 19: {
        const terms = this.#someTerms(from, choice);
        const wasPending = from.trust.pending().some(({ node }) => node === to.id);
        if (bus.approve(from, to, { terms }) === 'approved' && wasPending) this.#consents(from, to, terms);
        break;
      }
      case 20:
        bus.pass([HOUR / 2, HOUR, 2 * HOUR, 30 * HOUR][choice % 4]! * 1000);
        break;
      case 21:
        if (from.rotations.length >= 8) break;
        from.rotate(Math.floor(bus.wall / 1000));
        bus.do(from, (trust) => trust.setIdentity(from.identity, bus.now));
        break;
      default:
        throw new Error(`no action ${action}`);
    }
    this.check();
  }

  /** Everyone approves what is left, so that nothing waits for a user. */
  approveAll(): void {
    for (const node of this.bus.nodes) {
      for (const { node: peer } of [...node.trust.pending()]) {
        this.#step++;
        this.#approves(node, this.bus.node(peer));
        this.check();
      }
    }
  }

  heal(): void {
    this.#step++;
    this.#keysKnown = true;
    for (const node of this.bus.nodes) node.skew = 0;
    this.bus.heal();
    this.check();
  }

  check(): void {
    for (const a of this.bus.nodes) {
      this.#readEvents(a);
      for (const b of this.bus.nodes) if (a !== b) this.#checkPair(a, b);
    }
  }

  checkAgreement(): void {
    for (const a of this.bus.nodes) {
      for (const b of this.bus.nodes) {
        if (a === b) continue;
        const pair = `${a.id} and ${b.id}`;
        assert.equal(a.trust.isTrusted(b.id), b.trust.isTrusted(a.id), `${pair} agree`);
        const asked = b.trust.outgoing().some((each) => each.node === a.id || each.hostname === a.hostname);
        assert.equal(
          a.trust.pending().some(({ node }) => node === b.id),
          asked,
          `${pair}: a question is open on both sides`,
        );
        if (a.trust.isTrusted(b.id)) this.#checkCertificates(a, b);
      }
      assert.ok(
        a.trust.snapshot().tombstones.every((each) => !each.tellPeer && !each.tellRegistry),
        'all was told',
      );
      const reportable = a.trust.trusted().filter(({ draft }) => draft === undefined);
      assert.ok(
        reportable.every(({ reported }) => reported),
        'all was reported',
      );
    }
  }

  /** Both hold the same certificate, and whoever gets to see it can verify it. */
  #checkCertificates(a: TrustNode, b: TrustNode): void {
    const [record, other] = [a.trust.record(b.id), b.trust.record(a.id)];
    const pair = `${a.id} and ${b.id}`;
    assert.equal(record?.draft, undefined, `${pair}: nothing waits for a signature`);
    assert.equal(record?.certificate, other?.certificate, `${pair}: one certificate`);
    const certificate = decodeTrustCertificate(record?.certificate ?? '');
    assert.ok(typeof certificate !== 'string', `${pair}: a certificate`);
    const at = Math.floor(this.bus.wall / 1000);
    const keys = new Map([a, b].map(({ id, identity }) => [id, identity.publicKey]));
    const rotations = [...a.rotations, ...b.rotations];
    const revocations = [...this.#revocations].map((text) => decodeTrustRevocation(text) as TrustRevocation);
    const check = { at: Math.max(at, certificate.notBefore), keys, rotations, revocations };
    assert.equal(verifyTrustCertificate(crypto, certificate, check), 'valid', pair);
  }

  #checkPair(a: TrustNode, b: TrustNode): void {
    const key = `${a.id}>${b.id}`;
    const record = a.trust.trusted().find(({ node }) => node === b.id);
    if (record === undefined) {
      this.#trustedBefore.delete(key);
      return;
    }
    const [ours, theirs] = [this.#history(a, b), this.#history(b, a)];
    this.#checkScope(key, a, b, ours.wish);
    assert.ok(ours.consent > ours.withdrawal, `${key}: asked or approved after the own withdrawal`);
    if (this.#trustedBefore.has(key)) return;
    this.#trustedBefore.add(key);
    assert.ok(ours.consent > ours.ended, `${key}: asked or approved after the peer's withdrawal ended trust`);
    const heard = a.trust.snapshot().registers?.find(({ node }) => node === b.id)?.heardRevoke ?? '';
    const heardAt = theirs.withdrawals.get(heard) ?? -1;
    assert.ok(theirs.consent > heardAt, `${key}: the peer asked or approved after the withdrawal heard of`);
    const id = record.requestId ?? '';
    const basis = ours.questions.get(id) ?? ours.arrivals.get(id) ?? ours.outdatedArrivals.get(id);
    assert.ok(
      basis !== undefined && basis > ours.withdrawal,
      `${key}: rests on a question newer than the own withdrawal`,
    );
    const keys = b.rotations.flatMap(({ old_key, new_key }) => [old_key, new_key]);
    keys.push(encodeBase64(b.identity.publicKey));
    assert.ok(keys.includes(encodeBase64(record.publicKey)), `${key}: a key of the peer`);
  }

  /** Nobody gives more, or for longer, than its user said last. */
  #checkScope(key: string, a: TrustNode, b: TrustNode, wish: Terms | undefined): void {
    const effective = a.trust.effective(b.id);
    assert.ok(wish !== undefined && effective !== undefined, `${key}: the user said something`);
    assert.ok(isGrantWithin(effective.give, wish.give), `${key}: gives no more than its user said`);
    if (wish.renew !== true) {
      assert.ok(isTimeWithin(effective.not_after, wish.not_after), `${key}: no longer than its user said`);
    }
    const tombstone = a.trust.tombstone(b.id)?.revocation;
    if (tombstone !== undefined) this.#revocations.add(tombstone);
  }

  #someTerms(node: TrustNode, choice: number): Terms {
    const ports = (by: number): { ports: string } => ({
      ports: PORTS[Math.floor(choice / by) % PORTS.length]!,
    });
    const now = Math.floor(this.bus.wallOf(node) / 1000);
    const length = [undefined, HOUR, 24 * HOUR, undefined][Math.floor(choice / 36) % 4];
    return {
      give: ports(1),
      get: ports(6),
      ...(length !== undefined && { not_after: now + length }),
      ...(length !== undefined && choice % 2 === 0 && { renew: true }),
    };
  }

  #approves(node: TrustNode, peer: TrustNode): void {
    const wasPending = node.trust.pending().some((each) => each.node === peer.id);
    const renews = node.trust.record(peer.id)?.terms.renew === true;
    if (this.bus.approve(node, peer) !== 'approved' || !wasPending) return;
    this.#consents(node, peer, renews ? { ...ALL_TERMS, renew: true } : ALL_TERMS);
  }

  #consents(node: TrustNode, peer: TrustNode, terms: Terms): void {
    const history = this.#history(node, peer);
    history.consent = this.#step;
    history.wish = terms;
  }

  #asks(from: TrustNode, to: TrustNode, ask: (terms: Terms) => string, terms: Terms): void {
    const before = new Set(from.trust.outgoing().map(({ requestId }) => requestId));
    if (ask(terms) === 'already_trusted') return;
    const history = this.#history(from, to);
    this.#consents(from, to, terms);
    for (const { requestId } of from.trust.outgoing()) {
      if (!before.has(requestId)) history.questions.set(requestId, this.#step);
    }
  }

  #withdrew(from: TrustNode, to: TrustNode): void {
    const history = this.#history(from, to);
    history.withdrawal = this.#step;
    const tombstone = from.trust.tombstone(to.id);
    if (tombstone?.revocation !== undefined) this.#revocations.add(tombstone.revocation);
    history.withdrawals.set(tombstone?.revokeId ?? '', this.#step);
  }

  #deliver(parcel: Parcel, keep: boolean): void {
    const { bus } = this;
    if (!keep) bus.parcels.splice(bus.parcels.indexOf(parcel), 1);
    bus.deliver(parcel);
    bus.answerKeys(this.#keysKnown);
  }

  #replay(parcel: Parcel): void {
    this.bus.deliver(parcel);
    this.bus.answerKeys(this.#keysKnown);
  }

  #arrives(parcel: Parcel): void {
    if (this.#captured.length < 200) this.#captured.push(parcel);
    const text = parcel.kind === 'direct' ? fromUtf8(parcel.bytes) : parcel.message;
    const message = decodeHandshake(utf8(text));
    if (typeof message !== 'string' && message.type === 'handshake_request') {
      const sender = this.bus.node(parcel.from);
      const history = this.#history(this.bus.node(parcel.to), sender);
      // Under a key that was replaced meanwhile, or that is not known yet, it may have been refused.
      const known = this.bus.node(parcel.to).trust.record(parcel.from)?.publicKey;
      const isCurrent = message.public_key === encodeBase64(sender.identity.publicKey);
      const isKnown = known === undefined || message.public_key === encodeBase64(known);
      const arrivals = isCurrent && isKnown ? history.arrivals : history.outdatedArrivals;
      const id = message.id ?? '';
      if (!arrivals.has(id)) arrivals.set(id, this.#step);
    }
  }

  #readEvents(node: TrustNode): void {
    const from = this.#eventsSeen.get(node.id) ?? 0;
    for (const event of node.events.slice(from)) {
      if (event.name === 'trust.revoked_by_peer' || event.name === 'trust.expired')
        this.#history(node, this.bus.node(event.peer)).ended = this.#step - 1;
    }
    this.#eventsSeen.set(node.id, node.events.length);
  }

  #history(node: TrustNode, peer: TrustNode): History {
    const key = `${node.id}>${peer.id}`;
    let history = this.#histories.get(key);
    if (history === undefined) {
      const none = { consent: -1, withdrawal: -1, ended: -1, wish: undefined };
      history = {
        ...none,
        withdrawals: new Map(),
        arrivals: new Map(),
        outdatedArrivals: new Map(),
        questions: new Map(),
      };
      this.#histories.set(key, history);
    }
    return history;
  }
}
