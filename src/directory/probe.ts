import type { Millis } from '../base/units.ts';
import type { Clock, Pipe } from '../runtime/ports.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';

const LARGEST_ANSWER = 65_536;

/** In words that nothing accepts connections at an endpoint. */
export const NOTHING_LISTENS = 'nothing listens there';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: NOTHING_LISTENS,
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host cannot be looked up',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'no answer',
};

/** Why a connection failed, in words; undefined when the message does not say. The system's word for it stands at its end. */
export function connectFailure(message: string): string | undefined {
  return message.includes('no answer') ? 'no answer' : REASONS[message.split(': ').at(-1) ?? ''];
}

/**
 * Asks a server for a challenge, which changes nothing there. Any JSON object is an answer: old registries refuse the
 * request, but in their own framing; undefined when there is none in time. spec/10
 */
export function askChallenge(
  pipe: Pipe,
  clock: Clock,
  timeout: Millis,
): Promise<Record<string, unknown> | undefined> {
  return new Promise((resolve) => {
    const reader = new JsonFrameReader(LARGEST_ANSWER);
    const timer = clock.at(clock.now() + timeout, () => resolve(undefined));
    const finish = (reply: Record<string, unknown> | undefined): void => {
      timer.cancel();
      resolve(reply);
    };
    pipe.onClose(() => finish(undefined));
    pipe.onData((data) => {
      reader.push(data);
      const reply = reader.next();
      if (reply !== undefined) finish(reply as Record<string, unknown>);
      else if (reader.error !== undefined) finish(undefined);
    });
    pipe.write(encodeJsonFrame({ type: 'challenge' }));
  });
}
