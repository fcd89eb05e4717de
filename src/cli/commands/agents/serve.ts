import { PilotError } from '../../../api/errors.ts';
import { type MessageHandler, MessageService } from '../../../sdk/message-service.ts';
import { ANSWER_LIMIT, type ServedEvent } from '../../../services/data-exchange/message-server.ts';
import { formatAddress } from '../../../wire/address.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { formatSize, formatSpan, printable } from '../../text.ts';
import { duration, port, text, type Value, wholeNumber } from '../../values.ts';
import { answerByCommand, answerByUrl, withConventions } from './answering.ts';
import { LineAnswerer } from './line-program.ts';

/** JSON around an answer in a line, and base64. */
const LINE_FACTOR = 2;

const httpUrl: Value<string> = {
  label: 'url',
  parse(input) {
    if (!/^https?:\/\/[^/]/.test(input)) throw new RangeError('expected http://… or https://…');
    return input;
  },
};

export const agentServe = defineCommand({
  name: 'agent serve',
  group: 'Agents',
  summary: 'Answer the messages of this node with a program or an HTTP server',
  details:
    'While it runs, messages to this node go to the program instead of the inbox, and what it writes goes back to the ' +
    'sender. Files and replies to own messages still arrive as usual. The command is run by sh; a message reaches it ' +
    'only as standard input. Runs until Ctrl-C, also when the daemon restarts. See docs/agents.md.',
  flags: {
    command: {
      value: text,
      summary: 'shell command: the message on its standard input, the answer on its standard output',
    },
    lines: { summary: 'with --command: one program for all messages, a line of JSON in and out for each' },
    url: { value: httpUrl, summary: 'HTTP server each message is posted to' },
    port: { value: port, summary: 'serve on a port of its own instead of the messages of the node' },
    about: { value: text, summary: 'answer to /summary' },
    helpText: { value: text, summary: 'answer to /help' },
    concurrency: {
      value: wholeNumber('number', 1, 1024),
      summary: 'messages answered at once',
      fallback: '4',
    },
    queue: {
      value: wholeNumber('number', 0, 100_000),
      summary: 'messages that may wait; more are refused',
      fallback: '256',
    },
    answerTime: { value: duration, summary: 'time for one answer', fallback: '60s' },
    maxInput: {
      value: wholeNumber('bytes', 1, ANSWER_LIMIT),
      summary: 'largest message',
      fallback: '1048576',
    },
    maxOutput: {
      value: wholeNumber('bytes', 1, ANSWER_LIMIT),
      summary: 'largest answer',
      fallback: '1048576',
    },
  },
  timeout: 'none',
  returns: '{answered, failed, refused, undelivered}',
  examples: [
    { line: 'pilotctl agent serve --command "wc -w"', about: 'Count the words of every message' },
    {
      line: 'pilotctl agent serve --url http://127.0.0.1:8080/ask --about "answers questions"',
      about: 'Put a local HTTP server behind the address of this node',
    },
    {
      line: 'pilotctl agent serve --lines --command "python3 agent.py" --concurrency 32',
      about: 'One long-lived program for all messages',
    },
  ],
  async run(context, { flags }) {
    const { host, output } = context;
    const counts = { answered: 0, failed: 0, refused: 0, undelivered: 0 };
    const { handler, shown } = handlerOf(context, flags);
    const service = new MessageService(
      host,
      withConventions(handler, { help: flags.helpText, summary: flags.about }),
      {
        port: flags.port,
        concurrency: flags.concurrency,
        queue: flags.queue,
        time: flags.answerTime,
        input: flags.maxInput,
        output: flags.maxOutput,
        onEvent(event) {
          counts[event.kind]++;
          output.note(lineOf(event));
        },
      },
    );
    const stopped = new Promise<void>((resolve) => {
      const unhook = host.onInterrupt(() => {
        output.note('stopping: answers under way get 5s; again to stop at once');
        unhook();
        host.onInterrupt(() => void service.close(0));
        void service.close().then(resolve);
      });
    });
    context.standAlone();
    await service.run(
      () => context.connect(),
      (at) => output.note(`answering messages on port ${at} with ${printable(shown)}`),
    );
    await stopped;
    return {
      data: counts,
      human: `answered ${counts.answered}, failed ${counts.failed}, refused ${counts.refused}`,
    };
  },
});

function handlerOf(
  context: Context,
  flags: {
    readonly command: string | undefined;
    readonly lines: boolean;
    readonly url: string | undefined;
    readonly maxOutput: number;
  },
): { handler: MessageHandler; shown: string } {
  const { answerers, clock } = context.host;
  const { command, url, lines, maxOutput } = flags;
  const limits = { output: maxOutput };
  if ((command === undefined) === (url === undefined) || (lines && command === undefined)) {
    throw new PilotError('invalid_argument', 'Say what answers: either --command or --url', {
      hint: 'see: pilotctl agent serve --help',
    });
  }
  if (url !== undefined) return { handler: answerByUrl(answerers, url, limits), shown: url };
  const shown = command ?? '';
  if (!lines) return { handler: answerByCommand(answerers, shown, limits), shown };
  const program = new LineAnswerer({
    answerers,
    clock,
    command: shown,
    lineLimit: maxOutput * LINE_FACTOR + 4096,
    onEnd: (what) => context.output.note(what),
  });
  context.onEnd(() => program.stop());
  return { handler: (message, signal) => program.answer(message, signal), shown };
}

function lineOf({ kind, from, messageId, bytes, took, error }: ServedEvent): string {
  const what =
    error === undefined ? `${formatSize(bytes)} in ${formatSpan(Math.max(1, took))}` : error.message;
  return `${kind}: ${formatAddress(from)}${messageId === undefined ? '' : ` ${messageId}`}, ${what}`;
}
