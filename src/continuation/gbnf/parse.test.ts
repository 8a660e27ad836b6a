import { expect, test } from "vitest";
import { GrammarError } from "./expression.ts";
import { parseGrammar } from "./parse.ts";
import { programOf } from "./program.ts";

test.each<[string, number]>([
  ['root ::= "a"', 1],
  ["root ::= # nothing", 1],
  ['\n# a comment\nroot ::= "a" |\n  [b-d] # more\n\n', 1],
  ['root ::= ( other\n | [^a\\]-] )* .\r\nother ::= root-2{2, 3}\nroot-2 ::= "\\x41\\u4e2d\\U0001F389\\""', 3],
  ["root ::= [a-]", 1],
  ["root ::=\n  [a]", 1],
])("%j is a grammar", (source, rules) => {
  expect(parseGrammar(source)).toHaveLength(rules);
});

test.each<[string, string]>([
  ["", 'there is no rule "root", which describes the whole text: root ::= …'],
  ['list ::= "a"', 'there is no rule "root", which describes the whole text: root ::= …'],
  ["root ::= \0", 'line 1, column 10: expected another part of the rule, "|", or the end of the line, found U+0000'],
  ["root = a", 'line 1, column 6: expected ::= behind the name "root", found "="'],
  ["root ::= a\n\n  b c", 'line 3, column 5: expected ::= behind the name "b", found "c"'],
  ["root ::= [a-z]\n| b", 'line 2, column 1: a rule goes on in the next line only behind "|" or within parentheses'],
  ["root ::= é", 'line 1, column 10: expected another part of the rule, "|", or the end of the line, found "é"'],
  ['root ::= "é" )', 'line 1, column 14: expected another part of the rule, "|", or the end of the line, found ")"'],
  ["root ::= b", 'line 1, column 10: there is no rule "b"'],
  ['root ::= "a"\nroot ::= "b"', 'line 2, column 1: the rule "root" is there already'],
  ["root ::= (a | (b)\n", 'line 1, column 10: this "(" has no ")"'],
  ['root ::= ("a" \0)', 'line 1, column 15: expected another part, "|" or ")", found U+0000'],
  ['root ::= "a\n', "line 1, column 10: this quotation mark has no second one"],
  ["root ::= [ab", 'line 1, column 10: this "[" has no "]"'],
  ["root ::= []", "line 1, column 10: there is no character in these brackets"],
  ["root ::= [z-a]", "line 1, column 11: the ends of this range are out of order"],
  ["root ::= * a", 'line 1, column 10: "*" has nothing in front of it to repeat'],
  ["root ::= a{x}", 'line 1, column 12: expected a number of at most nine digits, as in {2} or {2,5}, found "x"'],
  ["root ::= a{1,x}", 'line 1, column 14: expected "}", as in {2}, {2,} or {2,5}, found "x"'],
  ["root ::= a{3,2}", "line 1, column 11: the numbers of {3,2} are out of order"],
  ['root ::= "\\q"', 'line 1, column 11: expected one of \\n \\r \\t \\\\ \\" \\[ \\] \\- \\xHH \\uHHHH \\UHHHHHHHH'],
  ['root ::= "\\x4"', "line 1, column 11: expected 2 hexadecimal digits behind \\x"],
  ['root ::= "\\uD800"', "line 1, column 11: this is no character of Unicode"],
  [
    "root ::= <[1]>",
    "line 1, column 10: tokens by name or number are not supported; write their text in quotation marks",
  ],
])("%j is refused with what is wrong and where", (source, message) => {
  expect(() => parseGrammar(source)).toThrow(new GrammarError(message));
});

test.each<[string, string]>([
  [
    "root ::= a\na ::= b? c\nb ::= [b]\nc ::= ( | [c] ) a",
    'the rule "a" begins with itself (a → c → a); let it begin with something else',
  ],
  [
    "root ::= (a{0,2}) root\na ::= [a]",
    'the rule "root" begins with itself (root → root); let it begin with something else',
  ],
  [
    'root ::= ("a"{999}){999}',
    'a grammar may have at most 131072 places with its repetitions written out, and with the rule "root" it comes to 998002; lower the bounds of repetitions',
  ],
  [
    "root ::= (){999999999}",
    'a grammar may have at most 131072 places with its repetitions written out, and with the rule "root" it comes to 1000000000; lower the bounds of repetitions',
  ],
])("%j is read and refused", (source, message) => {
  const rules = parseGrammar(source);

  expect(() => programOf(rules)).toThrow(new GrammarError(message));
});

test("a message names only the beginning of a long name", () => {
  expect(() => parseGrammar(`root ::= ${"n".repeat(60_000)}`)).toThrow(/there is no rule "n{40}…"$/);
});
