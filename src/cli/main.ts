import { asPilotError, ERRORS, PilotError } from '../api/errors.ts';
import type { Millis } from '../base/units.ts';
import type { Clock } from '../runtime/ports.ts';
import { CATALOGUE } from './catalogue.ts';
import type { Command, CommandInput } from './command.ts';
import { Context, type TimeLimit } from './context.ts';
import { describeCommand } from './docs.ts';
import type { Host } from './host.ts';
import { Output, PartialFailure } from './output.ts';
import { parseArguments, wantsJson } from './program.ts';
import { formatSpan } from './text.ts';

/** Runs one command line and returns the exit status. `argv` is without the program's name. Never throws. */
export async function runCli(host: Host, argv: readonly string[]): Promise<number> {
  const invocation = parseArguments(CATALOGUE, argv, host.version);
  const json = invocation.kind === 'run' ? invocation.json : wantsJson(argv);
  const output = new Output(json, host.stdout, host.stderr);
  switch (invocation.kind) {
    case 'answer':
      output.result({ data: answerData(invocation.command, host), human: invocation.text });
      return 0;
    case 'usage':
      if (output.json) {
        output.failure(
          new PilotError('invalid_argument', 'Missing command', {
            hint: 'see the list of commands with: pilotctl context --json',
          }),
        );
        return 1;
      }
      host.stderr.write(invocation.text);
      return 2;
    case 'refused':
      output.failure(invocation.error);
      return invocation.exit;
    case 'run':
      return await execute(host, output, invocation);
  }
}

function answerData(command: Command | undefined, host: Host): unknown {
  if (command === undefined) return { commands: CATALOGUE.map((entry) => entry.name) };
  return command.name === 'version' ? { version: host.version } : describeCommand(command);
}

async function execute(
  host: Host,
  output: Output,
  { command, input, timeout }: { command: Command; input: CommandInput; timeout: number | undefined },
): Promise<number> {
  const control = new AbortController();
  const stop = host.onInterrupt(() => control.abort(new PilotError('cancelled', `Stopped: ${command.name}`)));
  const limit = timeout === undefined ? undefined : limitTo(timeout, host.clock, command, control);
  const context = new Context(host, output, CATALOGUE, control.signal, limit, stop);
  let status = 0;
  try {
    output.result(await Promise.race([command.run(context, input), aborted(control.signal, host.clock)]));
  } catch (thrown) {
    const failure = causeOf(thrown, control.signal);
    output.failure(failure);
    const error = failure instanceof PartialFailure ? failure.error : asPilotError(failure);
    status = ERRORS[error.code].exit;
  }
  limit?.lift();
  await Promise.race([context.end().catch(() => {}), host.clock.sleep(CLEANUP)]);
  stop();
  return status;
}

function limitTo(length: Millis, clock: Clock, command: Command, control: AbortController): TimeLimit {
  const deadline = clock.now() + length;
  const timer = clock.at(deadline, () => {
    control.abort(
      new PilotError('timeout', `No result from "pilotctl ${command.name}" within ${formatSpan(length)}`, {
        hint: 'allow more time with --timeout, or see: pilotctl daemon status',
      }),
    );
  });
  return { length, deadline, lift: () => timer.cancel() };
}

/** Calls that were cancelled because time was up, or at Ctrl-C, fail for that reason. */
function causeOf(thrown: unknown, signal: AbortSignal): unknown {
  const cancelled = thrown instanceof PilotError && thrown.code === 'cancelled';
  return cancelled && signal.aborted ? signal.reason : thrown;
}

/** A daemon that no longer answers must not keep the command from ending, ms. */
const CLEANUP = 1000;
/** Time a command has after its end was decided to report what it did get, ms. */
const GRACE = 200;

function aborted(signal: AbortSignal, clock: Clock): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      void clock.sleep(GRACE).then(() => reject(signal.reason));
    });
  });
}
