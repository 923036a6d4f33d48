// Closures of hardened models whose transitions hold in every order of operations. Tested by
// tests/verify/every_order_test.cpp.
#include "krohn/verify/evidence/rounded_closure.hpp"

#include "krohn/verify/every_order.hpp"

namespace krohn {

void RoundedClosureEvidence::check(const Assertion& assertion) const {
  expect(assertion.exact == nullptr, "a rounded closure shows no exactness");
  closure.check(assertion);
  EveryOrder orders = holds_in_every_order(closure, assertion.machine, assertion.specification, {});
  if (!orders.holds) throw Refusal{{false, std::move(orders.reason)}};
}

}  // namespace krohn
