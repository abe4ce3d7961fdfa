/** `p2p-rx status`: how the peer that runs here is doing. */
import { firstValueFrom, takeUntil } from 'rxjs'
import type { Status, Transfer } from '../control/messages.js'
import type { Rates } from '../index.js'
import { formatRate } from './amounts.js'
import { answer, writeJson } from './output.js'
import { transferLine } from './rows.js'
import { orThrow, type RunningFlags, requireRunningPeer } from './running.js'
import { stoppedExitCode, watchStops } from './stop.js'

/** Of many transfers, as many as a screen shows. */
const MAX_TRANSFERS_SHOWN = 20

export interface StatusFlags extends RunningFlags {
  readonly json?: boolean
}

export async function status(flags: StatusFlags): Promise<number> {
  const stops = watchStops()
  const client = await requireRunningPeer(flags)
  const status$ = orThrow(client.status()).pipe(takeUntil(stops.stop$))
  const now = await firstValueFrom(status$, { defaultValue: undefined })
  if (stops.reason !== undefined) return stoppedExitCode(stops.reason)
  if (now === undefined) return 1
  if (flags.json) writeJson(now)
  else for (const line of linesOf(now)) answer(line)
  return 0
}

function linesOf({ url, dir, network, peers, files, hashed, transfers, rates }: Status): string[] {
  const rows: readonly (readonly [string, string])[] = [
    ['url', url],
    ...(network === undefined
      ? []
      : ([
          ['network', network.name],
          ['id', network.id]
        ] as const)),
    ['folder', dir],
    ['peers', `${peers.up} up of ${peers.known} known`],
    [
      'files',
      files === undefined ? 'being read' : hashed === files ? `${files}` : `${files}, ${hashed} of them hashed`
    ],
    ['caps', capsOf(rates)],
    ['transfers', `${transfers.length} under way`]
  ]
  return [
    ...rows.map(([name, value]) => `${name.padEnd(11)}${value}`),
    ...transfers.slice(0, MAX_TRANSFERS_SHOWN).map((transfer: Transfer) => `  ${transferLine(transfer)}`),
    ...(transfers.length > MAX_TRANSFERS_SHOWN ? [`  and ${transfers.length - MAX_TRANSFERS_SHOWN} more`] : [])
  ]
}

function capsOf(rates: Rates): string {
  const { uploadBytesPerSecond, downloadBytesPerSecond } = rates
  const { uploadBytesPerSecondPerPeer: upPerPeer, downloadBytesPerSecondPerPeer: downPerPeer } = rates
  return [
    `up ${formatRate(uploadBytesPerSecond)}`,
    `down ${formatRate(downloadBytesPerSecond)}`,
    ...(upPerPeer === undefined ? [] : [`up per peer ${formatRate(upPerPeer)}`]),
    ...(downPerPeer === undefined ? [] : [`down per peer ${formatRate(downPerPeer)}`])
  ].join(', ')
}
