import { encodeJson } from '../wire/json.ts';
import { REGISTRY_FRAME_LIMIT } from '../wire/registry-frame.ts';
import type { Reply } from './service/call.ts';

/** The reply as JSON bytes, or a refusal when it would be longer than any client reads. */
export function fitReply(reply: Reply): Uint8Array {
  const json = encodeJson(reply);
  // One byte less, since the binary encoding counts its type byte.
  if (json.length < REGISTRY_FRAME_LIMIT) return json;
  const echo = reply.request_id === undefined ? {} : { request_id: reply.request_id, code: 'too_large' };
  return encodeJson({ type: 'error', error: 'request failed', ...echo });
}
