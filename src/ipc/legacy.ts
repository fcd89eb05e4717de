import { asPilotError } from '../api/errors.ts';
import { fromUtf8, fromUtf8Strict } from '../base/bytes.ts';
import type { Address, Port } from '../base/units.ts';
import { isBroadcast } from '../wire/address.ts';
import {
  CMD,
  decodeConnId,
  decodePort,
  decodeTarget,
  encodeConnId,
  encodeIpcFrame,
  encodeJsonPayload,
  encodePort,
  IPC_FRAME_LIMIT,
  unknownCommandText,
} from '../wire/ipc.ts';
import {
  decodeHandshakeCommand,
  decodeManagedCommand,
  decodeNetworkCommand,
  type ManagedCommand,
} from '../wire/ipc-commands.ts';
import type { LocalStream } from './backend.ts';
import type { ClientSession } from './session.ts';

/** Requests waiting for the one in progress; the daemon then stops reading from the client. */
const MAX_QUEUE = 256;

/** Ends a request with this exact Error text. */
class Refusal extends Error {}

/**
 * The commands without request ids (0x01 to 0x3A, spec/20 §2, §9). Their replies are matched by order alone, so one
 * client's are answered strictly one after another, errors of Send and SendTo included.
 */
export class LegacyCommands {
  readonly #session: ClientSession;
  readonly #lifetime: AbortSignal;
  readonly #queue: (() => Promise<void>)[] = [];
  #running = false;
  #dial: AbortController | undefined;

