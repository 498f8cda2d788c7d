// As visible() in display_text.cpp: what cannot be seen is shown as something.
const isSymbol = (c) => (c >= 0x203c && c <= 0x2bff) || (c >= 0x3030 && c <= 0x3299) ||
  (c >= 0x1f000 && c <= 0x1fbff) || c === 0xa9 || c === 0xae;
const isJoiner = (c) => c === 0x200c || c === 0x200d;
const isSelector = (c) => c === 0xfe0e || c === 0xfe0f;
const canJoin = (c) => (c >= 0x600 && c <= 0x1cff) || (c >= 0xa800 && c <= 0xabff) ||
  (c >= 0x11000 && c <= 0x11fff) || (c >= 0x1e900 && c <= 0x1e95f) || isSymbol(c) || isSelector(c) || isJoiner(c);

function isHidden(before, c, after) {
  if (isJoiner(c)) return !canJoin(before) || !canJoin(after);
  if (isSelector(c)) return !isSymbol(before) && !(after === 0x20e3 && "#*0123456789".includes(String.fromCodePoint(before)));
  return hiddenRanges.some(([first, last]) => c >= first && c <= last);
}

function visible(text) {
  const codes = [...text].map((character) => character.codePointAt(0));
  const lead = text.match(/^ */)[0].length, tail = codes.length - text.match(/ *$/)[0].length;
  let result = "";
  codes.forEach((c, i) => {
    if (c === 0x20) result += i < lead || i >= tail ? "\u2423" : " ";
    else if (c === 0x0a) result += "\u21b5";
    else if (c === 0x09) result += "\u21e5";
    else if (c < 0x20) result += String.fromCharCode(0x2400 + c);
    else if (c === 0x7f) result += "\u2421";
    else if (isHidden(codes[i - 1] ?? 0, c, codes[i + 1] ?? 0)) result += `<U+${c.toString(16).toUpperCase().padStart(4, "0")}>`;
    else if (!isSelector(c)) result += (result === "" && /^\p{M}/u.test(String.fromCodePoint(c)) ? "\u25cc" : "") + String.fromCodePoint(c);
  });
  return result;
}

function number(value) {
  if (value === null || value === undefined) return "no value";
  return String(Number(value.toPrecision(4)));
}
