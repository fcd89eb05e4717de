/** Runs the built pilotctl against real processes on loopback, in homes and on ports of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function projectRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

const PROGRAM = join(projectRoot(), 'dist', 'bin', 'pilotctl.js');

export interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Failure {
  readonly exit: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly data?: unknown;
}

/** A node's home and the command line that belongs to it. */
export class Node {
  readonly home: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(home: string, env: Readonly<Record<string, string>>) {
    this.home = home;
    this.#env = env;
  }

  /** Runs a command as a person would. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const child = this.start(args, options);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        const [stdout, stderr] = [Buffer.concat(out).toString(), Buffer.concat(err).toString()];
        resolve({ exit: code ?? (signal === null ? -1 : 128), stdout, stderr });
      });
    });
  }

  /** Starts a command and leaves it running. */
  start(args: readonly string[], options: RunOptions = {}) {
    const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...this.#env, ...options.env } });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    return child;
  }

  /** Runs a command that must succeed; its human output. */
  async text(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const ran = await this.run(args, options);
    assert.equal(ran.exit, 0, `pilotctl ${args.join(' ')}: exit ${ran.exit}\n${ran.stderr}${ran.stdout}`);
    return ran.stdout;
  }

  /** Runs a command with --json that must succeed; its data. */
  async data<T = Record<string, unknown>>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    const ran = await this.run([...args, '--json'], options);
    assert.equal(ran.exit, 0, `pilotctl ${args.join(' ')}: exit ${ran.exit}\n${ran.stderr}${ran.stdout}`);
    assert.equal(ran.stderr, '', `pilotctl ${args.join(' ')} wrote to stderr`);
    const { status, data } = JSON.parse(ran.stdout) as { status: string; data: T };
    assert.equal(status, 'ok');
    return data;
  }

  /** Runs a command that must fail, both ways, and checks that they agree; the error. */
  async failure(args: readonly string[], options: RunOptions = {}): Promise<Failure> {
    const asJson = await this.run([...args, '--json'], options);
    assert.notEqual(asJson.exit, 0, `pilotctl ${args.join(' ')} should fail: ${asJson.stdout}`);
    assert.equal(asJson.stdout, '', 'a failure prints nothing on stdout');
    const { status, ...error } = JSON.parse(asJson.stderr) as Omit<Failure, 'exit'> & { status: string };
    assert.equal(status, 'error');
    return { exit: asJson.exit, ...error };
  }

  /** The pid of the running daemon, from its pid file. */
  get pid(): number {
    return Number(readFileSync(join(this.home, 'pilot.pid'), 'utf8'));
  }

  get log(): string {
    return readFileSync(join(this.home, 'pilot.log'), 'utf8');
  }
}

/** A machine of its own: homes, the directory daemons find each other by, and two free ports. */
export class Sandbox {
  readonly root = mkdtempSync(join(tmpdir(), 'pilot-e2e-'));
  readonly registryPort: number;
  readonly beaconPort: number;
  readonly #nodes: Node[] = [];

  static async open(): Promise<Sandbox> {
    const [registry, beacon] = [await freePort(), await freePort()];
    return new Sandbox(registry, beacon);
  }

  private constructor(registryPort: number, beaconPort: number) {
    this.registryPort = registryPort;
    this.beaconPort = beaconPort;
  }

  node(name: string): Node {
    const home = join(this.root, name);
    const inherited = Object.entries(process.env).filter(
      ([key, value]) => !key.startsWith('PILOT_') && value !== undefined,
    );
    const node = new Node(home, {
      ...(Object.fromEntries(inherited) as Record<string, string>),
      PILOT_HOME: home,
      PILOT_RUNTIME_DIR: join(this.root, 'run'),
      PILOT_LOCAL_REGISTRY_PORT: String(this.registryPort),
      PILOT_LOCAL_BEACON_PORT: String(this.beaconPort),
      PILOT_LISTEN: '127.0.0.1:0',
      HOME: join(this.root, 'user'),
    });
    this.#nodes.push(node);
    return node;
  }

  async close(): Promise<void> {
    for (const { home } of this.#nodes) {
      for (const name of ['pilot.pid', 'rendezvous.pid']) killIn(join(home, name));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    rmSync(this.root, { recursive: true, force: true, maxRetries: 10 });
  }
}

function killIn(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  } catch {
    // Not running.
  }
}

/** A TCP port nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Tries again until the check passes. */
export async function eventually<T>(check: () => Promise<T>, patience = 15_000): Promise<T> {
  const until = Date.now() + patience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
