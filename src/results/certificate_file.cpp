// Certificates to bytes and back (docs/certificates.md, 1 to 3). A file is a first line that names the version, the
// length of a JSON header, the header, 32-bit words, and the SHA-256 of all that. Reading trusts no count: every size
// in the header is compared with the bytes that are there before anything is allocated.
#include "krohn/results/certificate_file.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "krohn/automata/fingerprint.hpp"
#include "krohn/digest/sha256.hpp"
#include "krohn/error.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/json_document.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

static_assert(std::endian::native == std::endian::little, "words are copied as they lie in memory");

constexpr std::string_view first_line = "krohn-certificate-v2\n";
constexpr std::size_t digest_size = 32;
constexpr std::size_t max_file_bytes = std::size_t{4} << 30U;
constexpr std::uint64_t max_count = std::numeric_limits<std::uint32_t>::max();

std::string digest_of(std::string_view bytes) {
  const auto digest = sha256(bytes);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

class WordWriter {
 public:
  template <typename T>
  void add(const std::vector<T>& values) {
    static_assert(sizeof(T) == sizeof(std::uint32_t));
    if (!values.empty()) bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  void add(const std::vector<RowContext>& contexts) {
    for (const RowContext& context : contexts) {
      add(std::vector<std::uint32_t>{context.symbol, context.old_node, context.new_node});
    }
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class WordReader {
 public:
  explicit WordReader(std::string_view bytes) : bytes_(bytes) {}
  // False, and nothing read, if there are not so many words left.
  template <typename T>
  bool read(std::vector<T>& values, std::uint64_t count) {
    static_assert(sizeof(T) == sizeof(std::uint32_t));
    if (count > bytes_.size() / sizeof(T)) return false;
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), bytes_.data(), count * sizeof(T));
    bytes_.remove_prefix(count * sizeof(T));
    return true;
  }
  // count1 * count2 words, both below 2^32.
  template <typename T>
  bool read(std::vector<T>& values, std::uint64_t count1, std::uint64_t count2) {
    return read(values, count1 * count2);
  }
  bool read(std::vector<RowContext>& contexts, std::uint64_t count) {
    std::vector<std::uint32_t> words;
    if (!read(words, count, 3)) return false;
    for (std::size_t i = 0; i < words.size(); i += 3) contexts.push_back({words[i], words[i + 1], words[i + 2]});
    return true;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

nlohmann::ordered_json automaton_json(const Dfa& dfa) {
  nlohmann::ordered_json json;
  json["alphabet"] = dfa.alphabet().names();
  json["start"] = dfa.start();
  json["transitions"] = nlohmann::ordered_json::array();
  json["labels"] = nlohmann::ordered_json::array();
  for (State q = 0; q < dfa.num_states(); ++q) {
    nlohmann::ordered_json row = nlohmann::ordered_json::array();
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) row.push_back(dfa.next(q, a));
    json["transitions"].push_back(std::move(row));
    json["labels"].push_back(dfa.label(q) == null_label ? nlohmann::ordered_json(nullptr)
                                                        : nlohmann::ordered_json(dfa.label_name(dfa.label(q))));
  }
  return json;
}

std::optional<Dfa> parse_automaton(const JsonField& field) {
  field.only({"alphabet", "start", "transitions", "labels"});
  std::vector<std::string> names = field.at("alphabet").strings();
  const auto start = field.at("start").integer(0, max_count);
  std::vector<State> delta;
  std::size_t rows = 0;
  bool whole = start.has_value();
  for (const JsonField& row : field.at("transitions").elements()) {
    ++rows;
    const std::vector<JsonField> entries = row.elements();
    if (entries.size() != names.size()) {
      row.report("one state a symbol");
      whole = false;
    }
    for (const JsonField& entry : entries) {
      const auto state = entry.integer(0, max_count);
      whole = whole && state;
      if (state) delta.push_back(static_cast<State>(*state));
    }
  }
  std::vector<LabelId> labels;
  std::vector<std::string> label_names;
  std::map<std::string, LabelId> number;
  for (const JsonField& label : field.at("labels").elements()) {
    if (label.is_null()) {
      labels.push_back(null_label);
      continue;
    }
    const auto name = label.string();
    whole = whole && name;
    if (!name) continue;
    const auto [entry, fresh] = number.emplace(*name, static_cast<LabelId>(label_names.size()));
    if (fresh) label_names.push_back(*name);
    labels.push_back(entry->second);
  }
  if (labels.size() != rows) {
    field.at("labels").report("one label a state");
    whole = false;
  }
  if (!whole) return std::nullopt;
  try {
    return Dfa(Alphabet(std::move(names)), static_cast<State>(*start), std::move(delta), std::move(labels),
               std::move(label_names));
  } catch (const InputError& error) {
    field.report("an automaton", error.what());
    return std::nullopt;
  }
}

struct EvidenceWriter {
  nlohmann::ordered_json json;
  WordWriter words;

  void operator()(const NoEvidence& evidence) {
    json["kind"] = "none";
    json["statement"] = evidence.statement;
  }
  void operator()(const ClosureEvidence& evidence) {
    json["kind"] = "closure";
    json["pairs"] = evidence.pairs();
    json["state_words"] = evidence.state_words;
    words.add(evidence.states);
    words.add(evidence.automaton_states);
    words.add(evidence.depths);
    words.add(evidence.successors);
  }
  void operator()(const InvariantEvidence& evidence) {
    json["kind"] = "invariant";
    json["root"] = evidence.root;
    json["nodes"] = evidence.node_layer.size();
    json["children"] = evidence.child_node.size();
    json["layers"] = nlohmann::ordered_json::array();
    words.add(evidence.slot_readout);
    words.add(evidence.node_layer);
    words.add(evidence.child_offset);
    words.add(evidence.child_node);
    words.add(evidence.node_state);
    for (const InvariantEvidence::Layer& layer : evidence.layers) {
      json["layers"].push_back({{"hidden_words", layer.hidden_words},
                                {"hidden", layer.hidden.size() / layer.hidden_words},
                                {"rows", layer.rows.size()}});
      words.add(layer.hidden);
      words.add(layer.rows);
      words.add(layer.contexts);
    }
  }
  void operator()(const WordEvidence& evidence) {
    json["kind"] = "word";
    json["expected"] = evidence.expected;
    json["observed"] = evidence.observed;
    json["margin_bits"] = evidence.margin_bits;
    json["symbols"] = evidence.word.size();
    json["state_words"] = evidence.state.size();
    words.add(evidence.word);
    words.add(evidence.state);
  }
  void operator()(const LassoEvidence& evidence) {
    json["kind"] = "lasso";
    json["prefix_a"] = evidence.prefix_a.size();
    json["prefix_b"] = evidence.prefix_b.size();
    json["loop"] = evidence.loop.size();
    json["exponent_a"] = evidence.exponent_a;
    json["exponent_b"] = evidence.exponent_b;
    json["suffix"] = evidence.suffix.size();
    json["expected_a"] = evidence.expected_a;
    json["expected_b"] = evidence.expected_b;
    json["observed"] = evidence.observed;
    json["state_words"] = evidence.state.size();
    words.add(evidence.prefix_a);
    words.add(evidence.prefix_b);
    words.add(evidence.loop);
    words.add(evidence.suffix);
    words.add(evidence.state);
  }
  void operator()(const HorizonEvidence& evidence) {
    json["kind"] = "horizon";
    json["start"] = evidence.reference.start;
    json["centres"] = evidence.reference.centre.size();
    json["successors"] = evidence.reference.successor.size();
    std::vector<std::uint32_t> halves(2 * evidence.reference.centre.size());
    if (!halves.empty())
      std::memcpy(halves.data(), evidence.reference.centre.data(), halves.size() * sizeof(halves[0]));
    words.add(halves);
    words.add(evidence.reference.successor);
  }
};

std::uint64_t count(const JsonField& field, std::string_view name) {
  return static_cast<std::uint64_t>(field.at(name).integer(0, max_count).value_or(0));
}

// Reads the evidence; reports it if the payload has not exactly the words that the header announces.
Evidence parse_evidence(const JsonField& field, std::size_t num_symbols, std::string_view payload) {
  WordReader words(payload);
  const std::string kind = field.at("kind").string().value_or("");
  bool fits = true;
  const auto announced = [&](bool read) { fits = fits && read; };
  Evidence result;
  if (kind == "closure") {
    field.only({"kind", "pairs", "state_words"});
    ClosureEvidence evidence;
    const std::uint64_t pairs = count(field, "pairs");
    evidence.state_words = count(field, "state_words");
    announced(words.read(evidence.states, pairs, evidence.state_words));
    announced(words.read(evidence.automaton_states, pairs));
    announced(words.read(evidence.depths, pairs));
    announced(words.read(evidence.successors, pairs, num_symbols));
    result = std::move(evidence);
  } else if (kind == "invariant") {
    field.only({"kind", "root", "nodes", "children", "layers"});
    InvariantEvidence evidence;
    const std::vector<JsonField> layers = field.at("layers").elements();
    const std::uint64_t nodes = count(field, "nodes");
    evidence.root = static_cast<std::uint32_t>(count(field, "root"));
    announced(words.read(evidence.slot_readout, layers.size()));
    announced(words.read(evidence.node_layer, nodes));
    announced(words.read(evidence.child_offset, nodes + 1));
    announced(words.read(evidence.child_node, count(field, "children")));
    announced(words.read(evidence.node_state, nodes));
    for (const JsonField& sizes : layers) {
      sizes.only({"hidden_words", "hidden", "rows"});
      InvariantEvidence::Layer layer;
      const std::uint64_t rows = count(sizes, "rows");
      layer.hidden_words = count(sizes, "hidden_words");
      announced(layer.hidden_words > 0 && words.read(layer.hidden, count(sizes, "hidden"), layer.hidden_words));
      announced(words.read(layer.rows, rows));
      announced(words.read(layer.contexts, rows));
      evidence.layers.push_back(std::move(layer));
    }
    result = std::move(evidence);
  } else if (kind == "word") {
    field.only({"kind", "expected", "observed", "margin_bits", "symbols", "state_words"});
    WordEvidence evidence;
    evidence.expected = field.at("expected").string().value_or("");
    evidence.observed = field.at("observed").string().value_or("");
    evidence.margin_bits = static_cast<std::uint32_t>(count(field, "margin_bits"));
    announced(words.read(evidence.word, count(field, "symbols")));
    announced(words.read(evidence.state, count(field, "state_words")));
    result = std::move(evidence);
  } else if (kind == "lasso") {
    field.only({"kind", "prefix_a", "prefix_b", "loop", "exponent_a", "exponent_b", "suffix", "expected_a",
                "expected_b", "observed", "state_words"});
    LassoEvidence evidence;
    evidence.exponent_a = field.at("exponent_a").natural().value_or(0);
    evidence.exponent_b = field.at("exponent_b").natural().value_or(0);
    evidence.expected_a = field.at("expected_a").string().value_or("");
    evidence.expected_b = field.at("expected_b").string().value_or("");
    evidence.observed = field.at("observed").string().value_or("");
    announced(words.read(evidence.prefix_a, count(field, "prefix_a")));
    announced(words.read(evidence.prefix_b, count(field, "prefix_b")));
    announced(words.read(evidence.loop, count(field, "loop")));
    announced(words.read(evidence.suffix, count(field, "suffix")));
    announced(words.read(evidence.state, count(field, "state_words")));
    result = std::move(evidence);
  } else if (kind == "horizon") {
    field.only({"kind", "start", "centres", "successors"});
    HorizonEvidence evidence;
    evidence.reference.start = static_cast<std::uint32_t>(count(field, "start"));
    std::vector<std::uint32_t> halves;
    announced(words.read(halves, count(field, "centres"), 2));
    evidence.reference.centre.resize(halves.size() / 2);
    if (!halves.empty())
      std::memcpy(evidence.reference.centre.data(), halves.data(), halves.size() * sizeof(halves[0]));
    for (const double coordinate : evidence.reference.centre) announced(std::isfinite(coordinate));
    announced(words.read(evidence.reference.successor, count(field, "successors")));
    result = std::move(evidence);
  } else if (kind == "none") {
    field.only({"kind", "statement"});
    result = NoEvidence{field.at("statement").string().value_or("")};
  } else {
    field.at("kind").report("closure, invariant, word, lasso, horizon or none");
  }
  if (!fits || !words.at_end()) {
    field.report("a payload of the announced sizes", std::to_string(payload.size()) + " bytes");
  }
  return result;
}

}  // namespace

std::string certificate_bytes(const Certificate& certificate) {
  EvidenceWriter evidence;
  std::visit(evidence, certificate.evidence);
  nlohmann::ordered_json header;
  header["tool"] = certificate.tool;
  header["model_name"] = certificate.model_name;
  header["language_name"] = certificate.language_name;
  header["verdict"] = certificate.verdict;
  header["length"] = certificate.length ? nlohmann::ordered_json(*certificate.length) : nlohmann::ordered_json(nullptr);
  header["exact_bits"] =
      certificate.exact_bits ? nlohmann::ordered_json(*certificate.exact_bits) : nlohmann::ordered_json(nullptr);
  header["semantics"] = certificate.semantics;
  header["claim"] = certificate_claim(certificate);
  header["label_rule"] = certificate_label_rule;
  header["model_fingerprint"] = certificate.model_fingerprint;
  header["automaton_fingerprint"] = fingerprint(certificate.automaton);
  header["automaton"] = automaton_json(certificate.automaton);
  header["symbol_map"] = certificate.symbol_map;
  header["evidence"] = evidence.json;
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw InputError("certificate: expected names in UTF-8, got other bytes");
  }
  std::string bytes(first_line);
  const std::uint64_t length = text.size();
  bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes += text;
  bytes += evidence.words.bytes();
  bytes += digest_of(bytes);
  return bytes;
}

Certificate parse_certificate(std::string_view bytes, const std::string& source) {
  if (bytes.substr(0, first_line.size()) != first_line) {
    const bool other_version = bytes.substr(0, 19) == "krohn-certificate-v";
    throw InputError(source + ": expected a certificate of version 2, got " +
                     (other_version ? "version " + shown(bytes.substr(19, bytes.substr(19, 12).find('\n')))
                                    : std::string("a file that is no certificate")));
  }
  std::uint64_t length = 0;
  const std::size_t before = first_line.size() + sizeof(length);
  if (bytes.size() < before + digest_size)
    throw InputError(source + ": expected a whole certificate, got a shorter file");
  std::memcpy(&length, bytes.data() + first_line.size(), sizeof(length));
  if (length > bytes.size() - before - digest_size) {
    throw InputError(source + ": expected a whole certificate, got a header longer than the file");
  }
  if (digest_of(bytes.substr(0, bytes.size() - digest_size)) != bytes.substr(bytes.size() - digest_size)) {
    throw InputError(source + ": expected the digest of the bytes before it at the end, got another");
  }
  const JsonDocument document = parse_json(bytes.substr(before, length), source);
  JsonProblems problems(document);
  const JsonField root = problems.root();
  root.only({"tool", "model_name", "language_name", "verdict", "length", "exact_bits", "semantics", "claim",
             "label_rule", "model_fingerprint", "automaton_fingerprint", "automaton", "symbol_map", "evidence"});
  const std::optional<Dfa> automaton = parse_automaton(root.at("automaton"));
  const std::string semantics = root.at("semantics").string().value_or("");
  const std::string verdict = root.at("verdict").string().value_or("");
  if (verdict != "PROVED" && verdict != "CERTIFIED" && verdict != "REFUTED" && verdict != "UNKNOWN") {
    root.at("verdict").report("PROVED, CERTIFIED, REFUTED or UNKNOWN");
  }
  std::optional<std::uint64_t> claimed;
  if (!root.at("length").is_null()) claimed = root.at("length").natural();
  std::optional<unsigned> exact_bits;
  if (!root.at("exact_bits").is_null()) {
    exact_bits = static_cast<unsigned>(root.at("exact_bits").integer(0, 24).value_or(0));
    if (verdict != "PROVED") root.at("exact_bits").report("null, for a verdict other than PROVED");
  }
  std::vector<Symbol> symbol_map;
  for (const JsonField& symbol : root.at("symbol_map").elements()) {
    symbol_map.push_back(static_cast<Symbol>(symbol.integer(0, max_count).value_or(0)));
  }
  auto evidence = parse_evidence(root.at("evidence"), automaton ? automaton->num_symbols() : 0,
                                 bytes.substr(before + length, bytes.size() - digest_size - before - length));
  problems.raise_if_any();
  Certificate certificate{.tool = root.at("tool").string().value_or(""),
                          .model_name = root.at("model_name").string().value_or(""),
                          .language_name = root.at("language_name").string().value_or(""),
                          .verdict = verdict,
                          .length = claimed,
                          .exact_bits = exact_bits,
                          .semantics = semantics,
                          .model_fingerprint = root.at("model_fingerprint").string().value_or(""),
                          .automaton = *automaton,
                          .symbol_map = std::move(symbol_map),
                          .evidence = std::move(evidence)};
  if (root.at("claim").string() != certificate_claim(certificate)) {
    root.at("claim").report("the claim of verdict, length, semantics and evidence");
  }
  if (root.at("label_rule").string() != certificate_label_rule) root.at("label_rule").report("the rule of version 2");
  if (root.at("automaton_fingerprint").string() != fingerprint(*automaton)) {
    root.at("automaton_fingerprint").report("the fingerprint of the automaton");
  }
  problems.raise_if_any();
  return certificate;
}

void write_certificate(const std::filesystem::path& path, const Certificate& certificate) {
  write_file(path, certificate_bytes(certificate));
}

Certificate read_certificate(const std::filesystem::path& path) {
  return parse_certificate(read_file(path, max_file_bytes), path.string());
}

}  // namespace krohn
