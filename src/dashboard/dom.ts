/** Elements without a library: text is always text. */
type Child = Node | string | undefined;
type Attributes = Readonly<Record<string, string | number | boolean | undefined | (() => void)>>;

/** An HTML element; `class` and other attributes by name, functions as listeners of the event of that name. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  return filled(document.createElement(tag), attributes, children);
}

export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function filled<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren(...children.filter((child) => child !== undefined));
}

/** A card with a title. */
export function card(title: string, note: Child, ...children: readonly Child[]): HTMLElement {
  const aside = typeof note === 'string' ? h('span', { class: 'note' }, note) : note;
  return h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, title), aside), ...children);
}

/** Horizontal bars by name. Colours come from the style sheet. */
export function bars(rows: readonly (readonly [name: string, count: number])[], share = 0): HTMLElement {
  const largest = Math.max(1, ...rows.map(([, count]) => count));
  return h(
    'div',
    { class: 'bars' },
    ...rows.flatMap(([name, count]) => [
      h('span', {}, name),
      h(
        'span',
        { class: 'track' },
        svg(
          'svg',
          { viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          svg('rect', { class: 'track-line', width: 100, height: 10 }),
          svg('rect', {
            class: 'fill',
            width: count === 0 ? 0 : Math.max(0.6, (100 * count) / largest),
            height: 10,
          }),
        ),
      ),
      h(
        'span',
        { class: 'count' },
        share > 0 ? `${number(count)} · ${percent(count / share)}` : number(count),
      ),
    ]),
  );
}

const NUMBER = new Intl.NumberFormat('en');
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export function number(value: number): string {
  return NUMBER.format(value);
}
/** 1.2K, 3M. */
export function compact(value: number): string {
  return COMPACT.format(value);
}
/** 1.2 kB, 3.4 MB: powers of ten. */
export function byteSize(bytes: number): string {
  const unit = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** unit;
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${['B', 'kB', 'MB', 'GB', 'TB'][unit]}`;
}
export function percent(fraction: number): string {
  if (fraction > 0 && fraction < 0.001) return '<0.1 %';
  return `${(fraction * 100).toFixed(fraction < 0.1 && fraction > 0 ? 1 : 0)} %`;
}
/** A duration in its two largest units. */
export function span(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 1) return `${Math.max(0, Math.floor(milliseconds / 1000))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
export function when(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}
