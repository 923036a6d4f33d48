// Certificates to bytes and back (docs/certificates.md, 1 to 3). A file is a first line that names the version, the
// length of a JSON header, the header, 32-bit words, and the SHA-256 of all that. Reading trusts no count: every size
// in the header is compared with the bytes that are there before anything is allocated.
#include "krohn/results/certificate_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
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
constexpr std::uint64_t max_file_bytes = std::uint64_t{4} << 30U;
constexpr std::uint64_t max_count = std::numeric_limits<std::uint32_t>::max();

std::string digest_of(std::string_view bytes) {
  const auto digest = sha256(bytes);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

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

// Members of `json`, words behind those of `payload`.
class FieldWriter : public EvidenceFields {
 public:
  FieldWriter(nlohmann::ordered_json& json, std::string& payload, std::uint64_t num_symbols)
      : json_(json), payload_(payload), num_symbols_(num_symbols) {}

  void text(std::string_view name, std::string& value) override { json_[std::string(name)] = value; }
  void natural(std::string_view name, std::uint64_t& value) override { json_[std::string(name)] = value; }
  void number(std::string_view name, std::uint32_t& value) override { json_[std::string(name)] = value; }
  std::uint64_t size(std::string_view name, std::uint64_t own) override {
    json_[std::string(name)] = own;
    return own;
  }
  std::uint64_t objects(std::string_view name, std::uint64_t own,
                        const std::function<void(std::size_t, EvidenceFields&)>& object) override {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < own; ++i) {
      nlohmann::ordered_json one;
      FieldWriter fields(one, payload_, num_symbols_);
      object(i, fields);
      list.push_back(std::move(one));
    }
    json_[std::string(name)] = std::move(list);
    return own;
  }
  std::uint64_t num_symbols() const override { return num_symbols_; }
  void require(bool) override {}

 private:
  bool writing() const override { return true; }
  void write(std::span<const std::byte> bytes) override {
    payload_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::span<const std::byte> read(std::uint64_t, std::size_t) override { return {}; }

  nlohmann::ordered_json& json_;
  std::string& payload_;
  std::uint64_t num_symbols_;
};

// What is left of a payload, and whether it has had all that was asked of it.
struct Payload {
  std::span<const std::byte> left;
  bool fits = true;
};

class FieldReader : public EvidenceFields {
 public:
  FieldReader(JsonField json, Payload& payload, std::uint64_t num_symbols)
      : json_(json), payload_(payload), num_symbols_(num_symbols) {}

  void text(std::string_view name, std::string& value) override { value = member(name).string().value_or(""); }
  void natural(std::string_view name, std::uint64_t& value) override { value = member(name).natural().value_or(0); }
  void number(std::string_view name, std::uint32_t& value) override {
    value = static_cast<std::uint32_t>(size(name, 0));
  }
  std::uint64_t size(std::string_view name, std::uint64_t) override {
    return static_cast<std::uint64_t>(member(name).integer(0, max_count).value_or(0));
  }
  std::uint64_t objects(std::string_view name, std::uint64_t,
                        const std::function<void(std::size_t, EvidenceFields&)>& object) override {
    const std::vector<JsonField> elements = member(name).elements();
    for (std::size_t i = 0; i < elements.size(); ++i) {
      FieldReader fields(elements[i], payload_, num_symbols_);
      object(i, fields);
      fields.only_those_asked_for();
    }
    return elements.size();
  }
  std::uint64_t num_symbols() const override { return num_symbols_; }
  void require(bool holds) override { payload_.fits = payload_.fits && holds; }

  // Reports every other member.
  void only_those_asked_for() const {
    if (!json_.exists() || json_.value()->object() == nullptr) return;
    std::string known;
    for (const std::string& name : names_) known += (known.empty() ? "" : ", ") + name;
    for (const auto& [name, value] : json_.members()) {
      if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
        value.report("only the members " + known, shown(name));
      }
    }
  }

 private:
  JsonField member(std::string_view name) {
    names_.emplace_back(name);
    return json_.at(name);
  }
  bool writing() const override { return false; }
  void write(std::span<const std::byte>) override {}
  std::span<const std::byte> read(std::uint64_t count, std::size_t entry_size) override {
    if (count > payload_.left.size() / entry_size) {
      payload_.fits = false;
      return {};
    }
    const std::span<const std::byte> bytes = payload_.left.first(count * entry_size);
    payload_.left = payload_.left.subspan(bytes.size());
    return bytes;
  }

  JsonField json_;
  Payload& payload_;
  std::uint64_t num_symbols_;
  std::vector<std::string> names_;
};

