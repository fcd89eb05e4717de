import type { History, HistorySpan } from '../../api/dashboard.ts';
import { utf8 } from '../../base/bytes.ts';
import type { Millis, UnixMillis } from '../../base/units.ts';
import type { Storage } from '../../runtime/ports.ts';
import { isJsonObject, parseJson } from '../../wire/json.ts';

const FILE = 'dashboard-history.json';
const COLUMNS = ['at', 'online', 'registered', 'links', 'requests'] as const;
type Column = (typeof COLUMNS)[number];
export type Sample = Readonly<Record<Column, number>>;

/** How many samples of each span are kept, and the time between them. */
const SPANS: Readonly<Record<HistorySpan, { readonly every: Millis; readonly keep: number }>> = {
  hour: { every: 15_000, keep: 241 },
  day: { every: 5 * 60_000, keep: 289 },
  month: { every: 2 * 3_600_000, keep: 373 },
};
/** A sample this much early counts as due. */
const TOLERANCE: Millis = 2000;
const NAMES = Object.keys(SPANS) as HistorySpan[];

/** What there was over time, in three resolutions; a few tens of kilobytes. */
export class SampleHistory {
  readonly #spans: Record<HistorySpan, Sample[]> = { hour: [], day: [], month: [] };

  /** Takes a sample where one is due. */
  add(sample: Sample): void {
    for (const name of NAMES) {
      const samples = this.#spans[name];
      const last = samples.at(-1);
      const { every, keep } = SPANS[name];
      if (last !== undefined && sample.at - last.at < every - TOLERANCE && sample.at >= last.at) continue;
      samples.push(sample);
      if (samples.length > keep) samples.shift();
    }
  }
  /** Samples older than the span are left out; before a gap there is a row of -1. */
  span(name: HistorySpan, now: UnixMillis): History {
    const { every, keep } = SPANS[name];
    const rows: Sample[] = [];
    for (const sample of this.#spans[name]) {
      if (sample.at < now - every * keep || sample.at > now) continue;
      const last = rows.at(-1);
      if (last !== undefined && sample.at - last.at > every * 3) rows.push(gapAt(last.at + every));
      rows.push(sample);
    }
    const column = (of: Column): number[] => rows.map((sample) => sample[of]);
    return {
      span: name,
      at: rows.map(({ at }) => Math.floor(at / 1000)),
      online: column('online'),
      registered: column('registered'),
      links: column('links'),
      requests_per_second: column('requests'),
    };
  }

  /** Writes what there is. Errors: those of `Storage.replace`. */
  async save(storage: Storage): Promise<void> {
    const text = JSON.stringify({ version: 1, columns: COLUMNS, ...packed(this.#spans) });
    await storage.replace(FILE, utf8(text));
  }
  /** Reads what an earlier process wrote; what can't be read counts as nothing: it is only a picture. */
  async load(storage: Storage): Promise<void> {
    const bytes = await storage.read(FILE);
    const parsed = bytes === undefined ? 'invalid_json' : parseJson(bytes);
    if (typeof parsed === 'string' || !isJsonObject(parsed.value) || parsed.value.version !== 1) return;
    const { value } = parsed;
    for (const name of NAMES) {
      const rows = Array.isArray(value[name]) ? value[name] : [];
      for (const row of rows.slice(-SPANS[name].keep)) {
        const sample = unpacked(row);
        if (sample !== undefined) this.#spans[name].push(sample);
      }
    }
  }
}

function gapAt(at: UnixMillis): Sample {
  return { at, online: -1, registered: -1, links: -1, requests: -1 };
}
function packed(spans: Readonly<Record<HistorySpan, readonly Sample[]>>): Record<string, number[][]> {
  return Object.fromEntries(
    NAMES.map((name) => [name, spans[name].map((sample) => COLUMNS.map((column) => sample[column]))]),
  );
}
function unpacked(row: unknown): Sample | undefined {
  if (!Array.isArray(row) || row.length !== COLUMNS.length) return undefined;
  if (!row.every((value) => typeof value === 'number' && Number.isFinite(value))) return undefined;
  const [at, online, registered, links, requests] = row as [number, number, number, number, number];
  return { at, online, registered, links, requests };
}
