// Reading and writing krohn-automaton-v1 by the rules of the header. Linear in the text.
// Tested by tests/languages/automaton_formats_test.cpp.
#include "krohn/languages/format_json.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "krohn/automata/alphabet.hpp"
#include "krohn/error.hpp"
#include "krohn/text/json_document.hpp"
#include "krohn/text/source_text.hpp"
#include "sink.hpp"
#include "state_labels.hpp"

namespace krohn {
namespace {

constexpr std::string_view format_name = "krohn-automaton-v1";
constexpr std::int64_t max_states = std::numeric_limits<std::int32_t>::max();

std::optional<Alphabet> read_alphabet(const JsonField& field) {
  const std::vector<JsonField> elements = field.elements();
  const std::vector<std::string> names = field.strings();
  if (!field.exists() || field.value()->array() == nullptr || names.size() != elements.size()) return std::nullopt;
  try {
    return Alphabet(names);
  } catch (const InputError& error) {
    // "alphabet[1]: expected .., got ..": the index says which element.
    for (const std::string& problem : error.problems()) field.report_problem(problem);
    return std::nullopt;
  }
}

struct Labels {
  std::vector<std::string> names;
  std::vector<LabelId> of_state;
};

Labels read_accepting(const JsonField& field, std::size_t states) {
  Labels labels{{"0", "1"}, std::vector<LabelId>(states, 0)};
  for (const JsonField& element : field.elements()) {
    const std::optional<std::int64_t> state = element.integer(0, static_cast<std::int64_t>(states) - 1);
    if (!state) continue;
    LabelId& label = labels.of_state[static_cast<std::size_t>(*state)];
    if (label == 1) element.report("different states", std::to_string(*state) + " twice");
    label = 1;
  }
  return labels;
}

Labels read_labels(const JsonField& field, const JsonField& names_field, std::size_t states) {
  std::vector<std::optional<std::string>> texts;
  const std::vector<JsonField> elements = field.elements();
  for (const JsonField& element : elements) {
    if (element.is_null()) {
      texts.emplace_back();
    } else if (element.value()->string() == nullptr) {
      element.report("a string or null");
    } else {
      texts.emplace_back(*element.value()->string());
    }
  }
  if (field.value()->array() != nullptr && elements.size() != states) {
    field.report("one label for each of " + std::to_string(states) + " states", std::to_string(elements.size()));
  }
  Labels labels;
  labels.of_state.assign(states, null_label);
  std::unordered_map<std::string, LabelId> index;
  const auto add_name = [&](const std::string& name) {
    const bool added = index.emplace(name, static_cast<LabelId>(labels.names.size())).second;
    if (added) labels.names.push_back(name);
    return added;
  };
  if (names_field.exists()) {
    for (const JsonField& element : names_field.elements()) {
      const std::optional<std::string> name = element.string();
      if (name && !add_name(*name)) element.report("different labels", shown(*name) + " twice");
    }
  } else {
    for (const std::string& name : ordered_label_names(texts)) add_name(name);
  }
  if (texts.size() != states || elements.size() != states) return labels;
  for (std::size_t state = 0; state < states; ++state) {
    if (!texts[state]) continue;
    const auto found = index.find(*texts[state]);
    if (found == index.end()) {
      elements[state].report("one of label_names");
    } else {
      labels.of_state[state] = found->second;
    }
  }
  return labels;
}

}  // namespace

LanguageSource parse_format_json(std::string_view text, const std::string& source) {
  const JsonDocument document = parse_json(text, source);
  JsonProblems problems(document);
  const JsonField root = problems.root();
  root.only({"format", "alphabet", "start", "transitions", "accepting", "labels", "label_names"});
  const JsonField format = root.at("format");
  if (format.exists() && (format.value()->string() == nullptr || *format.value()->string() != format_name)) {
    format.report(json_quoted(format_name));
  }
  const std::optional<Alphabet> alphabet = read_alphabet(root.at("alphabet"));
  const JsonField transitions = root.at("transitions");
  const std::vector<JsonField> rows = transitions.elements();
  const std::size_t states = rows.size();
  if (transitions.exists() && transitions.value()->array() != nullptr) {
    if (rows.empty()) transitions.report("at least one state", "none");
    if (states >= static_cast<std::size_t>(max_states)) {
      transitions.report("fewer than 2^31 - 1 states", std::to_string(states));
    }
  }
  const auto last_state = static_cast<std::int64_t>(states) - 1;
  std::vector<State> delta;
  for (const JsonField& row : rows) {
    const std::vector<JsonField> entries = row.elements();
    if (alphabet && row.value()->array() != nullptr && entries.size() != alphabet->size()) {
      row.report("one state or null for each of " + std::to_string(alphabet->size()) + " symbols",
                 std::to_string(entries.size()) + " entries");
    }
    for (const JsonField& entry : entries) {
      if (entry.is_null()) {
        delta.push_back(missing_state);
      } else {
        const std::optional<std::int64_t> next = entry.integer(0, last_state);
        delta.push_back(static_cast<State>(next.value_or(0)));
      }
    }
  }
  const std::optional<std::int64_t> start = states == 0 ? std::nullopt : root.at("start").integer(0, last_state);
  const JsonField accepting = root.find("accepting");
  const JsonField label_field = root.find("labels");
  const JsonField names = root.find("label_names");
  if (root.value()->object() != nullptr && accepting.exists() == label_field.exists()) {
    root.report("one of the members 'accepting' and 'labels'", accepting.exists() ? "both" : "neither");
  }
  if (names.exists() && !label_field.exists()) names.report("the member 'labels' beside it", "none");
  Labels labels;
  if (states != 0 && label_field.exists()) labels = read_labels(label_field, names, states);
  if (states != 0 && accepting.exists()) labels = read_accepting(accepting, states);
  problems.raise_if_any();
  return complete_with_sink(source, *alphabet, static_cast<State>(*start), std::move(delta), std::move(labels.of_state),
                            std::move(labels.names));
}

LanguageSource read_format_json(const std::filesystem::path& path) {
  return parse_format_json(read_file(path), path.string());
}

std::string format_json(const Dfa& dfa) {
  const auto join = [](const auto& items, const auto& text_of) {
    std::string text = "[";
    for (const auto& item : items) text += (text.size() > 1 ? ", " : "") + text_of(item);
    return text + "]";
  };
  const auto quoted = [](const std::string& name) {
    utf8_scalars(name);
    return json_quoted(name);
  };
  std::string text = "{\"format\": " + json_quoted(format_name) +
                     ",\n \"alphabet\": " + join(dfa.alphabet().names(), quoted) +
                     ",\n \"start\": " + std::to_string(dfa.start()) + ",\n \"transitions\": [";
  const std::span<const State> delta = dfa.delta();
  for (std::size_t state = 0; state < dfa.num_states(); ++state) {
    if (state > 0) text += ",\n  ";
    text += join(delta.subspan(state * dfa.num_symbols(), dfa.num_symbols()),
                 [](State next) { return std::to_string(next); });
  }
  text += "],\n ";
  if (dfa.is_acceptor()) {
    std::vector<std::size_t> accepting;
    for (std::size_t state = 0; state < dfa.num_states(); ++state) {
      if (dfa.label(static_cast<State>(state)) == 1) accepting.push_back(state);
    }
    return text + "\"accepting\": " + join(accepting, [](std::size_t state) { return std::to_string(state); }) + "}\n";
  }
  std::vector<std::optional<std::string>> labels;
  for (const LabelId label : dfa.labels()) {
    labels.push_back(label == null_label ? std::nullopt : std::optional(dfa.label_name(label)));
  }
  text += "\"labels\": " + join(labels, [&](const std::optional<std::string>& label) {
            return label ? quoted(*label) : std::string("null");
          });
  if (ordered_label_names(labels) != dfa.label_names()) {
    text += ",\n \"label_names\": " + join(dfa.label_names(), quoted);
  }
  return text + "}\n";
}

}  // namespace krohn
