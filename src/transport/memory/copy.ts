/** A frozen copy of plain data, as if it had been written to a wire and read back: nothing is shared between two peers. */
export function frozenCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy)) as T
  const parts = Object.entries(value as Record<string, unknown>).filter(([, part]) => part !== undefined)
  return Object.freeze(Object.fromEntries(parts.map(([key, part]) => [key, frozenCopy(part)]))) as T
}