  constructor(session: ClientSession, lifetime: AbortSignal) {
    this.#session = session;
    this.#lifetime = lifetime;
    lifetime.addEventListener('abort', () => this.#dial?.abort());
  }

  get queueFull(): boolean {
    return this.#queue.length >= MAX_QUEUE;
  }

  handle(cmd: number, payload: Uint8Array): void {
    if (cmd === CMD.cancel) {
      this.#dial?.abort();
      return;
    }
    this.#enqueue(async () => {
      try {
        await this.#dispatch(cmd, payload);
      } catch (thrown) {
        this.#session.sendError(thrown instanceof Refusal ? thrown.message : asPilotError(thrown).message);
      }
    });
  }

  /** The Error of a command that has no reply: waits its turn, or it would answer another request. */
  sendError(text: string): void {
    this.#enqueue(() => {
      this.#session.sendError(text);
      return Promise.resolve();
    });
  }

  sendTo(to: Address, port: Port, data: Uint8Array): void {
    this.#sendDatagram(to, port, data).catch((error: Error) => {
      if (!this.#session.extended) this.sendError(error.message);
    });
  }

  #enqueue(task: () => Promise<void>): void {
    this.#queue.push(task);
    if (this.#running) {
      this.#session.legacyBusyChanged();
      return;
    }
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) {
      await task();
      this.#session.legacyBusyChanged();
      if (this.#lifetime.aborted) break;
    }
    this.#running = false;
  }

  async #dispatch(cmd: number, payload: Uint8Array): Promise<void> {
    switch (cmd) {
      case CMD.bind:
        return this.#bind(payload);
      case CMD.unbind:
        return this.#unbind(payload);
      case CMD.dial:
        return this.#dialStream(payload);
      case CMD.close:
        return this.#close(payload);
      case CMD.sendToConfirm: {
        const target = decodeTarget(payload);
        if (typeof target === 'string') throw new Refusal('sendto: missing address/port');
        await this.#sendDatagram(target.address, target.port, target.data, true);
        return this.#reply(CMD.sendToConfirmOk, new Uint8Array(0));
      }
      case CMD.info:
        return this.#json(CMD.infoOk, await this.#call('info', 'info', {}));
      case CMD.health:
        return this.#json(CMD.healthOk, await this.#call('health', 'health', {}));
      case CMD.handshake:
        return this.#handshake(payload);
      case CMD.resolveHostname: {
        const hostname = fromUtf8(payload);
        if (hostname === '') throw new Refusal('resolve_hostname: missing hostname');
        const found = await this.#call('resolve_hostname', 'find', { hostname });
        return this.#json(CMD.resolveHostnameOk, { ...found, type: 'resolve_hostname_ok' });
      }
      case CMD.setHostname: {
        const set = await this.#call('set_hostname', 'set_hostname', { hostname: fromUtf8(payload) });
        return this.#json(CMD.setHostnameOk, { ...set, type: 'set_hostname_ok' });
      }
      case CMD.setVisibility: {
        if (payload.length === 0) throw new Refusal('set_visibility: missing value');
        const set = await this.#call('set_visibility', 'set_visibility', { public: payload[0] === 1 });
        return this.#json(CMD.setVisibilityOk, { ...set, type: 'set_visibility_ok' });
      }
      case CMD.deregister:
        await this.#call('deregister', 'deregister', {});
        return this.#json(CMD.deregisterOk, { type: 'deregister_ok' });
      case CMD.rotateKey: {
        const rotated = await this.#call('rotate_key', 'rotate_key', {});
        return this.#json(CMD.rotateKeyOk, { ...rotated, type: 'rotate_key_ok' });
      }
      case CMD.setTags: {
        const set = await this.#call('set_tags', 'set_tags', { tags: parseTags(payload) });
        return this.#json(CMD.setTagsOk, { ...set, type: 'set_tags_ok' });
      }
      case CMD.setWebhook:
        if (payload.length > 0) throw new Refusal('set_webhook: webhooks are not available in this daemon');
        return this.#json(CMD.setWebhookOk, { webhook: '' });
      case CMD.setTaskExec:
        if (payload.length === 0) throw new Refusal('set_task_exec: missing value');
        throw new Refusal('set_task_exec: tasks are not available in this daemon');
      case CMD.network: {
        const command = decodeNetworkCommand(payload);
        if (typeof command === 'string') throw new Refusal(command);
        const verb = NETWORK_VERBS[command.sub];
        return this.#json(CMD.networkOk, await this.#call(`network ${verb}`, 'network', { ...command }));
      }
      case CMD.managed: {
        const command = decodeManagedCommand(payload);
        if (typeof command === 'string') throw new Refusal(command);
        return this.#managed(command);
      }
      default:
        throw new Refusal(unknownCommandText(cmd));
    }
  }

  #bind(payload: Uint8Array): void {
    const port = decodePort(payload);
    if (typeof port === 'string') throw new Refusal('bind: missing port');
    try {
      this.#session.listen(port);
    } catch {
      throw new Refusal(`port ${port} already bound`);
    }
    this.#reply(CMD.bindOk, encodePort(port));
  }

  #unbind(payload: Uint8Array): void {
    const port = decodePort(payload);
    if (typeof port === 'string') throw new Refusal('unbind: missing port');
    if (!this.#session.unlisten(port)) throw new Refusal(`unbind: port ${port} not bound`);
    this.#reply(CMD.unbindOk, encodePort(port));
  }

  async #dialStream(payload: Uint8Array): Promise<void> {
    const target = decodeTarget(payload);
    if (typeof target === 'string') throw new Refusal('dial: missing address/port');
    this.#session.checkRoom();
    this.#dial = new AbortController();
    let stream: LocalStream;
    try {
      stream = await this.#session.backend.dial(target.address, target.port, { signal: this.#dial.signal });
    } catch (thrown) {
      throw new Refusal(dialError(thrown, target.address));
    } finally {
      this.#dial = undefined;
    }
    this.#reply(CMD.dialOk, encodeConnId(stream.id));
    this.#session.bind(stream).start();
  }

  #close(payload: Uint8Array): void {
    const conn = decodeConnId(payload);
    if (typeof conn === 'string') throw new Refusal('close: missing conn_id');
    this.#session.binding(conn)?.close();
    this.#reply(CMD.closeOk, encodeConnId(conn));
  }

  async #handshake(payload: Uint8Array): Promise<void> {
    const command = decodeHandshakeCommand(payload);
    if (typeof command === 'string') throw new Refusal(command);
    switch (command.sub) {
      case 'send': {
        const { node, justification } = command;
        await this.#call('handshake request', 'handshake', { target: `${node}`, justification });
        return this.#json(CMD.handshakeOk, { status: 'sent', node_id: node });
      }
      case 'approve':
      case 'reject':
      case 'revoke': {
        const method = command.sub === 'revoke' ? 'untrust' : command.sub;
        const params = {
          target: `${command.node}`,
          ...(command.sub === 'reject' && { reason: command.reason }),
        };
        return this.#json(CMD.handshakeOk, await this.#call(`handshake ${command.sub}`, method, params));
      }
      case 'pending':
      case 'trusted':
        return this.#json(CMD.handshakeOk, await this.#call(`handshake ${command.sub}`, command.sub, {}));
      case 'wait': {
        const params = { target: `${command.node}`, timeout_ms: Math.min(command.timeout, 30_000) };
        return this.#json(CMD.handshakeOk, await this.#call('handshake wait', 'trust_wait', params));
      }
      default:
        command satisfies never;
    }
  }

  /** Policies and member tags of our networks; there are no managed networks here. spec/20 §8 */
  async #managed(command: ManagedCommand): Promise<void> {
    const { sub, network } = command;
    if (sub === 'policyGet' || sub === 'memberTagsGet' || sub === 'memberTagsSet') {
      const prefix = sub === 'policyGet' ? 'managed policy' : 'member-tags';
      return this.#json(CMD.managedOk, await this.#call(prefix, 'network', { ...command }));
    }
    throw new Refusal(
      network === 0 ? 'managed: no active managed networks' : `managed: no engine for network ${network}`,
    );
  }

  async #sendDatagram(to: Address, port: Port, data: Uint8Array, confirm = false): Promise<void> {
    if (isBroadcast(to) && to.network === 0) {
      throw new Refusal('sendto: broadcast on backbone network is not permitted');
    }
    try {
      await this.#session.backend.sendDatagram(to, port, data, { confirm, signal: this.#lifetime });
    } catch (thrown) {
      if (isBroadcast(to) && asPilotError(thrown).code === 'permission_denied') {
        throw new Refusal(`sendto: not a member of network ${to.network}`);
      }
      throw new Refusal(`sendto: ${resolveError(thrown, to)}`);
    }
  }

  async #call(prefix: string, method: string, params: Record<string, unknown>): Promise<object> {
    try {
      return await this.#session.backend.call(method, params, this.#lifetime);
    } catch (thrown) {
      throw new Refusal(`${prefix}: ${registryText(thrown)}`);
    }
  }

  #json(cmd: number, value: object): void {
    const payload = encodeJsonPayload(value);
    if (payload.length >= IPC_FRAME_LIMIT) throw new Refusal('the reply does not fit one frame');
    this.#reply(cmd, payload);
  }

  #reply(cmd: number, payload: Uint8Array): void {
    this.#session.writer.push(encodeIpcFrame(cmd, payload));
  }
}

