/** Two processes with the two ends of a stack, and the daemons that stand between them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PROJECT } from '../lab/stage.ts';
import type { Answer, Task } from './peer.ts';
import { cpuSeconds } from './processes.ts';

/** A run that takes longer has hung: a bare UDP loop repeats nothing that was lost. */
const PATIENCE = 120_000;

export interface ContenderOptions {
  readonly id: string;
  readonly name: string;
  /** Words for `stackOf`, of the end that serves and of the one that measures. */
  readonly server: readonly string[];
  readonly client: readonly string[];
  /** Processes between them. */
  readonly between?: readonly number[];
  readonly environment?: NodeJS.ProcessEnv;
  /** Words before the command, e.g. those that enter a network namespace. */
  readonly serverPrefix?: readonly string[];
  readonly clientPrefix?: readonly string[];
  /** CPU profiles of both processes go there once `finish` ends them: `NAME.cpuprofile` for each name. */
  readonly profiles?: { readonly directory: string; readonly server: string; readonly client: string };
}

/** What lets a Node process write its CPU profile when it ends. */
export function profiled(directory: string, name: string): string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-name=${name}.cpuprofile`];
}

export interface Bulk {
  /** 10^6 bytes a second. */
  readonly megabytesPerSecond: number;
  /** Of all processes together, for 10^9 bytes. */
  readonly cpuPerGigabyte: number;
}

export class Contender {
  readonly id: string;
  readonly name: string;
  readonly #server: ChildProcess;
  readonly #client: ChildProcess;
  readonly #between: readonly number[];
  #address = '';

  private constructor(options: ContenderOptions) {
    this.id = options.id;
    this.name = options.name;
    this.#between = options.between ?? [];
    const { profiles } = options;
    const start = (prefix: readonly string[], words: readonly string[], name?: string): ChildProcess => {
      const flags = profiles === undefined ? [] : profiled(profiles.directory, name!);
      const all = [
        ...prefix,
        process.execPath,
        ...flags,
        join(PROJECT, 'dist', 'bench', 'peer.js'),
        ...words,
      ];
      return spawn(all[0]!, all.slice(1), {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: { ...process.env, ...options.environment },
      });
    };
    this.#server = start(options.serverPrefix ?? [], options.server, profiles?.server);
    this.#client = start(options.clientPrefix ?? [], options.client, profiles?.client);
  }

  /** Throws when either end does not come up. */
  static async start(options: ContenderOptions): Promise<Contender> {
    const contender = new Contender(options);
    try {
      contender.#address = (await ask(contender.#server, { do: 'listen' })).address!;
      return contender;
    } catch (error) {
      contender.stop();
      throw error;
    }
  }

  get pids(): readonly number[] {
    return [this.#server.pid!, this.#client.pid!, ...this.#between];
  }

  async bulk(bytes: number): Promise<Bulk> {
    const before = cpuSeconds(this.pids);
    const { times } = await this.#ask({ do: 'bulk', address: this.#address, bytes });
    const seconds = times![0]!;
    return {
      megabytesPerSecond: bytes / 1e6 / seconds,
      cpuPerGigabyte: ((cpuSeconds(this.pids) - before) / bytes) * 1e9,
    };
  }

  /** Milliseconds. */
  async echo(count: number): Promise<readonly number[]> {
    return (await this.#ask({ do: 'echo', address: this.#address, count })).times!;
  }

  /** Milliseconds from the dial to the end of the echo. */
  async dial(count: number): Promise<readonly number[]> {
    return (await this.#ask({ do: 'dial', address: this.#address, count })).times!;
  }

  /** Mbit/s that arrived within the time, of each of so many fresh channels. */
  async flow(seconds: number, channels = 1): Promise<readonly number[]> {
    const { times } = await this.#ask({ do: 'flow', address: this.#address, seconds, channels });
    return times!.map((bytes) => (bytes * 8) / 1e6 / seconds);
  }

  /** Milliseconds of small round trips, twenty a second. */
  async probe(seconds: number): Promise<readonly number[]> {
    return (await this.#ask({ do: 'probe', address: this.#address, seconds })).times!;
  }

  /** Closes all channels: the next task opens fresh ones. */
  async drop(): Promise<void> {
    await this.#ask({ do: 'drop' });
  }

  /** Lets both processes end by themselves. */
  async finish(): Promise<void> {
    for (const child of [this.#client, this.#server]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const left = once(child, 'exit');
      child.disconnect();
      await left;
    }
  }

  stop(): void {
    this.#client.kill('SIGKILL');
    this.#server.kill('SIGKILL');
  }

  async #ask(task: Task): Promise<Answer> {
    try {
      return await ask(this.#client, task);
    } catch (error) {
      await ask(this.#client, { do: 'drop' }).catch(() => {});
      throw new Error(`${this.name}: ${task.do}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

function ask(child: ChildProcess, task: Task): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const done = (result: Answer | Error): void => {
      clearTimeout(timer);
      child.off('message', heard);
      child.off('exit', left);
      if (result instanceof Error) reject(result);
      else if (result.error !== undefined) reject(new Error(result.error));
      else resolve(result);
    };
    const heard = (answer: unknown): void => done(answer as Answer);
    const left = (): void => done(new Error('the process ended'));
    const timer = setTimeout(() => done(new Error(`nothing after ${PATIENCE / 1000} s`)), PATIENCE);
    child.on('message', heard);
    child.on('exit', left);
    child.send(task, (error) => {
      if (error !== null && error !== undefined) done(error);
    });
  });
}
