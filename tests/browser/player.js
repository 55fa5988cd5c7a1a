// Plays a scenario in a page and yields its trace: what happened, in order. player.py is the same in Python.
(async (scenario, base) => {
  const trace = []
  const seen = {}
  let ws
  let finish
  const over = new Promise((resolve) => { finish = resolve })
  // What waits is told exactly, or, where that depends on the system, only whether anything does.
  const amount = () => scenario.client.amounts === 'vague' && ws.bufferedAmount > 0 ? 'some' : ws.bufferedAmount
  const look = () => [ws.readyState, amount(), ws.protocol, ws.extensions, ws.binaryType]
  let remembered
  const text = (data) => typeof data === 'string' ? data.slice(0, 60) : ''

  // What a step sends: text, or bytes in some kind of object; see content.py.
  const made = (step) => {
    if (!('bytes' in step)) return (step.text ?? '').repeat(step.times ?? 1)
    const around = step.as === 'view' ? [7, 1007] : [0, 0]
    const bytes = new Uint8Array(new ArrayBuffer(around[0] + step.bytes + around[1]), around[0], step.bytes)
    if (!step.pattern) bytes.fill(step.fill ?? 7)
    const pattern = Uint8Array.from({ length: 251 }, (_, at) => at)
    for (let at = 0; step.pattern && at < step.bytes; at += 251) bytes.set(pattern.subarray(0, step.bytes - at), at)
    if (step.as === 'blob') return new Blob([bytes])
    if (step.as === 'file') return new File([bytes], 'file')
    return step.as === 'array buffer' ? bytes.buffer : bytes
  }
  const send = (step) => {
    const data = made(step)
    ws.send(data)
    if (step.overwrite) new Uint8Array(data.buffer ?? data).fill(255)
  }
  // CRC-32.
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? byte >>> 1 ^ 0xedb88320 : byte >>> 1
    return byte
  })
  const checksum = (bytes) => {
    let sum = ~0
    for (const byte of bytes) sum = sum >>> 8 ^ table[(sum ^ byte) & 255]
    return ~sum >>> 0
  }
  const attempt = (what, act) => {
    try {
      act()
    } catch (error) {
      trace.push(['threw', what, error.name])
    }
  }
  const listeners = {}
  const acts = {
    send: (step) => attempt('send', () => send(step)),
    send_value: (value) => attempt('send', () => ws.send(value)),
    send_nothing: () => attempt('send', () => ws.send()),
    close: (given) => attempt('close', () => ws.close(...given)),
    look: () => trace.push(['look', ...look()]),
    remember: () => { remembered = ws.bufferedAmount },
    // How what waits compares with what was remembered last.
    compare: () => trace.push(['compared', ['less', 'equal', 'more'][1 + Math.sign(ws.bufferedAmount - remembered)]]),
    // Whether it is no more than that; to be remembered in its place.
    fall: () => {
      trace.push(['fell', ws.bufferedAmount <= remembered])
      remembered = ws.bufferedAmount
    },
    binaryType: (kind) => { ws.binaryType = kind },
    listen: ([type, name, options]) => {
      listeners[name] ??= (event) => trace.push(['listener', name, event.type, event.eventPhase, event.isTrusted])
      ws.addEventListener(type, listeners[name], options ?? {})
    },
    unlisten: ([type, name]) => ws.removeEventListener(type, listeners[name]),
    attribute: ([type, name]) => {
      ws['on' + type] = name === null ? null : () => trace.push(['attribute', name])
    },
    dispatch: ([type, options]) => {
      trace.push(['dispatched', ws.dispatchEvent(new Event(type, options ?? {})), ws.readyState])
    },
    prevent: ([type, how]) => ws.addEventListener(type, (event) => {
      event[how]()
      trace.push(['called', how, event.defaultPrevented])
    })
  }
  const perform = (steps) => {
    for (const step of steps ?? []) {
      const [[what, given]] = Object.entries(step)
      acts[what](given)
    }
  }
  // Steps for an event: for each one, or for the nth.
  const react = (type) => {
    seen[type] = (seen[type] ?? 0) + 1
    perform(scenario.client[type])
    perform(scenario.client[`${type} ${seen[type]}`])
  }
  const describe = async (data) => {
    if (typeof data === 'string') return ['text', data.length, text(data)]
    const kind = data instanceof Blob ? 'blob' : 'arraybuffer'
    const bytes = new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data)
    return [kind, data.size ?? data.byteLength, checksum(bytes)]
  }

  const errors = []
  window.onerror = (message, source, line, column, error) => {
    errors.push(error && error.message)
    return true
  }
  try {
    const { url, protocols } = scenario.client
    ws = protocols === undefined ? new WebSocket(url ?? base) : new WebSocket(url ?? base, protocols)
  } catch (error) {
    return [['threw', 'constructor', error.name]]
  }
  trace.push(['made', ws.url.replace(base, 'URL'), ...look()])
  const pending = []
  ws.addEventListener('open', () => {
    trace.push(['open', ...look()])
    react('open')
  })
  ws.addEventListener('message', (event) => {
    const entry = ['message', event.origin.replace(/\d+$/, 'PORT')]
    trace.push(entry)
    pending.push(describe(event.data).then((told) => entry.push(...told)))
    react('message')
  })
  ws.addEventListener('error', () => {
    trace.push(['error', ...look()])
    react('error')
  })
  ws.addEventListener('close', (event) => {
    trace.push(['close', event.code, event.reason, event.wasClean, ...look()])
    react('close')
    finish()
  })
  perform(scenario.client.start)
  await over
  await Promise.all(pending)
  // Nothing may come after the close event.
  await new Promise((resolve) => setTimeout(resolve, 30))
  perform(scenario.client.later)
  return trace
})
