import { PilotError } from '../api/errors.ts';
import { STREAM_PRIORITIES } from '../api/priority.ts';
import { formatAddress, parseAddress } from '../wire/address.ts';
import { decodeBase64 } from '../wire/base64.ts';
import { INITIAL_CREDIT } from './extension.ts';
import type { Result } from './methods.ts';
import { choiceParam, flagParam, intParam, textParam } from './params.ts';
import type { ClientSession } from './session.ts';

const STREAM_METHODS = [
  'hello',
  'dial',
  'listen',
  'unlisten',
  'close',
  'end_writing',
  'send_datagram',
  'listen_datagrams',
  'unlisten_datagrams',
] as const;
type StreamMethod = (typeof STREAM_METHODS)[number];

/** Longer dials than this are refused; the peer is gone. */
const MAX_DIAL_TIMEOUT = 600_000;

type Given = Readonly<Record<string, unknown>>;

export function isStreamMethod(method: string): method is StreamMethod {
  return (STREAM_METHODS as readonly string[]).includes(method);
}

/** The calls about what one client owns: its streams and ports. */
export async function streamCall(
  session: ClientSession,
  method: StreamMethod,
  params: Given,
  signal: AbortSignal,
): Promise<object> {
  switch (method) {
    case 'hello':
      return hello(session, params);
    case 'dial':
      return dial(session, params, signal);
    case 'listen':
      return listen(session, params);
    case 'unlisten': {
      const port = intParam(params, 'port', 0, 65535);
      if (!session.unlisten(port))
        throw new PilotError('not_found', `This program does not listen on ${port}`);
      return { port };
    }
    case 'end_writing':
      return endWriting(session, params);
    case 'close':
      return close(session, params);
    case 'send_datagram':
      return sendDatagram(session, params, signal);
    case 'listen_datagrams': {
      const port = intParam(params, 'port', 0, 65535);
      if (!session.host.takeDatagramPort(port, session)) {
        throw new PilotError('port_in_use', `Cannot receive datagrams on port ${port}: another program does`);
      }
      session.datagramPorts.add(port);
      return { port };
    }
    case 'unlisten_datagrams': {
      const port = intParam(params, 'port', 0, 65535);
      if (!session.datagramPorts.delete(port)) {
        throw new PilotError('not_found', `This program does not receive datagrams on port ${port}`);
      }
      session.host.releaseDatagramPort(port);
      return { port };
    }
    default:
      throw new PilotError('invalid_argument', `Unknown method: ${method satisfies never}`);
  }
}

function hello(session: ClientSession, params: Given): Result<'hello'> {
  if (!session.extended && session.streamCount > 0) {
    throw new PilotError('invalid_argument', 'Say hello before any stream is opened');
  }
  session.extend();
  session.client = textParam(params, 'client', '').slice(0, 100);
  const address = session.backend.address();
  return {
    version: session.backend.version,
    features: ['credit', 'cancel', 'datagram_ports'],
    node_id: address.node,
    address: formatAddress(address),
    credit: INITIAL_CREDIT,
  };
}

async function dial(session: ClientSession, params: Given, signal: AbortSignal): Promise<Result<'dial'>> {
  session.checkRoom();
  const target = textParam(params, 'target');
  const port = intParam(params, 'port', 0, 65535);
  const timeout = intParam(params, 'timeout_ms', 1, MAX_DIAL_TIMEOUT, 0);
  const parsed = parseAddress(target);
  const address = typeof parsed === 'string' ? await session.backend.resolveTarget(target, signal) : parsed;
  const answers = textParam(params, 'answers', '');
  const waiting = answers === '' ? undefined : session.backend.messages?.answer(address.node, answers);
  const stream =
    waiting ??
    (await session.backend.dial(address, port, {
      signal,
      noDelay: flagParam(params, 'no_delay', false),
      priority: choiceParam(params, 'priority', STREAM_PRIORITIES, 'normal'),
      ...(timeout === 0 ? {} : { timeout }),
    }));
  try {
    session.checkRoom();
  } catch (error) {
    stream.abort();
    throw error;
  }
  session.bind(stream);
  return {
    connection: stream.id,
    local_port: stream.local.port,
    remote_addr: formatAddress(stream.remote.address),
    remote_port: stream.remote.port,
  };
}

function listen(session: ClientSession, params: Given): Result<'listen'> {
  const asked = intParam(params, 'port', 0, 65535);
  const port = asked === 0 ? session.backend.freePort() : asked;
  session.listen(port);
  return { port };
}

function endWriting(session: ClientSession, params: Given): Result<'end_writing'> {
  const connection = intParam(params, 'connection', 0, 0xffff_ffff);
  session.binding(connection)?.endWriting();
  return { connection };
}

function close(session: ClientSession, params: Given): Promise<Result<'close'>> {
  const connection = intParam(params, 'connection', 0, 0xffff_ffff);
  const binding = session.binding(connection);
  if (binding === undefined) return Promise.resolve({ connection });
  return new Promise((resolve, reject) => {
    session.onEnd(connection, (reason) => {
      if (reason === 'finished') resolve({ connection });
      else {
        const code = reason === 'timeout' ? 'timeout' : 'connection_failed';
        reject(new PilotError(code, `The stream ended before the peer had everything: ${reason}`));
      }
    });
    binding.close();
  });
}

async function sendDatagram(
  session: ClientSession,
  params: Given,
  signal: AbortSignal,
): Promise<Result<'send_datagram'>> {
  const target = textParam(params, 'target');
  const port = intParam(params, 'port', 0, 65535);
  const fromPort = intParam(params, 'from_port', 0, 65535, -1);
  const data = decodeBase64(textParam(params, 'data_b64'));
  if (data === undefined) throw new PilotError('invalid_argument', 'Parameter data_b64 must be base64');
  const address = await session.backend.resolveTarget(target, signal);
  const sent = await session.backend.sendDatagram(address, port, data, {
    ...(fromPort >= 0 && { fromPort }),
    confirm: flagParam(params, 'confirm', false),
    signal,
  });
  return { bytes: data.length, ...sent };
}
