/** WebRTC data channels: DTLS and SCTP in C. Descriptions are exchanged over TCP. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import datachannel from 'node-datachannel';
import { inbox } from './inbox.mjs';

const HIGH = 4 * 1024 * 1024;
const LOW = 1024 * 1024;

function channelOf(channel, connection) {
  const box = inbox();
  let wake = () => {};
  channel.setBufferedAmountLowThreshold(LOW);
  channel.onBufferedAmountLow(() => wake());
  channel.onMessage((data) => box.push(data));
  channel.onClosed(() => box.end());
  return {
    async write(data) {
      if (channel.bufferedAmount() > HIGH) {
        await new Promise((resolve) => {
          wake = resolve;
          if (channel.bufferedAmount() <= LOW) resolve();
        });
      }
      channel.sendMessageBinary(Buffer.from(data));
    },
    read: () => box.read(),
    close: () => connection.close(),
  };
}

function peer(name, line) {
  const connection = new datachannel.PeerConnection(name, { iceServers: [] });
  const tell = (message) => line.write(`${JSON.stringify(message)}\n`);
  connection.onLocalDescription((sdp, type) => tell({ sdp, type }));
  connection.onLocalCandidate((candidate, mid) => tell({ candidate, mid }));
  line.on('error', () => {});
  createInterface({ input: line }).on('line', (text) => {
    const { sdp, type, candidate, mid } = JSON.parse(text);
    if (sdp !== undefined) connection.setRemoteDescription(sdp, type);
    else connection.addRemoteCandidate(candidate, mid);
  });
  return connection;
}

export async function listen(onChannel) {
  const server = createServer((line) => {
    const connection = peer('far', line);
    connection.onDataChannel((channel) => onChannel(channelOf(channel, connection)));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return String(server.address().port);
}

export async function dial(port) {
  const line = connect(Number(port), '127.0.0.1');
  await once(line, 'connect');
  const connection = peer('near', line);
  const channel = connection.createDataChannel('bench');
  await new Promise((resolve) => channel.onOpen(resolve));
  return channelOf(channel, connection);
}
