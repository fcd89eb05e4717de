import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { fitFrame } from './fit-frame.ts';
import type { Protocol } from './protocol.ts';

/** Length-prefixed JSON. spec/10 §1.4 */
export function jsonProtocol(): Protocol {
  const reader = new JsonFrameReader();
  return {
    push: (data) => reader.push(data),
    next: () => reader.next(),
    broken: () => reader.error !== undefined,
    buffered: () => reader.pendingBytes,
    inOrder: (frame) => (frame as { request_id?: unknown }).request_id === undefined,
    answer: async (frame, service, context) => fitFrame(await service.handle(frame, context)),
    encodePush: encodeJsonFrame,
  };
}
