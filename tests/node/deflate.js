// What `--deflate JSON` means, with the names of RFC 7692, in ws' own names. Every message is compressed.
'use strict'

exports.deflateOptions = (json) => {
  if (!json) return false
  const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())
  const options = Object.entries(JSON.parse(json)).map(([name, value]) => [camel(name), value])
  return { threshold: 0, ...Object.fromEntries(options) }
}
