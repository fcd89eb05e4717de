import { asPilotError, ERRORS, PilotError } from '../../../api/errors.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import type { ReadableFile } from '../../host.ts';
import { fileNotFound } from '../../payload.ts';
import { findPeer } from '../../peers.ts';
import { type Progress, showProgress } from '../../progress.ts';
import { formatSize, formatSpan } from '../../text.ts';
import { path, peer } from '../../values.ts';

export const sendFile = defineCommand({
  name: 'send-file',
  group: 'Messages and files',
  summary: 'Send a file to a peer',
  details:
    'The peer checks the SHA-256 before the file appears there. When the transfer breaks off, run the same command ' +
    'again: it goes on where it stopped.',
  args: {
    peer: { value: peer, summary: 'hostname, address or node id' },
    file: { value: path, summary: 'file to send' },
  },
  flags: {
    background: { summary: 'give way to everything else on the path, other programs included' },
  },
  timeout: 'none',
  returns: '{filename, bytes, destination, ack, transport, sha256, resumed_from, duration_ms}',
  examples: [
    {
      line: 'pilotctl send-file node-b ./model.bin',
      about: 'Send a file; node-b sees it with: pilotctl received',
    },
    {
      line: 'pilotctl send-file node-b ./archive.tar --background',
      about: 'Send a large one that nobody waits for, without slowing down anything else',
    },
  ],
  async run(context, { args, flags }) {
    const source = await openSource(context, args.file);
    context.onEnd(() => source.close());
    const found = await findPeer(context, args.peer);
    const client = await context.client();
    const { clock, stderr } = context.host;
    const started = clock.now();
    let sendingSince = started;
    let shown: { phase: string; progress: Progress } | undefined;
    context.onEnd(() => shown?.progress.stop());
    const sent = await client
      .sendFile(found.address, source, {
        signal: context.signal,
        ...(flags.background && { priority: 'background' as const }),
        onProgress({ phase, bytes, total }) {
          if (shown?.phase !== phase) {
            shown?.progress.stop();
            if (phase === 'sending') sendingSince = clock.now();
            const label = phase === 'hashing' ? 'checksum' : source.name;
            const options = { label, total, from: bytes };
            shown = { phase, progress: showProgress(stderr, clock, options, context.output.json) };
          }
          shown.progress.update(bytes);
        },
      })
      .catch((thrown: unknown) => {
        throw context.signal.aborted ? stopped(context.signal.reason) : thrown;
      });
    shown?.progress.stop();
    const duration = clock.now() - started;
    const sending = Math.max(1, clock.now() - sendingSince);
    const rate = formatSize(Math.round(((sent.bytes - sent.resumedFrom) * 1000) / sending));
    const resumed = sent.resumedFrom > 0 ? `, resumed at ${formatSize(sent.resumedFrom)}` : '';
    return {
      data: {
        filename: sent.filename,
        bytes: sent.bytes,
        destination: sent.destination,
        ack: sent.ack,
        transport: sent.transport,
        sha256: sent.sha256,
        resumed_from: sent.resumedFrom,
        duration_ms: Math.round(duration),
      },
      human: [
        `sent ${sent.filename} to ${found.label}: ${formatSize(sent.bytes)} in ${formatSpan(duration)} (${rate}/s${resumed})`,
        `sha256 ${sent.sha256}${sent.transport === 'stream' ? ', checked by the peer' : ''}`,
      ].join('\n'),
    };
  },
});

async function openSource(context: Context, file: string): Promise<ReadableFile> {
  const info = await context.host.files.info(file);
  if (info === undefined) throw fileNotFound(file);
  if (info.kind !== 'file') {
    throw new PilotError('invalid_argument', `Cannot send ${file}: it is not a file`, {
      hint:
        info.kind === 'directory'
          ? `pack it first: tar czf ${file.replace(/\/+$/, '')}.tar.gz ${file}`
          : 'name an ordinary file',
    });
  }
  return context.host.files.open(file);
}

function stopped(reason: unknown): PilotError {
  const { code, message } = asPilotError(reason);
  return new PilotError(code, message, { hint: ERRORS.transfer_failed.hint });
}
