(** The checker as OCaml. What is trusted here is said in README.md: the directives below map positive, N and Z to
    Zarith's integers (checker/big.ml), nat to native integers, and booleans, options, pairs and lists to OCaml's. *)

From Coq Require Import ZArith List Bool Arith Extraction ExtrOcamlBasic ExtrOcamlNatInt.
From Flocq Require Import IEEE754.BinarySingleNaN.
From Krohn Require Import Semantics Checker Exact.

Extract Inductive positive => "Big.t" [ "Big.double_plus_one" "Big.double" "Big.one" ] "Big.positive_case".
Extract Inductive N => "Big.t" [ "Big.zero" "(fun p -> p)" ] "Big.n_case".
Extract Inductive Z => "Big.t" [ "Big.zero" "(fun p -> p)" "Big.opp" ] "Big.z_case".

Extract Constant Pos.add => "Big.add".
Extract Constant Pos.succ => "Big.succ".
Extract Constant Pos.mul => "Big.mul".
Extract Constant Pos.eqb => "Big.equal".
Extract Constant Pos.compare => "Big.compare_case Eq Lt Gt".
Extract Constant Z.add => "Big.add".
Extract Constant Z.sub => "Big.sub".
Extract Constant Z.mul => "Big.mul".
Extract Constant Z.opp => "Big.opp".
Extract Constant Z.abs => "Big.abs".
Extract Constant Z.succ => "Big.succ".
Extract Constant Z.eqb => "Big.equal".
Extract Constant Z.leb => "Big.leq".
Extract Constant Z.ltb => "Big.lt".
Extract Constant Z.max => "Big.max".
Extract Constant Z.min => "Big.min".
Extract Constant Z.compare => "Big.compare_case Eq Lt Gt".
Extract Constant Z.land => "Big.logand".
Extract Constant Z.lor => "Big.logor".
Extract Constant Z.log2 => "Big.log2".
Extract Constant Z.pow => "Big.pow".
Extract Constant Z.shiftl => "Big.shiftl".
Extract Constant Z.div_eucl => "Big.div_eucl".
Extract Constant Z.modulo => "Big.modulo".
Extract Constant SpecFloat.digits2_pos => "Big.size".

Extraction "checker/proved.ml" Semantics.of_bits Semantics.decode_by Semantics.act Semantics.store Semantics.step
  Semantics.start Checker.check_closure Checker.check_closure_edges Checker.check_start Checker.check_invariant
  Checker.check_invariant_numbers Checker.check_word Checker.check_lasso Checker.check_language Checker.pair_up Checker.pair_up3
  Checker.stored_initial Exact.exact_tables.
