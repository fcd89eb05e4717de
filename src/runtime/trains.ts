import type { Endpoint } from '../base/units.ts';
import type { UdpSocket } from './ports.ts';

/** What a socket must do that knows single datagrams only. */
export type SingleSocket = Pick<UdpSocket, 'local' | 'send' | 'onDatagram' | 'onUnreachable' | 'close'>;

/** Calls `visit` for every datagram of a train, in order; each is a view. A train no longer than `segment` is one. */
export function eachDatagram(
  train: Uint8Array,
  segment: number,
  visit: (datagram: Uint8Array) => void,
): void {
  if (train.length <= segment) {
    visit(train);
    return;
  }
  if (!(segment >= 1)) throw new RangeError(`Datagrams of ${segment} bytes in a train`);
  for (let at = 0; at < train.length; at += segment) visit(train.subarray(at, at + segment));
}

/** A whole socket out of one that knows single datagrams: trains of one, and nothing known about fragments. */
export function singly(socket: SingleSocket): UdpSocket {
  return {
    local: socket.local,
    dontFragment: false,
    send: (data, to) => socket.send(data, to),
    sendTrain: (train: Uint8Array, segment: number, to: Endpoint) =>
      eachDatagram(train.slice(), segment, (datagram) => socket.send(datagram, to)),
    onDatagram: (receiver) => socket.onDatagram(receiver),
    onTrain: (receiver) =>
      socket.onDatagram((data, from) => {
        const lent = data.slice();
        receiver(lent, lent.length, from);
        // Whoever kept a view of it shall notice.
        lent.fill(0xdd);
      }),
    onUnreachable: (receiver) => socket.onUnreachable(receiver),
    onTooLong() {},
    close: () => socket.close(),
  };
}
