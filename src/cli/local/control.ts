import { isErrorCode, PilotError } from '../../api/errors.ts';
import type { Pipe } from '../../runtime/ports.ts';
import type { JsonObject } from '../../wire/json.ts';
import { encodeJsonFrame, JsonFrameReader } from '../../wire/registry-frame.ts';
import type { Context } from '../context.ts';

/** Has the running rendezvous of this home do something; rejects with its errors, or `connection_failed` when it ends. */
export type Ask = (op: string, fields?: JsonObject) => Promise<JsonObject>;

/** Talks to the running rendezvous for as long as `work` takes. Errors: `not_running`, `permission_denied`. */
export async function withRendezvous<T>(
  { host, home }: Pick<Context, 'host' | 'home'>,
  work: (ask: Ask) => Promise<T>,
): Promise<T> {
  const pipe = await host.net.connectLocal(home.rendezvousSocket);
  try {
    return await work(asking(pipe));
  } finally {
    pipe.destroy();
  }
}

function asking(pipe: Pipe): Ask {
  const reader = new JsonFrameReader();
  const waiting: { resolve: (reply: JsonObject) => void; reject: (error: PilotError) => void }[] = [];
  let gone = false;
  pipe.onData((data) => {
    reader.push(data);
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) {
      const next = waiting.shift();
      if (reply.ok === true) next?.resolve(reply);
      else next?.reject(errorOf(reply));
    }
  });
  pipe.onClose(() => {
    gone = true;
    for (const { reject } of waiting.splice(0)) reject(ended());
  });
  return (op, fields = {}) => {
    if (gone) return Promise.reject(ended());
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      pipe.write(encodeJsonFrame({ ...fields, op }));
    });
  };
}

function ended(): PilotError {
  return new PilotError('connection_failed', 'The rendezvous ended meanwhile', {
    hint: 'see: pilotctl rendezvous status',
  });
}

function errorOf({ code, message, hint }: JsonObject): PilotError {
  const known = typeof code === 'string' && isErrorCode(code) ? code : 'internal';
  return new PilotError(known, String(message), typeof hint === 'string' ? { hint } : {});
}
