// The site's search knows words by the blanks between them, which Chinese does not have. What has Chinese characters in it is looked for as it
// stands, in the texts that the index holds anyway.
"use strict";

const HAN = /\p{Script=Han}/u;
/** So many characters around what was found are shown. */
const AROUND = 60;

const searchWords = elasticlunr.Index.prototype.search;

elasticlunr.Index.prototype.search = function (wanted, options) {
    if (!HAN.test(wanted)) return searchWords.call(this, wanted, options);
    const parts = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (const [ref, doc] of Object.entries(this.documentStore.docs)) {
        const [title, body] = [doc.title.toLowerCase(), doc.body.toLowerCase()];
        const times = (text, part) => text.split(part).length - 1;
        const scores = parts.map((part) => times(body, part) + 10 * times(title, part));
        if (scores.includes(0)) continue;
        const score = scores.reduce((sum, one) => sum + one, 0);
        found.push({ ref, score, doc: { ...doc, body: excerpt(doc.body, parts) } });
    }
    return found.sort((one, other) => other.score - one.score);
};

/** The text around the first of these parts, which stand as words of their own there, so that they are marked. */
function excerpt(body, parts) {
    const first = Math.max(0, Math.min(...parts.map((part) => body.toLowerCase().indexOf(part)).filter((at) => at >= 0), body.length));
    let text = body.slice(Math.max(0, first - AROUND), first + AROUND);
    for (const part of parts) text = text.split(part).join(` ${part} `);
    return text;
}
