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
  /**
   * `onEvent` gets what was received, four entries per train: bytes, the length of its datagrams (of the last at most),
   * host and port; undefined when there is room to send again; null once it is closed. Absent where the system has no such sockets.
   */
  udpOpen?(
    host: string,
    port: number,
    bufferBytes: number,
    onEvent: (received: (Uint8Array | number | string)[] | undefined | null) => void,
  ): { readonly socket: NativeSocket; readonly port: number; readonly segments: boolean };
  /** 0, or a negative errno. All packets have one length, but for a shorter last one; at most 64. */
  udpSend?(socket: NativeSocket, packets: readonly Uint8Array[], host: string, port: number): number;
  udpClose?(socket: NativeSocket): void;
}

/** As built, from `src/` under a loader and from `dist/src/`. */
const PLACES = ['../../native/accelerator.node', '../../../native/accelerator.node'];

/** Undefined when the addon was not built for this machine, or `PILOT_ACCELERATOR=off` says to do without. */
export function loadAccelerator(
  setting: string | undefined = process.env.PILOT_ACCELERATOR,
): Accelerator | undefined {
  if (setting === 'off') return undefined;
  const path = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find(existsSync);
  if (path === undefined) return undefined;
  try {
    return createRequire(import.meta.url)(path) as Accelerator;
  } catch {
    // Built for another machine: everything works without it.
    return undefined;
  }
}
