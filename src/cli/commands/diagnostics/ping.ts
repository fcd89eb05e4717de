import { asPilotError, PilotError } from '../../../api/errors.ts';
import type { PilotClient } from '../../../sdk/client.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { PartialFailure } from '../../output.ts';
import { type FoundPeer, findPeer } from '../../peers.ts';
import { formatMillis, plural } from '../../text.ts';
import { duration, peer, wholeNumber } from '../../values.ts';

/** A ping that takes longer counts as lost, ms. */
const PER_PING = 5000;

export const ping = defineCommand({
  name: 'ping',
  group: 'Diagnostics',
  summary: 'Measure round trips to a peer',
  details:
    'Travels inside the encrypted tunnel, so it also shows that peer and path work. Fails when no answer comes.',
  args: { peer: { value: peer, summary: 'hostname, address or node id' } },
  flags: {
    count: { value: wholeNumber('number', 1, 1_000_000), summary: 'how many', fallback: '4' },
    interval: { value: duration, summary: 'time from one to the next', fallback: '1s' },
  },
  timeout: '30s',
  returns:
    '{target, sent, received, min_ms, avg_ms, max_ms, results: [{seq, rtt_ms, path, endpoint} | {seq, error}], timeout}',
  examples: [
    { line: 'pilotctl ping node-b', about: 'Is node-b there, and by which path?' },
    { line: 'pilotctl ping node-b --count 100 --interval 100ms', about: 'A hundred, ten a second' },
  ],
  async run(context, { args, flags }) {
    const { output, signal } = context;
    const found = await findPeer(context, args.peer);
    const client = await context.client();
    const results: object[] = [];
    let received = 0;
    let summary: Awaited<ReturnType<PilotClient['ping']>> | undefined;
    try {
      summary = await client.ping(found.shown, {
        count: flags.count,
        interval: flags.interval,
        timeout: Math.min(PER_PING, context.stepTimeout.timeout ?? PER_PING),
        signal,
        onResult(result) {
          if (results.length === 0) output.line(`PING ${found.label}`);
          if (result.ok) {
            received++;
            const { seq, rtt_ms, path, endpoint } = result;
            results.push({ seq, rtt_ms, path, endpoint });
            const way = path === '' ? '' : ` path=${path}${endpoint === '' ? '' : ` via ${endpoint}`}`;
            output.line(`seq=${seq} time=${formatMillis(rtt_ms)}${way}`);
          } else {
            results.push({ seq: result.seq, error: result.message });
            output.line(`seq=${result.seq} lost`);
          }
        },
      });
    } catch (thrown) {
      // When time is up after some answers, what they say still counts.
      if (!signal.aborted || received === 0)
        throw signal.aborted ? await silence(context, client, found, results.length) : thrown;
    }
    const sent = summary?.sent ?? results.length;
    const data = {
      target: found.shown,
      sent,
      received,
      min_ms: summary?.min_ms ?? null,
      avg_ms: summary?.avg_ms ?? null,
      max_ms: summary?.max_ms ?? null,
      results,
      timeout: signal.aborted,
    };
    if (received === 0) throw new PartialFailure(await silence(context, client, found, sent), data);
    const times =
      summary === undefined || summary.min_ms === null || summary.avg_ms === null || summary.max_ms === null
        ? ''
        : `, min/avg/max ${formatMillis(summary.min_ms)} / ${formatMillis(summary.avg_ms)} / ${formatMillis(summary.max_ms)}`;
    return { data, human: `${plural(sent, 'ping')} sent, ${received} answered${times}` };
  },
});

/** Why nothing came back, as far as this side can tell. */
async function silence(
  context: Context,
  client: PilotClient,
  found: FoundPeer,
  sent: number,
): Promise<PilotError> {
  const reason = context.signal.aborted ? asPilotError(context.signal.reason) : undefined;
  if (reason?.code === 'cancelled') return reason;
  const message = `No answer from ${found.label}${sent > 1 ? ` to ${sent} pings` : ''}`;
  const trusted = await client.trusted().catch(() => undefined);
  const isTrusted = trusted?.some(({ node_id }) => node_id === found.address.node);
  const hint =
    isTrusted === false
      ? `it is not trusted: ask with: pilotctl handshake ${found.text} "reason"`
      : 'check that its daemon runs there: pilotctl daemon status; see paths here with: pilotctl peers';
  return new PilotError('timeout', message, { hint });
}
