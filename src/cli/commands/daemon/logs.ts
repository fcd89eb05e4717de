import { asPilotError, PilotError } from '../../../api/errors.ts';
import { fromUtf8 } from '../../../base/bytes.ts';
import { type Command, defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import type { Home } from '../../home.ts';
import type { Program } from '../../host.ts';
import { formatLogLine, lastLines } from '../../log-view.ts';
import { wholeNumber } from '../../values.ts';

/** How often a followed log is looked at, ms. */
const POLL = 250;

/** The command that shows the log of a background program. */
export function logsCommand(program: Program, logOf: (home: Home) => string): Command {
  return defineCommand({
    name: `${program} logs`,
    group: program === 'daemon' ? 'Daemon' : 'Registry and beacon',
    summary: `Show the log of the ${program}`,
    flags: {
      lines: {
        value: wholeNumber('number', 1, 100_000),
        summary: 'how many of the last lines',
        fallback: '50',
        short: 'n',
      },
      follow: {
        summary: 'go on with new lines until Ctrl-C; with --json one log line per line',
        short: 'f',
      },
    },
    timeout: 'none',
    returns: '{log_file, lines: [one log event each]}; with --follow the events themselves, one a line',
    examples: [
      { line: `pilotctl ${program} logs`, about: 'What happened last?' },
      { line: `pilotctl ${program} logs -f`, about: 'Watch it' },
    ],
    async run(context, { flags }) {
      const { host } = context;
      const log = logOf(context.home);
      if ((await host.files.info(log)) === undefined) {
        throw new PilotError('not_found', `No log yet: ${log}`, {
          hint: `start the ${program} with: pilotctl ${program} start`,
        });
      }
      const file = await host.files.open(log);
      const lines = await lastLines(file, flags.lines);
      const end = file.size;
      await file.close();
      if (!flags.follow) {
        for (const line of lines) context.output.line(formatLogLine(line, host.localTime));
        return { data: { log_file: log, lines: lines.map(asEvent) }, human: '' };
      }
      for (const line of lines) show(context, line);
      await follow(context, log, end);
      const why = asPilotError(context.signal.reason);
      // Ctrl-C is how one stops watching.
      if (why.code !== 'cancelled') throw why;
      return { data: { log_file: log }, human: '' };
    },
  });
}

export const daemonLogs = logsCommand('daemon', (home) => home.daemon.log);

async function follow(context: Context, log: string, from: number): Promise<void> {
  const { clock, files } = context.host;
  let at = from;
  let rest = '';
  while (!context.signal.aborted) {
    await clock.sleep(POLL, context.signal).catch(() => {});
    if ((await files.info(log)) === undefined) continue;
    const file = await files.open(log);
    // A log that shrank was moved aside and starts anew.
    if (file.size < at) at = 0;
    const text = rest + fromUtf8(await file.read(at, file.size - at));
    at = file.size;
    await file.close();
    const lines = text.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) show(context, line);
  }
}

function show(context: Context, line: string): void {
  const { host, output } = context;
  host.stdout.write(`${output.json ? line : formatLogLine(line, host.localTime)}\n`);
}

function asEvent(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return { event: line };
  }
}
