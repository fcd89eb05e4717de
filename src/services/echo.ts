import type { Conn, Listener, StreamHost } from '../api/stream.ts';

/** spec/21 §1 */
export const ECHO_PORT = 7;

/** Streams echoed at once; more are reset. Chosen: each holds one chunk at a time. */
const LIMIT = 256;

/** Writes every byte back, in order, until the peer finishes. */
export function serveEcho(host: StreamHost): Listener {
  const listener = host.listen(ECHO_PORT);
  let open = 0;
  void (async () => {
    for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept()) {
      if (open >= LIMIT) conn.abort();
      else {
        open++;
        void echo(conn).finally(() => open--);
      }
    }
  })();
  return listener;
}

async function echo(conn: Conn): Promise<void> {
  try {
    for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read())
      await conn.write(chunk);
    await conn.close();
  } catch {
    conn.abort();
  }
}
