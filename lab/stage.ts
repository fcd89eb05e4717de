/** The demo's stage: runs pilotctl for each actor, prints the command and its real output, and cleans up. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const PILOTCTL = join(PROJECT, 'dist', 'bin', 'pilotctl.js');
const COLOR = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

function paint(code: string, text: string): string {
  return COLOR ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export interface Actor {
  readonly name: string;
  /** Words before the command, e.g. those that enter a network namespace. */
  readonly prefix: readonly string[];
  readonly home: string;
}

export class Stage {
  readonly directory = mkdtempSync(join(tmpdir(), 'pilot-demo-'));
  readonly started = Date.now();

  actor(name: string, prefix: readonly string[] = []): Actor {
    return { name, prefix, home: join(this.directory, name) };
  }

  title(text: string): void {
    const seconds = ((Date.now() - this.started) / 1000).toFixed(1);
    console.log(`\n${paint('1;36', `== ${text}`)} ${paint('2', `[${seconds} s]`)}`);
  }

  say(text: string): void {
    console.log(paint('2', `   ${text}`));
  }

  environment(actor: Actor): NodeJS.ProcessEnv {
    const { PILOT_REGISTRY: _r, PILOT_SOCKET: _s, ...rest } = process.env;
    return { ...rest, HOME: actor.home, PILOT_HOME: actor.home };
  }

  /** Runs `pilotctl …` for an actor, shows it, and returns its standard output. Fails when the command does. */
  pilotctl(
    actor: Actor,
    args: readonly string[],
    options: { quiet?: boolean; mayFail?: boolean } = {},
  ): string {
    const words = [...actor.prefix, process.execPath, PILOTCTL, ...args];
    const quoted = args.map((word) => (/^[\w./:=@#-]+$/.test(word) ? word : `"${word}"`)).join(' ');
    if (options.quiet !== true)
      console.log(`${paint('1;33', `${actor.name}$`)} ${paint('1', `pilotctl ${quoted}`)}`);
    const ran = spawnSync(words[0]!, words.slice(1), {
      encoding: 'utf8',
      env: this.environment(actor),
      timeout: 60_000,
      maxBuffer: 16 * 1024 * 1024,
    });
    if (options.quiet !== true) {
      for (const line of `${ran.stderr}${ran.stdout}`.split('\n')) {
        if (line.trim() !== '') console.log(`   ${line}`);
      }
    }
    if (ran.status !== 0 && options.mayFail !== true) {
      throw new Error(`${actor.name}: pilotctl ${quoted}: exit ${ran.status}\n${ran.stderr}${ran.stdout}`);
    }
    return ran.stdout;
  }

  /** The same with `--json`; returns the `data` of the envelope. */
  json<T>(actor: Actor, args: readonly string[], options: { mayFail?: boolean } = {}): T {
    const out = this.pilotctl(actor, [...args, '--json'], { quiet: true, ...options });
    return (JSON.parse(out) as { data: T }).data;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
