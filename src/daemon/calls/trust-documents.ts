import { PilotError } from '../../api/errors.ts';
import type { NodeId } from '../../base/units.ts';
import type { TrustRecord } from '../../core/trust/types.ts';
import type { Result, TrustMethods, TrustShown } from '../../ipc/methods.ts';
import { textParam } from '../../ipc/params.ts';
import { fingerprintOf } from '../../wire/fingerprint.ts';
import { decodeKeyRotation, type KeyRotation, verifyKeyRotation } from '../../wire/key-rotation.ts';
import { encodeTrustBundle } from '../../wire/trust-bundle.ts';
import { trustCertificateMembers } from '../../wire/trust-certificate.ts';
import { encodeTrustRevocation } from '../../wire/trust-revocation.ts';
import { askedTerms, certificateOf, signatureState, termsRow, trustedRow } from '../trust-rows.ts';
import type { CallContext, Given, Handlers } from './context.ts';

/** Rotations of both parties in one bundle. */
const ROTATIONS = 128;

/** What can be shown, written to files and checked of trust. */
export const TRUST_DOCUMENT_CALLS: Handlers<
  Pick<TrustMethods, 'trust_show' | 'trust_export' | 'trust_revocations'>
> = {
  trust_show: async (context, params) => shown(context, await trustedPeer(context, params)),
  trust_export: exportTrust,
  trust_revocations: async (context, params) => {
    const { target } = params;
    const peer = target === undefined || target === null ? undefined : await someNode(context, params);
    const revocations = context.trustEffects.revocations.of(peer);
    return { revocations: revocations.map(encodeTrustRevocation) };
  },
};

function shown(context: CallContext, record: TrustRecord): TrustShown {
  const { node, book, clock, own, identities } = context;
  const { crypto } = context.trustEffects;
  const certificate = certificateOf(record.certificate);
  const asked = node.pending().find((request) => request.node === record.node);
  const asking = node.outgoing().find((request) => request.node === record.node);
  const change =
    asked !== undefined
      ? ({ asked_by: 'peer', terms: termsRow(askedTerms(asked)) } as const)
      : asking !== undefined
        ? ({ asked_by: 'us', terms: termsRow(asking.terms) } as const)
        : undefined;
  return {
    ...trustedRow(node, record, book.nameOf(record.node)),
    own_node_id: own.nodeId,
    own_fingerprint: identities.fingerprint,
    fingerprint: fingerprintOf(crypto, record.publicKey),
    terms: termsRow(record.terms),
    peer_terms: termsRow(record.peerTerms),
    reason: certificate?.reason ?? '',
    ...(certificate && {
      not_before: certificate.notBefore,
      certificate: trustCertificateMembers(certificate),
    }),
    signatures: signatureState(crypto, record, clock.wallNow()),
    ...(change && { change }),
  };
}

async function exportTrust(context: CallContext, params: Given): Promise<Result<'trust_export'>> {
  const record = await trustedPeer(context, params);
  const { node: peer, draft } = record;
  const certificate = certificateOf(record.certificate);
  if (certificate === undefined) {
    throw new PilotError(
      'unavailable',
      draft === undefined
        ? `There is no certificate with node ${peer}: it cannot sign one (legacy trust)`
        : `There is no certificate with node ${peer} yet: it has not signed`,
      { hint: `see: pilotctl trust show ${peer}` },
    );
  }
  const own = context.own.nodeId;
  const rotations = [
    ...(await rotationsOf(context, Math.min(peer, own))),
    ...(await rotationsOf(context, Math.max(peer, own))),
  ].slice(-ROTATIONS);
  const revocations = context.trustEffects.revocations.of(peer).slice(-2);
  const bundle = encodeTrustBundle({ certificate, revocations, rotations });
  return { node_id: peer, serial: certificate.serial, bundle };
}

/** As the registry keeps them; none when it is away, which only matters to those who know an older key. */
async function rotationsOf(context: CallContext, node: NodeId): Promise<readonly KeyRotation[]> {
  if (context.registry.state !== 'connected') return [];
  try {
    const { rotations = [] } = await context.registry.lookup(node);
    return rotations
      .map(decodeKeyRotation)
      .filter((each): each is KeyRotation => typeof each !== 'string')
      .filter((each) => each.node === node && verifyKeyRotation(context.trustEffects.crypto, each));
  } catch {
    return [];
  }
}

async function trustedPeer(context: CallContext, params: Given): Promise<TrustRecord> {
  const peer = await someNode(context, params);
  const record = context.node.trusted().find((each) => each.node === peer);
  if (record !== undefined) return record;
  throw new PilotError('not_found', `Node ${peer} is not trusted`, { hint: 'see: pilotctl trust' });
}

function someNode(context: CallContext, params: Given): Promise<NodeId> {
  const trusted = context.node.trusted().map((record) => record.node);
  const missing = (name: string): string => `"${name}" is not trusted`;
  return context.targets.among(textParam(params, 'target'), trusted, missing);
}
