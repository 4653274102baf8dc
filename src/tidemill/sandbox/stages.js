// Functions that run one after another on each message: gates, maps and values (`Stages` in script.py says what each
// is). The value of this file is a function of their JSON, the harness's tools, and the values of purity.js and
// exact.js; it gives back the form { check, prepare, begin, step, failed, stage, isSpoilt }.
//
// A stage must not notice whether it shares the call with others: what one did to its arguments and did not return is
// undone, and what follows a map sees what JSON keeps of its result. While nothing can have changed, one parse does.
(function (source, tools, purity, makeExact) {
  'use strict';
  const { parsed, asJson, NotJson, wipe, store } = tools;
  const exact = makeExact(tools);
  const { keys } = Object;
  const { isArray } = Array;
  const { isInteger } = Number;
  const text = String;
  const PromiseType = Promise;
  const BytesType = Uint8Array;
  const arrayOf = Array.from;
  const [decoder, encoder] = [new TextDecoder('utf-8', { ignoreBOM: true }), new TextEncoder()];
  const [decode, encode] = [decoder.decode, encoder.encode].map((method) => Function.prototype.call.bind(method));
  const { globals, stages } = JSON.parse(source);
  const kinds = [], functions = [], pure = [], tidy = [], errors = [];
  for (const [i, { kind, code }] of stages.entries()) {
    kinds.push(kind);
    const { isPure, isTidy } = purity(code);
    pure.push(isPure);
    tidy.push(isTidy);
    try {
      functions.push(new Function('msg', 'metadata', 'msgType', 'dataType', `${code}\n//# sourceURL=stage${i}`));
      errors.push('');
    } catch (error) { errors.push(text(error)); }
  }
  for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value: frozen(value) });
  const last = stages.length - 1;

  // What the next stage sees while `isFresh`, and the JSON or text of what maps have changed.
  let msg, metadata, msgType, dataType, isFresh = false;
  let newMsg, newMetadata, newMsgType, newDataType, isChanged = false;
  let input = '', givenMsgType, givenDataType, at = 0, logs = '', isSpoilt = false;

  function frozen(value) {
    if (typeof value === 'object' && value !== null) for (const name of keys(Object.freeze(value))) frozen(value[name]);
    return value;
  }

  function load() {
    if (newMsg === undefined || newMetadata === undefined) {
      const given = exact.parsed(input);
      msg = given[0]; metadata = given[1]; givenMsgType = given[2]; givenDataType = given[3];
    }
    msgType = givenMsgType; dataType = givenDataType;
    if (isChanged) change();
    isFresh = true;
  }

  // Between stages a message is a text or bytes, and its type says how the next one reads it. (What no map returned is
  // the text that it was, but for the spaces, if a map makes a TEXT of JSON.)
  function change() {
    const was = dataType;
    if (newMsgType !== undefined) msgType = newMsgType;
    if (newDataType !== undefined) dataType = known(newDataType);
    if (newMetadata !== undefined) metadata = parsed(newMetadata);
    if (newMsg !== undefined) msg = exact.parsed(newMsg);
    else if (dataType === was) return;
    else if (was === 'BINARY') msg = decoded(msg);
    if (dataType === 'TEXT') msg = asText(msg);
    else if (dataType === 'BINARY') msg = isBytes(msg) ? msg : encoded(asText(msg));
    else if (typeof msg === 'string') {
      exact.look(msg);
      try { msg = exact.parsed(msg); } catch { /* then it is a text */ }
    }
  }

  function known(type) {
    return type === 'JSON' || type === 'BINARY' ? type : 'TEXT';
  }

  function asText(value) {
    return typeof value === 'string' ? value : exact.json(value);
  }

  function isBytes(value) {
    if (!isArray(value)) return false;
    for (let i = 0; i < value.length; i++) if (!(isInteger(value[i]) && value[i] >= 0 && value[i] <= 255)) return false;
    return true;
  }

  function decoded(bytes) {
    return decode(decoder, new BytesType(bytes));
  }

  function encoded(string) {
    return arrayOf(encode(encoder, string));
  }

  // The answer, or '' when the next stage is to run.
  function stage() {
    if (!isFresh) load();
    const kind = kinds[at], run = functions[at];
    if (!tidy[at]) isSpoilt = true;
    const result = run(msg, metadata, msgType, dataType);
    if (kind === 'map') {
      isFresh = false;
      if (isArray(result)) return answered(exact.json(result));
      keep(result);
      return at === last ? answered('') : passed(false);
    }
    if (kind === 'gate') {
      if (result !== true) return answered(result === false ? 'false' : shown(result));
      return at === last ? answered('true') : passed(pure[at]);
    }
    return answered(exact.json(result));
  }

  function passed(isClean) {
    if (store.isUsed()) logs += logged();
    if (!isClean) isFresh = false;
    if (isSpoilt) wipe();
    isSpoilt = false;
    at++;
    return '';
  }

  // A gate's result that is no JSON stops the message like any other.
  function shown(result) {
    try { return asJson(result); } catch { return 'null'; }
  }

  function keep(result) {
    if (typeof result !== 'object' || result === null || result instanceof PromiseType) throw new NotJson(refusal(result));
    const { msg: m, metadata: d, msgType: t, dataType: y } = result;
    // All or nothing: what one of them throws, a getter say, must not leave the others changed.
    const dJson = d === undefined || d === null ? newMetadata : metadataJson(d);
    const tText = t === undefined || t === null || t === msgType ? newMsgType : text(t);
    const yText = y === undefined || y === null || y === dataType ? newDataType : text(y);
    const mJson = m !== undefined ? exact.json(m) : yText === newDataType ? newMsg : retyped(known(yText));
    newMsg = mJson; newMetadata = dJson; newMsgType = tText; newDataType = yText;
    isChanged = true;
  }

  // What an earlier map made stays the text that it was; of bytes, what is UTF-8.
  function retyped(type) {
    if (newMsg === undefined || newMsg[0] === '"' || type === dataType) return newMsg;
    if (dataType !== 'BINARY') return asJson(newMsg);
    load();
    return asJson(decoded(msg));
  }

  function refusal(result) {
    const what = result === undefined ? 'nothing' : result === null ? 'null'
      : result instanceof PromiseType ? 'a Promise' : `a ${typeof result}`;
    return `returned ${what}; a map returns an object with msg, metadata, msgType, dataType`;
  }

  function metadataJson(given) {
    if (typeof given !== 'object' || isArray(given)) throw new NotJson(`returned a metadata that is ${isArray(given) ? 'an array' : `a ${typeof given}`}; it is an object`);
    const names = keys(given);
    for (let i = 0; i < names.length; i++) if (typeof given[names[i]] !== 'string') return asJson(texts(given, names));
    return asJson(given);
  }

  function texts(given, names) {
    const all = { __proto__: null };
    for (let i = 0; i < names.length; i++) {
      const value = given[names[i]];
      const made = textOf(value);
      if (made !== undefined) all[names[i]] = made;
    }
    return all;
  }

  function textOf(value) {
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return exact.text(value);
    if (typeof value !== 'object') return value === undefined || typeof value === 'function' ? undefined : text(value);
    if (value === null) return undefined;
    const json = exact.json(value);
    return json[0] === '"' ? parsed(json) : json;
  }

  // [stage, changed, error, logs, value], cut behind the last that there is.
  function answered(value) {
    const all = store.isUsed() ? logs + logged() : logs;
    const head = `[${at},${isChanged ? changed() : 'null'}`;
    if (value) return `${head},null,[${all}],${value}]`;
    return all ? `${head},null,[${all}]]` : head + ']';
  }

  function changed() {
    let fields = newMsg === undefined ? '' : '"msg":' + newMsg;
    if (newMetadata !== undefined) fields += (fields && ',') + '"metadata":' + newMetadata;
    if (newMsgType !== undefined) fields += (fields && ',') + '"msgType":' + asJson(newMsgType);
    if (newDataType !== undefined) fields += (fields && ',') + '"dataType":' + asJson(newDataType);
    return '{' + fields + '}';
  }

  function logged() {
    return (logs && ',') + store.taken(at);
  }

  return {
    PLACE: /\bstage\d+:(\d+):(\d+)/,
    // What `Function` puts before the text.
    LINES_BEFORE: 2,
    check() { return JSON.stringify(errors); },
    prepare: exact.prepare,
    begin(given) {
      input = given;
      at = 0;
      logs = '';
      isFresh = isChanged = isSpoilt = false;
      newMsg = newMetadata = newMsgType = newDataType = undefined;
      exact.begin(given);
    },
    step(isSingle) {
      let answer;
      do answer = stage(); while (!answer && !isSingle);
      return answer;
    },
    failed(error) {
      return `[${at},${isChanged ? changed() : 'null'},${error},[${store.isUsed() ? logs + logged() : logs}]]`;
    },
    stage() { return at; },
    isSpoilt() { return isSpoilt; },
  };
})
