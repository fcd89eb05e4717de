/**
 * An HTTP proxy that only knows CONNECT and wants credentials, for networks that let nothing else out. Credentials are
 * read from FILE at each request, so they can change. Usage: node proxy.js HOST PORT FILE, FILE holds `user:password`.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';

const [host, port, file] = process.argv.slice(2);
if (host === undefined || port === undefined || file === undefined) {
  throw new Error('usage: proxy HOST PORT CREDENTIALS_FILE');
}

const server = createServer((_request, response) => response.writeHead(405).end());
server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
  client.on('error', () => client.destroy());
  const wanted = `Basic ${Buffer.from(readFileSync(file, 'utf8').trim()).toString('base64')}`;
  if (request.headers['proxy-authorization'] !== wanted) {
    client.end(
      'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="lab"\r\nContent-Length: 0\r\n\r\n',
    );
    return;
  }
  const target = /^\[?(.+?)\]?:(\d+)$/.exec(request.url ?? '');
  if (target === null) {
    client.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  const upstream = connect({ host: target[1]!, port: Number(target[2]), noDelay: true }, () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    upstream.write(head);
    upstream.pipe(client);
    client.pipe(upstream);
  });
  upstream.on('error', () => client.destroy());
  upstream.on('close', () => client.destroy());
  client.on('close', () => upstream.destroy());
});
server.listen(Number(port), host, () => console.log('ready'));
