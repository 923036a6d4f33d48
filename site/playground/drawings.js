// The page's own drawings: numbers as bars, accuracy by length, an orbit that closes. Larger ones are krohn's.
import {h, svg} from './view.js';

function figure(drawing, caption) {
  return h('figure', {}, h('div', {class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'picture, scrolls where it is wide'}, drawing),
    h('figcaption', {}, caption));
}

/** As wide as the page, within what is legible. */
const widthOfPage = () => Math.min(640, Math.max(300, document.documentElement.clientWidth - 40));

/** Numbers as bars about an axis: up is positive. Drawn to `most`, the largest magnitude of all. */
export function bars(values, most, title) {
  const width = 11;
  const height = 34;
  const middle = height / 2;
  const picture_ = svg('svg', {class: 'bars', role: 'img', width: Math.max(width * values.length, 8), height,
    viewBox: `0 0 ${Math.max(width * values.length, 8)} ${height}`, 'aria-label': title});
  picture_.append(svg('title', {}, title));
  for (const [i, value] of values.entries()) {
    const size = most > 0 ? (Math.abs(value) / most) * (middle - 2) : 0;
    picture_.append(svg('rect', {class: value < 0 ? 'minus' : 'plus', x: i * width + 1.5, width: width - 3,
      y: value < 0 ? middle : middle - size, height: Math.max(size, value === 0 ? 0 : 1)}));
  }
  picture_.append(svg('line', {class: 'axis', x1: 0, x2: width * values.length, y1: middle, y2: middle}));
  return picture_;
}

/** Shares of right answers against length on a logarithmic axis. */
export function accuracyChart(lengths, chance) {
  const width = widthOfPage();
  const height = 240;
  const left = 48;
  const right = 16;
  const top = 14;
  const bottom = 40;
  const least = Math.log2(lengths[0].length);
  const most = Math.max(least + 1, Math.log2(lengths.at(-1).length));
  const x = (length) => left + ((Math.log2(length) - least) / (most - least)) * (width - left - right);
  const y = (share) => top + (1 - share) * (height - top - bottom);
  const text = `Accuracy by length: per position ${lengths.map((one) => `${one.position.value.toFixed(2)} at ${one.length}`).join(', ')}.`;
  const drawing = svg('svg', {class: 'chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': text});
  drawing.append(svg('title', {}, text));
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    drawing.append(svg('line', {class: 'axis', x1: left, x2: width - right, y1: y(share), y2: y(share)}),
      svg('text', {x: left - 8, y: y(share) + 4, 'text-anchor': 'end'}, String(share)));
  }
  for (const {length} of lengths) drawing.append(svg('text', {x: x(length), y: height - bottom + 18, 'text-anchor': 'middle'}, String(length)));
  drawing.append(svg('text', {x: (left + width - right) / 2, y: height - 4, 'text-anchor': 'middle'}, 'length of the word'),
    svg('text', {x: width - right, y: y(chance) - 4, 'text-anchor': 'end'}, 'chance'));
  const points = (of) => lengths.map((one) => `${x(one.length).toFixed(1)},${y(of(one)).toFixed(1)}`);
  const band = [...points((one) => one.position.high), ...points((one) => one.position.low).reverse()];
  drawing.append(svg('polygon', {class: 'band', points: band.join(' ')}),
    svg('polyline', {class: 'curve', points: points((one) => one.position.value).join(' ')}),
    svg('polyline', {class: 'curve second', points: points((one) => one.sequence.value).join(' ')}));
  return figure(drawing, 'Full line: per position, with its confidence interval. Dashed: whole words.');
}

/** The orbit of what is carried on u^k: a tail, then a loop. Dots stand for states; the two words end on one dot. */
export function lasso(transient, period, symbol) {
  const width = widthOfPage();
  const height = 150;
  const y = 80;
  const loopX = width - 60;
  const radius = 44;
  const text = `What is carried after ${symbol}^k takes ${transient} steps to enter a loop of period ${period}.`;
  const picture = svg('svg', {class: 'chart', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': text});
  picture.append(svg('title', {}, text), svg('line', {class: 'axis', x1: 30, x2: loopX - radius, y1: y, y2: y}));
  const dots = Math.min(transient, 8);
  for (let i = 0; i < dots; ++i) picture.append(svg('circle', {class: 'dot', r: 5, cx: 30 + (i * (loopX - radius - 30)) / Math.max(dots, 1), cy: y}));
  picture.append(svg('circle', {class: 'axis', cx: loopX, cy: y, r: radius, fill: 'none'}));
  const around = Math.min(Math.max(period, 1), 12);
  for (let i = 0; i < around; ++i) {
    const angle = Math.PI + (2 * Math.PI * i) / around;
    picture.append(svg('circle', {class: i === 0 ? 'dot mark' : 'dot', r: i === 0 ? 7 : 5, cx: loopX + radius * Math.cos(angle), cy: y + radius * Math.sin(angle)}));
  }
  const label = (x, at, anchor, words, className = '') => picture.append(svg('text', {x, y: at, 'text-anchor': anchor, class: className}, words));
  label(24, y + 26, 'start', `${symbol}^0`);
  label((30 + loopX - radius) / 2, y + 26, 'middle', transient > dots ? `${transient} steps (a few drawn)` : `${transient} steps`);
  label(loopX - radius - 4, y - 16, 'end', `${symbol}^${transient} = ${symbol}^${transient + period}`, 'strong');
  label(loopX, y + 4, 'middle', `period ${period}`);
  return figure(picture, text);
}
