// Both shapes of task.json become one Task; what the model does not have is reported with the place in the file.
// Tested by tests/checkpoints/open_model_test.cpp.
#include "krohn/checkpoints/task.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "krohn/digest/sha256.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/text/json_document.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t longest_min_length = 1'000'000;

std::optional<std::uint32_t> token_of(const JsonField& field, const Program& model) {
  const auto most = static_cast<std::int64_t>(model.vocabulary_size()) - 1;
  const auto value = field.integer(std::numeric_limits<std::int64_t>::min());
  if (!value) return std::nullopt;
  if (*value < 0 || *value > most) {
    field.report("a token id from 0 to " + std::to_string(most) + ", the model's vocabulary");
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*value);
}

std::optional<std::uint64_t> decimal(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The text of a JSON value, for the reader of an embedded format.
void write_json(const JsonValue& value, std::string& out) {
  struct Writer {
    std::string& text;
    void operator()(std::nullptr_t) const { text += "null"; }
    void operator()(bool b) const { text += b ? "true" : "false"; }
    void operator()(std::int64_t i) const { text += std::to_string(i); }
    void operator()(std::uint64_t i) const { text += std::to_string(i); }
    void operator()(double d) const { text += std::to_string(d); }
    void operator()(const std::string& s) const { text += json_quoted(s); }
    void operator()(const JsonValue::Array& array) const {
      text += '[';
      for (std::size_t i = 0; i < array.size(); ++i) {
        if (i > 0) text += ',';
        write_json(array[i], text);
      }
      text += ']';
    }
    void operator()(const JsonValue::Object& object) const {
      text += '{';
      for (std::size_t i = 0; i < object.size(); ++i) {
        if (i > 0) text += ',';
        text += json_quoted(object[i].key) + ':';
        write_json(object[i].value, text);
      }
      text += '}';
    }
  };
  std::visit(Writer{out}, value.data);
}

/// An object is krohn-automaton-v1; a string is any LANG, a file's name relative to the task's folder, its symbols the
/// task's.
Dfa automaton_of(const JsonField& field, const std::optional<Alphabet>& alphabet, const std::string& source) {
  if (const auto* const spec = std::get_if<std::string>(&field.value()->data)) {
    const std::filesystem::path beside = std::filesystem::path(source).parent_path() / *spec;
    std::error_code ignored;
    const bool file = spec->rfind("re:", 0) != 0 && std::filesystem::is_regular_file(beside, ignored);
    std::optional<std::string> symbols;
    if (alphabet && spec->rfind("re:", 0) == 0) {
      std::string names;
      for (const std::string& name : alphabet->names()) names += (names.empty() ? "" : " ") + name;
      symbols = names + " ";
    }
    try {
      return read_language(file ? beside.string() : *spec, symbols).dfa;
    } catch (const InputError& error) {
      throw InputError(with_prefix(source + ": automaton: ", error.problems()));
    }
  }
  std::string text;
  write_json(*field.value(), text);
  return parse_format_json(text, source + ": automaton").dfa;
}

/// The symbols of the task must be those of the automaton.
void require_same_symbols(const JsonField& field, const Alphabet& symbols, const Alphabet& automaton) {
  for (const std::string& name : automaton.names()) {
    if (!symbols.find(name)) field.report("symbols of the task only", shown(name));
  }
  for (const std::string& name : symbols.names()) {
    if (!automaton.find(name)) field.report("every symbol of the task", "an alphabet without " + shown(name));
  }
}

Task parse_version_1(JsonProblems& problems, const Program& model) {
  JsonField root = problems.root();
  root.only({"format", "version", "name", "description", "symbols", "bos", "min_length", "positions", "outputs",
             "automaton"});
  if (const JsonField format = root.find("format"); format.exists() && format.string() != "krohn-task-v1") {
    format.report("'krohn-task-v1'");
  }
  if (const JsonField version = root.find("version"); version.exists() && version.integer() != 1) {
    version.report("1");
  }
  std::vector<std::string> names;
  Tokens tokens;
  const JsonField symbols = root.at("symbols");
  for (const auto& [name, field] : symbols.members()) {
    names.push_back(name);
    tokens.push_back(token_of(field, model).value_or(0));
  }
  std::optional<std::uint32_t> first_token;
  if (const JsonField bos = root.find("bos"); bos.exists() && !bos.is_null()) first_token = token_of(bos, model);
  std::uint64_t min_length = first_token ? 0 : 1;
  if (const JsonField field = root.find("min_length"); field.exists() && !field.is_null()) {
    min_length = static_cast<std::uint64_t>(field.integer(0, static_cast<std::int64_t>(longest_min_length))
                                                .value_or(static_cast<std::int64_t>(min_length)));
    if (min_length == 0 && !first_token) field.report("at least 1 without bos: the empty word has no logits");
  }
  Task::Positions positions = Task::Positions::all;
  if (const JsonField field = root.find("positions"); field.exists()) {
    const std::optional<std::string> text = field.string();
    if (text == "last") {
      positions = Task::Positions::last;
    } else if (text && text != "all") {
      field.report("'all' or 'last'");
    }
  }
  std::vector<std::string> label_names;
  std::vector<LearnedTask::Output> outputs;
  const JsonField output_field = root.at("outputs");
  for (const auto& [key, field] : output_field.members()) {
    const std::optional<std::uint64_t> logit = decimal(key);
    // One way to write an index, so that distinct keys are distinct logits.
    if (!logit || *logit >= model.num_logits() || key != std::to_string(*logit)) {
      field.report("the index of one of the model's " + std::to_string(model.num_logits()) + " logits as the key",
                   shown(key));
      continue;
    }
    const std::optional<std::string> label = field.string();
    if (!label) continue;
    auto at = std::find(label_names.begin(), label_names.end(), *label);
    if (at == label_names.end()) at = label_names.insert(label_names.end(), *label);
    outputs.push_back({static_cast<std::uint32_t>(*logit), static_cast<std::int32_t>(at - label_names.begin())});
  }
  if (output_field.exists() && output_field.value()->object() != nullptr && output_field.value()->object()->empty()) {
    output_field.report("at least one output");
  }
  std::optional<Alphabet> alphabet;
  try {
    if (symbols.exists() && symbols.value()->object() != nullptr) alphabet.emplace(names);
  } catch (const InputError& error) {
    symbols.report(error.what());
  }
  std::optional<Dfa> automaton;
  if (const JsonField field = root.find("automaton"); field.exists() && !field.is_null()) {
    try {
      automaton = automaton_of(field, alphabet, problems.document().source);
      if (alphabet) require_same_symbols(field, *alphabet, automaton->alphabet());
    } catch (const InputError& error) {
      for (const std::string& problem : error.problems()) problems.add(problem);
    }
  }
  std::string description;
  for (const char* key : {"name", "description"}) {
    if (const JsonField field = root.find(key); field.exists()) {
      if (const std::optional<std::string> text = field.string()) {
        description += (description.empty() ? "" : ": ") + *text;
      }
    }
  }
  problems.raise_if_any();
  return {LearnedTask{*alphabet, tokens, first_token, label_names, outputs},
          min_length,
          positions,
          automaton,
          description,
          {}};
}

Task parse_training_shape(JsonProblems& problems, const Program& model) {
  JsonField root = problems.root();
  std::vector<std::string> names;
  Tokens tokens;
  for (const JsonField& field : root.at("alphabet").elements()) {
    if (const auto token = token_of(field, model)) {
      tokens.push_back(*token);
      names.push_back(std::to_string(*token));
    }
  }
  const JsonField table = root.at("delta");
  const std::vector<JsonField> rows = table.elements();
  const std::size_t states = rows.size();
  if (const JsonField count = root.find("n_states"); count.exists()) {
    if (count.natural() != states) count.report("the number of rows of delta, " + std::to_string(states));
  }
  if (states == 0) {
    if (table.exists()) table.report("at least one state");
  } else if (states > model.num_logits()) {
    table.report("at most one state for each of the model's " + std::to_string(model.num_logits()) + " logits",
                 std::to_string(states) + " states");
  }
  const auto most = static_cast<std::int64_t>(states) - 1;
  State start = 0;
  if (const JsonField field = root.find("start_state"); field.exists()) {
    start = static_cast<State>(field.integer(0, most).value_or(0));
  }
  std::vector<State> delta;
  for (const JsonField& row : rows) {
    const std::vector<JsonField> entries = row.elements();
    for (const std::uint32_t token : tokens) {
      if (token >= entries.size()) {
        row.report("an entry for each token of the alphabet", "no entry for token " + std::to_string(token));
        break;
      }
      delta.push_back(static_cast<State>(entries[token].integer(0, most).value_or(0)));
    }
  }
  std::vector<Task::Recorded> recorded;
  if (const JsonField eval = root.find("eval"); eval.exists() && !eval.is_null()) {
    for (const JsonField& entry : eval.elements()) {
      if (entry.find("error").exists()) continue;
      const auto length = entry.at("T").natural();
      const auto position = entry.at("pos").number();
      const auto last = entry.at("last").number();
      const auto sequence = entry.at("seq").number();
      if (length && position && last && sequence) recorded.push_back({*length, *position, *last, *sequence});
    }
  }
  std::string description;
  if (const JsonField field = root.find("description"); field.exists() && !field.is_null()) {
    description = field.string().value_or("");
  }
  problems.raise_if_any();
  std::vector<std::string> label_names;
  std::vector<LabelId> labels;
  std::vector<LearnedTask::Output> outputs;
  for (std::size_t i = 0; i < states; ++i) {
    label_names.push_back(std::to_string(i));
    labels.push_back(static_cast<LabelId>(i));
    outputs.push_back({static_cast<std::uint32_t>(i), static_cast<std::int32_t>(i)});
  }
  const Alphabet alphabet(names);
  return {LearnedTask{alphabet, tokens, std::nullopt, label_names, outputs},
          1,
          Task::Positions::all,
          Dfa(alphabet, start, delta, labels, label_names),
          description,
          recorded};
}

}  // namespace

