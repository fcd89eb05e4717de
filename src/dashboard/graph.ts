import type { TrustGraph } from '../api/dashboard.ts';
import { h } from './dom.ts';
import { type Body, spread, step } from './force.ts';
import { nodePlace } from './view.ts';

const STEPS = 260;
const PER_FRAME = 3;
const MARGIN = 34;

export interface Graph {
  readonly element: HTMLElement;
  /** `middle`: the node it is about. */
  show(found: TrustGraph, middle?: number): void;
  close(): void;
}

interface Drawn {
  readonly found: TrustGraph;
  readonly middle: number | undefined;
  readonly bodies: readonly Body[];
  readonly links: readonly (readonly [number, number])[];
}

/** Nodes and who trusts whom, drawn on a canvas; a node leads to its page. */
export function graph(description: string): Graph {
  const canvas = h('canvas', { role: 'img', 'aria-label': description });
  const tip = h('div', { class: 'tip', hidden: true });
  const element = h('div', { class: 'graph' }, canvas, tip);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const state: { drawn?: Drawn; steps: number; frame: number; hover: number } = {
    steps: 0,
    frame: 0,
    hover: -1,
  };

  const paint = (): void => {
    if (state.drawn !== undefined) draw(canvas, state.drawn, state.hover);
  };
  const advance = ({ bodies, links }: Drawn, steps: number): void => {
    const shape = Math.max(0.5, Math.min(2.5, canvas.clientWidth / Math.max(1, canvas.clientHeight)));
    for (let i = 0; i < steps && state.steps < STEPS; i++, state.steps++)
      step(bodies, links, 1 - state.steps / STEPS, shape);
  };
  const move = (): void => {
    if (state.drawn === undefined) return;
    advance(state.drawn, PER_FRAME);
    paint();
    if (state.steps < STEPS) state.frame = requestAnimationFrame(move);
  };
  const resized = new ResizeObserver(paint);
  resized.observe(canvas);
  scheme.addEventListener('change', paint);
  const hoverAt = (event: MouseEvent): number =>
    state.drawn === undefined ? -1 : nearest(canvas, state.drawn, event.offsetX, event.offsetY);
  canvas.addEventListener('mousemove', (event) => {
    const at = hoverAt(event);
    canvas.style.cursor = at < 0 ? '' : 'pointer';
    if (at === state.hover) return;
    state.hover = at;
    tip.hidden = at < 0;
    if (at >= 0) {
      const node = state.drawn!.found.nodes[at]!;
      tip.textContent = `${node.name === '' ? `node ${node.id}` : node.name} · ${node.online ? 'on-line' : 'off-line'}`;
      tip.style.left = `${Math.min(event.offsetX + 12, canvas.clientWidth - tip.offsetWidth - 4)}px`;
      tip.style.top = `${Math.max(0, event.offsetY - 34)}px`;
    }
    paint();
  });
  canvas.addEventListener('mouseleave', () => {
    state.hover = -1;
    tip.hidden = true;
    paint();
  });
  canvas.addEventListener('click', (event) => {
    const at = hoverAt(event);
    if (at >= 0) location.hash = nodePlace(state.drawn!.found.nodes[at]!.id);
  });
  return {
    element,
    show(found, middle) {
      cancelAnimationFrame(state.frame);
      const index = new Map(found.nodes.map(({ id }, i) => [id, i]));
      const links = found.links.flatMap(([a, b]) => {
        const [from, to] = [index.get(a), index.get(b)];
        return from === undefined || to === undefined ? [] : [[from, to] as const];
      });
      const weights = found.nodes.map(() => 0);
      for (const [from, to] of links) {
        weights[from]!++;
        weights[to]!++;
      }
      state.drawn = { found, middle, bodies: spread(weights), links };
      state.steps = 0;
      // Whoever wants no motion gets the result.
      if (matchMedia('(prefers-reduced-motion: reduce)').matches) advance(state.drawn, STEPS);
      move();
    },
    close() {
      cancelAnimationFrame(state.frame);
      resized.disconnect();
      scheme.removeEventListener('change', paint);
    },
  };
}

