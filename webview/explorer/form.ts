import { button, setEnabled, shortField, textArea } from '../shared/controls';
import { element } from '../shared/dom';
import { type Form, readForm, type Settings } from './settings';

/** The short fields, in their order. */
const FIELDS = {
  tokens: { label: 'tokens', size: 4, title: 'New tokens at most; 0 only reads the prompt' },
  temperature: { label: 'temperature', size: 3, title: '0 takes the most probable token; 1 draws as the model says' },
  topK: { label: 'top-k', size: 3, placeholder: 'all', title: 'Draws among the k most probable tokens only' },
  topP: {
    label: 'top-p',
    size: 3,
    placeholder: '1',
    title: 'Draws among the most probable tokens that together have this share',
  },
  seed: { label: 'seed', size: 5, title: 'The same seed draws the same tokens' },
  stop: {
    label: 'stop at',
    size: 10,
    placeholder: '\\n, END',
    title: 'Texts that end the continuation, with commas between; \\n is a new line, \\s a blank, \\, a comma',
  },
} as const;
type ShortField = keyof typeof FIELDS;

export interface FormActions {
  change(form: Form): void;
  generate(settings: Settings): void;
  stop(): void;
}

/** The prompt, how its continuation is drawn, and the buttons that begin and end it. */
export class PromptForm {
  readonly root: HTMLElement;
  private readonly prompt: HTMLElement;
  private readonly generateButton: HTMLElement;
  private readonly stopButton: HTMLElement;
  private readonly progress = element('span', { class: 'progress' });
  /** Says to screen readers when an answer begins and ends: counting its tokens aloud would drown all else. */
  private readonly status = element('span', { class: 'visually-hidden', role: 'status' });
  private readonly problem = element('p', { class: 'problem', role: 'alert', hidden: true });
  private readonly fields: Record<ShortField, ReturnType<typeof shortField>>;
  private isAble = true;

  constructor(
    private form: Form,
    /** What else is chosen before a press on the button. */
    choice: HTMLElement,
    private readonly actions: FormActions,
  ) {
    this.prompt = textArea('Prompt', form.prompt, { placeholder: 'Type a prompt', rows: 4 }, (value) =>
      this.type('prompt', value),
    ).root;
    const fields = (Object.keys(FIELDS) as ShortField[]).map((name) => {
      const { label, ...options } = FIELDS[name];
      return [name, shortField(label, form[name], options, (value) => this.type(name, value))] as const;
    });
    this.fields = Object.fromEntries(fields) as typeof this.fields;
    this.generateButton = button('Generate', () => this.submit(), { isPrimary: true });
    this.generateButton.title = 'Generate (Ctrl+Enter)';
    this.stopButton = button('Stop', actions.stop);
    const bar = element(
      'div',
      { class: 'tools' },
      this.generateButton,
      this.stopButton,
      choice,
      this.progress,
      this.status,
    );
    const short = element('div', { class: 'tools fields' }, ...fields.map(([, field]) => field.root));
    this.root = element('section', { class: 'form', 'aria-label': 'Prompt' }, this.prompt, short, bar, this.problem);
    this.root.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.submit();
    });
    setEnabled(this.stopButton, false);
  }

  /** What the form asks for; `undefined` where it cannot be read, which it then shows. */
  get settings(): Settings | undefined {
    const read = readForm(this.form);
    const problems = 'problems' in read ? read.problems : {};
    for (const name of Object.keys(FIELDS) as ShortField[]) this.fields[name].setProblem(problems[name]);
    const first = Object.entries(problems)[0];
    this.problem.hidden = !first;
    this.problem.textContent = first
      ? `${first[0] in FIELDS ? FIELDS[first[0] as ShortField].label : first[0]}: ${first[1]}`
      : '';
    return 'settings' in read ? read.settings : undefined;
  }

  /** Says how far the answers are. `isAble` is false where nothing may be run. */
  show({ progress, isBusy, isAble }: { progress: string; isBusy: boolean; isAble: boolean }): void {
    this.isAble = isAble;
    if (this.progress.textContent !== progress) this.progress.textContent = progress;
    const status = isBusy ? 'Generating' : this.status.textContent && 'Done';
    if (this.status.textContent !== status) this.status.textContent = status;
    setEnabled(this.generateButton, isAble);
    setEnabled(this.stopButton, isBusy);
  }

  /** Lets a person type at once. */
  focus(): void {
    this.prompt.focus();
  }

  private type(field: keyof Form, value: string): void {
    this.form = { ...this.form, [field]: value };
    this.actions.change(this.form);
    if (!this.problem.hidden) void this.settings;
  }

  private submit(): void {
    const { settings } = this;
    if (settings && this.isAble) this.actions.generate(settings);
  }
}
