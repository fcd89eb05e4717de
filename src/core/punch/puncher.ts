import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import type { PunchMessage } from '../../wire/path-message.ts';
import type { NatBehaviour } from '../nat/behaviour.ts';
import type { PunchFacts } from '../path/facts.ts';
import type { Attempt, PunchPort } from './attempt.ts';
import { ManyPorts, ManySockets } from './birthday.ts';
import type { PunchBudget } from './budget.ts';
import { FIRST_PAUSE, LONGEST_PAUSE, SIMPLE_PATIENCE } from './constants.ts';
import { Fan, Grab, Meet, Sweep } from './prediction.ts';
import { type PunchPlan, planFor, type Strategy } from './strategy.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** The side that has to begin gets this long to see it by itself. */
const ASK_AFTER: Millis = 700;
/** What the peer said waits this long for somebody else to name the host it speaks of. */
const VOUCH_PATIENCE: Millis = 1_500;
/** Sockets of an attempt that proved a way are looked at after this: those that lead nowhere are closed. */
const SWEEP_AFTER: Millis = 5_000;
const SWEEP_EVERY: Millis = 30_000;

/** What a puncher needs of the tunnel and of its peer. */
export interface PuncherHost {
  readonly random: Random;
  readonly budget: PunchBudget;
  readonly node: NodeId;
  nat(): NatBehaviour;
  /** As the peer told it; undefined until it did. */
  peerNat(): NatBehaviour | undefined;
  observed(): Endpoint | undefined;
  /** The peer's endpoint for everybody, named by a beacon or the directory; undefined while none is. */
  target(now: Instant): Endpoint | undefined;
  /** True when not the peer alone says that it is at this host. */
  vouched(host: string, now: Instant): boolean;
  /** Asks the beacons to name the peer's endpoint. */
  seek(now: Instant): void;
  /** Data moves, and no direct path is proven. */
  wantsDirect(now: Instant): boolean;
  openSocket(): number | undefined;
  closeSocket(via: number): void;
  /** Sockets on which a path works, or may. */
  usesSocket(via: number, now: Instant): boolean;
  measure(via: number, now: Instant): boolean;
  shoot(to: Endpoint, via: number, now: Instant): void;
  tell(message: Omit<PunchMessage, 'kind' | 'sequence'>, now: Instant): void;
  begun(strategy: Strategy): void;
  ended(facts: PunchFacts): void;
}

interface Running {
  readonly attempt: Attempt;
  readonly nonce: number;
  readonly at: Instant;
  packets: number;
}

type Outcome = PunchFacts['outcome'];

/**
 * Attempts to open a direct path to one peer where simple punching does not do: one at a time, fewer and fewer, and
 * never more packets than the budget holds. Both sides come to the same plan from what each knows of both translators;
 * one of them begins.
 */
export class Puncher {
  readonly #host: PuncherHost;
  readonly #peer: NodeId;
  readonly #sockets = new Set<number>();
  #running: Running | undefined;
  #last: PunchFacts | undefined;
  #pause: Millis = FIRST_PAUSE;
  #notBefore: Instant = 0;
  #considerAt: Instant = NEVER;
  #sweepAt: Instant = NEVER;
  /** A message that waits until somebody vouches for the host it names. */
  #held: { readonly message: PunchMessage; readonly until: Instant } | undefined;
  /** Since when another attempt than simple punching is called for. */
  #calledForAt: Instant | undefined;

  constructor(peer: NodeId, host: PuncherHost) {
    this.#peer = peer;
    this.#host = host;
  }

  facts(): PunchFacts | undefined {
    const running = this.#running;
    if (running === undefined) return this.#last;
    const { strategy, budget } = running.attempt;
    return { strategy, at: running.at, packets: running.packets, budget, outcome: 'running' };
  }