// Reads the evidence; reports it if the payload has not exactly the words that the header announces.
Evidence parse_evidence(const JsonField& field, std::size_t num_symbols, std::string_view bytes) {
  Payload payload{std::as_bytes(std::span(bytes))};
  FieldReader fields(field, payload, num_symbols);
  std::string kind;
  fields.text("kind", kind);
  std::optional<Evidence> evidence = evidence_of_kind(kind);
  if (!evidence) {
    field.at("kind").report(evidence_kinds());
    return {};
  }
  list_fields(*evidence, fields);
  fields.only_those_asked_for();
  if (!payload.fits || !payload.left.empty()) {
    field.report("a payload of the announced sizes", std::to_string(bytes.size()) + " bytes");
  }
  return *std::move(evidence);
}

}  // namespace

std::string certificate_bytes(Certificate certificate) {
  nlohmann::ordered_json evidence;
  evidence["kind"] = evidence_kind(certificate.evidence);
  std::string payload;
  FieldWriter fields(evidence, payload, certificate.automaton.num_symbols());
  list_fields(certificate.evidence, fields);
  nlohmann::ordered_json header;
  header["tool"] = certificate.tool;
  header["model_name"] = certificate.model_name;
  header["language_name"] = certificate.language_name;
  header["verdict"] = verdict_name(certificate.claim.verdict);
  header["length"] =
      certificate.claim.length ? nlohmann::ordered_json(*certificate.claim.length) : nlohmann::ordered_json(nullptr);
  header["exact_bits"] = certificate.claim.exact_bits ? nlohmann::ordered_json(*certificate.claim.exact_bits)
                                                      : nlohmann::ordered_json(nullptr);
  header["semantics"] = certificate.semantics;
  header["claim"] = certificate_claim(certificate);
  header["label_rule"] = certificate_label_rule;
  header["model_fingerprint"] = certificate.model_fingerprint;
  header["automaton_fingerprint"] = fingerprint(certificate.automaton);
  header["automaton"] = automaton_json(certificate.automaton);
  header["symbol_map"] = certificate.symbol_map;
  header["evidence"] = std::move(evidence);
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
  bytes += payload;
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
  const std::optional<VerdictKind> verdict = parse_verdict_kind(root.at("verdict").string().value_or(""));
  if (!verdict) root.at("verdict").report("PROVED, CERTIFIED, REFUTED or UNKNOWN");
  Claim claim{verdict.value_or(VerdictKind::unknown)};
  if (!root.at("length").is_null()) claim.length = root.at("length").natural();
  if (!root.at("exact_bits").is_null()) {
    claim.exact_bits = static_cast<unsigned>(root.at("exact_bits").integer(0, 24).value_or(0));
    if (verdict != VerdictKind::proved) root.at("exact_bits").report("null, for a verdict other than PROVED");
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
                          .claim = claim,
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

void write_certificate(const std::filesystem::path& path, Certificate certificate) {
  write_file(path, certificate_bytes(std::move(certificate)));
}

Certificate read_certificate(const std::filesystem::path& path) {
  return parse_certificate(read_file(path, max_file_bytes), path.string());
}

}  // namespace krohn
