// A script whose value is that of its last statement. The value of this file is a function of its source and the
// harness's tools; it gives back the form { check, prepare, begin, step, failed, stage, isSpoilt }.
(function (source, tools) {
  'use strict';
  const { parsed, asJson, store } = tools;
  const G = globalThis;
  const hasOwn = Object.hasOwn;
  const exec = Function.prototype.call.bind(RegExp.prototype.exec);
  const text = String;

  // The text is sloppy code in a function of its own: its `var`s go with the call, its last value is the result,
  // and `eval` keeps what it has compiled. Measured: as fast as a function made of the text.
  const evaluate = (0, eval)('(function ($, $record) { return eval(arguments[2]); })');
  const named = source + '\n//# sourceURL=script';
  let input = '';

  function bind() {
    const values = parsed(input);
    for (const name in values) if (name !== '$' && name !== '$record' && hasOwn(values, name)) G[name] = values[name];
    return values;
  }

  function logged() {
    return store.isUsed() ? `,"logs":[${store.taken()}]` : '';
  }

  return {
    PLACE: /\bscript:(\d+):(\d+)/,
    LINES_BEFORE: 0,
    // The messages of what does not compile, one for each text.
    check() {
      const prefix = exec(/^\s*(['"])use strict\1/, source) ? "'use strict';throw 0;" : 'throw 0;';
      try { evaluate(undefined, undefined, prefix + source); } catch (error) { return error === 0 ? '[""]' : JSON.stringify([text(error)]); }
    },
    prepare() {},
    begin(given) { input = given; },
    step() {
      const values = bind();
      return '{"value":' + asJson(evaluate(values.$, values.$record, named)) + logged() + '}';
    },
    failed(error) { return '{"error":' + error + logged() + '}'; },
    stage() { return 0; },
    // Whether there may be global variables now that were not there before.
    isSpoilt() { return true; },
  };
})
