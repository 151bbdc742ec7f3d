// The text of the search box: the word before the caret, and terms that are added to a search.
//
// Values are quoted by the server alone, in the completions and in the terms that it hands out.

// A minus, perhaps a qualifier, and what is typed of a value. A quote behind an odd number of backslashes is a letter.
const WORD = /(?:^|[\s(])-?((?:([a-z_]+):)?("(?:(?<!\\)(?:\\\\)*\\"|[^"])*|(?:(?<!\\)(?:\\\\)*\\"|[^\s()"])*))$/i;
const ESCAPED = /(?<!\\)(\\+)(["*])/g;
// The name of a term, with its colon; keys of a path may be in quotes.
const NAME = /^(?:"(?:\\"|[^"])*"|[^":])*:/;
const OR = /(?<![\p{L}\p{N}_])or(?![\p{L}\p{N}_])|\|/iu; // in capitals or beside a qualifier, or a sign for it

// The unfinished word before the caret: `word` as written without its minus, from `start` to `end`, its qualifier
// (`name`, lower case) and `value`.
export function wordBefore(text, caret) {
  const before = text.slice(0, caret);
  const [, word = "", name = "", written = ""] = WORD.exec(before) ?? [];
  const value = written.replace(/^"/, "").replace(ESCAPED, (_, run, letter) => "\\".repeat(run.length >> 1) + letter);
  return { word, name: name.toLowerCase(), value, start: before.length - word.length, end: before.length };
}

// The text with `completion` in place of a word, and where the caret stands then.
export function replaceWord(text, { start, end }, completion) {
  const rest = text.slice(end).replace(/^\s+/, "");
  return { text: text.slice(0, start) + completion + rest, caret: start + completion.length };
}

// The text without a word, for a search that its completions are counted in.
export function withoutWord(text, { start, end }) {
  return (text.slice(0, start).replace(/-$/, "") + text.slice(end)).trim();
}

// The search narrowed by a term, as web/filter_links.py does it. Around an OR, and beside a term of the same name, which
// would mean either value, the search needs parentheses; a term is not added twice.
export function addTerm(search, term) {
  if (OR.test(search)) return `(${search}) ${term}`;
  const isExclusion = term.startsWith("-");
  const same = isExclusion ? 0 : countName(search, NAME.exec(term)?.[0]);
  if (` ${search} `.includes(` ${term} `) && (isExclusion || same === 1)) return search;
  return same ? `(${search}) ${term}` : `${search} ${term}`.trim();
}

function countName(search, name) {
  if (!name) return 0;
  const escaped = name.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  return [...search.matchAll(new RegExp(`(?:^|[\\s(])${escaped}`, "gi"))].length;
}
