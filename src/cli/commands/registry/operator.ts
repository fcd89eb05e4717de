/** How commands of operators speak to a registry: over the network with an admin token, or to the one of this machine. */
import { PilotError } from '../../../api/errors.ts';
import { formatEndpoint } from '../../../base/endpoint.ts';
import type { Millis } from '../../../base/units.ts';
import { Link } from '../../../directory/link.ts';
import { refusedBy } from '../../../directory/refused.ts';
import type { JsonObject } from '../../../wire/json.ts';
import { registryPin } from '../../config/pins.ts';
import { netOf } from '../../config/proxies.ts';
import type { Context } from '../../context.ts';
import { withRendezvous } from '../../local/control.ts';
import { path } from '../../values.ts';
import { readTokenFile } from '../networks/values.ts';

export const TOKEN_FILE = {
  value: path,
  summary:
    'file with an admin token, for the registry of the settings; without it, the one run here is asked',
} as const;

const ANSWER_TIMEOUT: Millis = 30_000;

/** One request, `action` in words for the error. Errors: those of the registry. */
export type Ask = (action: string, request: JsonObject) => Promise<JsonObject>;

/** Errors besides those of requests: `registry_unreachable`, `fingerprint_mismatch`, `not_running`, `not_found`. */
export async function withRegistry<T>(
  context: Context,
  tokenFile: string | undefined,
  use: (ask: Ask) => Promise<T>,
): Promise<T> {
  if (tokenFile === undefined) {
    return withRendezvous(context, (ask) =>
      use(async (action, request) => {
        const { reply } = await ask('request', { request });
        return accepted(reply as JsonObject, action);
      }),
    );
  }
  const token = await readTokenFile(context, tokenFile);
  const link = await connect(context);
  try {
    return await use(async (action, request) =>
      accepted(await link.request({ ...request, admin_token: token }, ANSWER_TIMEOUT), action),
    );
  } finally {
    link.close();
  }
}

function accepted(reply: JsonObject, action: string): JsonObject {
  const refused = refusedBy(reply, action);
  if (refused !== undefined) throw refused;
  return reply;
}

async function connect(context: Context): Promise<Link> {
  const resolved = await context.settings();
  const { registry, registry_tls } = resolved.settings;
  if (registry === undefined) {
    throw new PilotError('invalid_argument', 'No registry is set', {
      hint: 'set one with: pilotctl init --registry HOST, or leave out --token-file on its own machine',
    });
  }
  if (!registry_tls) {
    throw new PilotError(
      'permission_denied',
      `The admin token is not sent to ${formatEndpoint(registry)} without TLS`,
      {
        hint: 'run the command on the machine of the registry, without --token-file',
      },
    );
  }
  const fingerprint = await registryPin(context, resolved);
  const tls = fingerprint === undefined ? { system: true } : { fingerprint };
  const { clock } = context.host;
  const pipe = await netOf(context.host, resolved.settings).connect(registry, {
    tls,
    signal: context.signal,
    ...context.stepTimeout,
  });
  return new Link(
    registry.host,
    pipe,
    clock,
    () => {},
    () => {},
  );
}
