"use strict";
/*
 * The same verification from a terminal, for comparing two implementations:
 *   node cli.js [--bls] RECORD [LEDGER] [--head HASH]     one JSON line
 *   node cli.js [--bls] --ledger LEDGER [--head HASH]     a draw that is still open
 *   node cli.js [--bls] --stream                          JSON lines {record, ledger, head} in, one answer each
 *   node cli.js [--bls] --vectors FILE                    replays the vectors
 * In a stream `record` and `ledger` are texts, or `record_base64` and `ledger_base64` bytes; all may be missing.
 * --bls needs the locked npm tree (npm ci in this folder).
 */
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

/** The scripts of the page up to the user interface, in the order page.html loads them. */
function coreScripts() {
  const page = fs.readFileSync(path.join(__dirname, "page.html"), "utf8");
  return [...page.matchAll(/<script src="([\w.-]+)"/g)]
    .map((found) => found[1])
    .filter((name) => !/^(page|words)/.test(name));
}

function load() {
  for (const name of coreScripts()) require(path.join(__dirname, name));
  return globalThis.trialkit;
}

const brief = (trace) =>
  trace && { failure: trace.ok ? "OK" : trace.failure, step: trace.step, warnings: trace.warnings };

function answer(trialkit, given) {
  const found = trialkit.verify({ ...given, bls: trialkit.bls });
  return {
    failure: found.failure || "OK",
    document: found.document,
    step: found.step,
    warnings: found.warnings,
    confirmed: found.verdict === "CONFIRMED",
    record: brief(found.record),
    ledger: brief(found.ledger),
  };
}

function bytesOf(line, name) {
  if (line[`${name}_base64`] !== undefined) return new Uint8Array(Buffer.from(line[`${name}_base64`], "base64"));
  return line[name] === undefined || line[name] === null ? undefined : new Uint8Array(Buffer.from(line[name], "utf8"));
}

async function stream(trialkit) {
  for await (const text of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (text === "") continue;
    const line = JSON.parse(text);
    const given = { record: bytesOf(line, "record"), ledger: bytesOf(line, "ledger"), head: line.head ?? "" };
    process.stdout.write(JSON.stringify(answer(trialkit, given)) + "\n");
  }
}

function vectors(trialkit, file) {
  const report = trialkit.replayVectors(JSON.parse(fs.readFileSync(file, "utf8")), trialkit.bls);
  for (const [group, name] of report.failed) process.stdout.write(`failed: ${group}: ${name}\n`);
  for (const [group, name] of report.skipped) process.stdout.write(`skipped (no BLS): ${group}: ${name}\n`);
  const { passed, failed, skipped } = report;
  process.stdout.write(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped\n`);
  return failed.length ? 1 : 0;
}

function options(argv) {
  const found = { files: [] };
  for (let i = 0; i < argv.length; i++) {
    if (["--head", "--vectors", "--ledger"].includes(argv[i])) found[argv[i].slice(2)] = argv[++i];
    else if (["--bls", "--stream"].includes(argv[i])) found[argv[i].slice(2)] = true;
    else found.files.push(argv[i]);
  }
  return found;
}

async function main(argv) {
  const { files, head, bls, vectors: vectorFile, ledger, stream: streaming } = options(argv);
  const trialkit = load();
  if (bls) await import("./bls.mjs");
  if (vectorFile) return vectors(trialkit, vectorFile);
  if (streaming) return stream(trialkit);
  const read = (name) => (name === undefined ? undefined : new Uint8Array(fs.readFileSync(name)));
  if (files.length === 0 && ledger === undefined) {
    process.stderr.write(
      "Name a record (and a ledger), --ledger FILE, --stream or --vectors FILE; see the top of cli.js.\n",
    );
    return 2;
  }
  const found = answer(trialkit, { record: read(files[0]), ledger: read(ledger ?? files[1]), head: head ?? "" });
  process.stdout.write(JSON.stringify(found) + "\n");
  return found.failure === "OK" ? 0 : 1;
}

main(process.argv.slice(2)).then((code) => (process.exitCode = code ?? 0));
