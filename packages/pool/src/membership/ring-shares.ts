interface PlannedMembers {
  readonly members: readonly {
    readonly name: string;
    readonly columns: { readonly from: number; readonly to: number };
  }[];
}

/** Who holds what in the plan of a ring, for people: two plans with the same are one. */
export function sharesOf({ members }: PlannedMembers): string {
  const share = ({ name, columns }: PlannedMembers["members"][number]) =>
    `${name} (columns ${columns.from} to ${columns.to - 1})`;
  return members.map(share).join(", ");
}
