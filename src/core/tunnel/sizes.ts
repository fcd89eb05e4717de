import { sameEndpoint } from '../../base/endpoint.ts';
import type { Bytes, Endpoint, Instant, NodeId } from '../../base/units.ts';
import { decodePathMessage, encodeSizeProbe, isPathMessage } from '../../wire/path-message.ts';
import type { Path } from '../path/path.ts';
import type { Paths } from '../path/paths.ts';
import { BASE_SEGMENT, payloadOf } from '../path/sizes.ts';
import type { PeerHost } from './peer-host.ts';

/** How large packets to one peer may be: the probes of the selected path, and the news of what they found. */
export class Sizes {
  readonly #peer: NodeId;
  readonly #host: PeerHost;
  readonly #paths: Paths;
  #sequence: number;
  /** As it was told last, and the path it was told of. */
  #payload: Bytes = BASE_SEGMENT;
  #size: Bytes = 0;
  #of: Path | undefined;
  /** Somebody else holds back until the size is known again. */
  #suspected = false;

  constructor(peer: NodeId, host: PeerHost, paths: Paths) {
    this.#peer = peer;
    this.#host = host;
    this.#paths = paths;
    this.#sequence = host.random.u32();
  }

  /** The probe to send now. */
  due(now: Instant): { readonly path: Path; readonly payload: Uint8Array } | undefined {
    const path = this.#paths.selected;
    if (path === undefined || path.sizing.due > now) return undefined;
    const probe = path.sizing.work(now, path, () => {
      this.#sequence = (this.#sequence + 1) >>> 0;
      return this.#sequence;
    });
    if (probe === undefined) return undefined;
    return { path, payload: encodeSizeProbe(probe.sequence, payloadOf(probe.size, path.relay)) };
  }

  /** Payload of the largest packet that is not known to be too large for the path in use; undefined: none is. */
  largestPayload(): Bytes | undefined {
    const path = this.#paths.selected;
    const limit = path?.sizing.limit;
    return path === undefined || limit === undefined ? undefined : payloadOf(limit, path.relay);
  }

  answered(payload: Uint8Array, now: Instant): boolean {
    if (!isPathMessage(payload)) return false;
    const message = decodePathMessage(payload);
    if (typeof message === 'string' || (message.kind !== 'carried' && message.kind !== 'size')) return false;
    // An echo: whatever runs there now does not know us.
    if (message.kind === 'size') this.#paths.setTheirs(0);
    else {
      for (const path of this.#paths.all) path.sizing.answered(message.sequence, now);
      if (this.#suspected) this.#payload = 0;
      this.#suspected = false;
    }
    this.settle();
    return true;
  }

  /** Large packets do not seem to arrive: the answer to the next probe is told, whatever it is. */
  suspect(now: Instant): void {
    const path = this.#paths.selected;
    if (path === undefined) return;
    this.#suspected = true;
    path.sizing.doubt(now);
    if (!path.asking) path.probeBy(now);
    this.#host.rearm(this.#peer, now);
  }

  /** Our own system refuses a datagram of this size to this endpoint. */
  refused(to: Endpoint, size: Bytes, now: Instant): void {
    for (const path of this.#paths.all) if (sameEndpoint(path.endpoint, to)) path.sizing.refused(size, now);
    this.#changed();
  }

  /** Our own links, or what is sent over them, changed. */
  linksChanged(): void {
    this.#paths.linksChanged();
    this.#changed();
  }

  #changed(): void {
    this.settle();
    this.#host.rearm(this.#peer, this.#paths.nextTimeout());
  }

  /** Tells what changed. Without a path packets go by several at once, and what all of them carry is the base. */
  settle(): void {
    const path = this.#paths.selected;
    const payload = path === undefined ? BASE_SEGMENT : payloadOf(path.sizing.size, path.relay);
    const before = path === this.#of ? this.#size : undefined;
    this.#of = path;
    this.#size = path?.sizing.size ?? 0;
    if (path !== undefined && before !== undefined && before !== this.#size) {
      this.#host.event({
        name: 'tunnel.size_changed',
        peer: this.#peer,
        path: path.kind,
        bytes: this.#size,
        before,
      });
    }
    if (payload === this.#payload) return;
    this.#payload = payload;
    this.#host.payloadLimit(this.#peer, payload);
  }
}
