/** A rendezvous and two trusted daemons on loopback, as separate processes, for the measurements here. */
import { join } from 'node:path';
import { type Actor, Stage } from '../lab/stage.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../src/platform/index.ts';
import { PilotClient } from '../src/sdk/client.ts';

export interface RigOptions {
  /** Switches direct UDP between the two off, so that everything crosses the beacon. */
  readonly relayOnly: boolean;
  /** Whether the two come to trust each other. @default true */
  readonly trust?: boolean;
  /** Keys of config.json for both daemons. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Where the three run: words before each command, and the address of the rendezvous. */
export interface Places {
  readonly a: readonly string[];
  readonly b: readonly string[];
  readonly rendezvous: readonly string[];
  readonly host: string;
}

const HERE: Places = { a: [], b: [], rendezvous: [], host: '127.0.0.1' };

export class Rig {
  readonly stage = new Stage();
  readonly a: Actor;
  readonly b: Actor;
  /** `HOST:PORT` */
  registry = '';
  beaconPort = 0;
  rendezvousPid = 0;
  readonly #rendezvous: Actor;
  readonly #host: string;

  constructor(places: Places = HERE) {
    this.a = this.stage.actor('bench-a', places.a);
    this.b = this.stage.actor('bench-b', places.b);
    this.#rendezvous = this.stage.actor('bench-rendezvous', places.rendezvous);
    this.#host = places.host;
  }

  async start(options: RigOptions): Promise<void> {
    const beacon = this.startRendezvous();
    for (const actor of [this.a, this.b]) {
      this.stage.pilotctl(
        actor,
        ['init', '--registry', this.registry, '--beacon', beacon, '--hostname', actor.name],
        { quiet: true },
      );
      const settings = { ...options.settings, ...(options.relayOnly && { relay_only: 'true' }) };
      for (const [key, value] of Object.entries(settings)) {
        this.stage.pilotctl(actor, ['config', '--set', `${key}=${value}`], { quiet: true });
      }
      this.startDaemon(actor);
    }
    if (options.trust === false) return;
    this.stage.pilotctl(this.a, ['handshake', 'bench-b', 'bench'], { quiet: true });
    await this.#until(() => this.stage.json<{ pending: unknown[] }>(this.b, ['pending']).pending.length > 0);
    this.stage.pilotctl(this.b, ['approve', 'bench-a'], { quiet: true });
    await this.#until(() => this.stage.json<{ trusted: unknown[] }>(this.a, ['trust']).trusted.length > 0);
  }

  /** Returns the beacon's endpoint. */
  startRendezvous(): string {
    const started = this.stage.json<{ registry: string; beacon: string; pid: number }>(this.#rendezvous, [
      ...['rendezvous', 'start', '--registry-addr', `${this.#host}:0`, '--beacon-addr', `${this.#host}:0`],
    ]);
    this.registry = started.registry;
    this.rendezvousPid = started.pid;
    this.beaconPort = Number(started.beacon.split(':').at(-1));
    return started.beacon;
  }

  startDaemon(actor: Actor): void {
    this.stage.pilotctl(actor, ['daemon', 'start'], { quiet: true });
  }

  stopDaemon(actor: Actor): void {
    this.stage.pilotctl(actor, ['daemon', 'stop'], { quiet: true, mayFail: true });
  }

  async #until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 100; i++) {
      if (condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the daemons did not come to trust each other within 10 s');
  }

  socket(actor: Actor): string {
    return join(actor.home, 'pilot.sock');
  }

  pid(actor: Actor): number {
    return this.stage.json<{ pid: number }>(actor, ['daemon', 'status']).pid;
  }

  async stop(): Promise<void> {
    for (const actor of [this.a, this.b]) this.stopDaemon(actor);
    this.stage.pilotctl(this.#rendezvous, ['rendezvous', 'stop'], { quiet: true, mayFail: true });
    this.stage.remove();
  }
}

export function connect(socketPath: string): Promise<PilotClient> {
  return PilotClient.connect({ net: nodeNet(), clock: nodeClock(), crypto: nodeCrypto(), socketPath });
}