  /** Something changed: is there an attempt to begin? */
  consider(now: Instant): void {
    this.#considerAt = NEVER;
    const peerNat = this.#host.peerNat();
    if (this.#running !== undefined || peerNat === undefined || !this.#host.wantsDirect(now)) return;
    const plan = planFor(this.#host.nat(), peerNat);
    if (plan.strategy === 'none' || plan.strategy === 'simple') {
      this.#calledForAt = undefined;
      return;
    }
    this.#calledForAt ??= now;
    const begins = this.#begins(plan);
    const patience = (plan.patient ? SIMPLE_PATIENCE : 0) + (begins ? 0 : ASK_AFTER);
    const at = Math.max(this.#notBefore, this.#calledForAt + patience);
    if (at > now) {
      this.#considerAt = at;
      return;
    }
    if (begins) this.#begin(plan, now);
    else {
      this.#tell({ nonce: 0, step: 'begin', strategy: plan.strategy }, now);
      this.#waitLonger(now);
    }
  }

  /** The peer takes part in, or asks for, an attempt. It is authenticated, and still believed only within limits. */
  told(message: PunchMessage, now: Instant): void {
    const { running } = { running: this.#running };
    const named = message.step === 'ready' || message.step === 'go';
    if (named && !this.#host.vouched(message.host, now)) {
      this.#host.seek(now);
      this.#held = { message, until: now + VOUCH_PATIENCE };
      return;
    }
    if (running !== undefined && running.nonce === message.nonce) {
      running.attempt.told(message, now);
      this.#settle(message.step === 'refuse' ? 'refused' : 'no_answer', now);
      return;
    }
    if (message.step === 'refuse' || message.step === 'ready') return;
    if (running !== undefined || !this.#answer(message, now))
      this.#tell({ nonce: message.nonce, step: 'refuse', strategy: message.strategy }, now);
  }

  /** A beacon, or the peer's own frames, named a host. */
  vouchedAnew(now: Instant): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && held.until > now) this.told(held.message, now);
    else if (this.#calledForAt !== undefined) this.consider(now);
  }

  measured(via: number, endpoint: Endpoint, now: Instant): void {
    this.#running?.attempt.measured(via, endpoint, now);
    this.#settle('no_answer', now);
  }

  /** A direct path is proven: there is nothing left to do. */
  direct(now: Instant): void {
    this.#pause = FIRST_PAUSE;
    this.#notBefore = now;
    this.#calledForAt = undefined;
    this.#considerAt = NEVER;
    if (this.#running !== undefined) this.#finish(this.#running, 'direct', now);
  }

  handleTimeout(now: Instant): void {
    if (this.#running !== undefined) {
      this.#running.attempt.handleTimeout(now);
      this.#settle('no_answer', now);
    }
    if (this.#considerAt <= now) this.consider(now);
    if (this.#sweepAt <= now) this.#sweep(now);
  }

  nextTimeout(): Instant {
    const running = this.#running?.attempt.nextTimeout() ?? NEVER;
    return Math.min(running, this.#considerAt, this.#sweepAt);
  }

  /** One of the translators is another one, or behaves otherwise. */
  anew(now: Instant): void {
    this.#pause = FIRST_PAUSE;
    this.#notBefore = now;
    this.#calledForAt = undefined;
  }

  /** The peer is forgotten. */
  close(): void {
    this.#running = undefined;
    this.#host.budget.releaseMany(this.#peer);
    for (const via of this.#sockets) this.#host.closeSocket(via);
    this.#sockets.clear();
  }

  /** True when we are the side that begins; both sides agree on who that is. */
  #begins({ strategy, own, peer }: PunchPlan): boolean {
    if (strategy === 'birthday') return own === 'random';
    if (own === 'sequential' && peer === 'sequential') return this.#host.node < this.#peer;
    return own === 'sequential';
  }

  #begin(plan: PunchPlan, now: Instant): void {
    const { strategy } = plan;
    const peerStep = this.#host.peerNat()?.step ?? 0;
    const own = this.#host.observed();
    const target = this.#host.target(now);
    if (own === undefined || target === undefined || strategy === 'simple' || strategy === 'none') {
      this.#host.seek(now);
      this.#considerAt = now + VOUCH_PATIENCE;
      return;
    }
    const nonce = 1 + this.#host.random.below(0xffff_ffff);
    if (strategy === 'birthday') {
      if (!this.#host.budget.takeMany(this.#peer)) {
        this.#considerAt = now + VOUCH_PATIENCE;
        return;
      }
      this.#run(strategy, nonce, (port) => new ManySockets(port, target, own.host, now), now);
    } else if (plan.peer === 'sequential') {
      this.#run(strategy, nonce, (port) => new Fan(port, peerStep, own.host, now), now);
    } else {
      const { step } = this.#host.nat();
      this.#run(strategy, nonce, (port) => new Grab(port, target, step, now), now);
    }
  }

  /** Takes the other part of an attempt that the peer begins; false when we do not. */
  #answer(message: PunchMessage, now: Instant): boolean {
    const peerNat = this.#host.peerNat();
    if (peerNat === undefined || message.strategy === 'simple') return false;
    const plan = planFor(this.#host.nat(), peerNat);
    const { strategy, nonce } = message;
    if (message.step === 'begin') {
      if (plan.strategy !== strategy) return false;
      if (this.#begins(plan)) {
        if (now >= this.#notBefore) this.#begin(plan, now);
        return true;
      }
      if (strategy !== 'prediction' || plan.own !== 'sequential' || nonce === 0) return false;
      return this.#run(strategy, nonce, (port) => new Sweep(port, peerNat.step, now), now);
    }
    // Its ports lead to nothing of ours but what we send from our one endpoint.
    if (plan.own !== 'fixed') return false;
    if (strategy === 'birthday')
      return this.#run(strategy, nonce, (port) => new ManyPorts(port, message.host, now), now);
    const meet = this.#run(strategy, nonce, (port) => new Meet(port, now), now);
    if (meet) this.#running?.attempt.told(message, now);
    return meet;
  }

  #run(
    strategy: 'prediction' | 'birthday',
    nonce: number,
    make: (port: PunchPort) => Attempt,
    now: Instant,
  ): boolean {
    if (!this.#host.budget.begin(this.#peer, strategy, now)) {
      this.#last = { strategy, at: now, packets: 0, budget: 0, outcome: 'over_budget' };
      this.#waitLonger(now);
      this.#host.budget.releaseMany(this.#peer);
      return false;
    }
    const spent = { packets: 0 };
    this.#host.begun(strategy);
    const attempt = make(this.#port(strategy, nonce, spent));
    this.#running = {
      attempt,
      nonce,
      at: now,
      get packets() {
        return spent.packets;
      },
    };
    this.#settle('no_answer', now);
    return true;
  }

  #port(strategy: 'prediction' | 'birthday', nonce: number, spent: { packets: number }): PunchPort {
    const host = this.#host;
    return {
      random: host.random,
      openSocket: () => {
        const via = host.openSocket();
        if (via !== undefined) this.#sockets.add(via);
        return via;
      },
      measure: (via, now) => {
        spent.packets++;
        return host.measure(via, now);
      },
      shoot: (to, via, now) => {
        if (!host.budget.spend(to.host, now)) return false;
        spent.packets++;
        host.shoot(to, via, now);
        return true;
      },
      tell: (step, at, ports, now) => host.tell({ nonce, step, strategy, host: at, ports }, now),
    };
  }

  #tell(about: Pick<PunchMessage, 'nonce' | 'step' | 'strategy'>, now: Instant): void {
    const own = this.#host.observed();
    if (own !== undefined) this.#host.tell({ ...about, host: own.host, ports: [] }, now);
  }

  #settle(outcome: Outcome, now: Instant): void {
    if (this.#running?.attempt.over === true) this.#finish(this.#running, outcome, now);
  }

  #finish({ attempt, at, packets }: Running, outcome: Outcome, now: Instant): void {
    this.#last = { strategy: attempt.strategy, at, packets, budget: attempt.budget, outcome };
    this.#running = undefined;
    this.#host.ended(this.#last);
    this.#host.budget.releaseMany(this.#peer);
    if (outcome !== 'direct') this.#waitLonger(now);
    for (const via of this.#sockets) if (!this.#host.usesSocket(via, now)) this.#close(via);
    this.#sweepAt = this.#sockets.size > 0 ? now + SWEEP_AFTER : NEVER;
  }

  #waitLonger(now: Instant): void {
    this.#notBefore = now + this.#pause * (0.9 + 0.2 * this.#host.random.fraction());
    this.#pause = Math.min(4 * this.#pause, LONGEST_PAUSE);
    this.#considerAt = this.#notBefore;
  }

  #sweep(now: Instant): void {
    if (this.#running === undefined)
      for (const via of this.#sockets) if (!this.#host.usesSocket(via, now)) this.#close(via);
    this.#sweepAt = this.#sockets.size > 0 ? now + SWEEP_EVERY : NEVER;
  }

  #close(via: number): void {
    this.#sockets.delete(via);
    this.#host.closeSocket(via);
  }
}
