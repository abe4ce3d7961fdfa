/**
 * What encryption costs: 1 GiB, verified, from one holder of a private network, beside the same in the open, and beside curl
 * from nginx over TLS 1.3, which does not verify. Both ends on this machine, disk to disk, start-up included.
 *
 *     npm run bench -- tls [RUNS]
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, MAIN, RUNS, run, scratch, serve } from './processes.js'
import { printTable } from './table.js'
import { compareFiles, makeFile } from './transfer/files.js'
import { get, startHolder } from './transfer/holders.js'
import { startNginx } from './transfer/others.js'
import { compared, inTurn } from './transfer/pairs.js'

const NAME = '1GiB'
const POLL_MS = 100

const runs = Number(process.argv[2] ?? RUNS)
const share = scratch()
makeFile(join(share, NAME), 1_024)

/** A holder and whoever gets from it are members of one network, which lies in one user's state. */
async function startPrivate() {
  const own = ['env', 'P2PRX_OPEN=', `XDG_STATE_HOME=${scratch()}`, 'node', MAIN]
  const port = await freePort()
  const server = await serve(...own, 'start', '--dir', share, '--port', `${port}`, '--host', '127.0.0.1', '--no-shell')
  for (let hashed = 0; hashed < 1; await sleep(POLL_MS)) {
    // It may not be there yet.
    const status = await run(...own, 'status', '--json').catch(() => ({ output: '{}' }))
    hashed = JSON.parse(status.output).hashed ?? 0
  }
  const peer = `https://127.0.0.1:${port}`
  return { ...server, get: (dir) => run(...own, 'get', NAME, '--peer', peer, '-o', dir, '--no-progress') }
}

async function startWeb() {
  const own = scratch()
  const port = await freePort()
  const [key, certificate] = [join(own, 'key.pem'), join(own, 'certificate.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', [...request, ...subject, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const tls = `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3;`
  const server = await startNginx(port, [`server { listen 127.0.0.1:${port} ssl; root ${share}; ${tls} }`])
  const curl = (dir) =>
    run('curl', '-sS', '--tlsv1.3', '--cacert', certificate, '-o', join(dir, NAME), `https://127.0.0.1:${port}/${NAME}`)
  return { ...server, curl }
}

const [ours, open, web] = [await startPrivate(), await startHolder(share, [NAME]), await startWeb()]
try {
  const contenders = { private: ours.get, open: (dir) => get(NAME, [open], dir), curl: web.curl }
  const results = await inTurn(runs, contenders, (dir) => compareFiles(join(share, NAME), join(dir, NAME)))
  const row = (what, other, most) => {
    const pair = compared(results.private, results[other])
    const verdict = pair.ratio <= most ? 'met' : 'missed'
    return [what, pair.ours, pair.other, pair.ratio.toFixed(2), `<= ${most.toFixed(2)}`, verdict]
  }
  printTable(`1 GiB from one holder of a private network, verified, median of ${runs}`, [
    ['beside', 'private', 'other', 'ratio', 'asked', 'verdict'],
    row('p2p-rx in the open, verified', 'open', 1.3),
    row('curl from nginx, TLS 1.3, unverified', 'curl', 1.2)
  ])
} finally {
  await Promise.all([ours.stop(), open.stop(), web.stop()])
}
