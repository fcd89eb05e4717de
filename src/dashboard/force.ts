/** Places for the nodes of a graph: they push each other away, links pull. */
export interface Body {
  x: number;
  y: number;
  vx: number;
  vy: number;
  /** Links at this node. */
  weight: number;
}

const REPULSION = 900;
const SPRING = 0.06;
const LENGTH = 42;
const GRAVITY = 0.025;
const DRAG = 0.82;
const FASTEST = 24;

/** Bodies on a spiral, so that the same graph always looks the same. */
export function spread(weights: readonly number[]): Body[] {
  return weights.map((weight, i) => {
    const [angle, radius] = [i * 2.399963, 14 * Math.sqrt(i + 0.5)];
    return { x: radius * Math.cos(angle), y: radius * Math.sin(angle), vx: 0, vy: 0, weight };
  });
}

/** One step; `heat` from 1 to 0 is how much they still move, `shape` how many times wider than high they come to lie. */
export function step(
  bodies: readonly Body[],
  links: readonly (readonly [number, number])[],
  heat: number,
  shape = 1,
): void {
  for (let i = 0; i < bodies.length; i++) {
    const a = bodies[i]!;
    for (let j = i + 1; j < bodies.length; j++) {
      const b = bodies[j]!;
      const [dx, dy] = [a.x - b.x, a.y - b.y];
      const square = Math.max(30, dx * dx + dy * dy);
      const push = (REPULSION * heat) / (square * Math.sqrt(square));
      a.vx += dx * push * Math.sqrt(b.weight + 1);
      a.vy += dy * push * Math.sqrt(b.weight + 1);
      b.vx -= dx * push * Math.sqrt(a.weight + 1);
      b.vy -= dy * push * Math.sqrt(a.weight + 1);
    }
  }
  for (const [from, to] of links) {
    const [a, b] = [bodies[from]!, bodies[to]!];
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const distance = Math.max(1, Math.hypot(dx, dy));
    const pull =
      (SPRING * heat * (distance - LENGTH)) / distance / Math.sqrt(Math.min(a.weight, b.weight) || 1);
    a.vx += dx * pull;
    a.vy += dy * pull;
    b.vx -= dx * pull;
    b.vy -= dy * pull;
  }
  for (const body of bodies) {
    body.vx = limited((body.vx - body.x * GRAVITY * heat * shape ** -1.6) * DRAG);
    body.vy = limited((body.vy - body.y * GRAVITY * heat) * DRAG);
    body.x += body.vx;
    body.y += body.vy;
  }
}

function limited(speed: number): number {
  return Math.max(-FASTEST, Math.min(FASTEST, speed));
}
