import type { Conn } from '../../api/stream.ts';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Address } from '../../base/units.ts';
import { connOf } from '../../daemon/stream-host.ts';
import { FakeNetwork } from '../../ipc/fake-backend.testkit.ts';
import { nodeCrypto } from '../../platform/crypto.ts';
import { nodeRandom } from '../../platform/random.ts';
import { ackText, DATA_TYPE, type DataFrame, encodeDataFrame } from '../../wire/data-exchange.ts';
import { decodeTagged, encodeTagged, type MessageTags } from '../../wire/tagged.ts';
import { AnswerReader } from './answer-reader.ts';
import { type AnswerWatch, type Asked, ask } from './ask.ts';
import { ManualClock } from './exchange.testkit.ts';
import { Lines } from './lines.ts';
import type { MessageContext, OutgoingMessage } from './message-sender.ts';
import {
  type Answerer,
  MessageServer,
  type MessageServerLimits,
  type ServedEvent,
} from './message-server.ts';

export const ASKER = 2;

/** A network in memory with somebody at port 1001 of node 1, and node 2 who asks. */
export class AskingSite {
  readonly clock = new ManualClock();
  readonly network = new FakeNetwork();
  /** Streams opened to the responder. */
  dials = 0;
  readonly #lines: Lines | undefined;

  constructor(onStream: (conn: Conn) => void, options: { shareLines?: boolean } = {}) {
    this.#lines = options.shareLines ? new Lines(this.clock) : undefined;
    this.network.node(1).listen(1001, (stream) => onStream(connOf(stream)));
    this.network.node(ASKER);
  }

  context(overrides: Partial<MessageContext> = {}): MessageContext {
    return {
      clock: this.clock,
      lines: this.#lines,
      dial: async () => {
        this.dials++;
        return connOf(await this.network.nodes.get(ASKER)!.dial({ network: 0, node: 1 }, 1001, {}));
      },
      ...overrides,
    };
  }

  ask(
    text: string,
    options: { id?: string; wait?: number; inbox?: FakeInbox; context?: Partial<MessageContext> } = {},
  ): Promise<Asked> {
    const { id = 'q1', wait = 30_000, inbox = new FakeInbox(), context } = options;
    const question = { type: 'text', data: utf8(text), messageId: id } as const;
    const asked = ask(this.context(context), question, inbox, { wait, peer: 'expert' });
    asked.catch(() => {});
    return asked;
  }
}

/** The inbox of the asker. */
export class FakeInbox implements AnswerWatch {
  isKnown = true;
  echoes = false;
  #receiver: ((frame: DataFrame, id: string) => void) | undefined;

  onMessage(receiver: (frame: DataFrame, id: string) => void): void {
    this.#receiver = receiver;
  }

  arrives(text: string, tags?: MessageTags): void {
    const inner = { type: DATA_TYPE.text, payload: utf8(text) };
    this.#receiver?.(
      tags === undefined ? inner : { type: DATA_TYPE.tagged, payload: encodeTagged(tags, inner) },
      `id of ${text}`,
    );
  }
}

/** A service as ours serve it. */
export function service(
  clock: ManualClock,
  answer: Answerer,
  limits: MessageServerLimits = {},
): { server: MessageServer; events: ServedEvent[]; sent: { to: Address; message: OutgoingMessage }[] } {
  const events: ServedEvent[] = [];
  const sent: { to: Address; message: OutgoingMessage }[] = [];
  const server = new MessageServer({
    clock,
    crypto: nodeCrypto(),
    random: nodeRandom(),
    answer,
    send: async (to, message) => void sent.push({ to, message }),
    limits,
    onEvent: (event) => events.push(event),
  });
  return { server, events, sent };
}

/** A receiver that stores messages and knows ids or not, as older ones. */
export async function oldReceiver(conn: Conn, knowsIds: boolean, got: string[]): Promise<void> {
  const frames = new AnswerReader(conn, 1 << 24);
  const next = () => frames.next().catch(() => undefined);
  for (let frame = await next(); frame !== undefined; frame = await next()) {
    const tagged = frame.type === DATA_TYPE.tagged && knowsIds ? decodeTagged(frame.payload) : undefined;
    const inner = typeof tagged === 'object' ? tagged.inner : frame;
    if (inner.type !== DATA_TYPE.tagged) got.push(fromUtf8(inner.payload));
    await conn.write(encodeDataFrame(DATA_TYPE.text, utf8(ackText(inner.type, inner.payload.length))));
  }
}

/** The frames somebody wrote to a stream, as text with their ids. */
export async function said(conn: Conn, count: number): Promise<{ text: string; tags: MessageTags }[]> {
  const frames = new AnswerReader(conn, 1 << 24);
  const out: { text: string; tags: MessageTags }[] = [];
  while (out.length < count) {
    const frame = await frames.next();
    if (frame === undefined) break;
    const tagged = frame.type === DATA_TYPE.tagged ? decodeTagged(frame.payload) : undefined;
    out.push(
      typeof tagged === 'object'
        ? { text: fromUtf8(tagged.inner.payload), tags: tagged.tags }
        : { text: fromUtf8(frame.payload), tags: {} },
    );
  }
  return out;
}
