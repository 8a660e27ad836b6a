/**
 * Who may import whom: one line per folder of `src/`, checked by `npm run imports`.
 *
 * Everybody may import files of the own folder, `connection.ts`, `errors.ts`, `folder.ts`, `visible.ts`, and Node. What a folder may import besides, from our code
 * and from packages, stands here; `types` is what it may name in `import type` only.
 */
const FOLDERS = {
  continuation: { folders: [], packages: ["@huggingface/jinja"] },
  wire: { folders: [], packages: ["zod"] },
  protocols: { folders: ["continuation", "wire"], packages: ["zod"] },
  "engines/llama": { folders: ["continuation"], packages: ["koffi", "lru-cache"] },
  ...llamaRooms({
    file: { rooms: [], packages: [] },
    wire: { rooms: ["file"], packages: [] },
    // In the server.
    probe: { rooms: [], types: ["native"], files: ["native/library-folder"], packages: [] },
    host: { rooms: ["file", "wire", "probe"], packages: ["lru-cache"] },
    // In the engine process.
    native: { rooms: ["file", "wire"], packages: ["koffi"] },
    pick: { rooms: ["file", "wire", "native"], packages: ["lru-cache"] },
    schedule: { rooms: ["file", "wire", "native", "pick"], packages: [] },
  }),
  "engines/remote": { folders: ["continuation"], packages: ["undici", "eventsource-parser", "lru-cache"] },
  directory: { folders: ["continuation"], packages: [] },
  pool: { folders: ["continuation"], packages: [] },
  typing: { folders: ["continuation"], packages: [] },
  residency: { folders: ["continuation"], packages: [] },
  models: { folders: [], types: ["continuation"], packages: ["undici", "zod"] },
  telemetry: {
    folders: ["continuation"],
    files: ["version"],
    packages: ["pino", "prom-client", "@opentelemetry/[^/]+"],
  },
  config: {
    folders: ["models"],
    files: ["engines/remote/registry"],
    types: ["continuation", "http", "engines/remote", "pool", "typing"],
    packages: ["zod", "yaml"],
  },
  db: { folders: [], packages: ["kysely", "libsql", "pg"] },
  accounts: { folders: ["db"], types: ["continuation"], packages: ["kysely", "lru-cache"] },
  http: {
    folders: ["protocols", "wire", "continuation", "accounts", "telemetry", "typing"],
    types: ["directory"],
    packages: ["fastify", "@fastify/[^/]+", "fastify-type-provider-zod", "zod"],
  },
  doctor: { folders: ["config", "db", "engines/llama", "engines/remote"], files: ["http/unix-socket"], packages: [] },
  eval: { folders: [], packages: ["zod", "fastest-levenshtein"] },
  cli: {
    folders: ["config", "models", "accounts", "db", "doctor", "engines/llama", "engines/remote", "eval"],
    files: ["server", "version", "listen"],
    packages: ["commander", "eventsource-parser", "undici"],
  },
};

/** The rooms of the embedded engine are folders like the others. Only the engine process loads koffi. */
function llamaRooms(rooms) {
  const inside = (names) => names.map((name) => `engines/llama/${name}`);
  return Object.fromEntries(
    Object.entries(rooms).map(([room, { rooms: others, types = [], files = [], packages }]) => [
      `engines/llama/${room}`,
      { folders: ["continuation", ...inside(others)], types: inside(types), files: inside(files), packages },
    ]),
  );
}

const OWN = "^src/";
const TEST = "[.]test[.]ts$";

/** Paths of a folder's files that run in production. */
const source = (folder) => ({ path: `${OWN}${folder}/`, pathNot: TEST });

const rulesOf = ([folder, { folders, types = [], files = [], packages }]) => {
  const named = (names) => names.map((name) => `${OWN}${name}/`);
  const allowed = [
    ...named([folder, ...folders]),
    ...["connection", "errors", "folder", "visible", ...files].map((file) => `${OWN}${file}[.]ts$`),
  ];
  return [
    {
      name: `${folder}-imports`,
      comment: `${folder}/ may use ${[...folders, ...files, "connection", "errors", "folder", "visible"].join(", ")}`,
      severity: "error",
      from: source(folder),
      to: { path: OWN, pathNot: [...allowed, ...named(types)] },
    },
    {
      name: `${folder}-types-only`,
      comment: `${folder}/ may name types of ${types.join(", ")}, and run nothing of them`,
      severity: "error",
      from: source(folder),
      to: { path: types.length > 0 ? named(types) : "^$", pathNot: allowed, dependencyTypesNot: ["type-only"] },
    },
    {
      name: `${folder}-packages`,
      comment: `packages that ${folder}/ may use: ${packages.join(", ") || "none"}`,
      severity: "error",
      from: source(folder),
      to: {
        dependencyTypes: ["npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg", "npm-unknown"],
        ...(packages.length > 0 && { pathNot: packages.map((name) => `node_modules/${name}/`) }),
      },
    },
  ];
};

module.exports = {
  forbidden: [
    ...Object.entries(FOLDERS).flatMap(rulesOf),
    {
      name: "no-cycles",
      comment: "a cycle is one part pretending to be two",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "resolvable",
      comment: "what is imported must be there",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "no-test-in-production",
      comment: "tests are not compiled into dist/",
      severity: "error",
      from: { path: OWN, pathNot: TEST },
      to: { path: [TEST, "^(test|bench|scripts)/"] },
    },
    {
      name: "no-development-package-in-production",
      comment: "it would not be installed",
      severity: "error",
      from: { path: OWN, pathNot: TEST },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-command-line-in-server",
      comment: "the command line is one of the server's users",
      severity: "error",
      from: { path: `${OWN}(?!cli/)`, pathNot: TEST },
      to: { path: `${OWN}cli/` },
    },
    {
      name: "one-entry",
      comment: "only src/index.ts is an index: folder barrels hide who depends on what",
      severity: "error",
      from: {},
      to: { path: `${OWN}.+/index[.]ts$` },
    },
    {
      name: "jinja-in-one-file",
      comment: "chat templates are rendered in one place",
      severity: "error",
      from: { path: OWN, pathNot: ["^src/continuation/chat-template[.]ts$", TEST] },
      to: { path: "node_modules/@huggingface/jinja/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "types", "default"] },
  },
};
