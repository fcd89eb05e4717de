import { utf8 } from '../../../base/bytes.ts';
import { defineCommand } from '../../command.ts';
import { needPayload, PAYLOAD_FLAGS } from '../../payload.ts';
import { findPeer } from '../../peers.ts';
import { duration, peer, text } from '../../values.ts';
import { askData, askPeer } from '../messages/asking.ts';
import { checkType, messageType } from '../messages/payload-type.ts';
import { findAgent } from './introduce.ts';

export const ask = defineCommand({
  name: 'ask',
  group: 'Agents',
  summary: 'Ask an agent and print its reply',
  details:
    'The same as send-message with --wait, for scripts: standard output is the reply and nothing else. By convention ' +
    'agents know /help, /summary and /data {json}. A private agent is asked for trust first, for messages ' +
    'and nothing else; one that approves by rule answers at once.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    question: { value: text, summary: 'the same as --data', optional: true },
  },
  flags: {
    ...PAYLOAD_FLAGS,
    type: { value: messageType, summary: 'text, json or binary', fallback: 'text' },
    wait: { value: duration, summary: 'how long to wait for the reply, from the delivery', fallback: '30s' },
    handshake: { summary: 'do not ask a private agent for trust first', negated: true },
  },
  timeout: '60s',
  returns:
    '{target, type, bytes, ack, message_id, tagged, retried?, reply: {type, from, bytes, data | data_b64, message_id?, reply_to?, via, id?}, reply_after_ms}',
  examples: [
    { line: 'pilotctl ask units "12 km in miles"', about: 'One question, one answer' },
    { line: 'pilotctl ask units /help', about: 'What can it do?' },
    { line: 'pilotctl ask text-stats --data-file essay.txt', about: 'Ask about the content of a file' },
  ],
  async run(context, { args, flags }) {
    const data = args.question === undefined ? await needPayload(context, flags, 'ask') : utf8(args.question);
    checkType(flags.type, data);
    const found = await (flags.handshake ? findAgent : findPeer)(context, args.peer);
    const asked = await askPeer(context, found, { type: flags.type, data }, flags.wait);
    context.output.received(asked.reply.data);
    return { data: askData(asked), human: '' };
  },
});
