/** Reading the answers about records and certificates. The documents themselves are for the caller to verify. */
import type { JsonObject } from '../wire/json.ts';
import { address, list, nodeId, objects, optionalText } from './read-reply.ts';
import type { FoundNodes, TrustDocuments } from './types.ts';

export function readFoundNodes(reply: JsonObject): FoundNodes {
  const nodes = objects(reply.nodes).map((row) => {
    const node = nodeId(row.node_id);
    const record = optionalText(row.record) ?? '';
    return {
      node,
      address: address(row.address, node),
      hostname: optionalText(row.hostname) ?? '',
      tags: list(row.tags).filter((tag) => typeof tag === 'string'),
      public: row.public === true,
      online: row.online === true,
      ...(record === '' ? {} : { record }),
    };
  });
  return { nodes, ...(typeof reply.cursor === 'number' ? { cursor: reply.cursor } : {}) };
}

export function readCertificate(reply: JsonObject): TrustDocuments {
  const certificate = optionalText(reply.certificate) ?? '';
  const revocation = optionalText(reply.revocation) ?? '';
  return {
    trusted: reply.trusted === true,
    ...(certificate === '' ? {} : { certificate }),
    ...(revocation === '' ? {} : { revocation }),
  };
}
