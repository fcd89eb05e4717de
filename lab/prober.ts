/** Runs `probe` on machines of a network. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { NatBehaviour } from '../src/core/nat/behaviour.ts';
import type { Network } from './network.ts';
import { PROJECT } from './stage.ts';

const PROBE = join(PROJECT, 'dist', 'lab', 'probe.js');

interface Seen {
  readonly host: string;
  readonly port: number;
}

export class Prober {
  readonly #network: Network;
  readonly #children: ChildProcess[] = [];

  constructor(network: Network) {
    this.#network = network;
  }

  #words(machine: string, ...words: string[]): [string, string[]] {
    const all = [...this.#network.inside(machine), process.execPath, PROBE, ...words];
    return [all[0]!, all.slice(1)];
  }

  /** Answers on two ports of each address from now on. */
  async reflect(machine: string, ...hosts: string[]): Promise<void> {
    await this.#speaker(machine, 'reflect', ...hosts).next();
  }

  async behaviour(machine: string, first: string, second: string): Promise<NatBehaviour> {
    const [command, words] = this.#words(machine, 'behaviour', first, second);
    const { stdout } = await promisify(execFile)(command, words);
    return JSON.parse(stdout) as NatBehaviour;
  }

  /** Lets two machines send to each other's endpoint as `reflector` saw it; returns whether each heard the other. */
  async punch(a: string, b: string, reflector: string): Promise<readonly [boolean, boolean]> {
    const sides = [a, b].map((machine) => this.#speaker(machine, 'punch', reflector));
    const [seenA, seenB] = (await Promise.all(sides.map((side) => side.next()))) as (Seen | null)[];
    sides[0]!.tell(seenB ?? { host: '203.0.113.254', port: 9 });
    sides[1]!.tell(seenA ?? { host: '203.0.113.254', port: 9 });
    const heard = (await Promise.all(sides.map((side) => side.next()))) as string[][];
    return [heard[0]!.length > 0, heard[1]!.length > 0];
  }

  #speaker(machine: string, ...words: string[]): { next(): Promise<unknown>; tell(value: unknown): void } {
    const [command, rest] = this.#words(machine, ...words);
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      async next() {
        const { value, done } = await lines.next();
        if (done === true) throw new Error(`probe ${words.join(' ')} on ${machine} ended`);
        return value === 'ready' ? value : JSON.parse(value);
      },
      tell(value) {
        child.stdin.write(`${JSON.stringify(value)}\n`);
      },
    };
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}
