import { ServiceError } from "../errors.ts";

/**
 * How a family of weights spells fill-in-the-middle. Layouts are data: a new family is a new entry here or in the configuration.
 * The family is found in the vocabulary, never guessed from a name (a look-alike marker would silently be plain text).
 */
export interface FimLayout {
  readonly family: string;
  readonly prefix: string;
  readonly suffix: string;
  /** Absent where the model starts to write right after the last of the other two (Codestral). */
  readonly middle?: string;
  /** psm: prefix, suffix, middle. spm: suffix, prefix, middle. */
  readonly order: "psm" | "spm";
  /** How much of the prefix stands behind the middle marker, where the model goes on from it. Absent: none. */
  readonly behindMiddle?: BehindMiddle;
  /** Further control tokens that end the middle. The layout's own markers always do. */
  readonly ends: readonly string[];
  /** Token healing unless a request says otherwise. Absent: no, as weights trained on cuts at any character need none. */
  readonly healing?: boolean;
  /** End an answer where its gap ends unless a request says otherwise (see `gap/`). Absent: yes. */
  readonly gapEnd?: boolean;
  /**
   * Added to the logits of end tokens where a gap may end: for weights that see the end and hardly ever say so. Nats;
   * absent: 0.
   */
  readonly endBias?: number;
  /** The same for weights of the family that were trained on dialogues since. Built-in layouts only. */
  readonly instructEndBias?: number;
  /** Repository form: both or neither. */
  readonly repoName?: string;
  readonly fileSep?: string;
  /** Control tokens that tell this vocabulary from others with the same markers. They are not used otherwise. */
  readonly telling?: readonly string[];
}

/**
 * `line`: the line of the cursor, with the line break before it; `prefix`: all of it. What stands there may grow while
 * somebody types and leaves all tokens before it as they were.
 */
export type BehindMiddle = "line" | "prefix";

/** A longer line is no place to type in; what stands behind the middle marker must not crowd out the rest. */
const LONGEST_LINE = 1000;

/** Where the part of a prefix begins that stands behind the middle marker: an index of `prefix`. */
export function startBehindMiddle(prefix: string, behind: BehindMiddle | undefined): number {
  if (behind === undefined) return prefix.length;
  if (behind === "prefix") return 0;
  // Line breaks and indentation are one token in many vocabularies.
  const start = prefix.slice(0, prefix.lastIndexOf("\n") + 1).trimEnd().length;
  return prefix.length - start > LONGEST_LINE ? prefix.length : start;
}

