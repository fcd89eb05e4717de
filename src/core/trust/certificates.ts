import { equal } from '../../base/bytes.ts';
import type { Crypto, SigningKey } from '../../base/crypto.ts';
import type { NodeId } from '../../base/units.ts';
import { fingerprintOf } from '../../wire/fingerprint.ts';
import type { JsonObject } from '../../wire/json.ts';
import { hasPort, type Ports } from '../../wire/ports.ts';
import {
  decodeTrustCertificate,
  encodeTrustCertificate,
  isTrustCertificateSignedBy,
  signTrustCertificate,
  type TrustCertificate,
  type TrustParty,
  trustCertificateBytes,
  trustCertificateFrom,
  trustCertificateMembers,
} from '../../wire/trust-certificate.ts';
import {
  encodeTrustRevocation,
  isTrustRevocationSigned,
  signTrustRevocation,
  type TrustRevocation,
  trustRevocationFrom,
} from '../../wire/trust-revocation.ts';
import { SIGNED_MAX_SKEW } from './limits.ts';
import { ALL_TERMS, agreedTerms, portsOf, type Terms } from './terms.ts';
import type { TrustRecord } from './types.ts';

/** Serials of peers beyond this are not taken: nobody gets there by counting. */
const SERIAL_LIMIT = 2 ** 47;
const REASON_LENGTH = 100;

/** A certificate a peer sent, signed by it. `complete`: by us as well. */
export interface Offered {
  readonly certificate: TrustCertificate;
  readonly complete: boolean;
}

/** What two nodes may open at each other now. */
export interface Scope {
  readonly give: Ports;
  readonly get: Ports;
  /** New streams and datagram flows a minute that the peer may open here. */
  readonly giveOpens: number | undefined;
  readonly getOpens: number | undefined;
}

/** Makes, reads and judges certificates and revocations of our pairs. */
export class Certificates {
  readonly #crypto: Crypto;
  #identity: SigningKey;
  node: NodeId = 0;
  readonly #read = new WeakMap<
    TrustRecord,
    { readonly terms: Terms; readonly certificate: TrustCertificate | undefined }
  >();
  readonly #scopes = new WeakMap<TrustRecord, Scope>();

  constructor(crypto: Crypto, identity: SigningKey) {
    this.#crypto = crypto;
    this.#identity = identity;
  }

  setIdentity(identity: SigningKey): void {
    this.#identity = identity;
  }

