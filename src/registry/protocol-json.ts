import { writeU32 } from '../base/bytes.ts';
import type { Bytes } from '../base/units.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { fitReply } from './fit-reply.ts';
import type { Protocol } from './protocol.ts';

/** Length-prefixed JSON. spec/10 §1.4 */
export function jsonProtocol(limit: Bytes): Protocol {
  const reader = new JsonFrameReader(limit);
  return {
    push: (data) => reader.push(data),
    next: () => reader.next(),
    broken: () => reader.error !== undefined,
    buffered: () => reader.pendingBytes,
    inOrder: (frame) => (frame as { request_id?: unknown }).request_id === undefined,
    async answer(frame, service, context) {
      const json = fitReply(await service.handle(frame, context));
      const out = new Uint8Array(4 + json.length);
      writeU32(out, 0, json.length);
      out.set(json, 4);
      return out;
    },
    encodePush: encodeJsonFrame,
  };
}
