/** The header rules of the data plane (RFC 9110). Pure. */

/** Ranges in one header; more is no use of ours and is answered with the whole file. */
const MAX_RANGES = 16

/** Which bytes to send: `end` is the first byte no longer sent. */
export type RangeChoice =
  | { readonly type: 'whole' }
  | { readonly type: 'part'; readonly start: number; readonly end: number }
  | { readonly type: 'unsatisfiable' }

const WHOLE: RangeChoice = { type: 'whole' }
const UNSATISFIABLE: RangeChoice = { type: 'unsatisfiable' }
const UNIT = /^bytes=/i
const SPEC = /^(\d*)-(\d*)$/

/**
 * Reads a `Range` header against a file of `sizeBytes`. What is malformed is ignored, as RFC 9110 wants.
 * Several ranges become one where they touch, and else the whole file: so an answer is never longer than the file.
 */
export function chooseRange(header: string | undefined, sizeBytes: number): RangeChoice {
  if (header === undefined || !UNIT.test(header)) return WHOLE
  const specs = header
    .slice('bytes='.length)
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '')
  if (specs.length === 0 || specs.length > MAX_RANGES) return WHOLE
  const parts: { start: number; end: number }[] = []
  for (const spec of specs) {
    const range = readSpec(spec, sizeBytes)
    if (range === undefined) return WHOLE
    if (range.start < range.end) parts.push(range)
  }
  return join(parts)
}

/** One range, clamped to the file; empty when it lies outside; undefined when malformed. Numbers of any length are fine: they only grow. */
function readSpec(spec: string, sizeBytes: number): { start: number; end: number } | undefined {
  const [, first, last] = SPEC.exec(spec) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') return { start: Math.max(0, sizeBytes - Number(last)), end: sizeBytes }
  if (last !== '' && BigInt(last) < BigInt(first)) return undefined
  return { start: Number(first), end: last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1) }
}

function join(parts: { start: number; end: number }[]): RangeChoice {
  parts.sort((a, b) => a.start - b.start)
  const [first, ...rest] = parts
  if (first === undefined) return UNSATISFIABLE
  let { end } = first
  for (const part of rest) {
    if (part.start > end) return WHOLE
    end = Math.max(end, part.end)
  }
  return { type: 'part', start: first.start, end }
}

/** Whether a list of entity tags (`If-Match`, `If-None-Match`) names `etag`, or is `*`. Weak tags match only where `weak` allows it. */
export function namesTag(header: string, etag: string, { weak }: { readonly weak: boolean }): boolean {
  if (header.trim() === '*') return true
  return header.split(',').some((tag) => (weak ? tag.trim().replace(/^W\//, '') : tag.trim()) === `"${etag}"`)
}

/** The one meaning of `Content-Range: bytes 0-9/100`, or undefined. */
export function readContentRange(header: string | undefined): { start: number; end: number; size: number } | undefined {
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header ?? '') ?? []
  const range = { start: Number(first), end: Number(last) + 1, size: Number(size) }
  const sane = Object.values(range).every(Number.isSafeInteger) && range.start < range.end && range.end <= range.size
  return sane ? range : undefined
}

/** The seconds of `Prefer: wait=10` (RFC 7240), or 0. */
export function readWait(header: string | readonly string[] | undefined): number {
  const text = typeof header === 'string' ? header : (header ?? []).join()
  const [, seconds] = /(?:^|,)\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:[;,]|$)/i.exec(text) ?? []
  return Number(seconds ?? 0)
}
