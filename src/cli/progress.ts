import cliProgress from 'cli-progress';
import type { Millis } from '../base/units.ts';
import type { Clock } from '../runtime/ports.ts';
import type { Sink } from './host.ts';
import { formatSize } from './text.ts';

/** Shows how far a transfer is. */
export interface Progress {
  update(doneBytes: number): void;
  /** Leaves the terminal clean. */
  stop(): void;
}

interface ProgressOptions {
  readonly label: string;
  readonly total: number;
  /** Where a resumed transfer starts. */
  readonly from?: number;
}

const SILENT: Progress = { update() {}, stop() {} };
/** A transfer over sooner than this shows no progress. */
const PATIENCE: Millis = 400;
/** Lines of a log are at least this far apart. */
const LINE_PAUSE: Millis = 2000;

/**
 * A bar on a terminal; elsewhere now and then a line, at most one for each tenth, so that logs stay readable. Silent
 * with `quiet`.
 */
export function showProgress(stderr: Sink, clock: Clock, options: ProgressOptions, quiet: boolean): Progress {
  if (quiet || options.total === 0) return SILENT;
  return stderr.isTerminal ? bar(stderr, clock, options) : lines(stderr, clock, options);
}

function bar(stderr: Sink, clock: Clock, options: ProgressOptions): Progress {
  const started = clock.now();
  const from = options.from ?? 0;
  const format = '{label} [{bar}] {percentage}% | {done} of {all} | {rate}/s | {left}';
  const view = new cliProgress.SingleBar(
    {
      format,
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false,
      barsize: Math.max(10, Math.min(40, stderr.columns - options.label.length - 55)),
      stream: streamOf(stderr),
    },
    cliProgress.Presets.shades_grey,
  );
  let running = false;
  return {
    update(doneBytes) {
      const elapsed = clock.now() - started;
      const rate = elapsed > 0 ? ((doneBytes - from) * 1000) / elapsed : 0;
      const payload = {
        label: options.label,
        done: formatSize(doneBytes),
        all: formatSize(options.total),
        rate: formatSize(Math.round(rate)),
        left: rate > 0 ? `${Math.ceil((options.total - doneBytes) / rate)}s left` : '',
      };
      if (running) view.update(doneBytes, payload);
      else if (elapsed >= PATIENCE) {
        view.start(options.total, doneBytes, payload);
        running = true;
      }
    },
    stop() {
      if (running) view.stop();
      running = false;
    },
  };
}

/** cli-progress wants a terminal stream; it uses only these members. */
function streamOf(sink: Sink): NodeJS.WritableStream {
  const stream = {
    isTTY: true,
    columns: sink.columns,
    write: (text: string) => sink.write(text),
    cursorTo() {},
    moveCursor() {},
    clearLine() {},
  };
  return stream as unknown as NodeJS.WritableStream;
}

function lines(stderr: Sink, clock: Clock, options: ProgressOptions): Progress {
  let shownTenth = Math.floor(((options.from ?? 0) * 10) / options.total);
  let shownAt = clock.now();
  return {
    update(doneBytes) {
      const tenth = Math.floor((doneBytes * 10) / options.total);
      if (tenth <= shownTenth || clock.now() - shownAt < LINE_PAUSE) return;
      shownTenth = tenth;
      shownAt = clock.now();
      stderr.write(
        `${options.label} ${tenth * 10}% (${formatSize(doneBytes)} of ${formatSize(options.total)})\n`,
      );
    },
    stop() {},
  };
}
