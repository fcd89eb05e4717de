import { encodeJsonFrame } from '../wire/registry-frame.ts';

/** The reply as a frame, or a refusal when it would be longer than any client reads. */
export function fitFrame(reply: Record<string, unknown>): Uint8Array {
  try {
    return encodeJsonFrame(reply);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const echo = reply.request_id === undefined ? {} : { request_id: reply.request_id, code: 'too_large' };
    return encodeJsonFrame({ type: 'error', error: 'request failed', ...echo });
  }
}
