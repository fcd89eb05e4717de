/** A Net whose UDP sockets write every datagram they see to a file: the beacon's own view of the traffic. */
import { appendFileSync } from 'node:fs';
import type { Net, UdpSocket } from '../src/runtime/ports.ts';
import { singly } from '../src/runtime/trains.ts';

/** Record layout: direction byte ('<' received, '>' sent), length u32 big-endian, bytes. */
export function recordingNet(net: Net, file: string): Net {
  function record(direction: '<' | '>', data: Uint8Array): void {
    const head = Buffer.alloc(5);
    head[0] = direction.charCodeAt(0);
    head.writeUInt32BE(data.length, 1);
    appendFileSync(file, Buffer.concat([head, data]));
  }
  return new Proxy(net, {
    get(target, property, receiver) {
      if (property !== 'udp') {
        const value = Reflect.get(target, property, receiver);
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (bind: Parameters<Net['udp']>[0]): Promise<UdpSocket> => {
        const socket = await target.udp(bind);
        return singly({
          local: socket.local,
          send(data, to) {
            record('>', data);
            socket.send(data, to);
          },
          onDatagram(receiver) {
            socket.onDatagram((data, from) => {
              record('<', data);
              receiver(data, from);
            });
          },
          onUnreachable: (receiver) => socket.onUnreachable(receiver),
          close: () => socket.close(),
        });
      };
    },
  });
}

/** Reads a recording back as a list of datagrams. */
export function readRecording(bytes: Buffer): { readonly direction: string; readonly data: Buffer }[] {
  const datagrams = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 1);
    datagrams.push({
      direction: String.fromCharCode(bytes[at]!),
      data: bytes.subarray(at + 5, at + 5 + length),
    });
    at += 5 + length;
  }
  return datagrams;
}
