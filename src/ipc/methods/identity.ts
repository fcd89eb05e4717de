/** Our key after a rotation. */
export interface RotatedKey {
  readonly node_id: number;
  readonly address: string;
  readonly public_key: string;
  readonly fingerprint: string;
  readonly former_fingerprint: string;
  /** Rotations so far. */
  readonly epoch: number;
}

export interface IdentityMethods {
  deregister: [Record<string, never>, { node_id: number }];
  rotate_key: [Record<string, never>, RotatedKey];
  /** Lets go of a key that was pinned without trust. */
  forget_key: [{ target: string }, { node_id: number; fingerprint: string }];
}
