// Places in a text. The server counts code points, JavaScript counts halves of a surrogate pair.

/** The code points of a text: `points.slice(start, end).join("")` is what the server means. */
export const codePoints = (text) => Array.from(text);

// Letters of one word together, but for scripts that are written without spaces; marks alone.
const UNSPACED = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}";
const WORDS = new RegExp(`[${UNSPACED}]\\p{M}*|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}_])+|\\P{White_Space}`, "gu");

/** What can be selected: `[{start, end}]` in code points, cut where one of `spans` begins or ends. */
export function words(text, spans) {
  const cuts = [...new Set(spans.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const found = [];
  let units = 0;
  let points = 0;
  for (const match of text.matchAll(WORDS)) {
    points += codePoints(text.slice(units, match.index)).length;
    units = match.index + match[0].length;
    const end = points + codePoints(match[0]).length;
    for (const cut of cuts.filter((place) => points < place && place < end)) {
      found.push({ start: points, end: cut });
      points = cut;
    }
    found.push({ start: points, end });
    points = end;
  }
  return found;
}
