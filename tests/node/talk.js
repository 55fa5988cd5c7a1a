// The scripted client of tests/README.md on npm's ws, as a peer of our servers. It has one more
// command: `fragments WORD...` sends one text message in a fragment a word, a ping before the last.
'use strict'
const fs = require('fs')
const readline = require('readline')
const WebSocket = require('ws')
const { deflateOptions } = require('./deflate')

const argv = process.argv.slice(2)
const url = argv.shift()
const options = { perMessageDeflate: false, maxPayload: 0, headers: {} }
const protocols = []
while (argv.length) {
  const flag = argv.shift()
  if (flag === '--insecure') options.rejectUnauthorized = false
  else if (flag === '--ca') options.ca = fs.readFileSync(argv.shift())
  else if (flag === '--deflate') options.perMessageDeflate = deflateOptions(argv.shift())
  else if (flag === '--name') options.servername = argv.shift()
  else if (flag === '--protocol') protocols.push(argv.shift())
  else if (flag === '--header') {
    const [, name, value] = argv.shift().match(/^([^:]*): *(.*)$/)
    options.headers[name] = value
  } else throw new Error(`unknown option ${flag}`)
}

const print = (event) => fs.writeSync(1, JSON.stringify(event) + '\n')
const pattern = (n) => Buffer.from({ length: n }, (_, i) => i % 251)
const seen = { message: 0, ping: 0, pong: 0 }
const waited = { message: 0, ping: 0, pong: 0 }
let wake = () => {}
let closing = false

const ws = new WebSocket(url, protocols, options)
const happened = (kind, event) => { seen[kind] += 1; print(event); wake() }
ws.on('message', (data, binary) => happened('message', binary
  ? { event: 'binary', len: data.length, pattern: data.equals(pattern(data.length)) }
  : { event: 'text', data: data.toString() }))
ws.on('ping', (data) => happened('ping', { event: 'ping', data: data.toString() }))
ws.on('pong', (data) => happened('pong', { event: 'pong', data: data.toString() }))
ws.on('error', (error) => print({ event: 'error', phase: '', code: 0, text: error.message }))
ws.on('close', (code, reason) => {
  print({ event: 'close', code, reason: reason.toString(), clean: code !== 1006 })
  process.exit(0)
})

async function wait (kind) {
  waited[kind] += 1
  while (seen[kind] < waited[kind]) await new Promise((resolve) => { wake = resolve })
}

async function command (line) {
  const [name, rest] = line.match(/^(\S+) ?(.*)$/s).slice(1)
  if (name === 'text') ws.send(rest)
  else if (name === 'binary') ws.send(pattern(Number(rest)))
  else if (name === 'ping') ws.ping(rest)
  else if (name === 'abort') ws.terminate()
  else if (name === 'wait') await (rest === 'close' ? new Promise(() => {}) : wait(rest))
  else if (name === 'close') {
    const [code, reason] = rest.match(/^(\d*) ?(.*)$/s).slice(1)
    closing = true
    code ? ws.close(Number(code), reason) : ws.close()
  } else if (name === 'fragments') {
    const words = rest.split(' ')
    words.forEach((word, i) => {
      const fin = i === words.length - 1
      if (fin) ws.ping('between')
      ws.send(word, { fin })
    })
  } else throw new Error(`unknown command ${name}`)
}

ws.on('open', async () => {
  print({ event: 'open', protocol: ws.protocol, extensions: ws.extensions })
  for await (const line of readline.createInterface({ input: process.stdin })) await command(line)
  if (!closing) ws.close(1000)
})
