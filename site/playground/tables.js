// A compiled model's tables (include/krohn/model/fingerprint.hpp names the arrays), and a word's way through them: which row
// every layer applies and which slot it then decodes. What is carried comes from `krohn run --states every`, to the bit; the
// decode here repeats docs/semantics.md, section 4, in doubles, for people to look at: the label is always the program's own.
// Tested by tests/playground/tables.test.mjs.

const range = (from, to) => Array.from({length: to - from}, (_, i) => from + i);

/** @param tensors of model.safetensors */
export function readTables(tensors) {
  const values = (name) => tensors[name].values;
  const count = range(0, Object.keys(tensors).length).filter((i) => tensors[`layers.${i}.row_action`] !== undefined).length;
  const vector = (prefix, offset, i) => range(values(offset)[i], values(offset)[i + 1])
    .map((at) => ({index: values(`${prefix}_index`)[at], value: values(`${prefix}_value`)[at]}));
  const layers = range(0, count).map((l) => {
    const at = `layers.${l}`;
    const table = `${at}.table`;
    const rows = range(0, values(`${table}.gate_offset`).length - 1).map((r) => ({
      gate: range(values(`${table}.gate_offset`)[r], values(`${table}.gate_offset`)[r + 1]).map((i) => values(`${table}.gate`)[i]),
      factors: range(values(`${table}.factor_offset`)[r], values(`${table}.factor_offset`)[r + 1]).map((f) => ({
        beta: values(`${table}.beta`)[f],
        key: vector(`${table}.key`, `${table}.key_offset`, f),
        value: vector(`${table}.value`, `${table}.value_offset`, f),
        read: tensors[`${table}.read_offset`] ? vector(`${table}.read`, `${table}.read_offset`, f) : [],
      })),
      write: vector(`${table}.write`, `${table}.write_offset`, r),
    }));
    const slots = values(`${at}.readout.slot_offset`);
    const readouts = range(0, slots.length - 1).map((k) => range(slots[k], slots[k + 1]).map((s) => ({
      bias: values(`${at}.readout.bias`)[s],
      weight: vector(`${at}.readout.weight`, `${at}.readout.weight_offset`, s),
    })));
    return {
      shape: tensors[`${at}.initial_hidden`].shape,
      initial: values(`${at}.initial_hidden`),
      readsBefore: values(`${at}.reads_before`)[0],
      rowAction: values(`${at}.row_action`),
      rowReadout: values(`${at}.row_readout`),
      rowNext: values(`${at}.row_next`),
      next: values(`${at}.next`),
      rows,
      readouts,
    };
  });
  return {symbolRow: values('symbol_row'), layers};
}

/** The slot with the largest score; null for a tie or no slots. */
export function decode(readout, hidden) {
  let best = null;
  let most = -Infinity;
  let tie = false;
  for (const [slot, {bias, weight}] of readout.entries()) {
    const score = weight.reduce((sum, {index, value}) => sum + value * hidden[index], bias);
    tie = score === most || (tie && score < most);
    if (score > most) [best, most] = [slot, score];
  }
  return tie ? null : best;
}

/**
 * One token: for each layer the input row, the table row that it applies and the slot that is decoded, and the number of
 * the label; null from where something is undefined.
 *
 * @param before, after what each layer carries before and after the token
 */
export function follow(tables, symbol, before, after) {
  let row = tables.symbolRow[symbol];
  const steps = [];
  for (const [l, layer] of tables.layers.entries()) {
    if (row === undefined || row === null || row < 0) {
      steps.push(null);
      continue;
    }
    const slot = decode(layer.readouts[layer.rowReadout[row]], layer.readsBefore ? before[l] : after[l]);
    steps.push({row, action: layer.rowAction[row], slot});
    row = slot === null ? null : layer.next[layer.rowNext[row] + slot];
  }
  return {steps, label: row};
}

const number = (value) => (Number.isInteger(value) ? String(value) : value.toPrecision(6).replace(/\.?0+$/, ''));

/** A vector as a sum of unit vectors: e0 - e2. */
function vectorText(entries) {
  return entries.map(({index, value}, i) => {
    const magnitude = Math.abs(value) === 1 ? '' : `${number(Math.abs(value))} `;
    const sign = value < 0 ? (i === 0 ? '-' : ' - ') : i === 0 ? '' : ' + ';
    return `${sign}${magnitude}e${index}`;
  }).join('');
}

const plus = (left, right) => (left === '0' ? right : right.startsWith('-') ? `${left} - ${right.slice(1)}` : `${left} + ${right}`);

/** A table row as a formula: factors stand before what they act on, as matrices multiply. */
export function rowText({gate, factors, write}) {
  const all = gate.length === 1 ? gate[0] : null;
  let sum = false;
  let text = all === 0 ? '0' : all === 1 ? 'h' : all === null ? `diag(${gate.map(number).join(', ')}) h` : `${number(all)} h`;
  for (const {beta, key, value, read} of factors) {
    if (beta === 0) continue;
    const k = vectorText(key);
    const scale = beta === 1 ? '' : `${number(beta)} `;
    if (text !== '0') {
      text = `(I - ${scale}(${k})(${read.length ? vectorText(read) : k})ᵀ) ${sum ? `[${text}]` : text}`;
      sum = false;
    }
    // What the factor writes: beta times the value, along the key. One column has a number for a value.
    if (value.length) {
      const written = value.length === 1 && value[0].index === 0 ? vectorText(key.map(({index, value: x}) => ({index, value: beta * value[0].value * x})))
        : `${scale}(${k})(${vectorText(value)})ᵀ`;
      sum = text !== '0';
      text = plus(text, written);
    }
  }
  return write.length ? plus(text, vectorText(write)) : text;
}
