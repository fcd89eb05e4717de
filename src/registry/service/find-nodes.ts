import { formatAddress } from '../../wire/address.ts';
import { wordTerms } from '../store/rules.ts';
import type { DescribedNode } from '../store/store.ts';
import { contentSigner } from './authenticate.ts';
import type { Call, Handler, Reply } from './call.ts';
import { text, u16, u32 } from './fields.ts';
import { isOnline } from './lookup.ts';
import { refusal } from './refusal.ts';

const MAX_PAGE = 200;
/** Nodes looked at for one page, and for one query in all: a page may be short while there is more. */
const BATCH = 200;
const MAX_SCANNED = 1000;
const MAX_TEXT = 128;

/**
 * Nodes by tag, service and words: of network 0 the public ones, of another its members, for members. One index
 * serves the first thing asked for; the rest is compared with what that finds, a bounded number at a time.
 */
export const findNodes: Handler = async (call) => {
  const { request } = call;
  if (request.sig === undefined) throw refusal('permission_denied', 'find_nodes requires sig');
  const viewer = await contentSigner(call, u32(request.node_id));
  const network = u16(request.network_id);
  // A network that is not there is one the asker is not in.
  if (network !== 0 && (await call.shared.store.member(network, viewer.id)) === undefined) {
    throw refusal('permission_denied', `not a member of network ${network}`);
  }
  const wanted = wantedTerms(call);
  const limit = Math.max(1, Math.min(MAX_PAGE, u32(request.limit) || 100));
  let after = u32(request.after);
  let cursor: number | undefined;
  const found: DescribedNode[] = [];
  for (let scanned = 0; scanned < MAX_SCANNED && cursor === undefined; scanned += BATCH) {
    const { described, last } = await batch(call, network, wanted[0] ?? '', after);
    for (const candidate of described) {
      if (!wanted.every((term) => candidate.terms.includes(term))) continue;
      found.push(candidate);
      if (found.length === limit) {
        cursor = candidate.node.id;
        break;
      }
    }
    if (last === undefined) break;
    after = last;
    if (cursor === undefined && scanned + BATCH >= MAX_SCANNED) cursor = last;
  }
  return {
    type: 'find_nodes_ok',
    nodes: found.map((each) => row(call, network, each)),
    ...(cursor === undefined ? {} : { cursor }),
  };
};

/** The next nodes in order of id; `last` where there may be more. */
async function batch(
  call: Call,
  network: number,
  term: string,
  after: number,
): Promise<{ readonly described: readonly DescribedNode[]; readonly last: number | undefined }> {
  const { store } = call.shared;
  if (network === 0) {
    const described = await store.findNodes(term, after, BATCH);
    return { described, last: described.length < BATCH ? undefined : described.at(-1)!.node.id };
  }
  const members = (await store.members(network, BATCH, after)).map(({ node }) => node);
  const last = members.length < BATCH ? undefined : members.at(-1);
  return { described: await store.describeNodes(members), last };
}

function wantedTerms({ request }: Call): string[] {
  const words = wordTerms([text(request.text).slice(0, MAX_TEXT)]);
  if (text(request.text) !== '' && words.length === 0)
    throw refusal('invalid_argument', 'invalid text: a word of two letters or more is required');
  const tag = text(request.tag).replace(/^#/, '');
  const service = text(request.service);
  return [...(service === '' ? [] : [`service:${service}`]), ...(tag === '' ? [] : [`tag:${tag}`]), ...words];
}

function row(call: Call, network: number, { node, record, terms }: DescribedNode): Reply {
  return {
    node_id: node.id,
    address: formatAddress({ network, node: node.id }),
    hostname: node.hostname,
    tags: terms.filter((term) => term.startsWith('tag:')).map((term) => term.slice('tag:'.length)),
    public: node.public,
    online: isOnline(call, node.lastSeen),
    ...(record === '' ? {} : { record }),
  };
}
