/**
 * Records the picture in the README: runs `continuo complete` on the built-in model and draws command and output.
 *
 *   node scripts/record-completion.mjs     writes docs/completion.svg; takes some seconds, needs no network
 *
 * Run it again when the program's command line or the built-in model has changed.
 */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PICTURE = join(ROOT, "docs", "completion.svg");

/** `npm run` starts the program in the root, so the file lies there while the command runs. */
const FILE = "notes.py";
const LINES = [
  "def read_lines(path):",
  "    with open(path) as file:",
  "        ",
  "",
  'for line in read_lines("notes.txt"):',
  "    print(line)",
];
/** Of the gap, counted from 1. */
const CURSOR = { line: 3, column: 9 };
const COMMAND = [
  `npm run --silent continuo -- complete ${FILE}:${CURSOR.line}:${CURSOR.column} \\`,
  "    --model-file continuo-135m --temperature 0",
];

const FONT_PX = 14;
const CHARACTER_PX = 8.43;
const LINE_PX = 21;
const MARGIN_PX = 18;

const completion = record();
writeFileSync(PICTURE, draw([...typed([`cat ${FILE}`]), ...fileLines(), ...typed(COMMAND), ...printed(completion)]));
console.log(`${PICTURE}: ${JSON.stringify(completion)}`);

/** What the command prints to standard output. */
function record() {
  const path = join(ROOT, FILE);
  // Fails where somebody has a file of that name.
  writeFileSync(path, `${LINES.join("\n")}\n`, { flag: "wx" });
  try {
    const output = execFileSync("bash", ["-c", COMMAND.join("\n")], { cwd: ROOT, encoding: "utf8" });
    if (output.trim() === "") throw new Error("the model completed nothing");
    return output.replace(/\n$/, "");
  } finally {
    rmSync(path);
  }
}

/** A command behind the shell's prompt, perhaps over several lines. */
function typed(lines) {
  return lines.map((text, index) => ({ text, kind: "command", prompt: index === 0 }));
}

function fileLines() {
  return LINES.map((text, index) => ({ text, kind: "file", cursor: index + 1 === CURSOR.line ? CURSOR.column : 0 }));
}

function printed(output) {
  return output.split("\n").map((text) => ({ text, kind: "completion" }));
}

/** An SVG with a background of its own, in the colours of the reader's theme. The cursor is added; `cat` shows none. */
function draw(lines) {
  const columns = Math.max(...lines.map(({ text, prompt }) => text.length + (prompt ? 2 : 0)));
  const width = Math.ceil(columns * CHARACTER_PX + 2 * MARGIN_PX);
  const height = lines.length * LINE_PX + 2 * MARGIN_PX;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>continuo complete fills the gap at line ${CURSOR.line}, column ${CURSOR.column} of ${FILE}</title>
<style>
text { font: ${FONT_PX}px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; white-space: pre; fill: #1f2328 }
.frame { fill: #f6f8fa; stroke: #d1d9e0 }
.prompt { fill: #59636e }
.command { font-weight: 600 }
.completion { fill: #116329; font-weight: 600 }
.cursor { fill: #116329 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.frame { fill: #161b22; stroke: #30363d }
.prompt { fill: #9198a1 }
.completion { fill: #7ee787 }
.cursor { fill: #7ee787 }
}
</style>
<rect class="frame" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${lines.map(drawLine).join("\n")}
</svg>
`;
}

function drawLine({ text, kind, prompt = false, cursor = 0 }, index) {
  const baseline = MARGIN_PX + index * LINE_PX + FONT_PX + 1;
  const dollar = prompt ? `<tspan class="prompt">$ </tspan>` : "";
  const gap =
    cursor === 0
      ? ""
      : `<rect class="cursor" x="${(MARGIN_PX + (cursor - 1) * CHARACTER_PX).toFixed(1)}" y="${baseline - FONT_PX}" width="${CHARACTER_PX}" height="${FONT_PX + 4}"/>`;
  return `${gap}<text class="${kind}" x="${MARGIN_PX}" y="${baseline}" xml:space="preserve">${dollar}${escaped(text)}</text>`;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
