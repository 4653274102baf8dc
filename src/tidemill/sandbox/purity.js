// What a function's body surely does not do: change what it was given (`isPure`), leave a global variable behind
// (`isTidy`). The value of this file is a function of the body that gives both.
//
// It looks at words and signs only. What it does not know, and a call of what it does not know, may do anything. The
// arguments are plain values from JSON, so reading them runs nobody's code, and their methods are JavaScript's own.
(function (code) {
  'use strict';
  const TOKEN = /\s+|\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/|([\p{ID_Start}$_][\p{ID_Continue}$]*)|(\d[\w.]*)|("(?:[^"\\\n\r]|\\[^\r])*"|'(?:[^'\\\n\r]|\\[^\r])*')|((?!>>>?=|<<=)(?:===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.|=|[{}()[\];,<>+\-*%&|^!~?:.]))/uy;
  const ANYTHING = ['delete', 'new', 'await', 'yield', 'function', 'class', 'import', 'super', 'async', 'for', 'with', 'eval', 'arguments', 'this', 'globalThis'];
  const BEFORE_PARENTHESIS = ['', 'if', 'else', 'return', 'typeof', 'void', 'in', '(', '[', '{', ';', ',', '!', '~', '?', ':', '<', '>',
    '+', '-', '*', '%', '&', '|', '^', '===', '!==', '==', '!=', '<=', '>=', '&&', '||', '??', '=',
    'Boolean', 'Number', 'String', 'isFinite', 'isNaN', 'parseFloat', 'parseInt',
    '.charAt', '.endsWith', '.hasOwnProperty', '.includes', '.indexOf', '.isArray', '.join', '.lastIndexOf', '.startsWith', '.slice',
    '.substring', '.toFixed', '.toLowerCase', '.toString', '.toUpperCase', '.trim'];
  const UNSURE = { isPure: false, isTidy: false };
  const surely = { isPure: true, isTidy: true };
  let declared = '', previous = '', root = '';
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < code.length) {
    const found = TOKEN.exec(code);
    if (!found) return UNSURE;
    const [, word, number, string, sign] = found;
    let token = word ?? number ?? string ?? sign;
    if (token === undefined) continue;
    const isProperty = word && (previous === '.' || previous === '?.');
    if (isProperty) token = '.' + word;
    if (string) token = '""';
    if (ANYTHING.includes(token)) return UNSURE;
    if (sign === '(' && !BEFORE_PARENTHESIS.includes(previous)) return UNSURE;
    if ((sign === '+' || sign === '-') && previous === sign) return UNSURE;
    // `var name = ...` makes a variable. Every other assignment may be to something given, or to something global,
    // unless it is to a part of an argument: `msg.name = ...`
    if (sign === '=' && !['var', 'let', 'const'].includes(declared)) {
      surely.isPure = false;
      if (previous[0] !== '.' || !['msg', 'metadata'].includes(root)) surely.isTidy = false;
    }
    if (!isProperty && sign !== '.') root = word ?? '';
    [declared, previous] = [previous, token];
  }
  return surely;
})
