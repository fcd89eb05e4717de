/**
 * An HTTP proxy as companies have it: CONNECT only, Basic credentials only (RFC 9110 §9.3.6, RFC 7617).
 * Usage: node proxy.js HOST PORT USER:PASSWORD; prints one line once it serves.
 */
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

const [host, port, credentials] = process.argv.slice(2);
if (host === undefined || port === undefined || credentials === undefined) {
  throw new Error('usage: proxy HOST PORT USER:PASSWORD');
}
const wanted = `Basic ${Buffer.from(credentials).toString('base64')}`;

const server = createServer((_request, response) => {
  response.writeHead(405).end();
});
server.on('connect', (request, client: Duplex, head: Buffer) => {
  client.on('error', () => client.destroy());
  if (request.headers['proxy-authorization'] !== wanted) {
    client.end(
      'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="lab"\r\nContent-Length: 0\r\n\r\n',
    );
    return;
  }
  const target = new URL(`tcp://${request.url}`);
  const upstream = connect(Number(target.port), target.hostname.replace(/^\[|\]$/g, ''), () => {
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    upstream.write(head);
    upstream.pipe(client).pipe(upstream);
  });
  upstream.on('error', () => client.destroy());
  upstream.on('close', () => client.destroy());
  client.on('close', () => upstream.destroy());
});
server.listen(Number(port), host, () => console.log('ready'));
process.on('SIGTERM', () => process.exit(0));
