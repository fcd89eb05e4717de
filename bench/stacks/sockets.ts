/** TCP, and TLS 1.3 over it, as Node has them. */
import { once } from 'node:events';
import { createServer, type Socket, connect as tcpConnect } from 'node:net';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { generate } from 'selfsigned';
import { type Channel, Inbox, type Stack } from './stack.ts';

const LOOPBACK = '127.0.0.1';

function channelOf(socket: Socket): Channel {
  const inbox = new Inbox();
  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => {
    inbox.push(chunk);
    if (inbox.size > 64) socket.pause();
  });
  socket.on('close', () => inbox.end());
  socket.on('error', () => inbox.end());
  return {
    async write(data) {
      if (!socket.write(data)) await once(socket, 'drain');
    },
    read() {
      if (socket.isPaused() && inbox.size < 16) socket.resume();
      return inbox.read();
    },
    close: () => void socket.destroy(),
  };
}

/** `host`: the address of this end, for the one that serves. */
export function tcpStack(host = LOOPBACK): Stack {
  return {
    async listen(onChannel) {
      const server = createServer((socket) => onChannel(channelOf(socket)));
      await once(server.listen(0, host), 'listening');
      return `${host}:${(server.address() as { port: number }).port}`;
    },
    async dial(address) {
      const socket = tcpConnect(endpointOf(address));
      await once(socket, 'connect');
      return channelOf(socket);
    },
  };
}

/** `host`: the address of this end, for the one that serves. */
export function tlsStack(host = LOOPBACK): Stack {
  return {
    async listen(onChannel) {
      const name = [{ name: 'commonName', value: 'bench' }];
      const pems = await generate(name, { keyType: 'ec', curve: 'P-256' });
      const options = { key: pems.private, cert: pems.cert, minVersion: 'TLSv1.3' } as const;
      const server = createTlsServer(options, (socket) => onChannel(channelOf(socket)));
      await once(server.listen(0, host), 'listening');
      return `${host}:${(server.address() as { port: number }).port}`;
    },
    async dial(address) {
      const socket = tlsConnect({ ...endpointOf(address), rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      return channelOf(socket);
    },
  };
}

function endpointOf(address: string): { host: string; port: number } {
  const [host, port] = address.split(':');
  return { host: host!, port: Number(port) };
}
