/** A machine in memory for tests of this folder: files, processes, clock, and registries that answer on ports. */

import { NOT_ACCELERATED } from '../api/acceleration.ts';
import { PilotError } from '../api/errors.ts';
import type { Endpoint, Instant, Millis } from '../base/units.ts';
import { nodeCrypto, nodeRandom } from '../platform/index.ts';
import type { Clock, Log, Net, Pipe, Storage, Timer } from '../runtime/ports.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import type { Files, Host, Processes, Sink } from './host.ts';

/** A clock that stands still until it is advanced. */
export class TestClock implements Clock {
  #now = 0;
  #timers: { when: Instant; callback: () => void }[] = [];

  now(): Instant {
    return this.#now;
  }
  wallNow(): number {
    return 1_700_000_000_000 + this.#now;
  }
  at(when: Instant, callback: () => void): Timer {
    const timer = { when, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.at(this.#now + delay, resolve);
      signal?.addEventListener('abort', () => {
        timer.cancel();
        reject(signal.reason);
      });
    });
  }
  /** Runs every timer due in the next `time` ms, letting promises settle in between. */
  async advance(time: Millis): Promise<void> {
    const until = this.#now + time;
    await settle();
    for (;;) {
      const next = this.#timers.filter(({ when }) => when <= until).sort((a, b) => a.when - b.when)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.when);
      next.callback();
      await settle();
    }
    this.#now = until;
  }
}

export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Keeps what is written to it. */
export class TestSink implements Sink {
  readonly columns = 80;
  readonly isTerminal: boolean;
  text = '';

  constructor(isTerminal = false) {
    this.isTerminal = isTerminal;
  }
  write(data: string | Uint8Array): void {
    this.text += typeof data === 'string' ? data : new TextDecoder().decode(data);
  }
}

interface StoredFile {
  data: string;
  owner: number;
}

/** What all hosts of one machine share. */
export class TestMachine {
  readonly clock = new TestClock();
  readonly files = new Map<string, StoredFile>();
  readonly directories = new Map<string, number>();
  /** Living processes. */
  readonly stamps = new Map<number, string>();
  readonly signals: { pid: number; signal: string }[] = [];
  /** Registries by port. */
  readonly registries = new Map<number, { fingerprint: string; beacons: string[]; plain?: boolean }>();
  #nextPid = 100;

  /** A process of a user, with the terminal and files it sees. */
  host(
    options: { user?: number; env?: Record<string, string>; terminal?: boolean; stdin?: string } = {},
  ): TestHost {
    const user = options.user ?? 1000;
    const pid = this.#nextPid++;
    this.stamps.set(pid, `boot:${pid}`);
    const stdout = new TestSink(options.terminal);
    const stderr = new TestSink(options.terminal);
    return {
      version: '1.2.3',
      env: options.env ?? {},
      userHome: `/home/${user}`,
      machineRuntime: '/run/pilot',
      stdin: {
        isTerminal: options.stdin === undefined,
        readAll: () => Promise.resolve(new TextEncoder().encode(options.stdin ?? '')),
        chunks: async function* () {},
      },
      stdout,
      stderr,
      net: this.#net(),
      clock: this.clock,
      random: nodeRandom(),
      crypto: nodeCrypto(),
      passphraseKey: (passphrase, salt) =>
        Promise.resolve(nodeCrypto().hkdfSha256(passphrase, salt, new Uint8Array(0), 32)),
      stores: {
        copy: () => Promise.reject(new Error('no stores here')),
        check: () => Promise.reject(new Error('no stores here')),
        move: () => Promise.reject(new Error('no stores here')),
        remove: async () => {},
        exportTo: () => Promise.reject(new Error('no stores here')),
        importFrom: () => Promise.reject(new Error('no stores here')),
      },
      files: this.#files(user, pid),
      processes: this.#processes(pid, user),
      answerers: {
        run: () => Promise.reject(new Error('no programs here')),
        start: () => {
          throw new Error('no programs here');
        },
        post: () => Promise.reject(new Error('no servers here')),
      },
      acceleration: () => NOT_ACCELERATED,
      storage: (): Storage => {
        throw new Error('no storage here');
      },
      absolute: (path) => (path.startsWith('/') ? path : `/here/${path}`),
      localTime: (when) => new Date(when).toISOString().slice(0, 19).replace('T', ' '),
      shell: () => Promise.reject(new Error('no shell here')),
      fingerprintOf: (server) => this.#fingerprintOf(server),
      netcheck: () => Promise.reject(new Error('no network here')),
      onInterrupt: () => () => {},
    };
  }

  kill(pid: number): void {
    this.stamps.delete(pid);
  }

