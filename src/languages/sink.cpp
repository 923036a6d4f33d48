// See the header. Linear in the transitions. Tested by tests/languages/more_formats_test.cpp.
#include "sink.hpp"

#include <utility>

#include "krohn/error.hpp"
#include "krohn/text/problem_list.hpp"

namespace krohn {

LanguageSource complete_with_sink(const std::string& source, Alphabet alphabet, State start, std::vector<State> delta,
                                  std::vector<LabelId> labels, std::vector<std::string> label_names) {
  std::vector<std::string> notes;
  const auto sink = static_cast<State>(labels.size());
  std::size_t missing = 0;
  for (State& next : delta) {
    if (next != missing_state) continue;
    next = sink;
    ++missing;
  }
  if (missing > 0) {
    delta.insert(delta.end(), alphabet.size(), sink);
    const bool rejects = label_names == std::vector<std::string>{"0", "1"};
    labels.push_back(rejects ? 0 : null_label);
    notes.push_back(source + ": " + std::to_string(missing) +
                    (missing == 1 ? " missing transition" : " missing transitions") + " completed with a sink, state " +
                    std::to_string(sink) + (rejects ? " (label 0)" : " (label null, outside the domain)"));
  }
  try {
    return {Dfa(std::move(alphabet), start, std::move(delta), std::move(labels), std::move(label_names)),
            std::move(notes)};
  } catch (const InputError& error) {
    throw InputError(with_prefix(source + ": ", error.problems()));
  }
}

}  // namespace krohn
