// Writes examples/data/math.jsonl: arithmetic problems with worked answers, made from a seed, in the spirit of MathGLM's
// step-by-step arithmetic; arithmetic.jsonl, a task with operations that are not among them; and instructions.jsonl, questions about numbers in
// words with their answers, with asked.jsonl, a task of such questions that are not among them. The same seed gives the same files.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';

const PROBLEMS = 12_000;
const INSTRUCTIONS = 8_000;
const EXAMPLES = 200;
const SEED = 1;
const OPERATORS = '+-*';

/** Uniform whole numbers from `low` to `high`, from a linear congruential generator (Numerical Recipes' constants). */
function wholeNumbers(seed) {
  let state = seed >>> 0;
  return (low, high) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + Math.floor((state / 4294967296) * (high - low + 1));
  };
}

const pick = wholeNumbers(SEED);

/** A bracketed expression of `depth` levels as a tree; leaves are numbers. */
function expression(depth) {
  if (depth === 0) return pick(0, 99);
  return {
    operator: OPERATORS[pick(0, 2)],
    left: expression(pick(0, depth - 1)),
    right: expression(pick(0, depth - 1)),
  };
}

function show(node, outermost = true) {
  if (typeof node === 'number') return String(node);
  const inner = `${show(node.left, false)}${node.operator}${show(node.right, false)}`;
  return outermost ? inner : `(${inner})`;
}

/** Works out the first operation whose sides are both numbers. */
function reduceOnce(node) {
  const { operator, left, right } = node;
  if (typeof left === 'number' && typeof right === 'number') {
    return operator === '+' ? left + right : operator === '-' ? left - right : left * right;
  }
  return typeof left === 'number' ? { ...node, right: reduceOnce(right) } : { ...node, left: reduceOnce(left) };
}

/** "3*(4+5)=3*9=27" and so on until one number is left. */
function workedProblem() {
  let node = expression(pick(1, 3));
  let text = show(node);
  while (typeof node !== 'number') {
    node = reduceOnce(node);
    text += `=${show(node)}`;
  }
  return text;
}

/** Single operations that no worked problem contains, with their answers, and the answers of the other operations to choose from. */
function examples(problems) {
  const known = new Set(problems.flatMap((problem) => problem.match(/\d+[-+*]\d+/g) ?? []));
  const found = new Map();
  while (found.size < EXAMPLES) {
    const right = pick(0, OPERATORS.length - 1);
    const [left, other] = [pick(0, 99), pick(0, 99)];
    const nodes = [...OPERATORS].map((operator) => ({ operator, left, right: other }));
    const prompt = `${show(nodes[right])}=`;
    const choices = nodes.map((node) => String(reduceOnce(node)));
    if (known.has(show(nodes[right])) || new Set(choices).size < choices.length) continue;
    found.set(prompt, { prompt, answer: choices[right], choices });
  }
  return [...found.values()];
}

/** Questions about numbers, each with its answer. */
const QUESTIONS = [
  () => {
    const [one, other] = [pick(0, 99), pick(0, 99)];
    return [`Is ${one} more than ${other}?`, one > other ? 'yes' : 'no'];
  },
  () => {
    const number = pick(0, 9999);
    return [`Is ${number} even?`, number % 2 ? 'no' : 'yes'];
  },
  () => {
    const number = pick(0, 9999);
    return [`What is the last digit of ${number}?`, number % 10];
  },
  () => {
    const number = pick(0, 9999);
    return [`Which digit does the number after ${number} end with?`, (number + 1) % 10];
  },
];

/** Different questions, as prompts with answers. */
function instructions(count) {
  const found = new Map();
  while (found.size < count) {
    const [prompt, answer] = QUESTIONS[pick(0, QUESTIONS.length - 1)]();
    found.set(prompt, { prompt: `${prompt}\n`, answer: String(answer) });
  }
  return [...found.values()];
}

function write(name, objects) {
  const target = join(dirname(fileURLToPath(import.meta.url)), 'data', name);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, objects.map((object) => `${JSON.stringify(object)}\n`).join(''));
}

const problems = Array.from({ length: PROBLEMS }, workedProblem);
const sheets = Array.from({ length: PROBLEMS / 20 }, (_, i) => problems.slice(20 * i, 20 * (i + 1)).join('\n'));
write(
  'math.jsonl',
  sheets.map((text) => ({ text: `${text}\n` })),
);
write('arithmetic.jsonl', examples(problems));

const questions = instructions(INSTRUCTIONS + EXAMPLES);
write('instructions.jsonl', questions.slice(EXAMPLES));
write('asked.jsonl', questions.slice(0, EXAMPLES));
