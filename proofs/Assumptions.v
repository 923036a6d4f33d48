(** Prints what every theorem rests on; README.md says why. *)

From Krohn Require Depth Householder Parity Semantics Checker Exact Orders.

Print Assumptions Depth.depth_theorem.
Print Assumptions Depth.depth_language.
Print Assumptions Householder.ghprod_permutation.
Print Assumptions Householder.size_swaps.
Print Assumptions Householder.linear_depth.
Print Assumptions Householder.linear_depth_before.
Print Assumptions Householder.permutation_automaton.
Print Assumptions Parity.one_letter.
Print Assumptions Parity.no_parity.
Print Assumptions Checker.closure_certificate.
Print Assumptions Checker.invariant_certificate.
Print Assumptions Checker.word_certificate.
Print Assumptions Checker.lasso_certificate.
Print Assumptions Exact.any_order.
Print Assumptions Orders.every_way.
Print Assumptions Orders.gate_every_way.
Print Assumptions Orders.factor_every_way.
Print Assumptions Orders.write_every_way.
Print Assumptions Orders.score_every_way.
