import { PilotError } from '../api/errors.ts';
import type { Instant, Millis } from '../base/units.ts';
import { PilotClient } from '../sdk/client.ts';
import type { Command } from './command.ts';
import { type RawConfig, readConfigFile } from './config/file.ts';
import { type FlagTexts, type Resolved, resolveSettings } from './config/settings.ts';
import { type Home, homeOf } from './home.ts';
import type { Host } from './host.ts';
import type { Output } from './output.ts';

const STEP_MARGIN: Millis = 300;
const MIN_STEP: Millis = 50;

/** How long the whole command may take. */
export interface TimeLimit {
  readonly length: Millis;
  readonly deadline: Instant;
  lift(): void;
}

/** What a running command works with. */
export class Context {
  readonly host: Host;
  readonly home: Home;
  readonly output: Output;
  readonly catalogue: readonly Command[];
  /** Aborted at Ctrl-C and when the command's time is over; the reason is the PilotError to report. */
  readonly signal: AbortSignal;
  #limit: TimeLimit | undefined;
  readonly #ignoreInterrupts: () => void;
  #client: Promise<PilotClient> | undefined;
  #connected: PilotClient | undefined;
  readonly #cleanups: (() => void | Promise<void>)[] = [];

  constructor(
    host: Host,
    output: Output,
    catalogue: readonly Command[],
    signal: AbortSignal,
    limit: TimeLimit | undefined,
    ignoreInterrupts: () => void,
  ) {
    this.#ignoreInterrupts = ignoreInterrupts;
    this.host = host;
    this.catalogue = catalogue;
    this.home = homeOf(host);
    this.output = output;
    this.signal = signal;
    this.#limit = limit;
  }

  /** Time left for the whole command, never negative; undefined when it may take as long as it likes. */
  get timeLeft(): number | undefined {
    return this.#limit === undefined ? undefined : Math.max(0, this.#limit.deadline - this.host.clock.now());
  }

  /** For one step of the command: over a little before the command is, so that the step can say what was missing. */
  get stepTimeout(): { readonly timeout?: Millis } {
    const left = this.timeLeft;
    return left === undefined ? {} : { timeout: Math.max(MIN_STEP, left - STEP_MARGIN) };
  }

  /** Length of the whole command as asked for. */
  get timeoutGiven(): Millis | undefined {
    return this.#limit?.length;
  }

  /** From now on the command may take as long as it likes: a person is at the other end of it. */
  unlimited(): void {
    this.#limit?.lift();
    this.#limit = undefined;
  }

  /** From now on the command itself ends in good order at Ctrl-C, however long that takes. */
  standAlone(): void {
    this.unlimited();
    this.#ignoreInterrupts();
  }

  rawConfig(): Promise<RawConfig> {
    return readConfigFile(this.host.files, this.home.config);
  }

  async settings(flags: FlagTexts = {}): Promise<Resolved> {
    return resolveSettings({ flags, env: this.host.env, file: await this.rawConfig(), home: this.home });
  }

  /** The daemon. Connects at the first call. Errors: `not_running`, `permission_denied`. */
  client(): Promise<PilotClient> {
    this.#client ??= this.#connect().then((client) => {
      this.#connected = client;
      return client;
    });
    return this.#client;
  }

  /** A connection of its own, for a command that outlives the daemon. Errors: as `client`. */
  connect(): Promise<PilotClient> {
    return this.#connect();
  }

  async #connect(): Promise<PilotClient> {
    const { settings, origins } = await this.settings();
    try {
      const { net, clock, crypto, random } = this.host;
      return await PilotClient.connect({
        socketPath: settings.socket,
        net,
        clock,
        crypto,
        random,
        client: 'pilotctl',
      });
    } catch (thrown) {
      if (!(thrown instanceof PilotError) || thrown.code !== 'not_running') throw thrown;
      const { cause } = thrown;
      if (cause instanceof PilotError && cause.code === 'permission_denied') {
        throw new PilotError('permission_denied', cause.message, {
          hint: 'use the daemon of your own user',
          cause,
        });
      }
      const where = origins.socket === 'default' ? '' : ` (socket ${settings.socket})`;
      throw new PilotError('not_running', `The daemon is not running${where}`, { cause: thrown });
    }
  }

  /** Runs at the end of the command, however it ends; last registered first. */
  onEnd(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  async end(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
    this.#connected?.close();
  }
}
