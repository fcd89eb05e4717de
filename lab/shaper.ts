/** Cables with delay, loss, jitter and rate: the kernel here need not have netem, a C compiler is enough. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must, run } from './shell.ts';
import { PROJECT } from './stage.ts';

/** What happens to frames on a cable, the same in both directions. Everything defaults to 0, which is "not at all". */
export interface Link {
  /** One way. */
  readonly delayMs?: number;
  /** Up to this much more for each frame; frames stay in order. */
  readonly jitterMs?: number;
  /** Share of frames lost, 0 to 1. */
  readonly loss?: number;
  readonly mbps?: number;
  /** What waits before a line of `mbps` at most; the rest is dropped. @default 300 */
  readonly queueMs?: number;
}

/** Why cables can't be shaped here, or undefined when they can. */
export function whyNoShaper(): string | undefined {
  return run('cc', ['--version']).status === 0
    ? undefined
    : 'a C compiler is missing (apt-get install gcc libc6-dev)';
}

/** Compiles the shaper unless that was done for this very source before. */
function shaperProgram(): string {
  const source = join(PROJECT, 'lab', 'shaper.c');
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const directory = join(tmpdir(), `pilot-lab-${process.getuid?.() ?? 0}`);
  const program = join(directory, `shaper-${digest}`);
  if (!existsSync(program)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const fresh = `${program}.${process.pid}`;
    must('cc', ['-O2', '-Wall', '-Wextra', '-o', fresh, source]);
    renameSync(fresh, program);
  }
  return program;
}

export class Shaper {
  readonly #program = shaperProgram();
  readonly #directory = mkdtempSync(join(tmpdir(), 'pilot-shaper-'));
  readonly #control = join(this.#directory, 'control');
  readonly #child: ChildProcess;

  /** One process serves all cables of a namespace. */
  constructor(namespace: string) {
    const words = ['netns', 'exec', namespace, this.#program, 'run', this.#control];
    this.#child = spawn('ip', words, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#child.unref();
  }

  /** Makes an interface send frames one by one with complete checksums, as a real cable would carry them. */
  static singleFrames(namespace: string, name: string): void {
    must('ip', ['netns', 'exec', namespace, shaperProgram(), 'single', name]);
  }

  /** Joins two interfaces of the namespace. `first` names the cable. */
  join(first: string, second: string, link: Link): void {
    this.#tell(`join ${first} ${second} ${figures(link)}`);
  }

  change(first: string, link: Link): void {
    this.#tell(`set ${first} ${figures(link)}`);
  }

  close(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #tell(line: string): void {
    must(this.#program, ['tell', this.#control, line]);
  }
}

function figures({ delayMs = 0, jitterMs = 0, loss = 0, mbps = 0, queueMs = 300 }: Link): string {
  return [delayMs * 1e3, jitterMs * 1e3, loss * 1e6, mbps * 1e6, queueMs * 1e3].map(Math.round).join(' ');
}
