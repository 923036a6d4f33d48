(** Prints what every theorem rests on; README.md says why. *)

From Krohn Require Import Depth Semantics Checker Exact.

Print Assumptions depth_theorem.
Print Assumptions depth_language.
Print Assumptions closure_certificate.
Print Assumptions invariant_certificate.
Print Assumptions word_certificate.
Print Assumptions lasso_certificate.
Print Assumptions any_order.
