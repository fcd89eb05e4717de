import type { FastifyReply } from 'fastify';
import type { Overview } from '../../api/dashboard.ts';
import type { Bytes } from '../../base/units.ts';
import { sourceOf } from '../source.ts';
import { HttpRefusal } from './access.ts';

const MAX_STREAMS = 1000;
const PER_HOST = 50;
/** What a page has not taken by then it will not take: it is cut, and comes back by itself. */
const MAX_UNSENT: Bytes = 64 * 1024;

type Raw = FastifyReply['raw'];

/** Pages that are told what is new, by server-sent events. What is said is written once for all. */
export class PageStreams {
  readonly #open = new Map<Raw, string>();
  readonly #perHost = new Map<string, number>();

  get size(): number {
    return this.#open.size;
  }

  open(reply: FastifyReply, host: string, overview: Overview): void {
    const source = sourceOf(host);
    const others = this.#perHost.get(source) ?? 0;
    if (this.#open.size >= MAX_STREAMS || others >= PER_HOST)
      throw new HttpRefusal(
        503,
        'unavailable',
        'Too many pages are open',
        'close some, or ask /api/overview',
      );
    reply.hijack();
    const { raw } = reply;
    // Sent by hand: fastify does not end this answer.
    raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    this.#open.set(raw, source);
    this.#perHost.set(source, others + 1);
    raw.on('close', () => this.#forget(raw));
    raw.on('error', () => {});
    raw.write(`retry: 3000\n${eventOf(overview)}`);
  }
  tell(overview: Overview): void {
    if (this.#open.size === 0) return;
    const event = eventOf(overview);
    for (const raw of this.#open.keys()) {
      if (raw.writableLength > MAX_UNSENT) raw.destroy();
      else raw.write(event);
    }
  }
  close(): void {
    for (const raw of this.#open.keys()) raw.end();
  }

  #forget(raw: Raw): void {
    const source = this.#open.get(raw);
    if (source === undefined) return;
    this.#open.delete(raw);
    const left = this.#perHost.get(source)! - 1;
    if (left > 0) this.#perHost.set(source, left);
    else this.#perHost.delete(source);
  }
}

function eventOf(overview: Overview): string {
  return `event: overview\ndata: ${JSON.stringify(overview)}\n\n`;
}
