import type { Overview } from '../api/dashboard.ts';

/** What is shown below the bar. */
export interface View {
  readonly element: HTMLElement;
  /** Something is new. */
  update?(overview: Overview): void;
  /** Another view takes its place. */
  close?(): void;
}

/** What views are given. */
export interface Context {
  /** What follows `?` in the place. */
  readonly query: URLSearchParams;
  /** May see private nodes, endpoints and trust. */
  readonly operator: boolean;
  readonly overview: Overview | undefined;
}

/** The place of a node's page. */
export function nodePlace(id: number): string {
  return `#/node?id=${id}`;
}