  #processes(pid: number, user: number): Processes {
    return {
      pid,
      user,
      stamp: (other) => Promise.resolve(this.stamps.get(other)),
      signal: (other, signal) => {
        this.signals.push({ pid: other, signal });
        return this.stamps.has(other);
      },
      launch: () => Promise.reject(new Error('no processes here')),
      runHere: () => Promise.reject(new Error('no processes here')),
    };
  }

  #files(user: number, pid: number): Files {
    const machine = this;
    const mayRead = (path: string): boolean => {
      const home = /^\/home\/(\d+)\//.exec(path)?.[1];
      return home === undefined || Number(home) === user;
    };
    const demand = (path: string): void => {
      if (!mayRead(path)) throw new PilotError('permission_denied', `Cannot read ${path}`);
    };
    const mkdirs = (path: string): void => {
      const parts = path.split('/').slice(0, -1);
      for (let take = 2; take <= parts.length; take++) {
        const directory = parts.slice(0, take).join('/');
        if (!this.directories.has(directory)) this.directories.set(directory, user);
      }
    };
    return {
      async info(path) {
        demand(path);
        const file = machine.files.get(path);
        if (file !== undefined) {
          return { kind: 'file', bytes: file.data.length, modified: 0, owner: file.owner, mode: 0o600 };
        }
        const owner = machine.directories.get(path);
        return owner === undefined
          ? undefined
          : { kind: 'directory', bytes: 0, modified: 0, owner, mode: 0o700 };
      },
      async read(path) {
        demand(path);
        const file = machine.files.get(path);
        return file === undefined ? undefined : new TextEncoder().encode(file.data);
      },
      async replace(path, data) {
        demand(path);
        mkdirs(path);
        machine.files.set(path, { data, owner: user });
      },
      async create(path, data) {
        demand(path);
        if (machine.files.has(path)) return false;
        mkdirs(path);
        machine.files.set(path, { data, owner: user });
        return true;
      },
      async rename(from, to) {
        const file = machine.files.get(from);
        if (file === undefined) return false;
        machine.files.delete(from);
        machine.files.set(to, file);
        return true;
      },
      async remove(path) {
        machine.files.delete(path);
      },
      async list(directory) {
        const prefix = `${directory}/`;
        return [...machine.files.keys()]
          .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
          .map((path) => path.slice(prefix.length))
          .sort();
      },
      async shareDirectory(path) {
        machine.directories.set(path, user);
      },
      open: () => Promise.reject(new Error(`no open files here (${pid})`)),
    };
  }

  async #fingerprintOf(server: Endpoint): Promise<string> {
    const registry = this.registries.get(server.port);
    if (registry === undefined) throw new PilotError('connection_failed', 'refused');
    if (registry.plain === true) throw new PilotError('protocol_error', 'no TLS');
    return registry.fingerprint;
  }

  #net(): Net {
    const refuse = (): Promise<never> => Promise.reject(new PilotError('not_running', 'nothing listens'));
    return {
      connect: async (to: Endpoint, options?: { tls?: { fingerprint?: string } }) => {
        const registry = this.registries.get(to.port);
        if (registry === undefined) throw new PilotError('connection_failed', 'refused');
        const wanted = options?.tls?.fingerprint;
        if (wanted !== undefined && wanted !== registry.fingerprint) {
          throw new PilotError('fingerprint_mismatch', 'another key');
        }
        return registryPipe(registry.beacons);
      },
      webSocket: refuse,
      connectLocal: refuse,
      udp: refuse,
      listen: refuse,
      listenLocal: refuse,
      resolve: (host: string) => Promise.resolve([host]),
      localAddresses: () => ['192.0.2.1'],
      links: () => [],
      gateways: () => [],
      watchNetworks: () => ({ cancel() {} }),
    } as Net;
  }
}

export type TestHost = Host & { readonly stdout: TestSink; readonly stderr: TestSink };

/** The server's end answers every request with a challenge. */
function registryPipe(beacons: readonly string[]): Pipe {
  let receiver: ((data: Uint8Array) => void) | undefined;
  const reader = new JsonFrameReader();
  return {
    remote: { host: '127.0.0.1', port: 1 },
    local: { host: '127.0.0.1', port: 2 },
    secure: true,
    queued: 0,
    write(data) {
      reader.push(data);
      if (reader.next() !== undefined) {
        queueMicrotask(() => receiver?.(encodeJsonFrame({ type: 'challenge_ok', beacons, features: [] })));
      }
      return true;
    },
    drained: () => Promise.resolve(),
    onData(callback) {
      receiver = callback;
    },
    onClose() {},
    pause() {},
    resume() {},
    end() {},
    destroy() {},
  };
}

/** Drops everything. */
export const SILENT_LOG: Log = { event() {} };
