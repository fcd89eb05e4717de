/**
 * Checks whether what clients saw of one object could have happened with each operation taking effect at one moment
 * between its begin and its end (Wing and Gong; configurations kept as in Lowe's just-in-time search). An operation
 * whose answer was lost may have taken effect at any moment after its begin, or never.
 */
export interface Operation<Input, Output> {
  readonly input: Input;
  /** Undefined: nobody was told. */
  readonly output: Output | undefined;
  readonly begin: number;
  /** Infinity when the answer was lost. */
  readonly end: number;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  step(state: State, input: Input): { readonly state: State; readonly output: Output };
}

/** One way in which it can have been so far. */
interface Configuration<State> {
  readonly state: State;
  /** Answered operations that are under way and have taken effect. */
  readonly done: ReadonlySet<number>;
  /** How many operations whose answer was lost have taken effect, of each input: which of them is all the same. */
  readonly used: readonly number[];
}

interface Begun {
  /** Under way, with an answer to come. */
  readonly open: Set<number>;
  /** Without an answer: their inputs, and how many of each have begun. */
  readonly lost: { readonly key: string; readonly input: unknown; count: number }[];
}

/** The first operation that cannot be explained, or undefined when everything can. */
export function firstUnexplained<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
): Operation<Input, Output> | undefined {
  const events = history.flatMap((operation, index) => [
    { at: operation.begin, index, isEnd: false },
    ...(operation.end === Number.POSITIVE_INFINITY ? [] : [{ at: operation.end, index, isEnd: true }]),
  ]);
  // What begins in the moment in which another ends may have come before it.
  events.sort((a, b) => a.at - b.at || Number(a.isEnd) - Number(b.isEnd));
  const begun: Begun = { open: new Set(), lost: [] };
  let configurations: Configuration<State>[] = [{ state: model.initial, done: new Set(), used: [] }];
  for (const { index, isEnd } of events) {
    const operation = history[index]!;
    if (isEnd) {
      configurations = afterEnd(model, history, configurations, begun, index);
      if (configurations.length === 0) return operation;
      begun.open.delete(index);
    } else if (operation.end === Number.POSITIVE_INFINITY) {
      const key = JSON.stringify(operation.input);
      const known = begun.lost.find((lost) => lost.key === key);
      if (known === undefined) begun.lost.push({ key, input: operation.input, count: 1 });
      else known.count++;
    } else begun.open.add(index);
  }
  return undefined;
}

/** All ways in which operations can have taken effect so that this one has, which is then forgotten. */
function afterEnd<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  configurations: readonly Configuration<State>[],
  { open, lost }: Begun,
  ending: number,
): Configuration<State>[] {
  const seen = new Map<string, Configuration<State>[]>();
  const found = new Map<string, Configuration<State>[]>();
  const stack = [...configurations];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { state, done, used } = next;
    if (!isNew(seen, next)) continue;
    if (done.has(ending)) {
      const left = new Set(done);
      left.delete(ending);
      isNew(found, { state, done: left, used });
      continue;
    }
    for (const index of open) {
      if (done.has(index)) continue;
      const { input, output } = history[index]!;
      const after = model.step(state, input);
      if (JSON.stringify(after.output) !== JSON.stringify(output)) continue;
      stack.push({ state: after.state, done: new Set([...done, index]), used });
    }
    for (const [kind, { input, count }] of lost.entries()) {
      if ((used[kind] ?? 0) >= count) continue;
      const after = model.step(state, input as Input).state;
      if (JSON.stringify(after) === JSON.stringify(state)) continue;
      stack.push({ state: after, done, used: lost.map((_, n) => (used[n] ?? 0) + Number(n === kind)) });
    }
  }
  return [...found.values()].flat();
}

/** Puts it among the others, unless one is there that leaves at least as much open. Takes out those that it makes needless. */
function isNew<State>(
  known: Map<string, Configuration<State>[]>,
  configuration: Configuration<State>,
): boolean {
  const { state, done, used } = configuration;
  const key = `${JSON.stringify(state)} ${[...done].sort((a, b) => a - b).join()}`;
  const same = known.get(key) ?? [];
  if (same.some((other) => usesNoMore(other.used, used))) return false;
  known.set(key, [...same.filter((other) => !usesNoMore(used, other.used)), configuration]);
  return true;
}

function usesNoMore(a: readonly number[], b: readonly number[]): boolean {
  return a.every((count, kind) => count <= (b[kind] ?? 0));
}
