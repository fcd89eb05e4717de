import { isCarrier } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { NodeOutput } from '../core/node-types.ts';
import type { Log } from '../runtime/ports.ts';
import { eachDatagram } from '../runtime/trains.ts';
import type { Assembly } from './assemble.ts';

type NodeEvent = Extract<NodeOutput, { type: 'event' }>['event'];

/** Hands what the node puts out to the part of the daemon that acts on it. */
export class Outputs {
  readonly #parts: Assembly;
  readonly #log: Log;

  constructor(parts: Assembly, log: Log) {
    this.#parts = parts;
    this.#log = log;
  }

  handle(output: NodeOutput): void {
    const { trustEffects, networks, answers, ipc, pings, streams, sockets } = this.#parts;
    switch (output.type) {
      case 'transmit':
        if (!trustEffects.isHolding) this.#transmit(output.to, output.data, output.via, output.segment);
        else {
          // Its bytes are good for this turn only.
          const data = output.data.slice();
          trustEffects.hold(() => this.#transmit(output.to, data, output.via, output.segment));
        }
        return;
      case 'query':
        if (output.query.ask === 'relation') networks.ask(output.query.peer);
        else answers.handle(output.query);
        return;
      case 'trust':
        trustEffects.handle(output.output);
        return;
      case 'datagram':
        ipc.deliver({
          source: output.from,
          sourcePort: output.fromPort,
          destinationPort: output.toPort,
          data: output.payload,
        });
        return;
      case 'pong':
        pings.onPong(output.token, output.rtt);
        return;
      case 'event':
        this.#onEvent(output.event);
        return;
      case 'socket':
        if (output.open) sockets.open(output.via);
        else sockets.close(output.via);
        return;
      default:
        streams.onOutput(output);
    }
  }

  #onEvent(event: NodeEvent): void {
    const { trustEffects, known, identities, registration, registry, portMapper, carriers } = this.#parts;
    const { name, ...fields } = event;
    this.#log.event(name.startsWith('tunnel.') ? 'info' : 'debug', name, fields);
    if (event.name === 'trust.delivered') queueMicrotask(() => trustEffects.delivered(event.peer));
    if (event.name === 'tunnel.path_changed' && event.path !== 'relay') {
      known.book.seenAt(event.peer, event.path, event.endpoint);
    }
    if (event.name === 'tunnel.established') identities.established(event.peer);
    if (name === 'beacon.silent') carriers.udp('silent');
    if (name === 'beacon.answered' || name === 'beacon.observed') carriers.udp('answers');
    if (name === 'beacon.lost') queueMicrotask(() => registration.presenceChanged());
    if (name === 'beacon.observed') {
      // Seen elsewhere: a NAT may have forgotten the connection to the registry and the mapped port as well.
      registry.check();
      portMapper.check();
      queueMicrotask(() => registration.presenceChanged());
    }
  }

  #transmit(to: Endpoint, data: Uint8Array, via = 0, segment?: number): void {
    const { traffic, sockets, carriers } = this.#parts;
    const byStream = isCarrier(to);
    if (!byStream && !carriers.allowsUdp) return;
    traffic.packetsSent += segment === undefined ? 1 : Math.ceil(data.length / segment);
    traffic.bytesSent += data.length;
    if (segment === undefined) {
      if (byStream) carriers.send(to, data);
      else sockets.send(via, to, data);
    } else if (!byStream) sockets.sendTrain(via, to, data, segment);
    else eachDatagram(data.slice(), segment, (datagram) => carriers.send(to, datagram));
  }
}
