import type { NodePage, NodeRow } from '../../api/dashboard.ts';
import type { NodeId } from '../../base/units.ts';
import { parseAddress } from '../../wire/address.ts';
import { nodeTerms, wordTerms } from '../store/rules.ts';
import type { DescribedNode, NodeRecord } from '../store/store.ts';
import { nodeRow, type Sight } from './node-row.ts';

const MAX_TEXT = 128;
const MAX_PAGE = 100;
/** Nodes looked at together, and for one answer: a page may be short, or empty, and not the last. */
const BATCH = 100;
const MAX_SCANNED = 400;
/** A term that fewer nodes have is rare; of so many terms. */
const FEW = 20;
const MAX_TRIED = 6;

/**
 * Nodes by id, address, hostname, whole words and tags, in order of id. Public nodes come from the index of terms;
 * who may see all walks over all of them instead.
 */
export async function searchNodes(sight: Sight, query: Readonly<Record<string, unknown>>): Promise<NodePage> {
  const text = textOf(query.q);
  const tag = textOf(query.tag).replace(/^#/, '').toLowerCase();
  const limit = Math.max(1, Math.min(MAX_PAGE, numberOf(query.limit) || 25));
  const after = numberOf(query.after);
  const words = text.split(/\s+/).filter((word) => word !== '');
  const tags = [
    ...words.filter((word) => word.startsWith('#')).map((word) => word.slice(1).toLowerCase()),
    tag,
  ];
  const said = words.filter((word) => !word.startsWith('#')).join(' ');
  const wanted = [...tags.filter((each) => each !== '').map((each) => `tag:${each}`), ...wordTerms([said])];
  const exact = after === 0 && tag === '' ? await exactly(sight, text) : undefined;
  const rows: NodeRow[] = exact === undefined ? [] : [nodeRow(exact, sight)];
  // A word that is too short for the index, or none of letters, finds nothing but what it names.
  if (said !== '' && wordTerms([said]).length === 0) return { nodes: rows };
  const ordered = await rarestFirst(sight, wanted);
  const { found, cursor } = await scan(sight, ordered, after, limit - rows.length);
  for (const node of found) if (node.node.id !== exact?.node.id) rows.push(nodeRow(node, sight));
  return { nodes: rows, ...(cursor === undefined ? {} : { cursor }) };
}

/** The node an id, an address or a hostname names, when it may be seen. */
async function exactly(sight: Sight, text: string): Promise<DescribedNode | undefined> {
  const node = await named(sight, text);
  if (node === undefined || !node.registered || !(sight.all || node.public)) return undefined;
  return (await sight.store.describeNodes([node.id]))[0];
}

async function named({ store }: Sight, text: string): Promise<NodeRecord | undefined> {
  if (/^\d{1,10}$/.test(text)) return store.node(Number(text));
  const address = parseAddress(text);
  if (typeof address !== 'string') return store.node(address.node);
  return text === '' ? undefined : store.nodeByHostname(text.toLowerCase());
}

/** The index is read by one term and the others are compared: by one that few have, where there is such a one. */
async function rarestFirst({ store }: Sight, wanted: readonly string[]): Promise<readonly string[]> {
  if (wanted.length < 2) return wanted;
  // People say the general before the particular.
  for (const term of wanted.slice(-MAX_TRIED).reverse()) {
    const few = (await store.findNodes(term, 0, FEW)).length < FEW;
    if (few) return [term, ...wanted.filter((other) => other !== term)];
  }
  return wanted;
}

async function scan(
  sight: Sight,
  wanted: readonly string[],
  from: NodeId,
  limit: number,
): Promise<{ readonly found: DescribedNode[]; readonly cursor: NodeId | undefined }> {
  const found: DescribedNode[] = [];
  let after = from;
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += BATCH) {
    const { nodes, last } = await batch(sight, wanted, after);
    for (const candidate of nodes) {
      if (!wanted.every((term) => candidate.terms.includes(term))) continue;
      if (found.length >= limit) return { found, cursor: found.at(-1)?.node.id ?? from };
      found.push(candidate);
    }
    if (last === undefined) return { found, cursor: undefined };
    after = last;
  }
  return { found, cursor: after };
}

/** The next nodes in order of id; `last` where there may be more. */
async function batch(
  { store, all }: Sight,
  wanted: readonly string[],
  after: NodeId,
): Promise<{ readonly nodes: readonly DescribedNode[]; readonly last: NodeId | undefined }> {
  if (!all) {
    const nodes = await store.findNodes(wanted[0] ?? '', after, BATCH);
    return { nodes, last: nodes.length < BATCH ? undefined : nodes.at(-1)!.node.id };
  }
  // Private nodes are in no index: they are found by what their row says. Public ones of the same stretch come from it.
  const rows = await store.listNodes(after, BATCH);
  const last = rows.length < BATCH ? undefined : rows.at(-1)!.id;
  const hidden = rows.filter((node) => node.registered && !node.public && matches(node, wanted));
  const found = await store.findNodes(wanted[0] ?? '', after, BATCH);
  const shown = last === undefined ? found : found.filter(({ node }) => node.id <= last);
  const described = hidden.length === 0 ? [] : await store.describeNodes(hidden.map(({ id }) => id));
  return { nodes: [...shown, ...described].sort((a, b) => a.node.id - b.node.id), last };
}

function matches(node: NodeRecord, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const own = nodeTerms(node, []);
  return wanted.every((term) => own.includes(term));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim().slice(0, MAX_TEXT) : '';
}
function numberOf(value: unknown): number {
  return typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : 0;
}
