/** js-libp2p as its documentation sets it up: TCP, Noise, yamux. A stream to a known address per channel. */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { tcp } from '@libp2p/tcp';
import { inbox } from './inbox.mjs';

// It asks for Node 22 because of this one function.
Promise.withResolvers ??= function withResolvers() {
  let resolve;
  let reject;
  const promise = new this((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};
const { createLibp2p } = await import('libp2p');
const { multiaddr } = await import('@multiformats/multiaddr');

const PROTOCOL = '/bench/1';

function channelOf(stream) {
  const box = inbox();
  stream.addEventListener('message', ({ data }) => {
    for (const part of data instanceof Uint8Array ? [data] : data) box.push(part);
    if (box.size > 64) stream.pause();
  });
  stream.addEventListener('close', () => box.end());
  return {
    async write(data) {
      // What is handed over may not be changed later.
      if (!stream.send(data.slice())) await stream.onDrain();
    },
    read() {
      if (stream.readStatus === 'paused' && box.size < 16) stream.resume();
      return box.read();
    },
    close: () => stream.abort(new Error('closed')),
  };
}

function create(listen) {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  });
}

export async function listen(onChannel) {
  const node = await create(['/ip4/127.0.0.1/tcp/0']);
  await node.handle(PROTOCOL, (stream) => onChannel(channelOf(stream)), { maxInboundStreams: 1024 });
  return node.getMultiaddrs()[0].toString();
}

let node;

export async function dial(address) {
  node ??= await create([]);
  return channelOf(await node.dialProtocol(multiaddr(address), PROTOCOL, { maxOutboundStreams: 1024 }));
}
