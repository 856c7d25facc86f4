/** A text with `|` at the cursor, as text and offset. */
export function marked(text: string): [text: string, offset: number] {
  const offset = text.indexOf('|');
  if (offset < 0) throw new Error('there is no | in the text');
  return [text.slice(0, offset) + text.slice(offset + 1), offset];
}

/** An experiment in both styles of YAML, with all that names can stand in. */
export const EXPERIMENT = `name: small
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains:
  law: { files: law/* } # what is law
  math:
    files:
      - math/*.txt
stages:
  seed: { train: { mix: { law: 1 }, tokens: 1k } }
  law:
    from: seed
    train:
      like: seed
      mix:
        law: 0.9
        math: 0.1
  both:
    upcycle: { method: bam, experts: [seed, law] }
  blocks:
    upcycle:
      method: btx
      experts:
        - "seed"
        - law
    train: { like: law, match: data }
  more: { from: both, train: { tokens: 1k } }
`;
