// What users' scripts expect of a browser: atob, btoa, TextEncoder, TextDecoder and a console that is kept.
// No timers, no modules, no I/O. The value of this file is a function that installs it all and gives back
// the console's store: { begin(), isUsed(), taken(stage) }.
(function (logsMax, logLengthMax) {
  'use strict';
  const G = globalThis;
  const { stringify } = JSON;
  const define = Object.defineProperty;
  const hide = (name, value) => define(G, name, { value, writable: true, configurable: true, enumerable: false });

  // mini-racer brings timers that never fire in a synchronous script, and they cannot be deleted.
  for (const name of ['__timer_manager', 'setTimeout', 'clearTimeout']) {
    if (name in G) define(G, name, { value: undefined, writable: false });
  }
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'console']) delete G[name];

  const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const VALUES = new Int16Array(256).fill(-1);
  for (let i = 0; i < 64; i++) VALUES[CHARACTERS.charCodeAt(i)] = i;

  function invalid(text) {
    const error = new Error(text);
    error.name = 'InvalidCharacterError';
    return error;
  }

  hide('btoa', function btoa(data) {
    const text = String(data);
    let out = '';
    for (let i = 0; i < text.length; i += 3) {
      const a = text.charCodeAt(i), b = text.charCodeAt(i + 1), c = text.charCodeAt(i + 2);
      if (a > 255 || b > 255 || c > 255) throw invalid('btoa: a character is outside of Latin1');
      out += CHARACTERS[a >> 2] + CHARACTERS[((a & 3) << 4) | (b >> 4)]
        + (i + 1 < text.length ? CHARACTERS[((b & 15) << 2) | (c >> 6)] : '=')
        + (i + 2 < text.length ? CHARACTERS[c & 63] : '=');
    }
    return out;
  });

  hide('atob', function atob(data) {
    let text = String(data).replace(/[\t\n\f\r ]/g, '');
    if (text.length % 4 === 0) text = text.replace(/==?$/, '');
    if (text.length % 4 === 1) throw invalid('atob: the text is not correctly encoded');
    let out = '', bits = 0, count = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      const value = code < 256 ? VALUES[code] : -1;
      if (value < 0) throw invalid('atob: the text is not correctly encoded');
      bits = ((bits << 6) | value) & 0xfffff;
      count += 6;
      if (count >= 8) {
        count -= 8;
        out += String.fromCharCode((bits >> count) & 255);
      }
    }
    return out;
  });

  function bytesOf(data) {
    if (data === undefined) return new Uint8Array(0);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    throw new TypeError('TextDecoder.decode: needs an ArrayBuffer or a view of one');
  }

  // Code units are joined in pieces: a call has a limit on its arguments.
  class Units {
    constructor() { this.text = ''; this.units = []; }
    add(unit) {
      if (this.units.push(unit) === 4096) this.flush();
    }
    flush() {
      this.text += String.fromCharCode.apply(null, this.units);
      this.units = [];
      return this.text;
    }
  }

  // The decoder of the WHATWG encoding standard: a broken sequence is one U+FFFD, its next byte is read again.
  function decodeUtf8(bytes, fatal) {
    const out = new Units();
    let needed = 0, seen = 0, point = 0, lower = 0x80, upper = 0xbf;
    const broken = () => {
      if (fatal) throw new TypeError('TextDecoder.decode: the data is not valid utf-8');
      out.add(0xfffd);
    };
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (needed === 0) {
        if (byte < 0x80) out.add(byte);
        else if (byte >= 0xc2 && byte <= 0xdf) { needed = 1; point = byte & 0x1f; }
        else if (byte >= 0xe0 && byte <= 0xef) {
          if (byte === 0xe0) lower = 0xa0;
          if (byte === 0xed) upper = 0x9f;
          needed = 2; point = byte & 0xf;
        } else if (byte >= 0xf0 && byte <= 0xf4) {
          if (byte === 0xf0) lower = 0x90;
          if (byte === 0xf4) upper = 0x8f;
          needed = 3; point = byte & 7;
        } else broken();
        continue;
      }
      if (byte < lower || byte > upper) {
        needed = seen = 0; lower = 0x80; upper = 0xbf;
        i--;
        broken();
        continue;
      }
      lower = 0x80; upper = 0xbf;
      point = (point << 6) | (byte & 0x3f);
      if (++seen < needed) continue;
      if (point > 0xffff) {
        out.add(0xd800 + ((point - 0x10000) >> 10));
        out.add(0xdc00 + ((point - 0x10000) & 0x3ff));
      } else out.add(point);
      needed = seen = 0;
    }
    if (needed) broken();
    return out.flush();
  }

  function decodeUtf16(bytes, fatal, high, low) {
    const out = new Units();
    for (let i = 0; i + 1 < bytes.length; i += 2) out.add((bytes[i + high] << 8) | bytes[i + low]);
    let text = out.flush();
    if (bytes.length % 2) text += '\ufffd';
    if (fatal && (bytes.length % 2 || !text.isWellFormed())) {
      throw new TypeError('TextDecoder.decode: the data is not valid utf-16');
    }
    return text.toWellFormed();
  }

  function decodeLatin1(bytes) {
    const out = new Units();
    for (let i = 0; i < bytes.length; i++) out.add(bytes[i]);
    return out.flush();
  }

  // The standard reads latin1 as windows-1252; here it is ISO 8859-1, byte = code point.
  const DECODERS = {
    'utf-8': decodeUtf8,
    'utf-16le': (bytes, fatal) => decodeUtf16(bytes, fatal, 1, 0),
    'utf-16be': (bytes, fatal) => decodeUtf16(bytes, fatal, 0, 1),
    'iso-8859-1': decodeLatin1,
  };
  const LABELS = {
    'utf8': 'utf-8', 'utf-8': 'utf-8', 'unicode-1-1-utf-8': 'utf-8', 'utf-16': 'utf-16le', 'utf-16le': 'utf-16le',
    'utf-16be': 'utf-16be', 'latin1': 'iso-8859-1', 'iso-8859-1': 'iso-8859-1', 'ascii': 'iso-8859-1',
    'us-ascii': 'iso-8859-1',
  };

  hide('TextDecoder', class TextDecoder {
    constructor(label = 'utf-8', options = {}) {
      const encoding = LABELS[String(label).trim().toLowerCase()];
      if (!encoding) throw new RangeError(`TextDecoder: unknown encoding ${label}`);
      define(this, 'encoding', { value: encoding, enumerable: true });
      define(this, 'fatal', { value: Boolean(options.fatal), enumerable: true });
      define(this, 'ignoreBOM', { value: Boolean(options.ignoreBOM), enumerable: true });
    }
    decode(data) {
      const text = DECODERS[this.encoding](bytesOf(data), this.fatal);
      return !this.ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
  });

  hide('TextEncoder', class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(data = '') {
      const text = String(data).toWellFormed();
      const bytes = new Uint8Array(text.length * 3);
      let n = 0;
      for (let i = 0; i < text.length; i++) {
        const point = text.codePointAt(i);
        if (point < 0x80) bytes[n++] = point;
        else if (point < 0x800) { bytes[n++] = 0xc0 | (point >> 6); bytes[n++] = 0x80 | (point & 63); }
        else if (point < 0x10000) {
          bytes[n++] = 0xe0 | (point >> 12); bytes[n++] = 0x80 | ((point >> 6) & 63); bytes[n++] = 0x80 | (point & 63);
        } else {
          i++;
          bytes[n++] = 0xf0 | (point >> 18); bytes[n++] = 0x80 | ((point >> 12) & 63);
          bytes[n++] = 0x80 | ((point >> 6) & 63); bytes[n++] = 0x80 | (point & 63);
        }
      }
      return bytes.slice(0, n);
    }
  });

  let logs = [], count = 0;
  const slice = Function.prototype.call.bind(String.prototype.slice);

  function shown(value) {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    try {
      const text = typeof value === 'object' ? stringify(value) : undefined;
      return text === undefined ? String(value) : text;
    } catch { return Object.prototype.toString.call(value); }
  }

  function log(...values) {
    if (count > logsMax) return;
    let line = '';
    for (let i = 0; i < values.length && line.length <= logLengthMax; i++) line += (i ? ' ' : '') + shown(values[i]);
    if (line.length > logLengthMax) line = slice(line, 0, logLengthMax) + '…';
    define(logs, count, { value: count < logsMax ? line : '… more lines were dropped' });
    count++;
  }
  const console = {};
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace']) console[name] = log;
  hide('console', console);

  return {
    begin() { if (count) { logs = []; count = 0; } },
    isUsed() { return count > 0; },
    // The lines since the begin, and begins anew. With a stage each is a pair.
    taken(stage) {
      let text = '';
      for (let i = 0; i < count; i++) {
        const line = stringify(logs[i]);
        text += (i ? ',' : '') + (stage === undefined ? line : `[${stage},${line}]`);
      }
      this.begin();
      return text;
    },
  };
})
