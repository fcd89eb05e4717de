/** hyperdht: streams with Noise over its own UDP transport in C; peers are found by key in a DHT on this machine. */
import DHT from 'hyperdht';
import createTestnet from 'hyperdht/testnet.js';
import { inbox } from './inbox.mjs';

function channelOf(socket) {
  const box = inbox();
  socket.on('data', (chunk) => {
    box.push(chunk);
    if (box.size > 64) socket.pause();
  });
  socket.on('error', () => box.end());
  socket.on('close', () => box.end());
  return {
    async write(data) {
      if (!socket.write(data)) await new Promise((resolve) => socket.once('drain', resolve));
    },
    read() {
      if (box.size < 16) socket.resume();
      return box.read();
    },
    close: () => socket.destroy(),
  };
}

export async function listen(onChannel) {
  const net = await createTestnet(3, { host: '127.0.0.1' });
  const server = net.nodes[0].createServer((socket) => onChannel(channelOf(socket)));
  const keys = DHT.keyPair();
  await server.listen(keys);
  return JSON.stringify({ bootstrap: net.bootstrap, key: keys.publicKey.toString('hex') });
}

let node;

export async function dial(address) {
  const { bootstrap, key } = JSON.parse(address);
  node ??= new DHT({ bootstrap, host: '127.0.0.1' });
  const socket = node.connect(Buffer.from(key, 'hex'), { keyPair: DHT.keyPair() });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return channelOf(socket);
}
