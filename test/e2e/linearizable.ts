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

interface Configuration<State> {
  readonly state: State;
  /** Operations that have begun and not ended, and have taken effect. */
  readonly done: ReadonlySet<number>;
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
  const open = new Set<number>();
  let configurations: Configuration<State>[] = [{ state: model.initial, done: new Set() }];
  for (const { index, isEnd } of events) {
    if (!isEnd) {
      open.add(index);
      continue;
    }
    configurations = afterEnd(model, history, configurations, open, index);
    if (configurations.length === 0) return history[index];
    open.delete(index);
  }
  return undefined;
}

/** All ways in which open operations can have taken effect so that this one has, which is then forgotten. */
function afterEnd<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  configurations: readonly Configuration<State>[],
  open: ReadonlySet<number>,
  ending: number,
): Configuration<State>[] {
  const seen = new Set<string>();
  const found = new Map<string, Configuration<State>>();
  const stack = [...configurations];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { state, done } = next;
    const key = keyOf(state, done);
    if (seen.has(key)) continue;
    seen.add(key);
    if (done.has(ending)) {
      const left = new Set(done);
      left.delete(ending);
      found.set(keyOf(state, left), { state, done: left });
      continue;
    }
    for (const index of open) {
      if (done.has(index)) continue;
      const { input, output } = history[index]!;
      const after = model.step(state, input);
      if (output !== undefined && JSON.stringify(after.output) !== JSON.stringify(output)) continue;
      stack.push({ state: after.state, done: new Set([...done, index]) });
    }
  }
  return [...found.values()];
}

function keyOf(state: unknown, done: ReadonlySet<number>): string {
  return `${JSON.stringify(state)} ${[...done].sort((a, b) => a - b).join()}`;
}
