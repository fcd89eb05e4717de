/** What this machine's own user may have a running rendezvous do: requests over a local socket that is his alone. */
import { asPilotError, PilotError } from '../api/errors.ts';
import type { Net, Pipe, PipeServer } from '../runtime/ports.ts';
import type { JsonObject } from '../wire/json.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';

/** One connection. */
export interface ControlSession {
  /** Runs once, when the other side is gone, however it went. */
  onEnd(run: () => void): void;
}

/** Answers `{op, …}`. Errors are told with code and hint. */
export type ControlOperation = (request: JsonObject, session: ControlSession) => Promise<JsonObject>;

export interface ControlOptions {
  readonly net: Net;
  readonly path: string;
  readonly operations: Readonly<Record<string, ControlOperation>>;
}

/** Frames as on the registry's port, one after the other. Errors: `socket_in_use`, `io_error`. */
export async function serveControl({ net, path, operations }: ControlOptions): Promise<PipeServer> {
  const pipes = new Set<Pipe>();
  const server = await net.listenLocal(path, (pipe) => {
    pipes.add(pipe);
    pipe.onClose(() => pipes.delete(pipe));
    converse(pipe, operations);
  });
  return {
    local: server.local,
    async close() {
      for (const pipe of pipes) pipe.destroy();
      await server.close();
    },
  };
}

function converse(pipe: Pipe, operations: ControlOptions['operations']): void {
  const reader = new JsonFrameReader();
  const endings: (() => void)[] = [];
  let closed = false;
  let answering = false;
  pipe.onClose(() => {
    closed = true;
    for (const run of endings.splice(0)) run();
  });
  const session: ControlSession = {
    onEnd(run) {
      if (closed) run();
      else endings.push(run);
    },
  };

  async function answerAll(): Promise<void> {
    if (answering) return;
    answering = true;
    for (let request = reader.next(); request !== undefined && !closed; request = reader.next())
      pipe.write(encodeJsonFrame(await answer(request)));
    answering = false;
    if (reader.error !== undefined) pipe.end();
  }
  async function answer(request: JsonObject): Promise<JsonObject> {
    const name = typeof request.op === 'string' ? request.op : '';
    const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
    try {
      if (operation === undefined)
        throw new PilotError('invalid_argument', `the rendezvous cannot do "${name.slice(0, 64)}"`);
      return { ...(await operation(request, session)), ok: true };
    } catch (thrown) {
      const { code, message, hint } = asPilotError(thrown);
      return { ok: false, code, message, ...(hint === undefined ? {} : { hint }) };
    }
  }
  pipe.onData((data) => {
    reader.push(data);
    void answerAll();
  });
}
