/** Two agents that trust each other, on uplinks that change, with a registry and two beacons that can be killed alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerRow, PingReply } from '../../src/ipc/methods.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../../src/platform/index.ts';
import { PilotClient } from '../../src/sdk/client.ts';
import { must, run } from '../shell.ts';
import { type Actor, PROJECT, Stage } from '../stage.ts';
import { SERVER_NAME, type Side, type UplinkKind, type UplinkNumber, Uplinks } from '../uplinks.ts';
import type { BeaconRole, RegistryRole } from './serve.ts';

/** Out of networks that let little out, too. */
const REGISTRY_PORT = 443;
const KEY_PORT = 9100;
/** Far enough apart for the second port each beacon answers from. */
export const BEACON_PORTS = [9001, 9011] as const;
export type BeaconPort = (typeof BEACON_PORTS)[number];

/** Where both sides are. */
export interface Places {
  readonly a: { readonly uplink: UplinkNumber; readonly kind: UplinkKind };
  readonly b: { readonly uplink: UplinkNumber; readonly kind: UplinkKind };
}

export interface Path {
  readonly kind: PeerRow['path'];
  readonly endpoint: string;
}

/** `apart`: a registry and two beacons that can be killed alone. `together`: one rendezvous. */
export type Servers = 'apart' | 'together';

export class RoamingWorld {
  readonly #together: boolean;
  readonly uplinks: Uplinks;
  readonly stage = new Stage();
  readonly actors: Readonly<Record<Side, Actor>>;
  readonly #servers = new Map<string, ChildProcess>();
  readonly #clients = new Map<string, PilotClient>();

  constructor(prefix: string, servers: Servers = 'apart') {
    this.#together = servers === 'together';
    this.uplinks = new Uplinks(prefix);
    const actor = (side: Side): Actor => this.stage.actor(`node-${side}`, this.uplinks.inside(side));
    this.actors = { a: actor('a'), b: actor('b') };
  }

  /** Builds the network, starts servers and agents, and makes the agents trust each other. */
  async up(places: Places): Promise<void> {
    this.uplinks.up();
    await this.place(places);
    await this.startRegistry();
    if (!this.#together) for (const port of BEACON_PORTS) await this.startBeacon(port);
    for (const side of ['a', 'b'] as const) {
      const actor = this.actors[side];
      this.stage.pilotctl(
        actor,
        ['init', '--registry', `${SERVER_NAME}:${REGISTRY_PORT}`, '--hostname', actor.name],
        {
          quiet: true,
        },
      );
      this.stage.pilotctl(actor, ['config', '--set', 'log_level=debug'], { quiet: true });
      this.startDaemon(side);
    }
    const { a, b } = this.actors;
    this.stage.pilotctl(a, ['handshake', b.name, 'laboratory'], { quiet: true });
    await until('the request', 10_000, async () => (await (await this.client('b')).pending()).length > 0);
    this.stage.pilotctl(b, ['approve', a.name], { quiet: true });
    await until('trust', 10_000, async () => (await (await this.client('a')).trusted()).length > 0);
  }

  /** Moves both to their uplinks, at once. */
  async place(places: Places): Promise<void> {
    await Promise.all(
      (['a', 'b'] as const).map(async (side) => {
        const { uplink, kind } = places[side];
        this.uplinks.kind(side, uplink, kind);
        await this.uplinks.move(side, uplink);
      }),
    );
  }

  startDaemon(side: Side): void {
    this.stage.pilotctl(this.actors[side], ['daemon', 'start', '--timeout', '20s'], { quiet: true });
  }

  stopDaemon(side: Side): void {
    this.#clients.get(side)?.close();
    this.#clients.delete(side);
    this.stage.pilotctl(this.actors[side], ['daemon', 'stop'], { quiet: true, mayFail: true });
  }

  startRegistry(): Promise<void> {
    run('ip', [...this.uplinks.inside('pub').slice(1), 'nft', 'delete', 'table', 'inet', 'dead']);
    const ports = this.#together ? [BEACON_PORTS[0]] : BEACON_PORTS;
    const role: RegistryRole = {
      role: 'registry',
      bind: { host: '::', port: REGISTRY_PORT },
      directory: this.#serverDirectory(),
      beacons: ports.map((port) => ({ host: SERVER_NAME, port })),
      ...(this.#together && { beacon: { host: '::', port: BEACON_PORTS[0] } }),
      keyPort: KEY_PORT,
    };
    return this.#serve('registry', role);
  }

  startBeacon(port: BeaconPort): Promise<void> {
    const bind = { host: '::', port };
    return this.#serve(`beacon ${port}`, {
      role: 'beacon',
      bind,
      directory: this.#serverDirectory(),
      keyPort: KEY_PORT,
    });
  }

