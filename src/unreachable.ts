/** Marks the branch of a switch that no value can reach; a forgotten case is then a compile error. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
