import { createRootHasher } from './merkle.js'
import { openInside } from './paths.js'
import { identityOf } from './source.js'

/** Bytes hashed in one go: below a millisecond, so that others get their turn. */
const STEP_BYTES = 1024 * 1024

interface HashingInit {
  readonly root: string
  readonly isKnown: (identity: string) => boolean
  readonly onRoot: (name: string, identity: string, root: string) => void
}

/** Hashes files in the background, one at a time: two would only make the disk seek. */
export function createHashing({ root, isKnown, onRoot }: HashingInit) {
  const waiting = new Set<string>()
  const wanted = new Set<string>()
  const inHand = new Set<string>()
  const buffer = Buffer.allocUnsafeSlow(STEP_BYTES)
  let running: Promise<void> | undefined
  let begun = false
  let closed = false

  function take(names: Set<string>): string | undefined {
    for (const name of names) {
      wanted.delete(name)
      waiting.delete(name)
      return name
    }
    return undefined
  }

  const next = () => take(wanted) ?? (begun ? take(waiting) : undefined)

  async function run(): Promise<void> {
    for (let name = next(); name !== undefined; name = next()) await hashFile(name)
  }

  async function hashFile(name: string, yields = true): Promise<void> {
    if (inHand.has(name)) return
    inHand.add(name)
    try {
      const handle = await openInside(root, name)
      if (handle === undefined) return
      try {
        const identity = identityOf(await handle.stat({ bigint: true }))
        if (isKnown(identity)) return
        const hasher = createRootHasher()
        for (let position = 0; ; ) {
          const { bytesRead } = await handle.read(buffer, 0, STEP_BYTES, position)
          if (bytesRead === 0) break
          hasher.update(buffer.subarray(0, bytesRead))
          position += bytesRead
          // Who was asked for overtakes even a file of many gigabytes that is half done.
          // One after the other: each that was put off would hold a descriptor.
          while (yields && wanted.size > 0 && !closed) await hashFile(take(wanted) ?? '', false)
          if (closed) return
        }
        if (identityOf(await handle.stat({ bigint: true })) === identity) onRoot(name, identity, hasher.digest())
      } finally {
        await handle.close()
      }
    } catch {
      // A file that cannot be read now is offered without a root; it comes back when it changes.
    } finally {
      inHand.delete(name)
    }
  }

  function start(): void {
    if (closed || running !== undefined) return
    running = run().finally(() => {
      running = undefined
      if (wanted.size > 0 || (begun && waiting.size > 0)) start()
    })
  }

  return {
    /** Some time, after `begin`. */
    add: (name: string) => {
      waiting.add(name)
      if (begun) start()
    },
    /** Next. */
    want: (name: string) => {
      wanted.add(name)
      start()
    },
    /** The folder has been read: from now on the disk is free for the files nobody asked for yet. */
    begin: () => {
      begun = true
      start()
    },
    close: async () => {
      closed = true
      waiting.clear()
      wanted.clear()
      await running
    }
  }
}
