/** Drivers hand out byte columns as Buffer, Uint8Array or ArrayBuffer. */
export function bytesOf(value: unknown): Uint8Array {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : Uint8Array.from(value as Uint8Array);
}