  /** As a power cut does it. */
  async kill(server: 'registry' | `beacon ${BeaconPort}`): Promise<void> {
    const child = this.#servers.get(server);
    this.#servers.delete(server);
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** The registry's machine is gone: its connections are not closed, and new ones not refused. */
  async powerCut(): Promise<void> {
    const chain = (hook: string, port: string): string =>
      `  chain ${hook} { type filter hook ${hook} priority 0; policy accept;\n    tcp ${port} ${REGISTRY_PORT} drop\n  }\n`;
    const rules = `table inet dead {\n${chain('input', 'dport')}${chain('output', 'sport')}}\n`;
    must('ip', [...this.uplinks.inside('pub').slice(1), 'nft', '-f', '-'], rules);
    await this.kill('registry');
  }

  #serverDirectory(): string {
    const directory = join(this.stage.directory, 'servers');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
  }

  async #serve(name: string, role: RegistryRole | BeaconRole): Promise<void> {
    const program = join(PROJECT, 'dist', 'lab', 'scenarios', 'serve.js');
    const words = [...this.uplinks.inside('pub'), process.execPath, program, JSON.stringify(role)];
    const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#servers.set(name, child);
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the ${name} ended with ${code}`)));
    });
  }

  /** Unix sockets are not part of a network namespace, so programs outside reach the agents' daemons. */
  async client(side: Side): Promise<PilotClient> {
    const known = this.#clients.get(side);
    if (known !== undefined) return known;
    const client = await PilotClient.connect({
      net: nodeNet(),
      clock: nodeClock(),
      crypto: nodeCrypto(),
      socketPath: join(this.actors[side].home, 'pilot.sock'),
    });
    this.#clients.set(side, client);
    return client;
  }

  /** One round trip; undefined when none came back in time. */
  async ping(from: Side, timeout: number): Promise<PingReply | undefined> {
    const to = this.actors[from === 'a' ? 'b' : 'a'].name;
    return (await this.client(from)).pingOnce(to, { timeout }).catch(() => undefined);
  }

  /** What `from` uses to reach the other side now. */
  async pathOf(from: Side): Promise<Path> {
    const rows = await (await this.client(from)).peers();
    const row = rows.find((peer) => peer.hostname === this.actors[from === 'a' ? 'b' : 'a'].name) ?? rows[0];
    return { kind: row?.path ?? '', endpoint: row?.endpoint ?? '' };
  }

  /** ms until the first of a row of pings comes back; undefined when none did within `limit`. */
  async firstAnswer(from: Side, limit: number): Promise<number | undefined> {
    const start = performance.now();
    while (performance.now() - start < limit) {
      if ((await this.ping(from, 250)) !== undefined) return performance.now() - start;
    }
    return undefined;
  }

  /** Waits until both sides answer and the path has stayed the same for a second. Resolves with the ms it took. */
  async settled(limit: number, wanted?: (path: Path) => boolean): Promise<number | undefined> {
    const start = performance.now();
    let since = start;
    let before = '';
    while (performance.now() - start < limit) {
      const answered = await Promise.all([this.ping('a', 400), this.ping('b', 400)]);
      const path = await this.pathOf('a');
      const now = performance.now();
      const state = `${path.kind} ${path.endpoint}`;
      if (state !== before || answered.includes(undefined) || wanted?.(path) === false) since = now;
      before = state;
      if (now - since >= 1000) return now - start;
      await sleep(50);
    }
    return undefined;
  }

  /** The agents' logs, kept when something went wrong. */
  saveLogs(directory: string): void {
    mkdirSync(directory, { recursive: true });
    for (const { home, name } of Object.values(this.actors)) {
      try {
        copyFileSync(join(home, 'pilot.log'), join(directory, `${name}.log`));
      } catch {
        // It never started.
      }
    }
  }

  logOf(side: Side): string {
    return readFileSync(join(this.actors[side].home, 'pilot.log'), 'utf8');
  }

  async down(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
    for (const side of ['a', 'b'] as const) this.stopDaemon(side);
    for (const child of this.#servers.values()) child.kill('SIGKILL');
    this.#servers.clear();
    this.uplinks.down();
    this.stage.remove();
  }
}

export function sleep(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time));
}

export async function until(what: string, limit: number, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limit;
  while (performance.now() < deadline) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error(`${what} did not come within ${limit / 1000} s`);
}
