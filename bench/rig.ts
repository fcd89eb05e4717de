/** A rendezvous and two trusted daemons on loopback, as separate processes, for the measurements here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Actor, PROJECT, Stage } from '../lab/stage.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../src/platform/index.ts';
import { PilotClient } from '../src/sdk/client.ts';

export class Rig {
  readonly stage = new Stage();
  readonly a: Actor = this.stage.actor('bench-a');
  readonly b: Actor = this.stage.actor('bench-b');
  beaconPort = 0;
  #rendezvous: ChildProcess | undefined;

  get rendezvousPid(): number {
    return this.#rendezvous!.pid!;
  }

  /** `relayOnly` switches direct UDP between the two off, so that everything crosses the beacon. */
  async start(options: { relayOnly: boolean; trust?: boolean }): Promise<void> {
    const directory = join(this.stage.directory, 'rendezvous');
    mkdirSync(directory);
    const child = spawn(
      process.execPath,
      [
        join(PROJECT, 'dist', 'bin', 'pilotctl.js'),
        'rendezvous',
        'start',
        '--foreground',
        '--json',
        '--registry-addr',
        '127.0.0.1:0',
        '--beacon-addr',
        '127.0.0.1:0',
      ],
      {
        env: { ...process.env, HOME: directory, PILOT_HOME: directory },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    this.#rendezvous = child;
    const line = await new Promise<string>((resolve, reject) => {
      let text = '';
      child.stdout.on('data', (chunk) => {
        text += chunk;
        if (text.includes('\n')) resolve(text.split('\n')[0]!);
      });
      child.on('exit', (code) => reject(new Error(`rendezvous ended with ${code}: ${text}`)));
    });
    const { registry, beacon } = (JSON.parse(line) as { data: { registry: string; beacon: string } }).data;
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
    this.#rendezvous?.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    this.stage.remove();
  }
}

export function connect(socketPath: string): Promise<PilotClient> {
  return PilotClient.connect({ net: nodeNet(), clock: nodeClock(), crypto: nodeCrypto(), socketPath });
}
