export interface IdentityMethods {
  deregister: [Record<string, never>, { node_id: number }];
}
