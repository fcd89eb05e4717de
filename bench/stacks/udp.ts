/**
 * Bare loops over UDP: packets of one size under a credit window, nothing repeated. What a transport in this language
 * can at most reach, with AES-256-GCM for every packet or without.
 *
 *   | kind u8 | sequence u32 | payload |             plain
 *   | kind u8 | sequence u32 | sealed payload | tag |  sealed, the head authenticated
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Channel, Inbox, type Stack } from './stack.ts';

const LOOPBACK = '127.0.0.1';
const HEAD = 5;
const TAG = 16;
const DATA = 1;
const ACK = 2;
const BUFFER = 4 * 1024 * 1024;
/** Bytes under way: they fit into the receiver's buffer with the kernel's own overhead. */
const WINDOW_BYTES = 700_000;

export interface UdpOptions {
  /** Of a datagram, with everything of ours in it. */
  readonly packet: number;
  readonly sealed: boolean;
}

type Send = (datagram: Buffer) => void;

interface Loop extends Channel {
  receive(datagram: Buffer): void;
}

function loop(send: Send, { packet, sealed }: UdpOptions): Loop {
  const room = packet - HEAD - (sealed ? TAG : 0);
  const window = Math.max(4, Math.floor(WINDOW_BYTES / packet));
  const ackEvery = Math.max(1, Math.floor(window / 8));
  const key = createSecretKey(Buffer.alloc(32, 7));
  const inbox = new Inbox();
  let sent = 0;
  let acked = 0;
  let received = 0;
  let wake: (() => void) | undefined;
  return {
    async write(data) {
      for (let at = 0; at < data.length; at += room) {
        while (sent - acked >= window) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const payload = data.subarray(at, at + room);
        send(sealed ? sealPacket(key, sent, payload) : plainPacket(sent, payload));
        sent++;
      }
    },
    read: () => inbox.read(),
    receive(datagram) {
      const seq = datagram.readUInt32BE(1);
      if (datagram[0] === ACK) {
        acked = seq;
        wake?.();
        return;
      }
      const payload = sealed ? openPacket(key, seq, datagram) : datagram.subarray(HEAD);
      received = seq + 1;
      inbox.push(payload);
      if (received % ackEvery === 0) {
        const ack = Buffer.allocUnsafe(HEAD);
        ack[0] = ACK;
        ack.writeUInt32BE(received, 1);
        send(ack);
      }
    },
    close: () => inbox.end(),
  };
}

function plainPacket(seq: number, payload: Uint8Array): Buffer {
  const datagram = Buffer.allocUnsafe(HEAD + payload.length);
  datagram[0] = DATA;
  datagram.writeUInt32BE(seq, 1);
  datagram.set(payload, HEAD);
  return datagram;
}

function nonceOf(seq: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(seq, 8);
  return nonce;
}

function sealPacket(key: KeyObject, seq: number, payload: Uint8Array): Buffer {
  const datagram = Buffer.allocUnsafe(HEAD + payload.length + TAG);
  datagram[0] = DATA;
  datagram.writeUInt32BE(seq, 1);
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(seq));
  cipher.setAAD(datagram.subarray(0, HEAD));
  datagram.set(cipher.update(payload), HEAD);
  cipher.final();
  datagram.set(cipher.getAuthTag(), HEAD + payload.length);
  return datagram;
}

function openPacket(key: KeyObject, seq: number, datagram: Buffer): Buffer {
  const end = datagram.length - TAG;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(seq));
  decipher.setAAD(datagram.subarray(0, HEAD));
  decipher.setAuthTag(datagram.subarray(end));
  const payload = decipher.update(datagram.subarray(HEAD, end));
  decipher.final();
  return payload;
}

function socket(): Socket {
  // A literal address needs no look-up, which would cost one turn of the loop per packet.
  return createSocket({
    ...{ type: 'udp4', recvBufferSize: BUFFER, sendBufferSize: BUFFER },
    lookup: (host, _options, done) => done(null, host, 4),
  });
}

/** `host`: the address of this end, for the one that serves. */
export function udpStack(options: UdpOptions, host = LOOPBACK): Stack {
  return {
    async listen(onChannel) {
      const bound = socket();
      const ready = once(bound, 'listening');
      bound.bind(0, host);
      await ready;
      const peers = new Map<number, Loop>();
      bound.on('message', (datagram: Buffer, from: RemoteInfo) => {
        let peer = peers.get(from.port);
        if (peer === undefined) {
          peer = loop((reply) => bound.send(reply, from.port, from.address), options);
          peers.set(from.port, peer);
          onChannel(peer);
        }
        peer.receive(datagram);
      });
      return `${host}:${bound.address().port}`;
    },
    async dial(address) {
      const [far, port] = address.split(':');
      const connected = socket();
      const ready = once(connected, 'connect');
      connected.connect(Number(port), far!);
      await ready;
      const near = loop((datagram) => connected.send(datagram), options);
      connected.on('message', (datagram: Buffer) => near.receive(datagram));
      return { ...near, close: () => void connected.close() };
    },
  };
}
