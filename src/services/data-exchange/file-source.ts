/** A file to send: random access, because a resumed transfer starts in the middle. */
export interface FileSource {
  /** Last path part, as the receiver will see it: 1 to 255 UTF-8 bytes without `/`, `\` or `..`. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset`; fewer mean that the file shrank, and fail the transfer. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A source over bytes already in memory. */
export function memorySource(name: string, bytes: Uint8Array): FileSource {
  return {
    name,
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    close: () => Promise.resolve(),
  };
}
