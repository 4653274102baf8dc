// Runs one script over many inputs in one call of V8. The value of this file is a function of the user's source,
// the console's store and the bound on a result's length; it gives back { check, run, more, take, again }.
//
// A script may spoil what is global in its own context, so everything used per message is captured first.
(function (source, store, resultLengthMax) {
  'use strict';
  const G = globalThis;
  const { parse, stringify } = JSON;
  const { now } = Date;
  const exec = Function.prototype.call.bind(RegExp.prototype.exec);
  const split = Function.prototype.call.bind(String.prototype.split);
  const replace = Function.prototype.call.bind(String.prototype.replace);
  const includes = Function.prototype.call.bind(String.prototype.includes);
  const hasOwn = Object.hasOwn;
  const text = String;
  const toNumber = Number;
  const ErrorType = Error;
  const PromiseType = Promise;
  const PLACE = /\bscript:(\d+):(\d+)/;
  const forget = Reflect.deleteProperty;
  const SEPARATOR = '\x1e';

  // The text is sloppy code in a function of its own: its `var`s go with the call, its last value is the result,
  // and `eval` keeps what it has compiled. Measured: as fast as a function made of the text.
  const evaluate = (0, eval)('(function ($, $record) { return eval(arguments[2]); })');
  const named = source + '\n//# sourceURL=script';

  let inputs = [], next = 0, out = '';

  class NotJson extends ErrorType {}

  function check() {
    const prefix = exec(/^\s*(['"])use strict\1/, source) ? "'use strict';throw 0;" : 'throw 0;';
    try { evaluate(undefined, undefined, prefix + source); } catch (error) { return error === 0 ? '' : text(error); }
  }

  function asJson(value) {
    if (typeof value === 'function' || typeof value === 'symbol') throw new NotJson(`a ${typeof value} is no JSON value`);
    if (value instanceof PromiseType) throw new NotJson('a Promise is no JSON value: scripts are synchronous');
    let json;
    try { json = stringify(value); } catch (error) { throw new NotJson(described(error)); }
    if (json === undefined) return 'null';
    if (json.length > resultLengthMax) throw new NotJson(`the value is ${json.length} characters long; ${resultLengthMax} is the limit`);
    return includes(json, '\\ud') ? wellFormed(json) : json;
  }

  // JSON.stringify writes half a surrogate pair as \udXXX, which is no text for anybody else.
  function wellFormed(json) {
    return replace(json, /\\(?:\\|ud[89a-f][0-9a-f]{2})/g, (part) => (part === '\\\\' ? part : '\\ufffd'));
  }

  function described(error) {
    try {
      if (error instanceof ErrorType) return `${error.name}: ${error.message}`;
      return typeof error === 'object' ? stringify(error) : text(error);
    } catch { return 'an error that cannot be shown'; }
  }

  function kindOf(error) {
    if (error instanceof NotJson) return 'type';
    return error instanceof RangeError && error.message === 'Array buffer allocation failed' ? 'memory' : 'throw';
  }

  function failure(error) {
    let place = null;
    try { place = exec(PLACE, text(error.stack)); } catch { /* `throw null`, or a stack that throws */ }
    const message = error instanceof NotJson ? error.message : described(error);
    const at = place ? `,"line":${place[1]},"column":${place[2]}` : '';
    return `"error":{"kind":"${kindOf(error)}","message":${wellFormed(stringify(text(message).slice(0, 2000)))}${at}}`;
  }

  function bind(input) {
    let values;
    try { values = parse(input); } catch (error) { throw new NotJson(`the input is no JSON: ${error.message}`); }
    for (const name in values) if (name !== '$' && name !== '$record' && hasOwn(values, name)) G[name] = values[name];
    return values;
  }

  function one(input) {
    let answer;
    store.begin();
    try {
      const values = bind(input);
      answer = '"value":' + asJson(evaluate(values.$, values.$record, named));
    } catch (error) { answer = failure(error); }
    wipe();
    return '{' + answer + store.taken() + '}';
  }

  function wipe() {
    for (const name in G) forget(G, name);
  }

  // Answers until all is done ('.') or the slice of time or size is used up ('+').
  function more(sliceMs) {
    const until = now() + toNumber(sliceMs);
    out = '';
    while (next < inputs.length) {
      const answer = one(inputs[next]);
      out += out ? ',' + answer : answer;
      next++;
      if (next < inputs.length && (out.length > resultLengthMax || now() >= until)) return '+[' + out + ']';
    }
    return '.[' + out + ']';
  }

  return {
    check,
    // The slice's milliseconds come first, then the inputs.
    run(joined) {
      wipe();
      inputs = split(joined, SEPARATOR);
      next = 1;
      return more(inputs[0]);
    },
    more,
    // What was done before V8 stopped the call.
    take() { return '[' + out + ']'; },
    // The same once more with nothing caught, so that V8 tells where something that is no Error was thrown.
    again(input) {
      const values = bind(input);
      evaluate(values.$, values.$record, named);
    },
  };
})
