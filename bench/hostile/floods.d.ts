export interface Figures {
  readonly rssMiB: number
  readonly heapMiB: number
  readonly cpuSeconds: number
  readonly descriptors: number
  readonly known: number
  readonly unhandled: number
}

export interface Victim {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly measure: () => Promise<Figures>
  readonly stop: () => Promise<number | null>
  readonly kill: () => void
}

interface From {
  readonly from?: string
}

export function startVictim(dir: string, fetchSecret?: string): Promise<Victim>
export function callOf(method: string, ...params: readonly string[]): string
export function call(port: number, request: string, from?: string): Promise<string>
export function calls(
  port: number,
  count: number,
  nth: (nth: number) => string,
  options?: From & { readonly connections?: number }
): Promise<number>
export function hellos(port: number, count: number, options?: From & { readonly connections?: number }): Promise<number>
export function silent(port: number, count: number, options?: From): Promise<{ end: () => void }>
export function slow(port: number, count: number, options?: From): { end: () => void }
export function honest(
  port: number,
  options?: From & { readonly pauseMs?: number }
): { stop: () => Promise<{ times: number[]; failed: number }> }
