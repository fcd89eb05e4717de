import { utf8 } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import type { NodeId } from '../../base/units.ts';
import { Tunnel } from '../../core/tunnel/tunnel.ts';
import type { TunnelOutput } from '../../core/tunnel/types.ts';
import { Directory } from '../../directory/directory.ts';
import { type Driver, drive } from '../../runtime/drive.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import { encodePacket, FLAG_ACK, FLAG_SYN, PROTOCOL_DATAGRAM, PROTOCOL_STREAM } from '../../wire/packet.ts';
import type { Host, Process } from '../net/index.ts';
import { APP_PORT, DATAGRAM_PORT } from './app.ts';
import type { Machine } from './machine.ts';
import type { PilotWorld } from './pilot-world.ts';

const ATTEMPTS = 4;
const BETWEEN = 700;
const OWN_PORT = 4600;

/** A working tunnel in the wrong hands: what an attacker sends once it gets as far as the protocol lets it. */
export class Impostor {
  readonly #process: Process;
  readonly #tunnel: Tunnel;
  readonly #driver: Driver;
  readonly #machines: readonly Machine[];

  /** With an id of its own, given by the registry: a stranger that says inside the tunnel that it is somebody else. */
  static async stranger(pilot: PilotWorld, host: Host, identity: SigningKey): Promise<Impostor> {
    const process = host.start();
    const { net, clock, random, crypto, log } = process;
    const { registry, fingerprint, beacon } = pilot.rendezvous;
    const directory = new Directory({
      net,
      clock,
      random: random.fork('directory'),
      crypto,
      log,
      identity,
      addresses: [registry],
      tls: { fingerprint },
    });
    directory.start();
    try {
      const listenEndpoint = { host: host.address, port: OWN_PORT };
      const { node } = await directory.register({ listenEndpoint, lan: [], version: 'world' });
      const impostor = await Impostor.#open(pilot, process, identity, node);
      impostor.#driver.run(() => impostor.#tunnel.setBeacons([beacon], clock.now()));
      return impostor;
    } catch (thrown) {
      process.kill('killed');
      throw thrown;
    }
  }

  /** Under the id of somebody else, with an identity that is not theirs. */
  static thief(pilot: PilotWorld, host: Host, identity: SigningKey, stolen: NodeId): Promise<Impostor> {
    return Impostor.#open(pilot, host.start(), identity, stolen);
  }

  static async #open(
    pilot: PilotWorld,
    process: Process,
    identity: SigningKey,
    node: NodeId,
  ): Promise<Impostor> {
    const impostor = new Impostor(pilot, process, identity, node);
    const socket = await process.net.udp({ host: '0.0.0.0', port: 0 });
    socket.onDatagram((data, from) =>
      impostor.#driver.run(() => impostor.#tunnel.handleDatagram(from, data, process.clock.now())),
    );
    impostor.#transmit = (output) => socket.send(output.data, output.to);
    return impostor;
  }

  #transmit: (output: Extract<TunnelOutput, { type: 'transmit' }>) => void = () => {};

  private constructor(pilot: PilotWorld, process: Process, identity: SigningKey, node: NodeId) {
    this.#process = process;
    this.#machines = pilot.machines;
    const { crypto, random, clock } = process;
    this.#tunnel = new Tunnel({ crypto, random: random.fork('tunnel'), identity, beacons: [] });
    this.#tunnel.setNode(node);
    this.#driver = drive(this.#tunnel, clock, (output) => this.#onOutput(output));
  }

  /** Talks to `target` as `claimed`, or as anybody the tunnel itself names. Ends by itself. */
  async attack(target: Machine, claimed: NodeId): Promise<void> {
    const { clock, random } = this.#process;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const seq = random.u32();
      const address = {
        source: { network: 0, node: claimed },
        destination: { network: 0, node: target.node },
      };
      const stream = {
        ...address,
        protocol: PROTOCOL_STREAM,
        sourcePort: 40_000 + attempt,
        destinationPort: APP_PORT,
      };
      const packets = [
        {
          ...address,
          protocol: PROTOCOL_DATAGRAM,
          flags: 0,
          sourcePort: 9,
          destinationPort: DATAGRAM_PORT,
          seq: 0,
          ack: 0,
          window: 0,
          payload: utf8(`forged by ${this.#process.host.name} as ${claimed}`),
        },
        { ...stream, flags: FLAG_SYN, seq, ack: 0, window: 64, payload: new Uint8Array(0) },
        {
          ...stream,
          flags: FLAG_ACK,
          seq: seq + 1,
          ack: 1,
          window: 64,
          payload: utf8('forged bytes of a stream'),
        },
      ];
      this.#driver.run(() => {
        for (const packet of packets) this.#tunnel.send(target.node, encodePacket(packet), clock.now());
      });
      await clock.sleep(BETWEEN);
    }
    this.#process.kill('killed');
  }

  /** Everything that is public knowledge is known: keys and endpoints. */
  #onOutput(output: TunnelOutput): void {
    switch (output.type) {
      case 'transmit':
        this.#transmit(output);
        return;
      case 'needKey':
        this.#answer(output.peer, (info) => {
          this.#tunnel.identityKey(output.peer, decodeBase64(info.public_key), this.#process.clock.now());
        });
        return;
      case 'needEndpoints':
        this.#answer(output.peer, (info) => {
          const colon = info.endpoint.lastIndexOf(':');
          const endpoint =
            colon < 0
              ? undefined
              : { host: info.endpoint.slice(0, colon), port: Number(info.endpoint.slice(colon + 1)) };
          this.#tunnel.endpoints(output.peer, { endpoint, lan: [] }, this.#process.clock.now());
        });
        return;
      default:
        return;
    }
  }

  #answer(peer: NodeId, give: (info: { public_key: string; endpoint: string }) => void): void {
    const info = this.#machines.find((machine) => machine.node === peer)?.daemon?.info();
    if (info !== undefined) queueMicrotask(() => this.#driver.run(() => give(info)));
  }
}
