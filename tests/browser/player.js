// Plays a scenario in a page and yields its trace: what happened, in order. player.py is the same in Python.
(async (scenario, base) => {
  const trace = []
  const seen = {}
  let ws
  let finish
  const over = new Promise((resolve) => { finish = resolve })
  const look = () => [ws.readyState, ws.bufferedAmount, ws.protocol, ws.extensions, ws.binaryType]
  const text = (data) => typeof data === 'string' ? data.slice(0, 60) : ''

  // What a step sends.
  const made = (step) => {
    if ('bytes' in step) return new Uint8Array(step.bytes).fill(step.fill ?? 7)
    return (step.text ?? '').repeat(step.times ?? 1)
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
    send: (step) => attempt('send', () => ws.send(made(step))),
    close: (given) => attempt('close', () => ws.close(...given)),
    look: () => trace.push(['look', ...look()]),
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
    return [kind, bytes.length, bytes.reduce((sum, byte) => (sum * 31 + byte) % 65521, 0)]
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
  return trace
})
