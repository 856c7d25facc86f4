import assert from 'node:assert/strict';
import { markdownCell, unlinked } from '../../../src/base/markdown';
import { completionsAt } from '../../../src/config/completion';
import { escapeMarkdown, subjectAt } from '../../../src/config/documentation';
import { renderReport } from '../../../src/report/page';
import { collectReport } from '../../../src/report/collect';
import { writeStudy } from '../../../src/report/study/formats';
import { collectStudy } from '../../../src/report/study/study';
import { annotate } from '../../../src/store/annotations';
import { withIndex } from '../../../src/store/index';
import { planOf, writeRun } from '../report/study/support';
import { withWorkspace } from '../store/synthetic';

/** Names that would do something if they were taken for markup, a link, a command or a script. */
const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '[a](command:workbench.action.quit)',
  '![a](https://host/x.png)',
  '$(rm -rf /)',
  '`x` **b** | c',
  '</script><script>alert(1)</script>',
];

/** Markup that a viewer would act on, in a text of Markdown. */
const ACTIVE = /(^|[^\\])(<[a-z!/]|!?\[[^\]]*[^\\]\]\()/i;

describe('names that look like markup', () => {
  it('are text in Markdown and in notifications', () => {
    for (const name of HOSTILE) {
      assert.doesNotMatch(escapeMarkdown(name), ACTIVE, name);
      assert.doesNotMatch(unlinked(name), /\]\(/, name);
      assert.doesNotMatch(markdownCell(name), /<|(^|[^\\])\|/, name);
    }
    assert.equal(unlinked('a [b] (c) d'), 'a [b] (c) d');
  });

  it('are text in hovers and completions of the editor', () => {
    for (const name of HOSTILE) {
      const key = JSON.stringify(name);
      const text = `name: ${key}\nmodel: { layers: 1 }\ndomains: { ${key}: { files: ${key} } }\nstages:\n  ${key}: { from: ${key} }\n  b: { from:  }\n`;
      for (let offset = 0; offset < text.length; offset++) {
        const subject = subjectAt(text, offset);
        if (subject?.kind === 'key') assert.doesNotMatch(subject.markdown, ACTIVE, name);
      }
      const found = completionsAt(text, text.lastIndexOf('from: ') + 6);
      assert.ok(found.length);
      for (const { documentation } of found) assert.doesNotMatch(documentation, ACTIVE, name);
    }
  });

  it('are text in report.html and in reports for a paper, whose policies let nothing else run', () =>
    withWorkspace(async (workspace) => {
      const run = 'x-20261124-171530-a1b2';
      for (const name of HOSTILE) {
        const plan = planOf();
        const renamed = JSON.parse(
          JSON.stringify(plan)
            .replaceAll('"bam"', JSON.stringify(name))
            .replaceAll('"law"', JSON.stringify(`${name} 2`)),
        ) as typeof plan;
        writeRun(workspace, run, { plan: renamed, law: () => 4, file: `name: ${JSON.stringify(name)}\n` });
        annotate(workspace, run, { title: name, note: name, tags: [name.slice(0, 60)] });
        const { value: pages } = await withIndex(workspace, async (index) => {
          const study = await collectStudy(workspace, index, [run]);
          return [renderReport(await collectReport(workspace, index, run)), writeStudy(study, 'html')];
        });
        for (const page of pages) {
          assert.doesNotMatch(page, /<img src=x|<script>alert|href="command:/, name);
          assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;/);
          const markup = page.replace(/<(script|style)[^>]*>[^]*?<\/\1>/g, '').replace(/"[^"]*"/g, '');
          assert.doesNotMatch(markup, /<[^>]+\son[a-z]+=/i);
        }
      }
    }));
});
