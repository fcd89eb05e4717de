import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import type { Net } from '../../runtime/ports.ts';
import { parseCarrierUrl } from '../../wire/compat.ts';

/** Where others reach, over UDP, the beacon to which we have a stream: the registry hands that on to our peers. */
export class CarrierHomes {
  readonly #net: Net;
  readonly #known: () => readonly Endpoint[];
  readonly #changed: () => void;
  #streams: readonly Endpoint[] = [];
  #homes: readonly Endpoint[] = [];

  /** `known`: beacons by address or name; one on the host of a stream is the same. */
  constructor(net: Net, known: () => readonly Endpoint[], changed: () => void) {
    this.#net = net;
    this.#known = known;
    this.#changed = changed;
  }

  get all(): readonly Endpoint[] {
    return this.#homes;
  }

  up(stream: Endpoint, up: boolean): void {
    const others = this.#streams.filter((one) => !sameEndpoint(one, stream));
    this.#streams = up ? [...others, stream] : others;
    void this.#find(this.#streams);
  }

  async #find(streams: readonly Endpoint[]): Promise<void> {
    const hosts = streams.map(({ host }) => parseCarrierUrl(host)?.host);
    const beside = this.#known().filter(({ host }) => hosts.includes(host.toLowerCase()));
    const found = await Promise.all(
      beside.map(async ({ host, port }) => {
        const literals = await this.#net.resolve(host).catch(() => []);
        return literals.map((literal) => ({ host: literal, port }));
      }),
    );
    if (streams !== this.#streams) return;
    this.#homes = found.flat();
    this.#changed();
  }
}
