// Whether a function's body surely changes nothing that it was given. The value of this file is a function of the body.
// It looks at words and signs only: what it does not know, and every call, may be a change. Its arguments are plain
// values from JSON, so reading them runs nobody's code.
(function (code) {
  'use strict';
  const TOKEN = /\s+|\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/|([\p{ID_Start}$_][\p{ID_Continue}$]*)|(\d[\w.]*)|("(?:[^"\\\n\r]|\\[^\r])*"|'(?:[^'\\\n\r]|\\[^\r])*')|((?!>>>?=|<<=)(?:===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.|=|[{}()[\];,<>+\-*%&|^!~?:.]))/uy;
  const CHANGING = ['delete', 'new', 'await', 'yield', 'function', 'class', 'import', 'super', 'async', 'for', 'with', 'eval', 'arguments', 'this'];
  const BEFORE_PARENTHESIS = ['', 'if', 'else', 'return', 'typeof', 'void', 'in', '(', '[', '{', ';', ',', '!', '~', '?', ':', '<', '>',
    '+', '-', '*', '%', '&', '|', '^', '===', '!==', '==', '!=', '<=', '>=', '&&', '||', '??', '='];
  let declared = '', previous = '';
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < code.length) {
    const found = TOKEN.exec(code);
    if (!found) return false;
    const [, word, number, string, sign] = found;
    let token = word ?? number ?? string ?? sign;
    if (token === undefined) continue;
    if (word && (previous === '.' || previous === '?.')) token = '.' + word;
    if (string) token = '""';
    if (CHANGING.includes(token)) return false;
    if (sign === '(' && !BEFORE_PARENTHESIS.includes(previous)) return false;
    if ((sign === '+' || sign === '-') && previous === sign) return false;
    // `var name = ...` makes a variable; every other assignment may be to what is not the function's own.
    if (sign === '=' && !['var', 'let', 'const'].includes(declared)) return false;
    [declared, previous] = [previous, token];
  }
  return true;
})
