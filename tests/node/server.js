// Servers on npm's ws for our clients; what they do is in the path, see tests/interop/peers.py.
//     node server.js [--deflate JSON] [CERT KEY]        prints its port
'use strict'
const fs = require('fs')
const http = require('http')
const https = require('https')
const { WebSocketServer } = require('ws')

const { deflateOptions } = require('./deflate')

const argv = process.argv.slice(2)
const deflate = argv[0] === '--deflate' && argv.splice(0, 2)[1]
const [cert, key] = argv
const server = cert
  ? https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) })
  : http.createServer()
const wss = new WebSocketServer({
  server,
  maxPayload: 0,
  perMessageDeflate: deflateOptions(deflate),
  handleProtocols: (offered) => ['chat', 'superchat'].find((p) => offered.has(p)) || false,
  verifyClient: ({ req }, done) => req.url === '/refuse' ? done(false, 403, 'not today') : done(true)
})

wss.on('connection', (ws, request) => {
  const { pathname, searchParams } = new URL(request.url, 'ws://localhost')
  ws.on('error', () => {})
  ws.on('message', (data, binary) => {
    if (pathname === '/echo') ws.send(data, { binary })
    else if (pathname === '/fragments') {
      const third = Math.floor(data.length / 3)
      ws.send(data.subarray(0, third), { binary, fin: false })
      ws.ping('between')
      ws.send(data.subarray(third, 2 * third), { binary, fin: false })
      ws.send(data.subarray(2 * third), { binary, fin: true })
    } else if (pathname === '/close') {
      const code = searchParams.get('code')
      code ? ws.close(Number(code), searchParams.get('reason') || '') : ws.close()
    } else if (pathname === '/drop') ws.terminate()
    else if (pathname === '/header') ws.send(request.headers['x-test'] || '')
  })
  if (pathname === '/ping') {
    ws.on('pong', (data) => ws.send(`pong ${data}`))
    ws.ping('are you there')
  }
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
