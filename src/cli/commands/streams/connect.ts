import { PilotError } from '../../../api/errors.ts';
import { defineCommand, type Result } from '../../command.ts';
import type { Context } from '../../context.ts';
import { PAYLOAD_FLAGS, PAYLOAD_LIMIT, readPayload } from '../../payload.ts';
import { peer, port, text } from '../../values.ts';
import { dialPeer, sendAndReceive } from './talk.ts';

export const connect = defineCommand({
  name: 'connect',
  group: 'Streams',
  summary: 'Open a stream to a port of a peer',
  details:
    'With --data (or --message, or piped standard input) sends it and prints what comes back. On a terminal without ' +
    'data, what you type goes to the peer line by line until Ctrl-D.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    port: { value: port, summary: 'port at the peer', fallback: '1000' },
  },
  flags: { message: { value: text, summary: 'the same as --data' }, ...PAYLOAD_FLAGS },
  timeout: '30s',
  returns: '{target, port, sent, response | response_b64}',
  examples: [
    {
      line: 'pilotctl connect node-b 7 --data hello',
      about: 'Send a line to the echo port and see it come back',
    },
    { line: 'date | pilotctl connect node-b 1000', about: 'Send the output of a program' },
  ],
  async run(context, { args, flags }) {
    if (flags.message !== undefined && flags.data !== undefined) {
      throw new PilotError('invalid_argument', 'Both --message and --data are given', {
        hint: 'give one of them',
      });
    }
    const given = await readPayload(context, { data: flags.message ?? flags.data, dataFile: flags.dataFile });
    if (given !== undefined) return sendAndReceive(context, args.peer, args.port, given);
    if (!context.host.stdin.isTerminal) {
      return sendAndReceive(context, args.peer, args.port, await context.host.stdin.readAll(PAYLOAD_LIMIT));
    }
    if (context.output.json) {
      throw new PilotError('invalid_argument', 'Nothing to send: --data is missing', {
        hint: 'with --json, give --data TEXT, or pipe data to standard input',
      });
    }
    return converse(context, args.peer, args.port);
  },
});

async function converse(context: Context, target: string, at: number): Promise<Result> {
  const { found, conn } = await dialPeer(context, target, at);
  context.unlimited();
  context.output.note(`connected to ${found.label} port ${at}; Ctrl-D ends`);
  let sent = 0;
  const typing = (async () => {
    for await (const chunk of context.host.stdin.chunks()) {
      await conn.write(chunk);
      sent += chunk.length;
    }
    await conn.close();
  })();
  const reading = (async () => {
    for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read())
      context.output.received(chunk);
  })();
  await Promise.race([typing, reading]);
  return { data: { target: found.shown, port: at, sent }, human: '' };
}
