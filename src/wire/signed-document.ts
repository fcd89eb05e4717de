/** What signatures of documents cover: one rule for certificates, revocations, node records and key rotations. */
import { utf8 } from '../base/bytes.ts';
import { canonicalJson, type JsonObject } from './json.ts';

/** ASCII `kind` ‖ `-v1` LF ‖ canonical JSON of the members; the caller leaves out the members that are signatures. */
export function documentBytes(kind: string, members: JsonObject): Uint8Array {
  return utf8(`${kind}-v1\n${canonicalJson(members)}`);
}
