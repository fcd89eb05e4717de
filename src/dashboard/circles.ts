/** Circles beside each other around the middle, the largest first. */
export interface Circle {
  x: number;
  y: number;
  readonly r: number;
}

const GAP = 3;

/** Places circles of the given radii, which come largest first: each as near to the middle as it fits. */
export function placed(radii: readonly number[]): Circle[] {
  const circles: Circle[] = [];
  for (const r of radii) circles.push(placeFor(r, circles));
  return centred(circles);
}

/** Moves all so that the largest distance from the middle is about as small as it can be. */
function centred(circles: readonly Circle[]): Circle[] {
  let [x, y] = [0, 0];
  for (let step = 0; step < 200; step++) {
    const far = (circle: Circle): number => Math.hypot(circle.x - x, circle.y - y) + circle.r;
    const farthest = circles.reduce((a, b) => (far(b) > far(a) ? b : a), circles[0] ?? { x: 0, y: 0, r: 0 });
    const pull = 0.5 / (step + 2);
    x += (farthest.x - x) * pull;
    y += (farthest.y - y) * pull;
  }
  return circles.map((circle) => ({ x: circle.x - x, y: circle.y - y, r: circle.r }));
}

function placeFor(r: number, others: readonly Circle[]): Circle {
  if (others.length === 0) return { x: 0, y: 0, r };
  if (others.length === 1) return { x: others[0]!.r + r + GAP, y: 0, r };
  let best: Circle | undefined;
  for (let i = 0; i < others.length; i++) {
    for (let j = i + 1; j < others.length; j++) {
      for (const spot of touching(r, others[i]!, others[j]!)) {
        const nearer = best === undefined || Math.hypot(spot.x, spot.y) < Math.hypot(best.x, best.y);
        if (nearer && others.every((other) => apart(spot, other))) best = spot;
      }
    }
  }
  return best ?? { x: Math.max(...others.map((other) => other.x + other.r)) + r + GAP, y: 0, r };
}

/** The two places where a circle touches both others. */
function touching(r: number, a: Circle, b: Circle): Circle[] {
  const [fromA, fromB] = [a.r + r + GAP, b.r + r + GAP];
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const distance = Math.hypot(dx, dy);
  if (distance === 0 || distance > fromA + fromB) return [];
  const along = (fromA ** 2 - fromB ** 2 + distance ** 2) / (2 * distance);
  const square = fromA ** 2 - along ** 2;
  if (square < 0) return [];
  const across = Math.sqrt(square);
  const [x, y] = [a.x + (along * dx) / distance, a.y + (along * dy) / distance];
  const [ox, oy] = [(-across * dy) / distance, (across * dx) / distance];
  return [
    { x: x + ox, y: y + oy, r },
    { x: x - ox, y: y - oy, r },
  ];
}

function apart(a: Circle, b: Circle): boolean {
  return Math.hypot(a.x - b.x, a.y - b.y) >= a.r + b.r + GAP - 0.01;
}
