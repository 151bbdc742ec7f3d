import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { addTerm, replaceWord, withoutWord, wordBefore } from "../../src/tallystick/web/static/js/search_terms.js";

suite("The word before the caret", () => {
  const cases = [
    ["nothing in an empty box", "|", { word: "", name: "", value: "" }],
    ["a bare word", "deploy sta|", { word: "sta", name: "", value: "sta" }],
    ["a qualifier with part of its value", "user:sar|", { word: "user:sar", name: "user", value: "sar" }],
    ["a qualifier without a value", "user:|", { word: "user:", name: "user", value: "" }],
    ["a qualifier in any case", "User:sar|", { word: "User:sar", name: "user", value: "sar" }],
    ["an excluded word without its minus", "a -status:f|", { word: "status:f", name: "status", value: "f" }],
    ["a word in parentheses", "(a OR us|", { word: "us", name: "", value: "us" }],
    ["a value in quotes", 'user:"Sarah L|', { word: 'user:"Sarah L', name: "user", value: "Sarah L" }],
    ["a quote in a value", 'user:"a \\"b|', { word: 'user:"a \\"b', name: "user", value: 'a "b' }],
    ["nothing after a phrase", 'user:"a b"|', { word: "", name: "", value: "" }],
    ["what is before the caret alone", "us|er:x", { word: "us", name: "", value: "us" }],
  ];
  for (const [title, marked, expected] of cases) {
    test(`is ${title}`, () => {
      const { word, name, value } = wordBefore(marked.replace("|", ""), marked.indexOf("|"));
      assert.deepEqual({ word, name, value }, expected);
    });
  }
});

test("A completion replaces the word and leaves the caret behind it", () => {
  const text = "deploy user:sar  -status:failed";
  const word = wordBefore(text, 15);
  assert.deepEqual(replaceWord(text, word, "user:sarah@acme.com "), {
    text: "deploy user:sarah@acme.com -status:failed",
    caret: 27,
  });
});

test("The search without the word loses its minus too", () => {
  assert.equal(withoutWord("deploy -user:sar", wordBefore("deploy -user:sar", 16)), "deploy");
});

suite("A term", () => {
  test("is added to a search", () => assert.equal(addTerm("deploy", "user:a"), "deploy user:a"));
  test("is the search where there was none", () => assert.equal(addTerm("", "user:a"), "user:a"));
  test("is not added twice", () => assert.equal(addTerm("user:a deploy", "user:a"), "user:a deploy"));
  test("is added where another begins with it", () => assert.equal(addTerm("user:ab", "user:a"), "(user:ab) user:a"));
  test("applies to both sides of an OR", () => assert.equal(addTerm("a OR b", "-user:a"), "(a OR b) -user:a"));
  test("is not put around a word that contains OR", () => assert.equal(addTerm("ORDER", "a"), "ORDER a"));
});
