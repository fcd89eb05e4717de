/** One run in one cell: from a connect of node-a to the path both end up with. */
import type { PilotClient } from '../src/sdk/client.ts';
import type { Cell } from './cells.ts';
import { possible } from './oracle.ts';
import type { Site } from './site.ts';

export interface Run {
  readonly connected: boolean;
  /** What went wrong, when something did. */
  readonly failure?: string;
  /** The path that packets take at the end, as the daemon says and as the host's kernel counted. */
  readonly path: 'lan' | 'direct' | 'relay' | 'none';
  /** The daemon named another kind of path than the kernel saw. */
  readonly misreported: boolean;
  /** Milliseconds from connect to the first byte of the answer. */
  readonly firstByte?: number;
  /** Milliseconds from connect until the daemon uses a direct path; absent when it never did. */
  readonly toDirect?: number;
  /** What `pilotctl why` names as the cause. */
  readonly why?: string;
}

// A relay is settled when nothing better came for this long; one that may become direct gets more time.
const PATIENCE_MS = { address: 10_000, punch: 10_000, prediction: 12_000, guess: 25_000, nothing: 4_000 };
const ECHO_PORT = 7;
const CONNECT_MS = 20_000;
const COUNTED = 20;

export async function measure(site: Site, cell: Cell): Promise<Run> {
  const lost: Run = { connected: false, path: 'none', misreported: false };
  try {
    await site.start();
  } catch (error) {
    return { ...lost, failure: String(error) };
  }
  // Long enough for a daemon to have looked at its surroundings, as one that has been running for a while has.
  await pause(1500);
  const client = site.client('a');
  const start = performance.now();
  const watching = watchPath(site, start, PATIENCE_MS[possible(cell).by]);
  const talking = new Talk(client);
  try {
    const firstByte = await talking.first();
    const toDirect = await watching.found;
    // Whatever replaces the first direct path has had its chance.
    await pause(300);
    const said = (await site.peer('a'))?.path;
    const path = await countedPath(site, client, said);
    const why = site.tell<{ cause?: string }>('a', 'why', 'node-b')?.cause;
    return {
      connected: true,
      path: path === 'direct' && said === 'lan' ? 'lan' : path,
      misreported: (path === 'relay') !== (said === 'relay'),
      firstByte,
      ...(toDirect === undefined ? {} : { toDirect }),
      ...(why === undefined ? {} : { why }),
    };
  } catch (error) {
    return { ...lost, failure: String(error) };
  } finally {
    watching.stop();
    await talking.close();
  }
}

/** A stream to the other's echo port, with something said every 200 ms. */
class Talk {
  readonly #client: PilotClient;
  #conn: Awaited<ReturnType<PilotClient['dial']>> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(client: PilotClient) {
    this.#client = client;
  }

  async first(): Promise<number> {
    const start = performance.now();
    const conn = await this.#client.dial('node-b', ECHO_PORT, { timeout: CONNECT_MS });
    this.#conn = conn;
    await conn.write(new TextEncoder().encode('first'));
    const answer = await Promise.race([conn.read(), pause(CONNECT_MS)]);
    if (answer === undefined) throw new Error('no answer on a stream that was opened');
    const spent = performance.now() - start;
    void this.#drain(conn);
    this.#timer = setInterval(() => void conn.write(new Uint8Array(32)).catch(() => {}), 200);
    return spent;
  }

  async #drain(conn: { read(): Promise<unknown> }): Promise<void> {
    while ((await conn.read().catch(() => undefined)) !== undefined);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.race([this.#conn?.close().catch(() => {}), pause(1000)]);
  }
}

/** Milliseconds after `start` at which node-a first used something better than a relay; undefined after `patience`. */
function watchPath(
  site: Site,
  start: number,
  patience: number,
): { readonly found: Promise<number | undefined>; stop(): void } {
  let stopped = false;
  const found = (async () => {
    while (!stopped && performance.now() - start < patience) {
      const peer = await site.peer('a').catch(() => undefined);
      if (peer?.established === true && (peer.path === 'direct' || peer.path === 'lan')) {
        return performance.now() - start;
      }
      await pause(20);
    }
    return undefined;
  })();
  return {
    found,
    stop: () => {
      stopped = true;
    },
  };
}

/** Sends pings and lets the kernel count what reaches node-a from elsewhere than the public machine. */
async function countedPath(site: Site, client: PilotClient, said: string | undefined): Promise<Run['path']> {
  const before = site.net.watched('a');
  const { received } = await client.ping('node-b', { count: COUNTED, interval: 20 });
  const straight = site.net.watched('a') - before;
  if (received === 0) return 'none';
  if (straight >= received * 0.8) return 'direct';
  // A few direct packets are probes.
  if (straight <= received * 0.3) return 'relay';
  return said === 'relay' ? 'relay' : 'direct';
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}
