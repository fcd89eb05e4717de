import { writeU32 } from '../base/bytes.ts';
import type { Bytes } from '../base/units.ts';
import { BINARY_PREAMBLE } from '../wire/registry-binary.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { costOf } from './cost.ts';
import { fitReply } from './fit-reply.ts';
import type { Protocol } from './protocol.ts';
import { binaryProtocol } from './protocol-binary.ts';

/** Length-prefixed JSON. A client may go over to the binary protocol between two frames. spec/10 §1.4 */
export function jsonProtocol(limit: Bytes): Protocol {
  const reader = new JsonFrameReader(limit);
  let successor: Protocol | undefined;
  return {
    push: (data) => reader.push(data),
    ready: () => reader.startsLike(BINARY_PREAMBLE) !== 'incomplete' && reader.ready,
    next: () => {
      if (reader.startsLike(BINARY_PREAMBLE) !== 'yes') return reader.next();
      successor = binaryProtocol(limit);
      successor.push(reader.takeRest().subarray(BINARY_PREAMBLE.length));
      return undefined;
    },
    successor: () => successor,
    cost: costOf,
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