/** From places of bodies to pixels: everything fits. */
function frameOf(
  canvas: HTMLCanvasElement,
  bodies: readonly Body[],
): { scale: number; dx: number; dy: number } {
  const [xs, ys] = [bodies.map(({ x }) => x), bodies.map(({ y }) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = Math.min(
    2.2,
    (width - 2 * MARGIN) / Math.max(1, right - left),
    (height - 2 * MARGIN) / Math.max(1, bottom - top),
  );
  return {
    scale,
    dx: width / 2 - (scale * (left + right)) / 2,
    dy: height / 2 - (scale * (top + bottom)) / 2,
  };
}

function radiusOf({ weight }: Body): number {
  return Math.min(13, 3.5 + 1.1 * Math.sqrt(weight));
}

function nearest(canvas: HTMLCanvasElement, { bodies }: Drawn, x: number, y: number): number {
  const { scale, dx, dy } = frameOf(canvas, bodies);
  let [best, distance] = [-1, 18];
  bodies.forEach((body, i) => {
    const far = Math.hypot(body.x * scale + dx - x, body.y * scale + dy - y) - radiusOf(body);
    if (far < distance) [best, distance] = [i, far];
  });
  return best;
}

function draw(canvas: HTMLCanvasElement, { found, middle, bodies, links }: Drawn, hover: number): void {
  const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
  const paper = canvas.getContext('2d');
  if (paper === null || width === 0) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const { scale, dx, dy } = frameOf(canvas, bodies);
  const at = (i: number): [number, number] => [bodies[i]!.x * scale + dx, bodies[i]!.y * scale + dy];
  paper.setTransform(ratio, 0, 0, ratio, 0, 0);
  paper.clearRect(0, 0, width, height);
  paper.lineWidth = 1;
  for (const [from, to] of links) {
    const lit = from === hover || to === hover;
    paper.strokeStyle = colour(lit ? '--accent' : '--muted');
    paper.globalAlpha = lit ? 1 : 0.35;
    paper.beginPath();
    paper.moveTo(...at(from));
    paper.lineTo(...at(to));
    paper.stroke();
  }
  paper.globalAlpha = 1;
  bodies.forEach((body, i) => {
    const node = found.nodes[i]!;
    paper.beginPath();
    paper.arc(...at(i), radiusOf(body), 0, 2 * Math.PI);
    paper.fillStyle = colour(node.online ? (node.id === middle ? '--third' : '--accent') : '--card');
    paper.fill();
    paper.lineWidth = 1.5;
    paper.strokeStyle = colour(node.online ? '--card' : '--muted');
    paper.stroke();
  });
  label(paper, { found, middle, bodies, links }, at, hover, colour);
}

/** Names of the busiest, and of what is pointed at. */
function label(
  paper: CanvasRenderingContext2D,
  { found, middle, bodies }: Drawn,
  at: (i: number) => [number, number],
  hover: number,
  colour: (name: string) => string,
): void {
  const busiest = bodies.map((_, i) => i).sort((a, b) => bodies[b]!.weight - bodies[a]!.weight);
  const named = new Set([...busiest.slice(0, bodies.length > 40 ? 12 : 24), hover]);
  found.nodes.forEach(({ id }, i) => {
    if (id === middle) named.add(i);
  });
  paper.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  paper.textAlign = 'center';
  paper.lineWidth = 3;
  paper.lineJoin = 'round';
  const taken: { x: number; y: number; width: number }[] = [];
  for (const i of named) {
    const node = found.nodes[i];
    if (node === undefined) continue;
    const text = node.name === '' ? String(node.id) : node.name;
    const [x, y] = at(i);
    const place = { x, y: y - radiusOf(bodies[i]!) - 5, width: paper.measureText(text).width };
    const hidden = taken.some(
      (other) =>
        Math.abs(other.y - place.y) < 14 && Math.abs(other.x - place.x) < (other.width + place.width) / 2 + 4,
    );
    if (hidden && i !== hover) continue;
    taken.push(place);
    paper.strokeStyle = colour('--card');
    paper.strokeText(text, place.x, place.y);
    paper.fillStyle = colour('--text');
    paper.fillText(text, place.x, place.y);
  }
}