const NETWORK_VERBS = {
  list: 'list',
  join: 'join',
  leave: 'leave',
  members: 'members',
  invite: 'invite',
  pollInvites: 'poll-invites',
  respondInvite: 'respond-invite',
} as const;

/** spec/20 §4.2 */
function dialError(thrown: unknown, to: Address): string {
  const { code } = asPilotError(thrown);
  if (code === 'connection_refused') return 'connection refused';
  if (code === 'timeout') return 'dial timeout';
  if (code === 'cancelled') return 'dial cancelled';
  return resolveError(thrown, to);
}

function resolveError(thrown: unknown, to: Address): string {
  const { code, message } = asPilotError(thrown);
  if (code === 'not_found') return `resolve node ${to.node}: registry: node ${to.node}: node not found`;
  if (code === 'registry_unreachable' || code === 'untrusted') {
    return `resolve node ${to.node}: registry: ${message}`;
  }
  return message;
}

/** Old clients print what the registry said; it travels as the cause of the catalogue's error. */
function registryText(thrown: unknown): string {
  const error = asPilotError(thrown);
  return error.cause instanceof Error && error.cause.message !== ''
    ? `registry: ${error.cause.message}`
    : error.message;
}

function parseTags(payload: Uint8Array): string[] {
  const text = fromUtf8Strict(payload);
  let tags: unknown;
  try {
    tags = JSON.parse(text ?? '');
  } catch (error) {
    throw new Refusal(`set_tags: invalid JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) {
    throw new Refusal('set_tags: invalid JSON: expected an array of strings');
  }
  if (tags.length > 3) throw new Refusal('set_tags: maximum 3 tags allowed');
  return tags;
}
