import { defineCommand } from '../../command.ts';
import { findPeer } from '../../peers.ts';
import { showProgress } from '../../progress.ts';
import { formatSize, formatSpan } from '../../text.ts';
import { peer, wholeNumber } from '../../values.ts';

const MIB = 1024 * 1024;

export const bench = defineCommand({
  name: 'bench',
  group: 'Diagnostics',
  summary: 'Measure throughput to a peer and back',
  details: 'Sends data to the echo port and compares every byte that returns.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    size: {
      value: wholeNumber('MB', 1, 100_000),
      summary: 'how much to send, in MB (2^20 bytes)',
      fallback: '1',
    },
  },
  timeout: '120s',
  returns:
    '{target, sent_bytes, recv_bytes, send_duration_ms, total_duration_ms, send_mbps, total_mbps, mb_per_second}; *_mbps are MiB per second, as ever, mb_per_second is 10^6 bytes',
  examples: [{ line: 'pilotctl bench node-b 10', about: 'Send 10 MB through node-b’s echo' }],
  async run(context, { args }) {
    const found = await findPeer(context, args.peer);
    const client = await context.client();
    const total = args.size * MIB;
    const progress = showProgress(
      context.host.stderr,
      context.host.clock,
      { label: `bench ${found.text}`, total },
      context.output.json,
    );
    context.onEnd(() => progress.stop());
    const result = await client.bench(found.address, {
      bytes: total,
      signal: context.signal,
      ...context.stepTimeout,
      onProgress: ({ received }) => progress.update(received),
    });
    progress.stop();
    const perSecond = (duration: number): number =>
      round(result.bytes / MIB / Math.max(duration / 1000, 1e-6));
    return {
      data: {
        target: found.shown,
        sent_bytes: result.bytes,
        recv_bytes: result.bytes,
        send_duration_ms: round(result.send_duration_ms),
        total_duration_ms: round(result.duration_ms),
        send_mbps: perSecond(result.send_duration_ms),
        total_mbps: perSecond(result.duration_ms),
        mb_per_second: round(result.mb_per_second),
      },
      human: `${formatSize(result.bytes)} to ${found.label} and back in ${formatSpan(result.duration_ms)}: ${result.mb_per_second.toFixed(1)} MB/s, every byte verified`,
    };
  },
});

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
