/* global window, document, uPlot */
// Draws the charts of a run's report. Their data is in the element `data`; src/report/charts.ts says what it looks like.
(() => {
  const HEIGHT = 260;
  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
  const { charts } = JSON.parse(document.getElementById('data').textContent);
  const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
  const plots = new Map();

  const count = (value) => compact.format(value).replace('K', 'k').replace('B', 'G');
  const measure = (value) => (value == null ? '-' : value < 10 ? value.toFixed(3) : plain(value));

  const plain = (value) => String(+value.toPrecision(4));

  /** A colour of the style sheet, which differs between light and dark. */
  function color(name) {
    return window.getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function strokeOf(series) {
    return series.color === null ? color('--text') : color(`--c${series.color % 8}`);
  }

  function dashOf(series) {
    return series.color === null ? [] : DASHES[series.color % DASHES.length];
  }

  function seriesOptions(series, marks) {
    const stroke = strokeOf(series);
    return {
      label: series.label,
      stroke: series.faint ? `color-mix(in srgb, ${stroke} 40%, transparent)` : stroke,
      width: series.faint ? 1 : series.color === null ? 3 : 2,
      dash: dashOf(series),
      spanGaps: true,
      points: { show: marks, size: 5, fill: stroke },
    };
  }

  /** Round numbers (1, 2, 5 times a power of ten) in the range of a logarithmic axis; all digits where these are few. */
  function logSplits(low, high) {
    const from = Math.floor(Math.log10(low));
    const powers = Array.from({ length: Math.ceil(Math.log10(high)) - from + 1 }, (_, i) => 10 ** (from + i));
    const within = (steps) =>
      powers.flatMap((power) => steps.map((s) => s * power)).filter((v) => v >= low && v <= high);
    const candidates = [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9], Array.from({ length: 90 }, (_, i) => 1 + i / 10)];
    const splits = candidates.map(within).find((some) => some.length >= 3) ?? [low, high];
    const every = Math.ceil(splits.length / 8);
    return splits.filter((_, i) => i % every === 0);
  }

  function axis(format, more) {
    const grid = { stroke: color('--grid'), width: 1 };
    return {
      stroke: color('--text'),
      grid,
      ticks: grid,
      font: '12px system-ui',
      values: (_, v) => v.map(format),
      ...more,
    };
  }

  function optionsOf(chart, width, isLog) {
    const logAxis = isLog ? { splits: (_, __, low, high) => logSplits(low, high), filter: (_, splits) => splits } : {};
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      scales: {
        x: { time: false },
        y: isLog ? { distr: 3, log: 10, range: (_, low, high) => [low / 1.05, high * 1.05] } : {},
      },
      axes: [
        axis(count, { label: 'tokens', size: 32, labelSize: 18, labelGap: 0, labelFont: '12px system-ui' }),
        axis(plain, { size: 56, ...logAxis }),
      ],
      series: [{}, ...chart.series.map((series) => seriesOptions(series, chart.marks))],
      cursor: { drag: { x: true, y: false } },
      hooks: { setCursor: [showValues] },
    };
  }

  /** Writes the values under the cursor, or the last ones, beside the legend's names. */
  function showValues(plot) {
    const outputs = plots.get(plot.root.parentElement)?.outputs ?? [];
    outputs.forEach((output, i) => {
      const values = plot.data[i + 1];
      let at = plot.cursor.idx ?? values.length - 1;
      while (at > 0 && values[at] == null) at--;
      output.textContent = measure(values[at]);
    });
  }

  /** A name that shows or hides its curve. Real buttons, so that the keyboard reaches them. */
  function legendButton(holder, series, index) {
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-pressed', 'true');
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    line.setAttribute('viewBox', '0 0 28 8');
    line.setAttribute('class', 'swatch');
    const stroke = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    stroke.setAttribute('d', 'M0 4H28');
    stroke.setAttribute(
      'class',
      `line ${series.color === null ? 'average' : `c${series.color % 8}`} ${series.faint ? 'faint' : ''}`,
    );
    stroke.setAttribute('stroke-dasharray', dashOf(series).join(' '));
    line.append(stroke);
    const output = document.createElement('span');
    output.className = 'value';
    button.append(line, ` ${series.label} `, output);
    button.addEventListener('click', () => {
      const isShown = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(isShown));
      plots.get(holder).hidden[index] = !isShown;
      plots.get(holder).plot.setSeries(index + 1, { show: isShown });
    });
    return { button, output };
  }

  function isLogarithmic(holder) {
    const group = holder.closest('[data-group]').dataset.group;
    return document.querySelector(`[data-log="${group}"]`).checked;
  }

  /** Draws a chart anew, with the theme, the scale and the width of this moment. */
  function draw(chart, holder) {
    if (holder.clientWidth === 0) return;
    let entry = plots.get(holder);
    if (!entry) {
      const legend = document.createElement('div');
      legend.className = 'legend';
      const items = chart.series.map((series, i) => legendButton(holder, series, i));
      legend.append(...items.map(({ button }) => button));
      holder.after(legend);
      entry = { outputs: items.map(({ output }) => output), hidden: chart.series.map(() => false), plot: undefined };
      plots.set(holder, entry);
    }
    entry.plot?.destroy();
    const data = [chart.x, ...chart.series.map(({ values }) => values)];
    entry.plot = new uPlot(optionsOf(chart, holder.clientWidth, isLogarithmic(holder)), data, holder);
    entry.hidden.forEach((isHidden, i) => isHidden && entry.plot.setSeries(i + 1, { show: false }));
    showValues(entry.plot);
  }

  const holders = charts.map((chart) => ({ chart, holder: document.getElementById(`chart-${chart.id}`) }));
  const drawAll = () => holders.forEach(({ chart, holder }) => draw(chart, holder));

  function chooseGroup() {
    const chosen = document.querySelector('input[name="by"]:checked')?.value;
    for (const id of ['by-stage', 'by-domain']) {
      const group = document.getElementById(id);
      if (group) group.hidden = id !== chosen;
    }
    drawAll();
  }

  for (const input of document.querySelectorAll('input[name="by"]')) input.addEventListener('change', chooseGroup);
  for (const input of document.querySelectorAll('[data-log]')) input.addEventListener('change', drawAll);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  window.addEventListener('resize', drawAll);
  document.documentElement.classList.add('drawn');
  chooseGroup();
})();
