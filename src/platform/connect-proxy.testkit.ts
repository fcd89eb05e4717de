/** A real HTTP proxy for tests: CONNECT only, with credentials that may change. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Endpoint } from '../base/units.ts';

export interface TestProxy {
  readonly endpoint: Endpoint;
  /** `user:password` that count now; undefined lets everybody in. */
  credentials: string | undefined;
  /** Answers this in place of what it should. */
  answer: string | undefined;
  /** Every CONNECT: its target, and the status it got. */
  readonly log: { readonly target: string; readonly status: number }[];
  /** Ends the connections that it has opened. */
  cut(): void;
  close(): Promise<void>;
}

/** `redirect` names where a CONNECT to a target really goes: tests have no names to resolve. */
export function startProxy(
  redirect: (target: string) => Endpoint | undefined = () => undefined,
): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    keep(client);
    let head = '';
    const onData = (data: Buffer): void => {
      head += data.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      client.off('data', onData);
      serve(client, head.slice(0, end), Buffer.from(head.slice(end + 4), 'latin1'));
    };
    client.on('data', onData);
  });
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const serve = (client: Socket, head: string, rest: Buffer): void => {
    const target = /^CONNECT (\S+) HTTP\/1\.1/.exec(head)?.[1];
    const given = /^proxy-authorization: basic (\S+)/im.exec(head)?.[1];
    const refuse = (status: number, line: string): void => {
      proxy.log.push({ target: target ?? '', status });
      client.end(`HTTP/1.1 ${status} ${line}\r\nContent-Length: 0\r\n\r\n`);
    };
    if (proxy.answer !== undefined) {
      client.end(proxy.answer);
      return;
    }
    if (target === undefined) {
      refuse(405, 'Only CONNECT');
      return;
    }
    const wanted = proxy.credentials;
    if (wanted !== undefined && given !== Buffer.from(wanted).toString('base64')) {
      refuse(407, 'Proxy Authentication Required');
      return;
    }
    const colon = target.lastIndexOf(':');
    const to = redirect(target) ?? {
      host: target.slice(0, colon).replace(/^\[|\]$/g, ''),
      port: Number(target.slice(colon + 1)),
    };
    const upstream = connect({ host: to.host, port: to.port });
    keep(upstream);
    upstream.once('connect', () => {
      proxy.log.push({ target, status: 200 });
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (rest.length > 0) upstream.write(rest);
      client.pipe(upstream);
      upstream.pipe(client);
    });
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    upstream.once('error', () => {
      if (upstream.connecting) refuse(502, 'Bad Gateway');
      else end();
    });
    upstream.once('close', end);
    client.once('close', end);
  };
  const proxy: TestProxy = {
    endpoint: { host: '127.0.0.1', port: 0 },
    credentials: undefined,
    answer: undefined,
    log: [],
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      proxy.cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      resolve(Object.assign(proxy, { endpoint: { host: '127.0.0.1', port } }));
    });
  });
}
