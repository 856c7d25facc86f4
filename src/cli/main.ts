import { Command, Option } from 'commander';
import { version } from '../../package.json';
import { SIZES, TEMPLATES } from '../config/template';
import { EXPORT_FORMATS } from '../interop/export-formats';
import { LAUNCHERS } from '../launch/choose-launcher';
import { EXPORTS } from '../report/export';
import { STUDY_FORMATS } from '../report/study/formats';
import { compareCommand } from './compare';
import { doctorCommand } from './doctor';
import { indexCommand } from './index-command';
import { markCommand } from './mark';
import { evaluateCommand } from './evaluate';
import { exportCommand } from './export';
import { exportModelCommand } from './export-model';
import { generateCommand } from './generate';
import { newCommand } from './new';
import { guarded, processOutput } from './output';
import { planCommand } from './plan';
import { pruneCommand } from './prune';
import { quantizeCommand } from './quantize';
import { reportCommand } from './report';
import { resumeCommand } from './resume';
import { runCommand } from './run';
import { runsCommand } from './runs';
import { runtimeInfoCommand, runtimeInstallCommand, runtimeRemoveCommand } from './runtime';
import { showCommand } from './show';
import { stopCommand } from './stop';
import { deleteCommand, restoreCommand } from './trash';
import { watchCommand } from './watch';

const program = new Command('bam')
  .description(
    'Turns dense language models into a mixture of experts by Branch-Attend-Mix, and manages the experiments.',
  )
  .version(version);

const JSON_OPTION = ['--json', 'print JSON on standard output'] as const;
const SET_OPTION = ['--set <path=value...>', 'replace values of the file, e.g. seed=2'] as const;
const DETACH_OPTION = ['--detach', 'start it in the background and print its id'] as const;
/** What a process is started with that `--detach` starts. */
const DETACHED_OPTION = new Option('--detached').hideHelp();