Task parse_task(std::string_view text, const std::string& source, const Program& model) {
  const JsonDocument document = parse_json(text, source, {.non_finite = true});
  JsonProblems problems(document);
  const bool training_shape = document.root.find("delta") != nullptr && document.root.find("symbols") == nullptr;
  Task task = training_shape ? parse_training_shape(problems, model) : parse_version_1(problems, model);
  try {
    task.answers.validate(model);
  } catch (const InputError& error) {
    std::vector<std::string> named;
    for (const std::string& problem : error.problems()) named.push_back(source + ": " + problem);
    throw InputError(named);
  }
  return task;
}

Task read_task(const std::filesystem::path& path, const Program& model) {
  return parse_task(read_file(path), path.string(), model);
}

std::string fingerprint(const Program& model, const LearnedTask& task) {
  std::string bytes;
  // A length before every list and name: different tasks have different bytes.
  const auto number = [&](std::uint64_t value) { bytes += std::to_string(value) + ' '; };
  const auto names = [&](const std::vector<std::string>& list) {
    number(list.size());
    for (const std::string& name : list) {
      number(name.size());
      bytes += name;
    }
  };
  bytes += model.fingerprint();
  names(task.alphabet.names());
  for (const std::uint32_t token : task.tokens) number(token);
  number(task.first_token ? 1 : 0);
  number(task.first_token.value_or(0));
  names(task.label_names);
  number(task.outputs.size());
  for (const LearnedTask::Output& output : task.outputs) {
    number(output.logit);
    number(static_cast<std::uint64_t>(output.label));
  }
  return hexadecimal(sha256(bytes));
}

}  // namespace krohn
