/** A rendezvous and two agents behind the laboratory's NATs, brought to mutual trust. For tests and measurements. */
import { join } from 'node:path';
import { nodeClock, nodeCrypto, nodeNet } from '../src/platform/index.ts';
import { PilotClient } from '../src/sdk/client.ts';
import { NatLab } from './nat-lab.ts';
import type { NatKind } from './nat-rules.ts';
import { type Actor, Stage } from './stage.ts';

export class Agents {
  readonly lab: NatLab;
  readonly stage = new Stage();
  readonly a: Actor;
  readonly b: Actor;
  readonly rendezvous: Actor;

  constructor(prefix: string) {
    this.lab = new NatLab(prefix);
    this.a = this.stage.actor('node-a', this.lab.inside('a'));
    this.b = this.stage.actor('node-b', this.lab.inside('b'));
    this.rendezvous = this.stage.actor('rendezvous', this.lab.inside('pub'));
  }

  /** Builds the network, starts the three processes and makes the agents trust each other. */
  async up(natA: NatKind, natB: NatKind): Promise<void> {
    this.lab.up();
    this.lab.nat('a', natA);
    this.lab.nat('b', natB);
    this.stage.pilotctl(
      this.rendezvous,
      [
        ...['rendezvous', 'start', '--registry-addr', `${this.lab.publicAddress}:9000`],
        ...['--beacon-addr', `${this.lab.publicAddress}:9001`],
      ],
      { quiet: true },
    );
    for (const actor of [this.a, this.b]) {
      this.stage.pilotctl(actor, ['init', '--registry', this.lab.publicAddress, '--hostname', actor.name], {
        quiet: true,
      });
      this.stage.pilotctl(actor, ['daemon', 'start'], { quiet: true });
    }
    this.stage.pilotctl(this.a, ['handshake', 'node-b', 'lab'], { quiet: true });
    await this.until(() => this.stage.json<{ pending: unknown[] }>(this.b, ['pending']).pending.length > 0);
    this.stage.pilotctl(this.b, ['approve', 'node-a'], { quiet: true });
    await this.until(() => this.stage.json<{ trusted: unknown[] }>(this.a, ['trust']).trusted.length > 0);
  }

  async until(condition: () => boolean, seconds = 10): Promise<void> {
    for (let i = 0; i < seconds * 5; i++) {
      if (condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`did not happen within ${seconds} s`);
  }

  /** Unix sockets are not part of a network namespace, so programs outside reach the agents' daemons. */
  client(actor: Actor): Promise<PilotClient> {
    const socketPath = join(actor.home, 'pilot.sock');
    return PilotClient.connect({ net: nodeNet(), clock: nodeClock(), crypto: nodeCrypto(), socketPath });
  }

  /** Milliseconds from the dial to the first echoed byte. */
  async firstEcho(from: Actor, to: string): Promise<number> {
    const client = await this.client(from);
    try {
      const start = performance.now();
      const conn = await client.dial(to, 7);
      await conn.write(new TextEncoder().encode('first'));
      await conn.read();
      const spent = performance.now() - start;
      await conn.close();
      return spent;
    } finally {
      await client.close();
    }
  }

  pathOf(actor: Actor): string {
    return this.stage.json<{ peers: { path?: string }[] }>(actor, ['peers']).peers[0]?.path ?? 'none';
  }

  down(): void {
    for (const actor of [this.a, this.b])
      this.stage.pilotctl(actor, ['daemon', 'stop'], { quiet: true, mayFail: true });
    this.stage.pilotctl(this.rendezvous, ['rendezvous', 'stop'], { quiet: true, mayFail: true });
    this.lab.down();
    this.stage.remove();
  }
}
