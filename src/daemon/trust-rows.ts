/** Trust as local programs see it: rows from records. */
import { PilotError } from '../api/errors.ts';
import type { Crypto } from '../base/crypto.ts';
import type { PilotNode } from '../core/node.ts';
import { ALL_TERMS, checkedTerms, mirrored } from '../core/trust/terms.ts';
import type { Grant, PendingRequest, Terms, TrustRecord } from '../core/trust/types.ts';
import type { TermsRow, TrustedRow } from '../ipc/methods.ts';
import { encodeBase64 } from '../wire/base64.ts';
import { isJsonObject, type JsonObject } from '../wire/json.ts';
import {
  decodeTrustCertificate,
  type TrustCertificate,
  verifyTrustCertificate,
} from '../wire/trust-certificate.ts';
import { addressText } from './targets.ts';

export function termsRow({ give, get, not_after, renew }: Terms): TermsRow {
  return { give, get, ...(not_after !== undefined && { not_after }), renew: renew === true };
}

/** What a pending request asks, from our view. */
export function askedTerms(request: Pick<PendingRequest, 'terms'>): Terms {
  return mirrored(request.terms);
}

export function certificateOf(text: string | undefined): TrustCertificate | undefined {
  if (text === undefined) return undefined;
  const certificate = decodeTrustCertificate(text);
  return typeof certificate === 'string' ? undefined : certificate;
}

/** What holds with a trusted peer now, from our view. */
export function termsInForce(node: PilotNode, record: TrustRecord): Terms {
  const terms = node.effectiveTerms(record.node) ?? record.terms;
  return record.terms.renew === true ? { ...terms, renew: true } : terms;
}

export function trustedRow(node: PilotNode, record: TrustRecord, hostname: string): TrustedRow {
  const { give, get, not_after, renew } = termsInForce(node, record);
  return {
    node_id: record.node,
    address: addressText(record.node),
    hostname,
    public_key: encodeBase64(record.publicKey),
    approved_at: Math.floor(record.approvedAt / 1000),
    mutual: record.mutual,
    network: 0,
    gives: give,
    gets: get,
    ...(not_after !== undefined && { expires_at: not_after }),
    renew: renew === true,
    kind: record.certificate === undefined ? 'legacy' : 'certificate',
    approved_by: record.approvedBy,
    serial: record.serial,
  };
}

/** What the check of our own certificate says, for people. */
export function signatureState(crypto: Crypto, record: TrustRecord, wall: number): string {
  const certificate = certificateOf(record.certificate);
  if (certificate === undefined) {
    return record.draft === undefined ? 'none' : 'the peer has not signed yet';
  }
  const verdict = verifyTrustCertificate(crypto, certificate, { at: Math.floor(wall / 1000) });
  const newer = record.draft === undefined ? '' : '; a newer certificate waits for the peer';
  return `${verdict === 'valid' ? 'valid, both sides' : verdict}${newer}`;
}

/**
 * Terms a local program wishes, over a base that says what holds where it is silent. Errors: `invalid_argument`.
 */
export function wishedTerms(given: unknown, base: Terms, wallSeconds: number): Terms {
  if (given === undefined || given === null) return base;
  if (!isJsonObject(given)) throw badTerms('terms must be an object');
  const { give, get, lifetime, renew, ...rest } = given;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw badTerms(`there is no term ${unknown}`);
  if (lifetime !== undefined && !(typeof lifetime === 'number' && lifetime >= 0 && lifetime <= 1e10)) {
    throw badTerms('lifetime must be a number of seconds');
  }
  if (renew !== undefined && typeof renew !== 'boolean') throw badTerms('renew must be true or false');
  const { not_after: baseEnd, renew: baseRenew } = base;
  const not_after =
    lifetime === undefined ? baseEnd : lifetime === 0 ? undefined : wallSeconds + Math.ceil(lifetime);
  const wished = {
    give: wishedGrant(give, base.give),
    get: wishedGrant(get, base.get),
    ...(not_after !== undefined && { not_after }),
    ...((renew ?? baseRenew) === true && { renew: true }),
  };
  try {
    return checkedTerms(wished);
  } catch (thrown) {
    throw badTerms(thrown instanceof Error ? thrown.message : 'not understood');
  }
}

function wishedGrant(given: unknown, base: Grant): Grant {
  if (given === undefined) return base;
  if (!isJsonObject(given)) throw badTerms('give and get must be objects');
  const { ports = base.ports, opens = base.opens } = given as JsonObject & Partial<Grant>;
  if (typeof ports !== 'string') throw badTerms('ports must be a text such as 80,1001');
  if (opens !== undefined && typeof opens !== 'number') throw badTerms('opens must be a number a minute');
  return { ports, ...(opens !== undefined && { opens }) };
}

export const EVERYTHING = ALL_TERMS;

function badTerms(what: string): PilotError {
  return new PilotError('invalid_argument', `Cannot use these terms: ${what}`, {
    hint: 'see: pilotctl handshake --help',
  });
}
