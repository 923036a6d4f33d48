// label: quick
// Constructors refuse every value that the engine would follow out of range.
#include "krohn/model/lrnn_model.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "krohn/error.hpp"

namespace krohn {
namespace {

TableLayer sign_layer() {
  TokenRow identity;
  TokenRow flip;
  flip.factors.push_back({{{0, 1.0F}}, 2.0F, {}});
  SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  return TableLayer{TokenTable(1, 1, {identity, flip}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
}

TEST_CASE("rows survive the flattening into arrays") {
  TokenRow row;
  row.gate = {0.0F};
  row.factors.push_back({{{0, 1.0F}, {2, -1.0F}}, 1.0F, {{1, 3.0F}}});
  row.factors.push_back({{{1, 0.5F}}, 2.0F, {}});
  row.write = {{5, 1.0F}};
  const TokenTable table(3, 2, {TokenRow{}, row});
  CHECK(table.num_rows() == 2);
  CHECK(table.num_householder() == 2);
  CHECK(table.gated());
  CHECK(table.row(0) == TokenRow{});
  CHECK(table.row(1) == row);
  CHECK(TokenTable(3, 2, table.arrays()) == table);
}

TEST_CASE("entries out of range, out of order, zero or not finite are refused") {
  const auto with_key = [](std::vector<Entry> key) {
    TokenRow row;
    row.factors.push_back({std::move(key), 1.0F, {}});
    return TokenTable(2, 1, {row});
  };
  CHECK_NOTHROW(with_key({{0, 1.0F}, {1, 1.0F}}));
  CHECK_THROWS_AS(with_key({{2, 1.0F}}), InputError);
  CHECK_THROWS_AS(with_key({{1, 1.0F}, {0, 1.0F}}), InputError);
  CHECK_THROWS_AS(with_key({{0, 0.0F}}), InputError);
  CHECK_THROWS_AS(with_key({{0, std::numeric_limits<float>::quiet_NaN()}}), InputError);
  TokenTable::Arrays arrays = TokenTable(2, 1, {TokenRow{}}).arrays();
  arrays.gate_offset.back() = 7;
  CHECK_THROWS_AS(TokenTable(2, 1, arrays), InputError);
  CHECK_THROWS_AS(TokenTable(0, 1, {TokenRow{}}), InputError);
}

TEST_CASE("a model refuses rows, readouts and labels that do not exist") {
  const Alphabet alphabet = Alphabet::of_characters("01");
  const auto build = [&](const TableLayer& layer, std::vector<std::int32_t> rows = {0, 1}, std::int32_t initial = 0) {
    return LrnnModel(alphabet, {"0", "1"}, initial, std::move(rows), {layer});
  };
  CHECK_NOTHROW(build(sign_layer()));
  CHECK_THROWS_AS(build(sign_layer(), {0, 2}), InputError);
  CHECK_THROWS_AS(build(sign_layer(), {0}), InputError);
  CHECK_THROWS_AS(build(sign_layer(), {0, 1}, 2), InputError);
  TableLayer layer = sign_layer();
  layer.next[1] = 2;
  CHECK_THROWS_AS(build(layer), InputError);
  layer = sign_layer();
  layer.row_next[1] = 1;
  CHECK_THROWS_AS(build(layer), InputError);
  layer = sign_layer();
  layer.row_action[0] = 2;
  CHECK_THROWS_AS(build(layer), InputError);
  layer = sign_layer();
  layer.row_readout[0] = 1;
  CHECK_THROWS_AS(build(layer), InputError);
  layer = sign_layer();
  layer.initial_hidden.clear();
  CHECK_THROWS_AS(build(layer), InputError);
  layer = sign_layer();
  layer.readouts[0].weight[0][0].index = 1;
  CHECK_THROWS_AS(build(layer), InputError);
}

}  // namespace
}  // namespace krohn
