#include "experiment.hpp"

#include <algorithm>
#include <array>

namespace krohn::architectures {

std::string experiment_name(const JsonField& model) { return model.at("name").string().value_or(""); }

bool says_nothing(std::string_view key) {
  constexpr std::array<std::string_view, 7> keys = {
      "name",           "layer_type", "add_embedding_dropout", "dropout", "weight_decay_on_embedding",
      "context_length", "vocab_size"};
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

void lift(const JsonField& from, std::initializer_list<std::pair<std::string_view, std::string_view>> names,
          const std::string& prefix, JsonValue::Object& to) {
  if (!from.exists() || from.is_null()) return;
  for (const auto& [key, field] : from.members()) {
    if (says_nothing(key)) continue;
    const auto* renamed =
        std::find_if(names.begin(), names.end(), [&, k = key](const auto& pair) { return pair.first == k; });
    to.push_back({renamed == names.end() ? prefix + key : std::string(renamed->second), *field.value()});
  }
}

}  // namespace krohn::architectures
