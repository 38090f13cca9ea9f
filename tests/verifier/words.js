"use strict";
/* Print the page's words as JSON, for test_one_file.py. */
const path = require("node:path");
const folder = path.join(__dirname, "..", "..", "trialkit", "report", "verifier");
for (const lang of ["da", "en"]) require(path.join(folder, `words.${lang}.js`));
process.stdout.write(JSON.stringify(globalThis.trialkit.words));
