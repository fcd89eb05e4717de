import type { NodeDetails, TrustGraph } from '../api/dashboard.ts';
import { ask, problemText } from './api.ts';
import { card, fill, h, number, span, when } from './dom.ts';
import { graph } from './graph.ts';
import { nodeName, onlineDot } from './nodes.ts';
import { type Context, nodePlace, type View } from './view.ts';

type Operator = NonNullable<NodeDetails['operator']>;

const REFRESH = 10_000;

/** One node. */
export function nodeView({ query, operator }: Context): View {
  const id = Number(query.get('id'));
  const element = h('div', { class: 'stack' });
  const trust = operator ? graph('Who this node trusts, and whom those trust') : undefined;
  const state = { timer: 0, closed: false };
  const load = async (): Promise<void> => {
    try {
      const details = await ask<NodeDetails>(`/api/nodes/${id}`);
      if (!state.closed) fill(element, ...sectionsOf(details, trust?.element));
    } catch (error) {
      if (!state.closed && element.childElementCount === 0)
        fill(element, card('Node', '', h('p', { class: 'empty' }, problemText(error))));
    }
  };
  void load();
  if (trust !== undefined)
    void ask<TrustGraph>(`/api/trust?node=${id}`)
      .then((found) => trust.show(found, id))
      .catch(() => {});
  state.timer = setInterval(() => void load(), REFRESH);
  return {
    element,
    close() {
      state.closed = true;
      clearInterval(state.timer);
      trust?.close();
    },
  };
}

function sectionsOf(node: NodeDetails, trust: HTMLElement | undefined): HTMLElement[] {
  const { operator } = node;
  const sections = [
    h(
      'section',
      { class: 'card stack' },
      h('div', { class: 'row wrap' }, h('h1', {}, nodeName(node)), onlineDot(node.online)),
      node.tags.length === 0
        ? undefined
        : h('div', { class: 'chips' }, ...node.tags.map((tag) => tagLink(tag))),
      facts([
        ['Address', h('code', {}, node.address)],
        ['Node id', String(node.id)],
        ['Version', node.version],
        ['Identity key', h('code', {}, node.public_key)],
        ['Key replaced', node.key_rotations === 0 ? 'never' : `${number(node.key_rotations)} times`],
        ['Executes tasks', node.task_executor ? 'yes' : ''],
      ]),
    ),
  ];
  if (node.services.length > 0) sections.push(card('Services', '', servicesOf(node)));
  if (operator !== undefined) {
    sections.push(
      card('For operators', operator.registered ? '' : 'not registered', operatorFacts(operator)),
    );
    sections.push(card('Trust', peersNote(operator), trust, peersOf(operator)));
  }
  return sections;
}

function servicesOf({ services }: NodeDetails): HTMLElement {
  const rows = services.map(({ name, port, description }) =>
    h('tr', {}, h('td', {}, name), h('td', { class: 'number' }, String(port)), h('td', {}, description)),
  );
  const heads = h(
    'tr',
    {},
    h('th', {}, 'Name'),
    h('th', { class: 'number' }, 'Port'),
    h('th', {}, 'What it does'),
  );
  return h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, heads), h('tbody', {}, ...rows)));
}
function operatorFacts(operator: Operator): HTMLElement {
  const codes = (texts: readonly string[]): Node | string =>
    texts.length === 0 ? '' : h('code', {}, texts.join(' '));
  const networks = operator.networks.map(({ name, role }) =>
    h('span', { class: 'chip' }, name, h('span', { class: 'count' }, role)),
  );
  return facts([
    ['Endpoint', codes([operator.endpoint])],
    ['In its own network', codes(operator.lan)],
    ['Beacons', codes(operator.beacons)],
    ['Relay only', operator.relay_only ? 'yes' : ''],
    ['Key proven', operator.proven ? 'yes' : 'no: an old daemon'],
    ['Owner', operator.owner],
    ['Last seen', `${when(operator.last_seen)} UTC, ${span(Date.now() - operator.last_seen)} ago`],
    ['Key since', when(operator.key_created_at)],
    ['Key ends', operator.key_expires_at === undefined ? '' : when(operator.key_expires_at)],
    ['Networks', networks.length === 0 ? '' : h('span', { class: 'chips' }, ...networks)],
  ]);
}
function peersNote({ peers, more_peers }: Operator): string {
  return more_peers ? `more than ${number(peers.length)} peers` : `${number(peers.length)} peers`;
}
function peersOf({ peers }: Operator): HTMLElement {
  const links = peers.map((id) => h('a', { class: 'chip', href: nodePlace(id) }, String(id)));
  return h('div', { class: 'chips' }, ...links);
}

function tagLink(tag: string): HTMLElement {
  return h('a', { class: 'chip', href: `#/nodes?q=${encodeURIComponent(`#${tag}`)}` }, `#${tag}`);
}
/** What is "" is left out. */
function facts(rows: readonly (readonly [name: string, value: Node | string])[]): HTMLElement {
  const shown = rows.filter(([, value]) => value !== '');
  return h(
    'dl',
    { class: 'facts' },
    ...shown.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
  );
}
