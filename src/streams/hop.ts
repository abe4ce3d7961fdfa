/** How time is shared along a chain of peers: each keeps some, so that inner peers answer before outer ones give up. Pure. */

/** What a peer keeps of the time it was given: at least this, */
const HOP_MARGIN_MS = 50
/** and at least this part, */
const HOP_MARGIN_PART = 0.1
/** but no more than this: what stays open for minutes needs no more than what takes seconds. */
const MAX_HOP_MARGIN_MS = 5_000

/** What the next one gets of the time left; 0 when there is none to give. */
export function hopDeadlineMs(leftMs: number): number {
  const margin = Math.max(HOP_MARGIN_MS, Math.min(leftMs * HOP_MARGIN_PART, MAX_HOP_MARGIN_MS))
  return Math.max(0, Math.floor(leftMs - margin))
}
