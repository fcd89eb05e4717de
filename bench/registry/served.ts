/** Starting and asking the processes of `server.ts`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { residentMegabytes } from '../processes.ts';
import type { Ready, Usage } from './server.ts';

export class Served {
  readonly child: ChildProcess;
  readonly ready: Ready;

  private constructor(child: ChildProcess, ready: Ready) {
    this.child = child;
    this.ready = ready;
  }

  static async start(...args: readonly string[]): Promise<Served> {
    const child = spawnWithFiles(fileURLToPath(new URL('./server.js', import.meta.url)), args);
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended with status ${String(code)}`);
    });
    const [ready] = (await Promise.race([once(child, 'message'), ended])) as [Ready];
    ended.catch(() => {});
    return new Served(child, ready);
  }

  get port(): number {
    return this.ready.port;
  }
  resident(): number {
    return residentMegabytes(this.child.pid!) * 1e6;
  }
  async usage(): Promise<Usage> {
    this.child.send('usage');
    const [usage] = (await once(this.child, 'message')) as [Usage];
    return usage;
  }
  /** Has every node of the store heard of: resolves with their number. */
  async liven(): Promise<number> {
    this.child.send('live');
    const [{ nodes }] = (await once(this.child, 'message')) as [{ nodes: number }];
    return nodes;
  }
  /** Ends it in order. */
  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.send('stop');
    await ended;
  }
  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** A script of ours with an IPC channel and, where the system allows it, room for many sockets. */
export function spawnWithFiles(script: string, args: readonly string[]): ChildProcess {
  const raised = 'ulimit -n $(ulimit -H -n) 2>/dev/null; ulimit -n 1000000 2>/dev/null; exec "$0" "$@"';
  return spawn('sh', ['-c', raised, process.execPath, '--enable-source-maps', script, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

/** Sockets one process may have here, besides what it needs anyway. */
export function socketsAllowed(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /Max open files\s+\d+\s+(\d+|unlimited)/.exec(limits)?.[1];
  return hard === undefined || hard === 'unlimited' ? 1_000_000 : Number(hard) - 100;
}

/** Memory of the kernel for TCP sockets of the whole machine, bytes. */
export function kernelTcpBytes(): number {
  const pages = /^TCP:.* mem (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8'));
  return Number(pages?.[1] ?? 0) * 4096;
}
