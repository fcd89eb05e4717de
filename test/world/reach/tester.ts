/** A program on a machine that listens on some ports, tries those of others, and says what it got. */
import { asPilotError } from '../../../src/api/errors.ts';
import type { Conn } from '../../../src/api/stream.ts';
import type { NodeId } from '../../../src/base/units.ts';
import { PilotClient } from '../../../src/sdk/client.ts';
import type { Machine, Process } from '../../../src/sim/index.ts';

export const PORTS = [6001, 6003, 6005] as const;
const SOCKET = '/home/pilot.sock';
const RECONNECT_AFTER = 300;
/** A refusal is silence, so this is what it takes to see one. Virtual ms. */
const PATIENCE = 4_000;

/** Something of another node reached a program here. */
export interface Arrival {
  readonly from: NodeId;
  readonly port: number;
  readonly at: number;
}

export class Tester {
  readonly machine: Machine;
  readonly #process: Process;
  readonly #arrived: (arrival: Arrival, tester: Tester) => void;
  #client: PilotClient | undefined;
  #listening = 0;

  constructor(machine: Machine, arrived: (arrival: Arrival, tester: Tester) => void) {
    this.machine = machine;
    this.#arrived = arrived;
    this.#process = machine.host.start();
    this.#connect();
  }

  /** Undefined while the daemon is away, or not everything listens yet. */
  get client(): PilotClient | undefined {
    return this.#listening === PORTS.length ? this.#client : undefined;
  }

  /** `reached` when the other program answered; else the code of the error, or `away`. */
  async probe(node: NodeId, port: number, network = 0): Promise<string> {
    const client = this.client;
    if (client === undefined) return 'away';
    try {
      const conn = await client.dial({ network, node }, port, { timeout: PATIENCE });
      await conn.write(Uint8Array.of(port & 0xff));
      const echo = await conn.read();
      await conn.close().catch(() => {});
      return echo?.[0] === (port & 0xff) ? 'reached' : 'no_echo';
    } catch (thrown) {
      return asPilotError(thrown).code;
    }
  }

  #connect(): void {
    const { net, clock, crypto } = this.#process;
    const again = (): void => {
      this.#client = undefined;
      this.#listening = 0;
      clock.at(clock.now() + RECONNECT_AFTER, () => this.#connect());
    };
    PilotClient.connect({ net, clock, crypto, socketPath: SOCKET }).then((client) => {
      client.ipc.onClose(again);
      this.#client = client;
      for (const port of PORTS) void this.#serve(client, port);
    }, again);
  }

  async #serve(client: PilotClient, port: number): Promise<void> {
    try {
      const listener = await client.listen(port);
      this.#listening++;
      for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept()) {
        void this.#answer(conn, port);
      }
    } catch {
      client.close();
    }
  }

  async #answer(conn: Conn, port: number): Promise<void> {
    try {
      const chunk = await conn.read();
      if (chunk === undefined) return;
      this.#arrived({ from: conn.remote.address.node, port, at: this.#process.clock.now() }, this);
      await conn.write(chunk);
    } catch {
      // The other side, or trust in it, went away.
    } finally {
      await conn.close().catch(() => {});
    }
  }
}
