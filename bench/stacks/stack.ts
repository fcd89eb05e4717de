/**
 * The stacks that are measured, behind one interface. Here belong only what a stack needs to carry bytes and the two
 * things the far end does with them; what is measured is elsewhere.
 */

/** Bytes both ways. A stack without boundaries of its own may join and cut what was written. */
export interface Channel {
  /** Resolves once the stack takes more. */
  write(data: Uint8Array): Promise<void>;
  /** What arrived next, in order; undefined at the end. Good until the next call. */
  read(): Promise<Uint8Array | undefined>;
  close(): void;
}

export interface Stack {
  /** Serves channels; resolves with the address that `dial` in another process needs. */
  listen(onChannel: (channel: Channel) => void): Promise<string>;
  dial(address: string): Promise<Channel>;
}

/** The first eight bytes of a channel: how many bytes the far end counts for each answer of one byte; 0 echoes all. */
export function preamble(total: number): Uint8Array {
  const header = new Uint8Array(8);
  new DataView(header.buffer).setBigUint64(0, BigInt(total));
  return header;
}

const ONE = new Uint8Array(1);

/** The far end of a channel. */
export async function serve(channel: Channel): Promise<void> {
  try {
    let held = new Uint8Array(0);
    let total = -1;
    let received = 0;
    for (let chunk = await channel.read(); chunk !== undefined; chunk = await channel.read()) {
      if (total < 0) {
        held = new Uint8Array([...held, ...chunk]);
        if (held.length < 8) continue;
        total = Number(new DataView(held.buffer).getBigUint64(0));
        chunk = held.subarray(8);
        if (chunk.length === 0) continue;
      }
      if (total === 0) {
        await channel.write(chunk);
        continue;
      }
      for (received += chunk.length; received >= total; received -= total) await channel.write(ONE);
    }
  } catch {
    // The near end is gone.
  }
  channel.close();
}

/** Reads exactly `count` bytes away. */
export async function swallow(channel: Channel, count: number): Promise<void> {
  for (let left = count; left > 0; ) {
    const chunk = await channel.read();
    if (chunk === undefined) throw new Error('the channel ended');
    left -= chunk.length;
  }
}

/** Chunks that arrive by call and leave by promise. */
export class Inbox {
  #chunks: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  get size(): number {
    return this.#chunks.length;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#chunks.shift();
  }
}
