import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Acceleration } from '../api/acceleration.ts';
import { optionsByLibrary, type SetOption } from './socket-options.ts';

/** A key set up once, and a socket: opaque values of the addon. */
export interface NativeKey {
  readonly aeadKey: never;
}
export interface NativeSocket {
  readonly udpSocket: never;
}

/** What the addon in `native/` offers. Wrong arguments throw; nothing else does. */
export interface Accelerator {
  /** From 32 bytes. */
  aeadKey(key: Uint8Array): NativeKey;
  /** Writes ciphertext and tag to `out` from `at` on. */
  aeadSeal(
    key: NativeKey,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void;
  /** False when it does not authenticate. `out` has room for all but the tag. */
  aeadOpen(key: NativeKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean;
  /** `Aead.sealTrain` and `Aead.openTrain`, with the layout's two numbers. */
  aeadSealTrain(
    key: NativeKey,
    aad: Uint8Array,
    train: Uint8Array,
    segment: number,
    head: number,
    checksumAt: number,
  ): void;
  aeadOpenTrain(
    key: NativeKey,
    aad: Uint8Array,
    train: Uint8Array,
    segment: number,
    head: number,
    checksumAt: number,
    out: Uint8Array,
    verdicts: Uint8Array,
  ): number;
  /** CRC-32 (IEEE). */
  crc32(bytes: Uint8Array): number;
  /** `setsockopt` with a number, on a file descriptor of this process: 0, or a negative errno. Absent on Windows. */
  setOption?: SetOption;
  /**
   * `onEvent` gets what was received, four entries per train: bytes, the length of its datagrams (of the last at most),
   * host and port, the host undefined when both are those of the train before; undefined when there is room to send
   * again; null once it is closed. The bytes are lent until it returns. Absent where the system has no such sockets.
   */
  udpOpen?(
    host: string,
    port: number,
    bufferBytes: number,
    onEvent: (received: readonly (Uint8Array | number | string | undefined)[] | undefined | null) => void,
  ): NativeUdpOpened;
  /** 0, or a negative errno. All packets have one length, but for a shorter last one; at most 64. */
  udpSend?(socket: NativeSocket, host: string, port: number, ...packets: Uint8Array[]): number;
  /** The same with the packets of `segment` bytes one after another in `train`, of at most 64 and 65,507 bytes. */
  udpSendTrain?(socket: NativeSocket, host: string, port: number, train: Uint8Array, segment: number): number;
  udpClose?(socket: NativeSocket): void;
}

export interface NativeUdpOpened {
  readonly socket: NativeSocket;
  readonly port: number;
  /** True when the kernel cuts trains. */
  readonly segments: boolean;
  /** True when nothing is ever sent in fragments. */
  readonly dontFragment: boolean;
  /** Bytes. */
  readonly receiveBuffer: number;
}

/** As built, from `src/` under a loader and from `dist/src/`. */
const PLACES = ['../../native/', '../../../native/'];
const SYSTEM = `${process.platform}-${process.arch}`;
/** Built here, or delivered: a delivery for glibc does not load on musl, and the other way round. */
const NAMES = ['', `prebuilt/${SYSTEM}/`, `prebuilt/${SYSTEM}-musl/`].map(
  (directory) => `${directory}accelerator.node`,
);

/** The parts of this process's ports that the setting and the machine leave, and their description. */
export interface Accelerated {
  /** Seals and opens. */
  readonly sealer: Accelerator | undefined;
  /** Opens sockets. */
  readonly sockets: Accelerator | undefined;
  /** For sockets of Node's own. */
  readonly setOption: SetOption | undefined;
  readonly acceleration: Acceleration;
}

/** What `setting`, or without one `PILOT_ACCELERATOR`, allows and this machine has. Anything but `off` and `segmented` is `auto`. */
export function accelerate(setting: string | undefined = process.env.PILOT_ACCELERATOR): Accelerated {
  if (setting === 'off') return tiers(undefined, undefined, 'switched_off');
  const { accelerator, why } = load();
  if (setting === 'segmented')
    return tiers(undefined, accelerator?.setOption ?? optionsByLibrary(), 'switched_off');
  if (accelerator === undefined) return tiers(undefined, optionsByLibrary(), why);
  return tiers(
    accelerator,
    accelerator.setOption,
    accelerator.udpOpen === undefined ? 'not_on_this_system' : '',
  );
}

/** The addon, when there is one for this machine. */
export function loadAccelerator(): Accelerator | undefined {
  return load().accelerator;
}

function tiers(
  accelerator: Accelerator | undefined,
  setOption: SetOption | undefined,
  why: Acceleration['why'],
): Accelerated {
  const sockets = accelerator?.udpOpen === undefined ? undefined : accelerator;
  const segmented = setOption !== undefined && process.platform === 'linux';
  return {
    sealer: accelerator,
    sockets,
    setOption,
    acceleration: {
      sealing: accelerator === undefined ? 'node' : 'native',
      udp: sockets !== undefined ? 'native' : segmented ? 'segmented' : 'plain',
      why,
    },
  };
}

function load(): { readonly accelerator: Accelerator | undefined; readonly why: Acceleration['why'] } {
  const paths = PLACES.flatMap((place) => NAMES.map((name) => place + name))
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .filter(existsSync);
  for (const path of paths) {
    try {
      return { accelerator: createRequire(import.meta.url)(path) as Accelerator, why: '' };
    } catch {
      // Built for another machine: the next, or none.
    }
  }
  return { accelerator: undefined, why: paths.length === 0 ? 'not_built' : 'not_loadable' };
}
