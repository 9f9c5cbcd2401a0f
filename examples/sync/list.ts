/**
 * A live list, kept right by the subscription `taskList`. Copy this file into your project: it needs no packages.
 *
 *   let list = emptyList<Task>(); // or the one that was stored
 *   const onPatch = (patch: ListPatch<Task>) => show((list = applyPatch(list, patch)));
 *
 * Subscribe with `have: list.state`, also again after the connection was lost: what the list has already is not sent again.
 */

/** What the node of an edge has at least. */
export interface HasId {
  readonly id: string;
}

/** An edge, with what is selected of it. */
export interface Edge<T extends HasId> {
  readonly cursor?: string;
  readonly node: T;
}

/** What a patch has as it is then, if it is selected. */
export interface Values {
  readonly totalCount?: number;
  readonly facets?: unknown;
  readonly hasNextPage?: boolean;
  readonly state?: string;
  readonly version?: number;
}

/** A patch. Select at least `fresh left placed { afterId edge { node { id } } }`. */
export interface ListPatch<T extends HasId> extends Values {
  readonly fresh: boolean;
  readonly left: readonly string[];
  readonly placed: readonly { readonly why?: "ENTERED" | "UPDATED" | "MOVED"; readonly afterId?: string | null; readonly edge: Edge<T> }[];
}

/** The list after a patch. */
export interface LiveList<T extends HasId> extends Values {
  readonly edges: readonly Edge<T>[];
}

export const emptyList = <T extends HasId>(): LiveList<T> => ({ edges: [] });

/** Returns the list after a patch. Edges that the patch doesn't name stay the same objects. */
export function applyPatch<T extends HasId>(list: LiveList<T>, patch: ListPatch<T>): LiveList<T> {
  const { fresh, left, placed, ...values } = patch;
  const out = new Set([...left, ...placed.map(({ edge }) => edge.node.id)]);
  const edges = fresh ? [] : list.edges.filter(({ node }) => !out.has(node.id));
  for (const { afterId, edge } of placed) {
    const before = afterId == null ? -1 : edges.findIndex(({ node }) => node.id === afterId);
    if (afterId != null && before < 0) throw new Error(`The list has no task ${afterId}. Subscribe again, without have.`);
    edges.splice(before + 1, 0, edge);
  }
  return { ...values, edges };
}
