import { concat, EMPTY } from '../base/bytes.ts';
import type { Bytes, Millis } from '../base/units.ts';
import {
  BINARY,
  BINARY_VERSION,
  detectProtocol,
  encodeBinaryError,
  encodeBinaryFrame,
} from '../wire/registry-binary.ts';
import { binaryProtocol } from './protocol-binary.ts';
import { jsonProtocol } from './protocol-json.ts';
import type { CallContext } from './service/call.ts';
import type { RegistryService } from './service/service.ts';

/** One of the two encodings a client may speak. */
export interface Protocol {
  push(data: Uint8Array): void;
  /** True when `next` has something to say. */
  ready(): boolean;
  /** The next whole frame. */
  next(): object | undefined;
  /** What the client speaks from here on, once `next` met the place where it changed. */
  successor?(): Protocol | undefined;
  /** What a frame costs beside reading it, as far as that is known before. */
  cost(frame: object): Millis;
  /** True when the client broke the framing: nothing after that can be read. */
  broken(): boolean;
  /** Bytes that wait for the rest of their frame. */
  buffered(): number;
  /** True when the answer must not overtake earlier ones. */
  inOrder(frame: object): boolean;
  /** Never rejects. */
  answer(frame: object, service: RegistryService, context: CallContext): Promise<Uint8Array>;
  encodePush(message: object): Uint8Array;
}

/** Tells the encodings apart by the first bytes. spec/10 §1.3 */
export class ProtocolGuess {
  readonly #limit: Bytes;
  #greeting: Uint8Array = EMPTY;

  /** `limit` bounds one request. */
  constructor(limit: Bytes) {
    this.#limit = limit;
  }

  /** Undefined while more bytes are needed. A refusal is sent before closing. */
  push(data: Uint8Array): { readonly protocol: Protocol } | { readonly refusal: Uint8Array } | undefined {
    this.#greeting = this.#greeting.length === 0 ? data : concat(this.#greeting, data);
    const detected = detectProtocol(this.#greeting);
    if (detected === 'incomplete') return undefined;
    if (detected !== 'json' && detected.version !== BINARY_VERSION) {
      const text = encodeBinaryError(`unsupported wire version ${detected.version}`);
      return { refusal: encodeBinaryFrame(BINARY.error, text) };
    }
    const protocol = detected === 'json' ? jsonProtocol(this.#limit) : binaryProtocol(this.#limit);
    protocol.push(detected === 'json' ? this.#greeting : this.#greeting.subarray(5));
    this.#greeting = EMPTY;
    return { protocol };
  }
}
