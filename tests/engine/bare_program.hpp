// The smallest programs: a table and a head.
#pragma once

#include <utility>
#include <vector>

#include "krohn/model/program_builder.hpp"

namespace krohn::testing {

/// logits = head . embedding[token], of two entries; both stored input by input: embedding row t is {e[t], e[2 + t]}.
inline Program bare_program(std::vector<float> embedding, std::vector<float> head) {
  ProgramBuilder net("bare");
  const std::uint32_t table = net.add({"embedding", {2, 2}, true, std::move(embedding)});
  const std::uint32_t matrix = net.add({"head", {2, 2}, true, std::move(head)});
  net.product(matrix, net.embedding(table));
  return net.finish();
}

}  // namespace krohn::testing
