// Whole numbers beyond 2^53 keep their digits on the way through a script: it sees the number that JavaScript makes of
// them, and where that number comes out again, its text does. (What it computes itself may make the same number: that is
// as near as JavaScript's numbers are to each other.) The value of this file is a function of the harness's tools; it
// gives back { prepare, begin, look, parsed, json, text }; the last three do nothing special for most messages.
(function (tools) {
  'use strict';
  const { parsed, asJson } = tools;
  const { rawJSON } = JSON;
  const { isSafeInteger } = Number;
  const { isArray } = Array;
  const [MapType, WeakMapType] = [Map, WeakMap];
  const uncurried = (method) => Function.prototype.call.bind(method);
  const [get, set] = [uncurried(Map.prototype.get), uncurried(Map.prototype.set)];
  const [textsOf, remember] = [uncurried(WeakMap.prototype.get), uncurried(WeakMap.prototype.set)];
  const exec = uncurried(RegExp.prototype.exec);
  const toNumber = Number;
  // 16 digits that start with 9 may be beyond 2^53; most messages have no such number, and are not looked at again.
  const LARGE = /(?:^|[[,:\s-])(?:9\d{15}|\d{17})/;
  const WHOLE = /^-?\d+$/;
  const ALL = /(?<=^|[[,:\s])-?\d{16,}(?=[\s,\]}]|$)/g;
  const AMBIGUOUS = '';
  let isPossible = false, isNeeded = false, isAmbiguous = false;
  let byHolder, byNumber;

  function forget() {
    byHolder = new WeakMapType();
    byNumber = new MapType();
    isAmbiguous = false;
  }

  function know(value, source) {
    if (isSafeInteger(value)) return;
    const known = get(byNumber, value);
    if (known !== undefined && known !== source) isAmbiguous = true;
    set(byNumber, value, known === undefined || known === source ? source : AMBIGUOUS);
  }

  // Reading the text beside is much faster than being called for each value. That it may read in strings, too, does no
  // harm but to ask the question which number it was where there is none.
  function parsedExactly(json) {
    ALL.lastIndex = 0;
    for (let found; (found = exec(ALL, json)) !== null; ) know(toNumber(found[0]), found[0]);
    return isAmbiguous ? parsed(json, noted) : parsed(json);
  }

  function noted(key, value, context) {
    if (typeof value !== 'number' || isSafeInteger(value) || !exec(WHOLE, context.source)) return value;
    let texts = textsOf(byHolder, this);
    if (texts === undefined) remember(byHolder, this, (texts = { length: this.length, of: { __proto__: null } }));
    texts.of[key] = [value, context.source];
    return value;
  }

  // Where two texts make one number, only its old place tells which it was: that object's key, or that place of an
  // array that has not been made longer or shorter.
  function restored(key, value) {
    if (typeof value !== 'number' || isSafeInteger(value)) return value;
    let source = get(byNumber, value);
    if (source === AMBIGUOUS) source = inPlace(this, key, value);
    return source ? rawJSON(source) : value;
  }

  function inPlace(holder, key, value) {
    const texts = textsOf(byHolder, holder);
    if (texts === undefined || !texts.of[key] || (isArray(holder) && holder.length !== texts.length)) return undefined;
    return texts.of[key][0] === value ? texts.of[key][1] : undefined;
  }

  return {
    prepare(joined) { isPossible = rawJSON !== undefined && exec(LARGE, joined) !== null; },
    begin(input) {
      isNeeded = isPossible && exec(LARGE, input) !== null;
      if (isNeeded) forget();
    },
    // Of a text that a script has made.
    look(json) {
      if (isNeeded || rawJSON === undefined || exec(LARGE, json) === null) return;
      isNeeded = true;
      forget();
    },
    parsed(json) { return isNeeded ? parsedExactly(json) : parsed(json); },
    json(value) { return isNeeded ? asJson(value, restored) : asJson(value); },
    // A number's text, as `String` makes it of others.
    text(number) { return (isNeeded && get(byNumber, number)) || `${number}`; },
  };
})
