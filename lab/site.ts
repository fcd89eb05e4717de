/** A rendezvous and two agents that trust each other, which move from cell to cell of the matrix. Real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerRow } from '../src/ipc/methods.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../src/platform/index.ts';
import { PilotClient } from '../src/sdk/client.ts';
import type { Cell } from './cells.ts';
import { MappingRouter } from './mapping-router.ts';
import { Network } from './network.ts';
import { buildCell, buildPublic, PROXY_PORT, rebootRouters, SERVER } from './places.ts';
import { type Actor, PROJECT, Stage } from './stage.ts';

export type Side = 'a' | 'b';
const SIDES = ['a', 'b'] as const;
const HOME_ROUTER = { a: '192.168.10.1', b: '192.168.20.1' } as const;
const READY_WITHIN_MS = 15_000;

export class Site {
  readonly net: Network;
  readonly stage = new Stage();
  readonly #actors: Readonly<Record<Side | 'pub', Actor>>;
  readonly #running = new Map<Side | 'pub', ChildProcess>();
  readonly #clients = new Map<Side, PilotClient>();
  /** URL with credentials of the proxy a side must use. */
  readonly #proxies = new Map<Side, string>();
  readonly #giving = new Map<Side, MappingRouter>();
  #cell: Cell | undefined;

  constructor(prefix: string) {
    this.net = new Network(prefix);
    const actor = (name: string, machine: string): Actor => this.stage.actor(name, this.net.inside(machine));
    this.#actors = { a: actor('node-a', 'a'), b: actor('node-b', 'b'), pub: actor('rendezvous', 'pub') };
  }

  /** Starts the rendezvous and makes the agents trust each other where nothing is in their way. */
  async open(): Promise<void> {
    buildPublic(this.net);
    await this.#startRendezvous();
    buildCell(this.net, { id: 'first meeting', a: { nat: 'open' }, b: { nat: 'open' } });
    for (const side of SIDES) {
      const name = `node-${side}`;
      this.#ctl(side, 'init', '--registry', SERVER, '--hostname', name);
      this.#ctl(side, 'config', '--set', 'log_level=debug');
    }
    await this.start();
    this.#ctl('a', 'handshake', 'node-b', 'laboratory');
    await until('the request', async () => (await this.client('b').pending()).length > 0);
    this.#ctl('b', 'approve', 'node-a');
    await until('trust', async () => (await this.client('a').trusted()).length > 0);
    await this.stop();
  }

  /** Moves both agents, which must not be running, to a cell. */
  async enter(cell: Cell): Promise<void> {
    this.#proxies.clear();
    buildCell(this.net, cell);
    for (const router of this.#giving.values()) await router.remove();
    this.#giving.clear();
    for (const side of SIDES) {
      if (cell[side].passes === 'only-proxy') await this.#startProxy(side);
      if (cell[side].gives !== undefined) this.#giving.set(side, new MappingRouter(this.net, `r${side}`));
    }
    this.#cell = cell;
  }

  /** Starts both agents behind routers that have just been switched on; resolves once both are registered. */
  async start(): Promise<void> {
    // What it added to the rules goes with it.
    for (const router of this.#giving.values()) await router.stop();
    rebootRouters(this.net);
    for (const [side, router] of this.#giving) {
      const upnp = this.#cell?.[side].gives === 'upnp';
      const protocols = { upnp, portControl: upnp ? 'none' : 'both' } as const;
      await router.start(protocols, HOME_ROUTER[side]);
    }
    await Promise.all(SIDES.map((side) => this.#startAgent(side)));
  }

  async stop(): Promise<void> {
    await Promise.all(
      SIDES.map(async (side) => {
        await this.#clients.get(side)?.close();
        this.#clients.delete(side);
        await this.#end(side);
      }),
    );
  }

  client(side: Side): PilotClient {
    const client = this.#clients.get(side);
    if (client === undefined) throw new Error(`node-${side} is not running`);
    return client;
  }

  /** What one agent's daemon knows of the other; undefined before it knows anything. */
  async peer(side: Side): Promise<PeerRow | undefined> {
    return (await this.client(side).peers())[0];
  }

  /** The data of `pilotctl … --json` on one side; undefined when the command fails. */
  tell<T>(side: Side, ...args: string[]): T | undefined {
    try {
      return this.stage.json<T>(this.#actors[side], args);
    } catch {
      return undefined;
    }
  }

  /** Keeps the logs of this run. */
  keepLogs(directory: string): void {
    mkdirSync(directory, { recursive: true });
    for (const [name, { home }] of Object.entries(this.#actors)) {
      const log = join(home, 'lab.log');
      if (existsSync(log))
        copyFileSync(log, join(directory, `${name === 'pub' ? 'rendezvous' : `node-${name}`}.log`));
    }
  }

  async close(): Promise<void> {
    await this.stop().catch(() => {});
    await this.#end('pub');
    for (const router of this.#giving.values()) await router.remove();
    this.net.down();
    this.stage.remove();
  }

  async #startRendezvous(): Promise<void> {
    const { home } = this.#actors.pub;
    const args = ['--registry-addr', '[::]:9000', '--beacon-addr', '[::]:9001'];
    mkdirSync(home, { recursive: true, mode: 0o700 });
    this.#spawn('pub', 'pilot-rendezvous.js', args);
    await until('the rendezvous', async () => {
      const ran = this.net.try('pub', 'ss', '-Hltn', 'sport = :9000');
      return ran.stdout.trim() !== '';
    });
  }

  /** On the router; it dies with it. */
  async #startProxy(side: Side): Promise<void> {
    const credentials = 'agent:of the lab';
    const file = join(this.stage.directory, `proxy-${side}`);
    writeFileSync(file, credentials);
    const address = HOME_ROUTER[side];
    const program = join(PROJECT, 'dist', 'lab', 'proxy.js');
    const words = [
      ...this.net.inside(`r${side}`),
      process.execPath,
      program,
      address,
      String(PROXY_PORT),
      file,
    ];
    const proxy = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => proxy.stdout.once('data', resolve));
    const [user, password] = credentials.split(':').map(encodeURIComponent);
    this.#proxies.set(side, `http://${user}:${password}@${address}:${PROXY_PORT}`);
  }

  #environment(who: Side | 'pub'): NodeJS.ProcessEnv {
    const proxy = who === 'pub' ? undefined : this.#proxies.get(who);
    return {
      ...this.stage.environment(this.#actors[who]),
      PILOT_TRANSPORT: 'auto',
      ...(proxy === undefined ? {} : { HTTPS_PROXY: proxy }),
    };
  }

  async #startAgent(side: Side): Promise<void> {
    const { home } = this.#actors[side];
    const child = this.#spawn(side, 'pilot-daemon.js', []);
    const socketPath = join(home, 'pilot.sock');
    await until(
      `node-${side} to register`,
      async () => {
        if (child.exitCode !== null)
          throw new Error(`the daemon of node-${side} ended with ${child.exitCode}`);
        if (!this.#clients.has(side)) {
          const options = { net: nodeNet(), clock: nodeClock(), crypto: nodeCrypto(), socketPath };
          const client = await PilotClient.connect(options).catch(() => undefined);
          if (client === undefined) return false;
          this.#clients.set(side, client);
        }
        const info = await this.client(side).info();
        return info.node_id !== 0 && info.registry_connected;
      },
      READY_WITHIN_MS,
    );
  }

  #spawn(who: Side | 'pub', program: string, args: readonly string[]): ChildProcess {
    const actor = this.#actors[who];
    const log = join(actor.home, 'lab.log');
    if (who !== 'pub') writeFileSync(log, '');
    const output = openSync(log, 'a');
    const words = [...actor.prefix, process.execPath, join(PROJECT, 'dist', 'bin', program), ...args];
    const child = spawn(words[0]!, words.slice(1), {
      stdio: ['ignore', output, output],
      env: this.#environment(who),
    });
    closeSync(output);
    this.#running.set(who, child);
    return child;
  }

  async #end(who: Side | 'pub'): Promise<void> {
    const child = this.#running.get(who);
    this.#running.delete(who);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
    await ended;
    clearTimeout(timer);
  }

  #ctl(side: Side, ...args: string[]): void {
    this.stage.pilotctl(this.#actors[side], args, { quiet: true });
  }
}

/** Asks every 50 ms. */
export async function until(what: string, condition: () => Promise<boolean>, ms = 10_000): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${ms / 1000} s for ${what}`);
}
