import { PilotError } from '../../../api/errors.ts';
import { utf8 } from '../../../base/bytes.ts';
import {
  type AuditEntry,
  type ChainPoint,
  ChainVerifier,
  decodeAuditLine,
  encodeAuditLine,
} from '../../../wire/audit-entry.ts';
import { canonicalJson, type JsonObject } from '../../../wire/json.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { formatFields, plural } from '../../text.ts';
import { path, type Value, wholeNumber } from '../../values.ts';
import { addEntry, addLine, damaged, LineReader } from './audit-file.ts';
import { type Ask, TOKEN_FILE, withRegistry } from './operator.ts';

const PAGE = 500;
const CHUNK = 256 * 1024;

/** `SEQ:HASH`, several with commas. */
const points: Value<readonly ChainPoint[]> = {
  label: 'seq:hash',
  parse(input) {
    return input.split(',').map((part) => {
      const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(part.trim().toLowerCase()) ?? [];
      if (seq === undefined || hash === undefined)
        throw new RangeError('expected SEQ:HASH as `pilotctl registry audit head` prints it');
      return { seq: Number(seq), hash };
    });
  },
};

export const auditHead = defineCommand({
  name: 'registry audit head',
  group: 'Registry and beacon',
  summary: 'Show where the audit log ends, to be noted elsewhere',
  details:
    'Whoever has the store of a registry can write a whole chain anew; he cannot make it end in a hash that was noted ' +
    'before. Give what was noted to `pilotctl registry audit verify --head`.',
  flags: { tokenFile: TOKEN_FILE },
  timeout: '30s',
  returns: '{start: {seq, hash}, head: {seq, hash}}',
  examples: [{ line: 'pilotctl registry audit head', about: 'For a cron job that mails it to you' }],
  async run(context, { flags }) {
    const { start, head } = await withRegistry(context, flags.tokenFile, (ask) =>
      ask('read the audit log', { type: 'audit_head' }),
    );
    const { seq, hash } = head as ChainPoint;
    return { data: { start, head }, human: `${seq}:${hash}` };
  },
});

export const auditExport = defineCommand({
  name: 'registry audit export',
  group: 'Registry and beacon',
  summary: 'Write the audit log as JSON lines',
  details:
    'To standard output, or to a file: one that exists already is verified, and what happened since is added, so that ' +
    'the same command keeps an archive. Entries are checked before they are written.',
  flags: {
    file: { value: path, summary: 'file to write, or to go on with' },
    after: { value: wholeNumber('seq', 0, Number.MAX_SAFE_INTEGER), summary: 'begin after this entry' },
    tokenFile: TOKEN_FILE,
  },
  timeout: 'none',
  returns:
    '{entries, first?, head, file?}; with --json and without --file the entries are counted, not shown',
  examples: [
    { line: 'pilotctl registry audit export > audit.jsonl', about: 'Everything there is' },
    { line: 'pilotctl registry audit export --file /archive/audit.jsonl', about: 'Once a day: what is new' },
  ],
  async run(context, { flags }) {
    if (flags.file !== undefined && flags.after !== undefined) {
      throw new PilotError('invalid_argument', 'Both --file and --after are given', {
        hint: 'a file goes on where it ends',
      });
    }
    return withRegistry(context, flags.tokenFile, (ask) =>
      flags.file === undefined
        ? toOutput(context, ask, flags.after ?? 0)
        : toFile(context, ask, context.host.absolute(flags.file)),
    );
  },
});

async function toOutput(context: Context, ask: Ask, after: number) {
  const verifier = new ChainVerifier(context.host.crypto);
  let first: number | undefined;
  await pages(ask, after, (entries) => {
    for (const entry of entries) {
      first ??= entry.seq;
      addEntry(verifier, entry);
      context.output.line(encodeAuditLine(entry));
    }
  });
  return { data: { entries: verifier.count, first, head: verifier.head }, human: '' };
}

async function toFile(context: Context, ask: Ask, file: string) {
  const { host } = context;
  const slash = file.lastIndexOf('/');
  const partial = await host.storage(file.slice(0, slash) || '/').openPartial(file.slice(slash + 1));
  try {
    const verifier = new ChainVerifier(host.crypto);
    const reader = new LineReader();
    await partial.readAll((chunk) => reader.push(chunk, (line) => addLine(verifier, line)));
    if (reader.torn) throw damaged(`${file} ends within an entry`);
    const had = verifier.count;
    let first: number | undefined;
    const end = verifier.head;
    const { head } = await pages(ask, end?.seq ?? 0, async (entries, start) => {
      if (end !== undefined && start.seq > end.seq) {
        throw damaged(`${file} ends with entry ${end.seq}, and the registry has dropped up to ${start.seq}`);
      }
      for (const entry of entries) {
        first ??= entry.seq;
        addEntry(verifier, entry);
      }
      await partial.append(utf8(entries.map((entry) => `${encodeAuditLine(entry)}\n`).join('')));
    });
    if (end !== undefined && head.seq < end.seq)
      throw damaged(`the registry’s log ends with entry ${head.seq}, ${file} with ${end.seq}`);
    if (end !== undefined && head.seq === end.seq && head.hash !== end.hash)
      throw damaged(`entry ${end.seq} at the registry is another than in ${file}`);
    await partial.sync();
    const entries = verifier.count - had;
    const data = { entries, first, head: verifier.head, file };
    const at = verifier.head === undefined ? '' : `; it ends with entry ${verifier.head.seq}`;
    return { data, human: `${plural(entries, 'new entry').replace(/ys$/, 'ies')} in ${file}${at}` };
  } finally {
    await partial.close();
  }
}

