/** The programs p2p-rx is compared with, as somebody would run them who reads their manual and sets nothing more. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, run, scratch, serveOn } from '../processes.js'

/** Who is root has to say so, or the server steps down to a user that cannot read a bench's folders. */
const isRoot = process.getuid?.() === 0

/** nginx with these servers; `port` is one of theirs, by which the bench sees that it serves. */
export async function startNginx(port, servers) {
  const own = scratch()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${own}/${what};`
  )
  const lines = [
    isRoot ? 'user root;' : '',
    `daemon off; worker_processes 1; pid ${own}/pid; error_log ${own}/error.log;`,
    'events { worker_connections 1024; }',
    `http { sendfile on; access_log off; default_type application/octet-stream; ${temporary.join(' ')}`,
    ...servers,
    '}'
  ]
  writeFileSync(join(own, 'nginx.conf'), lines.join('\n'))
  return serveOn(port, 'nginx', '-p', own, '-e', `${own}/error.log`, '-c', join(own, 'nginx.conf'))
}

/**
 * nginx over a folder at several places. Each has an address of its own, because to aria2c a server is an address:
 * of several ports at one address it would use one.
 */
export async function startWeb(dir, places) {
  const ports = await Promise.all(Array.from({ length: places }, freePort))
  const hosts = ports.map((port, at) => `127.0.0.${at + 1}:${port}`)
  const server = await startNginx(
    ports[0],
    hosts.map((host) => `server { listen ${host}; root ${dir}; }`)
  )
  return { ...server, urls: hosts.map((host) => `http://${host}`) }
}

export const aria2 = (name, urls, dir) => run('aria2c', '-q', '-d', dir, ...urls.map((url) => `${url}/${name}`))

/** All files in one run, as many at once as curl likes. */
export async function curlAll(names, url, dir) {
  const list = join(scratch(), 'urls')
  const lines = names.map((name) => `url = "${url}/${name}"\noutput = "${join(dir, name)}"`)
  writeFileSync(list, `create-dirs\n${lines.join('\n')}\n`)
  return run('curl', '-sS', '--parallel', '-K', list)
}

/** The rsync daemon over a folder. */
export async function startRsync(dir) {
  const own = scratch()
  const port = await freePort()
  const lines = [
    `pid file = ${own}/pid`,
    'use chroot = no',
    isRoot ? 'uid = root\ngid = root' : '',
    `[files]\npath = ${dir}\nread only = yes`
  ]
  writeFileSync(join(own, 'rsyncd.conf'), lines.join('\n'))
  const args = ['--daemon', '--no-detach', '--address', '127.0.0.1', '--port', `${port}`]
  const server = await serveOn(port, 'rsync', ...args, '--config', join(own, 'rsyncd.conf'))
  return { ...server, url: `rsync://127.0.0.1:${port}/files` }
}

export const rsyncAll = (folder, url, dir) => run('rsync', '-a', `${url}/${folder}`, `${dir}/`)
