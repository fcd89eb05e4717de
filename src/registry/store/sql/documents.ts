import { PilotError } from '../../../api/errors.ts';
import type { NodeId } from '../../../base/units.ts';
import { isListed, nodeTerms, ROTATIONS_KEPT } from '../rules.ts';
import { all, one, run, type Steps } from '../steps.ts';
import type { NodeDocuments, NodeRecord, PublishedRecord } from '../store.ts';

/** Terms written by one statement. */
const TERMS_AT_ONCE = 32;

/** What nodes signed of themselves, and the terms by which public ones are found. */
export class DocumentTable {
  *record(id: NodeId): Steps<string> {
    const row = yield* one('SELECT document FROM node_documents WHERE node = ?', id);
    return row === undefined ? '' : String(row.document);
  }
  *documents(id: NodeId): Steps<NodeDocuments> {
    const rotations = yield* all(
      "SELECT document FROM key_rotations WHERE node = ? AND document <> '' ORDER BY epoch",
      id,
    );
    return {
      record: yield* this.record(id),
      rotations: rotations.map(({ document }) => String(document)),
    };
  }

  *publish(node: NodeRecord, published: PublishedRecord): Steps<'stored' | 'older'> {
    const { sequence, document, terms } = published;
    const known = yield* one('SELECT sequence, document FROM node_documents WHERE node = ?', node.id);
    if (known !== undefined && Number(known.sequence) >= sequence) {
      return Number(known.sequence) === sequence && known.document === document ? 'stored' : 'older';
    }
    yield* run(
      `INSERT INTO node_documents (node, sequence, document, terms) VALUES (?, ?, ?, ?)
       ON CONFLICT (node) DO UPDATE SET sequence = excluded.sequence, document = excluded.document,
         terms = excluded.terms`,
      node.id,
      sequence,
      document,
      JSON.stringify(terms),
    );
    yield* this.index(node);
    return 'stored';
  }

  *ownerOfRetired(publicKey: Uint8Array): Steps<NodeId | undefined> {
    const row = yield* one('SELECT node FROM key_rotations WHERE old_key = ?', publicKey);
    return row === undefined ? undefined : Number(row.node);
  }
  *rotated(id: NodeId, epoch: number, oldKey: Uint8Array, document: string): Steps<void> {
    yield* run(
      'INSERT INTO key_rotations (node, epoch, old_key, document) VALUES (?, ?, ?, ?)',
      id,
      epoch,
      oldKey,
      document,
    );
    yield* run(
      "UPDATE key_rotations SET document = '' WHERE node = ? AND epoch <= ? AND document <> ''",
      id,
      epoch - ROTATIONS_KEPT,
    );
  }
  /** The record published under a key that is no longer the node's. */
  *dropRecord(id: NodeId): Steps<void> {
    yield* run('DELETE FROM node_documents WHERE node = ?', id);
  }

  /** Public registered nodes that have the term, ascending. */
  *find(term: string, after: NodeId, limit: number): Steps<NodeId[]> {
    const sql = 'SELECT node FROM node_terms WHERE term = ? AND node > ? ORDER BY node LIMIT ?';
    return (yield* all(sql, term, after, limit)).map(({ node }) => Number(node));
  }
  *terms(node: NodeRecord): Steps<string[]> {
    const row = yield* one('SELECT terms FROM node_documents WHERE node = ?', node.id);
    return nodeTerms(node, row === undefined ? [] : textList(row.terms));
  }
  /** Brings the terms of a node that changed up to date. */
  *index(node: NodeRecord): Steps<void> {
    const rows = yield* all('SELECT term FROM node_terms WHERE node = ?', node.id);
    const had = new Set(rows.map(({ term }) => String(term)));
    const wanted = new Set(isListed(node) ? yield* this.terms(node) : []);
    for (const terms of slices([...had].filter((term) => !wanted.has(term)))) {
      const places = terms.map(() => '?').join();
      yield* run(`DELETE FROM node_terms WHERE node = ? AND term IN (${places})`, node.id, ...terms);
    }
    for (const terms of slices([...wanted].filter((term) => !had.has(term)))) {
      const places = terms.map(() => '(?, ?)').join();
      const values = terms.flatMap((term) => [term, node.id]);
      yield* run(`INSERT INTO node_terms (term, node) VALUES ${places}`, ...values);
    }
  }
}

function slices<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / TERMS_AT_ONCE);
  return Array.from({ length: count }, (_, n) => items.slice(n * TERMS_AT_ONCE, (n + 1) * TERMS_AT_ONCE));
}

/** A list stored as JSON. Throws `state_corrupt`. */
export function textList(value: unknown): string[] {
  try {
    const list: unknown = JSON.parse(String(value));
    if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  } catch {
    // Said below.
  }
  throw new PilotError(
    'state_corrupt',
    'Cannot read a node record of the registry store: its lists are damaged',
  );
}
