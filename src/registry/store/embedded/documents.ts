import { PilotError } from '../../../api/errors.ts';
import type { NodeId } from '../../../base/units.ts';
import { isListed, nodeTerms, ROTATIONS_KEPT } from '../rules.ts';
import type { NodeDocuments, NodeRecord, PublishedRecord } from '../store.ts';
import type { Sql } from './sql.ts';

/** What nodes signed of themselves, and the terms by which public ones are found. */
export class DocumentTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  record(id: NodeId): string {
    const row = this.#sql.one('SELECT document FROM node_documents WHERE node = ?', id);
    return row === undefined ? '' : String(row.document);
  }
  documents(id: NodeId): NodeDocuments {
    const rotations = this.#sql.all(
      "SELECT document FROM key_rotations WHERE node = ? AND document <> '' ORDER BY epoch",
      id,
    );
    return {
      record: this.record(id),
      rotations: rotations.map(({ document }) => String(document)),
    };
  }

  publish(node: NodeRecord, published: PublishedRecord): 'stored' | 'older' {
    const { sequence, document, terms } = published;
    const known = this.#sql.one('SELECT sequence, document FROM node_documents WHERE node = ?', node.id);
    if (known !== undefined && Number(known.sequence) >= sequence) {
      return Number(known.sequence) === sequence && known.document === document ? 'stored' : 'older';
    }
    this.#sql.run(
      'INSERT OR REPLACE INTO node_documents (node, sequence, document, terms) VALUES (?, ?, ?, ?)',
      node.id,
      sequence,
      document,
      JSON.stringify(terms),
    );
    this.index(node);
    return 'stored';
  }

  ownerOfRetired(publicKey: Uint8Array): NodeId | undefined {
    const row = this.#sql.one('SELECT node FROM key_rotations WHERE old_key = ?', publicKey);
    return row === undefined ? undefined : Number(row.node);
  }
  rotated(id: NodeId, epoch: number, oldKey: Uint8Array, document: string): void {
    this.#sql.run(
      'INSERT INTO key_rotations (node, epoch, old_key, document) VALUES (?, ?, ?, ?)',
      id,
      epoch,
      oldKey,
      document,
    );
    this.#sql.run(
      "UPDATE key_rotations SET document = '' WHERE node = ? AND epoch <= ? AND document <> ''",
      id,
      epoch - ROTATIONS_KEPT,
    );
  }
  /** The record published under a key that is no longer the node's. */
  dropRecord(id: NodeId): void {
    this.#sql.run('DELETE FROM node_documents WHERE node = ?', id);
  }

  /** Public registered nodes that have the term, ascending. */
  find(term: string, after: NodeId, limit: number): NodeId[] {
    return this.#sql
      .all(
        'SELECT node FROM node_terms WHERE term = ? AND node > ? ORDER BY node LIMIT ?',
        term,
        after,
        limit,
      )
      .map(({ node }) => Number(node));
  }
  terms(node: NodeRecord): string[] {
    const row = this.#sql.one('SELECT terms FROM node_documents WHERE node = ?', node.id);
    return nodeTerms(node, row === undefined ? [] : textList(row.terms));
  }
  /** Brings the terms of a node that changed up to date. */
  index(node: NodeRecord): void {
    const had = new Set(
      this.#sql.all('SELECT term FROM node_terms WHERE node = ?', node.id).map(({ term }) => String(term)),
    );
    const wanted = new Set(isListed(node) ? this.terms(node) : []);
    for (const term of had)
      if (!wanted.has(term))
        this.#sql.run('DELETE FROM node_terms WHERE term = ? AND node = ?', term, node.id);
    for (const term of wanted)
      if (!had.has(term)) this.#sql.run('INSERT INTO node_terms (term, node) VALUES (?, ?)', term, node.id);
  }
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
