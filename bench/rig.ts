/** A rendezvous and two trusted daemons on loopback, as separate processes, for the measurements here. */
import { join } from 'node:path';
import { type Actor, Stage } from '../lab/stage.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../src/platform/index.ts';
import { PilotClient } from '../src/sdk/client.ts';

export class Rig {
  readonly stage = new Stage();
  readonly a: Actor = this.stage.actor('bench-a');
  readonly b: Actor = this.stage.actor('bench-b');
  beaconPort = 0;
  rendezvousPid = 0;
  readonly #rendezvous: Actor = this.stage.actor('bench-rendezvous');

  /** `relayOnly` switches direct UDP between the two off, so that everything crosses the beacon. */
  async start(options: { relayOnly: boolean; trust?: boolean }): Promise<void> {
    const started = this.stage.json<{ registry: string; beacon: string; pid: number }>(this.#rendezvous, [
      ...['rendezvous', 'start', '--registry-addr', '127.0.0.1:0', '--beacon-addr', '127.0.0.1:0'],
    ]);
    const { registry, beacon } = started;
    this.rendezvousPid = started.pid;
    this.beaconPort = Number(beacon.split(':').at(-1));
    for (const actor of [this.a, this.b]) {
      this.stage.pilotctl(
        actor,
        ['init', '--registry', registry, '--beacon', beacon, '--hostname', actor.name],
        { quiet: true },
      );
      if (options.relayOnly)
        this.stage.pilotctl(actor, ['config', '--set', 'relay_only=true'], { quiet: true });
      this.stage.pilotctl(actor, ['daemon', 'start'], { quiet: true });
    }
    if (options.trust === false) return;
    this.stage.pilotctl(this.a, ['handshake', 'bench-b', 'bench'], { quiet: true });
    await this.#until(() => this.stage.json<{ pending: unknown[] }>(this.b, ['pending']).pending.length > 0);
    this.stage.pilotctl(this.b, ['approve', 'bench-a'], { quiet: true });
    await this.#until(() => this.stage.json<{ trusted: unknown[] }>(this.a, ['trust']).trusted.length > 0);
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
    for (const actor of [this.a, this.b])
      this.stage.pilotctl(actor, ['daemon', 'stop'], { quiet: true, mayFail: true });
    this.stage.pilotctl(this.#rendezvous, ['rendezvous', 'stop'], { quiet: true, mayFail: true });
    this.stage.remove();
  }
}

export function connect(socketPath: string): Promise<PilotClient> {
  return PilotClient.connect({ net: nodeNet(), clock: nodeClock(), crypto: nodeCrypto(), socketPath });
}
