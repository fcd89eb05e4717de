// Homes, daemons and agents of the example: everything lives in one temporary directory and is gone at the end.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const HERE = dirname(fileURLToPath(import.meta.url));
export const PILOTCTL = join(HERE, '..', '..', 'dist', 'bin', 'pilotctl.js');

export class Site {
  #root = mkdtempSync(join(tmpdir(), 'pilot-example-'));
  #ports = [];
  #started = [];
  #agents = [];

  static async open() {
    const site = new Site();
    site.#ports = [await freePort(), await freePort()];
    return site;
  }

  /** A node of its own: what a machine would be. */
  async node(name, config = {}) {
    const home = join(this.#root, name);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    writeFileSync(join(home, 'config.json'), JSON.stringify(config, null, 2), { mode: 0o600 });
    await this.pilotctl(name, ['daemon', 'start', '--hostname', name]);
    this.#started.push(name);
  }

  /** Runs a command at a node; what it printed. */
  async pilotctl(name, words) {
    const child = spawn(process.execPath, [PILOTCTL, ...words], {
      env: this.#env(name),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    const status = await new Promise((resolve) => child.on('close', resolve));
    if (status !== 0) throw new Error(`${name}: pilotctl ${words.join(' ')} failed: ${stderr}`);
    return stdout.trimEnd();
  }

  /** Lets a program answer the messages of a node; resolves once it does. */
  async serve(name, words) {
    const child = spawn(process.execPath, [PILOTCTL, 'agent', 'serve', ...words], {
      env: this.#env(name),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#agents.push(child);
    await new Promise((resolve, reject) => {
      let said = '';
      child.stderr.on('data', (chunk) => {
        said += chunk;
        if (said.includes('answering messages')) resolve();
      });
      child.on('exit', () => reject(new Error(`the agent of ${name} ended: ${said}`)));
    });
  }

  async close() {
    for (const agent of this.#agents) agent.kill('SIGINT');
    await Promise.all(
      this.#agents.map((agent) => agent.exitCode ?? new Promise((resolve) => agent.on('exit', resolve))),
    );
    for (const name of this.#started.reverse()) await this.pilotctl(name, ['daemon', 'stop']).catch(() => {});
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 10 });
  }

  #env(name) {
    const [registry, beacon] = this.#ports;
    return {
      ...process.env,
      PILOT_HOME: join(this.#root, name),
      PILOT_RUNTIME_DIR: join(this.#root, 'run'),
      PILOT_LOCAL_REGISTRY_PORT: String(registry),
      PILOT_LOCAL_BEACON_PORT: String(beacon),
      PILOT_LISTEN: '127.0.0.1:0',
      HOME: this.#root,
    };
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