  /** Whether the key has this fingerprint; any key will do when there is none. */
  isKey(key: Uint8Array, fingerprint: string | undefined): boolean {
    return fingerprint === undefined || fingerprintOf(this.#crypto, key) === fingerprint;
  }

  /** A certificate with our signature only. `terms` from our side. */
  draft(
    peer: { readonly node: NodeId; readonly key: Uint8Array },
    terms: Terms,
    about: { readonly serial: number; readonly reason: string; readonly seconds: number },
  ): string {
    const ours: TrustParty = { node: this.node, key: this.#identity.publicKey, offers: terms.give };
    const theirs: TrustParty = { ...peer, offers: terms.get };
    const [a, b] = this.node < peer.node ? [ours, theirs] : [theirs, ours];
    const certificate: TrustCertificate = {
      serial: about.serial,
      a,
      b,
      notBefore: about.seconds,
      ...(terms.not_after !== undefined && { notAfter: Math.max(terms.not_after, about.seconds + 1) }),
      reason: plainText(about.reason),
    };
    return encodeTrustCertificate(signTrustCertificate(this.#identity, this.node, certificate));
  }

  /** Reads a certificate of a message of `peer`; undefined when there is none. */
  offered(value: unknown, peer: NodeId, peerKey: Uint8Array): Offered | 'invalid' | undefined {
    if (value === undefined) return undefined;
    const certificate = trustCertificateFrom(value);
    if (typeof certificate === 'string' || certificate.serial >= SERIAL_LIMIT) return 'invalid';
    const { ours, theirs, oursSigned } = this.#sides(certificate);
    if (ours.node !== this.node || theirs.node !== peer || !equal(theirs.key, peerKey)) return 'invalid';
    if (!isTrustCertificateSignedBy(this.#crypto, certificate, peer)) return 'invalid';
    if (!oursSigned)
      return equal(ours.key, this.#identity.publicKey) ? { certificate, complete: false } : 'invalid';
    if (!isTrustCertificateSignedBy(this.#crypto, certificate, this.node)) return 'invalid';
    return { certificate, complete: true };
  }

  /** Adds our signature where it is missing: one made with an older key of ours stays. */
  countersign(certificate: TrustCertificate): string {
    if (this.#sides(certificate).oursSigned) return encodeTrustCertificate(certificate);
    return encodeTrustCertificate(signTrustCertificate(this.#identity, this.node, certificate));
  }

  /** Whether a certificate that begins and ends so may be taken at this time. */
  isTimely({ notBefore, notAfter }: TrustCertificate, wall: number): boolean {
    return notBefore * 1000 <= wall + SIGNED_MAX_SKEW && (notAfter === undefined || notAfter * 1000 > wall);
  }

  /** What it says, from our side. */
  termsOf(certificate: TrustCertificate): Terms {
    const { ours, theirs } = this.#sides(certificate);
    const { notAfter } = certificate;
    return { give: ours.offers, get: theirs.offers, ...(notAfter !== undefined && { not_after: notAfter }) };
  }

  /** The certificate that counts here: the newest one that we signed; undefined for a legacy trust. */
  inForce(record: TrustRecord): TrustCertificate | undefined {
    return this.#of(record).certificate;
  }

  /** What counts with this peer now, from our side: what certificate and our own terms both allow. */
  effective(record: TrustRecord): Terms {
    return this.#of(record).terms;
  }

  scope(record: TrustRecord): Scope {
    const known = this.#scopes.get(record);
    if (known !== undefined) return known;
    const { give, get } = this.effective(record);
    const scope = { give: portsOf(give), get: portsOf(get), giveOpens: give.opens, getOpens: get.opens };
    this.#scopes.set(record, scope);
    return scope;
  }

  /** Whether we may say with it who we are now: it names our present key. */
  isCurrentKey(record: TrustRecord): boolean {
    const certificate = this.inForce(record);
    return certificate === undefined || equal(this.#sides(certificate).ours.key, this.#identity.publicKey);
  }

  isSame(text: string | undefined, certificate: TrustCertificate): boolean {
    const known = text === undefined ? undefined : decodeTrustCertificate(text);
    if (known === undefined || typeof known === 'string') return false;
    return equal(trustCertificateBytes(known), trustCertificateBytes(certificate));
  }

  revocation(peer: NodeId, serial: number, seconds: number, reason: string): string {
    const about = { node: this.node, peer, serial, at: seconds, reason: plainText(reason) };
    return encodeTrustRevocation(signTrustRevocation(this.#identity, about));
  }

  /** Reads a revocation of a message of `peer`; undefined when there is none that counts. */
  revocationOf(value: unknown, peer: NodeId, peerKey: Uint8Array): TrustRevocation | undefined {
    const revocation = value === undefined ? 'invalid_json' : trustRevocationFrom(value);
    if (typeof revocation === 'string' || revocation.serial >= SERIAL_LIMIT) return undefined;
    if (revocation.node !== peer || revocation.peer !== this.node || !equal(revocation.key, peerKey))
      return undefined;
    return isTrustRevocationSigned(this.#crypto, revocation) ? revocation : undefined;
  }

  #of(record: TrustRecord): { readonly terms: Terms; readonly certificate: TrustCertificate | undefined } {
    const known = this.#read.get(record);
    if (known !== undefined) return known;
    const text = record.draft ?? record.certificate;
    const certificate = text === undefined ? undefined : decodeTrustCertificate(text);
    const read = readRecord(record, typeof certificate === 'string' ? undefined : certificate, (each) =>
      this.termsOf(each),
    );
    this.#read.set(record, read);
    return read;
  }

  #sides(certificate: TrustCertificate): { ours: TrustParty; theirs: TrustParty; oursSigned: boolean } {
    const { a, b, sigA, sigB } = certificate;
    return a.node === this.node
      ? { ours: a, theirs: b, oursSigned: sigA !== undefined }
      : { ours: b, theirs: a, oursSigned: sigB !== undefined };
  }
}

export function mayOpen(ports: Ports, port: number): boolean {
  return hasPort(ports, port);
}

/** The newest one that both signed, which may be older than the one that counts here. */
export function completedOf({ certificate }: TrustRecord): TrustCertificate | undefined {
  const read = certificate === undefined ? undefined : decodeTrustCertificate(certificate);
  return typeof read === 'string' ? undefined : read;
}

/** A certificate as a member of a message. */
export function certificateMember(text: string | undefined): JsonObject | undefined {
  const certificate = text === undefined ? undefined : decodeTrustCertificate(text);
  return certificate === undefined || typeof certificate === 'string'
    ? undefined
    : trustCertificateMembers(certificate);
}

/** A serial that a peer names; 0 for nonsense. */
export function serialFrom(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < SERIAL_LIMIT
    ? value
    : 0;
}

function readRecord(
  record: TrustRecord,
  certificate: TrustCertificate | undefined,
  termsOf: (certificate: TrustCertificate) => Terms,
): { readonly terms: Terms; readonly certificate: TrustCertificate | undefined } {
  const theirs = certificate === undefined ? ALL_TERMS : termsOf(certificate);
  // From the peer's side, as `agreedTerms` wants it.
  const terms = agreedTerms(record.terms, { ...theirs, give: theirs.get, get: theirs.give });
  return { terms, certificate };
}

/** Short and printable: it stands in a document that people read. */
function plainText(text: string): string {
  return Array.from(text.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}"\\<>&]/gu, ' '))
    .slice(0, REASON_LENGTH)
    .join('');
}