export const auditVerify = defineCommand({
  name: 'registry audit verify',
  group: 'Registry and beacon',
  summary: 'Check that nothing was changed, left out or put into the audit log',
  details:
    'Of a file, without any registry; without a file, the log of the registry. What was cut off at the end, or a chain ' +
    'that was written anew as a whole, shows only against a hash noted earlier: give it with --head.',
  args: {
    file: {
      value: path,
      optional: true,
      summary: 'written by `pilotctl registry audit export`; - is standard input',
    },
  },
  flags: {
    head: { value: points, summary: 'end of the log as noted earlier, SEQ:HASH; several with commas' },
    tokenFile: TOKEN_FILE,
  },
  timeout: 'none',
  returns: '{valid: true, entries, first?, head?}; a log that is not what it was is an error, state_corrupt',
  examples: [
    { line: 'pilotctl registry audit verify', about: 'The log of the registry here' },
    {
      line: 'pilotctl registry audit verify audit.jsonl --head 2:f7b0875270708772674212692579feb3d603d084cc1dfea0b16140a7a8c95ace',
      about: 'A file, against a note',
    },
  ],
  async run(context, { args, flags }) {
    const { host } = context;
    const known = flags.head ?? [];
    let verifier: ChainVerifier;
    let first: number | undefined;
    if (args.file === undefined) {
      verifier = await withRegistry(context, flags.tokenFile, (ask) => verifyRegistry(context, ask, known));
      first = verifier.head === undefined ? undefined : verifier.head.seq - verifier.count + 1;
    } else {
      verifier = new ChainVerifier(host.crypto, { known });
      const reader = new LineReader();
      const add = (line: string): void => {
        const entry = decodeAuditLine(line);
        if (typeof entry !== 'string') first ??= entry.seq;
        addLine(verifier, line);
      };
      for await (const chunk of chunksOf(context, args.file)) reader.push(chunk, add);
      if (reader.torn) throw damaged('the last line has no end');
    }
    const [cut] = verifier.unreached;
    if (cut !== undefined) throw damaged(`it ends before entry ${cut.seq}, whose hash was noted`);
    const { head, count } = verifier;
    const data = {
      valid: true,
      entries: count,
      ...(first !== undefined && { first }),
      ...(head && { head }),
    };
    const human = formatFields([
      ['Chain', 'unbroken'],
      ['Entries', count === 0 ? 'none' : `${count}, from ${first} to ${head!.seq}`],
      ['Head', head === undefined ? undefined : `${head.seq}:${head.hash}`],
      [
        'Against',
        known.length === 0 ? 'nothing noted earlier: give --head' : plural(known.length, 'noted hash'),
      ],
    ]);
    return { data, human };
  },
});

async function verifyRegistry(
  context: Context,
  ask: Ask,
  known: readonly ChainPoint[],
): Promise<ChainVerifier> {
  let verifier: ChainVerifier | undefined;
  const { start, head } = await pages(ask, 0, (entries, begin) => {
    verifier ??= new ChainVerifier(context.host.crypto, { after: begin, known });
    for (const entry of entries) addEntry(verifier, entry);
  });
  verifier ??= new ChainVerifier(context.host.crypto, { known });
  const end = verifier.head ?? start;
  if (end.seq !== head.seq || end.hash !== head.hash)
    throw damaged(`its last entry is ${end.seq}, and it should end with ${head.seq}`);
  return verifier;
}

/** All entries after one, page by page; where the log begins and ended at the last page. */
async function pages(
  ask: Ask,
  after: number,
  take: (entries: readonly AuditEntry[], start: ChainPoint) => void | Promise<void>,
): Promise<{ readonly start: ChainPoint; readonly head: ChainPoint }> {
  for (let from = after; ; ) {
    const page = await ask('read the audit log', { type: 'audit_log', after: from, limit: PAGE });
    const start = page.start as ChainPoint;
    const entries = (page.entries as JsonObject[]).map(entryOf);
    await take(entries, start);
    const last = entries.at(-1);
    if (last === undefined || entries.length < PAGE) return { start, head: page.head as ChainPoint };
    from = last.seq;
  }
}

/** Through the text, as a registry is believed no more than a file. */
function entryOf(value: JsonObject): AuditEntry {
  const entry = decodeAuditLine(canonicalJson(value));
  if (typeof entry === 'string') throw damaged(`the registry sent what is no entry (${entry})`);
  return entry;
}

async function* chunksOf({ host }: Context, file: string): AsyncIterable<Uint8Array> {
  if (file === '-') {
    yield* host.stdin.chunks();
    return;
  }
  const path = host.absolute(file);
  if ((await host.files.info(path)) === undefined) {
    throw new PilotError('not_found', `There is no file ${file}`, {
      hint: 'write one with: pilotctl registry audit export --file FILE',
    });
  }
  const open = await host.files.open(path);
  try {
    for (let at = 0; at < open.size; at += CHUNK) yield await open.read(at, CHUNK);
  } finally {
    await open.close();
  }
}
