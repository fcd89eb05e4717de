import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { PilotError } from '../../src/api/errors.ts';
import type { Answerers, LineProgram } from '../../src/cli/host.ts';

/** After a program has ended, what it started may hold its output open; no longer than this, ms. */
const LINGER = 500;

export function nodeAnswerers(): Answerers {
  return { run, start, post };
}

/** In a process group of its own, so that all of it can be ended. The text is the operator's own; messages never are in it. */
function shell(
  command: string,
  env: Readonly<Record<string, string>>,
): ChildProcessByStdio<Writable, Readable, null> {
  const child = spawn('/bin/sh', ['-c', command], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  // A program need not read what it is sent.
  child.stdin.on('error', () => {});
  return child;
}

function endGroup(child: { readonly pid?: number | undefined }): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

const run: Answerers['run'] = (command, { env, input, limit, signal }) =>
  new Promise((resolve, reject) => {
    const child = shell(command, env);
    const chunks: Buffer[] = [];
    let length = 0;
    const fail = (error: PilotError): void => {
      done();
      reject(error);
    };
    const abort = (): void => fail(new PilotError('cancelled', 'Cancelled: the command was ended'));
    const done = (): void => {
      signal.removeEventListener('abort', abort);
      endGroup(child);
      child.stdout.destroy();
    };
    child.on('error', (error) =>
      fail(new PilotError('io_error', `Cannot run the command: ${error.message}`)),
    );
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) fail(new PilotError('too_large', `The answer is longer than ${limit} bytes`));
    });
    child.on('exit', (code, killer) => {
      const finish = (): void => {
        done();
        resolve({ ending: code ?? killer ?? 0, output: Buffer.concat(chunks) });
      };
      if (child.stdout.readableEnded) finish();
      else {
        const timer = setTimeout(finish, LINGER);
        child.stdout.once('close', () => {
          clearTimeout(timer);
          finish();
        });
      }
    });
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    child.stdin.end(input);
  });

function start(command: string, lineLimit: number): LineProgram {
  const child = shell(command, {});
  const lines: string[] = [];
  let rest: Buffer[] = [];
  let restLength = 0;
  let ended = false;
  let wake: (() => void) | undefined;
  const end = (): void => {
    ended = true;
    endGroup(child);
    wake?.();
  };
  child.on('error', end);
  child.on('exit', () => {
    child.stdout.once('close', end);
    setTimeout(end, LINGER).unref();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      lines.push(Buffer.concat([...rest, chunk.subarray(from, at)]).toString('utf8'));
      rest = [];
      restLength = 0;
      from = at + 1;
    }
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      restLength += chunk.length - from;
    }
    if (restLength > lineLimit) end();
    wake?.();
  });
  return {
    write: (line) => child.stdin.write(`${line}\n`),
    async nextLine() {
      while (lines.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return lines.shift();
    },
    stop: end,
  };
}

const post: Answerers['post'] = async (url, { headers, body, limit, signal }) => {
  const control = new AbortController();
  const abort = (): void => control.abort();
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) abort();
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers,
      body: Buffer.from(body),
      signal: control.signal,
    });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk as Uint8Array);
      length += (chunk as Uint8Array).length;
      if (length > limit) throw new PilotError('too_large', `The answer is longer than ${limit} bytes`);
    }
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      body: Buffer.concat(chunks),
    };
  } catch (thrown) {
    if (thrown instanceof PilotError) throw thrown;
    if (signal.aborted) throw new PilotError('cancelled', 'Cancelled: the request was ended');
    throw new PilotError('connection_failed', 'The HTTP server did not answer', { cause: thrown });
  } finally {
    signal.removeEventListener('abort', abort);
    control.abort();
  }
};