/** Sources: the model cards and tokenizer files of each family. More specific vocabularies come first. */
export const FIM_LAYOUTS: readonly FimLayout[] = [
  {
    family: "qwen",
    prefix: "<|fim_prefix|>",
    suffix: "<|fim_suffix|>",
    middle: "<|fim_middle|>",
    order: "psm",
    ends: ["<|fim_pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    // Qwen2.5-Coder-0.5B-Instruct at the end of a gap: `<|endoftext|>` has a likelihood of 2 % in the median, and 0.00001 %
    // within the gap (eval/README.md).
    instructEndBias: 6.5,
    // Of 400 words cut by the cursor Qwen2.5-Coder-0.5B-Instruct finishes 338 with it and 231 without (eval/README.md).
    healing: true,
    repoName: "<|repo_name|>",
    fileSep: "<|file_sep|>",
  },
  {
    // Granite 4.0 and 4.1
    family: "granite-4",
    prefix: "<|fim_prefix|>",
    suffix: "<|fim_suffix|>",
    middle: "<|fim_middle|>",
    order: "psm",
    ends: ["<|fim_pad|>", "<|end_of_text|>", "<|filename|>", "<|reponame|>"],
    telling: ["<|fim_pad|>", "<|filename|>", "<|reponame|>"],
  },
  {
    family: "codegemma",
    prefix: "<|fim_prefix|>",
    suffix: "<|fim_suffix|>",
    middle: "<|fim_middle|>",
    order: "psm",
    ends: ["<|file_separator|>"],
  },
  {
    family: "deepseek-coder",
    prefix: "<\uFF5Cfim\u2581begin\uFF5C>",
    suffix: "<\uFF5Cfim\u2581hole\uFF5C>",
    middle: "<\uFF5Cfim\u2581end\uFF5C>",
    order: "psm",
    ends: [],
  },
  {
    // llama.cpp pull request 19249
    family: "falcon-h1-tiny-coder",
    prefix: "<|prefix|>",
    suffix: "<|suffix|>",
    middle: "<|middle|>",
    order: "psm",
    ends: ["<|end_of_text|>", "<|im_end|>"],
  },
  {
    // GLM-4.5 and later; llama.cpp and the Zed editor spell it so
    family: "glm",
    prefix: "<|code_prefix|>",
    suffix: "<|code_suffix|>",
    middle: "<|code_middle|>",
    order: "psm",
    ends: ["<|endoftext|>", "<|user|>", "<|observation|>"],
  },
  {
    family: "starcoder",
    prefix: "<fim_prefix>",
    suffix: "<fim_suffix>",
    middle: "<fim_middle>",
    order: "psm",
    ends: ["<fim_pad>", "<|endoftext|>"],
    repoName: "<repo_name>",
    fileSep: "<file_sep>",
  },
  {
    // Mellum 4B; its model card puts the suffix first. StarCoder's tokens, and those of roles.
    family: "mellum",
    prefix: "<fim_prefix>",
    suffix: "<fim_suffix>",
    middle: "<fim_middle>",
    order: "spm",
    ends: ["<fim_pad>", "<|endoftext|>"],
    repoName: "<reponame>",
    fileSep: "<filename>",
    telling: ["</system>", "</assistant>"],
  },
  {
    // Granite Code and Granite 3, whose vocabulary is StarCoder's first one; Stable Code, Refact
    family: "granite-code",
    prefix: "<fim_prefix>",
    suffix: "<fim_suffix>",
    middle: "<fim_middle>",
    order: "psm",
    ends: ["<fim_pad>", "<|endoftext|>", "<|end_of_text|>"],
    repoName: "<reponame>",
    fileSep: "<filename>",
  },
  {
    family: "santacoder",
    prefix: "<fim-prefix>",
    suffix: "<fim-suffix>",
    middle: "<fim-middle>",
    order: "psm",
    ends: ["<fim-pad>", "<|endoftext|>"],
  },
  {
    family: "starcoder-1",
    prefix: "<fim_prefix>",
    suffix: "<fim_suffix>",
    middle: "<fim_middle>",
    order: "psm",
    ends: ["<fim_pad>", "<|endoftext|>", "<file_sep>"],
  },
  {
    family: "seed-coder",
    prefix: "<[fim-prefix]>",
    suffix: "<[fim-suffix]>",
    middle: "<[fim-middle]>",
    order: "spm",
    ends: [],
  },
  { family: "codestral", prefix: "[PREFIX]", suffix: "[SUFFIX]", order: "spm", ends: [] },
  {
    family: "codellama",
    prefix: "\u2581<PRE>",
    suffix: "\u2581<SUF>",
    middle: "\u2581<MID>",
    order: "psm",
    ends: ["\u2581<EOT>"],
  },
];

/** The first layout whose every marker, and what tells it apart, is a control token of the vocabulary. */
export function detectFim(
  has: (spelling: string) => boolean,
  layouts: readonly FimLayout[] = FIM_LAYOUTS,
): FimLayout | undefined {
  return layouts.find((layout) => [...requiredMarkers(layout), ...(layout.telling ?? [])].every(has));
}

/** Which layout the weights of a name are to have. */
export interface FimChoice {
  readonly name: string;
  readonly fimLayouts: readonly FimLayout[];
  /** A family of `fimLayouts`, or false for none; absent: what the vocabulary shows. */
  readonly fim?: string | false;
}

/** Throws `model_unavailable` for a layout that is unknown, or whose markers the vocabulary lacks. */
export function chosenFim(
  { name, fim, fimLayouts }: FimChoice,
  controls: Pick<ReadonlySet<string>, "has">,
): FimLayout | undefined {
  if (fim === false) return undefined;
  const has = (spelling: string): boolean => controls.has(spelling);
  if (fim === undefined) return detectFim(has, fimLayouts);
  const layout = fimLayouts.find((each) => each.family === fim);
  const known = fimLayouts.map((each) => each.family).join(", ");
  if (layout === undefined) {
    throw new ServiceError(
      "model_unavailable",
      `model "${name}": there is no fill-in-the-middle layout "${fim}"; known: ${known}`,
    );
  }
  if (detectFim(has, [layout]) === undefined) {
    throw new ServiceError(
      "model_unavailable",
      `model "${name}": its vocabulary lacks markers of the fill-in-the-middle layout "${fim}"`,
    );
  }
  return layout;
}

/** Every control token that the layout uses or that ends its middle. */
export function fimMarkers(layout: FimLayout): readonly string[] {
  return [...requiredMarkers(layout), ...layout.ends];
}

function requiredMarkers(layout: FimLayout): readonly string[] {
  return [layout.prefix, layout.suffix, layout.middle, layout.repoName, layout.fileSep].filter(
    (marker) => marker !== undefined,
  );
}
