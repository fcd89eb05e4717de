import type { CallContext } from './service/call.ts';
import type { RegistryService } from './service/service.ts';

/** One of the two encodings a client may speak. */
export interface Protocol {
  push(data: Uint8Array): void;
  /** The next whole frame. */
  next(): object | undefined;
  /** True when the client broke the framing: nothing after that can be read. */
  broken(): boolean;
  /** Bytes that wait for the rest of their frame. */
  buffered(): number;
  /** True when the answer must not overtake earlier ones. */
  inOrder(frame: object): boolean;
  /** Never rejects; undefined when there is nothing to say. */
  answer(frame: object, service: RegistryService, context: CallContext): Promise<Uint8Array | undefined>;
  encodePush(message: object): Uint8Array;
}
