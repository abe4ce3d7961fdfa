/** Reads bencoded data: text keys, all strings as bytes. */
export type Bencoded = number | Buffer | Bencoded[] | Map<string, Bencoded>

export function bdecode(data: Buffer): Bencoded {
  let at = 0
  function until(end: string): string {
    const stop = data.indexOf(end, at)
    const text = data.toString('latin1', at, stop)
    at = stop + 1
    return text
  }
  function value(): Bencoded {
    const kind = String.fromCharCode(data[at] ?? 0)
    if (kind === 'i' || kind === 'l' || kind === 'd') at += 1
    if (kind === 'i') return Number(until('e'))
    if (kind === 'l') return items()
    if (kind === 'd') return new Map(pairs(items()))
    const length = Number(until(':'))
    at += length
    return data.subarray(at - length, at)
  }
  function items(): Bencoded[] {
    const found: Bencoded[] = []
    while (data[at] !== 0x65) found.push(value())
    at += 1
    return found
  }
  return value()
}

function pairs(items: Bencoded[]): [string, Bencoded][] {
  return items.flatMap((key, index) =>
    // Latin 1, because the keys of piece layers are hashes.
    index % 2 === 0 ? [[(key as Buffer).toString('latin1'), items[index + 1] ?? 0] as [string, Bencoded]] : []
  )
}

export function entry(dictionary: Bencoded | undefined, ...keys: string[]): Bencoded | undefined {
  let found = dictionary
  for (const key of keys) found = found instanceof Map ? found.get(key) : undefined
  return found
}
