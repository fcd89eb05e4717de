/** Requests about admin tokens. A token is shown once, when it is made; what is kept is its hash. */
import { isScope, SCOPES, type Scope } from '../../../api/scopes.ts';
import { toHex, utf8 } from '../../../base/bytes.ts';
import type { NetworkId, UnixMillis } from '../../../base/units.ts';
import type { AdminToken } from '../../store/store.ts';
import { recorded } from '../audit/recorded.ts';
import type { Call, Handler, Reply } from '../call.ts';
import { text, texts } from '../fields.ts';
import { refusal } from '../refusal.ts';
import { isInForce } from './authorize.ts';
import { type Operator, operator } from './demand.ts';

/** Tokens in force at once. */
const MOST_TOKENS = 1000;
const MOST_LISTED = 1000;
const MAX_NAME = 64;
const MAX_NETWORKS = 64;
const ID_BYTES = 6;
const SECRET_BYTES = 32;

export const createToken: Handler = async (call) => {
  const maker = operator(call, 'tokens:write', 'make tokens');
  const { shared, request, at } = call;
  const name = text(request.name);
  if (!/^[ -~]+$/.test(name) || name.length > MAX_NAME)
    throw refusal(
      'invalid_argument',
      `invalid name: 1 to ${MAX_NAME} printable ASCII characters are required`,
    );
  const scopes = scopesOf(maker, texts(request.scopes));
  const networks = networksOf(maker, request.networks);
  const expiresAt = await expiryOf(call, maker);
  const id = toHex(shared.random.bytes(ID_BYTES));
  const secret = `pat_${id}_${toHex(shared.random.bytes(SECRET_BYTES))}`;
  const token: AdminToken = {
    id,
    name,
    hash: toHex(shared.crypto.sha256(utf8(secret))),
    scopes,
    networks,
    createdBy: maker.name,
    createdAt: at,
    expiresAt,
    revokedAt: undefined,
    usedAt: undefined,
  };
  const outcome = await recorded(
    call,
    maker.name,
    (store) => store.addToken(token, MOST_TOKENS),
    (added) =>
      added === 'added'
        ? [
            {
              action: 'token.created',
              details: { token: id, name, scopes, networks, expires: expiresAt ?? 0 },
            },
          ]
        : [],
  );
  if (outcome === 'full') throw refusal('rate_limited', `too many tokens: ${MOST_TOKENS} are in force`);
  if (outcome === 'exists') throw refusal('unavailable', 'token not made: try again');
  return { type: 'token_create_ok', token: secret, ...described(token, at) };
};

export const listTokens: Handler = async (call) => {
  operator(call, 'tokens:write', 'list tokens');
  const tokens = await call.shared.store.tokens(MOST_LISTED);
  return { type: 'token_list_ok', tokens: tokens.map((token) => described(token, call.at)) };
};

export const revokeToken: Handler = async (call) => {
  const { name: by } = operator(call, 'tokens:write', 'revoke tokens');
  const id = text(call.request.id);
  const token = await call.shared.store.token(id);
  const revoked = await recorded(
    call,
    by,
    (store) => store.revokeToken(id, call.at),
    (done) => (done ? [{ action: 'token.revoked', details: { token: id, name: token?.name ?? '' } }] : []),
  );
  if (!revoked) throw refusal('not_found', `token ${id.slice(0, 32)} not found, or not in force any more`);
  return { type: 'token_revoke_ok', id };
};

/** Nobody gives more than he has. */
function scopesOf(maker: Operator, wanted: readonly string[]): Scope[] {
  const unknown = wanted.find((scope) => !isScope(scope));
  if (unknown !== undefined || wanted.length === 0) {
    const known = Object.keys(SCOPES).join(', ');
    throw refusal('invalid_argument', `invalid scopes: one or more of ${known} are required`);
  }
  const scopes = [...new Set(wanted)] as Scope[];
  const missing = scopes.find((scope) => !maker.scopes.has(scope));
  if (missing !== undefined) throw refusal('permission_denied', `a token without ${missing} cannot give it`);
  return scopes;
}

function networksOf(maker: Operator, wanted: unknown): NetworkId[] {
  const networks = wanted === undefined ? [...maker.networks] : wanted;
  const valid =
    Array.isArray(networks) &&
    networks.length <= MAX_NETWORKS &&
    networks.every((id) => Number.isInteger(id) && id > 0 && id <= 0xffff);
  if (!valid) {
    throw refusal('invalid_argument', `invalid networks: up to ${MAX_NETWORKS} network ids are required`);
  }
  const all = networks as NetworkId[];
  const beyond =
    maker.networks.length > 0 && (all.length === 0 || all.some((id) => !maker.networks.includes(id)));
  if (beyond) throw refusal('permission_denied', 'a token of some networks cannot be made for others');
  return [...new Set(all)];
}

/** A token made by a token ends with it at the latest. */
async function expiryOf(call: Call, maker: Operator): Promise<UnixMillis | undefined> {
  const wanted = call.request.expires_at;
  if (
    wanted !== undefined &&
    !(typeof wanted === 'number' && Number.isSafeInteger(wanted) && wanted > call.at)
  )
    throw refusal('invalid_argument', 'invalid expires_at: unix milliseconds in the future are required');
  const id = maker.name.startsWith('token:') ? maker.name.slice('token:'.length) : '';
  const end = id === '' ? undefined : (await call.shared.store.token(id))?.expiresAt;
  if (end === undefined) return wanted;
  return wanted === undefined ? end : Math.min(end, wanted);
}

function described(token: AdminToken, at: UnixMillis): Reply {
  const { id, name, scopes, networks, createdBy, createdAt, expiresAt, revokedAt, usedAt } = token;
  return {
    id,
    name,
    scopes,
    networks,
    created_by: createdBy,
    created_at: createdAt,
    in_force: isInForce(token, at),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    ...(revokedAt === undefined ? {} : { revoked_at: revokedAt }),
    ...(usedAt === undefined ? {} : { used_at: usedAt }),
  };
}
