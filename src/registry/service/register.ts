import { formatEndpoint } from '../../base/endpoint.ts';
import { formatAddress } from '../../wire/address.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import { sourceOf } from '../source.ts';
import type { NodeRecord, RegistrationOutcome } from '../store/store.ts';
import { type Recorded, recorded } from './audit/recorded.ts';
import { legacyRefused, verifyLegacy, verifySignedContent } from './authenticate.ts';
import type { Call, Handler, Reply } from './call.ts';
import { advertisedEndpoint, beaconEndpoints, lanEndpoints } from './endpoint.ts';
import { flag, text, texts } from './fields.ts';
import { checkMayAskForName, hostnameRelease, renamed, takenHostname } from './hostname-claim.ts';
import { hostnameProblem } from './names.ts';
import { takePresence } from './presence.ts';
import { refusal } from './refusal.ts';
import { tellPeers } from './tell-peers.ts';

const MAX_OWNER = 256;
const MAX_VERSION = 64;
/** A key known for this long has a share of the processor of its own, ms: making new ones gains nothing. Chosen. */
const SETTLED = 10 * 60_000;

/**
 * Makes or refreshes the record of a key. With `challenge` and `sig` the key is proven, and from then on the
 * record accepts nothing unproven. An owner that is already known gives no claim to its node. spec/10 §4.3
 */
export const register: Handler = async (call) => {
  const { request, shared, connection, remote, at } = call;
  const keyText = text(request.public_key);
  if (keyText === '') throw refusal('invalid_argument', 'registration requires public_key');
  const publicKey = decodeBase64(keyText);
  if (publicKey === undefined) throw refusal('invalid_argument', 'invalid public key: illegal base64 data');
  if (publicKey.length !== 32) {
    throw refusal('invalid_argument', `invalid public key: invalid public key size: ${publicKey.length}`);
  }
  const listenAddress = text(request.listen_addr);
  const proven = await provesKey(call, publicKey);
  if (!proven && !shared.config.legacySignatures) throw legacyRefused();
  const oldSignature = text(request.signature);
  if (!proven && oldSignature !== '') {
    verifyLegacy(call, { publicKey }, `register:${listenAddress}:${keyText}`, oldSignature);
  }
  const wanted = text(request.hostname);
  const problem = wanted === '' ? undefined : hostnameProblem(wanted);

  if (wanted !== '' && problem === undefined) checkMayAskForName(call);
  const known = await shared.store.nodeByKey(publicKey);
  if (known === undefined && !shared.newNodes.spend(sourceOf(remote.host), shared.clock.now())) {
    throw refusal('rate_limited', 'rate limited: too many new nodes from this address');
  }
  const hostname = wanted === '' || problem !== undefined ? undefined : wanted;
  const holder =
    hostname === undefined || hostname === known?.hostname
      ? undefined
      : await shared.store.nodeByHostname(hostname);
  const registration = {
    publicKey,
    proven,
    owner: text(request.owner).slice(0, MAX_OWNER),
    endpoint: advertisedEndpoint(listenAddress, remote, proven),
    lan: lanEndpoints(texts(request.lan_addrs)),
    // Relays through a beacon are asked of it in the node's name: only the node itself says where it is.
    beacons: proven ? beaconEndpoints(texts(request.beacons)) : [],
    version: text(request.version).slice(0, MAX_VERSION),
    relayOnly: flag(request.relay_only),
    hostname,
    release: hostnameRelease(call),
    maxNodes: shared.config.maxNodes,
    at,
  };
  const outcome = await recorded(
    call,
    'registry',
    (store) => store.register(registration),
    (result) => changesOf(result, proven, known, hostname, holder),
  );
  if (outcome.kind === 'full') throw refusal('unavailable', 'registry full');
  if (outcome.kind === 'proof_required') {
    throw refusal(
      'permission_denied',
      'signature required: this key was registered with proof of possession',
    );
  }
  if (outcome.kind === 'retired') {
    throw refusal(
      'permission_denied',
      'invalid public key: it was replaced by a rotation',
      'restore the newest backup of the identity',
    );
  }
  const { node } = outcome;
  connection.authenticate(node.id, publicKey, proven ? 'proven' : 'claimed');
  if (proven && at - node.keyCreatedAt >= SETTLED) connection.settled = node.id;
  shared.log.event('debug', 'registry.registered', { node: node.id, kind: outcome.kind, proven });
  if (outcome.kind === 'known' && outcome.moved) await tellPeers(call, node.id, 'peer_moved');
  const hostnameError =
    problem ?? (outcome.hostnameHolder === undefined ? undefined : takenHostname(call, wanted, undefined));
  const presence = proven ? await takePresence(call, node) : {};
  return { ...registered(call, node, keyText, wanted, hostnameError), ...presence };
};

/** What of a registration is worth an entry: that a daemon is back is not. */
function changesOf(
  outcome: RegistrationOutcome,
  proven: boolean,
  known: NodeRecord | undefined,
  hostname: string | undefined,
  holder: NodeRecord | undefined,
): Recorded[] {
  if (outcome.kind !== 'created' && outcome.kind !== 'known') return [];
  const { id } = outcome.node;
  const changes: Recorded[] = [];
  if (outcome.kind === 'created') changes.push({ action: 'node.registered', node: id, details: { proven } });
  else if (proven && known?.proven === false) changes.push({ action: 'node.proven', node: id });
  if (hostname !== undefined && outcome.hostnameHolder === undefined)
    changes.push(...renamed(known ?? { id, hostname: '' }, hostname, holder));
  return changes.map((change) => ({ ...change, by: `node:${id}` }));
}

function registered(
  call: Call,
  node: NodeRecord,
  key: string,
  wanted: string,
  hostnameError: string | undefined,
): Reply {
  const reply: Reply = {
    type: 'register_ok',
    node_id: node.id,
    network_id: 0,
    address: formatAddress({ network: 0, node: node.id }),
    public_key: key,
    observed_addr: node.endpoint,
    protocol_version: 1,
  };
  if (hostnameError !== undefined) reply.hostname_error = hostnameError;
  // Old clients expect the field only when they asked for a name.
  if (node.hostname !== '' && (wanted === node.hostname || node.proven)) reply.hostname = node.hostname;
  const { beacons, carriers } = call.shared.config;
  if (node.proven && beacons.length > 0) reply.beacons = beacons.map(formatEndpoint);
  if (node.proven && carriers.length > 0) reply.carriers = carriers;
  return reply;
}

/** True when the request answers our challenge under the key it registers; false when it doesn't try. */
async function provesKey(call: Call, publicKey: Uint8Array): Promise<boolean> {
  const { request, connection, shared } = call;
  if (request.sig === undefined) return false;
  const expected = connection.challenge;
  connection.challenge = undefined;
  if (
    expected === undefined ||
    request.challenge !== expected.nonce ||
    shared.clock.now() > expected.expires
  ) {
    throw refusal('permission_denied', 'invalid challenge: ask for a new one');
  }
  // The challenge proves freshness: it is used up, and no other connection has it.
  verifySignedContent(call, publicKey);
  return true;
}
