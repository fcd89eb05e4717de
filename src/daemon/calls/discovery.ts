import { PilotError } from '../../api/errors.ts';
import { equal, utf8 } from '../../base/bytes.ts';
import type { FoundNode, NodeQuery } from '../../directory/types.ts';
import type { FoundRow } from '../../ipc/methods/names.ts';
import type { Result } from '../../ipc/methods.ts';
import { intParam, textParam } from '../../ipc/params.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import {
  decodeNodeRecord,
  isServiceEntry,
  MAX_DESCRIPTION,
  MAX_SERVICES,
  type ServiceEntry,
} from '../../wire/node-record.ts';
import { addressText } from '../targets.ts';
import type { CallContext, Given } from './context.ts';

/** UTF-8 bytes of all descriptions together: with everything else a record has to fit into 4096. */
const DESCRIPTIONS_LIMIT = 1800;

/** One page of the nodes the registry shows us, each row with what its own signature is worth. */
export async function findNodes(context: CallContext, params: Given): Promise<Result<'find_nodes'>> {
  const words = (name: 'tag' | 'service' | 'text'): Partial<NodeQuery> => {
    const value = textParam(params, name, '');
    return value === '' ? {} : { [name]: name === 'tag' ? value.replace(/^#/, '') : value };
  };
  const { nodes, cursor } = await context.registry.records.findNodes({
    ...words('tag'),
    ...words('service'),
    ...words('text'),
    network: intParam(params, 'network', 0, 0xffff, 0),
    after: intParam(params, 'cursor', 0, 0xffff_ffff, 0),
    limit: intParam(params, 'limit', 1, 200, 100),
  });
  const rows = nodes.map((found) => rowOf(context, found));
  const shown = rows.filter((row) => row !== undefined);
  return { nodes: shown, refused: rows.length - shown.length, ...(cursor !== undefined && { cursor }) };
}

/** Undefined when the record is not what its signature covers: nothing in the row can be believed. */
function rowOf(context: CallContext, found: FoundNode): FoundRow | undefined {
  const { identities, clock } = context;
  const { node, hostname, online } = found;
  const row = { node_id: node, address: addressText(node), hostname, public: found.public, online };
  if (found.record === undefined) {
    return { ...row, tags: found.tags, services: [], fingerprint: '', verified: 'unsigned' };
  }
  const record = decodeNodeRecord(found.record);
  const key = typeof record === 'string' ? undefined : decodeBase64(record.key);
  if (typeof record === 'string' || key === undefined || record.node !== node) return undefined;
  if (!identities.verifies(record, key)) return undefined;
  const pinned = identities.keys.pinnedKey(node);
  const isExpired = record.expires < clock.wallNow() / 1000;
  return {
    ...row,
    tags: record.tags,
    services: record.services,
    fingerprint: identities.fingerprintOf(key),
    verified:
      pinned !== undefined && !equal(pinned, key)
        ? 'changed'
        : isExpired
          ? 'expired'
          : pinned === undefined
            ? 'signed'
            : 'pinned',
  };
}

/** Offers a service in our signed record, in place of one of the same name. Errors: `invalid_argument`. */
export async function addService(context: CallContext, params: Given): Promise<Result<'add_service'>> {
  const service = {
    name: textParam(params, 'name'),
    port: intParam(params, 'port', 0, 0xffff),
    description: textParam(params, 'description', ''),
  };
  if (!isServiceEntry(service)) {
    throw new PilotError(
      'invalid_argument',
      `Cannot offer "${service.name}": a name is at most 32 lower-case letters, digits and hyphens, a description at most ${MAX_DESCRIPTION} printable characters`,
    );
  }
  const others = context.own.current.services.filter(({ name }) => name !== service.name);
  return setServices(context, [...others, service]);
}

/** Errors: `not_found`. */
export async function removeService(context: CallContext, params: Given): Promise<Result<'remove_service'>> {
  const name = textParam(params, 'name');
  const { services } = context.own.current;
  const left = services.filter((service) => service.name !== name);
  if (left.length === services.length) {
    throw new PilotError('not_found', `This node offers no service "${name}"`, {
      hint: 'see: pilotctl service list',
    });
  }
  return setServices(context, left);
}

async function setServices(
  { own }: CallContext,
  services: readonly ServiceEntry[],
): Promise<Result<'add_service'>> {
  if (services.length > MAX_SERVICES) {
    throw new PilotError('invalid_argument', `Cannot offer more than ${MAX_SERVICES} services`);
  }
  const bytes = services.reduce((sum, { description }) => sum + utf8(description).length, 0);
  if (bytes > DESCRIPTIONS_LIMIT) {
    throw new PilotError(
      'too_large',
      `Cannot offer these services: their descriptions take ${bytes} bytes, and there is room for ${DESCRIPTIONS_LIMIT}`,
    );
  }
  await own.setServices(services);
  return { node_id: own.nodeId, services };
}
