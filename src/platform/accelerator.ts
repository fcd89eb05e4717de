import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

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
  setOption?(fd: number, level: number, name: number, value: number): number;
  /**
   * `onEvent` gets what was received, four entries per train: bytes, the length of its datagrams (of the last at most),
   * host and port, the host undefined when both are those of the train before; undefined when there is room to send
   * again; null once it is closed. Absent where the system has no such sockets.
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
}

/** As built, from `src/` under a loader and from `dist/src/`. */
const PLACES = ['../../native/', '../../../native/'];
const NAMES = ['accelerator.node', `prebuilt/${process.platform}-${process.arch}/accelerator.node`];

/** The addon, or why there is none. */
export type Loaded =
  | { readonly accelerator: Accelerator }
  | { readonly accelerator: undefined; readonly why: 'off' | 'not_built' | 'not_loadable' };

/** `off` does without; `PILOT_ACCELERATOR` says so when `setting` does not. */
export function findAccelerator(setting: string | undefined = process.env.PILOT_ACCELERATOR): Loaded {
  if (setting === 'off') return { accelerator: undefined, why: 'off' };
  const paths = PLACES.flatMap((place) => NAMES.map((name) => place + name))
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .filter(existsSync);
  for (const path of paths) {
    try {
      return { accelerator: createRequire(import.meta.url)(path) as Accelerator };
    } catch {
      // Built for another machine: the next, or none.
    }
  }
  return { accelerator: undefined, why: paths.length === 0 ? 'not_built' : 'not_loadable' };
}

/** Undefined when there is none for this machine, or it is not wanted. */
export function loadAccelerator(setting?: string): Accelerator | undefined {
  return findAccelerator(setting).accelerator;
}
