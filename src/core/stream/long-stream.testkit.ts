/** One long stream in virtual time, with its sequence numbers beginning where the caller says. */
import assert from 'node:assert/strict';
import type { Bytes } from '../../base/units.ts';
import { Link, type LinkConditions, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

const PORT = 1000;
const NODES = [1, 2] as const;
/** Prime, so that nothing that is lost, repeated or moved falls on the same bytes again. */
const PERIOD = 65_521;
const WRITE: Bytes = 60_000;

export interface LongStream {
  readonly bytes: Bytes;
  /** Sequence number both directions begin with. */
  readonly start: number;
  /** Largest payload of a packet. */
  readonly segment: Bytes;
  readonly seed: number;
  readonly conditions: Partial<LinkConditions>;
  /** Called with every full share of the way, 0 to 1. */
  readonly progress?: (done: Bytes) => void;
}

/** Moves the bytes, checks each, and ends both directions. Returns how many packets that took, and virtual ms. */
export function runLongStream(options: LongStream): { readonly packets: number; readonly took: number } {
  const { bytes, start, segment, seed, conditions } = options;
  const random = seededRandom(seed);
  const numbered = (label: string) => ({ ...random.fork(label), u32: () => start >>> 0 });
  const ends = NODES.map((node) => {
    const streams = new Streams({ random: numbered(`node ${node}`) });
    streams.setNode(node);
    return streams;
  });
  const [a, b] = ends as [Streams, Streams];
  // As long as the longest write, twice: any stretch of the content is one piece of it.
  const once = seededRandom(seed + 1).bytes(PERIOD);
  const content = Buffer.concat([once, once, once]);
  let written = 0;
  let read = 0;
  let conn: number | undefined;
  let incoming: number | undefined;
  let over = 0;
  const failures: string[] = [];

  const write = (): void => {
    while (conn !== undefined && written < bytes) {
      const from = written % PERIOD;
      const length = Math.min(WRITE, bytes - written);
      const taken = a.write(conn, content.subarray(from, from + length), link.now);
      written += taken;
      if (taken < length) return;
    }
    if (conn !== undefined) a.close(conn, link.now);
  };
  const take = (): void => {
    for (;;) {
      const chunk = b.read(incoming!, link.now);
      if (chunk === undefined) break;
      const from = read % PERIOD;
      const expected = content.subarray(from, from + chunk.length);
      assert.ok(Buffer.compare(expected, chunk) === 0, `the bytes from ${read} on are others`);
      read += chunk.length;
      options.progress?.(read);
    }
    if (b.atEnd(incoming!)) b.close(incoming!, link.now);
  };
  const link = new Link(
    ends as [Streams, Streams],
    NODES,
    random.fork('link'),
    conditions,
    (side, output) => {
      if (output.type === 'incoming') incoming = output.conn;
      else if (side === 0 && (output.type === 'connected' || output.type === 'writable')) write();
      else if (side === 1 && output.type === 'readable') take();
      else if (output.type === 'closed') {
        over++;
        if (output.reason !== 'finished') failures.push(output.reason);
      } else if (output.type === 'dialFailed') failures.push(output.reason);
    },
  );
  b.listen(PORT);
  for (const [index, end] of ends.entries()) end.setSegmentLimit(NODES[1 - index]!, segment, link.now);
  conn = a.dial({ network: 0, node: NODES[1] }, PORT, link.now);
  const began = link.now;
  const ended = link.run(Number.MAX_SAFE_INTEGER, () => over === 2 || failures.length > 0);
  assert.deepEqual(failures, []);
  assert.ok(ended, `stopped at ${read} of ${bytes} bytes`);
  assert.equal(read, bytes);
  return { packets: link.packets, took: link.now - began };
}
