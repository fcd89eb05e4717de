import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { PilotError } from '../../src/api/errors.ts';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import type { StorePlace, TransferFacts } from '../../src/cli/host.ts';
import { nodeClock, nodeCrypto, nodeRandom, nodeStorage } from '../../src/platform/index.ts';

/** Of the certificate that clients pinned, beside an embedded store and in a database alike. */
const TLS_KEY = 'tls.json';
const CHUNK = 1024 * 1024;
/** Longest line that is read. */
const MAX_LINE = 64 * 1024 * 1024;

interface Opened {
  readonly store: {
    exportTo(sha256: Sha256, emit: (line: string) => void): Promise<TransferFacts>;
    importFrom(sha256: Sha256, lines: Iterable<string>): Promise<TransferFacts>;
    close(): Promise<void>;
  };
  certificate(): Promise<string | undefined>;
  /** Leaves the one that is there. */
  offerCertificate(text: string): Promise<void>;
}
type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Everything of a store into a new file, for its owner only. Errors: those of opening a store, and `already_exists`. */
export async function exportStore(place: StorePlace, file: string): Promise<TransferFacts> {
  const opened = await open(place);
  const partial = `${file}.${process.pid}.partial`;
  try {
    const handle = openSync(partial, 'wx', 0o600);
    let waiting: string[] = [];
    let size = 0;
    const flush = (): void => {
      if (size > 0) writeSync(handle, waiting.join(''));
      [waiting, size] = [[], 0];
    };
    const emit = (line: string): void => {
      waiting.push(`${line}\n`);
      size += line.length;
      if (size >= CHUNK) flush();
    };
    try {
      emit(JSON.stringify({ pilot_registry_file: 1, certificate: (await opened.certificate()) ?? null }));
      const facts = await opened.store.exportTo(nodeCrypto().sha256, emit);
      flush();
      fsyncSync(handle);
      return facts;
    } finally {
      closeSync(handle);
    }
  } finally {
    await opened.store.close();
  }
}

/** Fills an empty store with what was exported; nothing of it when anything is wrong. */
export async function importStore(place: StorePlace, file: string): Promise<TransferFacts> {
  const opened = await open(place);
  try {
    const lines = linesOf(file);
    const first = lines.next();
    const header = first.done === true ? undefined : readHeader(first.value);
    if (header === undefined)
      throw new PilotError('invalid_argument', `Cannot import ${file}: it is no export of a registry`);
    const facts = await opened.store.importFrom(nodeCrypto().sha256, lines);
    if (header.certificate !== null) await opened.offerCertificate(header.certificate);
    return facts;
  } finally {
    await opened.store.close();
  }
}

/** Gives the finished file its name. */
export function finishExport(file: string): void {
  renameSync(`${file}.${process.pid}.partial`, file);
}
export function dropExport(file: string): void {
  rmSync(`${file}.${process.pid}.partial`, { force: true });
}

async function open({ directory, database }: StorePlace): Promise<Opened> {
  const [clock, log, random] = [nodeClock(), { event() {} }, nodeRandom()];
  if (database !== undefined) {
    const { openPostgresStore } = await import('../../src/registry/store/postgres.ts');
    const store = await openPostgresStore({ url: database, clock, log, random: () => random.fraction() });
    return {
      store,
      certificate: () => store.setting(TLS_KEY),
      offerCertificate: (text) => store.offerSetting(TLS_KEY, text),
    };
  }
  const { openEmbeddedStore } = await import('../../src/registry/store/embedded.ts');
  const storage = nodeStorage(directory);
  const store = await openEmbeddedStore({ path: `${directory}/registry.db`, clock, log });
  return {
    store,
    async certificate() {
      const bytes = await storage.read(TLS_KEY);
      return bytes === undefined ? undefined : fromUtf8(bytes);
    },
    async offerCertificate(text) {
      if ((await storage.read(TLS_KEY)) === undefined) await storage.replace(TLS_KEY, utf8(text));
    },
  };
}

function readHeader(line: string): { readonly certificate: string | null } | undefined {
  try {
    const { pilot_registry_file: version, certificate } = JSON.parse(line) as Record<string, unknown>;
    if (version === 1 && (certificate === null || typeof certificate === 'string')) return { certificate };
  } catch {
    // Said by the caller.
  }
  return undefined;
}

function* linesOf(file: string): Generator<string, undefined> {
  const handle = openSync(file, 'r');
  try {
    const chunk = new Uint8Array(CHUNK);
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      const length = readSync(handle, chunk);
      rest += decoder.decode(chunk.subarray(0, length), { stream: length > 0 });
      const lines = rest.split('\n');
      rest = lines.pop()!;
      yield* lines;
      if (rest.length > MAX_LINE)
        throw new PilotError('state_corrupt', `Cannot import ${file}: a line of it is too long`);
      if (length === 0) break;
    }
    if (rest !== '') yield rest;
    return undefined;
  } finally {
    closeSync(handle);
  }
}
