/** The binary fast path: for old clients that have it, and for our own, whose heartbeats need no signature. spec/10 §8 */
import { fromUtf8 } from '../base/bytes.ts';
import type { Bytes, Millis } from '../base/units.ts';
import { decodeBase64, encodeBase64 } from '../wire/base64.ts';
import { encodeJson, isJsonObject, type JsonObject, parseJson } from '../wire/json.ts';
import * as binary from '../wire/registry-binary.ts';
import { costOf, REQUEST_COST, SIGNATURE_COST } from './cost.ts';
import { fitReply } from './fit-reply.ts';
import type { Protocol } from './protocol.ts';
import type { CallContext, Reply } from './service/call.ts';
import { Refusal } from './service/refusal.ts';
import type { RegistryService } from './service/service.ts';

const { BINARY } = binary;

interface Frame extends binary.BinaryFrame {
  /** What a frame of JSON holds. */
  readonly parsed?: ReturnType<typeof parseJson>;
}

export function binaryProtocol(limit: Bytes): Protocol {
  const reader = new binary.BinaryFrameReader(limit);
  return {
    push: (data) => reader.push(data),
    ready: () => reader.ready,
    next: () => {
      const frame = reader.next();
      return frame?.type === BINARY.json ? { ...frame, parsed: parseJson(frame.payload) } : frame;
    },
    cost: (frame) => cost(frame as Frame),
    broken: () => reader.error !== undefined,
    buffered: () => reader.pendingBytes,
    inOrder: (frame) => requestOf(frame as Frame)?.request_id === undefined,
    answer: (frame, service, context) => answer(frame as Frame, service, context),
    encodePush: (message) => binary.encodeBinaryFrame(BINARY.json, encodeJson(message)),
  };
}

function requestOf({ parsed }: Frame): JsonObject | undefined {
  return typeof parsed === 'object' && isJsonObject(parsed.value) ? parsed.value : undefined;
}

function cost(frame: Frame): Millis {
  if (frame.type === BINARY.json) return costOf(requestOf(frame) ?? {});
  const isSigned = frame.type === BINARY.heartbeat || frame.type === BINARY.resolve;
  return isSigned ? REQUEST_COST + SIGNATURE_COST : REQUEST_COST;
}

async function answer(frame: Frame, service: RegistryService, context: CallContext): Promise<Uint8Array> {
  try {
    switch (frame.type) {
      case BINARY.json:
        return await answerJson(frame, service, context);
      case BINARY.heartbeat:
        return await heartbeat(frame.payload, service, context);
      case BINARY.alive:
        return await alive(frame.payload, service, context);
      case BINARY.lookup:
        return await lookup(frame.payload, service, context);
      case BINARY.resolve:
        return await resolve(frame.payload, service, context);
      default:
        return refused(`unknown message type 0x${frame.type.toString(16).padStart(2, '0')}`);
    }
  } catch (thrown) {
    // This path never masked its errors; what went wrong inside is still nobody's business.
    if (!(thrown instanceof Refusal)) return refused('request failed');
    return refused(thrown.message.replace(/^(node \d+): node not found$/, '$1: not found'));
  }
}

async function answerJson(
  { payload, parsed }: Frame,
  service: RegistryService,
  context: CallContext,
): Promise<Uint8Array> {
  if (parsed === undefined || typeof parsed === 'string')
    return refused(`json decode: ${whyNotJson(payload)}`);
  const request = parsed.value ?? {};
  if (!isJsonObject(request)) return refused('json decode: not an object');
  if (request.type === 'subscribe_replication')
    return refused('replication not supported over binary protocol');
  const reply = fitReply(await service.handle(request, context));
  return binary.encodeBinaryFrame(BINARY.json, reply);
}

async function heartbeat(
  payload: Uint8Array,
  service: RegistryService,
  context: CallContext,
): Promise<Uint8Array> {
  const asked = binary.decodeBinaryHeartbeat(payload);
  if (typeof asked === 'string') return refused(`heartbeat request too short: ${payload.length} bytes`);
  const signature = encodeBase64(asked.signature);
  const reply = await service.perform({ type: 'heartbeat', node_id: asked.node, signature }, context);
  const ok = { time: Number(reply.time), keyExpiryWarning: reply.key_expiry_warning === true };
  return binary.encodeBinaryFrame(BINARY.heartbeatOk, binary.encodeBinaryHeartbeatOk(ok));
}

/** A heartbeat on a connection that proved the node: nothing to sign, and little to read. */
async function alive(
  payload: Uint8Array,
  service: RegistryService,
  context: CallContext,
): Promise<Uint8Array> {
  const asked = binary.decodeBinaryAlive(payload);
  if (typeof asked === 'string') return refused(`heartbeat request too short: ${payload.length} bytes`);
  const reply = await service.perform({ type: 'heartbeat', node_id: asked.node }, context);
  const ok = { keyExpiryWarning: reply.key_expiry_warning === true, next: Number(reply.next) };
  return binary.encodeBinaryFrame(BINARY.aliveOk, binary.encodeBinaryAliveOk(ok));
}

async function lookup(
  payload: Uint8Array,
  service: RegistryService,
  context: CallContext,
): Promise<Uint8Array> {
  const asked = binary.decodeBinaryLookup(payload);
  if (typeof asked === 'string') return refused(`lookup request too short: ${payload.length} bytes`);
  const reply = await service.perform({ type: 'lookup', node_id: asked.node }, context);
  const ok = {
    node: asked.node,
    public: reply.public === true,
    taskExec: reply.task_exec === true,
    poloScore: Number(reply.polo_score),
    networks: reply.networks as number[],
    publicKey: decodeBase64(String(reply.public_key))!,
    hostname: textField(reply, 'hostname'),
    tags: (reply.tags ?? []) as string[],
    realAddr: textField(reply, 'real_addr'),
    externalId: '',
  };
  return binary.encodeBinaryFrame(BINARY.lookupOk, binary.encodeBinaryLookupOk(ok));
}

async function resolve(
  payload: Uint8Array,
  service: RegistryService,
  context: CallContext,
): Promise<Uint8Array> {
  const asked = binary.decodeBinaryResolve(payload);
  if (typeof asked === 'string') return refused(`resolve request too short: ${payload.length} bytes`);
  const { target, requester } = asked;
  const signature = encodeBase64(asked.signature);
  const reply = await service.perform(
    { type: 'resolve', node_id: target, requester_id: requester, signature },
    context,
  );
  const ok = {
    node: target,
    realAddr: textField(reply, 'real_addr'),
    lanAddrs: (reply.lan_addrs ?? []) as string[],
    keyAgeDays: Number(reply.key_age_days),
  };
  return binary.encodeBinaryFrame(BINARY.resolveOk, binary.encodeBinaryResolveOk(ok));
}

function refused(text: string): Uint8Array {
  return binary.encodeBinaryFrame(BINARY.error, binary.encodeBinaryError(text));
}

function textField(reply: Reply, name: string): string {
  const value = reply[name];
  return typeof value === 'string' ? value : '';
}

/** In the words old clients may log; only the first character is looked at. */
function whyNotJson(payload: Uint8Array): string {
  const text = fromUtf8(payload.subarray(0, 256)).trimStart();
  if (text === '') return 'unexpected end of JSON input';
  return /^[[{"\-0-9tfn]/.test(text)
    ? 'invalid JSON'
    : `invalid character '${text[0]}' looking for beginning of value`;
}