/** Collects the values of an option that may be given several times. */
function several(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** Wraps a command's function for commander: options last, errors printed, the exit code set. */
function action<A extends unknown[]>(
  command: (...args: [...A, typeof processOutput]) => Promise<unknown>,
): (...args: A) => Promise<void> {
  return (...args) => guarded(processOutput, () => command(...args, processOutput));
}

program
  .command('run <file>')
  .description('run an experiment; stages that did not change are taken from the cache')
  .option(
    '--stages <names>',
    'only these stages (all their variants, or one: bam@seed=2) and what they need, with commas between',
  )
  .option('--resume', 'go on with the latest unfinished run of this file')
  .option('--id <id>', 'the id of the new run')
  .addOption(new Option('--launcher <name>', 'where stages train; left out, where the file says').choices(LAUNCHERS))
  .option('--profile', 'first write a Chrome trace of a training step of each stage')
  .option(...DETACH_OPTION)
  .addOption(DETACHED_OPTION)
  .option(...SET_OPTION)
  .option(...JSON_OPTION)
  .action((file, options) => action(runCommand)(file, options));

program
  .command('resume <run>')
  .description('go on with a run that did not finish, from its own copy of the experiment file')
  .option(...DETACH_OPTION)
  .addOption(DETACHED_OPTION)
  .option(...JSON_OPTION)
  .action((run, options) => action(resumeCommand)(run, options));

program
  .command('watch <run>')
  .description('take up the watch over a run on a cluster whose watcher is gone; its jobs go on meanwhile')
  .option(...JSON_OPTION)
  .action((run, options) => action(watchCommand)(run, options));

program
  .command('stop <run>')
  .description('stop a run behind a checkpoint; one that does not answer for a minute is killed')
  .option('--now', 'kill it at once')
  .option('--stages <names>', 'of a run on a cluster: only these stages, with commas between')
  .option(...JSON_OPTION)
  .action((run, options) => action(stopCommand)(run, options));

program
  .command('plan <file>')
  .description('check an experiment file and show its stages, parameter counts and budgets')
  .option('--devices <count>', 'also show memory, time and checkpoints on so many devices')
  .option('--flops <count>', 'FLOPs that a device computes in a second, e.g. 100T; default 100G')
  .option(...SET_OPTION)
  .option(...JSON_OPTION)
  .action((file, options) => action(planCommand)(file, options));

program
  .command('runs')
  .description('list the runs of this workspace')
  .option('--all', 'archived ones too')
  .option('--filter <query>', 'e.g. "stage:bam avg<4 tag:paper"; docs/run-table.md has the language')
  .option(...JSON_OPTION)
  .action((options) => action(runsCommand)(options));

program
  .command('new <file>')
  .description('write a new experiment file')
  .addOption(new Option('--template <name>', 'what it compares').choices(Object.keys(TEMPLATES)).default('bam-btx'))
  .addOption(new Option('--size <name>', 'size of the dense model').choices(Object.keys(SIZES)).default('tiny'))
  .option('--domains <names>', 'with commas between; the first trains the seed model', 'general,law,code')
  .option('--tokens <count>', 'tokens that each stage trains on', '500k')
  .action((file, options) => action(newCommand)(file, options));

program
  .command('export <run>')
  .description('print results, results over seeds, steps or evaluations of a run as CSV, or its results as Markdown')
  .addOption(new Option('--what <kind>', 'what to print').choices(Object.keys(EXPORTS)).default('results'))
  .action((run, options) => action(exportCommand)(run, options));

program
  .command('export-model <run> <stage>')
  .description('write the last checkpoint of a finished stage as a folder that the transformers library loads')
  .requiredOption('--to <folder>', 'the folder to make; it must not exist, or be empty')
  .addOption(
    new Option(
      '--format <name>',
      'the model family to write it as; bam brings its own Python code. Default: the first that has such models',
    ).choices(EXPORT_FORMATS),
  )
  .option(...JSON_OPTION)
  .action((run, stage, options) => action(exportModelCommand)(run, stage, options));

program
  .command('quantize <checkpoint|run> [stage]')
  .description('write a mixture as FFN experts that are loaded when they are needed, in several precisions')
  .requiredOption('--out <folder>', 'the folder to make; it must not exist, or be empty')
  .option('--precisions <names>', 'only these, with commas between: float32, float16, int8, int4')
  .option('--group <count>', 'how many weights of a row have one scale, at most', '64')
  .option(...JSON_OPTION)
  .action((name, stage, options) => action(quantizeCommand)(name, stage, options));

program
  .command('show <run>')
  .description('show a run: its stages, results and notes; `last` is the newest')
  .option('--baseline <stage>', 'the stage that results over seeds are compared with')
  .option(...JSON_OPTION)
  .action((run, options) => action(showCommand)(run, options));

program
  .command('evaluate <run|file>')
  .description('evaluate finished stages once more, without training; `bam show` shows it beside the results')
  .option('--stages <names>', 'only these stages, with commas between')
  .option('--tokens <count>', 'held-out tokens of each domain at most, e.g. 64k')
  .option('--tasks', 'put the tasks of the experiment file to the models too')
  .option(...SET_OPTION)
  .option(...JSON_OPTION)
  .action((name, options) => action(evaluateCommand)(name, options));

program
  .command('generate <run|folder> [stage]')
  .description('continue a text with the last checkpoint of a finished stage, or with the checkpoint in a folder')
  .option('--prompt <text>', 'the text to continue; else it is read from standard input')
  .option('--prompts <file>', 'several: one a line, or under `prompt` in the lines of a .jsonl file')
  .option('--tokens <count>', 'new tokens at most; 0 only reads the prompt', '100')
  .option('--temperature <number>', '0 takes the most probable token, 1 draws as the model says', '0.8')
  .option('--top-k <count>', 'draw from so many tokens only, the most probable ones')
  .option('--top-p <share>', 'draw from the most probable tokens that together have this share, e.g. 0.9')
  .option('--seed <number>', 'the same seed draws the same text', '1')
  .option('--stop <text>', 'a text that ends it; may be given several times', several)
  .option(
    '--off <layer:expert>',
    'an FFN expert that no token is sent to, e.g. 0:2; may be given several times',
    several,
  )
  .option(
    '--force <layer:expert>',
    'the FFN expert that all tokens of its layer are sent to; may be given several times',
    several,
  )
  .option('--perplexity <file>', 'instead measure the perplexity of a text of any length')
  .option('--json', 'print a line of JSON for every token, with the experts that computed it')
  .action((name, stage, options) => action(generateCommand)(name, stage, options));

program
  .command('prune <run|file> <stage>')
  .description(
    'show what pruning a finished mixture would do: the scores of its experts, and what it is without each of them',
  )
  .option('--dry-run', 'only show it; a stage with `prune` does it')
  .option('--method <names>', 'only these scores, with commas between: router-norm, similarity, usage, activation')
  .option('--since <stage>', 'for router-norm: an earlier stage of the same mixture')
  .addOption(
    new Option('--routing <kind>', 'what becomes of tokens of a removed expert')
      .choices(['zero', 'masked'])
      .default('zero'),
  )
  .option('--tokens <count>', 'held-out tokens of each domain at most, e.g. 64k')
  .option(...SET_OPTION)
  .option(...JSON_OPTION)
  .action((name, stage, options) => action(pruneCommand)(name, stage, options));

program
  .command('compare <runs...>')
  .description('compare runs: what differs in their files, and their results side by side')
  .option(...JSON_OPTION)
  .action((runs, options) => action(compareCommand)(runs, options));

program
  .command('report <runs...>')
  .description('one document on one or several runs: results, routing, costs, data and configuration')
  .addOption(new Option('--format <name>', 'how to write it').choices(STUDY_FORMATS).default('html'))
  .option('--baseline <stage>', 'the stage that others are compared with')
  .option('--to <file>', 'write it there instead of printing it')
  .action((runs, options) => action(reportCommand)(runs, options));

program
  .command('mark <run>')
  .description('say something about a run: a title, a star, tags, a note')
  .option('--title <title>', 'what to call it; empty for none')
  .option('--star', 'mark it with a star')
  .option('--unstar', 'take the star away')
  .option('--tag <tags...>', 'add tags')
  .option('--untag <tags...>', 'take tags away')
  .option('--note <note>', 'a longer text; empty for none')
  .option('--archive', 'leave it out of lists')
  .option('--unarchive', 'list it again')
  .option(...JSON_OPTION)
  .action((run, options) => action(markCommand)(run, options));

program
  .command('delete <run>')
  .description('move a run to the trash; its checkpoints stay in the cache')
  .option(...JSON_OPTION)
  .action((run, options) => action(deleteCommand)(run, options));

program
  .command('restore <run>')
  .description('bring a deleted run back, within a week')
  .option(...JSON_OPTION)
  .action((run, options) => action(restoreCommand)(run, options));

program
  .command('index')
  .description('take new events into the index')
  .option('--rebuild', 'make the index again from the logs')
  .option(...JSON_OPTION)
  .action((options) => action(indexCommand)(options));

program
  .command('doctor')
  .description('look at everything that a run needs')
  .option(...JSON_OPTION)
  .action((options) => action(doctorCommand)(options));

const runtime = program.command('runtime').description('the native TensorFlow that experiments compute with');
runtime
  .command('install')
  .description('install it for this user')
  .option('--gpu', 'the build for CUDA GPUs')
  .option(...JSON_OPTION)
  .action((options) => action(runtimeInstallCommand)(options));
runtime
  .command('remove')
  .description('delete it')
  .option(...JSON_OPTION)
  .action((options) => action(runtimeRemoveCommand)(options));
runtime
  .command('info')
  .description('show its version, devices and threads')
  .option(...JSON_OPTION)
  .action((options) => action(runtimeInfoCommand)(options));

void program.parseAsync();
