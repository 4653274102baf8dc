// Runs one script over many inputs in one call of V8. The value of this file is a function of the script's form (the
// value of expression.js or stages.js), its source, the console's store and the bound on a result's length; it gives
// back { check, run, more, take, again }.
//
// A script may spoil what is global in its own context, so everything used per message is captured first.
(function (makeForm, source, store, resultLengthMax) {
  'use strict';
  const G = globalThis;
  const { parse, stringify } = JSON;
  const { now } = Date;
  const exec = Function.prototype.call.bind(RegExp.prototype.exec);
  const split = Function.prototype.call.bind(String.prototype.split);
  const replace = Function.prototype.call.bind(String.prototype.replace);
  const includes = Function.prototype.call.bind(String.prototype.includes);
  const text = String;
  const toNumber = Number;
  const ErrorType = Error;
  const PromiseType = Promise;
  const forget = Reflect.deleteProperty;
  const SEPARATOR = '\x1e';
  const UNPLACED = '\x1f';

  let inputs = [], next = 0, out = '', isBegun = false;

  class NotJson extends ErrorType {}

  function parsed(json, reviver) {
    try { return parse(json, reviver); } catch (error) { throw new NotJson(`the input is no JSON: ${error.message}`); }
  }

  function asJson(value, replacer) {
    if (typeof value === 'function' || typeof value === 'symbol') throw new NotJson(`a ${typeof value} is no JSON value`);
    if (value instanceof PromiseType) throw new NotJson('a Promise is no JSON value: scripts are synchronous');
    let json;
    try { json = stringify(value, replacer); } catch (error) { throw new NotJson(described(error)); }
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

  // No JSON has the mark of an error without a place in it.
  function failure(error) {
    let place = null;
    try { place = exec(form.PLACE, text(error.stack)); } catch { /* `throw null`, or a stack that throws */ }
    const kind = kindOf(error);
    const message = kind === 'type' ? error.message : described(error);
    let at = kind === 'throw' ? UNPLACED + (next - 1) + UNPLACED : '';
    if (place) at = `,"line":${place[1] - form.LINES_BEFORE},"column":${place[2]}`;
    return `{"kind":"${kind}","message":${wellFormed(stringify(text(message).slice(0, 2000)))}${at}}`;
  }

  function wipe() {
    for (const name in G) forget(G, name);
  }

  const form = makeForm(source, { parsed, asJson, NotJson, described, wipe, store });

  // '' when there are further steps.
  function step(isSingle) {
    if (!isBegun) {
      store.begin();
      form.begin(inputs[next]);
      isBegun = true;
    }
    let answer;
    try { answer = form.step(isSingle); } catch (error) { answer = form.failed(failure(error)); }
    if (answer) {
      isBegun = false;
      if (form.isSpoilt()) wipe();
    }
    return answer;
  }

  // Answers until all is done ('.') or the slice of time or size is used up ('+'), with the number of all inputs that
  // are answered by now. A slice of no time is one step, and '>' tells the next.
  function more(sliceMs) {
    const slice = toNumber(sliceMs);
    const until = now() + slice;
    wipe();
    out = '';
    while (next < inputs.length) {
      const answer = step(slice === 0);
      if (!answer) return '>' + form.stage() + '[]';
      out += out ? ',' + answer : answer;
      next++;
      if (next < inputs.length && (out.length > resultLengthMax || now() >= until)) return `+${next - 1}[${out}]`;
    }
    return `.${next - 1}[${out}]`;
  }

  return {
    check: form.check,
    // The slice's milliseconds come first, then the inputs.
    run(joined) {
      inputs = split(joined, SEPARATOR);
      form.prepare(joined);
      next = 1;
      isBegun = false;
      return more(inputs[0]);
    },
    more,
    // What was done before V8 stopped the call, and the stage that it was at.
    take() { return `${next - 1}>${form.stage()}[${out}]`; },
    // The same once more with nothing caught, so that V8 tells where something that is no Error was thrown.
    again(input) {
      form.begin(input);
      while (!form.step(true));
    },
  };
})
