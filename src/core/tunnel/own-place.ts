import type { Endpoint } from '../../base/units.ts';
import type { NatBehaviour } from '../nat/behaviour.ts';
import { classify } from '../nat/survey.ts';
import { type Links, NO_LINKS } from '../path/link-size.ts';
import type { Beacons } from './beacons.ts';

/** Where we are ourselves: addresses of our own, of a port mapping, and what beacons see of us. */
export class OwnPlace {
  readonly #beacons: Beacons;
  /** Our own addresses, with the port of the tunnel socket. */
  lan: readonly Endpoint[] = [];
  /** External endpoints that a port mapping gave us, best first. */
  mapped: readonly Endpoint[] = [];
  /** Our links, and what is sent over them. */
  links: Links = NO_LINKS;
  #noted = '';

  constructor(beacons: Beacons) {
    this.#beacons = beacons;
  }

  /** How the translator in front of us behaves, as far as it is known. */
  nat(): NatBehaviour {
    return classify({
      observations: this.#beacons.observations(),
      own: this.lan,
      streamsWork: this.#beacons.hasStream(),
    });
  }

  /** How a beacon last saw this socket. */
  seen(via: number): Endpoint | undefined {
    return this.#beacons.observations().findLast((one) => one.via === via)?.endpoint;
  }

  /** True when something that peers are told is not what it was at the last call. */
  changed(): boolean {
    const noted = JSON.stringify([this.nat(), this.#beacons.observedAll()]);
    if (noted === this.#noted) return false;
    this.#noted = noted;
    return true;
  }
}
