import type { NodePage, NodeRow } from '../api/dashboard.ts';
import { ask, problemText } from './api.ts';
import { card, fill, h, number } from './dom.ts';
import { type Context, nodePlace, type View } from './view.ts';

const PAGE = 25;
/** Empty pages that are passed over by themselves: a search looks at a bounded number of nodes at a time. */
const PATIENCE = 8;
const TYPING = 250;

/** Finding nodes. */
export function nodesView({ query, operator }: Context): View {
  const asked = query.get('q') ?? '';
  const state = { run: 0, timer: 0 };
  const list = h('ul', { class: 'list' });
  const end = h('div', { class: 'empty' });
  const note = h('span', { class: 'note' }, operator ? 'all nodes' : 'public nodes');
  const input = h('input', {
    type: 'search',
    id: 'find',
    value: asked,
    placeholder: 'Name, words, #tag, id or address',
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-label': 'Find nodes',
  });

  const search = async (cursor = 0): Promise<void> => {
    const run = ++state.run;
    if (cursor === 0) fill(list);
    fill(end, 'Searching…');
    try {
      let place: number | undefined = cursor;
      let shown = 0;
      for (let pages = 0; place !== undefined && shown < PAGE && pages < PATIENCE; pages++) {
        const wanted = new URLSearchParams({ q: input.value, limit: String(PAGE), after: String(place) });
        const page: NodePage = await ask<NodePage>(`/api/nodes?${wanted}`);
        if (run !== state.run) return;
        list.append(...page.nodes.map((node) => h('li', {}, nodeLine(node))));
        shown += page.nodes.length;
        place = page.cursor;
      }
      finish(place);
    } catch (error) {
      if (run === state.run) fill(end, problemText(error));
    }
  };
  const finish = (place: number | undefined): void => {
    const found = list.childElementCount;
    if (place !== undefined)
      fill(
        end,
        h('button', { type: 'button', class: 'quiet', click: () => void search(place) }, 'Show more'),
      );
    else if (found > 0) fill(end, found === 1 ? '1 node' : `${number(found)} nodes`);
    else
      fill(
        end,
        input.value === '' ? 'There are no nodes to show' : 'Nothing found: names and words count as a whole',
      );
  };
  input.addEventListener('input', () => {
    clearTimeout(state.timer);
    state.timer = setTimeout(() => {
      const place = input.value === '' ? '#/nodes' : `#/nodes?q=${encodeURIComponent(input.value)}`;
      history.replaceState(null, '', place);
      void search();
    }, TYPING);
  });
  void search();
  return {
    element: card('Nodes', note, input, list, end),
    close() {
      state.run++;
      clearTimeout(state.timer);
    },
  };
}

export function nodeName({ hostname, address }: Pick<NodeRow, 'hostname' | 'address'>): string {
  return hostname === '' ? address : hostname;
}

export function onlineDot(online: boolean): HTMLElement {
  return h('span', { class: online ? 'dot on' : 'dot off' }, online ? 'on-line' : 'off-line');
}

function nodeLine(node: NodeRow): HTMLElement {
  const { hostname, address, tags, services } = node;
  return h(
    'a',
    { class: 'node', href: nodePlace(node.id) },
    h(
      'span',
      { class: 'name' },
      nodeName(node),
      hostname === '' ? undefined : h('div', { class: 'note mono' }, address),
    ),
    h('span', { class: 'state note' }, onlineDot(node.online)),
    h(
      'span',
      { class: 'chips' },
      ...(node.public ? [] : [h('span', { class: 'chip' }, 'private')]),
      ...tags.slice(0, 5).map((tag) => h('span', { class: 'chip' }, `#${tag}`)),
      ...services.slice(0, 3).map(({ name, port }) => h('span', { class: 'chip' }, `${name} :${port}`)),
    ),
  );
}
