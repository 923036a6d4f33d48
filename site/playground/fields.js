// The fields of a form by name, as a link carries them. Tested in the browser by tools/wasm/browse.py.

const valueOf = (field) => (field.type === 'checkbox' ? (field.checked ? 'yes' : 'no') : field.value);

export class Fields {
  /** @param {Record<string, string>} ids of elements by the names that links have */
  constructor(ids) {
    this.fields = Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, document.getElementById(id)]));
    this.initial = this.values();
  }

  values() {
    return Object.fromEntries(Object.entries(this.fields).map(([name, field]) => [name, valueOf(field)]));
  }

  value(name) {
    return valueOf(this.fields[name]).trim();
  }

  /** What is not as it was at first. */
  state() {
    return Object.fromEntries(Object.entries(this.values()).filter(([name, value]) => value !== this.initial[name]));
  }

  /** What a link asks for; the rest is as it was at first. Throws where it asks for what a list does not have. */
  restore(state) {
    const problems = [];
    for (const [name, field] of Object.entries(this.fields)) {
      const value = state[name] ?? this.initial[name];
      const choices = field.type === 'checkbox' ? ['yes', 'no'] : [...(field.options ?? [])].map((option) => option.value);
      if (choices.length > 0 && !choices.includes(value)) problems.push(`${name}: expected one of ${choices.filter((one) => one !== '').join(', ')}, got ${value}`);
      else if (field.type === 'checkbox') field.checked = value === 'yes';
      else field.value = value;
    }
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }
}
